//! The seam between the program and the disk: the few file operations a download needs, and nothing above them.
//!
//! All calls block. Tests put storages behind it that fail at the nth call or forget what was not synced.

mod lacks;
#[cfg(unix)]
mod locks;
mod system;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

pub(crate) use system::{Directory, SystemStorage};

/// A file system.
pub(crate) trait Storage: Send + Sync + fmt::Debug {
    /// Opens a file for reading and writing.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StoredFile>>;

    /// What is at `path`; `None` when nothing is. Does not follow a symbolic link at its end.
    fn stat(&self, path: &Path) -> io::Result<Option<Stat>>;

    /// The same, at the end of the links that `path` leads through. What only looks like a file, as an entry of `/proc` does, is
    /// [`FileKind::Other`].
    fn follow(&self, path: &Path) -> io::Result<Option<Stat>>;

    /// A directory's path without links, `.` and `..`: an error where it is not there.
    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        std::path::absolute(path)
    }

    /// The names in a directory; none where that is not known.
    fn list(&self, _directory: &Path) -> io::Result<Vec<OsString>> {
        Ok(Vec::new())
    }

    /// Creates a directory and those above it; an existing one is fine.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Gives a file another name in one step, replacing what has that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Which run of the machine this is: what was not synced in an earlier one may be lost. `None` where nobody knows.
    fn boot_id(&self) -> Option<[u8; 16]>;

    /// Opens a directory whose names are to be made durable later, so that this does not fail then because too many files are
    /// open. `None` where there is nothing to open; then [`sync_dir`](Self::sync_dir) is the way.
    fn open_dir(&self, _path: &Path) -> io::Result<Option<Directory>> {
        Ok(None)
    }

    /// Whether a lock on a file of `directory` proves that nobody else has it, on this machine or on another one. False where
    /// that is not known: on network file systems, and where locks are granted to everybody.
    fn locks_are_proof(&self, directory: &Path) -> bool;

    /// Makes the names in a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
}

/// An open file. Closing it gives its lock back.
pub(crate) trait StoredFile: Send + Sync + fmt::Debug {
    /// Reads at `offset`; fewer bytes than asked for only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`. The kernel has them when this returns.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts or extends the file; what is added reads as zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Reserves space for the first `len` bytes, so that a full disk is known now and not at the end.
    fn allocate(&self, len: u64) -> io::Result<Allocation>;

    /// Makes the file's content and length durable. An error may be that of an earlier write which was acknowledged, and
    /// is told once: what was written since the last successful call may be lost.
    fn sync(&self) -> io::Result<()>;

    /// Has the system forget what it keeps of the file in memory, as far as it is on the disk. Where it can't, or there is
    /// no such memory, nothing happens.
    fn drop_cached(&self) -> io::Result<()>;

    /// Sets the time of the last modification; the next write sets it anew.
    fn set_modified(&self, time: SystemTime) -> io::Result<()>;

    /// Gives the file the rights of another one, as far as this process may; nobody gets more than the other one grants.
    fn set_access(&self, access: Access) -> io::Result<()>;

    /// Takes the exclusive lock without waiting. False if somebody else has it.
    fn try_lock(&self) -> io::Result<bool>;

    /// Gives the lock back while the file stays open: for an owner that leaves a call behind which has not returned.
    fn unlock(&self) -> io::Result<()>;

    /// What the open file is, wherever its name points by now.
    fn stat(&self) -> io::Result<Stat>;
}

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenMode {
    /// It must exist.
    Existing,
    /// It must exist, and is only read.
    Read,
    /// It must not exist. Created readable and writable by its owner and group rules as any other file.
    CreateNew,
    /// It must not exist. Nobody but its owner may read it.
    CreatePrivate,
}

/// What became of a wish to reserve space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allocation {
    /// The blocks are ours.
    Reserved,
    /// This file system can't reserve; the file is sparse and the disk may fill up on the way.
    Sparse,
}

/// What a file system tells about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stat {
    pub(crate) kind: FileKind,
    pub(crate) id: FileId,
    /// Where the platform tells.
    pub(crate) access: Option<Access>,
    /// How many names the file has; 1 where the platform does not tell.
    pub(crate) names: u64,
    /// Length in bytes.
    pub(crate) len: u64,
    /// Last modification of the content, in nanoseconds since the Unix epoch.
    pub(crate) modified_ns: i64,
    /// Last change of content or attributes (`st_ctime`), likewise; can't be set back by a program. 0 where the
    /// platform does not tell.
    pub(crate) changed_ns: i64,
}

impl Stat {
    /// What two files of ours never have in common, whatever number they have.
    pub(crate) fn looks(&self) -> (FileKind, u64, i64, i64) {
        (self.kind, self.len, self.modified_ns, self.changed_ns)
    }
}

/// Who may do what with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Access {
    /// The nine bits for owner, group and others. Set-user-id and its like are not a matter of content from elsewhere.
    pub(crate) mode: u32,
    pub(crate) user: u32,
    pub(crate) group: u32,
}

impl Access {
    /// The same, but that the owner can read and write: a file that is not done yet has to be opened again.
    pub(crate) fn while_it_grows(self) -> Self {
        let mode = self.mode | 0o600;
        Self { mode, ..self }
    }

    /// The bits for a file that has another group, which is granted no more than everybody is.
    pub(crate) fn mode_in_another_group(self) -> u32 {
        let group_as_others = (self.mode & 0o007) << 3;
        self.mode & (0o707 | group_as_others)
    }
}

/// What kind of thing has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum FileKind {
    File,
    Directory,
    Symlink,
    /// A device, a socket, a pipe.
    Other,
}

/// What makes two names the same file: device and inode number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileId {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

/// The directory that holds a file's name.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Creates a directory and those above it, and makes their names durable; an existing one is fine.
pub(crate) fn make_directories(storage: &dyn Storage, path: &Path) -> io::Result<()> {
    let mut missing = Vec::new();
    for directory in path.ancestors().filter(|path| !path.as_os_str().is_empty()) {
        if storage.stat(directory)?.is_some() {
            break;
        }
        missing.push(directory);
    }
    storage.create_dir_all(path)?;
    missing
        .into_iter()
        .rev()
        .try_for_each(|directory| storage.sync_dir(directory_of(directory)))
}

/// Gives an open file another name. A network file system may ask its server twice, and answer that the old name is not there
/// where the first time has done it.
pub(crate) fn rename_open(
    storage: &dyn Storage,
    file: &dyn StoredFile,
    from: &Path,
    to: &Path,
) -> io::Result<()> {
    match storage.rename(from, to) {
        Err(error)
            if error.kind() == io::ErrorKind::NotFound && matches!(named(storage, to, file), Ok(Some(_))) =>
        {
            Ok(())
        }
        renamed => renamed,
    }
}

/// Opens `path` and takes its lock, making sure that the name still means the locked file: its former owner may
/// have renamed or removed it between our open and our lock.
pub(crate) fn open_locked(storage: &dyn Storage, path: &Path, mode: OpenMode) -> io::Result<Locked> {
    for _ in 0..MOST_LOOKS {
        // To open a device can have effects, and to open a pipe can take for ever.
        if mode == OpenMode::Existing {
            match storage.stat(path)? {
                None => return Ok(Locked::Absent),
                Some(stat) if stat.kind != FileKind::File => return Err(io::Error::other(NOT_A_FILE)),
                Some(_) => {}
            }
        }
        let file = match storage.open(path, mode) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Locked::Absent),
            Err(error) => return Err(error),
        };
        if !file.try_lock()? {
            return Ok(Locked::Held);
        }
        if let Some(named) = named(storage, path, &*file)? {
            return Ok(Locked::Ours(file, named));
        }
        if mode != OpenMode::Existing {
            // Whoever was faster has it.
            return Ok(Locked::Held);
        }
    }
    Err(io::Error::other(
        "its name means another file each time it is opened: the file system, or another program, changes it all the time",
    ))
}

/// So often a file may be given another name between our open and our lock. More than once takes two others in a row.
const MOST_LOOKS: usize = 1000;

/// What `path` tells of the open file; `None` where it is no name of it.
///
/// Some union and FUSE file systems tell another inode number for a name than for the file that was opened by it. Where a fresh
/// look shows that, a file is known by its length and times, which no two of ours share.
pub(crate) fn named(storage: &dyn Storage, path: &Path, file: &dyn StoredFile) -> io::Result<Option<Stat>> {
    let (Some(named), opened) = (storage.stat(path)?, file.stat()?) else {
        return Ok(None);
    };
    if named.id == opened.id {
        return Ok(Some(named));
    }
    if named.looks() != opened.looks() || opened.changed_ns == 0 || opened.names == 0 {
        return Ok(None);
    }
    let (Ok(again), Some(named)) = (storage.open(path, OpenMode::Read), storage.stat(path)?) else {
        return Ok(None);
    };
    if again.stat()?.id == named.id || named.looks() != opened.looks() {
        return Ok(None);
    }
    lacks::INODES.miss(&"a name and the file that was opened by it differ");
    Ok(Some(named))
}

/// Why something that has one of our names is left alone.
const NOT_A_FILE: &str = "it is not a plain file, so it is not tosget's";

/// What came of [`open_locked`].
#[derive(Debug)]
pub(crate) enum Locked {
    /// Open, and nobody else's until it is closed; and what its name tells of it.
    Ours(Arc<dyn StoredFile>, Stat),
    /// Somebody else holds the lock.
    Held,
    /// There is no such file.
    Absent,
}

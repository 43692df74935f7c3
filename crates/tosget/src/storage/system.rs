//! The operating system's files behind the seam.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

#[cfg(unix)]
use crate::error::shortage::NoInode;
use crate::error::shortage::Shortage;

use super::lacks::{
    DIRECTORY_SYNC, FILE_SYNC, LENGTH, LOCKS, RESERVATION, is_forbidden, is_lacking, uninterrupted,
};
use super::{Access, Allocation, FileId, FileKind, OpenMode, Stat, Storage, StoredFile, directory_of};

/// The file systems that the operating system has mounted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SystemStorage;

impl Storage for SystemStorage {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StoredFile>> {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(mode != OpenMode::Read)
            .create_new(matches!(mode, OpenMode::CreateNew | OpenMode::CreatePrivate));
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            if mode == OpenMode::CreatePrivate {
                options.mode(0o600);
            }
            // A symbolic link planted under a name of ours must not lead the writes elsewhere.
            options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
        }
        let opened = uninterrupted(|| options.open(path)).map_err(|error| explain_full(error, path));
        Ok(Arc::new(SystemFile::new(opened?, directory_of(path))))
    }

    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        match uninterrupted(|| fs::symlink_metadata(path)) {
            Ok(metadata) => Ok(Some(stat_of(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn follow(&self, path: &Path) -> io::Result<Option<Stat>> {
        let stat = match uninterrupted(|| fs::metadata(path)) {
            Ok(metadata) => stat_of(&metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let kind = if leads_through_proc(path) {
            FileKind::Other
        } else {
            stat.kind
        };
        Ok(Some(Stat { kind, ..stat }))
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let entries = uninterrupted(|| fs::read_dir(directory))?;
        entries
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect()
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        uninterrupted(|| fs::create_dir_all(path)).map_err(|error| explain_full(error, path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        uninterrupted(|| fs::rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        uninterrupted(|| fs::remove_file(path))
    }

    fn boot_id(&self) -> Option<[u8; 16]> {
        boot_id()
    }

    #[cfg(unix)]
    fn open_dir(&self, path: &Path) -> io::Result<Option<Directory>> {
        match uninterrupted(|| File::open(path)) {
            Ok(file) => Ok(Some(Directory(file))),
            Err(error) if Shortage::of_io(&error).is_some() => Err(error),
            // One that may not be read, for instance. It is told when it is to be synced, if it matters then.
            Err(_) => Ok(None),
        }
    }

    #[cfg(unix)]
    fn locks_are_proof(&self, directory: &Path) -> bool {
        super::locks::are_proof(directory)
    }

    /// Windows refuses to open a file twice where sharing is not allowed, on its own shares as well.
    #[cfg(not(unix))]
    fn locks_are_proof(&self, _directory: &Path) -> bool {
        true
    }

    #[cfg(unix)]
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        match uninterrupted(|| File::open(path)) {
            Ok(file) => Directory(file).sync(),
            // To make a name in it, a directory need not be one that may be read.
            Err(error) if is_forbidden(&error) || is_lacking(&error) => {
                DIRECTORY_SYNC.miss(&error);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Windows has no way to sync a directory; NTFS journals names by itself.
    #[cfg(not(unix))]
    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// A file system that has no room for one file more says that there is no space.
#[cfg(unix)]
fn explain_full(error: io::Error, path: &Path) -> io::Error {
    if error.kind() != io::ErrorKind::StorageFull {
        return error;
    }
    // Of a directory that could not be made, some parent is there.
    let there = path.ancestors().find_map(|path| rustix::fs::statvfs(path).ok());
    // Where inodes are made when they are needed, there are 0 of 0.
    match there {
        Some(system) if system.f_files > 0 && system.f_favail == 0 => {
            io::Error::new(io::ErrorKind::StorageFull, NoInode)
        }
        _ => error,
    }
}

#[cfg(not(unix))]
fn explain_full(error: io::Error, _: &Path) -> io::Error {
    error
}

/// An open directory.
#[derive(Debug)]
pub(crate) struct Directory(File);

impl Directory {
    /// Makes the names in it durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        match uninterrupted(|| self.0.sync_all()) {
            Err(error) if is_forbidden(&error) => {
                DIRECTORY_SYNC.miss(&error);
                Ok(())
            }
            synced => DIRECTORY_SYNC.or_without(synced),
        }
    }
}

/// *Invariant:* its lock ends with it, unless a fork put it into another process than the one that took the lock.
#[derive(Debug)]
struct SystemFile {
    file: File,
    directory: PathBuf,
    /// The largest size that this process may give a file. To write beyond it would kill the process, unless it has ignored SIGXFSZ,
    /// which is not for a library to do.
    most: u64,
    /// The process that took the lock; 0 while none has.
    locked_by: AtomicU32,
}

impl SystemFile {
    fn new(file: File, directory: &Path) -> Self {
        Self {
            file,
            directory: directory.to_owned(),
            most: largest_file(),
            locked_by: AtomicU32::new(0),
        }
    }

    /// Gives the file its length. One that can't be given it grows with what is written.
    fn lengthen(&self, len: u64) -> io::Result<Allocation> {
        if self.file.metadata()?.len() < len {
            LENGTH.or_without(uninterrupted(|| self.file.set_len(len)))?;
        }
        Ok(Allocation::Sparse)
    }

    fn may_end_at(&self, end: u64) -> io::Result<()> {
        if end > self.most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(())
    }
}

#[cfg(unix)]
fn largest_file() -> u64 {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Fsize);
    limit.current.unwrap_or(u64::MAX)
}

#[cfg(not(unix))]
fn largest_file() -> u64 {
    u64::MAX
}

/// Closing is not enough: a child that was forked meanwhile has the file open as well, and the lock is the file's, not the
/// process's. For the same reason a child must not give it back.
impl Drop for SystemFile {
    fn drop(&mut self) {
        // Where it fails, closing the file comes right after it.
        let _ = self.unlock();
    }
}

impl StoredFile for SystemFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match read_some(&self.file, &mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    #[cfg(unix)]
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.may_end_at(offset.saturating_add(bytes.len() as u64))?;
        std::os::unix::fs::FileExt::write_all_at(&self.file, bytes, offset)
    }

    #[cfg(windows)]
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut written = 0;
        while written < bytes.len() {
            let at = offset + written as u64;
            match std::os::windows::fs::FileExt::seek_write(&self.file, &bytes[written..], at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.may_end_at(len)?;
        uninterrupted(|| self.file.set_len(len))
    }

    #[cfg(target_os = "linux")]
    fn allocate(&self, len: u64) -> io::Result<Allocation> {
        use rustix::fs::{FallocateFlags, fallocate};
        use rustix::io::Errno;
        self.may_end_at(len)?;
        if len == 0 {
            return Ok(Allocation::Reserved);
        }
        if let Some(free) = free_memory(&self.file) {
            if free < len {
                return Err(Errno::NOSPC.into());
            }
            return self.lengthen(len);
        }
        let reserve = || Ok(fallocate(&self.file, FallocateFlags::empty(), 0, len)?);
        match uninterrupted(reserve) {
            Ok(()) => Ok(Allocation::Reserved),
            // EINVAL: some FUSE file systems; ENOSYS: old kernels; ENODEV: what is no plain file to its driver; EPERM: a sandbox.
            Err(error)
                if is_lacking(&error)
                    || is_forbidden(&error)
                    || Errno::from_io_error(&error) == Some(Errno::NODEV) =>
            {
                RESERVATION.miss(&error);
                self.lengthen(len)
            }
            Err(error) => Err(error),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn allocate(&self, len: u64) -> io::Result<Allocation> {
        self.may_end_at(len)?;
        self.lengthen(len)
    }

    fn sync(&self) -> io::Result<()> {
        match uninterrupted(|| self.file.sync_all()) {
            // A late error of a write may have any number.
            Err(error) if is_lacking(&error) && can_not_sync(&self.directory) => {
                FILE_SYNC.miss(&error);
                Ok(())
            }
            synced => synced,
        }
    }

    #[cfg(target_os = "linux")]
    fn drop_cached(&self) -> io::Result<()> {
        // To the end of the file.
        const WHOLE: Option<std::num::NonZeroU64> = None;
        // An advice: where it is not taken, memory is all that is lost.
        let _ = rustix::fs::fadvise(&self.file, 0, WHOLE, rustix::fs::Advice::DontNeed);
        Ok(())
    }

    #[cfg(not(target_os = "linux"))]
    fn drop_cached(&self) -> io::Result<()> {
        Ok(())
    }

    fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        uninterrupted(|| self.file.set_modified(time))
    }

    #[cfg(unix)]
    fn set_access(&self, access: Access) -> io::Result<()> {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
        let now = uninterrupted(|| self.file.metadata())?;
        let give = |user, group| uninterrupted(|| fchown(&self.file, user, group)).is_ok();
        // Only root may give a file away, but its owner may give it to a group of his own.
        let is_theirs = now.uid() == access.user && now.gid() == access.group
            || now.uid() != access.user && give(Some(access.user), Some(access.group));
        let is_in_their_group = is_theirs || now.gid() == access.group || give(None, Some(access.group));
        let mode = if is_in_their_group {
            access.mode
        } else {
            access.mode_in_another_group()
        };
        if now.mode() & 0o7777 == mode {
            return Ok(());
        }
        uninterrupted(|| self.file.set_permissions(fs::Permissions::from_mode(mode)))
    }

    #[cfg(not(unix))]
    fn set_access(&self, _access: Access) -> io::Result<()> {
        Ok(())
    }

    fn try_lock(&self) -> io::Result<bool> {
        let lock = || match self.file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        };
        match uninterrupted(lock) {
            Ok(true) => {
                self.locked_by.store(process::id(), Ordering::Relaxed);
                Ok(true)
            }
            // The journal's owner stands in for locks.
            Err(error) if is_lacking(&error) || has_no_locks(&error) => {
                LOCKS.miss(&error);
                Ok(true)
            }
            other => other,
        }
    }

    fn unlock(&self) -> io::Result<()> {
        if self.locked_by.swap(0, Ordering::Relaxed) == process::id() {
            self.file.unlock()?;
        }
        Ok(())
    }

    fn stat(&self) -> io::Result<Stat> {
        Ok(stat_of(&uninterrupted(|| self.file.metadata())?))
    }
}

/// Whether the file system refuses to sync any file of this directory: tried out with a new one, of which nothing can be lost.
fn can_not_sync(directory: &Path) -> bool {
    let path = directory.join(format!(".tosget-probe.{:016x}", fastrand::u64(..)));
    let try_out = || {
        let mut file = File::create_new(&path)?;
        fs::remove_file(&path)?;
        file.write_all(b"?")?;
        Ok(file.sync_all())
    };
    matches!(uninterrupted(try_out), Ok(Err(error)) if is_lacking(&error))
}

/// ENOLCK: a network file system whose lock service is not there.
#[cfg(unix)]
fn has_no_locks(error: &io::Error) -> bool {
    rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::NOLCK)
}

#[cfg(not(unix))]
fn has_no_locks(_error: &io::Error) -> bool {
    false
}

/// For a file in a file system that is in memory: how long it can get. There, to reserve space is to find every page of it, one
/// after the other, while nobody can write; it takes as long as the download.
#[cfg(target_os = "linux")]
fn free_memory(file: &File) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    /// `TMPFS_MAGIC` of linux/magic.h.
    const TMPFS: u64 = 0x0102_1994;
    let system = rustix::fs::fstatfs(file).ok()?;
    // Without a limit of its own it tells of no blocks.
    if system.f_type as u64 != TMPFS || system.f_blocks == 0 {
        return None;
    }
    let free = (system.f_bavail as u64).saturating_mul(system.f_bsize as u64);
    Some(free.saturating_add(file.metadata().ok()?.blocks() * 512))
}

/// Whether a path is, or leads through, an entry of `/proc`: that of an open file shows what the file is, and to give it
/// another file is not to write to it.
#[cfg(target_os = "linux")]
fn leads_through_proc(path: &Path) -> bool {
    /// `PROC_SUPER_MAGIC` of linux/magic.h.
    const PROC: u64 = 0x9fa0;
    /// As many as the kernel follows (path_resolution(7)).
    const MOST_LINKS: usize = 40;
    let mut at = path.to_owned();
    for _ in 0..MOST_LINKS {
        let directory = directory_of(&at);
        if rustix::fs::statfs(directory).is_ok_and(|system| system.f_type as u64 == PROC) {
            return true;
        }
        let Ok(target) = fs::read_link(&at) else {
            return false;
        };
        at = directory.join(target);
    }
    false
}

#[cfg(not(target_os = "linux"))]
fn leads_through_proc(_path: &Path) -> bool {
    false
}

#[cfg(unix)]
fn read_some(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_some(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    match std::os::windows::fs::FileExt::seek_read(file, buffer, offset) {
        // ERROR_HANDLE_EOF: Windows calls the end of the file an error.
        Err(error) if error.raw_os_error() == Some(38) => Ok(0),
        result => result,
    }
}

#[cfg(unix)]
fn stat_of(metadata: &fs::Metadata) -> Stat {
    use std::os::unix::fs::MetadataExt;
    let nanoseconds = |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
    Stat {
        kind: kind_of(metadata.file_type()),
        id: FileId {
            device: metadata.dev(),
            inode: metadata.ino(),
        },
        access: Some(Access {
            mode: metadata.mode() & 0o777,
            user: metadata.uid(),
            group: metadata.gid(),
        }),
        names: metadata.nlink(),
        len: metadata.len(),
        modified_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        changed_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
    }
}

/// Windows tells a file's identity only through an open handle and an unstable interface; the creation time stands in.
#[cfg(windows)]
fn stat_of(metadata: &fs::Metadata) -> Stat {
    use std::os::windows::fs::MetadataExt;
    // 100 ns ticks since 1601 fit an i64 in nanoseconds only after subtracting the Unix epoch.
    let nanoseconds = |ticks: u64| {
        (ticks as i64)
            .saturating_sub(116_444_736_000_000_000)
            .saturating_mul(100)
    };
    Stat {
        kind: kind_of(metadata.file_type()),
        id: FileId {
            device: 0,
            inode: metadata.creation_time(),
        },
        access: None,
        names: 1,
        len: metadata.len(),
        modified_ns: nanoseconds(metadata.last_write_time()),
        changed_ns: 0,
    }
}

/// The kernel's id of this boot (Linux: proc(5), `/proc/sys/kernel/random/boot_id`).
fn boot_id() -> Option<[u8; 16]> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let digits: String = text
        .trim()
        .chars()
        .filter(|&character| character != '-')
        .collect();
    let id = u128::from_str_radix(&digits, 16)
        .ok()
        .filter(|_| digits.len() == 32)?;
    Some(id.to_be_bytes())
}

fn kind_of(file_type: fs::FileType) -> FileKind {
    if file_type.is_file() {
        FileKind::File
    } else if file_type.is_dir() {
        FileKind::Directory
    } else if file_type.is_symlink() {
        FileKind::Symlink
    } else {
        FileKind::Other
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Locked, open_locked};
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary directory")
    }

    #[test]
    fn bytes_are_read_where_they_were_written() {
        let folder = folder();
        let file = SystemStorage
            .open(&folder.path().join("f"), OpenMode::CreateNew)
            .expect("created");
        file.write_at(b"world", 6).expect("written");
        file.write_at(b"hello ", 0).expect("written");
        let mut buffer = [0; 32];
        assert_eq!(file.read_at(&mut buffer, 0).expect("read"), 11);
        assert_eq!(&buffer[..11], b"hello world");
    }

    #[test]
    fn reserved_space_gives_the_file_its_length() {
        let folder = folder();
        let file = SystemStorage
            .open(&folder.path().join("f"), OpenMode::CreateNew)
            .expect("created");
        file.allocate(1 << 20).expect("space for a mebibyte");
        assert_eq!(file.stat().expect("a file").len, 1 << 20);
    }

    #[test]
    fn a_file_larger_than_the_disk_is_refused_at_once() {
        let folder = folder();
        let file = SystemStorage
            .open(&folder.path().join("f"), OpenMode::CreateNew)
            .expect("created");
        match file.allocate(1 << 50) {
            Ok(allocation) => assert_eq!(allocation, Allocation::Sparse, "nobody has a pebibyte to reserve"),
            Err(error) => {
                let kinds = [
                    io::ErrorKind::StorageFull,
                    io::ErrorKind::FileTooLarge,
                    io::ErrorKind::QuotaExceeded,
                ];
                assert!(kinds.contains(&error.kind()), "{error:?}");
            }
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn in_memory_space_is_looked_for_and_not_filled() {
        use std::os::unix::fs::MetadataExt;
        let shared_memory = tempfile::tempdir_in("/dev/shm").expect("Linux has shared memory");
        let path = shared_memory.path().join("f");
        let file = SystemStorage.open(&path, OpenMode::CreateNew).expect("created");
        assert_eq!(
            file.allocate(1 << 20).expect("a mebibyte is free"),
            Allocation::Sparse
        );
        let metadata = fs::metadata(&path).expect("there");
        assert_eq!((metadata.len(), metadata.blocks()), (1 << 20, 0));
        let error = file.allocate(1 << 60).expect_err("nobody has an exbibyte");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn a_lock_is_given_back_by_closing() {
        let folder = folder();
        let path = folder.path().join("f");
        let first = SystemStorage.open(&path, OpenMode::CreateNew).expect("created");
        assert!(first.try_lock().expect("locks work"));
        assert!(matches!(
            open_locked(&SystemStorage, &path, OpenMode::Existing),
            Ok(Locked::Held)
        ));
        drop(first);
        assert!(matches!(
            open_locked(&SystemStorage, &path, OpenMode::Existing),
            Ok(Locked::Ours(..))
        ));
    }

    /// A second handle to the same open file is what a fork leaves in the other process.
    #[cfg(unix)]
    #[test]
    fn a_lock_is_given_back_by_who_took_it_though_a_forked_process_shares_the_file() {
        let folder = folder();
        let path = folder.path().join("f");
        let open = |path: &Path| {
            let file = File::options().read(true).write(true).open(path);
            SystemFile::new(file.expect("there"), folder.path())
        };
        fs::write(&path, "").expect("written");
        let is_free = || {
            matches!(
                open_locked(&SystemStorage, &path, OpenMode::Existing),
                Ok(Locked::Ours(..))
            )
        };

        let ours = open(&path);
        let in_the_child = ours.file.try_clone().expect("a second handle");
        assert!(ours.try_lock().expect("locks work"));
        drop(ours);
        assert!(is_free(), "the child goes on, the download does not");
        drop(in_the_child);

        let in_the_child = open(&path);
        let ours = in_the_child.file.try_clone().expect("a second handle");
        assert!(in_the_child.try_lock().expect("locks work"));
        in_the_child.locked_by.store(process::id() + 1, Ordering::Relaxed);
        drop(in_the_child);
        assert!(!is_free(), "the child ends, the download goes on");
        drop(ours);
        assert!(is_free());
    }

    /// Whatever is opened has lost its name by then; something else has it where `and_again`.
    #[derive(Debug)]
    struct RenamedMeanwhile {
        and_again: bool,
    }

    impl Storage for RenamedMeanwhile {
        fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StoredFile>> {
            let file = SystemStorage.open(path, mode)?;
            fs::rename(path, path.with_extension("gone"))?;
            if self.and_again {
                fs::write(path, "another one")?;
            }
            Ok(file)
        }
        fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
            SystemStorage.stat(path)
        }
        fn follow(&self, path: &Path) -> io::Result<Option<Stat>> {
            SystemStorage.follow(path)
        }
        fn create_dir_all(&self, path: &Path) -> io::Result<()> {
            SystemStorage.create_dir_all(path)
        }
        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            SystemStorage.rename(from, to)
        }
        fn remove(&self, path: &Path) -> io::Result<()> {
            SystemStorage.remove(path)
        }
        fn locks_are_proof(&self, directory: &Path) -> bool {
            SystemStorage.locks_are_proof(directory)
        }
        fn boot_id(&self) -> Option<[u8; 16]> {
            SystemStorage.boot_id()
        }
        fn sync_dir(&self, path: &Path) -> io::Result<()> {
            SystemStorage.sync_dir(path)
        }
    }

    #[test]
    fn a_lock_on_a_file_that_lost_its_name_is_not_ours() {
        let folder = folder();
        let path = folder.path().join("f");
        fs::write(&path, "x").expect("written");
        let storage = RenamedMeanwhile { and_again: false };
        let locked = open_locked(&storage, &path, OpenMode::Existing);
        assert!(matches!(locked, Ok(Locked::Absent)), "{locked:?}");
        let locked = open_locked(&storage, &path, OpenMode::CreateNew);
        assert!(matches!(locked, Ok(Locked::Held)), "{locked:?}");
    }

    #[test]
    fn a_name_that_never_means_the_opened_file_is_given_up_with_a_reason() {
        let folder = folder();
        let path = folder.path().join("f");
        fs::write(&path, "x").expect("written");
        let storage = RenamedMeanwhile { and_again: true };
        let error = open_locked(&storage, &path, OpenMode::Existing).expect_err("it is never the same");
        assert!(error.to_string().contains("another file each time"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_planted_symbolic_link_is_not_followed() {
        let folder = folder();
        let victim = folder.path().join("victim");
        fs::write(&victim, "precious").expect("written");
        let planted = folder.path().join("planted");
        std::os::unix::fs::symlink(&victim, &planted).expect("linked");
        assert!(SystemStorage.open(&planted, OpenMode::Existing).is_err());
        assert!(SystemStorage.open(&planted, OpenMode::CreateNew).is_err());
    }
}

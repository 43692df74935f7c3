//! The temporary file: the partial object next to the destination, until it becomes the destination.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;

use crate::checksum::{Crc64, RunningCrc64};
use crate::destination::{access_at, directory_of};
use crate::error::{Error, ErrorKind, Shown};
use crate::offload::Row;
use crate::page_cache::PageCache;
use crate::range::ByteRange;
use crate::storage::{
    Access, Allocation, Directory, FileId, Locked, OpenMode, Stat, Storage, StoredFile, named, open_locked,
    rename_open,
};
use crate::verify::Verified;

/// How much is read back at a time.
const READ_LEN: usize = 1 << 20;

/// Written between two times that the system is told to forget what it has on the disk. It looks at all it keeps of the file each
/// time, which is not much more than this.
const FORGET_EVERY: u64 = 64 << 20;

/// So often another download may make the file and remove it again just as we look: then it is theirs.
const MOST_TURNS: usize = 100;

/// The partial object, open and locked. Clones share the file; the lock is given back with the last of them.
#[derive(Clone, Debug)]
pub(crate) struct TemporaryFile {
    storage: Arc<dyn Storage>,
    file: Arc<dyn StoredFile>,
    path: PathBuf,
    /// What its name tells. Nobody else's file has it while this one is open.
    id: FileId,
    /// The directory that both its names are in. Open from the beginning: a download must not fail at its last step because too many
    /// files are open.
    directory: Arc<Option<Directory>>,
    /// The rights of the file that it takes the place of.
    access: Option<Access>,
    /// One writes at a time: file systems let no two write to one file at once, and whoever waits in the kernel burns a processor
    /// meanwhile.
    turn: Arc<Mutex<()>>,
    /// Those that are done elsewhere.
    row: Row,
    /// Bytes written, where the system is not to keep them.
    uncached: Option<Arc<AtomicU64>>,
}

/// What came of opening the temporary file.
#[derive(Debug)]
pub(crate) enum OpenTemporary {
    Ours(TemporaryFile),
    /// Another download writes to it.
    Held,
    Absent,
}

/// Proof that a verified content is durable. Only [`TemporaryFile::make_durable`] makes one, and only it can be committed.
#[derive(Debug)]
pub(crate) struct Durable(Verified);

impl Durable {
    /// What it is proof of, besides.
    pub(crate) fn verified(&self) -> &Verified {
        &self.0
    }
}

/// Why a file did not become the destination.
#[derive(Debug)]
pub(crate) enum NotCommitted {
    /// Its name is gone, or means another file.
    Lost,
    /// It got the name, and another file has that now.
    Replaced,
    /// It has the name, which may not survive a power cut.
    NotDurable(Error),
    /// It has its temporary name.
    Failed(Error),
}

impl From<Error> for NotCommitted {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl TemporaryFile {
    /// Opens and locks what an earlier run left.
    pub(crate) fn open(
        storage: &Arc<dyn Storage>,
        path: &Path,
        access: Option<Access>,
    ) -> Result<OpenTemporary, Error> {
        let locked = open_locked(&**storage, path, OpenMode::Existing);
        match locked.map_err(|error| Error::disk("open the temporary file", path, error))? {
            Locked::Ours(file, named) => {
                refuse_second_name(&*file)
                    .map_err(|error| Error::disk("use the temporary file", path, error))?;
                let directory = open_directory(&**storage, path)?;
                Ok(OpenTemporary::Ours(Self::new(
                    storage, path, file, named.id, directory, access,
                )))
            }
            Locked::Held => Ok(OpenTemporary::Held),
            Locked::Absent => Ok(OpenTemporary::Absent),
        }
    }

    /// Opens and locks it, creating it where it is missing.
    pub(crate) fn open_or_create(
        storage: &Arc<dyn Storage>,
        path: &Path,
        access: Option<Access>,
    ) -> Result<OpenTemporary, Error> {
        for _ in 0..MOST_TURNS {
            match Self::open(storage, path, access)? {
                OpenTemporary::Absent => {}
                other => return Ok(other),
            }
            match Self::create(storage, path, access)? {
                // The directory vanished meanwhile.
                OpenTemporary::Absent => {
                    let error = io::ErrorKind::NotFound.into();
                    return Err(Error::disk("create the temporary file", path, error));
                }
                // Somebody was faster: look who.
                OpenTemporary::Held => {}
                ours @ OpenTemporary::Ours(_) => return Ok(ours),
            }
        }
        Ok(OpenTemporary::Held)
    }

    /// Creates it, and locks it. `Held` where somebody else was faster; `Absent` where the directory is missing.
    pub(crate) fn create(
        storage: &Arc<dyn Storage>,
        path: &Path,
        access: Option<Access>,
    ) -> Result<OpenTemporary, Error> {
        // First: a file that was made and has no use would be left behind.
        let directory = open_directory(&**storage, path)?;
        match open_locked(&**storage, path, create_mode(access)) {
            Ok(Locked::Ours(file, named)) => Ok(OpenTemporary::Ours(Self::new(
                storage, path, file, named.id, directory, access,
            ))),
            Ok(Locked::Held) => Ok(OpenTemporary::Held),
            Ok(Locked::Absent) => Ok(OpenTemporary::Absent),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(OpenTemporary::Held),
            Err(error) => Err(Error::disk("create the temporary file", path, error)),
        }
    }

    fn new(
        storage: &Arc<dyn Storage>,
        path: &Path,
        file: Arc<dyn StoredFile>,
        id: FileId,
        directory: Option<Directory>,
        access: Option<Access>,
    ) -> Self {
        let file = Self {
            storage: storage.clone(),
            file,
            path: path.to_owned(),
            id,
            directory: Arc::new(directory),
            access,
            turn: Arc::default(),
            row: Row::default(),
            uncached: None,
        };
        if let Some(access) = access {
            file.grant(access.while_it_grows());
        }
        file
    }

    /// Where a file system knows no rights, or they are not this process's to give, the file has what it has: nobody gets more.
    fn grant(&self, access: Access) {
        if let Err(error) = self.file.set_access(access) {
            tracing::info!(target: "tosget::download", path = %Shown(&self.path), %error, "the rights of the file that is replaced can't be kept");
        }
    }

    /// Has the system keep, or not, what is written from here on.
    pub(crate) fn with_page_cache(mut self, page_cache: PageCache) -> Self {
        self.uncached = (page_cache == PageCache::Drop).then(Arc::default);
        self
    }

    /// Gives the file exactly `size` bytes, cutting what an earlier object left beyond, and reserves its space.
    pub(crate) fn reserve(&self, size: u64) -> Result<Allocation, Error> {
        let doing = "reserve space for";
        if self.stat()?.len > size {
            self.file
                .set_len(size)
                .map_err(|error| Error::disk(doing, &self.path, error))?;
        }
        self.file
            .allocate(size)
            .map_err(|error| Error::disk(doing, &self.path, error))
    }

    /// Where writes are handed over.
    pub(crate) fn row(&self) -> &Row {
        &self.row
    }

    /// Runs a write when no other one is under way.
    pub(crate) fn in_turn<T>(&self, write: impl FnOnce() -> T) -> T {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        write()
    }

    /// Writes pieces one after the other from `offset` on. When this returns, the kernel has the bytes (invariant I2). Where
    /// others may write as well, it is to be done [in turn](Self::in_turn).
    pub(crate) fn write(&self, pieces: &[Bytes], mut offset: u64) -> Result<(), Error> {
        for piece in pieces {
            self.file
                .write_at(piece, offset)
                .map_err(|error| Error::disk("write", &self.path, error))?;
            offset += piece.len() as u64;
        }
        Ok(())
    }

    /// Counts what was written. Whether it is time to have the system [forget](Self::forget) it.
    pub(crate) fn is_to_be_forgotten(&self, written: u64) -> bool {
        let Some(sum) = &self.uncached else {
            return false;
        };
        let before = sum.fetch_add(written, Ordering::Relaxed);
        before / FORGET_EVERY != (before + written) / FORGET_EVERY
    }

    /// What is on the disk goes from memory, and what is not begins to be written to it.
    pub(crate) fn forget(&self) {
        // A wish: where the system does not follow it, nothing is lost but memory.
        let _ = self.file.drop_cached();
    }

    /// Reads a range back and returns its CRC; `None` where the file ends before it does.
    pub(crate) fn read_back(&self, range: ByteRange) -> Result<Option<Crc64>, Error> {
        let mut crc = RunningCrc64::new();
        let mut buffer = vec![0; READ_LEN];
        let mut at = range.start();
        while at < range.end() {
            let wanted = usize::try_from(range.end() - at).map_or(READ_LEN, |left| left.min(READ_LEN));
            let read = self.file.read_at(&mut buffer[..wanted], at);
            let len = read.map_err(|error| Error::disk("read back", &self.path, error))?;
            if len < wanted {
                return Ok(None);
            }
            crc.update(&buffer[..len]);
            at += len as u64;
        }
        Ok(Some(crc.finish()))
    }

    /// Whether it still has the name that it was made under.
    pub(crate) fn has_its_name(&self) -> Result<bool, Error> {
        named(&*self.storage, &self.path, &*self.file)
            .map(|named| named.is_some())
            .map_err(|error| Error::disk("look at", &self.path, error))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file another name, which no other owner's file has. `false`: somebody else did so before.
    pub(crate) fn take_as(&mut self, path: &Path) -> Result<bool, Error> {
        match rename_open(&*self.storage, &*self.file, &self.path, path) {
            Ok(()) => {
                path.clone_into(&mut self.path);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::disk("take over the temporary file", &self.path, error)),
        }
    }

    pub(crate) fn stat(&self) -> Result<Stat, Error> {
        self.file
            .stat()
            .map_err(|error| Error::disk("look at", &self.path, error))
    }

    /// Makes the bytes durable and has the system forget its copies, so that reading them reads the disk. An error is final, as
    /// one of [`make_durable`](Self::make_durable).
    pub(crate) fn let_go_of_memory(&self) -> Result<(), Error> {
        let done = self.file.sync().and_then(|()| self.file.drop_cached());
        done.map_err(|error| Error::disk("make durable", &self.path, error))
    }

    /// Makes the bytes durable, and tells how the file looks after it. An error is final, as one of
    /// [`make_durable`](Self::make_durable).
    pub(crate) fn sync(&self) -> Result<Stat, Error> {
        let synced = self.file.sync();
        synced.map_err(|error| Error::disk("make durable", &self.path, error))?;
        self.stat()
    }

    /// Gives the lock back while a call to the file has not returned. Nothing may be written any more.
    pub(crate) fn unlock(&self) {
        if let Err(error) = self.file.unlock() {
            tracing::warn!(target: "tosget::checkpoint", path = %Shown(&self.path), %error, "the lock ends when the disk answers");
        }
    }

    /// Gives the file the object's time. Nothing may be written after it.
    pub(crate) fn set_modified(&self, time: SystemTime) -> Result<(), Error> {
        self.file.set_modified(time).map_err(|error| {
            Error::disk("set the modification time of", &self.path, error).with_hint(
                "leave the modification time as it is (no preserve_mtime): nothing has to be fetched again",
            )
        })
    }

    /// Makes the bytes durable. On failure none of them can be trusted: the kernel may have dropped the very pages that
    /// failed, even if they read back well.
    pub(crate) fn make_durable(&self, verified: Verified) -> Result<Durable, Error> {
        match self.file.sync() {
            Ok(()) => {
                if self.uncached.is_some() {
                    let _ = self.file.drop_cached();
                }
                Ok(Durable(verified))
            }
            Err(error) => Err(Error::disk("make durable", &self.path, error)),
        }
    }

    /// Makes the file the destination (invariant I6): its bytes are durable before it gets the name, and the name
    /// is durable before this returns.
    pub(crate) fn commit(self, proof: &Durable, destination: &Path) -> Result<(), NotCommitted> {
        let size = proof.verified().size();
        let last_look = self.still_has(size)?;
        let access = self.access_now(&last_look, destination)?;
        match rename_open(&*self.storage, &*self.file, &self.path, destination) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(NotCommitted::Lost),
            Err(error) => {
                return Err(Error::disk("rename the finished temporary file to", destination, error).into());
            }
        }
        if let Some(access) = access.filter(|access| *access != access.while_it_grows()) {
            self.grant(access);
        }
        let looked = self.has_become(destination, size);
        if !looked.map_err(|error| NotCommitted::NotDurable(Error::disk("look at", destination, error)))? {
            return Err(NotCommitted::Replaced);
        }
        let directory = directory_of(destination);
        let synced = match &*self.directory {
            Some(open) => open.sync(),
            None => self.storage.sync_dir(directory),
        };
        let doing = "make the new name durable in";
        synced.map_err(|error| NotCommitted::NotDurable(Error::disk(doing, directory, error)))
    }

    /// How the file looks, if it has its name and is as long as it is to be. Others may have touched both while it was synced.
    fn still_has(&self, size: u64) -> Result<Stat, NotCommitted> {
        let looked = self.storage.stat(&self.path);
        let there = looked.map_err(|error| Error::disk("look at", &self.path, error))?;
        if let Some(there) = there.filter(|there| there.id == self.id && there.len == size) {
            return Ok(there);
        }
        if !self.has_its_name()? {
            return Err(NotCommitted::Lost);
        }
        let opened = self.stat()?;
        if opened.len == size {
            return Ok(opened);
        }
        let message = format!(
            "the temporary file {} was given another length at the end of the download: {} bytes, not {size}",
            Shown(&self.path),
            opened.len
        );
        let error = Error::new(ErrorKind::Disk, message);
        Err(error
            .with_hint("find out which program does that, and run the same download again")
            .into())
    }

    /// The rights that the file is to have as the destination: those of the file that has been there since the beginning; of one that
    /// came, or was given others, no more than both grant. They are the file's own when this returns.
    fn access_now(&self, own: &Stat, destination: &Path) -> Result<Option<Access>, Error> {
        let looked = access_at(&*self.storage, destination);
        let there = looked.map_err(|error| Error::disk("look at", destination, error))?;
        let Some(there) = there.filter(|there| self.access != Some(*there)) else {
            return Ok(self.access);
        };
        let before = self
            .access
            .or(own.access)
            .map_or(there.mode, |access| access.mode);
        let mode = there.mode & before;
        let access = Access { mode, ..there };
        let grows = access.while_it_grows();
        let given = self.file.set_access(grows);
        if let Err(error) = given
            && own.access.is_some_and(|own| own.mode & !grows.mode != 0)
        {
            return Err(Error::disk("keep the rights of", destination, error));
        }
        Ok(Some(access))
    }

    /// Whether the destination is this file, or was: whoever waited for it may have it already.
    fn has_become(&self, destination: &Path, size: u64) -> io::Result<bool> {
        let Some(there) = self
            .storage
            .stat(destination)?
            .filter(|there| there.id != self.id)
        else {
            return Ok(true);
        };
        if there.looks() == self.file.stat()?.looks() {
            return Ok(true);
        }
        // A file system that keeps objects may give a file another number, and another time, with another name.
        let numbers_last = self.storage.locks_are_proof(directory_of(destination));
        Ok(!numbers_last && there.len == size)
    }

    /// Removes the file.
    pub(crate) fn remove(self) -> Result<(), Error> {
        self.storage
            .remove(&self.path)
            .map_err(|error| Error::disk("remove", &self.path, error))
    }
}

/// What takes the place of a file is nobody's business before it has that file's rights.
pub(crate) fn create_mode(access: Option<Access>) -> OpenMode {
    match access {
        Some(_) => OpenMode::CreatePrivate,
        None => OpenMode::CreateNew,
    }
}

fn open_directory(storage: &dyn Storage, path: &Path) -> Result<Option<Directory>, Error> {
    let directory = directory_of(path);
    storage
        .open_dir(directory)
        .map_err(|error| Error::disk("open", directory, error))
}

/// What is written to a file that has another name as well shows there too: in a copy of the directory that is made of links, or
/// in a file that somebody wants us to overwrite.
fn refuse_second_name(file: &dyn StoredFile) -> io::Result<()> {
    if file.stat()?.names <= 1 {
        return Ok(());
    }
    Err(io::Error::other(
        "it has another name as well, so what is written to it would alter somebody's file",
    ))
}

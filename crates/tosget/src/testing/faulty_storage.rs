//! A storage that works until its nth call and fails from there on, as a disk that dies or a process that is killed
//! would have it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use crate::storage::{Access, Allocation, OpenMode, Stat, Storage, StoredFile, SystemStorage};

/// Counts calls, and fails those that its fuse does not reach.
#[derive(Clone, Debug)]
pub(crate) struct FaultyStorage {
    fuse: Arc<Fuse>,
}

#[derive(Debug)]
struct Fuse {
    calls: AtomicU64,
    /// Calls that work.
    length: u64,
    /// Only the first call beyond the fuse fails, and those after it work again.
    once: bool,
    /// The call that burns the fuse down.
    fatal: Option<&'static str>,
    bytes_read: AtomicU64,
    /// Syncs of temporary files last until the other end of this goes.
    stuck: Option<Mutex<Receiver<()>>>,
    /// What was done to which file, for the calls whose order matters.
    log: Mutex<Vec<(&'static str, PathBuf)>>,
}

impl FaultyStorage {
    /// Never fails, and counts.
    pub(crate) fn sound() -> Self {
        Self::dies_at(u64::MAX)
    }

    /// Every call from the `length`th (from 0) on fails: what is on disk stays as it was, as after a kill.
    pub(crate) fn dies_at(length: u64) -> Self {
        Self {
            fuse: Arc::new(Fuse::of_length(length)),
        }
    }

    /// Every call from the first removal of a file on fails.
    pub(crate) fn dies_at_the_first_removal() -> Self {
        Self::dies_at_the_first("remove")
    }

    /// Every call from the first one that sets a file's time on fails.
    pub(crate) fn dies_at_the_first_time_set() -> Self {
        Self::dies_at_the_first("set modified")
    }

    fn dies_at_the_first(call: &'static str) -> Self {
        let fuse = Fuse {
            fatal: Some(call),
            ..Fuse::of_length(u64::MAX / 2)
        };
        Self { fuse: Arc::new(fuse) }
    }

    /// Only the `length`th call (from 0) fails.
    pub(crate) fn fails_once_at(length: u64) -> Self {
        let fuse = Fuse {
            once: true,
            ..Fuse::of_length(length)
        };
        Self { fuse: Arc::new(fuse) }
    }

    /// Never fails, but a sync of a temporary file lasts until the sender is dropped.
    pub(crate) fn stuck_in_sync() -> (Self, Sender<()>) {
        let (let_go, stuck) = channel();
        let fuse = Fuse {
            stuck: Some(Mutex::new(stuck)),
            ..Fuse::of_length(u64::MAX)
        };
        (Self { fuse: Arc::new(fuse) }, let_go)
    }

    /// Syncs, renames and removals in their order, with the path they were about.
    pub(crate) fn log(&self) -> Vec<(&'static str, PathBuf)> {
        self.fuse.log.lock().expect("not poisoned").clone()
    }

    /// Bytes that were read from files.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.fuse.bytes_read.load(Ordering::SeqCst)
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> u64 {
        self.fuse.calls.load(Ordering::SeqCst)
    }

    /// Whether any call failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.fuse.calls.load(Ordering::SeqCst) > self.fuse.length
    }
}

impl Fuse {
    fn of_length(length: u64) -> Self {
        Self {
            calls: AtomicU64::new(0),
            length,
            once: false,
            fatal: None,
            bytes_read: AtomicU64::new(0),
            stuck: None,
            log: Mutex::default(),
        }
    }

    fn note(&self, call: &'static str, path: &Path) {
        self.log
            .lock()
            .expect("not poisoned")
            .push((call, path.to_owned()));
    }

    /// A call that may be the fatal one.
    fn burn_at(&self, call: &'static str) -> io::Result<()> {
        if self.fatal == Some(call) {
            self.calls.store(self.length, Ordering::SeqCst);
        }
        self.burn()
    }

    fn burn(&self) -> io::Result<()> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let fails = if self.once {
            call == self.length
        } else {
            call >= self.length
        };
        if fails {
            Err(io::Error::other("injected fault"))
        } else {
            Ok(())
        }
    }
}

impl Storage for FaultyStorage {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StoredFile>> {
        self.fuse.burn()?;
        let file = SystemStorage.open(path, mode)?;
        let path = path.to_owned();
        Ok(Arc::new(FaultyFile {
            fuse: self.fuse.clone(),
            file,
            path,
        }))
    }

    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        self.fuse.burn()?;
        SystemStorage.stat(path)
    }

    fn follow(&self, path: &Path) -> io::Result<Option<Stat>> {
        self.fuse.burn()?;
        SystemStorage.follow(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.fuse.burn()?;
        SystemStorage.create_dir_all(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.fuse.burn()?;
        self.fuse.note("rename", to);
        SystemStorage.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.fuse.burn_at("remove")?;
        self.fuse.note("remove", path);
        SystemStorage.remove(path)
    }

    fn locks_are_proof(&self, directory: &Path) -> bool {
        SystemStorage.locks_are_proof(directory)
    }

    fn boot_id(&self) -> Option<[u8; 16]> {
        SystemStorage.boot_id()
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.fuse.burn()?;
        self.fuse.note("sync directory", path);
        SystemStorage.sync_dir(path)
    }
}

#[derive(Debug)]
struct FaultyFile {
    fuse: Arc<Fuse>,
    file: Arc<dyn StoredFile>,
    path: PathBuf,
}

impl StoredFile for FaultyFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.fuse.burn()?;
        let read = self.file.read_at(buffer, offset)?;
        self.fuse.bytes_read.fetch_add(read as u64, Ordering::SeqCst);
        Ok(read)
    }

    /// A write that fails has written half of its bytes: the worst of both.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if let Err(error) = self.fuse.burn() {
            self.file.write_at(&bytes[..bytes.len() / 2], offset)?;
            return Err(error);
        }
        self.file.write_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.fuse.burn()?;
        self.file.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<Allocation> {
        self.fuse.burn()?;
        self.file.allocate(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.fuse.burn()?;
        self.fuse.note("sync", &self.path);
        if let Some(stuck) = &self.fuse.stuck
            && self.path.to_string_lossy().ends_with("tosget-part")
        {
            let _ = stuck.lock().expect("not poisoned").recv();
        }
        self.file.sync()
    }

    fn drop_cached(&self) -> io::Result<()> {
        self.fuse.burn()?;
        self.file.drop_cached()
    }

    fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.fuse.burn_at("set modified")?;
        self.file.set_modified(time)
    }

    fn set_access(&self, access: Access) -> io::Result<()> {
        self.fuse.burn()?;
        self.file.set_access(access)
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.fuse.burn()?;
        self.file.try_lock()
    }

    fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }

    fn stat(&self) -> io::Result<Stat> {
        self.fuse.burn()?;
        self.file.stat()
    }
}

//! The system's storage, but for temporary files: these have any length, take no space, and read as zeros.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use crate::storage::{Access, Allocation, OpenMode, Stat, Storage, StoredFile, SystemStorage};

/// Forgets what is written to temporary files, and counts it.
#[derive(Clone, Debug, Default)]
pub(crate) struct VoidStorage(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    len: AtomicU64,
    writes: AtomicU64,
    journal_writes: AtomicU64,
    journal_bytes: AtomicU64,
}

impl VoidStorage {
    /// Writes to temporary files so far; to journals; and bytes of these.
    pub(crate) fn writes(&self) -> (u64, u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::SeqCst);
        (
            read(&self.0.writes),
            read(&self.0.journal_writes),
            read(&self.0.journal_bytes),
        )
    }

    fn seen(&self, path: &Path, stat: Stat) -> Stat {
        if is_temporary(path) {
            let len = self.0.len.load(Ordering::SeqCst);
            Stat { len, ..stat }
        } else {
            stat
        }
    }
}

fn is_temporary(path: &Path) -> bool {
    path.to_string_lossy().ends_with("tosget-part")
}

impl Storage for VoidStorage {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StoredFile>> {
        Ok(Arc::new(VoidFile {
            storage: self.clone(),
            file: SystemStorage.open(path, mode)?,
            is_temporary: is_temporary(path),
        }))
    }

    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        Ok(SystemStorage.stat(path)?.map(|stat| self.seen(path, stat)))
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

#[derive(Debug)]
struct VoidFile {
    storage: VoidStorage,
    file: Arc<dyn StoredFile>,
    is_temporary: bool,
}

impl StoredFile for VoidFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if !self.is_temporary {
            return self.file.read_at(buffer, offset);
        }
        let left = self.storage.0.len.load(Ordering::SeqCst).saturating_sub(offset);
        let len = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        buffer[..len].fill(0);
        Ok(len)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let counts = &self.storage.0;
        if self.is_temporary {
            counts.writes.fetch_add(1, Ordering::SeqCst);
            return Ok(());
        }
        counts.journal_writes.fetch_add(1, Ordering::SeqCst);
        counts
            .journal_bytes
            .fetch_add(bytes.len() as u64, Ordering::SeqCst);
        self.file.write_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if !self.is_temporary {
            return self.file.set_len(len);
        }
        self.storage.0.len.store(len, Ordering::SeqCst);
        Ok(())
    }

    fn allocate(&self, len: u64) -> io::Result<Allocation> {
        self.set_len(len).map(|()| Allocation::Reserved)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn drop_cached(&self) -> io::Result<()> {
        self.file.drop_cached()
    }

    fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.file.set_modified(time)
    }

    fn set_access(&self, access: Access) -> io::Result<()> {
        self.file.set_access(access)
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.file.try_lock()
    }

    fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }

    fn stat(&self) -> io::Result<Stat> {
        let stat = self.file.stat()?;
        Ok(if self.is_temporary {
            let len = self.storage.0.len.load(Ordering::SeqCst);
            Stat { len, ..stat }
        } else {
            stat
        })
    }
}

//! The system's storage, where a test has its say before each call.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::storage::{Access, Allocation, OpenMode, Stat, Storage, StoredFile, SystemStorage};

/// A call that is about to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Create,
    Open,
    /// Of a name or of an open file.
    Stat,
    CreateDirectory,
    Read,
    Lock,
    Remove,
    Allocate {
        len: u64,
    },
    Write {
        len: usize,
    },
    Sync,
    Rename,
    SyncDirectory,
}

type Hook = dyn Fn(Call, &Path) -> io::Result<Option<Allocation>> + Send + Sync;

/// Asks the hook first: an error is the call's, an allocation stands for the one that was asked for.
#[derive(Clone)]
pub(crate) struct HookedStorage(Arc<Hook>);

impl HookedStorage {
    pub(crate) fn new(
        hook: impl Fn(Call, &Path) -> io::Result<Option<Allocation>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(hook))
    }
}

impl fmt::Debug for HookedStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookedStorage").finish_non_exhaustive()
    }
}

impl Storage for HookedStorage {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StoredFile>> {
        let call = match mode {
            OpenMode::CreateNew | OpenMode::CreatePrivate => Call::Create,
            OpenMode::Existing | OpenMode::Read => Call::Open,
        };
        (self.0)(call, path)?;
        Ok(Arc::new(HookedFile {
            hook: self.0.clone(),
            file: SystemStorage.open(path, mode)?,
            path: path.to_owned(),
        }))
    }

    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        (self.0)(Call::Stat, path)?;
        SystemStorage.stat(path)
    }

    fn follow(&self, path: &Path) -> io::Result<Option<Stat>> {
        SystemStorage.follow(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        (self.0)(Call::CreateDirectory, path)?;
        SystemStorage.create_dir_all(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        (self.0)(Call::Rename, to)?;
        SystemStorage.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        (self.0)(Call::Remove, path)?;
        SystemStorage.remove(path)
    }

    fn locks_are_proof(&self, directory: &Path) -> bool {
        SystemStorage.locks_are_proof(directory)
    }

    fn boot_id(&self) -> Option<[u8; 16]> {
        SystemStorage.boot_id()
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        (self.0)(Call::SyncDirectory, path)?;
        SystemStorage.sync_dir(path)
    }
}

struct HookedFile {
    hook: Arc<Hook>,
    file: Arc<dyn StoredFile>,
    path: PathBuf,
}

impl fmt::Debug for HookedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookedFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl StoredFile for HookedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        (self.hook)(Call::Read, &self.path)?;
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        (self.hook)(Call::Write { len: bytes.len() }, &self.path)?;
        self.file.write_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<Allocation> {
        let instead = (self.hook)(Call::Allocate { len }, &self.path)?;
        match instead {
            Some(Allocation::Sparse) => self.file.set_len(len).map(|()| Allocation::Sparse),
            _ => self.file.allocate(len),
        }
    }

    fn sync(&self) -> io::Result<()> {
        (self.hook)(Call::Sync, &self.path)?;
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
        (self.hook)(Call::Lock, &self.path)?;
        self.file.try_lock()
    }

    fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }

    fn stat(&self) -> io::Result<Stat> {
        (self.hook)(Call::Stat, &self.path)?;
        self.file.stat()
    }
}

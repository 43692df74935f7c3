//! The system's storage, with directories that fold case and normalise Unicode: the names below one directory.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::spelling::folded_path;
use crate::storage::{OpenMode, Stat, Storage, StoredFile, SystemStorage};

/// Knows each file below its directory by its folded name only.
#[derive(Debug)]
pub(crate) struct FoldingStorage(PathBuf);

impl FoldingStorage {
    pub(crate) fn below(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    fn on_disk(&self, path: &Path) -> PathBuf {
        match path.strip_prefix(&self.0) {
            Ok(below) => self.0.join(folded_path(below)),
            Err(_) => path.to_owned(),
        }
    }
}

impl Storage for FoldingStorage {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn StoredFile>> {
        SystemStorage.open(&self.on_disk(path), mode)
    }

    fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        SystemStorage.stat(&self.on_disk(path))
    }

    fn follow(&self, path: &Path) -> io::Result<Option<Stat>> {
        SystemStorage.follow(&self.on_disk(path))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        SystemStorage.create_dir_all(&self.on_disk(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        SystemStorage.rename(&self.on_disk(from), &self.on_disk(to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        SystemStorage.remove(&self.on_disk(path))
    }

    fn locks_are_proof(&self, directory: &Path) -> bool {
        SystemStorage.locks_are_proof(directory)
    }

    fn boot_id(&self) -> Option<[u8; 16]> {
        SystemStorage.boot_id()
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        SystemStorage.sync_dir(&self.on_disk(path))
    }
}

//! The right to write a checkpoint, as the journal's owner block tells it to others: renewed while the owner is alive.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::format::{NONCE_AT, OWNER_AT, OWNER_LEN, Owner, OwnerBlock, OwnerState};
use super::owner::Alive;
use crate::storage::{OpenMode, Storage, StoredFile};

/// Whether we still own the checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ownership {
    Ours,
    /// Somebody took it over: locks lie on some network file systems.
    TakenBy(Box<Owner>),
}

/// The lease on one journal. It ends with the state that was written last; a lease that is dropped ends as if its process had died.
#[derive(Debug)]
pub(crate) struct Lease {
    storage: Arc<dyn Storage>,
    file: Arc<dyn StoredFile>,
    pub(super) path: PathBuf,
    /// Signs of life are synced, so that other machines see them.
    synced: bool,
    block: Mutex<OwnerBlock>,
    token: [u8; 16],
    /// Of the journal.
    nonce: u64,
    _alive: Alive,
}

impl Lease {
    pub(super) fn new(
        storage: &Arc<dyn Storage>,
        file: &Arc<dyn StoredFile>,
        path: &Path,
        block: OwnerBlock,
        synced: bool,
        nonce: u64,
    ) -> Self {
        Self {
            storage: storage.clone(),
            file: file.clone(),
            path: path.to_owned(),
            synced,
            nonce,
            token: block.owner.token,
            _alive: Alive::new(&block.owner),
            block: Mutex::new(block),
        }
    }

    /// Gives a sign of life, after making sure that nobody took the checkpoint over.
    pub(crate) fn beat(&self) -> io::Result<Ownership> {
        if let Some(other) = self.other_owner()? {
            return Ok(Ownership::TakenBy(Box::new(other)));
        }
        self.write(|_| {})?;
        if self.synced {
            self.file.sync()?;
        }
        Ok(Ownership::Ours)
    }

    /// Who has the journal's name now, if it is somebody else. The name is opened anew: a file that is open keeps showing
    /// what it showed, to a network file system's client.
    pub(crate) fn other_owner(&self) -> io::Result<Option<Owner>> {
        let file = match self.storage.open(&self.path, OpenMode::Existing) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut nonce = [0; 8];
        file.read_at(&mut nonce, NONCE_AT as u64)?;
        let is_ours = u64::from_le_bytes(nonce) == self.nonce;
        let beat = self.block().beat;
        // In our own journal an older block is that of an owner before us: ours is one that the disk has lost.
        let taken = read_owner(&*file)?
            .filter(|there| there.owner.token != self.token && (!is_ours || there.beat >= beat));
        Ok(taken.map(|there| there.owner))
    }

    pub(super) fn set_state(&self, state: OwnerState) -> io::Result<()> {
        self.write(|block| block.state = state)
    }

    fn write(&self, change: impl FnOnce(&mut OwnerBlock)) -> io::Result<()> {
        let mut block = self.block();
        change(&mut block);
        block.beat += 1;
        self.file.write_at(&block.encode(), OWNER_AT)
    }

    fn block(&self) -> MutexGuard<'_, OwnerBlock> {
        self.block.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The owner block of the journal that has this name now; `None` where there is none that can be read.
pub(crate) fn owner_at(storage: &dyn Storage, path: &Path) -> io::Result<Option<OwnerBlock>> {
    match storage.open(path, OpenMode::Existing) {
        Ok(file) => read_owner(&*file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn read_owner(file: &dyn StoredFile) -> io::Result<Option<OwnerBlock>> {
    let mut bytes = [0; OWNER_LEN];
    let len = file.read_at(&mut bytes, OWNER_AT)?;
    Ok(OwnerBlock::decode(&bytes[..len]))
}

//! Keeps others from a destination where the temporary file has another name than that of a checkpoint beside it: the latter is locked
//! as well, and made for that where it is missing.

use std::sync::Arc;

use super::earlier::held;
use crate::destination::Places;
use crate::error::{Error, Shown};
use crate::storage::Storage;
use crate::temporary::{OpenTemporary, TemporaryFile};

/// The lock on the temporary file of a checkpoint that is not ours. Nothing is written to it.
#[derive(Debug)]
pub(super) struct Gate(TemporaryFile);

impl Gate {
    /// Nothing where our temporary file is the one that everybody locks. Blocks.
    pub(super) fn close(storage: &Arc<dyn Storage>, places: &Places) -> Result<Option<Self>, Error> {
        let Some([temporary, _]) = &places.beside else {
            return Ok(None);
        };
        match TemporaryFile::open_or_create(storage, temporary, places.access)? {
            OpenTemporary::Ours(file) => Ok(Some(Self(file))),
            OpenTemporary::Held | OpenTemporary::Absent => Err(held(places, None)),
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // What is empty was made to be locked.
        if !matches!(self.0.stat(), Ok(stat) if stat.len == 0) {
            return;
        }
        if let Err(error) = self.0.clone().remove() {
            tracing::warn!(target: "tosget::checkpoint", path = %Shown(self.0.path()), %error, "an empty temporary file was left behind");
        }
    }
}

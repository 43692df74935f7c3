//! Takeovers that were cut short. Where locks prove nothing, a checkpoint is taken over by two renames: of its temporary file, and of a
//! new journal. Who dies between them leaves the bytes under a name that only the new journal knows, which has not got its name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::earlier::{Earlier, LeftTemporary};
use crate::destination::Places;
use crate::error::{Error, Shown};
use crate::journal::{FoundJournal, Liveness, Look, current_owner, liveness, owner_at};
use crate::storage::{Storage, directory_of};

/// The journal and the temporary file of one that had got as far as that.
pub(super) fn find(
    storage: &Arc<dyn Storage>,
    places: &Places,
) -> Result<Option<(Box<FoundJournal>, LeftTemporary)>, Error> {
    for path in journals(&**storage, places) {
        let Ok(Look::Found(journal)) = FoundJournal::look(&**storage, &path) else {
            continue;
        };
        if let Some(temporary) = Earlier::look_for_temporary(storage, places, Some(&journal))? {
            return Ok(Some((journal, temporary)));
        }
    }
    Ok(None)
}

/// Removes the journals that never got their name: the one that was `found`, and those of the dead.
pub(super) fn clear(storage: &dyn Storage, places: &Places, found: &Path) {
    for path in journals(storage, places) {
        if path != found && !is_of_the_dead(storage, &path) {
            continue;
        }
        if let Err(error) = storage.remove(&path) {
            tracing::warn!(target: "tosget::checkpoint", path = %Shown(&path), %error, "a journal was left behind");
        }
    }
}

fn is_of_the_dead(storage: &dyn Storage, path: &Path) -> bool {
    let Ok(Some(owner)) = owner_at(storage, path) else {
        return false;
    };
    liveness(&current_owner(storage, [0; 16]), &owner) == Liveness::Gone
}

fn journals(storage: &dyn Storage, places: &Places) -> Vec<PathBuf> {
    let Some(journal) = places.journal.as_deref().filter(|_| !places.locks_are_proof) else {
        return Vec::new();
    };
    let directory = directory_of(journal);
    let names = storage.list(directory).unwrap_or_default();
    let waiting = names.into_iter().filter(|name| places.is_next_journal(name));
    waiting.map(|name| directory.join(name)).collect()
}

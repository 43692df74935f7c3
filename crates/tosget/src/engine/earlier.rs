//! What an earlier run left: found and locked before the first request, judged after it.

use std::sync::Arc;
use std::time::Duration;

use super::{Engine, Spec, blocking, canceled};
use crate::coverage::Coverage;
use crate::destination::{Places, path_text};
use crate::error::{Error, ErrorKind, Shown};
use crate::journal::format::{OwnerBlock, OwnerState, Seal};
use crate::journal::{FoundJournal, Liveness, Look, current_owner, liveness};
use crate::object::Fingerprint;
use crate::storage::{Stat, Storage};
use crate::taken::InUse;
use crate::temporary::{OpenTemporary, TemporaryFile};

/// An owner that is alive gives a sign of life this often.
pub(super) const BEAT: Duration = Duration::from_secs(1);

/// How long an owner that can't be seen is watched before it is taken for dead.
const WATCH: Duration = Duration::from_secs(3);

/// A lock may be held for a moment by a call that was just dropped, or a process that was just killed.
const LOCK_PATIENCE: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(150),
    Duration::from_millis(300),
    Duration::from_millis(500),
];

/// What is there, locked by us.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    pub(super) temporary: Option<LeftTemporary>,
    pub(super) journal: Option<Box<FoundJournal>>,
}

/// A temporary file of an earlier run, as it was found.
#[derive(Debug)]
pub(super) struct LeftTemporary {
    pub(super) file: TemporaryFile,
    pub(super) stat: Stat,
}

/// A journal and a temporary file that may belong to the object that is wanted.
#[derive(Debug)]
pub(super) struct Resumable<'a> {
    pub(super) fingerprint: Fingerprint,
    pub(super) claims: &'a Coverage,
}

impl Earlier {
    /// Finds and locks what is there, if the first look did not succeed in it. Fails if another download is at work on it.
    pub(super) async fn look(
        engine: &Engine,
        spec: &Spec,
        places: &Places,
        first_look: Result<Self, Error>,
    ) -> Result<Self, Error> {
        let earlier = Self::look_patiently(engine, places, first_look).await?;
        let Some(journal) = &earlier.journal else {
            return Ok(earlier);
        };
        earlier.refuse_what_is_not_ours(spec, places)?;
        if let Some(last) = &journal.last_owner {
            match liveness(&current_owner(&*engine.storage, [0; 16]), last) {
                Liveness::Gone => {}
                Liveness::Alive => return Err(held(places, Some(&last.owner.to_string()))),
                Liveness::Unknown => tokio::select! {
                    biased;
                    () = spec.cancel.canceled() => return Err(canceled()),
                    () = tokio::time::sleep(WATCH) => earlier.refuse_beating_heart(last, places)?,
                },
            }
        }
        Ok(earlier)
    }

    async fn look_patiently(
        engine: &Engine,
        places: &Places,
        first_look: Result<Self, Error>,
    ) -> Result<Self, Error> {
        let mut found = first_look;
        for wait in LOCK_PATIENCE {
            match found {
                Err(error) if error.kind() == ErrorKind::CheckpointHeld => tokio::time::sleep(wait).await,
                found => return found,
            }
            let (storage, in_use, at) = (engine.storage.clone(), engine.in_use.clone(), places.clone());
            found = blocking(move || Self::look_once(&storage, &in_use, &at)).await;
        }
        found
    }

    /// Whether there is none.
    pub(super) fn is_nothing(&self) -> bool {
        self.temporary.is_none() && self.journal.is_none()
    }

    pub(super) fn look_once(
        storage: &Arc<dyn Storage>,
        in_use: &InUse,
        places: &Places,
    ) -> Result<Self, Error> {
        let journal = match &places.journal {
            None => None,
            Some(path) => match FoundJournal::look(&**storage, path) {
                Ok(Look::Nothing) => None,
                Ok(Look::Found(journal)) => Some(journal),
                Ok(Look::Held(owner)) => {
                    return Err(held(places, owner.map(|owner| owner.to_string()).as_deref()));
                }
                Err(error) => return Err(Error::disk("open the checkpoint", path, error)),
            },
        };
        let temporary = match TemporaryFile::open(storage, &places.temporary, places.access)? {
            OpenTemporary::Ours(file) => {
                let stat = file.stat()?;
                Some(LeftTemporary { file, stat })
            }
            OpenTemporary::Absent => None,
            OpenTemporary::Held => return Err(held(places, None)),
        };
        // Last, since who holds a lock can be named.
        if !places.occupy(&**storage, in_use) {
            return Err(held(places, Some("another call of this process")));
        }
        Ok(Self { temporary, journal })
    }

    /// A checkpoint file that the caller named may be anything: somebody's data, or the progress of another download. It is
    /// not ours to change.
    fn refuse_what_is_not_ours(&self, spec: &Spec, places: &Places) -> Result<(), Error> {
        let (true, Some(journal), Some(path)) = (places.journal_is_named, &self.journal, &places.journal)
        else {
            return Ok(());
        };
        let reason = match &journal.header {
            Err(damage) => format!("can't be used, and is left as it is: {damage}"),
            Ok(header) => {
                let (identity, wanted) = (&header.identity, &spec.object);
                let found = identity.object_id();
                let is_ours = identity.destination == path_text(&places.destination)
                    && (&found.url, &found.bucket, &found.key, &found.version_id)
                        == (&wanted.url, &wanted.bucket, &wanted.key, &wanted.version_id);
                if is_ours {
                    return Ok(());
                }
                let destination = crate::object::Printable(&identity.destination);
                format!("belongs to the download of {found} to {destination}")
            }
        };
        let message = format!(
            "can't download {}: the checkpoint file {} {reason}",
            spec.object,
            Shown(path)
        );
        let hint = "name another checkpoint file, or a directory: there each destination has its own";
        Err(Error::new(ErrorKind::Checkpoint, message).with_hint(hint))
    }

    fn refuse_beating_heart(&self, before: &OwnerBlock, places: &Places) -> Result<(), Error> {
        let Some(journal) = &self.journal else {
            return Ok(());
        };
        let path = places.journal.as_deref().unwrap_or(&places.destination);
        let now = journal
            .owner_now()
            .map_err(|error| Error::disk("read the checkpoint", path, error))?;
        match now {
            Some(now) if now != *before => Err(held(places, Some(&now.owner.to_string()))),
            _ => Ok(()),
        }
    }

    /// What can be gone on with, or why what is there can't be.
    pub(super) fn resumable(&self, spec: &Spec) -> Result<Option<Resumable<'_>>, String> {
        let Some(journal) = &self.journal else {
            return Ok(None);
        };
        let header = journal.header.as_ref().map_err(ToString::to_string)?;
        let (identity, wanted) = (header.identity.object_id(), &spec.object);
        if (&identity.url, &identity.bucket, &identity.key) != (&wanted.url, &wanted.bucket, &wanted.key) {
            return Err("it belongs to another object".into());
        }
        if identity.version_id != wanted.version_id {
            return Err("it belongs to another version of the object".into());
        }
        if journal.claims.covered() == 0 {
            return Err("it records no bytes".into());
        }
        Ok(Some(Resumable {
            fingerprint: (&header.identity.object).into(),
            claims: &journal.claims,
        }))
    }

    /// The call ended before anything was touched: notes on its error what can be gone on with, or removes what is
    /// there if the caller aborted.
    pub(super) async fn give_up(self, error: Error, engine: &Engine, spec: &Spec, places: Places) -> Error {
        if error.kind() == ErrorKind::Canceled && spec.cancel.is_abort() {
            let storage = engine.storage.clone();
            blocking(move || self.remove(&*storage, &places)).await;
            return error;
        }
        match (self.resumable(spec), &self.temporary, places.journal) {
            (Ok(Some(_)), Some(_), Some(journal)) => error.with_checkpoint(journal),
            _ => error,
        }
    }

    fn remove(self, storage: &dyn Storage, places: &Places) {
        let journal = self.journal.as_ref().and(places.journal.as_deref());
        let temporary = self.temporary.as_ref().map(|_| places.temporary.as_path());
        for path in [journal, temporary].into_iter().flatten() {
            if let Err(error) = storage.remove(path) {
                tracing::warn!(target: "tosget::checkpoint", path = %Shown(path), %error, "a part of a checkpoint was left behind");
            }
        }
    }

    /// The temporary file as the last owner says it left it, if it let go in order.
    pub(super) fn seal(&self) -> Option<(Seal, [u8; 16])> {
        let last = self.journal.as_ref()?.last_owner.as_ref()?;
        match last.state {
            OwnerState::Released(seal) => Some((seal, last.owner.boot_id)),
            OwnerState::Running => None,
        }
    }
}

/// Another download is at work on this destination.
pub(super) fn held(places: &Places, holder: Option<&str>) -> Error {
    let holder = holder.unwrap_or("another process or thread");
    let message = format!("{} is being downloaded by {holder}", Shown(&places.destination));
    Error::new(ErrorKind::CheckpointHeld, message)
        .with_hint("wait for it to end, or choose another destination")
}

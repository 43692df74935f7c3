//! What an earlier run left: found and locked before the first request, judged after it.

use std::sync::Arc;
use std::time::Duration;

use super::{Engine, Spec, blocking, canceled, takeovers};
use crate::coverage::Coverage;
use crate::destination::Places;
use crate::error::{Error, ErrorKind, Shown};
use crate::journal::format::{OwnerBlock, OwnerState, Seal};
use crate::journal::{FoundJournal, Liveness, Look, current_owner, liveness, owner_at};
use crate::object::Fingerprint;
use crate::storage::{Stat, Storage};
use crate::taken::InUse;
use crate::temporary::{OpenTemporary, TemporaryFile};

/// How long an owner that can't be seen is watched before it is taken for dead.
const WATCH: Duration = Duration::from_secs(3);

/// How often an owner that changes while it is watched is looked at anew.
const MOST_LOOKS: usize = 3;

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
        let mut earlier = Self::look_patiently(engine, places, first_look).await?;
        for _ in 0..MOST_LOOKS {
            let Some(journal) = &earlier.journal else {
                return Ok(earlier);
            };
            earlier.refuse_what_is_not_ours(spec, places)?;
            // Who has a lock that proves it is alone, whatever the journal says of its last owner.
            if places.locks_are_proof {
                return Ok(earlier);
            }
            match journal
                .last_owner
                .as_ref()
                .map(|last| (last, liveness(&current_owner(&*engine.storage, [0; 16]), last)))
            {
                Some((_, Liveness::Gone)) => return Ok(earlier),
                Some((last, Liveness::Alive)) => return Err(held(places, Some(&last.owner.to_string()))),
                // Where nothing can be read, its owner may be just writing it.
                None | Some((_, Liveness::Unknown)) => {}
            }
            tokio::select! {
                biased;
                () = spec.cancel.canceled() => return Err(canceled()),
                () = tokio::time::sleep(WATCH) => {}
            }
            match earlier.owner_now(engine).await? {
                now if now == earlier.last_owner().cloned() => return Ok(earlier),
                Some(now) if now.state == OwnerState::Running => {
                    return Err(held(places, Some(&now.owner.to_string())));
                }
                _ => {}
            }
            drop(earlier);
            let (storage, in_use, at) = (engine.storage.clone(), engine.in_use.clone(), places.clone());
            let found = blocking(move || Self::look_once(&storage, &in_use, &at)).await;
            earlier = Self::look_patiently(engine, places, found).await?;
        }
        Err(held(places, None))
    }

    async fn owner_now(&self, engine: &Engine) -> Result<Option<OwnerBlock>, Error> {
        let Some(path) = self.journal.as_ref().map(|journal| journal.path().to_owned()) else {
            return Ok(None);
        };
        let storage = engine.storage.clone();
        let read = move || {
            owner_at(&*storage, &path).map_err(|error| Error::disk("read the checkpoint", &path, error))
        };
        blocking(read).await
    }

    fn last_owner(&self) -> Option<&OwnerBlock> {
        self.journal.as_ref()?.last_owner.as_ref()
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
        let temporary = Self::look_for_temporary(storage, places, journal.as_deref())?;
        let (journal, temporary) = match (journal, temporary) {
            (Some(journal), None) => match takeovers::find(storage, places)? {
                Some((journal, temporary)) => (Some(journal), Some(temporary)),
                None => (Some(journal), None),
            },
            found => found,
        };
        // Last, since who holds a lock can be named.
        if !places.occupy(&**storage, in_use) {
            return Err(held(places, Some("another call of this process")));
        }
        Ok(Self { temporary, journal })
    }

    pub(super) fn look_for_temporary(
        storage: &Arc<dyn Storage>,
        places: &Places,
        journal: Option<&FoundJournal>,
    ) -> Result<Option<LeftTemporary>, Error> {
        let of_journal = journal
            .and_then(|journal| journal.header.as_ref().ok())
            .map(|header| places.temporaries_of(header.nonce));
        let paths = of_journal.unwrap_or_else(|| [places.temporary.clone(), places.temporary.clone()]);
        let mut looked = OpenTemporary::Absent;
        for path in &paths {
            looked = TemporaryFile::open(storage, path, places.access)?;
            if !matches!(looked, OpenTemporary::Absent) {
                break;
            }
        }
        match looked {
            OpenTemporary::Ours(file) => {
                let stat = file.stat()?;
                Ok(Some(LeftTemporary { file, stat }))
            }
            OpenTemporary::Absent => Ok(None),
            OpenTemporary::Held => Err(held(places, None)),
        }
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
                let is_ours = places.is_destination(&identity.destination)
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
        let error = match (self.resumable(spec), &self.temporary, places.journal) {
            (Ok(Some(_)), Some(_), Some(journal)) => error.with_checkpoint(journal),
            _ => error,
        };
        // To close files may take a disk long.
        blocking(move || drop(self)).await;
        error
    }

    /// The temporary file first: where locks are no proof, only one can remove it, and who can't leaves the journal.
    fn remove(self, storage: &dyn Storage, places: &Places) {
        let found = self.journal.as_deref();
        if found.is_some_and(|found| refuse_what_is_taken(found, storage, places).is_err()) {
            return;
        }
        let journal = found.and(places.journal.as_deref());
        let temporary = self.temporary.as_ref().map(|left| left.file.path());
        for path in [temporary, journal].into_iter().flatten() {
            if let Err(error) = storage.remove(path) {
                tracing::warn!(target: "tosget::checkpoint", path = %Shown(path), %error, "a part of a checkpoint was left behind");
                return;
            }
        }
        if let Some(found) = found {
            takeovers::clear(storage, places, found.path());
        }
    }

    /// Whether the system may have told the last owner, and nobody since, that bytes which it has in memory are not on the disk.
    pub(super) fn is_doubted(&self) -> bool {
        self.last_owner()
            .is_some_and(|last| last.state == OwnerState::Doubted)
    }

    /// The temporary file as the last owner says it left it, if it let go in order.
    pub(super) fn seal(&self) -> Option<(Seal, [u8; 16])> {
        let last = self.last_owner()?;
        match last.state {
            OwnerState::Released(seal) => Some((seal, last.owner.boot_id)),
            OwnerState::Running | OwnerState::Doubted => None,
        }
    }
}

/// Where no lock proves that the owner of a journal is gone, another one may have come since it was found.
pub(super) fn refuse_what_is_taken(
    found: &FoundJournal,
    storage: &dyn Storage,
    places: &Places,
) -> Result<(), Error> {
    if places.locks_are_proof {
        return Ok(());
    }
    let now = found.owner_now(storage);
    let now = now.map_err(|error| Error::disk("read the checkpoint", found.path(), error))?;
    if now == found.last_owner {
        return Ok(());
    }
    let holder = now.map(|now| now.owner.to_string());
    Err(held(places, holder.as_deref()))
}

/// Another download is at work on this destination.
pub(super) fn held(places: &Places, holder: Option<&str>) -> Error {
    let holder = holder.unwrap_or("another process or thread");
    let message = format!("{} is being downloaded by {holder}", Shown(&places.destination));
    Error::new(ErrorKind::CheckpointHeld, message)
        .with_hint("wait for it to end, or choose another destination")
}

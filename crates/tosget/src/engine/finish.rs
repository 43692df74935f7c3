//! The end of a download: prove the content, make it the destination, drop the journal.

use std::path::PathBuf;
use std::time::Instant;

use super::prepare::Session;
use super::seal::Synced;
use super::{Spec, blocking, canceled, output};
use crate::error::{Error, ErrorKind, Shown};
use crate::outcome::DownloadFileOutput;
use crate::temporary::{Durable, NotCommitted};
use crate::verify::{NotTheObject, Verified, verify};

impl Session {
    /// Commits what was collected, if it is the object.
    pub(super) async fn finish(
        mut self: Box<Self>,
        spec: &Spec,
        began: Instant,
    ) -> Result<DownloadFileOutput, Error> {
        let verified = match verify(&self.coverage, &self.pin.fingerprint, spec.enable_crc) {
            Ok(verified) => verified,
            Err(difference) => return Err(self.refuse(spec, difference).await),
        };
        if let Err(error) = self.preserve_mtime(spec).await {
            return Err(self.give_up(spec, error, false).await);
        }
        let durable;
        (self, durable) = self.make_durable(spec, verified).await?;
        // Sealed before the rename: should we die right after it, the next run knows the destination for what it is.
        let file = self.scratch.file.clone();
        let sealed = match blocking(move || file.stat()).await {
            Ok(stat) => self.recorder.release(stat).await,
            Err(error) => Err(error),
        };
        if let Err(error) = sealed {
            return Err(self.give_up(spec, error, false).await);
        }
        let (by, crc) = (durable.verified().by(), durable.verified().crc());
        let (head, destination) = (self.head.clone(), self.places.destination.clone());
        let set_aside = self.set_aside.take();
        blocking(move || self.commit(&durable)).await?;
        Ok(DownloadFileOutput {
            set_aside,
            ..output(spec, head, destination, by, Some(crc), began)
        })
    }

    /// Syncs the temporary file. That can take minutes on a slow disk: whoever cancels is not kept waiting for it.
    async fn make_durable(
        mut self: Box<Self>,
        spec: &Spec,
        verified: Verified,
    ) -> Result<(Box<Self>, Durable), Error> {
        let file = self.scratch.file.clone();
        let sync = move || file.make_durable(verified);
        match self.sync_until(sync, spec.cancel.canceled()).await {
            Synced::Done(durable) => Ok((self, durable)),
            Synced::NotBegun(error) => Err(self.give_up(spec, error, false).await),
            Synced::Abandoned => Err(self.give_up(spec, canceled(), true).await),
            Synced::Failed(error) => {
                // No later run may believe any of it.
                self.set_journal_aside().await;
                Err(error)
            }
        }
    }

    /// Gives the file the object's time, if the caller wants that and the server told it. Before it is sealed: the seal tells
    /// the next run by which time it knows the file.
    async fn preserve_mtime(&mut self, spec: &Spec) -> Result<(), Error> {
        let Some(time) = self.head.last_modified.filter(|_| spec.preserve_mtime) else {
            return Ok(());
        };
        let file = self.scratch.file.clone();
        blocking(move || file.set_modified(time)).await
    }

    /// Rename, sync the directory, drop the journal: in this order (invariant I6).
    fn commit(mut self: Box<Self>, proof: &Durable) -> Result<(), Error> {
        if let Err(failure) = self.scratch.commit(proof, &self.places.destination) {
            let goes_on = matches!(failure, NotCommitted::Failed(_) | NotCommitted::NotDurable(_));
            let error = failure.told(&self.places, self.scratch.file.path());
            return Err(match self.recorder.path().filter(|_| goes_on) {
                Some(journal) => error.with_checkpoint(journal),
                None => error,
            });
        }
        self.recorder.remove(&*self.engine.storage);
        self.gate = None;
        self.places.remove_leftovers(&*self.engine.storage);
        Ok(())
    }

    /// The content is not the object's. The journal, which says it is, is set aside: no later run may believe it.
    async fn refuse(mut self: Box<Self>, spec: &Spec, difference: NotTheObject) -> Error {
        let mut message = format!("what was downloaded of {} is not the object", spec.object);
        if let Some(aside) = self.set_journal_aside().await.flatten() {
            message.push_str(&format!("; its journal was kept as {}", Shown(&aside)));
        }
        Error::new(ErrorKind::Verification, message)
            .with_source(difference)
            .with_hint(
                "all of it was fetched twice, with the same result: a proxy on the way alters the bytes, or the CRC64 that the \
                 service keeps is wrong",
            )
    }

    /// Keeps the journal under another name, for whoever wants to know; returns that name. `Some(None)`: somebody's file has that, so the
    /// journal was removed. The next run uses the temporary file again, unless it has a name of its own, as where locks prove nothing.
    pub(super) async fn set_journal_aside(&mut self) -> Option<Option<PathBuf>> {
        self.scratch.keep &= self.places.locks_are_proof;
        let (storage, places) = (self.engine.storage.clone(), self.places.clone());
        let mut recorder = std::mem::take(&mut self.recorder);
        let set_aside = move || recorder.give_away(|journal| places.set_aside(&*storage, journal));
        blocking(set_aside).await
    }
}

//! The end of a download: prove the content, make it the destination, drop the journal.

use std::time::Instant;

use super::prepare::Session;
use super::{Spec, blocking, output};
use crate::destination::aside;
use crate::error::{Error, ErrorKind};
use crate::outcome::DownloadFileOutput;
use crate::temporary::CommitError;
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
        // Sealed before the rename: should we die right after it, the next run knows the destination for what it is.
        let stat = self.scratch.file.stat()?;
        self.recorder.release(Some(stat)).await?;
        let (by, crc) = (verified.by(), verified.crc());
        let (head, destination) = (self.head.clone(), self.places.destination.clone());
        let set_aside = self.set_aside.take();
        blocking(move || self.commit(&verified)).await?;
        Ok(DownloadFileOutput {
            set_aside,
            ..output(spec, head, destination, by, Some(crc), began)
        })
    }

    /// Sync, rename, sync the directory, drop the journal: in this order (invariant I6).
    fn commit(mut self: Box<Self>, proof: &Verified) -> Result<(), Error> {
        let journal = self.recorder.path();
        match (
            self.scratch.file.clone().commit(proof, &self.places.destination),
            &journal,
        ) {
            (Ok(()), _) => {}
            (Err(CommitError::NotDurable(error)), Some(journal)) => {
                // No later run may believe any of it.
                if let Err(error) = self.engine.storage.rename(journal, &aside(journal)) {
                    tracing::warn!(%error, "the journal of bytes that are not durable could not be set aside");
                }
                return Err(error);
            }
            (Err(CommitError::NotNamed(error)), Some(journal)) => {
                return Err(error.with_checkpoint(journal.clone()));
            }
            (Err(CommitError::NotDurable(error) | CommitError::NotNamed(error)), None) => return Err(error),
        }
        // The temporary name is gone; nothing is left to remove.
        self.scratch.keep = true;
        if let Some(journal) = journal {
            let removed = self.engine.storage.remove(&journal);
            if let Err(error) = removed {
                tracing::warn!(journal = %journal.display(), %error, "the journal of a finished download was left behind");
            }
        }
        self.remove_aside();
        Ok(())
    }

    /// A journal that was set aside has told what it had to. It may be there without one of ours: that of a large object, in
    /// whose place a small one came.
    fn remove_aside(&self) {
        let Some(aside) = self.places.journal.as_deref().map(aside) else {
            return;
        };
        if matches!(self.engine.storage.stat(&aside), Ok(Some(_))) {
            let _ = self.engine.storage.remove(&aside);
        }
    }

    /// The content is not the object's. The journal, which says it is, is set aside: no later run may believe it.
    async fn refuse(mut self: Box<Self>, spec: &Spec, difference: NotTheObject) -> Error {
        let mut message = format!("what was downloaded of {} is not the object", spec.object);
        if let Some(journal) = self.recorder.path() {
            let aside = aside(&journal);
            message.push_str(&format!(
                "; its journal was kept as {}",
                crate::error::Shown(&aside)
            ));
            self.recorder.close();
            let storage = self.engine.storage.clone();
            let renamed = blocking(move || storage.rename(&journal, &aside)).await;
            if let Err(error) = renamed {
                tracing::warn!(%error, "the journal of a failed verification could not be set aside");
            }
        }
        Error::new(ErrorKind::Verification, message)
            .with_source(difference)
            .with_hint("run the same download again: it starts afresh; if it fails again, a proxy or disk alters the bytes")
    }
}

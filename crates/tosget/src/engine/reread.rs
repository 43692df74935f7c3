//! [`Recheck::Always`](super::Recheck::Always): everything is written; is it on the disk as it came? The file is synced, read
//! back from the disk, and held against the CRCs of what was received.

use super::prepare::Session;
use super::seal::Synced;
use super::{Spec, canceled};
use crate::error::{Error, ErrorKind, Shown};
use crate::events::Narrator;

/// What the disk alters is fetched again this often.
const MOST_ROUNDS: usize = 3;

impl Session {
    /// Nothing but time, unless the caller wants to recheck always.
    pub(super) async fn reread(
        mut self: Box<Self>,
        spec: &Spec,
        narrator: &Narrator,
    ) -> Result<Box<Self>, Error> {
        if spec.recheck != super::Recheck::Always {
            return Ok(self);
        }
        for _ in 0..MOST_ROUNDS {
            self = self.let_go_of_memory(spec).await?;
            let fetched = spec.progress.snapshot().fetched_bytes;
            self = self.refetch_what_the_disk_altered(spec, narrator).await?;
            if spec.progress.snapshot().fetched_bytes == fetched {
                return Ok(self);
            }
        }
        let message = format!(
            "{} does not read back as it was written, each time in {MOST_ROUNDS}",
            Shown(self.scratch.file.path())
        );
        let error = Error::new(ErrorKind::Disk, message)
            .with_hint("check the disk, or find out which program writes to the file");
        Err(self.give_up(spec, error, true).await)
    }

    /// What is read from here on comes from the disk, where the system can be made to.
    async fn let_go_of_memory(mut self: Box<Self>, spec: &Spec) -> Result<Box<Self>, Error> {
        let file = self.scratch.file.clone();
        let sync = move || file.let_go_of_memory();
        match self.sync_until(sync, spec.cancel.canceled()).await {
            Synced::Done(()) => match self.recorder.trust().await {
                Ok(()) => Ok(self),
                Err(error) => Err(self.give_up(spec, error, false).await),
            },
            Synced::NotBegun(error) => Err(self.give_up(spec, error, false).await),
            Synced::Abandoned => Err(self.give_up(spec, canceled(), true).await),
            Synced::Failed(error) => {
                self.set_journal_aside().await;
                Err(error)
            }
        }
    }
}

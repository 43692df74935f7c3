//! All bytes were written: whether the file that took them is still the one that has the temporary name, at its very length.
//!
//! The file is locked, but locks bind only those who ask for them. What somebody cut off is fetched again, what somebody appended is
//! cut off; what somebody put in its place is not given the destination's name.

use std::path::Path;

use super::earlier::held;
use super::prepare::{Scratch, Session};
use super::{Spec, blocking};
use crate::destination::Places;
use crate::error::{Error, ErrorKind, Shown};
use crate::events::{DownloadEventType, Narrator};
use crate::temporary::{Durable, NotCommitted};

impl Session {
    /// Gives the file its length back where somebody changed it, and reads all of it. Fails if the file has lost its name.
    pub(super) async fn intact(
        mut self: Box<Self>,
        spec: &Spec,
        narrator: &Narrator,
    ) -> Result<Box<Self>, Error> {
        let (file, size) = (self.scratch.file.clone(), self.pin.fingerprint.size);
        let looked = blocking(move || match file.has_its_name()? {
            true => file.stat().map(Some),
            false => Ok(None),
        });
        let len = match looked.await {
            Ok(Some(ours)) => ours.len,
            Ok(None) => {
                self.scratch.keep = true;
                return Err(NotCommitted::Lost.told(&self.places, self.scratch.file.path()));
            }
            Err(error) => return Err(self.give_up(spec, error, false).await),
        };
        if len == size {
            return Ok(self);
        }
        tracing::warn!(target: "tosget::checkpoint", object = %spec.object, len, size, "somebody else gave the temporary file another length, reading it back");
        narrator.tell(DownloadEventType::Mending);
        let file = self.scratch.file.clone();
        if let Err(error) = blocking(move || file.reserve(size)).await {
            return Err(self.give_up(spec, error, false).await);
        }
        self.refetch_what_the_disk_altered(spec, narrator).await
    }
}

impl Scratch {
    /// Makes the file the destination. What has its temporary name afterwards, or in its place, is not ours to remove.
    pub(super) fn commit(&mut self, proof: &Durable, destination: &Path) -> Result<(), NotCommitted> {
        let committed = self.file.clone().commit(proof, destination);
        self.keep |= !matches!(committed, Err(NotCommitted::Failed(_)));
        committed
    }
}

impl NotCommitted {
    /// The error of a download whose file did not become the destination.
    pub(super) fn told(self, places: &Places, temporary: &Path) -> Error {
        let message = match self {
            Self::Failed(error) | Self::NotDurable(error) => return error,
            _ if !places.locks_are_proof => return held(places, None),
            Self::Lost => format!(
                "the temporary file {} was removed or replaced during the download",
                Shown(temporary)
            ),
            Self::Replaced => format!(
                "{} was replaced by another file as soon as it was there",
                Shown(&places.destination)
            ),
        };
        Error::new(ErrorKind::Disk, message)
            .with_hint("find out which program does that, and run the same download again: it starts afresh")
    }
}

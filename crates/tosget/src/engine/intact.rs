//! All bytes were written: whether the file that took them is still the one that has the temporary name, at its full length.
//!
//! The file is locked, but locks bind only those who ask for them. What somebody cut off is fetched again; what somebody put in
//! its place is not given the destination's name.

use super::earlier::held;
use super::prepare::Session;
use super::{Spec, blocking};
use crate::error::{Error, ErrorKind, Shown};
use crate::events::{DownloadEventType, Narrator};

impl Session {
    /// Brings back what was cut off meanwhile. Fails if the file has lost its name.
    pub(super) async fn intact(
        mut self: Box<Self>,
        spec: &Spec,
        narrator: &Narrator,
    ) -> Result<Box<Self>, Error> {
        let file = self.scratch.file.clone();
        let looked = blocking(move || {
            let has_its_name = file.has_its_name()?;
            file.stat().map(|ours| (ours, has_its_name))
        });
        let (ours, has_its_name) = looked.await?;
        if !has_its_name {
            return Err(self.lost());
        }
        if ours.len >= self.pin.fingerprint.size {
            return Ok(self);
        }
        tracing::warn!(target: "tosget::checkpoint", object = %spec.object, len = ours.len, "the temporary file was cut by somebody else, reading back what is left");
        narrator.tell(DownloadEventType::Mending);
        let (file, size) = (self.scratch.file.clone(), self.pin.fingerprint.size);
        blocking(move || file.reserve(size)).await?;
        let claims = self.recorder.claims().await?;
        self.doubt(&claims.unwrap_or_default(), spec);
        self.fill_gaps(spec, narrator).await
    }

    /// What was written has no name any more. What has it now is not ours to remove.
    fn lost(mut self) -> Error {
        self.scratch.keep = true;
        if !self.places.locks_are_proof {
            return held(&self.places, None);
        }
        let message = format!(
            "the temporary file {} was removed or replaced during the download",
            Shown(self.scratch.file.path())
        );
        Error::new(ErrorKind::Disk, message)
            .with_hint("find out which program does that, and run the same download again: it starts afresh")
    }
}

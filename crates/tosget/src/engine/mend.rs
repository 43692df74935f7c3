//! All bytes are there, and they are not the object: find out which ones are wrong, and fetch those again.
//!
//! Either the disk altered what it was given, which reading back tells; or something on the way altered what was sent, which
//! nothing tells but fetching it once more. So the object is fetched again step by step, over what is there, until the CRC64
//! of the whole is the object's.

use super::prepare::Session;
use super::{Spec, blocking, canceled};
use crate::checksum::Crc64;
use crate::coverage::{Coverage, Segment, Standing};
use crate::error::Error;
use crate::events::{DownloadEventType, Narrator};
use crate::journal::format::Record;
use crate::range::ByteRange;
use crate::verify::{NotTheObject, verify};

/// The whole object is fetched again this often at most. What is still wrong then is not a matter of chance.
const MOST_ROUNDS: usize = 2;

/// The object is looked at in this many steps at most.
const MOST_STEPS: u64 = 64;

impl Session {
    /// Where the content is not the object's, tries to make it so. Whether it is now, the next step will see.
    pub(super) async fn mend(
        mut self: Box<Self>,
        spec: &Spec,
        narrator: &Narrator,
    ) -> Result<Box<Self>, Error> {
        for _ in 0..MOST_ROUNDS {
            let Some(difference) = self.wrong_crc(spec) else {
                break;
            };
            tracing::warn!(target: "tosget::download", object = %spec.object, %difference, "the content is not the object's, looking for what is wrong");
            narrator.tell(DownloadEventType::Mending);
            self = self.refetch_what_the_disk_altered(spec, narrator).await?;
            if self.wrong_crc(spec).is_none() {
                break;
            }
            let has_changed;
            (self, has_changed) = self.refetch_until_whole(spec, narrator).await?;
            if !has_changed {
                break;
            }
        }
        Ok(self)
    }

    fn wrong_crc(&self, spec: &Spec) -> Option<NotTheObject> {
        let verified = verify(&self.coverage, &self.pin.fingerprint, spec.enable_crc);
        verified
            .err()
            .filter(|difference| matches!(difference, NotTheObject::WrongCrc { .. }))
    }

    /// Reads everything back and holds it against what the journal remembers, or else against the CRC64 of what was received.
    pub(super) async fn refetch_what_the_disk_altered(
        mut self: Box<Self>,
        spec: &Spec,
        narrator: &Narrator,
    ) -> Result<Box<Self>, Error> {
        let claims = match self.recorder.claims().await {
            Ok(claims) => claims.unwrap_or_else(|| self.coverage.clone()),
            Err(error) => return Err(self.give_up(spec, error, false).await),
        };
        self.doubt(&claims, spec);
        self.fill_gaps(spec, narrator).await
    }

    /// Fetches step after step again, until the whole is the object. Tells whether anything came differently.
    async fn refetch_until_whole(
        mut self: Box<Self>,
        spec: &Spec,
        narrator: &Narrator,
    ) -> Result<(Box<Self>, bool), Error> {
        let mut has_changed = false;
        let mut steps;
        (self, steps) = self.read_steps(spec).await?;
        for index in 0..steps.len() {
            if self.wrong_crc(spec).is_none() {
                break;
            }
            let step = steps[index].range;
            self.coverage = all_but(&steps, index);
            spec.progress.holds(self.coverage.covered());
            if let Err(error) = self.recorder.record(vec![Record::Forgotten(step)]).await {
                return Err(self.give_up(spec, error, false).await);
            }
            self = self.fill_gaps(spec, narrator).await?;
            let crc;
            (self, crc) = self.read_back(step, spec).await?;
            has_changed |= crc != steps[index].crc;
            steps[index].crc = crc;
        }
        Ok((self, has_changed))
    }

    /// Reads the temporary file, and returns the CRC of each step.
    async fn read_steps(mut self: Box<Self>, spec: &Spec) -> Result<(Box<Self>, Vec<Segment>), Error> {
        let size = self.pin.fingerprint.size;
        let at_once = spec.part_size.get().saturating_mul(spec.tasks.allowed() as u64);
        let len = at_once.max(size.div_ceil(MOST_STEPS));
        let mut steps = Vec::new();
        let mut rest = ByteRange::new(0, size);
        while let Some(range) = rest {
            let end = range.start().saturating_add(len).min(size);
            let step = ByteRange::new(range.start(), end).expect("a step is not empty");
            if spec.cancel.is_canceled() {
                return Err(self.give_up(spec, canceled(), false).await);
            }
            let crc;
            (self, crc) = self.read_back(step, spec).await?;
            steps.push(Segment { range: step, crc });
            rest = range.from(end);
        }
        Ok((self, steps))
    }

    async fn read_back(self: Box<Self>, range: ByteRange, spec: &Spec) -> Result<(Box<Self>, Crc64), Error> {
        let file = self.scratch.file.clone();
        match blocking(move || file.read_back(range)).await {
            // A file that became shorter meanwhile has other bytes than any that could be fetched.
            Ok(crc) => Ok((self, crc.unwrap_or(Crc64::EMPTY))),
            Err(error) => Err(self.give_up(spec, error, false).await),
        }
    }
}

/// What is there while the step at `index` is fetched again.
fn all_but(steps: &[Segment], index: usize) -> Coverage {
    let mut coverage = Coverage::new();
    for (at, step) in steps.iter().enumerate() {
        if at != index {
            coverage.insert(*step, Standing::Settled);
        }
    }
    coverage
}

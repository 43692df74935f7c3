//! An object that comes whole in one small answer, and nothing else to think of: taken into memory, proven, and put on the
//! disk in one go. That is all there is to most of a thousand small objects.
//!
//! Where anything is out of the ordinary, the steps that are made for it get what has come so far, as if it came just now:
//! so this is a shorter way to the same end, and never another one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::timeout;

use super::earlier::{Earlier, held};
use super::gate::Gate;
use super::prepare::Scratch;
use super::probe::{EarlierFits, Opened, Probed};
use super::{Engine, Recheck, Spec, output};
use crate::checksum::RunningCrc64;
use crate::coverage::{Coverage, Segment, Standing};
use crate::destination::{Places, directory_of};
use crate::error::Error;
use crate::error::attempt::AttemptError;
use crate::outcome::DownloadFileOutput;
use crate::range::ByteRange;
use crate::source::{Body, RangeResponse};
use crate::storage::{Storage, make_directories};
use crate::temporary::{OpenTemporary, TemporaryFile};
use crate::verify::{Verified, verify};

/// A body that brings nothing for this long is not ordinary.
const SILENCE: Duration = Duration::from_secs(1);

/// Up to this many bytes: no more than a task holds in memory anyhow.
const MOST: u64 = 512 << 10;

impl Engine {
    /// Brings the object if this way will do. If not, what was probed is returned, with all of the body still to come.
    pub(super) async fn whole(
        &self,
        spec: &Spec,
        places: &Places,
        earlier: &Earlier,
        mut probed: Probed,
        began: Instant,
    ) -> Result<Result<DownloadFileOutput, Probed>, Error> {
        if !(is_ordinary(spec) && earlier.is_nothing() && is_small_and_whole(&probed)) {
            return Ok(Err(probed));
        }
        let opened = probed.opened.take().expect("a small answer has a body");
        let (range, slot) = (opened.range, opened.slot);
        let mut reading = Reading::new(opened.response.body);
        self.or_canceled(spec, async {
            reading.read(range, spec.idle.min(SILENCE)).await;
            Ok(())
        })
        .await?;
        let Some(verified) = reading.proven(range, &probed, spec) else {
            let response = RangeResponse {
                head: opened.response.head,
                body: Box::new(reading),
            };
            probed.opened = Some(Opened {
                range,
                response,
                slot,
            });
            return Ok(Err(probed));
        };
        spec.tasks.received(reading.received as usize);
        // The network is done with it: another object's turn.
        drop((slot, reading.body));
        let (by, crc) = (verified.by(), verified.crc());
        let putting = Putting {
            storage: self.storage.clone(),
            places: places.clone(),
            pieces: reading.pieces.into(),
            verified,
        };
        spec.progress.begin(range.len(), 1);
        self.file_work.small_files.run(move || putting.put()).await?;
        spec.progress.landed(range.len());
        let path = places.destination.clone();
        Ok(Ok(output(spec, probed.head.object, path, by, Some(crc), began)))
    }
}

/// Whether the caller wants nothing that takes more steps.
fn is_ordinary(spec: &Spec) -> bool {
    spec.limiter.is_none()
        && spec.listeners.is_empty()
        && !spec.preserve_mtime
        && spec.recheck != Recheck::Always
}

fn is_small_and_whole(probed: &Probed) -> bool {
    let size = probed.pin.fingerprint.size;
    let comes = probed.opened.as_ref().map(|opened| opened.range);
    probed.earlier == EarlierFits::Nothing
        && size <= MOST
        && comes.is_some()
        && comes == ByteRange::new(0, size)
}

/// A body that is read ahead, and can be read once more.
#[derive(Debug)]
struct Reading {
    body: Box<dyn Body>,
    /// What has come and nobody else has taken.
    pieces: VecDeque<Bytes>,
    received: u64,
    crc: RunningCrc64,
    /// How it ended, if it did.
    end: Option<Option<AttemptError>>,
}

impl Reading {
    fn new(body: Box<dyn Body>) -> Self {
        Self {
            body,
            pieces: VecDeque::new(),
            received: 0,
            crc: RunningCrc64::new(),
            end: None,
        }
    }

    /// Reads to the end, whichever it is, or until there is more than there should be, or nothing comes for a while.
    async fn read(&mut self, range: ByteRange, silence: Duration) {
        while self.end.is_none() && self.received <= range.len() {
            match timeout(silence, self.body.data()).await {
                Ok(Some(Ok(piece))) => {
                    self.received += piece.len() as u64;
                    self.crc.update(&piece);
                    self.pieces.push_back(piece);
                }
                Ok(Some(Err(error))) => self.end = Some(Some(error)),
                Ok(None) => self.end = Some(None),
                Err(_elapsed) => return,
            }
        }
    }

    /// Proof that what was read is the object, if it is.
    fn proven(&self, range: ByteRange, probed: &Probed, spec: &Spec) -> Option<Verified> {
        if !matches!(self.end, Some(None)) || self.received != range.len() {
            return None;
        }
        let crc = self.crc.clone().finish();
        if self.body.range_crc64().is_some_and(|server| server != crc.0) {
            return None;
        }
        let mut coverage = Coverage::new();
        coverage.insert(Segment { range, crc }, Standing::Settled);
        verify(&coverage, &probed.pin.fingerprint, spec.enable_crc).ok()
    }
}

impl Body for Reading {
    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, AttemptError>>> {
        if let Some(piece) = self.pieces.pop_front() {
            return Poll::Ready(Some(Ok(piece)));
        }
        match self.end.take() {
            Some(Some(error)) => Poll::Ready(Some(Err(error))),
            Some(None) => {
                self.end = Some(None);
                Poll::Ready(None)
            }
            None => {
                let data = ready!(self.body.poll_data(context));
                Poll::Ready(data)
            }
        }
    }

    fn range_crc64(&self) -> Option<u64> {
        self.body.range_crc64()
    }
}

/// A proven content on its way to its name.
struct Putting {
    storage: Arc<dyn Storage>,
    places: Places,
    pieces: Vec<Bytes>,
    verified: Verified,
}

impl Putting {
    fn put(self) -> Result<(), Error> {
        let mut scratch = Scratch {
            file: self.create()?,
            keep: false,
        };
        let gate = Gate::close(&self.storage, &self.places)?;
        scratch.file.write(&self.pieces, 0)?;
        let durable = scratch.file.make_durable(self.verified)?;
        let committed = scratch.commit(&durable, &self.places.destination);
        committed.map_err(|failure| failure.told(&self.places, scratch.file.path()))?;
        drop(gate);
        self.places.remove_leftovers(&*self.storage);
        Ok(())
    }

    fn create(&self) -> Result<TemporaryFile, Error> {
        let path = &self.places.temporary_without_journal();
        let created = match TemporaryFile::create(&self.storage, path, self.places.access)? {
            OpenTemporary::Absent => {
                let directory = directory_of(path);
                let made = make_directories(&*self.storage, directory);
                made.map_err(|error| Error::disk("create the directory", directory, error))?;
                let opened = TemporaryFile::open_or_create(&self.storage, path, self.places.access)?;
                if let OpenTemporary::Ours(file) = &opened {
                    // Somebody else may have made the directory, and left a longer file there.
                    file.reserve(self.verified.size())?;
                }
                opened
            }
            other => other,
        };
        match created {
            OpenTemporary::Ours(file) => Ok(file),
            OpenTemporary::Held | OpenTemporary::Absent => Err(held(&self.places, None)),
        }
    }
}

//! An object that comes in one answer or not at all: the server ignores ranges, tells no length, or tells nothing that would hold
//! several answers together.
//!
//! There is no checkpoint: what broke off is asked for again from its beginning.

use std::pin::pin;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::prepare::Session;
use super::probe::Opened;
use super::{Spec, blocking, canceled};
use crate::checksum::Crc64;
use crate::coverage::{Coverage, Segment, Standing};
use crate::error::Error;
use crate::error::attempt::{AttemptError, ResponseFault};
use crate::events::{DownloadEventType, DownloadPart, Narrator};
use crate::object::Fingerprint;
use crate::plan::Piece;
use crate::range::ByteRange;
use crate::retry::{Decision, Patience};
use crate::transfer::{Course, TaskError};
use crate::verify::{NotTheObject, Pin, Verification, same_object, verify};

/// Reports that may wait; nobody records them.
const REPORTS_WAITING: usize = 16;

impl ResponseFault {
    /// Why the object has to come in one answer, if that is what the fault says.
    pub(super) fn one_answer(&self) -> Option<&'static str> {
        match self {
            Self::RangeIgnored => Some("the server ignores ranges"),
            Self::NoLength => Some("the server does not tell the object's length"),
            Self::Indistinguishable => Some("nothing that the server tells identifies the object"),
            _ => None,
        }
    }
}

/// What came in one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Came {
    len: u64,
    crc: Crc64,
}

/// What has been seen of answers that were not believed.
#[derive(Debug, Default)]
struct Seen {
    /// One that ended without a sign that this was the end.
    unproven: Option<Came>,
    has_been_wrong: bool,
}

impl Session {
    /// Takes the object from one answer. Whether it is the object, the next steps will see.
    pub(super) async fn stream(
        mut self: Box<Self>,
        spec: &Spec,
        narrator: &Narrator,
    ) -> Result<Box<Self>, Error> {
        let reason = spec.one_answer.unwrap_or_default();
        tracing::warn!(target: "tosget::download", object = %spec.object, reason, "the object comes in one answer: what breaks off begins anew");
        self.tell_start(spec, narrator);
        let mut opened = self.opened.take();
        let mut patience = Patience::new(spec.max_retries);
        let mut seen = Seen::default();
        while let Some(answer) = opened.take() {
            let began = Instant::now();
            let (range, closes) = (answer.range, answer.response.head.ends_with_connection);
            let (received, came) = self.receive(spec, answer).await;
            let error = match came {
                Ok(came) => match self.judge(spec, range, came, closes, &mut seen) {
                    Ok(()) => {
                        self.tell_end(range, came, narrator);
                        return Ok(self);
                    }
                    Err(fault) => fault.into(),
                },
                Err(TaskError::Attempt { error, .. }) => error,
                Err(TaskError::Disk(error)) => return Err(self.give_up(spec, error, false).await),
                Err(TaskError::Stopped) => return Err(self.give_up(spec, canceled(), false).await),
            };
            let decision = match received {
                0 => patience.after(&error, began.elapsed(), fastrand::f64()),
                _ => patience.after_pass(&error, fastrand::f64()),
            };
            let Decision::RetryAfter(wait) = decision else {
                let error = self.failed(spec, patience.failures(), error);
                return Err(self.give_up(spec, error, false).await);
            };
            self.tell_retry(spec, narrator, wait, patience.failures(), error);
            opened = match self.ask_again(spec, range, wait).await {
                Ok(answer) => Some(answer),
                Err(error) => return Err(self.give_up(spec, error, false).await),
            };
        }
        Ok(self)
    }

    /// Brings the body of an answer into the temporary file, which is empty. Tells how many bytes were received, whatever became of them.
    async fn receive(&self, spec: &Spec, answer: Opened) -> (u64, Result<Came, TaskError>) {
        let Opened {
            range,
            response,
            slot,
        } = answer;
        let (tell, mut reports) = mpsc::channel(REPORTS_WAITING);
        let transfer = self.transfer(spec, tell);
        let course = Course::new(range, CancellationToken::new());
        let mut receiving = pin!(transfer.take_in(&course, range, response));
        spec.progress.running(1);
        let mut is_stopping = false;
        let came = loop {
            tokio::select! {
                biased;
                () = spec.cancel.canceled(), if !is_stopping => {
                    is_stopping = true;
                    course.stop();
                }
                came = &mut receiving => break came,
                _ = reports.recv() => {}
            }
        };
        spec.progress.running(0);
        drop(slot);
        (
            course.outlook().received,
            came.map(|(len, crc)| Came { len, crc }),
        )
    }

    /// Takes what came for the object, unless something speaks against it that another answer may tell.
    fn judge(
        &mut self,
        spec: &Spec,
        range: ByteRange,
        came: Came,
        closes: bool,
        seen: &mut Seen,
    ) -> Result<(), ResponseFault> {
        let mut object = self.pin.fingerprint.clone();
        if range == ByteRange::ALL {
            object.size = came.len;
        }
        let mut coverage = Coverage::new();
        if let Some(range) = ByteRange::new(0, came.len) {
            let crc = came.crc;
            coverage.insert(Segment { range, crc }, Standing::Settled);
        }
        let verified = verify(&coverage, &object, spec.enable_crc);
        let has_ended = range != ByteRange::ALL || !closes && came.len > 0;
        let is_proven = matches!(&verified, Ok(verified) if verified.by() == Verification::Crc64);
        if !(has_ended || is_proven) && seen.unproven.replace(came) != Some(came) {
            return Err(ResponseFault::EndUnproven);
        }
        if let (true, Err(NotTheObject::WrongCrc { content, object })) = (has_ended, verified)
            && !std::mem::replace(&mut seen.has_been_wrong, true)
        {
            return Err(ResponseFault::ObjectCrc {
                server: object.0,
                received: content.0,
            });
        }
        self.coverage = coverage;
        self.head.content_length = object.size;
        self.pin.fingerprint = object;
        Ok(())
    }

    /// Asks for the same object from its beginning, for a file that is empty again. `before` is what the last answer was to bring.
    async fn ask_again(&mut self, spec: &Spec, before: ByteRange, wait: Duration) -> Result<Opened, Error> {
        let engine = self.engine.clone();
        let asking = async {
            tokio::time::sleep(wait).await;
            let question = engine.question(spec);
            let (response, slot) = match question.get(ByteRange::ALL, None).await {
                Ok(answered) => answered,
                Err(unanswered) => return Err(question.failed(unanswered).await),
            };
            Ok((response, slot))
        };
        let (response, slot) = engine.or_canceled(spec, asking).await?;
        let pin = Pin::new(&response.head);
        let tell_length = before != ByteRange::ALL && response.head.payload_length.is_some();
        let before = Fingerprint {
            // Where one of them tells no length, there is none to compare.
            size: if tell_length {
                self.pin.fingerprint.size
            } else {
                pin.fingerprint.size
            },
            ..self.pin.fingerprint.clone()
        };
        same_object(&before, &pin.fingerprint).map_err(|fault| self.failed(spec, 1, fault.into()))?;
        let range = ByteRange::new(0, pin.fingerprint.size).unwrap_or(ByteRange::ALL);
        spec.progress.holds(0);
        let (file, size) = (self.scratch.file.clone(), pin.fingerprint.size);
        let at_disk = spec.tasks.at_disk();
        blocking(move || file.reserve(0).and_then(|_| file.reserve(size))).await?;
        drop(at_disk);
        self.head = response.head.object.clone();
        self.pin = pin;
        Ok(Opened {
            range,
            response,
            slot,
        })
    }

    fn failed(&self, spec: &Spec, attempts: u32, error: AttemptError) -> Error {
        let endpoint = self.engine.source.endpoint();
        let error = Error::from_attempt(&format!("read {} from {endpoint}", spec.object), attempts, error);
        match (error.hint(), spec.one_answer) {
            (None, Some(reason)) => error.with_hint(format!(
                "{reason}, so it comes in one answer, of which nothing could be kept: run the same download again"
            )),
            _ => error,
        }
    }

    fn tell_retry(
        &self,
        spec: &Spec,
        narrator: &Narrator,
        wait: Duration,
        attempts: u32,
        error: AttemptError,
    ) {
        tracing::info!(
            target: "tosget::download",
            attempt = attempts,
            wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            error = %error.chain(),
            "the one answer failed, asking for it again from its beginning"
        );
        spec.progress.retried();
        let part = DownloadPart::new(piece(self.pin.fingerprint.size), None);
        let error = self.failed(spec, attempts, error);
        narrator.tell_part(DownloadEventType::AttemptRetried { wait }, part, Some(&error));
    }

    fn tell_end(&self, range: ByteRange, came: Came, narrator: &Narrator) {
        if range == ByteRange::ALL {
            narrator.transfer_started(0, came.len);
        }
        let part = DownloadPart::new(piece(came.len), Some(came.crc));
        narrator.tell_part(DownloadEventType::DownloadPartSucceed, part, None);
    }
}

/// All of an object, for those who are told of parts.
fn piece(size: u64) -> Piece {
    Piece {
        part_number: 1,
        range: ByteRange::new(0, size.max(1)).expect("not empty"),
    }
}

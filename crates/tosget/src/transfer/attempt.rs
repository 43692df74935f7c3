//! One exchange: ask for a range, hold the answer against the pin, and take its body in.

use bytes::Bytes;
use tokio::time::{Instant, timeout};

use super::intake::Intake;
use super::{Course, Doing, Landed, Report, TaskError, Transfer};
use crate::checksum::Crc64;
use crate::coverage::{Segment, Standing};
use crate::error::Error;
use crate::error::attempt::{AttemptError, ResponseFault};
use crate::limiter::RateLimiter;
use crate::range::ByteRange;
use crate::source::{Attempt, Body, RangeRequest, RangeResponse};

/// How an attempt ended. Whatever it was, the bytes of its range before `reached` are in the temporary file and
/// reported.
#[derive(Debug)]
pub(super) struct Attempted {
    pub(super) reached: u64,
    /// CRC of these bytes.
    pub(super) crc: Crc64,
    /// Whether bytes came, be it that they were taken back.
    pub(super) has_come: bool,
    pub(super) end: End,
}

#[derive(Debug)]
pub(super) enum End {
    /// The range is complete.
    Complete,
    Failed(AttemptError),
    Disk(Error),
    /// The task was told to stop.
    Stopped,
}

impl Attempted {
    /// Not a byte is there.
    fn nothing(range: ByteRange, end: End) -> Self {
        Self {
            reached: range.start(),
            crc: Crc64::EMPTY,
            has_come: false,
            end,
        }
    }
}

impl Transfer {
    /// Asks for `range` and takes in what comes.
    pub(super) async fn attempt(&self, course: &Course, range: ByteRange, attempt: Attempt) -> Attempted {
        match self.open(course, range, attempt).await {
            Ok(Some(response)) => self.receive(course, range, response).await,
            Ok(None) => Attempted::nothing(range, End::Stopped),
            Err(error) => Attempted::nothing(range, End::Failed(error)),
        }
    }

    /// The answer to a GET of `range`, checked; `None` if the task was told to stop.
    async fn open(
        &self,
        course: &Course,
        range: ByteRange,
        attempt: Attempt,
    ) -> Result<Option<RangeResponse>, AttemptError> {
        let pin = Some(&self.pin.fingerprint);
        let request = RangeRequest {
            object: &self.object,
            range,
            pin,
            conditions: None,
            terms: &self.terms,
            attempt,
        };
        self.progress.requested();
        let asked = Instant::now();
        let response = tokio::select! {
            biased;
            () = course.stopped() => return Ok(None),
            response = self.source.get(request) => response?,
        };
        self.tasks.answered(asked.elapsed());
        if response.head.throttled {
            self.progress.throttled();
            self.tasks.overloaded();
        }
        self.pin.check(range, &response.head)?;
        Ok(Some(response))
    }

    /// Takes in the body of the one answer that brings `range`, and returns how many bytes came and their CRC.
    pub(crate) async fn take_in(
        &self,
        course: &Course,
        range: ByteRange,
        response: RangeResponse,
    ) -> Result<(u64, Crc64), TaskError> {
        let attempted = self.receive(course, range, response).await;
        match attempted.end {
            End::Complete => Ok((attempted.reached, attempted.crc)),
            End::Failed(error) => Err(TaskError::Attempt {
                range,
                attempts: 1,
                error,
            }),
            End::Disk(error) => Err(TaskError::Disk(error)),
            End::Stopped => Err(TaskError::Stopped),
        }
    }

    /// Takes in the body of a checked answer to a GET of `range`.
    pub(super) async fn receive(
        &self,
        course: &Course,
        range: ByteRange,
        response: RangeResponse,
    ) -> Attempted {
        let granted = response.head.range_crc_granted;
        let standing = if granted {
            Standing::Provisional
        } else {
            Standing::Settled
        };
        let mut receiving = Receiving {
            transfer: self,
            course,
            range,
            body: response.body,
            held_back: Bytes::new(),
            is_cut_short: false,
            intake: Intake::new(self, range.start()),
            standing,
            crc: Crc64::EMPTY,
        };
        let end = receiving.run().await;
        let end = receiving.flush(end).await;
        if granted {
            receiving.settle(end).await
        } else {
            Attempted {
                reached: receiving.intake.landed(),
                crc: receiving.crc,
                has_come: receiving.intake.landed() > range.start(),
                end,
            }
        }
    }
}

/// A body on its way into the temporary file.
struct Receiving<'a> {
    transfer: &'a Transfer,
    course: &'a Course,
    range: ByteRange,
    body: Box<dyn Body>,
    /// What came and the limiter has not let in yet. No more is read while there is any.
    held_back: Bytes,
    /// What is left of the range is another task's.
    is_cut_short: bool,
    intake: Intake,
    standing: Standing,
    /// CRC of all that was reported.
    crc: Crc64,
}

impl Receiving<'_> {
    /// Reads until the body ends or something goes wrong. Some bytes may still be on their way to the file.
    async fn run(&mut self) -> End {
        let idle = self.transfer.limits.idle;
        loop {
            let has_room = !(self.intake.is_full() && self.intake.is_writing());
            let is_held_back = !self.held_back.is_empty();
            if self.is_cut_short && !is_held_back {
                return End::Complete;
            }
            let can_read = has_room && !is_held_back;
            self.course
                .set_doing(if can_read { Doing::Network } else { Doing::Ours });
            tokio::select! {
                biased;
                () = self.course.stopped() => {
                    // What is here already is worth more than the last bit of evenness.
                    self.let_in(self.held_back.len());
                    return End::Stopped;
                }
                written = self.intake.written() => if let Err(end) = self.landed(written).await {
                    return end;
                },
                admitted = admit(self.transfer.limiter.as_ref(), self.held_back.len()), if has_room && is_held_back => {
                    self.let_in(admitted);
                }
                data = timeout(idle, self.body.data()), if can_read => match data {
                    Err(_elapsed) => {
                        return End::Failed(AttemptError::Timeout { waiting_for: "byte of the body", limit: idle });
                    }
                    Ok(None) => return self.body_ended(),
                    Ok(Some(Err(error))) => return End::Failed(error),
                    Ok(Some(Ok(piece))) => {
                        if self.intake.next_offset() + piece.len() as u64 > self.range.end() {
                            return End::Failed(ResponseFault::TooManyBytes.into());
                        }
                        self.take(&piece);
                    }
                },
            }
            self.intake.write_if_due();
        }
    }

    /// Takes what is the task's own of a piece that came.
    fn take(&mut self, piece: &Bytes) {
        let own = self.course.receive(piece.len());
        self.transfer.tasks.received(own);
        self.held_back = piece.slice(..own);
        let end = self.intake.next_offset() + own as u64;
        self.is_cut_short = own < piece.len() || (end == self.course.end() && end < self.range.end());
        if self.transfer.limiter.is_none() {
            self.let_in(own);
        }
    }

    fn let_in(&mut self, len: usize) {
        let piece = self.held_back.split_to(len);
        if !piece.is_empty() {
            self.intake.push(piece);
        }
    }

    fn body_ended(&self) -> End {
        match self.range.end() - self.intake.next_offset() {
            // It was not told how many bytes there are.
            _ if self.range == ByteRange::ALL => End::Complete,
            0 => End::Complete,
            missing => End::Failed(AttemptError::ShortBody { missing }),
        }
    }

    /// Brings everything that was received into the file and reports it, however the reading ended.
    async fn flush(&mut self, end: End) -> End {
        if matches!(end, End::Disk(_)) {
            return end;
        }
        self.intake.begin_write(true);
        while self.intake.is_writing() {
            let written = self.intake.written().await;
            if let Err(end) = self.landed(written).await {
                return end;
            }
            self.intake.begin_write(true);
        }
        if let Some(segment) = self.intake.take_segment() {
            self.report(segment).await;
        }
        end
    }

    async fn landed(&mut self, written: Result<(u64, Option<Segment>), Error>) -> Result<(), End> {
        let (bytes, due) = written.map_err(End::Disk)?;
        self.transfer.progress.landed(bytes);
        if let Some(segment) = due {
            self.report(segment).await;
        }
        Ok(())
    }

    async fn report(&mut self, segment: Segment) {
        self.crc = self.crc.then(segment.crc, segment.range.len());
        let landed = Landed {
            segment,
            standing: self.standing,
        };
        self.transfer.tell(Report::Landed(landed)).await;
    }

    /// Compares with the server's CRC64 of the range, if the whole range came.
    async fn settle(self, end: End) -> Attempted {
        let reached = self.intake.landed();
        let Some(received) = ByteRange::new(self.range.start(), reached) else {
            return Attempted::nothing(self.range, end);
        };
        let promised = (reached == self.range.end() && matches!(end, End::Complete))
            .then(|| self.body.range_crc64())
            .flatten();
        match promised {
            Some(server) if server != self.crc.0 => {
                self.transfer.progress.taken_back(received.len());
                self.transfer.tell(Report::TakenBack(received)).await;
                let fault = ResponseFault::RangeCrc {
                    server,
                    received: self.crc.0,
                };
                Attempted {
                    has_come: true,
                    ..Attempted::nothing(self.range, End::Failed(fault.into()))
                }
            }
            // An interrupted range has no CRC of the server's; its bytes are as good as any other's.
            _ => {
                self.transfer.tell(Report::Settled(received)).await;
                Attempted {
                    reached,
                    crc: self.crc,
                    has_come: true,
                    end,
                }
            }
        }
    }
}

/// Waits until some of `len` bytes may be let in, and tells how many.
async fn admit(limiter: Option<&RateLimiter>, len: usize) -> usize {
    match limiter {
        Some(limiter) => limiter.admit(len).await,
        None => len,
    }
}

impl Transfer {
    /// Reports upwards. Nobody listens any more only when the whole download is being dropped.
    pub(super) async fn tell(&self, report: Report) {
        let _ = self.reports.send(report).await;
    }
}

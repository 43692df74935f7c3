//! One exchange: ask for a range, hold the answer against the pin, and take its body in.

use tokio::time::timeout;

use super::intake::Intake;
use super::{Landed, Report, Transfer};
use crate::checksum::Crc64;
use crate::coverage::{Segment, Standing};
use crate::error::Error;
use crate::error::attempt::{AttemptError, ResponseFault};
use crate::range::ByteRange;
use crate::source::{Attempt, Body, RangeRequest, RangeResponse};

/// How an attempt ended. Whatever it was, the bytes of its range before `reached` are in the temporary file and
/// reported.
#[derive(Debug)]
pub(super) struct Attempted {
    pub(super) reached: u64,
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

impl Transfer {
    /// Asks for `range` and takes in what comes.
    pub(super) async fn attempt(&self, range: ByteRange, attempt: Attempt) -> Attempted {
        match self.open(range, attempt).await {
            Ok(Some(response)) => self.receive(range, response).await,
            Ok(None) => Attempted {
                reached: range.start(),
                end: End::Stopped,
            },
            Err(error) => Attempted {
                reached: range.start(),
                end: End::Failed(error),
            },
        }
    }

    /// The answer to a GET of `range`, checked; `None` if the task was told to stop.
    async fn open(&self, range: ByteRange, attempt: Attempt) -> Result<Option<RangeResponse>, AttemptError> {
        let pin = Some(&self.pin.fingerprint);
        let request = RangeRequest {
            object: &self.object,
            range,
            pin,
            conditions: None,
            attempt,
        };
        self.progress.requested();
        let response = tokio::select! {
            biased;
            () = self.stop.cancelled() => return Ok(None),
            response = self.source.get(request) => response?,
        };
        if response.head.throttled {
            self.progress.throttled();
        }
        self.pin.check(range, &response.head)?;
        Ok(Some(response))
    }

    /// Takes in the body of a checked answer to a GET of `range`.
    pub(super) async fn receive(&self, range: ByteRange, response: RangeResponse) -> Attempted {
        let granted = response.head.range_crc_granted;
        let standing = if granted {
            Standing::Provisional
        } else {
            Standing::Settled
        };
        let intake = Intake::new(self.temporary.clone(), range.start(), self.limits.report_every);
        let mut receiving = Receiving {
            transfer: self,
            range,
            body: response.body,
            intake,
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
                end,
            }
        }
    }
}

/// A body on its way into the temporary file.
struct Receiving<'a> {
    transfer: &'a Transfer,
    range: ByteRange,
    body: Box<dyn Body>,
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
            let wait_for_write = self.intake.is_full() && self.intake.is_writing();
            tokio::select! {
                biased;
                () = self.transfer.stop.cancelled() => return End::Stopped,
                written = self.intake.written() => if let Err(end) = self.landed(written).await {
                    return end;
                },
                data = timeout(idle, self.body.data()), if !wait_for_write => match data {
                    Err(_elapsed) => {
                        return End::Failed(AttemptError::Timeout { waiting_for: "byte of the body", limit: idle });
                    }
                    Ok(None) => return self.body_ended(),
                    Ok(Some(Err(error))) => return End::Failed(error),
                    Ok(Some(Ok(piece))) => {
                        if self.intake.next_offset() + piece.len() as u64 > self.range.end() {
                            return End::Failed(ResponseFault::TooManyBytes.into());
                        }
                        self.intake.push(piece);
                    }
                },
            }
            if self.intake.is_full() {
                self.intake.begin_write(false);
            }
        }
    }

    fn body_ended(&self) -> End {
        match self.range.end() - self.intake.next_offset() {
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
            return Attempted { reached, end };
        };
        let promised = matches!(end, End::Complete)
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
                    reached: self.range.start(),
                    end: End::Failed(fault.into()),
                }
            }
            // An interrupted range has no CRC of the server's; its bytes are as good as any other's.
            _ => {
                self.transfer.tell(Report::Settled(received)).await;
                Attempted { reached, end }
            }
        }
    }
}

impl Transfer {
    /// Reports upwards. Nobody listens any more only when the whole download is being dropped.
    async fn tell(&self, report: Report) {
        let _ = self.reports.send(report).await;
    }
}

//! Attempts in a row until a piece is complete.

use std::time::Duration;

use tokio::time::Instant;

use super::attempt::End;
use super::{Course, Doing, Report, TaskError, Transfer};
use crate::checksum::Crc64;
use crate::plan::Piece;
use crate::retry::{Decision, Patience, Retries};
use crate::source::{Attempt, RangeResponse};

/// What was tried for a piece, by whatever tasks.
#[derive(Clone, Debug)]
pub(crate) struct Tries {
    pub(crate) attempts: u32,
    pub(crate) patience: Patience,
}

impl Tries {
    /// Nothing was tried yet.
    pub(crate) fn new(retries: Retries) -> Self {
        Self {
            attempts: 0,
            patience: Patience::new(retries),
        }
    }
}

impl Transfer {
    /// Brings a piece into the temporary file and returns the CRC of its bytes. `opened` is an answer that is there already (the probe's), for
    /// exactly this range and checked.
    ///
    /// The piece may become shorter meanwhile, if `course` is halved; its end is then `course.end()`.
    ///
    /// A failed attempt is followed by one for what is still missing; progress starts the count of failures anew.
    /// Dropping the future loses what was received and not yet written; nothing that was reported.
    pub(crate) async fn fetch(
        &self,
        piece: Piece,
        course: &Course,
        mut opened: Option<RangeResponse>,
        mut tries: Tries,
    ) -> Result<Crc64, TaskError> {
        let mut crc = Crc64::EMPTY;
        let mut missing = piece.range;
        loop {
            course.set_doing(Doing::Network);
            tries.attempts += 1;
            let attempt = Attempt::new(tries.patience.failures() + 1, &self.limits.retries);
            let asked = Instant::now();
            let attempted = match opened.take() {
                Some(response) => self.receive(course, missing, response).await,
                None => self.attempt(course, missing, attempt).await,
            };
            let reached = attempted.reached;
            course.go_on_from(reached);
            if reached > missing.start() {
                tries.patience.progressed(reached - missing.start());
                crc = crc.then(attempted.crc, reached - missing.start());
            }
            if let End::Disk(error) = attempted.end {
                return Err(TaskError::Disk(error));
            }
            // However it ended, all bytes came: there is nothing left to ask for.
            let Some(rest) = course.rest() else {
                return Ok(crc);
            };
            let error = match attempted.end {
                End::Failed(error) => error,
                End::Stopped => return Err(TaskError::Stopped),
                End::Complete | End::Disk(_) => unreachable!("a complete attempt leaves nothing"),
            };
            missing = rest;
            // Time in which bytes came is no outage, be it that they came altered.
            let took = match attempted.has_come {
                true => Duration::ZERO,
                false => asked.elapsed(),
            };
            match tries.patience.after(&error, took, fastrand::f64()) {
                Decision::RetryAfter(wait) => {
                    if let Some(left) = tries.patience.noticeable() {
                        self.tasks.tell_of_wait(&error, left);
                    }
                    tracing::info!(
                        target: "tosget::download",
                        part = piece.part_number,
                        range = %missing,
                        attempt = tries.attempts,
                        wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                        error = %error.chain(),
                        "attempt failed, trying again"
                    );
                    self.progress.retried();
                    self.tell(Report::Retrying {
                        piece,
                        missing,
                        tries: tries.clone(),
                        wait,
                        error,
                    })
                    .await;
                    self.pause(course, wait).await?;
                }
                Decision::GiveUp => {
                    return Err(TaskError::Attempt {
                        range: missing,
                        attempts: tries.attempts,
                        error,
                    });
                }
            }
        }
    }

    async fn pause(&self, course: &Course, wait: Duration) -> Result<(), TaskError> {
        course.set_doing(Doing::Ours);
        tokio::select! {
            biased;
            () = course.stopped() => Err(TaskError::Stopped),
            () = tokio::time::sleep(wait) => Ok(()),
        }
    }
}

//! Attempts in a row until a piece is complete.

use std::time::Duration;

use super::attempt::End;
use super::{Report, TaskError, Transfer};
use crate::checksum::Crc64;
use crate::plan::Piece;
use crate::retry::{Decision, Patience};
use crate::source::{Attempt, RangeResponse};

impl Transfer {
    /// Brings a piece into the temporary file and returns the CRC of its bytes. `opened` is an answer that is there already (the probe's), for
    /// exactly this range and checked.
    ///
    /// A failed attempt is followed by one for what is still missing; progress starts the count of failures anew.
    /// Dropping the future loses what was received and not yet written; nothing that was reported.
    pub(crate) async fn fetch(
        &self,
        piece: Piece,
        mut opened: Option<RangeResponse>,
    ) -> Result<Crc64, TaskError> {
        let mut crc = Crc64::EMPTY;
        let mut patience = Patience::new(self.limits.max_retries);
        let mut attempts = 0;
        let mut missing = piece.range;
        loop {
            attempts += 1;
            let attempt = Attempt {
                number: patience.failures() + 1,
                max_retries: self.limits.max_retries,
            };
            let attempted = match opened.take() {
                Some(response) => self.receive(missing, response).await,
                None => self.attempt(missing, attempt).await,
            };
            let reached = attempted.reached;
            if reached > missing.start() {
                patience.progressed();
                crc = crc.then(attempted.crc, reached - missing.start());
            }
            let error = match attempted.end {
                End::Complete => return Ok(crc),
                End::Disk(error) => return Err(TaskError::Disk(error)),
                End::Stopped => return Err(TaskError::Stopped),
                End::Failed(error) => error,
            };
            // All bytes came, and only the end of the message was wrong: there is nothing left to ask for.
            let Some(rest) = missing.from(reached) else {
                return Ok(crc);
            };
            missing = rest;
            match patience.after(&error, fastrand::f64()) {
                Decision::RetryAfter(wait) => {
                    tracing::info!(part = piece.part_number, range = %missing, ?wait, %error, "attempt failed, trying again");
                    self.progress.retried();
                    self.tell(Report::Retrying {
                        piece,
                        missing,
                        attempts,
                        wait,
                        error,
                    })
                    .await;
                    self.pause(wait).await?;
                }
                Decision::GiveUp => {
                    return Err(TaskError::Attempt {
                        range: missing,
                        attempts,
                        error,
                    });
                }
            }
        }
    }

    async fn pause(&self, wait: Duration) -> Result<(), TaskError> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(TaskError::Stopped),
            () = tokio::time::sleep(wait) => Ok(()),
        }
    }
}

//! Attempts in a row until a piece is complete.

use std::time::Duration;

use super::attempt::{Attempted, End};
use super::{TaskError, Transfer};
use crate::plan::Piece;
use crate::retry::{Decision, Patience};
use crate::source::{Attempt, RangeResponse};

impl Transfer {
    /// Brings a piece into the temporary file. `opened` is an answer that is there already (the probe's), for
    /// exactly this range and checked.
    ///
    /// A failed attempt is followed by one for what is still missing; progress starts the count of failures anew.
    /// Dropping the future loses what was received and not yet written; nothing that was reported.
    pub(crate) async fn fetch(
        &self,
        piece: Piece,
        mut opened: Option<RangeResponse>,
    ) -> Result<(), TaskError> {
        let mut patience = Patience::new(self.limits.max_retries);
        let mut attempts = 0;
        let mut missing = piece.range;
        loop {
            attempts += 1;
            let attempt = Attempt {
                number: patience.failures() + 1,
                max_retries: self.limits.max_retries,
            };
            let Attempted { reached, end } = match opened.take() {
                Some(response) => self.receive(missing, response).await,
                None => self.attempt(missing, attempt).await,
            };
            if reached > missing.start() {
                patience.progressed();
            }
            let error = match end {
                End::Complete => return Ok(()),
                End::Disk(error) => return Err(TaskError::Disk(error)),
                End::Stopped => return Err(TaskError::Stopped),
                End::Failed(error) => error,
            };
            // All bytes came, and only the end of the message was wrong: there is nothing left to ask for.
            let Some(rest) = missing.from(reached) else {
                return Ok(());
            };
            missing = rest;
            match patience.after(&error, fastrand::f64()) {
                Decision::RetryAfter(wait) => {
                    tracing::info!(
                        target: "tosget::download",
                        part = piece.part_number,
                        range = %missing,
                        attempt = attempts,
                        wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                        error = %error.chain(),
                        "attempt failed, trying again"
                    );
                    self.progress.retried();
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

//! A question asked before any task is at work: what is this object? With the patience that a first contact gets.

use std::time::Duration;

use crate::error::Error;
use crate::error::attempt::{AttemptError, ResponseFault};
use crate::object::{Fingerprint, ObjectId};
use crate::progress::Progress;
use crate::range::ByteRange;
use crate::response::ResponseHead;
use crate::retry::{Decision, Patience};
use crate::source::{Attempt, RangeRequest, RangeResponse, Source};
use crate::verify::{answered_range, same_object};

/// Whom to ask about what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    pub(super) source: &'a dyn Source,
    pub(super) object: &'a ObjectId,
    pub(super) retries: u32,
    pub(super) progress: &'a Progress,
}

/// An attempt's error, and how many attempts were made.
pub(super) type Unanswered = (u32, AttemptError);

impl Question<'_> {
    /// HEAD, for what needs no bytes. Where it is refused without a word, a GET tells why.
    pub(super) async fn head(&self) -> Result<ResponseHead, Error> {
        let mut patience = Patience::new(self.retries);
        loop {
            self.progress.requested();
            let error = match self.source.head(self.object, self.attempt(&patience)).await {
                Ok(head) => return Ok(head),
                Err(error) => error,
            };
            if is_wordless(&error) {
                let first_byte = ByteRange::new(0, 1).expect("not empty");
                let answer = self.get(first_byte, None).await;
                return answer
                    .map(|response| response.head)
                    .map_err(|unanswered| self.failed(unanswered));
            }
            self.wait_after(error, &mut patience)
                .await
                .map_err(|unanswered| self.failed(unanswered))?;
        }
    }

    /// GET of a range; the answer's head is checked, its body is still to come.
    pub(super) async fn get(
        &self,
        range: ByteRange,
        pin: Option<&Fingerprint>,
    ) -> Result<RangeResponse, Unanswered> {
        let mut patience = Patience::new(self.retries);
        loop {
            let request = RangeRequest {
                object: self.object,
                range,
                pin,
                attempt: self.attempt(&patience),
            };
            self.progress.requested();
            let error = match self.source.get(request).await {
                Ok(response) => match check(range, pin, &response.head) {
                    Ok(()) => return Ok(response),
                    Err(fault) => fault.into(),
                },
                Err(error) => error,
            };
            self.wait_after(error, &mut patience).await?;
        }
    }

    pub(super) fn failed(&self, (attempts, error): Unanswered) -> Error {
        Error::from_attempt(
            &format!("read {} from {}", self.object, self.source.endpoint()),
            attempts,
            error,
        )
    }

    fn attempt(&self, patience: &Patience) -> Attempt {
        Attempt {
            number: patience.failures() + 1,
            max_retries: self.retries,
        }
    }

    async fn wait_after(&self, error: AttemptError, patience: &mut Patience) -> Result<(), Unanswered> {
        let Decision::RetryAfter(wait) = patience.after(&error, fastrand::f64()) else {
            return Err((patience.failures(), error));
        };
        self.pause(wait, patience.failures(), &error).await;
        Ok(())
    }

    async fn pause(&self, wait: Duration, attempt: u32, error: &AttemptError) {
        tracing::info!(
            target: "tosget::download",
            object = %self.object,
            attempt,
            wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            error = %error.chain(),
            "first request failed, trying again"
        );
        self.progress.retried();
        tokio::time::sleep(wait).await;
    }
}

/// An error answer to a HEAD has no body, and so no code, message or request id but those in its headers.
fn is_wordless(error: &AttemptError) -> bool {
    matches!(error, AttemptError::Server(server) if server.status_code < 500 && server.message.is_empty())
}

fn check(asked: ByteRange, pin: Option<&Fingerprint>, head: &ResponseHead) -> Result<(), ResponseFault> {
    let answered = answered_range(asked, head)?;
    let Some(pin) = pin else { return Ok(()) };
    same_object(pin, &head.fingerprint())?;
    if answered == Some(asked) {
        Ok(())
    } else {
        Err(ResponseFault::RangeIgnored)
    }
}

//! What is at one given URL, presigned or public, behind the [`Source`] seam: read by GET alone, without any key of ours.
//!
//! A presigned GET URL can't be asked by HEAD, and nothing may be added to its query. The service verifies the headers
//! that were signed, which is the host as a rule; `Range` and conditions come on top.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::pinning::{GetOnce, Pinning};
use super::provenance::Provenance;
use super::request::Request;
use super::request_log::RequestLog;
use super::transport::{Answer, Exchanged, Refusal, Transport};
use super::{answer, pinning};
use crate::error::attempt::AttemptError;
use crate::error::{KEY_MISSING, TosServerError, is_archived};
use crate::given_url::GivenUrl;
use crate::range::ByteRange;
use crate::response::ResponseHead;
use crate::source::{BoxFuture, HeadRequest, RangeRequest, RangeResponse, Source};

/// Reads what is at one URL.
#[derive(Debug)]
pub(crate) struct UrlSource {
    url: GivenUrl,
    /// Scheme and host, for messages.
    origin: String,
    transport: Arc<Transport>,
    provenance: Provenance,
    /// Whether to ask for the CRC64 of each range.
    range_crc: Arc<AtomicBool>,
    pinning: Pinning,
}

impl UrlSource {
    pub(crate) fn new(url: GivenUrl, transport: Arc<Transport>, range_crc: bool) -> Self {
        Self {
            origin: url.origin().to_string(),
            // Who verifies a signature of the service is the service.
            provenance: if url.is_signed() || url.origin().is_of_service() {
                Provenance::Service
            } else {
                Provenance::anybody(&url.object().key)
            },
            url,
            transport,
            range_crc: Arc::new(AtomicBool::new(range_crc)),
            pinning: Pinning::default(),
        }
    }

    /// One GET. A server may refuse the wish for a range CRC because it was not signed, as S3 does with headers of its
    /// own; then it is asked once more without.
    async fn ask(&self, range: RangeRequest<'_>) -> Result<Answer, AttemptError> {
        let wish = self.range_crc.load(Ordering::Relaxed);
        match self.ask_once(range, wish).await? {
            Ok(answer) => Ok(answer),
            Err(refusal) if wish && self.may_be_about_the_wish(&refusal) => {
                tracing::debug!(target: "tosget::request", "refused: asking again without a range CRC");
                self.range_crc.store(false, Ordering::Relaxed);
                let answer = self.ask_once(range, false).await?;
                answer.map_err(|refusal| self.refused(&refusal))
            }
            Err(refusal) => Err(self.refused(&refusal)),
        }
    }

    async fn ask_once(
        &self,
        range: RangeRequest<'_>,
        range_crc: bool,
    ) -> Result<Result<Answer, Refusal>, AttemptError> {
        let request = Request::ranged(&self.url, range, range_crc, &self.transport.user_agent)?.unsigned()?;
        let log = RequestLog::new("GET", range.object, Some(range.range), range.attempt);
        Ok(
            match self
                .transport
                .exchange(request, log, self.provenance, range.attempt.silence)
                .await?
            {
                Exchanged::Answer(answer) => Ok(answer),
                Exchanged::Refusal(refusal) => Err(refusal),
            },
        )
    }

    /// Asks for the whole, of which only the head is wanted.
    async fn ask_for_all(&self, head: HeadRequest<'_>) -> Result<Answer, AttemptError> {
        let request = Request::whole(&self.url, head, &self.transport.user_agent)?.unsigned()?;
        let log = RequestLog::new("GET", head.object, None, head.attempt);
        match self
            .transport
            .exchange(request, log, self.provenance, head.attempt.silence)
            .await?
        {
            Exchanged::Answer(answer) => Ok(answer),
            Exchanged::Refusal(refusal) => Err(self.refused(&refusal)),
        }
    }

    fn may_be_about_the_wish(&self, refusal: &Refusal) -> bool {
        let server = self.read(refusal);
        matches!(server.status_code, 400 | 403) && !self.has_expired(&server, refusal)
    }

    fn read(&self, refusal: &Refusal) -> TosServerError {
        refusal.read(self.url.to_string())
    }

    fn refused(&self, refusal: &Refusal) -> AttemptError {
        let server = Box::new(self.read(refusal));
        // Who says so does not matter where the URL says it itself.
        if let Some(fault) = refusal.fault().filter(|_| !self.has_expired(&server, refusal)) {
            return fault.into();
        }
        match self.advice(&server, refusal) {
            Some(advice) => AttemptError::UrlRefused { server, advice },
            None => AttemptError::Server(server),
        }
    }

    /// What to do about a URL that opens nothing. Nothing that is done here would make it open.
    fn advice(&self, server: &TosServerError, refusal: &Refusal) -> Option<&'static str> {
        // About the object, which no other URL changes.
        if is_archived(server) || server.ec == KEY_MISSING {
            return None;
        }
        let advice = match (server.status_code, server.code.as_str()) {
            (400, "AuthorizationQueryParametersError") | (401 | 403, "SignatureDoesNotMatch") => {
                "the URL was altered, or made for something else than GET: give it whole, in quotes"
            }
            (401 | 403, "RequestTimeTooSkewed") => {
                "the URL is not valid yet: the clock of the machine that made it is ahead"
            }
            (401 | 403, _) if self.has_expired(server, refusal) => {
                "the URL has expired: make a new one for the same object and run the same download with it"
            }
            (401 | 403, _) if self.url.is_signed() => {
                "the URL does not open the object (any more): make a new one with keys that have the permission \
                 tos:GetObject and run the same download with it"
            }
            (401 | 403, _) => {
                "the URL does not open the object: ask for a new one and run the same download with it"
            }
            _ => return None,
        };
        Some(advice)
    }

    /// By the server's words, or by the server's clock.
    fn has_expired(&self, server: &TosServerError, refusal: &Refusal) -> bool {
        let says_so = |text: &str| text.to_ascii_lowercase().contains("expired");
        let offset = server.clock_offset.unwrap_or_default();
        let distance = Duration::from_secs(offset.unsigned_abs());
        let there = if offset < 0 {
            refusal.now.checked_sub(distance)
        } else {
            refusal.now.checked_add(distance)
        };
        says_so(&server.code)
            || says_so(&server.message)
            || there.is_some_and(|now| self.url.has_expired(now))
    }
}

impl GetOnce for UrlSource {
    async fn get_once(&self, request: RangeRequest<'_>) -> Result<RangeResponse, AttemptError> {
        let answer = self.ask(request).await?;
        let date = answer::date(&answer.parts);
        let response = answer.into_response(&self.range_crc)?;
        pinning::check_answer(&request, &response.head, date)?;
        Ok(response)
    }
}

impl Source for UrlSource {
    fn endpoint(&self) -> &str {
        &self.origin
    }

    /// By GET of the first byte, whose body nobody waits for. An empty object has none.
    fn head<'a>(&'a self, request: HeadRequest<'a>) -> BoxFuture<'a, Result<ResponseHead, AttemptError>> {
        Box::pin(async move {
            let first_byte = RangeRequest {
                object: request.object,
                range: ByteRange::new(0, 1).expect("not empty"),
                pin: None,
                conditions: Some(request.conditions),
                terms: request.terms,
                attempt: request.attempt,
            };
            let answer = match self.ask(first_byte).await {
                Err(AttemptError::Server(server)) if server.status_code == 416 => {
                    self.ask_for_all(request).await?
                }
                answer => answer?,
            };
            Ok(answer::read_get_as_head(&answer.into_parts())?)
        })
    }

    fn get<'a>(&'a self, request: RangeRequest<'a>) -> BoxFuture<'a, Result<RangeResponse, AttemptError>> {
        Box::pin(self.pinning.get(request, self))
    }
}

//! What every request of a client goes through, whatever it asks for: the connections, the log, and the first look at
//! the answer.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderValue, Request};
use http_body_util::Empty;
use hyper::body::Incoming;
use tracing::Instrument;

use super::answer;
use super::body::{Framing, TosBody};
use super::connect::{self, HttpClient, Permit};
use super::provenance::{self, Provenance};
use super::raw_trailer::RawTrailer;
use super::refusal;
use super::request_log::RequestLog;
use super::secrets::Secrets;
use crate::clock::Clock;
use crate::error::TosServerError;
use crate::error::attempt::{AttemptError, ResponseFault};
use crate::source::RangeResponse;

/// As much is read of an answer that is not the service's.
const FIRST_WORDS: usize = 2048;

/// Sends requests for all sources of one client, over the same connections.
pub(crate) struct Transport {
    http: HttpClient,
    idle_timeout: Duration,
    pub(super) user_agent: HeaderValue,
    pub(super) clock: Arc<dyn Clock>,
}

impl Transport {
    pub(crate) fn new(settings: connect::Settings, user_agent: HeaderValue, clock: Arc<dyn Clock>) -> Self {
        Self {
            idle_timeout: settings.timeouts.idle,
            http: HttpClient::new(settings),
            user_agent,
            clock,
        }
    }

    /// How long nothing may come.
    pub(super) fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }

    /// Sends one request. Nothing is tried again, and no redirect is followed. The answer has to begin within the idle timeout, or
    /// within `silence`.
    pub(super) async fn exchange(
        &self,
        request: Request<Empty<Bytes>>,
        mut log: RequestLog,
        provenance: Provenance,
        silence: Option<Duration>,
    ) -> Result<Exchanged, AttemptError> {
        let secrets = Secrets::of(&request, self.http.proxy_authorization().as_ref());
        let limit = silence.map_or(self.idle_timeout, |silence| silence.min(self.idle_timeout));
        let exchange = match self.http.send(request, limit).instrument(log.span()).await {
            Ok(exchange) => exchange,
            Err(error) => {
                log.failed(&error);
                return Err(error);
            }
        };
        let (mut parts, body) = exchange.response.into_parts();
        secrets.redact_headers(&mut parts.headers);
        log.answered(&parts);
        if parts.status.is_success() {
            if let Some(doubt) = provenance.doubt(&parts) {
                let body = refusal::read_body(body, FIRST_WORDS, self.idle_timeout).await;
                log.refused();
                return Err(unproven(doubt, &parts, &body, &secrets).into());
            }
            return Ok(Exchanged::Answer(Answer {
                parts,
                body,
                permit: exchange.permit,
                log,
            }));
        }
        let now = self.clock.now();
        let body = refusal::read_body(body, refusal::MAX_BODY_BYTES, self.idle_timeout).await;
        log.refused();
        Ok(Exchanged::Refusal(Refusal {
            doubt: provenance.doubt_refusal(&parts, &body),
            parts,
            body,
            secrets,
            now,
        }))
    }
}

fn unproven(doubt: &'static str, parts: &Parts, body: &[u8], secrets: &Secrets) -> ResponseFault {
    ResponseFault::Unproven {
        doubt,
        status: parts.status.as_u16(),
        kind: provenance::kind(&parts.headers),
        first_words: refusal::first_words(body, secrets),
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("http", &self.http)
            .finish_non_exhaustive()
    }
}

/// What came of a request.
pub(super) enum Exchanged {
    /// Status 2xx.
    Answer(Answer),
    Refusal(Refusal),
}

/// A successful answer, its body still to come.
pub(super) struct Answer {
    pub(super) parts: Parts,
    body: Incoming,
    permit: Permit,
    log: RequestLog,
}

impl Answer {
    /// As the answer to a GET. `range_crc` is cleared if the CRC that follows the body can't be read.
    pub(super) fn into_response(self, range_crc: &Arc<AtomicBool>) -> Result<RangeResponse, ResponseFault> {
        let head = answer::read_get(&self.parts)?;
        let framed = head.range_crc_granted.then_some(head.payload_length).flatten();
        let framing = framed.map(|payload_length| Framing {
            trailer: RawTrailer::new(payload_length),
            range_crc: Arc::clone(range_crc),
        });
        let body = Box::new(TosBody::new(self.body, framing, self.permit, self.log));
        Ok(RangeResponse { head, body })
    }

    /// As the answer to a question without a body.
    pub(super) fn into_parts(self) -> Parts {
        self.log.done();
        self.parts
    }
}

/// Any other answer, with as much of its body as is worth reading.
pub(super) struct Refusal {
    /// What speaks against its being the service's.
    doubt: Option<&'static str>,
    parts: Parts,
    body: Vec<u8>,
    secrets: Secrets,
    /// When it came.
    pub(super) now: SystemTime,
}

impl Refusal {
    /// That it does not come from the service, if something speaks for that.
    pub(super) fn fault(&self) -> Option<ResponseFault> {
        Some(unproven(self.doubt?, &self.parts, &self.body, &self.secrets))
    }

    /// Reads it into what the users of TOS know.
    pub(super) fn read(&self, request_url: String) -> TosServerError {
        refusal::read(&self.parts, &self.body, request_url, self.now, &self.secrets)
    }
}

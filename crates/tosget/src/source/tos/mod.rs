//! TOS behind the [`Source`] seam: one signed HTTP request per call, and its answer told.
//!
//! Nothing is tried again here and no redirect is followed: credentials go to the endpoint and nowhere else.

mod answer;
mod body;
pub(crate) mod connect;
mod raw_trailer;
mod refusal;
mod request;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use http::response::Parts;
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::credentials::CredentialsProvider;
use crate::endpoint::Site;
use crate::error::TosServerError;
use crate::error::attempt::AttemptError;
use crate::response::ResponseHead;
use crate::signing::Timestamp;
use crate::source::{BoxFuture, HeadRequest, RangeRequest, RangeResponse, Source};

use body::{Framing, TosBody};
use connect::HttpClient;
use raw_trailer::RawTrailer;
use request::Request;

/// What a [`TosSource`] is made of.
pub(crate) struct TosSettings {
    pub(crate) site: Site,
    pub(crate) credentials: Arc<dyn CredentialsProvider>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) connect: connect::Settings,
    pub(crate) user_agent: HeaderValue,
    /// Ask for the server's CRC64 of each range.
    pub(crate) range_crc: bool,
}

/// Reads objects from TOS.
pub(crate) struct TosSource {
    site: Site,
    endpoint: String,
    credentials: Arc<dyn CredentialsProvider>,
    clock: Arc<dyn Clock>,
    /// The server's clock minus ours in seconds, learnt when it refuses our time; 0 until then.
    clock_offset: AtomicI64,
    http: HttpClient,
    idle_timeout: Duration,
    user_agent: HeaderValue,
    /// Whether to ask for range CRCs; no longer once one came that could not be read.
    range_crc: Arc<AtomicBool>,
}

impl TosSource {
    pub(crate) fn new(settings: TosSettings) -> Self {
        Self {
            endpoint: settings.site.endpoint.to_string(),
            site: settings.site,
            credentials: settings.credentials,
            clock: settings.clock,
            clock_offset: AtomicI64::new(0),
            idle_timeout: settings.connect.timeouts.idle,
            http: HttpClient::new(settings.connect),
            user_agent: settings.user_agent,
            range_crc: Arc::new(AtomicBool::new(settings.range_crc)),
        }
    }

    /// Sends one request; anything but a 2xx status is an error.
    async fn exchange(&self, request: Request) -> Result<Answer, AttemptError> {
        let started = Instant::now();
        let label = request.label();
        let result = self.answer(request).await;
        let elapsed_ms = started.elapsed().as_millis();
        match &result {
            Ok(answer) => tracing::debug!(
                %label,
                elapsed_ms,
                status = answer.parts.status.as_u16(),
                request_id = answer::text(&answer.parts.headers, "x-tos-request-id").unwrap_or_default(),
                "answered"
            ),
            Err(error) => tracing::debug!(%label, elapsed_ms, %error, "failed"),
        }
        result
    }

    async fn answer(&self, request: Request) -> Result<Answer, AttemptError> {
        let url = request.url().clone();
        let credentials = self
            .credentials
            .credentials()
            .await
            .map_err(|source| AttemptError::Credentials { source })?;
        let time = Timestamp::new(self.server_time());
        let region = self.site.region.as_ref();
        let request = request.sign(credentials.as_ref(), region, &time)?;

        let exchange = self.http.send(request).await?;
        let (parts, body) = exchange.response.into_parts();
        if parts.status.is_success() {
            let permit = exchange.permit;
            return Ok(Answer { parts, body, permit });
        }
        let now = self.clock.now();
        let body = refusal::read_body(body, self.idle_timeout).await;
        let error = refusal::read(&parts, &body, &url, now);
        self.learn_time_from(&error);
        Err(AttemptError::Server(Box::new(error)))
    }

    /// Our clock, put right by what the server said.
    fn server_time(&self) -> SystemTime {
        let offset = self.clock_offset.load(Ordering::Relaxed);
        let distance = Duration::from_secs(offset.unsigned_abs());
        let now = self.clock.now();
        let corrected = if offset < 0 {
            now.checked_sub(distance)
        } else {
            now.checked_add(distance)
        };
        corrected.unwrap_or(now)
    }

    fn learn_time_from(&self, error: &TosServerError) {
        let Some(offset) = error.clock_offset.filter(|_| refusal::is_about_time(error)) else {
            return;
        };
        tracing::debug!(
            offset,
            "the server refused our clock: signing with its own from now on"
        );
        self.clock_offset.store(offset, Ordering::Relaxed);
    }
}

impl Source for TosSource {
    fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn head<'a>(&'a self, request: HeadRequest<'a>) -> BoxFuture<'a, Result<ResponseHead, AttemptError>> {
        Box::pin(async move {
            let request = Request::head(&self.site.endpoint, request, &self.user_agent)?;
            let answer = self.exchange(request).await?;
            Ok(answer::read_head(&answer.parts)?)
        })
    }

    fn get<'a>(&'a self, request: RangeRequest<'a>) -> BoxFuture<'a, Result<RangeResponse, AttemptError>> {
        Box::pin(async move {
            let range_crc = self.range_crc.load(Ordering::Relaxed);
            let request = Request::get(&self.site.endpoint, request, range_crc, &self.user_agent)?;
            let answer = self.exchange(request).await?;
            let head = answer::read_get(&answer.parts)?;
            let framed = head.range_crc_granted.then_some(head.payload_length).flatten();
            let framing = framed.map(|payload_length| Framing {
                trailer: RawTrailer::new(payload_length),
                range_crc: Arc::clone(&self.range_crc),
            });
            let body = Box::new(TosBody::new(answer.body, framing, answer.permit));
            Ok(RangeResponse { head, body })
        })
    }
}

impl fmt::Debug for TosSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TosSource")
            .field("site", &self.site)
            .field("http", &self.http)
            .field("range_crc", &self.range_crc)
            .finish_non_exhaustive()
    }
}

/// A successful answer.
struct Answer {
    parts: Parts,
    body: Incoming,
    permit: OwnedSemaphorePermit,
}

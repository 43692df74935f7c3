//! TOS behind the [`Source`] seam: one signed HTTP request per call, and its answer told.
//!
//! Nothing is tried again here and no redirect is followed: credentials go to the endpoint and nowhere else.

mod answer;
mod body;
pub(crate) mod by_url;
pub(crate) mod connect;
mod pinning;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod provenance;
mod raw_trailer;
mod refusal;
mod request;
mod request_log;
mod secrets;
pub(crate) mod transport;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use crate::credentials::{self, CredentialsProvider};
use crate::endpoint::Site;
use crate::error::TosServerError;
use crate::error::attempt::AttemptError;
use crate::object::ObjectId;
use crate::object_url::ObjectUrl;
use crate::response::ResponseHead;
use crate::signing::Timestamp;
use crate::source::{BoxFuture, HeadRequest, RangeRequest, RangeResponse, Source};

use pinning::{GetOnce, Pinning};
use provenance::Provenance;
use request::Request;
use request_log::RequestLog;
use transport::{Answer, Exchanged, Transport};

/// What a [`TosSource`] is made of.
pub(crate) struct TosSettings {
    pub(crate) site: Site,
    pub(crate) credentials: Arc<dyn CredentialsProvider>,
    pub(crate) transport: Arc<Transport>,
    /// Ask for the server's CRC64 of each range.
    pub(crate) range_crc: bool,
}

/// Reads objects from TOS.
pub(crate) struct TosSource {
    site: Site,
    endpoint: String,
    credentials: Arc<dyn CredentialsProvider>,
    transport: Arc<Transport>,
    /// The server's clock minus ours in seconds, learnt when it refuses our time; 0 until then.
    clock_offset: AtomicI64,
    /// Whether to ask for range CRCs; no longer once one came that could not be read.
    range_crc: Arc<AtomicBool>,
    pinning: Pinning,
}

impl TosSource {
    pub(crate) fn new(settings: TosSettings) -> Self {
        Self {
            endpoint: settings.site.endpoint.to_string(),
            site: settings.site,
            credentials: settings.credentials,
            transport: settings.transport,
            clock_offset: AtomicI64::new(0),
            range_crc: Arc::new(AtomicBool::new(settings.range_crc)),
            pinning: Pinning::default(),
        }
    }

    /// Sends one request; anything but a 2xx status is an error.
    async fn exchange(
        &self,
        request: Request<ObjectUrl>,
        log: RequestLog,
        provenance: Provenance,
        silence: Option<Duration>,
    ) -> Result<Answer, AttemptError> {
        let url = request.url().to_string();
        let credentials = credentials::ask(&*self.credentials, self.transport.idle_timeout())
            .await
            .map_err(|source| AttemptError::Credentials { source })?;
        let time = Timestamp::new(self.server_time());
        let region = self.site.region.as_ref();
        let request = request.sign(credentials.as_ref(), region, &time)?;
        match self.transport.exchange(request, log, provenance, silence).await? {
            Exchanged::Answer(answer) => Ok(answer),
            Exchanged::Refusal(refusal) => {
                if let Some(fault) = refusal.fault() {
                    return Err(fault.into());
                }
                let error = refusal.read(url);
                self.learn_time_from(&error);
                Err(AttemptError::Server(Box::new(error)))
            }
        }
    }

    /// What stands before a custom domain may leave out what the service sends.
    fn provenance(&self, object: &ObjectId) -> Provenance {
        if self.site.endpoint.is_custom_domain() {
            Provenance::anybody(&object.key)
        } else {
            Provenance::Service
        }
    }

    /// Our clock, put right by what the server said.
    fn server_time(&self) -> SystemTime {
        let offset = self.clock_offset.load(Ordering::Relaxed);
        let distance = Duration::from_secs(offset.unsigned_abs());
        let now = self.transport.clock.now();
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
        tracing::info!(
            target: "tosget::request",
            offset_s = offset,
            "the server refused our clock: signing with its own from now on"
        );
        self.clock_offset.store(offset, Ordering::Relaxed);
    }
}

impl GetOnce for TosSource {
    async fn get_once(&self, request: RangeRequest<'_>) -> Result<RangeResponse, AttemptError> {
        let range_crc = self.range_crc.load(Ordering::Relaxed);
        let log = RequestLog::new("GET", request.object, Some(request.range), request.attempt);
        let (provenance, silence) = (self.provenance(request.object), request.attempt.silence);
        let made = Request::get(
            &self.site.endpoint,
            request,
            range_crc,
            &self.transport.user_agent,
        )?;
        let answer = self.exchange(made, log, provenance, silence).await?;
        let date = answer::date(&answer.parts);
        let response = answer.into_response(&self.range_crc)?;
        pinning::check_answer(&request, &response.head, date)?;
        Ok(response)
    }
}

impl Source for TosSource {
    fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn head<'a>(&'a self, request: HeadRequest<'a>) -> BoxFuture<'a, Result<ResponseHead, AttemptError>> {
        Box::pin(async move {
            let log = RequestLog::new("HEAD", request.object, None, request.attempt);
            let (provenance, silence) = (self.provenance(request.object), request.attempt.silence);
            let request = Request::head(&self.site.endpoint, request, &self.transport.user_agent)?;
            let answer = self.exchange(request, log, provenance, silence).await?;
            Ok(answer::read_head(&answer.into_parts())?)
        })
    }

    fn get<'a>(&'a self, request: RangeRequest<'a>) -> BoxFuture<'a, Result<RangeResponse, AttemptError>> {
        Box::pin(self.pinning.get(request, self))
    }
}

impl fmt::Debug for TosSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TosSource")
            .field("site", &self.site)
            .field("transport", &self.transport)
            .field("range_crc", &self.range_crc)
            .finish_non_exhaustive()
    }
}

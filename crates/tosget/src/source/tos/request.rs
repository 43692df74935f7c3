//! Requests for an object: what is asked, under which condition, and the signature on it.

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, HOST, IF_MATCH, IF_UNMODIFIED_SINCE, InvalidHeaderValue, RANGE,
    USER_AGENT,
};
use http::uri::InvalidUri;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use http_body_util::Empty;

use crate::conditions::{Conditions, HttpDate};
use crate::credentials::Credentials;
use crate::customer_key::{self, SsecKey};
use crate::endpoint::{Endpoint, Region};
use crate::error::attempt::AttemptError;
use crate::given_url::GivenUrl;
use crate::object::{Fingerprint, ObjectId};
use crate::object_url::ObjectUrl;
use crate::signing::{CanonicalRequest, RequestParts, Signer, Timestamp, UNSIGNED_PAYLOAD};
use crate::source::{Attempt, HeadRequest, RangeRequest};

const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-tos-content-sha256");
const DATE: HeaderName = HeaderName::from_static("x-tos-date");
const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-tos-security-token");
const TRAILER: HeaderName = HeaderName::from_static("x-tos-trailer");
const SSEC_ALGORITHM: HeaderName = HeaderName::from_static("x-tos-server-side-encryption-customer-algorithm");
const SSEC_KEY: HeaderName = HeaderName::from_static("x-tos-server-side-encryption-customer-key");
const SSEC_KEY_MD5: HeaderName = HeaderName::from_static("x-tos-server-side-encryption-customer-key-md5");
const TRAFFIC_LIMIT: HeaderName = HeaderName::from_static("x-tos-traffic-limit");
const RETRY_COUNT: HeaderName = HeaderName::from_static("x-sdk-retry-count");

/// A request for what is at a URL: one of ours, which is signed, or one that was given and goes out as it is.
#[derive(Debug)]
pub(super) struct Request<U> {
    method: Method,
    url: U,
    headers: HeaderMap,
}

/// Where a request goes.
pub(super) trait Target {
    /// The value of the `Host` header.
    fn host(&self) -> &str;

    /// For the HTTP client, which sends its bytes as they are.
    fn to_uri(&self) -> Result<Uri, InvalidUri>;
}

impl Target for ObjectUrl {
    fn host(&self) -> &str {
        self.host()
    }

    fn to_uri(&self) -> Result<Uri, InvalidUri> {
        self.to_uri()
    }
}

impl Target for &GivenUrl {
    fn host(&self) -> &str {
        GivenUrl::host(self)
    }

    fn to_uri(&self) -> Result<Uri, InvalidUri> {
        Ok(self.uri().clone())
    }
}

impl Request<ObjectUrl> {
    /// HEAD: asks for what the service knows of the object.
    pub(super) fn head(
        endpoint: &Endpoint,
        head: HeadRequest<'_>,
        user_agent: &HeaderValue,
    ) -> Result<Self, AttemptError> {
        let HeadRequest { object, attempt, .. } = head;
        let url = object_url(endpoint, object, object.version_id.as_deref())?;
        let mut request = Self::new(Method::HEAD, url, attempt, user_agent)?;
        request.insert(ACCEPT_ENCODING, "identity")?;
        request.demand(head.conditions)?;
        request.unlock(head.terms.ssec_key.as_ref())?;
        Ok(request)
    }

    /// GET of one range, on condition that the object is the one that the request is pinned to.
    pub(super) fn get(
        endpoint: &Endpoint,
        range: RangeRequest<'_>,
        range_crc: bool,
        user_agent: &HeaderValue,
    ) -> Result<Self, AttemptError> {
        let url = object_url(endpoint, range.object, version(range))?;
        Self::ranged(url, range, range_crc, user_agent)
    }

    pub(super) fn url(&self) -> &ObjectUrl {
        &self.url
    }

    /// The request as it goes out; unsigned where there are no credentials.
    pub(super) fn sign(
        mut self,
        credentials: Option<&Credentials>,
        region: Option<&Region>,
        time: &Timestamp,
    ) -> Result<http::Request<Empty<Bytes>>, AttemptError> {
        if let Some(credentials) = credentials {
            let region = region.ok_or_else(|| {
                AttemptError::Request("a region is needed to sign requests to this endpoint".to_owned())
            })?;
            self.authorize(credentials, region, time)?;
        }
        self.unsigned()
    }

    fn authorize(
        &mut self,
        credentials: &Credentials,
        region: &Region,
        time: &Timestamp,
    ) -> Result<(), AttemptError> {
        self.insert(CONTENT_SHA256, UNSIGNED_PAYLOAD)?;
        self.insert(DATE, time.as_str())?;
        if let Some(token) = credentials.security_token() {
            let value = secret(token).map_err(|_| unsendable("security token"))?;
            self.headers.insert(SECURITY_TOKEN, value);
        }
        let canonical = CanonicalRequest::new(RequestParts {
            method: self.method.as_str(),
            path: self.url.path(),
            query: self.url.query(),
            headers: &self.signed_headers(),
            payload: UNSIGNED_PAYLOAD,
        });
        let signer = Signer {
            credentials,
            region: region.as_str(),
            time,
        };
        let value = secret(&signer.authorization(&canonical)).map_err(|_| unsendable("access key"))?;
        self.headers.insert(AUTHORIZATION, value);
        Ok(())
    }

    /// What the official SDKs sign: the host and every header of the service.
    fn signed_headers(&self) -> Vec<(String, String)> {
        self.headers
            .iter()
            .filter(|(name, _)| *name == HOST || name.as_str().starts_with("x-tos-"))
            .map(|(name, value)| {
                (
                    name.to_string(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect()
    }
}

impl<U: Target> Request<U> {
    /// GET of one range of what is at `url`, on condition that it is what the request is pinned to.
    pub(super) fn ranged(
        url: U,
        range: RangeRequest<'_>,
        range_crc: bool,
        user_agent: &HeaderValue,
    ) -> Result<Self, AttemptError> {
        let mut request = Self::new(Method::GET, url, range.attempt, user_agent)?;
        request.insert(RANGE, &range.range.to_header())?;
        if let Some(pin) = range.pin {
            request.pin(pin)?;
        }
        if let Some(conditions) = range.conditions {
            request.demand(conditions)?;
        }
        request.unlock(range.terms.ssec_key.as_ref())?;
        if let Some(limit) = range.terms.traffic_limit {
            request.insert(TRAFFIC_LIMIT, &limit.bits_per_second().to_string())?;
        }
        if range_crc {
            request.insert(TRAILER, "x-tos-hash-range-crc64ecma")?;
            request.insert(ACCEPT_ENCODING, "tos-raw-trailer")?;
        } else {
            request.insert(ACCEPT_ENCODING, "identity")?;
        }
        Ok(request)
    }

    /// GET of the whole, of which only the head is wanted.
    pub(super) fn whole(
        url: U,
        head: HeadRequest<'_>,
        user_agent: &HeaderValue,
    ) -> Result<Self, AttemptError> {
        let mut request = Self::new(Method::GET, url, head.attempt, user_agent)?;
        request.insert(ACCEPT_ENCODING, "identity")?;
        request.demand(head.conditions)?;
        request.unlock(head.terms.ssec_key.as_ref())?;
        Ok(request)
    }

    /// The request as it goes out, without a signature of ours.
    pub(super) fn unsigned(self) -> Result<http::Request<Empty<Bytes>>, AttemptError> {
        let uri = self
            .url
            .to_uri()
            .map_err(|error| AttemptError::Request(format!("the object's URL can't be sent: {error}")))?;
        let mut request = http::Request::new(Empty::new());
        *request.method_mut() = self.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers;
        Ok(request)
    }

    fn new(method: Method, url: U, attempt: Attempt, user_agent: &HeaderValue) -> Result<Self, AttemptError> {
        let mut request = Self {
            method,
            url,
            headers: HeaderMap::new(),
        };
        let host = request.url.host().to_owned();
        request.insert(HOST, &host)?;
        request.headers.insert(USER_AGENT, user_agent.clone());
        if attempt.number > 1 {
            // As the official SDKs count: the first retry is number 1.
            let count = format!("attempt={}; max={}", attempt.number - 1, attempt.max_retries);
            request.insert(RETRY_COUNT, &count)?;
        }
        Ok(request)
    }

    /// Appendable objects have no ETag; the time is what a server can compare instead.
    fn pin(&mut self, pin: &Fingerprint) -> Result<(), AttemptError> {
        match (&pin.etag, pin.last_modified.and_then(http_date)) {
            (Some(etag), _) => self.insert(IF_MATCH, etag.to_header()),
            (None, Some(date)) => self.insert(IF_UNMODIFIED_SINCE, &date.to_string()),
            (None, None) => Ok(()),
        }
    }

    /// What the caller demands of the object.
    fn demand(&mut self, conditions: &Conditions) -> Result<(), AttemptError> {
        conditions
            .headers()
            .try_for_each(|(name, value)| self.insert(HeaderName::from_static(name), &value))
    }

    /// Shows the key of an encrypted object.
    fn unlock(&mut self, key: Option<&SsecKey>) -> Result<(), AttemptError> {
        let Some(key) = key else { return Ok(()) };
        self.insert(SSEC_ALGORITHM, customer_key::ALGORITHM)?;
        self.insert(SSEC_KEY_MD5, key.key_md5())?;
        let value = secret(key.expose()).map_err(|_| unsendable("SSE-C key"))?;
        self.headers.insert(SSEC_KEY, value);
        Ok(())
    }

    fn insert(&mut self, name: HeaderName, value: &str) -> Result<(), AttemptError> {
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| AttemptError::Request(format!("the header {name} can't carry {value:?}")))?;
        self.headers.insert(name, value);
        Ok(())
    }
}

fn object_url(
    endpoint: &Endpoint,
    object: &ObjectId,
    version: Option<&str>,
) -> Result<ObjectUrl, AttemptError> {
    let url = ObjectUrl::new(endpoint, object).map_err(|error| AttemptError::Request(error.to_string()))?;
    Ok(match version {
        Some(version) => url.with_parameter("versionId", version),
        None => url,
    })
}

/// The version asked for, or else the one that the download began with. `null` is one too: it names what was written
/// before the bucket had versions.
fn version(range: RangeRequest<'_>) -> Option<&str> {
    let pinned = range.pin.and_then(|pin| pin.version_id.as_deref());
    range
        .object
        .version_id
        .as_deref()
        .or(pinned)
        .filter(|version| !version.is_empty())
}

fn http_date(epoch_seconds: i64) -> Option<HttpDate> {
    HttpDate::from_epoch(u64::try_from(epoch_seconds).ok()?)
}

fn secret(text: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::from_str(text)?;
    value.set_sensitive(true);
    Ok(value)
}

fn unsendable(what: &str) -> AttemptError {
    AttemptError::Request(format!("the {what} holds characters that a header can't carry"))
}

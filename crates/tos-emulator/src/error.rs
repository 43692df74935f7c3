//! What the server refuses with: status, code, message and error number (EC), as TOS words them.

use std::borrow::Cow;
use std::io;

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use thiserror::Error;

/// An answer that is an error. The EC is present where the service's own is known.
#[derive(Clone, Debug, Error)]
#[error("{status} {code}: {message}")]
pub(crate) struct TosError {
    pub(crate) status: StatusCode,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: Cow<'static, str>,
    pub(crate) ec: Option<Cow<'static, str>>,
    /// Boxed because a map is large, and errors travel in every result.
    pub(crate) headers: Box<HeaderMap>,
}

impl TosError {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            ec: None,
            headers: Box::default(),
        }
    }

    pub(crate) fn with_ec(mut self, ec: &'static str) -> Self {
        self.ec = Some(ec.into());
        self
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }

    pub(crate) fn bad_request(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(crate) fn invalid_argument(message: impl Into<Cow<'static, str>>) -> Self {
        Self::bad_request("InvalidArgument", message)
    }

    pub(crate) fn forbidden(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    pub(crate) fn access_denied() -> Self {
        Self::forbidden("AccessDenied", "Access Denied")
    }

    pub(crate) fn no_such_bucket() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "NoSuchBucket",
            "The specified bucket does not exist.",
        )
        .with_ec("0006-00000001")
    }

    pub(crate) fn no_such_key() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "NoSuchKey",
            "The specified key does not exist.",
        )
        .with_ec("0017-00000003")
    }

    pub(crate) fn no_such_version() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "NoSuchVersion",
            "The specified version does not exist.",
        )
        .with_ec("0017-00000003")
    }

    pub(crate) fn no_such_upload() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "NoSuchUpload",
            "The specified multipart upload does not exist.",
        )
    }

    pub(crate) fn precondition_failed() -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "PreconditionFailed",
            "At least one of the pre-conditions you specified did not hold.",
        )
    }

    pub(crate) fn not_modified() -> Self {
        Self::new(StatusCode::NOT_MODIFIED, "NotModified", "Not Modified")
    }

    pub(crate) fn unimplemented(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "UnImplemented", message)
    }

    pub(crate) fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
    }
}

/// A disk that fails is the emulator's own trouble: 500.
impl From<io::Error> for TosError {
    fn from(error: io::Error) -> Self {
        Self::internal(format!("the emulator's disk failed: {error}"))
    }
}

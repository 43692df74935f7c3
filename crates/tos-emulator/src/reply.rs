//! An answer as the operations give it, before it is made ready for the wire.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::TosError;
use crate::request::Request;
use crate::store::object::Object;

/// Status, headers and body; the common headers are added later.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: ReplyBody,
}

#[derive(Debug)]
pub(crate) enum ReplyBody {
    Empty,
    /// The `Content-Length` of a HEAD, whose body stays away.
    Announced(u64),
    Bytes(Bytes),
    /// So many bytes without meaning.
    Filler(u64),
    Object(ObjectBody),
}

/// A range of an object.
#[derive(Debug)]
pub(crate) struct ObjectBody {
    pub(crate) object: Arc<Object>,
    pub(crate) range: Range<u64>,
    /// Whether the range's CRC64 follows it.
    pub(crate) range_crc: bool,
    /// How fast the client wants it to come; none for as fast as it can.
    pub(crate) bytes_per_second: Option<u64>,
}

impl Reply {
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: ReplyBody::Empty,
        }
    }

    pub(crate) fn ok() -> Self {
        Self::empty(StatusCode::OK)
    }

    pub(crate) fn json(value: &impl Serialize) -> Self {
        let text = serde_json::to_vec(value).expect("our answers are maps with text keys");
        Self::ok()
            .with_body(ReplyBody::Bytes(text.into()))
            .with("content-type", "application/json")
    }

    pub(crate) fn with_body(mut self, body: ReplyBody) -> Self {
        self.body = body;
        self
    }

    /// Sets a header; a value that cannot stand in one is left out.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.set(HeaderName::from_static(name), value);
        self
    }

    pub(crate) fn with_some(self, name: &'static str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    pub(crate) fn set(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_bytes(&latin1(value)) {
            self.headers.insert(name, value);
        }
    }

    /// The JSON error for `error`; the answer to a HEAD or a 304 has no body.
    pub(crate) fn error(error: &TosError, request: &Request, request_id: &str, host_id: &str) -> Self {
        let mut reply = Self::empty(error.status);
        reply.headers = HeaderMap::clone(&error.headers);
        if let Some(ec) = &error.ec {
            reply.set(HeaderName::from_static("x-tos-ec"), ec);
        }
        if request.method == Method::HEAD || error.status == StatusCode::NOT_MODIFIED {
            return reply;
        }
        let mut body = Map::new();
        let mut field = |name: &str, value: &str| body.insert(name.to_owned(), Value::from(value));
        field("Code", &error.code);
        field("Message", &error.message);
        field("RequestId", request_id);
        field("HostId", host_id);
        field("Resource", &request.raw_path);
        if let Some(ec) = &error.ec {
            field("EC", ec);
        }
        if let Some(key) = &request.address.key {
            field("Key", key);
        }
        reply
            .headers
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        reply.with_body(ReplyBody::Bytes(Value::from(body).to_string().into()))
    }
}

/// Header values are kept as text in which each character is one byte.
fn latin1(text: &str) -> Vec<u8> {
    let bytes: Option<Vec<u8>> = text
        .chars()
        .map(|character| u8::try_from(u32::from(character)).ok())
        .collect();
    bytes.unwrap_or_else(|| text.as_bytes().to_vec())
}

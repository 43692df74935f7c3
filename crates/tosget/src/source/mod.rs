//! Where an object's bytes come from: the seam between the engine and the network.
//!
//! TOS is behind it now; another store needs nothing but these three methods. What is asked for, when, and
//! whether the answer will do is decided above; here one request is made and its answer told.

pub(crate) mod tos;

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;

use crate::conditions::Conditions;
use crate::error::attempt::AttemptError;
use crate::object::{Fingerprint, ObjectId};
use crate::range::ByteRange;
use crate::response::ResponseHead;
use crate::retry::Retries;
use crate::terms::Terms;

/// A future that a trait object can return.
pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Reads one store.
pub(crate) trait Source: Send + Sync + fmt::Debug {
    /// The endpoint as the user knows it, for error messages. No secret in it.
    fn endpoint(&self) -> &str;

    /// HEAD: what the service tells about the object. An error has no code and message (HEAD has no body).
    fn head<'a>(&'a self, request: HeadRequest<'a>) -> BoxFuture<'a, Result<ResponseHead, AttemptError>>;

    /// GET of one range: the answer's head, checked for nothing but a 2xx status, and its body to come.
    ///
    /// Returns when the head is there. Dropping the future, or the body before its end, closes the connection.
    fn get<'a>(&'a self, request: RangeRequest<'a>) -> BoxFuture<'a, Result<RangeResponse, AttemptError>>;
}

/// Which try of how many this is; goes out as `x-sdk-retry-count` from the second on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// From 1.
    pub(crate) number: u32,
    /// Retries that are allowed in a row.
    pub(crate) max_retries: u32,
    /// How long an answer may take to begin, where that is less than the idle timeout.
    pub(crate) silence: Option<Duration>,
}

impl Attempt {
    pub(crate) fn new(number: u32, retries: &Retries) -> Self {
        Self {
            number,
            max_retries: retries.announced(number),
            silence: None,
        }
    }
}

/// What to ask for in one HEAD.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadRequest<'a> {
    pub(crate) object: &'a ObjectId,
    pub(crate) conditions: &'a Conditions,
    pub(crate) terms: &'a Terms,
    pub(crate) attempt: Attempt,
}

/// What to ask for in one GET.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RangeRequest<'a> {
    pub(crate) object: &'a ObjectId,
    pub(crate) range: ByteRange,
    /// The object that the answer must come from; `None` only for the first request of a call.
    pub(crate) pin: Option<&'a Fingerprint>,
    /// What the caller demands of the object; only the first request of a call says so.
    pub(crate) conditions: Option<&'a Conditions>,
    pub(crate) terms: &'a Terms,
    pub(crate) attempt: Attempt,
}

/// An answer whose body is still to be read.
#[derive(Debug)]
pub(crate) struct RangeResponse {
    pub(crate) head: ResponseHead,
    pub(crate) body: Box<dyn Body>,
}

/// The payload of an answer, any framing undone.
///
/// Idle time is judged by the reader, not here: a body has no deadline of its own.
///
/// `Sync` because a download that holds one is lent across awaits, and its future has to be `Send`.
pub(crate) trait Body: Send + Sync + fmt::Debug {
    /// The next piece of payload, not empty; `None` after the last one. Ends early without an error only if
    /// the server ended the message so: the reader counts.
    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, AttemptError>>>;

    /// The server's CRC64 of this range, once the body has ended, where the server granted one.
    fn range_crc64(&self) -> Option<u64> {
        None
    }
}

impl dyn Body {
    /// The next piece of payload, as a future. Cancel safe: a piece is returned or not taken.
    pub(crate) async fn data(&mut self) -> Option<Result<Bytes, AttemptError>> {
        std::future::poll_fn(|context| self.poll_data(context)).await
    }
}

/// The time limits of an exchange. There is none on a body as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeouts {
    /// Name resolution, TCP and TLS together.
    pub(crate) connect: Duration,
    /// No byte of head or body for this long.
    pub(crate) idle: Duration,
}

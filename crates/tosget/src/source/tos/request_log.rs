//! One request in the log: a span with what was asked, and events with what came of it. No URL, header or key is in it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::response::Parts;
use tracing::{Level, Span};

use super::answer::text;
use super::connect::ConnectionUse;
use crate::error::attempt::AttemptError;
use crate::object::{ObjectId, Printable};
use crate::range::ByteRange;
use crate::source::Attempt;

const TARGET: &str = "tosget::request";

/// Numbers the requests of this process: what the server calls one is known only from its answer.
static REQUESTS: AtomicU64 = AtomicU64::new(1);

/// What is told of a request and its answer, until the last byte of the body. Costs a few loads where nobody listens.
#[derive(Debug)]
pub(super) struct RequestLog {
    span: Span,
    began: Instant,
    answered: Option<Answered>,
    /// Bytes of the body so far, its framing included.
    bytes: u64,
}

#[derive(Debug)]
struct Answered {
    status: u16,
    request_id: String,
    after: Duration,
}

impl RequestLog {
    pub(super) fn new(
        method: &'static str,
        object: &ObjectId,
        range: Option<ByteRange>,
        attempt: Attempt,
    ) -> Self {
        let span = tracing::debug_span!(
            target: TARGET,
            "request",
            id = REQUESTS.fetch_add(1, Ordering::Relaxed),
            %method,
            %object,
            range = range.map(tracing::field::display),
            attempt = attempt.number,
        );
        Self {
            span,
            began: Instant::now(),
            answered: None,
            bytes: 0,
        }
    }

    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    /// The head of the answer is there, whatever it says.
    pub(super) fn answered(&mut self, parts: &Parts) {
        if !tracing::enabled!(target: TARGET, Level::DEBUG) {
            return;
        }
        let answered = Answered {
            status: parts.status.as_u16(),
            request_id: text(&parts.headers, "x-tos-request-id").unwrap_or_default(),
            after: self.began.elapsed(),
        };
        let connection = parts.extensions.get::<ConnectionUse>();
        tracing::trace!(
            target: TARGET,
            parent: &self.span,
            status = answered.status,
            request_id = %Printable(&answered.request_id),
            ttfb_ms = milliseconds(answered.after),
            connection = connection.map(ConnectionUse::id),
            reused = connection.map(ConnectionUse::is_reused),
            "answered"
        );
        self.answered = Some(answered);
    }

    /// There is no answer.
    pub(super) fn failed(&self, error: &AttemptError) {
        let elapsed_ms = milliseconds(self.began.elapsed());
        tracing::debug!(target: TARGET, parent: &self.span, elapsed_ms, error = %error.chain(), "failed");
    }

    /// The answer was no, and its body has been read.
    pub(super) fn refused(&self) {
        self.ended("refused");
    }

    /// So much more of the body has come.
    pub(super) fn received(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// The body has come to its end.
    pub(super) fn done(&self) {
        self.ended("done");
    }

    /// Nobody wants the rest of the body: what was needed has come, the download ends, or the body broke.
    pub(super) fn let_go(&self) {
        self.ended("let go");
    }

    fn ended(&self, how: &'static str) {
        let Some(answered) = &self.answered else { return };
        tracing::debug!(
            target: TARGET,
            parent: &self.span,
            status = answered.status,
            request_id = %Printable(&answered.request_id),
            ttfb_ms = milliseconds(answered.after),
            bytes = self.bytes,
            elapsed_ms = milliseconds(self.began.elapsed()),
            "{how}"
        );
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

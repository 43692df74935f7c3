//! The request log: what was asked, what was answered, and how much of it went out.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::wire::socket::Connection;

/// Older records are dropped beyond this many; the totals go on counting.
const KEPT_RECORDS: usize = 100_000;

/// One request and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RequestRecord {
    /// Counts requests from 1; [`reset_log`](crate::Emulator::reset_log) does not restart it.
    pub sequence: u64,
    /// When it came, in milliseconds since 1970 by the emulator's clock.
    pub time_ms: i64,
    /// Which connection it came on, counted from 1.
    pub connection: u64,
    /// The HTTP method.
    pub method: String,
    /// The `Host` header.
    pub host: String,
    /// The path as sent, still percent-encoded.
    pub path: String,
    /// The query string as sent.
    pub query: String,
    /// The bucket, decoded.
    pub bucket: Option<String>,
    /// The key, decoded.
    pub key: Option<String>,
    /// The operation's name, such as `GetObject`; `Unknown` when there is none.
    pub operation: String,
    /// The `Range` header.
    pub range: Option<String>,
    /// The `If-Match` header.
    pub if_match: Option<String>,
    /// The `User-Agent` header.
    pub user_agent: Option<String>,
    /// The `x-sdk-retry-count` header.
    pub retry_count: Option<String>,
    /// All headers as sent, but for `Authorization` and keys.
    pub headers: Vec<(String, String)>,
    /// The `x-tos-request-id` of the answer.
    pub request_id: String,
    /// The status of the answer; none before there is one.
    pub status: Option<u16>,
    /// Bytes of the body that were sent: handed to hyper, and for an aborted response, taken by the socket.
    pub body_bytes: u64,
    /// How far it got.
    pub outcome: Outcome,
    /// The names of the verdicts that struck it.
    pub faults: Vec<String>,
}

/// How far an exchange got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// Not over yet.
    #[default]
    InFlight,
    /// The whole response was sent.
    Finished,
    /// The connection ended before the response did.
    Aborted,
}

/// Totals since the start or the last [`reset_log`](crate::Emulator::reset_log).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Stats {
    /// Requests received.
    pub requests: u64,
    /// Bytes of response bodies sent.
    pub body_bytes_sent: u64,
    /// Connections accepted.
    pub connections: u64,
    /// Connections open now.
    pub open_connections: u64,
    /// The most connections open at a time.
    pub peak_open_connections: u64,
    /// Requests being answered now.
    pub in_flight: u64,
    /// The most requests being answered at a time.
    pub peak_in_flight: u64,
}

/// Everything that was logged.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    sequence: u64,
    entries: VecDeque<Arc<Entry>>,
    stats: Stats,
}

#[derive(Debug)]
struct Entry {
    record: Mutex<RequestRecord>,
    body_bytes: AtomicU64,
}

impl RequestLog {
    /// Notes a request; the record needs no sequence number yet.
    pub(crate) fn begin(&self, mut record: RequestRecord, connection: Arc<Connection>) -> Exchange {
        let mut inner = lock(&self.inner);
        inner.sequence += 1;
        record.sequence = inner.sequence;
        inner.stats.requests += 1;
        inner.stats.in_flight += 1;
        inner.stats.peak_in_flight = inner.stats.peak_in_flight.max(inner.stats.in_flight);
        let entry = Arc::new(Entry {
            record: Mutex::new(record),
            body_bytes: AtomicU64::new(0),
        });
        inner.entries.push_back(Arc::clone(&entry));
        if inner.entries.len() > KEPT_RECORDS {
            inner.entries.pop_front();
        }
        let underway = Arc::new(Underway {
            log: Arc::clone(&self.inner),
            entry,
            written_before: connection.written(),
            head_len: AtomicU64::new(0),
        });
        connection.begin(Arc::clone(&underway));
        Exchange { underway, connection }
    }

    pub(crate) fn records(&self) -> Vec<RequestRecord> {
        let entries: Vec<_> = lock(&self.inner).entries.iter().cloned().collect();
        entries.iter().map(|entry| entry.snapshot()).collect()
    }

    pub(crate) fn stats(&self) -> Stats {
        lock(&self.inner).stats
    }

    /// Forgets records and totals; what is open and in flight stays counted.
    pub(crate) fn reset(&self) {
        let mut inner = lock(&self.inner);
        inner.entries.clear();
        let (open, in_flight) = (inner.stats.open_connections, inner.stats.in_flight);
        inner.stats = Stats {
            open_connections: open,
            peak_open_connections: open,
            in_flight,
            peak_in_flight: in_flight,
            ..Stats::default()
        };
    }

    /// Counts a connection for as long as the result lives.
    pub(crate) fn open_connection(&self) -> OpenConnection {
        let mut inner = lock(&self.inner);
        inner.stats.connections += 1;
        inner.stats.open_connections += 1;
        inner.stats.peak_open_connections = inner
            .stats
            .peak_open_connections
            .max(inner.stats.open_connections);
        OpenConnection {
            log: Arc::clone(&self.inner),
        }
    }
}

/// A connection that is open.
#[derive(Debug)]
pub(crate) struct OpenConnection {
    log: Arc<Mutex<Inner>>,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        lock(&self.log).stats.open_connections -= 1;
    }
}

/// A request that is being answered. Dropped before it is finished, it counts as aborted.
#[derive(Debug)]
pub(crate) struct Exchange {
    underway: Arc<Underway>,
    connection: Arc<Connection>,
}

/// What is needed to note how an exchange ends.
#[derive(Debug)]
pub(crate) struct Underway {
    log: Arc<Mutex<Inner>>,
    entry: Arc<Entry>,
    /// What the socket had taken before.
    written_before: u64,
    head_len: AtomicU64,
}

impl Exchange {
    pub(crate) fn struck_by(&self, faults: Vec<String>) {
        lock(&self.underway.entry.record).faults = faults;
    }

    /// Notes the answer's status; `head_len` bytes of head go out before the body.
    pub(crate) fn answer(&self, status: u16, head_len: u64) {
        self.underway.head_len.store(head_len, Ordering::Relaxed);
        lock(&self.underway.entry.record).status = Some(status);
    }

    pub(crate) fn hand_over(&self, len: u64) {
        self.underway.entry.body_bytes.fetch_add(len, Ordering::Relaxed);
        lock(&self.underway.log).stats.body_bytes_sent += len;
    }

    pub(crate) fn finish(&self) {
        let mut record = lock(&self.underway.entry.record);
        if record.outcome == Outcome::InFlight {
            record.outcome = Outcome::Finished;
            lock(&self.underway.log).stats.in_flight -= 1;
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.underway.abort(self.connection.written());
    }
}

impl Underway {
    /// Notes that the exchange got no further, unless it is over: what hyper was given but the socket did not take was
    /// not sent. The socket took `written` bytes in its life.
    pub(crate) fn abort(&self, written: u64) {
        let mut record = lock(&self.entry.record);
        if record.outcome != Outcome::InFlight {
            return;
        }
        record.outcome = Outcome::Aborted;
        let handed_over = self.entry.body_bytes.load(Ordering::Relaxed);
        let head_len = self.head_len.load(Ordering::Relaxed);
        let sent = handed_over.min((written - self.written_before).saturating_sub(head_len));
        self.entry.body_bytes.store(sent, Ordering::Relaxed);
        let mut inner = lock(&self.log);
        inner.stats.in_flight -= 1;
        // The totals may have been reset since.
        inner.stats.body_bytes_sent = inner.stats.body_bytes_sent.saturating_sub(handed_over - sent);
    }
}

impl Entry {
    fn snapshot(&self) -> RequestRecord {
        let mut record = lock(&self.record).clone();
        record.body_bytes = self.body_bytes.load(Ordering::Relaxed);
        record
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

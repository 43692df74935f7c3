//! What one HTTP exchange can fail with. Whether it is worth another try is decided in [`crate::retry`].

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::TosServerError;
use super::shortage::Shortage;
use crate::object::Printable;

/// Any error underneath ours, kept for the chain of causes.
pub(crate) type BoxError = Box<dyn StdError + Send + Sync>;

/// The same, for errors that are told in more than one place.
pub(crate) type SharedError = Arc<dyn StdError + Send + Sync>;

/// Why one HTTP exchange did not bring what was asked for.
#[derive(Debug, Error)]
pub(crate) enum AttemptError {
    /// No connection came about: name resolution, refused, unreachable, proxy.
    #[error("could not connect to {peer}")]
    Connect { peer: String, source: BoxError },
    /// This machine has nothing left to make a connection with. Nobody was asked.
    #[error("this machine could not open a connection to {peer}")]
    Shortage {
        peer: String,
        shortage: Shortage,
        source: BoxError,
    },
    /// The proxy said no, for good.
    #[error("could not connect to {peer}")]
    ProxyRefused { peer: String, source: BoxError },
    /// The peer's certificate or ours was not accepted.
    #[error("the TLS handshake with {peer} failed")]
    Tls {
        peer: String,
        /// Whether it answered in TLS.
        speaks_tls: bool,
        source: BoxError,
    },
    /// Nothing came for too long.
    #[error("no {waiting_for} within {} s", limit.as_secs_f64())]
    Timeout {
        waiting_for: &'static str,
        limit: Duration,
    },
    /// The connection broke while the exchange was under way.
    #[error("the connection broke")]
    Broken { source: BoxError },
    /// The body ended before all of the range had come.
    #[error("the body ended {missing} bytes early")]
    ShortBody { missing: u64 },
    /// The server said no.
    #[error(transparent)]
    Server(Box<TosServerError>),
    /// A URL that was given did not open what is there. Only another URL will.
    #[error("{server}")]
    UrlRefused {
        server: Box<TosServerError>,
        /// What to do about it.
        advice: &'static str,
    },
    /// The answer was a success, but not to the question that was asked.
    #[error(transparent)]
    Response(#[from] ResponseFault),
    /// The credentials provider failed.
    #[error("the credentials provider failed")]
    Credentials { source: BoxError },
    /// The request could not be built from what the caller gave.
    #[error("{0}")]
    Request(String),
}

impl AttemptError {
    /// What the system had not enough of, if that was it.
    pub(crate) fn shortage(&self) -> Option<Shortage> {
        match self {
            Self::Shortage { shortage, .. } => Some(*shortage),
            _ => None,
        }
    }

    /// The error and its causes on one line, for the log.
    pub(crate) fn chain(&self) -> impl fmt::Display + '_ {
        Chain(self)
    }
}

struct Chain<'a>(&'a AttemptError);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Printable(&self.0.to_string()))?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            write!(f, ": {}", Printable(&cause.to_string()))?;
            next = cause.source();
        }
        Ok(())
    }
}

/// How a successful answer differs from what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum ResponseFault {
    #[error("the server answered status {0} to a ranged request")]
    Status(u16),
    #[error("the server ignored the range and sent the whole object (status 200)")]
    RangeIgnored,
    #[error(
        "the server tells neither an ETag nor a settled modification time, so parts of two contents could be mixed"
    )]
    Indistinguishable,
    #[error("the answer does not come from TOS: {doubt}; {}", came(*status, kind, first_words))]
    Unproven {
        /// What speaks against it.
        doubt: &'static str,
        status: u16,
        /// The type of its content.
        kind: String,
        /// How it begins.
        first_words: String,
    },
    #[error("nothing in the answer identifies an object, and it would replace a file: its type is {0}")]
    Unidentified(String),
    #[error("the server answered with {first} and then told of {second}")]
    SecondLook { first: String, second: String },
    #[error("the server does not tell the object's length")]
    NoLength,
    #[error(
        "the server refuses the {0} that it gives itself, so nothing holds the object while its parts are read"
    )]
    OwnValidatorRefused(String),
    #[error("the answer tells a size of {now}, and with the same ETag it was {before}")]
    OtherTotal { before: u64, now: u64 },
    #[error("the answer has no Content-Range")]
    NoContentRange,
    #[error("the Content-Range {0:?} can't be read")]
    UnreadableContentRange(String),
    #[error("the server sent range {sent} where {asked} was asked for")]
    WrongRange { asked: String, sent: String },
    #[error("the answer announces {sent} bytes where {asked} were asked for")]
    WrongLength { asked: u64, sent: u64 },
    #[error("the answer carries more bytes than were asked for")]
    TooManyBytes,
    #[error("the answer is encoded as {0:?}, so its bytes are not the object's")]
    Encoded(String),
    #[error("the server's CRC64 of the range is {server}, that of the bytes received is {received}")]
    RangeCrc { server: u64, received: u64 },
    #[error("the server's CRC64 of the object is {server}, that of the bytes received is {received}")]
    ObjectCrc { server: u64, received: u64 },
    #[error("nothing tells whether the answer had ended or broke off")]
    EndUnproven,
    #[error("the answer's {0} can't be read")]
    BadHeader(&'static str),
    #[error("the object is not the one this download began with: its {what} was {before} and is now {now}")]
    Changed {
        what: &'static str,
        before: String,
        now: String,
    },
}

fn came(status: u16, kind: &str, first_words: &str) -> String {
    let begins = match first_words {
        "" => "it is empty".to_owned(),
        words => format!("it begins with \"{}\"", Printable(words)),
    };
    format!("its status is {status}, its type {}, {begins}", Printable(kind))
}

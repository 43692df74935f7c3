//! The one error type of the public API, and the vocabulary beneath it.

pub(crate) mod attempt;
mod server;
pub(crate) mod shortage;

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub use server::TosServerError;

use crate::credentials::EnvironmentCredentialsError;
use crate::object::ObjectId;
use attempt::{AttemptError, BoxError, ResponseFault, SharedError};
use shortage::Shortage;

/// What ended a call.
///
/// [`Display`](fmt::Display) is one line that names the object and what was tried; the causes are in
/// [`source`](StdError::source). Ask the predicates and [`kind`](Error::kind), not the text.
#[derive(Clone)]
pub struct Error(Box<Inner>);

/// A result with tosget's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whose fault it was, or what it was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller gave something that can't work; nothing was asked of the network.
    InvalidArgument,
    /// The service could not be reached, or the connection broke more often than the retries allow.
    Network,
    /// The service refused: see [`Error::server`].
    Server,
    /// The service, or something on the way, answered with something else than what was asked for.
    Protocol,
    /// The object is not the one that the download began with.
    ObjectChanged,
    /// The file system failed: full, read-only, broken.
    Disk,
    /// The checkpoint can't be used as it was asked for.
    Checkpoint,
    /// Another process or thread is downloading to the same destination.
    CheckpointHeld,
    /// All bytes came, but they are not the object's.
    Verification,
    /// The caller canceled.
    Canceled,
}

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    checkpoint: Option<PathBuf>,
    server: Option<TosServerError>,
    transient: bool,
    shortage: Option<Shortage>,
    source: Option<SharedError>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self(Box::new(Inner {
            kind,
            message,
            hint: None,
            checkpoint: None,
            server: None,
            transient: false,
            shortage: None,
            source: None,
        }))
    }

    pub(crate) fn invalid_argument(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// The file system failed while `doing` something to `path`.
    pub(crate) fn disk(doing: &str, path: &Path, source: io::Error) -> Self {
        let shortage = Shortage::of_io(&source);
        let hint = match source.kind() {
            _ if shortage.is_some() => shortage.map(Shortage::hint),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(FREE_SOME_SPACE),
            io::ErrorKind::PermissionDenied => Some("choose a destination that can be written to"),
            io::ErrorKind::ReadOnlyFilesystem => Some(
                "choose a destination that can be written to: this file system is mounted read-only, or became so after an error of its disk",
            ),
            io::ErrorKind::StaleNetworkFileHandle => Some(
                "the server of this file system does not know the file any more, since it was removed there or the server was set up \
                 anew: run the same download again",
            ),
            _ => None,
        };
        let mut error =
            Self::new(ErrorKind::Disk, format!("could not {doing} {}", Shown(path))).with_source(source);
        error.0.shortage = shortage;
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    /// The system refused what a client needs.
    pub(crate) fn of_the_system(message: &str, source: io::Error) -> Self {
        let shortage = Shortage::of_io(&source);
        let mut error = Self::new(ErrorKind::Disk, message).with_source(source);
        error.0.shortage = shortage;
        match shortage {
            Some(shortage) => error.with_hint(shortage.hint()),
            None => error,
        }
    }

    /// The last attempt of something failed; `doing` says of what, such as "read [0, 5) of tos://b/k from …".
    pub(crate) fn from_attempt(doing: &str, attempts: u32, error: AttemptError) -> Self {
        let tries = if attempts > 1 {
            format!(" after {attempts} attempts")
        } else {
            String::new()
        };
        let transient = crate::retry::passes_by_itself(&error);
        let made = match error {
            AttemptError::Server(server) => {
                let mut made = Self::new(
                    kind_of_refusal(&server),
                    format!("could not {doing}{tries}: {server}"),
                );
                made.0.server = Some(*server);
                made
            }
            AttemptError::UrlRefused { server, advice } => {
                let mut made = Self::new(
                    kind_of_refusal(&server),
                    format!("could not {doing}{tries}: {server}"),
                );
                made.0.server = Some(*server);
                return made.with_hint(advice);
            }
            AttemptError::Request(reason) => Self::invalid_argument(format!("could not {doing}: {reason}")),
            AttemptError::Response(fault) => {
                let kind = match fault {
                    ResponseFault::Changed { .. } => ErrorKind::ObjectChanged,
                    _ => ErrorKind::Protocol,
                };
                let hint = hint_for_fault(&fault);
                let made = Self::new(kind, format!("could not {doing}{tries}")).with_source(fault);
                match hint {
                    Some(hint) => made.with_hint(hint),
                    None => made,
                }
            }
            network => {
                let hint = hint_for_network(&network);
                let shortage = network.shortage();
                let mut made =
                    Self::new(ErrorKind::Network, format!("could not {doing}{tries}")).with_source(network);
                made.0.shortage = shortage;
                match hint {
                    Some(hint) => made.with_hint(hint),
                    None => made,
                }
            }
        };
        made.transient(transient).with_usual_hint()
    }

    /// The server says that a condition of the caller does not hold; `doing` says at what.
    pub(crate) fn unmet_condition(doing: &str, condition: &str, server: TosServerError) -> Self {
        let hint = match server.status_code {
            304 => "the object is as the condition knows it: there is nothing new to read",
            _ => "look what the object is now, and change the condition or leave it out",
        };
        let message = format!("could not {doing}: {condition}: {server}");
        let mut made = Self::new(ErrorKind::Server, message).with_hint(hint);
        made.0.server = Some(server);
        made
    }

    pub(crate) fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into().into());
        self
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Notes the checkpoint that is there for the next run.
    pub(crate) fn with_checkpoint(mut self, checkpoint: PathBuf) -> Self {
        if self.hint() == Some(FREE_SOME_SPACE) {
            self = self.with_hint(format!("{FREE_SOME_SPACE}: it goes on where it stopped"));
        }
        self.0.checkpoint = Some(checkpoint);
        self
    }

    /// Names the object in errors that were made where only a path was known.
    pub(crate) fn about(mut self, object: &ObjectId) -> Self {
        if matches!(self.0.kind, ErrorKind::Disk | ErrorKind::CheckpointHeld) {
            self.0.message = format!("can't download {object}: {}", self.0.message);
        }
        self
    }

    /// Whose fault it was, or what it was about.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The server's refusal, where it was one: status, code, message, request id, EC.
    pub fn server(&self) -> Option<&TosServerError> {
        self.0.server.as_ref()
    }

    /// How an answer differed from what was asked for, if that is what failed.
    pub(crate) fn fault(&self) -> Option<&ResponseFault> {
        self.0.source.as_deref()?.downcast_ref()
    }

    /// What the user can do about it, where that is known. One line.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The journal of the checkpoint that was kept; the same call again goes on from it.
    pub fn checkpoint(&self) -> Option<&Path> {
        self.0.checkpoint.as_deref()
    }

    /// What the system had not enough of, if that was it.
    pub(crate) fn shortage(&self) -> Option<Shortage> {
        self.0.shortage
    }

    /// Whether the same call may succeed later without anybody changing anything: network failures, overload.
    pub fn is_transient(&self) -> bool {
        self.0.transient
    }

    /// Whether bytes were kept that the same call again need not fetch.
    pub fn is_resumable(&self) -> bool {
        self.0.checkpoint.is_some()
    }

    fn transient(mut self, transient: bool) -> Self {
        self.0.transient = transient;
        self
    }

    fn with_usual_hint(self) -> Self {
        let hint = match (self.0.kind, self.server()) {
            (_, Some(server)) => hint_for_refusal(server),
            (ErrorKind::ObjectChanged, _) => {
                Some("download it again: the new object starts afresh".to_owned())
            }
            _ => None,
        };
        match hint {
            Some(hint) => self.with_hint(hint),
            None => self,
        }
    }
}

const FREE_SOME_SPACE: &str = "free some space and run the same download again";

fn kind_of_refusal(server: &TosServerError) -> ErrorKind {
    match server.status_code {
        // If-Match failed: every read after the probe carries it. Or the object no longer has bytes that it had when the
        // probe found it.
        412 | 416 => ErrorKind::ObjectChanged,
        _ => ErrorKind::Server,
    }
}

fn hint_for_network(error: &AttemptError) -> Option<&'static str> {
    match error {
        AttemptError::Shortage { shortage, .. } => Some(shortage.hint()),
        AttemptError::ProxyRefused { .. } => {
            Some("check the proxy's address, and the user name and password for it")
        }
        AttemptError::Connect { .. } => {
            Some("check that the endpoint is the right one and can be reached from here")
        }
        AttemptError::Tls {
            speaks_tls: false, ..
        } => Some(
            "what answers does not speak TLS: begin the endpoint or URL with http://, or name the port for https",
        ),
        AttemptError::Tls { .. } => Some(
            "if the server's certificate comes from an authority of your own, name that authority's file",
        ),
        _ => None,
    }
}

fn hint_for_fault(fault: &ResponseFault) -> Option<&'static str> {
    match fault {
        ResponseFault::Unproven { .. } => Some(
            "another server, a proxy or a captive portal answered: log in to the network, or check the endpoint or URL",
        ),
        ResponseFault::Unidentified(_) => Some(
            "if it is what you want, remove the file first or download to another name; else a captive portal may have answered",
        ),
        ResponseFault::RangeIgnored => Some(
            "run the same download again later; or without its checkpoint, to have all of it in one answer",
        ),
        ResponseFault::NoLength => Some("only a download finds out how long the object is"),
        ResponseFault::OwnValidatorRefused(_) => Some(
            "what such a server has can only come in one piece: set a part size of at least the object's size",
        ),
        _ => None,
    }
}

/// Whether the object has to be restored from an archive class before it can be read.
pub(crate) fn is_archived(server: &TosServerError) -> bool {
    matches!(server.code.as_str(), "InvalidObjectState" | "ObjectNotRestored")
}

/// The error number of a read without the key that the object is encrypted with, or with another one.
pub(crate) const KEY_MISSING: &str = "0015-00000008";

fn hint_for_refusal(server: &TosServerError) -> Option<String> {
    let hint = match (server.status_code, server.code.as_str()) {
        _ if server.ec == KEY_MISSING => {
            "the object is encrypted with its owner's key (SSE-C): it can be read with that very key only"
        }
        (_, "NoSuchBucket") => {
            "check the bucket's name, and that the endpoint is the one of the bucket's region"
        }
        _ if server.delete_marker => {
            "the object was deleted; where its bucket keeps versions, an older one can be named"
        }
        (404, _) => "check the key: it is case-sensitive, and a slash more or less makes another key",
        (_, "SignatureDoesNotMatch") => "check the secret key and the region",
        (_, "AuthorizationHeaderMalformed") => "check the region: it must be the endpoint's",
        (_, "InvalidAccessKeyId") => "check the access key",
        (_, "ExpiredToken" | "InvalidSecurityToken") => {
            "get new temporary credentials and run the same download again"
        }
        _ if is_archived(server) => {
            "the object is archived: restore it first, then run the same download again"
        }
        (_, "RequestTimeTooSkewed") => {
            let offset = server
                .clock_offset
                .map(|seconds| format!(" by {} s", seconds.unsigned_abs()));
            return Some(format!(
                "set this machine's clock: it is off{}",
                offset.unwrap_or_default()
            ));
        }
        (412 | 416, _) => "the object was replaced: download it again, the new one starts afresh",
        (401 | 403, _) => {
            "the credentials need the permission tos:GetObject (tos:GetObjectVersion for a version)"
        }
        (429 | 503, _) => "the service is limiting requests: try later or with fewer tasks",
        _ => return None,
    };
    Some(hint.to_owned())
}

impl From<EnvironmentCredentialsError> for Error {
    fn from(error: EnvironmentCredentialsError) -> Self {
        Self::invalid_argument(error.to_string()).with_hint("set TOS_ACCESS_KEY and TOS_SECRET_KEY")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        f.debug_struct("Error")
            .field("kind", &inner.kind)
            .field("message", &inner.message)
            .field("server", &inner.server)
            .field("checkpoint", &inner.checkpoint)
            .field("source", &inner.source)
            .finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

/// A path shown so that its name can't steer a terminal.
pub(crate) struct Shown<'a>(pub(crate) &'a Path);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::object::Printable(&self.0.to_string_lossy()).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status_code: u16, code: &str) -> AttemptError {
        AttemptError::Server(Box::new(TosServerError {
            status_code,
            code: code.into(),
            ..Default::default()
        }))
    }

    #[test]
    fn a_refusal_keeps_what_the_server_said() {
        let error = Error::from_attempt("read tos://b/k", 1, refusal(404, "NoSuchKey"));
        assert_eq!(
            error.to_string(),
            "could not read tos://b/k: the server answered 404 NoSuchKey"
        );
        assert_eq!(error.kind(), ErrorKind::Server);
        assert_eq!(error.server().map(|server| server.status_code), Some(404));
        assert!(error.hint().is_some_and(|hint| hint.contains("case-sensitive")));
        assert!(!error.is_transient() && !error.is_resumable());
    }

    #[test]
    fn a_failed_if_match_is_a_changed_object() {
        assert_eq!(
            Error::from_attempt("read", 1, refusal(412, "PreconditionFailed")).kind(),
            ErrorKind::ObjectChanged
        );
        assert_eq!(
            Error::from_attempt("read", 1, refusal(416, "InvalidRange")).kind(),
            ErrorKind::ObjectChanged,
            "it became shorter"
        );
    }

    #[test]
    fn the_real_cause_stays_in_the_chain() {
        let refused = io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused");
        let attempt = AttemptError::Connect {
            peer: "127.0.0.1:9".into(),
            source: refused.into(),
        };
        let error = Error::from_attempt("read tos://b/k", 4, attempt);
        assert_eq!(error.to_string(), "could not read tos://b/k after 4 attempts");
        let chain: Vec<String> = std::iter::successors(error.source(), |error| (*error).source())
            .map(ToString::to_string)
            .collect();
        assert_eq!(chain, ["could not connect to 127.0.0.1:9", "connection refused"]);
        assert!(error.is_transient());
    }
}

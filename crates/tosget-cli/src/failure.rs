//! Why a command did not do what it was asked for, in the pieces that are told.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;

use tosget::{Error, ErrorKind, TosServerError};

use crate::exit::Exit;

/// A failure, ready to be told in words or as JSON.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
    /// What caused it, and what caused that.
    pub(crate) causes: Vec<String>,
    pub(crate) hint: Option<String>,
    /// The checkpoint that the same command goes on from.
    pub(crate) checkpoint: Option<PathBuf>,
    pub(crate) server: Option<Box<TosServerError>>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            exit,
            kind,
            message: message.into(),
            causes: Vec::new(),
            hint: None,
            checkpoint: None,
            server: None,
        }
    }

    /// The command can't work as it was typed.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, ErrorKind::InvalidArgument, message)
    }

    /// The system did not do what it was asked for.
    pub(crate) fn of_the_system(message: impl Into<String>, error: &io::Error) -> Self {
        let failure = Self::new(Exit::Failed, ErrorKind::Disk, message).with_cause(error);
        match limit_that_refuses(error) {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    }

    /// Stopped by a signal.
    pub(crate) fn interrupted(message: impl Into<String>) -> Self {
        Self::new(Exit::Interrupted, ErrorKind::Canceled, message)
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn with_cause(mut self, cause: &dyn StdError) -> Self {
        let mut next = Some(cause);
        while let Some(cause) = next {
            self.causes.push(cause.to_string());
            next = cause.source();
        }
        // Some errors repeat the words of their source.
        self.causes.dedup();
        self
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut failure = Self::new(Exit::of(&error), error.kind(), error.to_string());
        if let Some(cause) = error.source() {
            failure = failure.with_cause(cause);
        }
        Self {
            hint: error.hint().map(str::to_owned),
            checkpoint: error.checkpoint().map(PathBuf::from),
            server: error.server().cloned().map(Box::new),
            ..failure
        }
    }
}

/// The limit that is behind a refusal of the system, and what to do about it.
#[cfg(unix)]
fn limit_that_refuses(error: &io::Error) -> Option<&'static str> {
    use rustix::io::Errno;
    if error.kind() == io::ErrorKind::OutOfMemory {
        return Some(
            "the system grants no more memory: raise the limit of this process (ulimit -v), or that of its container",
        );
    }
    Some(match Errno::from_raw_os_error(error.raw_os_error()?) {
        Errno::MFILE => "too few files may be open at once: raise the limit of this process (ulimit -n)",
        Errno::NFILE => "the whole system has as many files open as its limit allows: raise fs.file-max",
        Errno::AGAIN => {
            "too few processes and threads may be started: raise the limit (ulimit -u, or that of the container)"
        }
        Errno::FBIG => "a file may not be as large: raise the limit of file sizes (ulimit -f)",
        _ => return None,
    })
}

#[cfg(not(unix))]
fn limit_that_refuses(_: &io::Error) -> Option<&'static str> {
    None
}

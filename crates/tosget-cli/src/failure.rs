//! Why a command did not do what it was asked for, in the pieces that are told.

use std::error::Error as StdError;
use std::path::PathBuf;

use tosget::{Error, ErrorKind, TosServerError};

use crate::exit::Exit;

/// A failure, ready to be told in words or as JSON.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// A stable name for programs.
    pub(crate) kind: &'static str,
    pub(crate) message: String,
    /// What caused it, and what caused that.
    pub(crate) causes: Vec<String>,
    pub(crate) hint: Option<String>,
    /// The checkpoint that the same command goes on from.
    pub(crate) checkpoint: Option<PathBuf>,
    pub(crate) server: Option<Box<TosServerError>>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, kind: &'static str, message: impl Into<String>) -> Self {
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
        Self::new(Exit::Usage, name_of(ErrorKind::InvalidArgument), message)
    }

    /// Stopped by a signal.
    pub(crate) fn interrupted(message: impl Into<String>) -> Self {
        Self::new(Exit::Interrupted, name_of(ErrorKind::Canceled), message)
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
        let mut failure = Self::new(Exit::of(&error), name_of(error.kind()), error.to_string());
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

fn name_of(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidArgument => "invalid_argument",
        ErrorKind::Network => "network",
        ErrorKind::Server => "server",
        ErrorKind::Protocol => "protocol",
        ErrorKind::ObjectChanged => "object_changed",
        ErrorKind::Disk => "disk",
        ErrorKind::Checkpoint => "checkpoint",
        ErrorKind::CheckpointHeld => "checkpoint_held",
        ErrorKind::Verification => "verification",
        ErrorKind::Canceled => "canceled",
        _ => "other",
    }
}

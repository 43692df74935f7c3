//! What the process ends with. Scripts rely on these numbers.

use std::process::ExitCode;

use tosget::{Error, ErrorKind};

/// The exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// What was asked for is done.
    Done = 0,
    /// Anything that has no number of its own: network, disk, an overloaded server. The same command may work later.
    Failed = 1,
    /// The command can't work as it was typed.
    Usage = 2,
    /// The server refused (4xx), and time does not mend it; a condition does not hold (304, 412), or the object is not the one that the download began with.
    Refused = 3,
    /// All bytes came, but they are not the object's.
    NotVerified = 4,
    /// Another process is downloading to the same destination.
    Held = 5,
    /// Stopped by SIGINT, SIGTERM or SIGHUP.
    Interrupted = 130,
}

impl Exit {
    /// The exit code for a failed call of the library.
    pub(crate) fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::InvalidArgument => Self::Usage,
            ErrorKind::ObjectChanged => Self::Refused,
            // 408 and 429 are a matter of time, as 503 is.
            ErrorKind::Server if !error.is_transient() && is_refusal(error) => Self::Refused,
            ErrorKind::Verification => Self::NotVerified,
            ErrorKind::CheckpointHeld => Self::Held,
            ErrorKind::Canceled => Self::Interrupted,
            _ => Self::Failed,
        }
    }

    /// The number.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

fn is_refusal(error: &Error) -> bool {
    error
        .server()
        .is_some_and(|server| matches!(server.status_code, 304 | 400..500))
}

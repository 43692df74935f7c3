//! Why a chore did not get done, and the exit code that says so.

use std::fmt;
use std::io;
use std::process::ExitCode;

pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// The reason in words, and what the process ends with.
#[derive(Debug)]
pub(crate) struct Failure {
    reason: String,
    code: u8,
}

impl Failure {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            code: 1,
        }
    }

    /// The chore was asked for in a way it does not understand.
    pub(crate) fn usage(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            code: 2,
        }
    }

    /// A program ended with `code`, none when a signal ended it: the chore ends with the same.
    pub(crate) fn of_program(program: &str, code: Option<i32>) -> Self {
        let reason = code.map_or_else(
            || format!("{program} was ended by a signal"),
            |code| format!("{program} failed with exit code {code}"),
        );
        let code = code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
        Self { reason, code }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// Says which file or program an I/O error is about.
pub(crate) trait About<T> {
    fn about(self, subject: impl fmt::Display) -> Result<T>;
}

impl<T> About<T> for io::Result<T> {
    fn about(self, subject: impl fmt::Display) -> Result<T> {
        self.map_err(|error| Failure::new(format!("{subject}: {error}")))
    }
}

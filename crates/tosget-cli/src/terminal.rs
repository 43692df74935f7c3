//! What terminals are like, that behind stderr above all.

use std::env;
use std::io::{IsTerminal, stderr};

/// The width of terminals that don't tell theirs.
const USUAL_COLUMNS: usize = 80;

/// Whether it is a terminal that can draw over a line.
pub(crate) fn is_capable(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Whether it shows colours, and its user wants to see them.
pub(crate) fn is_colored(stream: &impl IsTerminal) -> bool {
    is_capable(stream) && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The width now of the terminal behind stderr.
#[cfg(unix)]
pub(crate) fn columns() -> usize {
    match rustix::termios::tcgetwinsize(stderr()) {
        Ok(size) if size.ws_col > 0 => usize::from(size.ws_col),
        _ => USUAL_COLUMNS,
    }
}

/// Its width now.
#[cfg(not(unix))]
pub(crate) fn columns() -> usize {
    USUAL_COLUMNS
}

/// Whether the terminal behind stderr is this process's to draw on: a job in the background leaves it to the shell.
#[cfg(unix)]
pub(crate) fn is_ours() -> bool {
    // A terminal that is not the one that controls this process can't tell, and has no jobs.
    rustix::termios::tcgetpgrp(stderr()).map_or(true, |foreground| foreground == rustix::process::getpgrp())
}

/// Whether it is this process's to draw on.
#[cfg(not(unix))]
pub(crate) fn is_ours() -> bool {
    true
}

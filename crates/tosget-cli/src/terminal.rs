//! What the terminal behind stderr is like.

use std::env;
use std::io::{IsTerminal, stderr};

/// The width of terminals that don't tell theirs.
const USUAL_COLUMNS: usize = 80;

/// Whether it is a terminal that can draw over a line.
pub(crate) fn is_capable() -> bool {
    stderr().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Its width now.
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

/// Whether it is this process's to draw on: a job in the background leaves it to the shell.
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

//! The library's log, where it was asked for. It holds no secrets: the library sees to that.

use tracing_subscriber::filter::{FilterExt, LevelFilter, Targets, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::console::Console;

/// Starts to log to the console: what was found and decided, and what had to be tried again (`-v`); each request
/// (`-vv`); each connection (`-vvv`).
pub(crate) fn start(verbose: u8, console: &Console) {
    let level = match verbose {
        0 => return,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    // There is one download only, so no line needs to say which it is about.
    let not_which = filter_fn(|metadata| metadata.is_event() || metadata.name() != "download");
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(console.clone())
        .with_filter(Targets::new().with_target("tosget", level).and(not_which));
    tracing_subscriber::registry().with(lines).init();
}

//! The library's log, where it was asked for. It holds no secrets: the library sees to that.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::console::Console;

/// Starts to log to the console: nothing, warnings (`-v`), or every request (`-vv`).
pub(crate) fn start(verbose: u8, console: &Console) {
    let level = match verbose {
        0 => return,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(console.clone());
    tracing_subscriber::registry()
        .with(lines)
        .with(Targets::new().with_target("tosget", level))
        .init();
}

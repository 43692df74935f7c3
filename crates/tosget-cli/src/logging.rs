//! The library's log, where it was asked for, and that it waits in any case. It holds no secrets: the library sees to that.

use std::fmt;
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{FilterExt, LevelFilter, Targets, filter_fn};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::console::{Console, Tone};
use crate::human;
use crate::report::Voice;

/// Starts to log to the console: what was found and decided, and what had to be tried again (`-v`); each request
/// (`-vv`); each connection (`-vvv`). In words, and without being asked, that it waits for the service and why.
pub(crate) fn start(verbose: u8, voice: Voice, console: &Console) {
    let level = match verbose {
        0 if voice != Voice::Words => return,
        0 => {
            let waits =
                Waits(console.clone()).with_filter(Targets::new().with_target(WAIT, LevelFilter::WARN));
            return tracing_subscriber::registry().with(waits).init();
        }
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

/// Where the library says that it waits.
const WAIT: &str = "tosget::wait";

/// Says so in words.
#[derive(Debug)]
struct Waits(Console);

impl<S: Subscriber> Layer<S> for Waits {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut wait = Wait::default();
        event.record(&mut wait);
        let left = human::span(Duration::from_secs(wait.left_s));
        let text = format!("{}; trying again for up to {left}", wait.error);
        self.0.say(Tone::Advice, "waiting:", &text);
    }
}

#[derive(Debug, Default)]
struct Wait {
    error: String,
    left_s: u64,
}

impl Visit for Wait {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "left_s" {
            self.left_s = value;
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "error" {
            self.error = format!("{value:?}");
        }
    }
}

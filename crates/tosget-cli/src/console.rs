//! Everything that is said on stderr goes through here, so that lines and the progress line don't overwrite each other.
//!
//! Saying never fails: a terminal that hung up, or a closed stderr, must not end a download.

use std::env;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

use crate::printable::{printable, printable_lines};
use crate::terminal;

const ERASE_LINE: &str = "\r\u{1b}[K";

/// stderr. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Console(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Whether a line can be drawn over.
    can_redraw: bool,
    color: bool,
    /// Whether the cursor stands behind a progress line.
    drawn: Mutex<bool>,
}

/// What a label is about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tone {
    Bad,
    Good,
    Advice,
}

impl Console {
    pub(crate) fn new() -> Self {
        let can_redraw = terminal::is_capable();
        Self(Arc::new(Inner {
            can_redraw,
            color: can_redraw && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            drawn: Mutex::new(false),
        }))
    }

    /// Whether [`draw`](Self::draw) can work.
    pub(crate) fn can_redraw(&self) -> bool {
        self.0.can_redraw
    }

    /// One line: a label, and text that may come from outside.
    pub(crate) fn say(&self, tone: Tone, label: &str, text: &str) {
        self.write_lines(&format!("{} {}\n", self.paint(tone, label), printable(text)));
    }

    /// One line of detail to the line before.
    pub(crate) fn detail(&self, label: &str, text: &str) {
        self.write_lines(&format!("  {label} {}\n", printable(text)));
    }

    /// Some lines of text.
    pub(crate) fn say_lines(&self, text: &str) {
        self.write_lines(&format!("{}\n", printable_lines(text)));
    }

    /// Draws a progress line over the one before. It must be shorter than the terminal is wide.
    pub(crate) fn draw(&self, line: &str) {
        let mut drawn = self.0.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        *drawn = true;
        let _ = io::stderr().write_all(format!("\r{line}\u{1b}[K").as_bytes());
    }

    /// Takes the progress line away.
    pub(crate) fn erase(&self) {
        self.write_lines("");
    }

    /// Leaves the terminal fit for use before the process ends at once, whatever another thread is doing with it.
    pub(crate) fn abandon(&self) {
        if self.0.can_redraw {
            let _ = io::stderr().write_all(b"\n");
        }
    }

    fn write_lines(&self, text: &str) {
        let mut drawn = self.0.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        let erase = if *drawn { ERASE_LINE } else { "" };
        *drawn = false;
        let _ = io::stderr().write_all(format!("{erase}{text}").as_bytes());
    }

    fn paint(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            _ if !self.0.color => return text.to_owned(),
            Tone::Bad => "1;31",
            Tone::Good => "1;32",
            Tone::Advice => "1;36",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Log lines go between the others.
impl<'a> MakeWriter<'a> for Console {
    type Writer = LogWriter<'a>;

    fn make_writer(&'a self) -> LogWriter<'a> {
        LogWriter(self)
    }
}

#[derive(Debug)]
pub(crate) struct LogWriter<'a>(&'a Console);

impl Write for LogWriter<'_> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.0
            .write_lines(&printable_lines(&String::from_utf8_lossy(event)));
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

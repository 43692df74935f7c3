//! Everything that is said on stderr goes through here, so that lines and the progress line don't overwrite each other.
//!
//! Saying never fails and never waits: a pipe that nobody reads or a terminal that is stopped must not hold a download up. A
//! thread of its own writes what waits in a [`Queue`].

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

use crate::printable::{printable, printable_lines};
use crate::stream::Stream;
use crate::terminal;

const ERASE_LINE: &str = "\r\u{1b}[K";

/// How many bytes may wait before log lines are dropped: some seconds of `-vv`.
const LOG_ROOM: usize = 1 << 20;

/// … and before anything is. What is said finds room where the log finds none.
const ROOM: usize = 2 << 20;

/// Bytes of one write. Whoever waits for the end can tell by them that somebody reads.
const PIECE: usize = 4096;

/// How long to wait at the end for somebody to read a piece …
const PATIENCE: Duration = Duration::from_millis(500);
/// … and for all of it.
const LONGEST: Duration = Duration::from_secs(3);

/// How long a last line may hold up an end that is wanted at once.
const AT_ONCE: Duration = Duration::from_millis(100);

/// stderr. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Console(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Whether a line can be drawn over.
    can_redraw: bool,
    color: bool,
    queue: Mutex<Queue>,
    /// There is something to write, or a piece is written.
    changed: Condvar,
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
        Self(Arc::new(Inner {
            can_redraw: terminal::is_capable(&io::stderr()),
            color: terminal::is_colored(&io::stderr()),
            queue: Mutex::default(),
            changed: Condvar::new(),
        }))
    }

    /// Whether [`draw`](Self::draw) can work.
    pub(crate) fn can_redraw(&self) -> bool {
        self.0.can_redraw
    }

    /// One line: a label, and text that may come from outside.
    pub(crate) fn say(&self, tone: Tone, label: &str, text: &str) {
        self.write_lines(
            &format!("{} {}\n", self.paint(tone, label), printable(text)),
            ROOM,
        );
    }

    /// One line of detail to the line before.
    pub(crate) fn detail(&self, label: &str, text: &str) {
        self.write_lines(&format!("  {label} {}\n", printable(text)), ROOM);
    }

    /// Some lines of text.
    pub(crate) fn say_lines(&self, text: &str) {
        self.write_lines(&format!("{}\n", printable_lines(text)), ROOM);
    }

    /// Draws a progress line over the one before. It must be shorter than the terminal is wide.
    pub(crate) fn draw(&self, line: String) {
        self.change(|queue| queue.draw(line));
    }

    /// Takes the progress line away.
    pub(crate) fn erase(&self) {
        self.change(Queue::erase);
    }

    /// Ends a progress line as it stands, whoever drew it. Waits a moment until that is written.
    pub(crate) fn abandon(&self) {
        if self.0.can_redraw {
            self.change(Queue::abandon);
            self.wait(AT_ONCE);
        }
    }

    /// Waits until everything is written, as long as somebody reads.
    pub(crate) fn finish(&self) {
        self.wait(PATIENCE);
    }

    fn wait(&self, patience: Duration) {
        let began = Instant::now();
        let mut queue = self.0.queue();
        while !queue.is_done() && began.elapsed() < LONGEST {
            let before = queue.pieces;
            let (now, waited) = self
                .0
                .changed
                .wait_timeout(queue, patience)
                .unwrap_or_else(PoisonError::into_inner);
            if waited.timed_out() && now.pieces == before {
                return;
            }
            queue = now;
        }
    }

    fn write_lines(&self, text: &str, room: usize) {
        self.change(|queue| queue.push(text, room));
    }

    fn change(&self, change: impl FnOnce(&mut Queue)) {
        let mut queue = self.0.queue();
        change(&mut queue);
        if queue.has_thread.is_none() {
            let inner = self.0.clone();
            let thread = thread::Builder::new().name("stderr".into());
            queue.has_thread = Some(thread.spawn(move || inner.write()).is_ok());
        }
        if queue.has_thread == Some(true) {
            self.0.changed.notify_all();
        } else if let Some(text) = queue.take() {
            // The system grants no thread.
            let _ = Stream::Stderr.write_all(text.as_bytes());
            queue.is_writing = false;
        }
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

impl Inner {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes whatever comes, for as long as the process lives.
    fn write(&self) {
        loop {
            for piece in self.next().as_bytes().chunks(PIECE) {
                // A stream that can't be written to is nobody's concern.
                let _ = Stream::Stderr.write_all(piece);
                self.queue().pieces += 1;
                self.changed.notify_all();
            }
        }
    }

    fn next(&self) -> String {
        let mut queue = self.queue();
        loop {
            if let Some(text) = queue.take() {
                return text;
            }
            queue.is_writing = false;
            self.changed.notify_all();
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// What waits to be written: lines in their order, and behind them the newest progress line.
#[derive(Debug, Default)]
struct Queue {
    lines: String,
    /// Lines that found no room since the last ones that did.
    dropped: u64,
    progress: Option<String>,
    /// The progress line on the terminal has to go.
    erases: bool,
    /// Whether the cursor stands behind a progress line once everything that was taken is written.
    is_drawn: bool,
    /// Whether something was taken that may not be written yet.
    is_writing: bool,
    /// Pieces that were written.
    pieces: u64,
    /// Whether a thread writes. `None` if none was asked for.
    has_thread: Option<bool>,
}

impl Queue {
    /// Adds whole lines, unless more than `room` waits then.
    fn push(&mut self, lines: &str, room: usize) {
        if self.lines.len() + lines.len() > room {
            self.dropped += lines.lines().count() as u64;
            return;
        }
        self.tell_dropped();
        self.lines.push_str(lines);
    }

    /// Says it in the place of what is missing.
    fn tell_dropped(&mut self) {
        match mem::take(&mut self.dropped) {
            0 => {}
            1 => self.lines.push_str("… 1 line dropped: stderr was not read\n"),
            lines => self
                .lines
                .push_str(&format!("… {lines} lines dropped: stderr was not read\n")),
        }
    }

    fn draw(&mut self, line: String) {
        self.progress = Some(line);
    }

    fn erase(&mut self) {
        self.progress = None;
        self.erases = true;
    }

    fn abandon(&mut self) {
        self.progress = None;
        self.is_drawn = false;
        self.lines.push('\n');
    }

    /// Takes all that waits.
    fn take(&mut self) -> Option<String> {
        self.tell_dropped();
        let mut text = String::new();
        if mem::take(&mut self.erases) || !self.lines.is_empty() {
            text.push_str(if mem::take(&mut self.is_drawn) {
                ERASE_LINE
            } else {
                ""
            });
            text.push_str(&mem::take(&mut self.lines));
        }
        if let Some(line) = self.progress.take() {
            text.push_str(&format!("\r{line}\u{1b}[K"));
            self.is_drawn = true;
        }
        self.is_writing |= !text.is_empty();
        (!text.is_empty()).then_some(text)
    }

    fn is_done(&self) -> bool {
        let is_empty = self.lines.is_empty() && self.progress.is_none() && self.dropped == 0;
        is_empty && !self.is_writing
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
            .write_lines(&printable_lines(&String::from_utf8_lossy(event)), LOG_ROOM);
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(queue: &mut Queue) -> String {
        queue.take().unwrap_or_default()
    }

    #[test]
    fn of_progress_lines_only_the_newest_is_drawn_and_behind_the_lines() {
        let mut queue = Queue::default();
        queue.draw("1 %".to_owned());
        queue.push("log\n", ROOM);
        queue.draw("2 %".to_owned());
        assert_eq!(take(&mut queue), "log\n\r2 %\u{1b}[K");
        queue.push("log\n", ROOM);
        assert_eq!(take(&mut queue), format!("{ERASE_LINE}log\n"));
        queue.draw("3 %".to_owned());
        assert_eq!(take(&mut queue), "\r3 %\u{1b}[K");
        queue.draw("4 %".to_owned());
        queue.erase();
        assert_eq!(take(&mut queue), ERASE_LINE);
        queue.erase();
        assert_eq!(queue.take(), None);
    }

    #[test]
    fn an_abandoned_line_stays() {
        let mut queue = Queue::default();
        queue.draw("1 %".to_owned());
        assert_eq!(take(&mut queue), "\r1 %\u{1b}[K");
        queue.draw("2 %".to_owned());
        queue.abandon();
        queue.push("interrupted\n", ROOM);
        assert_eq!(take(&mut queue), "\ninterrupted\n");
    }

    #[test]
    fn lines_that_find_no_room_are_counted_in_their_place() {
        let mut queue = Queue::default();
        for line in ["first\n", "second\n", "third\nand more\n"] {
            queue.push(line, 6);
        }
        queue.push("said\n", 100);
        queue.push("fourth\n", 6);
        let told =
            "first\n… 3 lines dropped: stderr was not read\nsaid\n… 1 line dropped: stderr was not read\n";
        assert_eq!(take(&mut queue), told);
        queue.push("fifth\n", 6);
        assert_eq!(take(&mut queue), "fifth\n");
    }
}

//! The progress line on a terminal: looks at the progress ten times a second and draws what it sees.
//!
//! It has a thread of its own, since a terminal may be stopped (Ctrl-S) for as long as its user likes, and the download
//! must go on meanwhile.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::console::Console;
use crate::terminal;

const REDRAW: Duration = Duration::from_millis(100);

/// A progress line that is being drawn. Dropped, it goes.
#[derive(Debug)]
pub(crate) struct Meter {
    console: Console,
    drawing: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Meter {
    /// Draws the line of each moment until it is dropped, if stderr can be drawn on.
    pub(crate) fn start(console: &Console, mut line: impl FnMut() -> String + Send + 'static) -> Self {
        let console = console.clone();
        if !console.can_redraw() {
            return Self::hidden(&console);
        }
        let (stop, stopped) = channel();
        let canvas = console.clone();
        let thread = thread::Builder::new().name("progress".into()).spawn(move || {
            while stopped.recv_timeout(REDRAW) == Err(RecvTimeoutError::Timeout) {
                let line = line();
                if terminal::is_ours() {
                    canvas.draw(&line);
                }
            }
        });
        Self {
            console,
            // Without a thread to spare there is no progress line, that is all.
            drawing: thread.ok().map(|thread| (stop, thread)),
        }
    }

    /// Draws nothing.
    pub(crate) fn hidden(console: &Console) -> Self {
        Self {
            console: console.clone(),
            drawing: None,
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.drawing.take() {
            drop(stop);
            // It can't panic, and if it did, there would be nothing to do about it.
            let _ = thread.join();
            self.console.erase();
        }
    }
}

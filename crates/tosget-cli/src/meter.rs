//! The progress line on a terminal: looks at the progress ten times a second and draws what it sees.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::console::Console;
use crate::terminal;

const REDRAW: Duration = Duration::from_millis(100);

/// A progress line that is being drawn. Dropped, it goes.
#[derive(Debug)]
pub(crate) struct Meter(Option<(Console, JoinHandle<()>)>);

impl Meter {
    /// Draws the line of each moment until it is dropped, if stderr can be drawn on. Needs the runtime.
    pub(crate) fn start(console: &Console, mut line: impl FnMut() -> String + Send + 'static) -> Self {
        if !console.can_redraw() {
            return Self::hidden();
        }
        let canvas = console.clone();
        let drawing = tokio::spawn(async move {
            loop {
                sleep(REDRAW).await;
                let line = line();
                if terminal::is_ours() {
                    canvas.draw(line);
                }
            }
        });
        Self(Some((console.clone(), drawing)))
    }

    /// Draws nothing.
    pub(crate) fn hidden() -> Self {
        Self(None)
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some((console, drawing)) = self.0.take() {
            // It runs on the thread that drops this, so it draws nothing any more.
            drawing.abort();
            console.erase();
        }
    }
}

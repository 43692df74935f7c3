//! stdout, where results go. A thread of its own writes them, so that a signal also ends a command whose reader does not read.

use std::io;
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use crate::failure::Failure;
use crate::stream::Stream;

/// Results that may wait for their reader. Then whoever makes them waits.
const WAITING: usize = 1024;

/// How long a reader may still take once a signal asked for an end.
const GRACE: Duration = Duration::from_millis(500);

/// Why a result is not on stdout.
#[derive(Debug)]
pub(crate) enum Unwritten {
    /// The reader left: it has seen enough.
    Left,
    /// Nobody read it until a signal came.
    Unread,
    Failed(io::Error),
}

impl Unwritten {
    /// What there is to tell.
    pub(crate) fn failure(&self, what: &str) -> Option<Failure> {
        match self {
            Self::Left => None,
            Self::Unread => Some(Failure::interrupted("nobody reads standard output")),
            Self::Failed(error) => {
                let message = format!("cannot write {what} to standard output");
                Some(Failure::of_the_system(message, error))
            }
        }
    }
}

impl From<io::Error> for Unwritten {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Left,
            _ => Self::Failed(error),
        }
    }
}

/// Prints before there is a runtime, when signals still end the process.
pub(crate) fn print_now(text: &str) -> Result<(), Unwritten> {
    Ok(Stream::Stdout.write_all(text.as_bytes())?)
}

/// Prints, and waits until all of it is written; once `told` completes, no longer than [`GRACE`].
pub(crate) async fn print(text: String, told: impl Future<Output = ()>) -> Result<(), Unwritten> {
    let mut output = Output::start();
    let written = async {
        output.print(text).await?;
        output.finish().await
    };
    unless_told(written, told).await
}

/// Waits for `written`; once `told` completes, no longer than [`GRACE`].
pub(crate) async fn unless_told(
    written: impl Future<Output = io::Result<()>>,
    told: impl Future<Output = ()>,
) -> Result<(), Unwritten> {
    let patience = async {
        told.await;
        sleep(GRACE).await;
    };
    tokio::select! {
        biased;
        written = written => Ok(written?),
        () = patience => Err(Unwritten::Unread),
    }
}

/// stdout, for as long as somebody prints to it.
#[derive(Debug)]
pub(crate) enum Output {
    Thread {
        texts: mpsc::Sender<String>,
        ended: oneshot::Receiver<io::Result<()>>,
    },
    /// The system grants no thread: who prints waits for the reader.
    Here,
}

impl Output {
    pub(crate) fn start() -> Self {
        let (texts, waiting) = mpsc::channel(WAITING);
        let (end, ended) = oneshot::channel();
        let thread = thread::Builder::new().name("stdout".into()).spawn(move || {
            // Nobody may be left who wants to know.
            let _ = end.send(write_each(waiting));
        });
        match thread {
            Ok(_) => Self::Thread { texts, ended },
            Err(_) => Self::Here,
        }
    }

    /// Waits for room, not until it is written. Nothing may be printed after an error.
    pub(crate) async fn print(&mut self, text: String) -> io::Result<()> {
        match self {
            Self::Here => Stream::Stdout.write_all(text.as_bytes()),
            Self::Thread { texts, ended } => match texts.send(text).await {
                Ok(()) => Ok(()),
                Err(_) => ended.await.unwrap_or(Ok(())),
            },
        }
    }

    /// Waits until all of it is written.
    pub(crate) async fn finish(self) -> io::Result<()> {
        let Self::Thread { texts, ended } = self else {
            return Ok(());
        };
        drop(texts);
        // The thread can't panic.
        ended.await.unwrap_or(Ok(()))
    }
}

fn write_each(mut texts: mpsc::Receiver<String>) -> io::Result<()> {
    while let Some(text) = texts.blocking_recv() {
        Stream::Stdout.write_all(text.as_bytes())?;
    }
    Ok(())
}

//! One process `tosget get`, from its start to its end.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::command::as_typed;

/// How long between two looks at a process.
const TICK: Duration = Duration::from_millis(2);

/// A process that was started.
pub(crate) struct Run {
    child: Child,
    typed: String,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// How it ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) how: How,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// What was typed, to be repeated.
    pub(crate) typed: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum How {
    Code(i32),
    Signal(i32),
    /// It had to be killed, since it did not end in all the time that it was given.
    NotAtAll,
}

impl Run {
    /// Starts it; what it says goes into files called `name`, where no full pipe can hold it up.
    pub(crate) fn start(command: &mut Command, name: &Path) -> io::Result<Self> {
        let (stdout, stderr) = (name.with_extension("stdout"), name.with_extension("stderr"));
        command
            .stdin(Stdio::null())
            .stdout(File::create(&stdout)?)
            .stderr(File::create(&stderr)?);
        Ok(Self {
            child: command.spawn()?,
            typed: as_typed(command),
            stdout,
            stderr,
        })
    }

    /// Whether it came to an end of its own within `time`.
    pub(crate) fn ends_within(&mut self, time: Duration) -> io::Result<bool> {
        let deadline = Instant::now() + time;
        loop {
            if self.child.try_wait()?.is_some() {
                return Ok(true);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            sleep(left.min(TICK));
        }
    }

    /// A process that has ended but was not waited for takes any signal, so there is no race to lose.
    pub(crate) fn signal(&mut self, signal: Signal) -> io::Result<()> {
        if self.child.try_wait()?.is_none() {
            kill_process(Pid::from_child(&self.child), signal)?;
        }
        Ok(())
    }

    /// Waits for its end, and kills it after `limit`.
    pub(crate) fn end(mut self, limit: Duration) -> io::Result<Ended> {
        let in_time = self.ends_within(limit)?;
        if !in_time {
            self.child.kill()?;
        }
        let status = self.child.wait()?;
        let text = |path: &PathBuf| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok(Ended {
            how: if in_time { how(status) } else { How::NotAtAll },
            stdout: text(&self.stdout)?,
            stderr: text(&self.stderr)?,
            typed: self.typed.clone(),
        })
    }
}

fn how(status: ExitStatus) -> How {
    match (status.code(), status.signal()) {
        (Some(code), _) => How::Code(code),
        (None, signal) => How::Signal(signal.unwrap_or_default()),
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    pub(crate) fn is_done(&self) -> bool {
        self.how == How::Code(0)
    }

    /// Whether this is in what it said, to people or as JSON.
    pub(crate) fn said(&self, words: &str) -> bool {
        self.stderr.contains(words) || self.stdout.contains(words)
    }

    /// A number of the JSON object that it printed.
    pub(crate) fn number(&self, name: &str) -> u64 {
        let told: Value = serde_json::from_str(&self.stdout).unwrap_or_default();
        told[name].as_u64().unwrap_or_default()
    }
}

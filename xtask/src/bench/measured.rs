//! One run of a program, measured from outside by the kernel's own account of the process and its children.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use wait4::Wait4;

use crate::failure::{About, Failure, Result};

/// What one run cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) wall: Duration,
    /// User and system time of the process and the children it waited for, not of the server.
    pub(crate) cpu: Duration,
    /// The system time in it: what the kernel did for the program.
    pub(crate) kernel: Duration,
    /// Of the largest of these processes.
    pub(crate) peak_rss_bytes: u64,
}

/// A run that succeeded.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) sample: Sample,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Looks at a process, by its id, that has been running for so long.
pub(crate) type Look<'a> = &'a (dyn Fn(u32, Duration) + Sync);

/// How often a running program is looked at, where somebody looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

pub(crate) fn run(name: &str, command: &mut Command, look: Option<Look<'_>>) -> Result<Run> {
    let subject = "a temporary file";
    let (stdout, stderr) = (tempfile::NamedTempFile::new(), tempfile::NamedTempFile::new());
    let (stdout, stderr) = (stdout.about(subject)?, stderr.about(subject)?);
    command
        .stdin(Stdio::null())
        .stdout(stdout.reopen().about(subject)?)
        .stderr(stderr.reopen().about(subject)?);
    let start = Instant::now();
    let mut child = command.spawn().about(name)?;
    let id = child.id();
    let (used, wall) = thread::scope(|scope| {
        let (done, over) = channel::<()>();
        if let Some(look) = look {
            scope.spawn(move || {
                look(id, start.elapsed());
                while over.recv_timeout(LOOK_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                    look(id, start.elapsed());
                }
            });
        }
        let used = child.wait4();
        drop(done);
        (used, start.elapsed())
    });
    let used = used.about(name)?;
    let read = |file: &tempfile::NamedTempFile| fs::read(file.path()).about(subject);
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let (stdout, stderr) = (text(read(&stdout)?), text(read(&stderr)?));
    if !used.status.success() {
        let failure = Failure::of_program(name, used.status.code());
        return Err(Failure::new(format!(
            "{failure}: {}",
            last_words(&stderr, &stdout)
        )));
    }
    let sample = Sample {
        wall,
        cpu: used.rusage.utime + used.rusage.stime,
        kernel: used.rusage.stime,
        peak_rss_bytes: used.rusage.maxrss,
    };
    Ok(Run {
        sample,
        stdout,
        stderr,
    })
}

/// The last line that a program said, which is where the reason tends to be.
fn last_words(stderr: &str, stdout: &str) -> String {
    let last = |text: &str| {
        text.lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .map(str::to_owned)
    };
    let words = last(stderr).or_else(|| last(stdout)).unwrap_or_default();
    words.trim().chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_has_the_last_words_of_the_program() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo one >&2; echo two >&2; exit 3"]);
        let failure = run("sh", &mut command, None).expect_err("exit code 3");
        assert_eq!(failure.to_string(), "sh failed with exit code 3: two");
    }

    #[test]
    fn what_runs_is_looked_at() {
        let looks = std::sync::atomic::AtomicU32::new(0);
        let look = |_: u32, _: Duration| {
            looks.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        };
        let run = run("true", &mut Command::new("true"), Some(&look)).expect("it succeeds");
        assert!(looks.into_inner() >= 1 && run.stdout.is_empty());
    }
}

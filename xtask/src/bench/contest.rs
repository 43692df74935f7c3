//! Programs run in turns, each turn measured from outside by the kernel's own account of the process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use wait4::Wait4;

use crate::bench::served_file::ServedFile;
use crate::command;
use crate::failure::{About, Failure, Result};

/// A program that brings the file to `destination`.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    /// What it does beyond, or short of, moving bytes.
    pub(crate) remark: &'static str,
    pub(crate) command: Box<dyn Fn(&Path) -> Command>,
    /// Whether what it printed shows that it did what `remark` says.
    pub(crate) confirm: fn(&str) -> Result<()>,
}

/// What one run cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) wall: Duration,
    /// User and system time of the process, not of the server.
    pub(crate) cpu: Duration,
    pub(crate) peak_rss_bytes: u64,
}

/// The samples of one contestant, a sample a round.
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) remark: &'static str,
    pub(crate) typed: String,
    pub(crate) samples: Vec<Sample>,
}

/// Runs the contestants by turns, so that a machine that slows down slows all of them, and checks every file.
pub(crate) fn hold(
    contestants: &[Contestant],
    rounds: u32,
    file: &ServedFile,
    directory: &Path,
) -> Result<Vec<Series>> {
    let destination = directory.join("destination.bin");
    let mut all: Vec<Series> = contestants
        .iter()
        .map(|contestant| Series {
            name: contestant.name,
            remark: contestant.remark,
            typed: command::as_typed(&(contestant.command)(&destination)),
            samples: Vec::new(),
        })
        .collect();
    for round in 0..=rounds {
        for (contestant, series) in contestants.iter().zip(&mut all) {
            let sample = run_once(contestant, file, &destination)?;
            // The first round is for caches, connections and frequency scaling to settle.
            let is_counted = round > 0;
            println!(
                "round {round} {:20} {:6.3} s wall {:6.3} s CPU{}",
                series.name,
                sample.wall.as_secs_f64(),
                sample.cpu.as_secs_f64(),
                if is_counted {
                    ""
                } else {
                    "  (warm-up, not counted)"
                }
            );
            if is_counted {
                series.samples.push(sample);
            }
        }
    }
    Ok(all)
}

fn run_once(contestant: &Contestant, file: &ServedFile, destination: &PathBuf) -> Result<Sample> {
    let printed = tempfile::NamedTempFile::new().about("a temporary file")?;
    let output = printed.reopen().about("a temporary file")?;
    let mut command = (contestant.command)(destination);
    command.stdin(Stdio::null()).stdout(output);
    let start = Instant::now();
    let mut child = command.spawn().about(contestant.name)?;
    let used = child.wait4().about(contestant.name)?;
    let wall = start.elapsed();
    if !used.status.success() {
        return Err(Failure::of_program(contestant.name, used.status.code()));
    }
    let printed = fs::read_to_string(printed.path()).about("a temporary file")?;
    (contestant.confirm)(&printed)?;
    file.expect_copy_at(destination)?;
    fs::remove_file(destination).about(destination.display())?;
    Ok(Sample {
        wall,
        cpu: used.rusage.utime + used.rusage.stime,
        peak_rss_bytes: used.rusage.maxrss,
    })
}

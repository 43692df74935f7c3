//! `cargo xtask soak`: downloads that are killed, corrupted and resumed at random, against a server that fails at random.
//!
//! Each story ends with a run that nothing disturbs, and after it the file must be the object and nothing else be left.

mod content;
mod emulator;
mod fault;
mod odd;
mod play;
mod report;
mod run;
mod story;
mod tampering;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{About, Failure, Result};
use crate::workspace::Workspace;
use emulator::Emulator;
use play::Player;
use report::Tally;
use story::Story;

/// What was asked for.
struct Settings {
    time: Duration,
    seed: u64,
    /// Stories at a time: most of them wait for something.
    jobs: usize,
    /// Only this one.
    story: Option<u64>,
}

/// `[--minutes N] [--seed S] [--jobs N] [--story N]`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let settings = Settings::read(arguments)?;
    let workspace = Workspace::locate()?;
    workspace.build_release(&["tos-emulator", "tosget-cli"])?;
    let scratch = workspace.target().join("soak");
    // What an earlier soak left was for whoever looked into it.
    let _ = fs::remove_dir_all(&scratch);
    println!("seed {}", settings.seed);
    let library = odd::library(&scratch)?;
    if library.is_none() {
        println!("without a C compiler for Linux, most odd systems are left out");
    }
    let tally = settings.soak(&workspace, &scratch, library.as_deref())?;
    println!("\n{tally}");
    if !tally.findings.is_empty() {
        return Err(Failure::new(format!(
            "{} findings; `cargo xtask soak --seed {} --story N` plays story N again",
            tally.findings.len(),
            settings.seed
        )));
    }
    fs::remove_dir_all(&scratch).about(scratch.display())
}

impl Settings {
    fn read(arguments: &[String]) -> Result<Self> {
        let mut settings = Self {
            time: Duration::from_secs(5 * 60),
            seed: fastrand::u64(..),
            jobs: 4,
            story: None,
        };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let value = words.next().map(String::as_str).unwrap_or_default();
            match word.as_str() {
                "--minutes" => settings.time = minutes(value)?,
                "--seed" => settings.seed = number(word, value)?,
                "--jobs" => settings.jobs = number(word, value)?.clamp(1, 64) as usize,
                "--story" => settings.story = Some(number(word, value)?),
                other => return Err(Failure::usage(format!("soak does not know {other}"))),
            }
        }
        Ok(settings)
    }

    fn soak(&self, workspace: &Workspace, scratch: &Path, library: Option<&Path>) -> Result<Tally> {
        let end = Instant::now() + self.time;
        let next = AtomicU64::new(self.story.unwrap_or(1));
        let sum = Mutex::new(Tally::default());
        let jobs = if self.story.is_some() { 1 } else { self.jobs };
        let work = |job: usize| -> Result<()> {
            let player = player(workspace, scratch.join(format!("job-{job}")), library)?;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let tally = player.play(&Story::draw(self.seed, number))?;
                tally.findings.iter().for_each(|finding| eprintln!("{finding}"));
                sum.lock().expect("no job panics while it adds").add(tally);
                if self.story.is_some() || Instant::now() >= end {
                    break;
                }
            }
            expect_no_complaints(&player)
        };
        thread::scope(|scope| {
            let jobs: Vec<_> = (0..jobs).map(|job| scope.spawn(move || work(job))).collect();
            jobs.into_iter()
                .try_for_each(|job| job.join().expect("no job panics"))
        })?;
        Ok(sum.into_inner().expect("no job panics while it adds"))
    }
}

fn player(workspace: &Workspace, scratch: PathBuf, library: Option<&Path>) -> Result<Player> {
    let program = workspace.release_program("tos-emulator");
    Ok(Player {
        program: workspace.release_program("tosget"),
        with_range_crc: Emulator::start(&program, &scratch.join("with-range-crc"), true)?,
        without_range_crc: Emulator::start(&program, &scratch.join("without-range-crc"), false)?,
        scratch,
        library: library.map(Path::to_owned),
    })
}

fn expect_no_complaints(player: &Player) -> Result<()> {
    for emulator in [&player.with_range_crc, &player.without_range_crc] {
        let complaints = emulator.complaints()?;
        if !complaints.is_empty() {
            return Err(Failure::new(format!("the emulator said: {complaints}")));
        }
    }
    Ok(())
}

fn minutes(text: &str) -> Result<Duration> {
    let minutes = text.parse::<f64>().ok();
    let time = minutes.and_then(|minutes| Duration::try_from_secs_f64(minutes * 60.0).ok());
    time.ok_or_else(|| Failure::usage(format!("--minutes {text}: not a number of minutes")))
}

fn number(flag: &str, text: &str) -> Result<u64> {
    text.parse()
        .map_err(|_| Failure::usage(format!("{flag} {text}: not a number")))
}

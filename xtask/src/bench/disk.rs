//! A very large object to a real disk: what it takes beside the disk itself, and what it does to everybody else's memory.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::bench::contest::{self, Arena, Contestant, Figure, Schedule};
use crate::bench::measured::Run;
use crate::bench::nginx::{Nginx, Site};
use crate::bench::peers::{KEY, Source, Tosget, curl_into_dd, dd, tosget};
use crate::bench::plot::{Plot, PlotLine, PlotPanel};
use crate::bench::report::Report;
use crate::bench::scratch::Scratch;
use crate::bench::served_file::ServedFile;
use crate::bench::{Settings, machine, size_in_words};
use crate::command;
use crate::failure::{About, Result};

const OBJECT_MIB: u64 = 20 << 10;
const SPEED: &str = "MB/s";
const CACHED: &str = "of the file in the page cache, MiB";
const GROWN: &str = "most growth of the page cache, MiB";
const EARLY: &str = "resident after a quarter, MiB";
const LATE: &str = "resident near the end, MiB";

/// What tosget is called with beside the defaults; a line here is a contestant.
const VARIANTS: &[(&str, &str, &[&str])] = &[
    ("tosget", "4 tasks", &["--task-num", "4", "--page-cache", "keep"]),
    (
        "tosget, cache dropped",
        "4 tasks, and the page cache is not to keep what was written",
        &["--task-num", "4", "--page-cache", "drop"],
    ),
];

pub(crate) fn measure(settings: &Settings) -> Result<Report> {
    let len = settings.object_len(OBJECT_MIB);
    let title = format!("{} over loopback HTTP to a disk", size_in_words(len));
    let report = Report::new(title.clone(), &settings.command);
    settings.build()?;
    // In memory, where a hole takes no page even when it is read: on a disk it would fill the page cache under test.
    let served = Scratch::below(Path::new("/dev/shm"))?;
    let default = settings.workspace.target().to_owned();
    let written = Scratch::below(settings.directory.as_deref().unwrap_or(&default))?;
    let file = ServedFile::zeros(&served.object()?, len)?;
    let nginx = Nginx::serve(&Site {
        directory: served.path(),
        crc64: file.crc64,
        tls: None,
    })?;
    let source = Source {
        url: nginx.url(),
        key: KEY.to_owned(),
        file,
        ca_file: None,
    };
    let mut entries = vec![dd(&source), curl_into_dd(&source)];
    entries.extend(VARIANTS.iter().map(|&(name, remark, options)| {
        let program = settings.workspace.release_program("tosget");
        tosget(
            &source,
            &Tosget {
                program,
                name,
                remark,
                options,
            },
        )
    }));
    let schedule = Schedule {
        warm_ups: 0,
        rounds: settings.rounds,
        destination: &written.destination(),
    };
    let arena = Watched {
        len,
        tracks: Mutex::default(),
    };
    let results = contest::hold(entries, &schedule, &arena)?;
    Ok(report
        .with_fact("server", format!("{}, of a file that is one hole", Nginx::in_words()))
        .with_fact("disk", machine::file_system(written.path()))
        .with_fact("before each run", "the last file removed, and `sync`")
        .with_fact("rounds", schedule.in_words())
        .with_fact("check", "length and CRC64 of every copy, outside the measured time")
        .with_chart("disk-20gib-over-time.svg", arena.plot(&title).to_svg())
        .with_results("disk-20gib.svg", results, &[SPEED, CACHED, GROWN, EARLY, LATE])
        .with_note(
            "The bytes are zeros: a disk that compresses or recognises them is faster than with others, for all programs alike. \
             In the plot, the growth of the page cache is that of the whole machine; resident memory is that of the process that was \
             started, which for a pipe is the shell.",
        ))
}

/// Keeps an eye on memory.
struct Watched {
    len: u64,
    /// Of the runs so far, the last one being under way.
    tracks: Mutex<Vec<Track>>,
}

#[derive(Default)]
struct Track {
    name: String,
    is_ours: bool,
    points: Vec<Point>,
}

#[derive(Clone, Copy)]
struct Point {
    seconds: f64,
    /// Of the process.
    resident_mib: f64,
    /// Of the machine.
    cached_mib: f64,
}

impl Track {
    /// By how much there is more in the page cache than at the beginning.
    fn growth(&self, point: &Point) -> f64 {
        let first = self.points.first().map_or(0.0, |first| first.cached_mib);
        (point.cached_mib - first).max(0.0)
    }
}

impl Watched {
    fn tracks(&self) -> MutexGuard<'_, Vec<Track>> {
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first run of each program.
    fn plot(&self, title: &str) -> Plot {
        let tracks = self.tracks();
        let mut names: Vec<&str> = Vec::new();
        let firsts: Vec<&Track> = tracks
            .iter()
            .filter(|track| {
                !names.contains(&track.name.as_str()) && {
                    names.push(&track.name);
                    true
                }
            })
            .collect();
        let lines = |figure: &dyn Fn(&Track, &Point) -> f64| {
            let line = |track: &&Track| PlotLine {
                label: track.name.clone(),
                points: track
                    .points
                    .iter()
                    .map(|point| (point.seconds, figure(track, point)))
                    .collect(),
                in_steps: false,
                is_ours: track.is_ours,
            };
            firsts.iter().map(line).collect()
        };
        Plot {
            title: format!("{title}: memory over time"),
            panels: vec![
                PlotPanel {
                    name: "resident memory of the process, MiB".to_owned(),
                    lines: lines(&|_, point| point.resident_mib),
                    level: None,
                },
                PlotPanel {
                    name: "growth of the page cache, MiB".to_owned(),
                    lines: lines(&Track::growth),
                    level: None,
                },
            ],
        }
    }
}

impl Arena for Watched {
    fn prepare(&self) -> Result<()> {
        command::output_of(&mut Command::new("sync"))?;
        self.tracks().push(Track::default());
        Ok(())
    }

    fn is_watching(&self) -> bool {
        true
    }

    fn look(&self, process: u32, elapsed: Duration) {
        let point = Point {
            seconds: elapsed.as_secs_f64(),
            resident_mib: kib_of(&format!("/proc/{process}/status"), "VmRSS:") / 1024.0,
            cached_mib: kib_of("/proc/meminfo", "Cached:") / 1024.0,
        };
        if let Some(track) = self.tracks().last_mut() {
            track.points.push(point);
        }
    }

    fn figures(&self, contestant: &Contestant, destination: &Path, run: &Run) -> Result<Vec<Figure>> {
        let mut tracks = self.tracks();
        let Some(track) = tracks.last_mut() else {
            return Ok(Vec::new());
        };
        track.name.clone_from(&contestant.name);
        track.is_ours = contestant.is_ours;
        // A process that has ended has no memory.
        track.points.retain(|point| point.resident_mib > 0.0);
        let grown = track.points.iter().map(|point| track.growth(point));
        let grown = grown.fold(0.0, f64::max);
        let at = |share: f64| {
            let index = (track.points.len() as f64 * share) as usize;
            track.points.get(index).map_or(0.0, |point| point.resident_mib)
        };
        Ok(vec![
            (SPEED, self.len as f64 / 1e6 / run.sample.wall.as_secs_f64()),
            (CACHED, cached_bytes(destination)? as f64 / f64::from(1 << 20)),
            (GROWN, grown),
            (EARLY, at(0.25)),
            (LATE, at(0.95)),
        ])
    }
}

/// How much of the file is in the page cache.
fn cached_bytes(path: &Path) -> Result<u64> {
    let mut question = Command::new("fincore");
    question
        .args(["--bytes", "--noheadings", "--output", "RES"])
        .arg(path);
    let said = question
        .output()
        .about("fincore (Debian: apt-get install util-linux-extra)")?;
    Ok(String::from_utf8_lossy(&said.stdout)
        .trim()
        .parse()
        .unwrap_or_default())
}

/// A number of kB that the kernel tells in one of its files; zero where it tells none.
fn kib_of(file: &str, name: &str) -> f64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.unwrap_or(0.0)
}

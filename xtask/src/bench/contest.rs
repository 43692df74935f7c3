//! Programs run in turns, so that a machine that slows down slows all of them, and what each brought is checked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::bench::figures::Order;
use crate::bench::measured::{self, Run, Sample};
use crate::command;
use crate::failure::{About, Result};

/// A program that brings what is served to a destination.
pub(crate) struct Contestant {
    pub(crate) name: String,
    pub(crate) version: String,
    /// How it goes about it.
    pub(crate) remark: String,
    /// What it holds the bytes against before it reports success.
    pub(crate) checks: &'static str,
    /// Ours must not fail; another's failure is a result.
    pub(crate) is_ours: bool,
    pub(crate) command: Box<dyn Fn(&Path) -> Command>,
    /// Whether what it printed shows that it did what it is said to do.
    pub(crate) confirm: fn(&str) -> Result<()>,
    /// Whether the destination has what was served.
    pub(crate) check: Check,
}

impl Contestant {
    /// The command as one would type it, with what it is told by the environment.
    pub(crate) fn typed(&self, destination: &Path) -> String {
        let command = (self.command)(destination);
        let mut words: Vec<String> = Vec::new();
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                words.push(format!("{}={}", name.to_string_lossy(), value.to_string_lossy()));
            }
        }
        words.push(command::as_typed(&command));
        words.join(" ")
    }
}

/// Looks at what came.
pub(crate) type Check = Box<dyn Fn(&Path) -> Result<()>>;

/// A program that should be there and is not, and why.
#[derive(Clone, Debug)]
pub(crate) struct Absent {
    pub(crate) name: String,
    pub(crate) reason: String,
}

pub(crate) type Entry = std::result::Result<Contestant, Absent>;

/// Another figure of a run, named with its unit.
pub(crate) type Figure = (&'static str, f64);

/// What surrounds the runs of a scenario.
pub(crate) trait Arena: Sync {
    /// Before each run.
    fn prepare(&self) -> Result<()> {
        Ok(())
    }

    /// Whether [`look`](Self::look) is wanted.
    fn is_watching(&self) -> bool {
        false
    }

    /// During each run, ten times a second.
    fn look(&self, _process: u32, _elapsed: Duration) {}

    /// After each run, while what it brought is still there.
    fn figures(&self, _contestant: &Contestant, _destination: &Path, _run: &Run) -> Result<Vec<Figure>> {
        Ok(Vec::new())
    }
}

/// The samples of one contestant, a sample a round.
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) remark: String,
    pub(crate) checks: &'static str,
    pub(crate) is_ours: bool,
    pub(crate) typed: String,
    pub(crate) samples: Vec<Sample>,
    /// The arena's figures, a list a round.
    pub(crate) figures: Vec<Vec<Figure>>,
}

pub(crate) struct Results {
    pub(crate) series: Vec<Series>,
    pub(crate) absent: Vec<Absent>,
}

/// How often, and where to.
pub(crate) struct Schedule<'a> {
    /// Rounds that are not counted, for caches and frequency scaling to settle.
    pub(crate) warm_ups: u32,
    pub(crate) rounds: u32,
    pub(crate) destination: &'a Path,
}

impl Schedule<'_> {
    pub(crate) fn in_words(&self) -> String {
        let Self { warm_ups, rounds, .. } = self;
        match warm_ups {
            0 => format!("{rounds} by turns"),
            1 => format!("{rounds} by turns, after one that is not counted"),
            _ => format!("{rounds} by turns, after {warm_ups} that are not counted"),
        }
    }
}

pub(crate) fn hold(entries: Vec<Entry>, schedule: &Schedule<'_>, arena: &dyn Arena) -> Result<Results> {
    let (mut racers, mut absent) = (Vec::new(), Vec::new());
    for entry in entries {
        match entry {
            Ok(contestant) => racers.push((Series::of(&contestant, schedule.destination), contestant)),
            Err(missing) => {
                println!("without {}: {}", missing.name, missing.reason);
                absent.push(missing);
            }
        }
    }
    for round in 0..schedule.warm_ups + schedule.rounds {
        let is_counted = round >= schedule.warm_ups;
        let mut still_in = Vec::new();
        for (mut series, contestant) in racers {
            match run_once(&contestant, schedule.destination, arena) {
                Ok((sample, figures)) => {
                    announce(round, &series.name, sample, &figures, is_counted);
                    if is_counted {
                        series.samples.push(sample);
                        series.figures.push(figures);
                    }
                    still_in.push((series, contestant));
                }
                Err(failure) if contestant.is_ours => return Err(failure),
                Err(failure) => {
                    println!("round {round} {}: {failure}", contestant.name);
                    remove(schedule.destination)?;
                    absent.push(Absent {
                        name: contestant.name,
                        reason: format!(
                            "it failed in round {round}: {failure}; it was run as `{}`",
                            series.typed
                        ),
                    });
                }
            }
        }
        racers = still_in;
    }
    let series = racers.into_iter().map(|(series, _)| series).collect();
    Ok(Results { series, absent })
}

fn run_once(contestant: &Contestant, destination: &Path, arena: &dyn Arena) -> Result<(Sample, Vec<Figure>)> {
    arena.prepare()?;
    let mut command = (contestant.command)(destination);
    let look = |process: u32, elapsed: Duration| arena.look(process, elapsed);
    let run = measured::run(
        &contestant.name,
        &mut command,
        arena.is_watching().then_some(&look as measured::Look<'_>),
    )?;
    (contestant.confirm)(&run.stdout)?;
    let figures = arena.figures(contestant, destination, &run)?;
    (contestant.check)(destination)?;
    remove(destination)?;
    Ok((run.sample, figures))
}

fn announce(round: u32, name: &str, sample: Sample, figures: &[Figure], is_counted: bool) {
    let mut words = format!(
        "round {round} {name:24} {:7.3} s wall {:7.3} s CPU",
        sample.wall.as_secs_f64(),
        sample.cpu.as_secs_f64()
    );
    for (name, figure) in figures {
        words += &format!("  {figure:.2} {name}");
    }
    println!(
        "{words}{}",
        if is_counted {
            ""
        } else {
            "  (warm-up, not counted)"
        }
    );
}

/// Removes what a run brought, whatever it is, and what a run that failed left beside it.
fn remove(destination: &Path) -> Result<()> {
    if destination.is_dir() {
        return fs::remove_dir_all(destination).about(destination.display());
    }
    let Some(directory) = destination.parent() else {
        return Ok(());
    };
    let name = destination
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    for entry in fs::read_dir(directory).about(directory.display())?.flatten() {
        if entry.file_name().to_string_lossy().contains(&name) {
            let path: PathBuf = entry.path();
            if path.is_dir() {
                fs::remove_dir_all(&path).about(path.display())?;
            } else {
                fs::remove_file(&path).about(path.display())?;
            }
        }
    }
    Ok(())
}

impl Series {
    fn of(contestant: &Contestant, destination: &Path) -> Self {
        Self {
            name: contestant.name.clone(),
            version: contestant.version.clone(),
            remark: contestant.remark.clone(),
            checks: contestant.checks,
            is_ours: contestant.is_ours,
            typed: contestant.typed(destination),
            samples: Vec::new(),
            figures: Vec::new(),
        }
    }

    pub(crate) fn wall(&self) -> Option<Order> {
        self.each(|sample| sample.wall.as_secs_f64())
    }

    pub(crate) fn cpu(&self) -> Option<Order> {
        self.each(|sample| sample.cpu.as_secs_f64())
    }

    pub(crate) fn kernel(&self) -> Option<Order> {
        self.each(|sample| sample.kernel.as_secs_f64())
    }

    pub(crate) fn peak_mib(&self) -> Option<Order> {
        self.each(|sample| sample.peak_rss_bytes as f64 / f64::from(1 << 20))
    }

    /// The arena's figure of that name.
    pub(crate) fn figure(&self, name: &str) -> Option<Order> {
        let all = self.figures.iter().flatten();
        Order::of(
            all.filter(|figure| figure.0 == name)
                .map(|figure| figure.1)
                .collect(),
        )
    }

    fn each(&self, figure: impl Fn(&Sample) -> f64) -> Option<Order> {
        Order::of(self.samples.iter().map(figure).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing around the runs.
    struct Bare;

    impl Arena for Bare {}
    use crate::failure::Failure;

    fn shell(name: &str, script: &'static str, is_ours: bool) -> Contestant {
        Contestant {
            name: name.to_owned(),
            version: String::new(),
            remark: String::new(),
            checks: "nothing",
            is_ours,
            command: Box::new(move |destination| {
                let mut command = Command::new("sh");
                command.args(["-c", script, "sh"]).arg(destination);
                command
            }),
            confirm: |_| Ok(()),
            check: Box::new(|path| match fs::read(path) {
                Ok(bytes) if bytes == b"x" => Ok(()),
                _ => Err(Failure::new("not what was served")),
            }),
        }
    }

    #[test]
    fn anothers_failure_is_told_and_ours_ends_the_contest() {
        let directory = tempfile::tempdir().expect("a directory");
        let destination = directory.path().join("file");
        let schedule = Schedule {
            warm_ups: 1,
            rounds: 2,
            destination: &destination,
        };
        let entries = vec![
            Ok(shell("good", "printf x > \"$1\"", true)),
            Ok(shell("wrong", "printf y > \"$1\"", false)),
            Err(Absent {
                name: "none".to_owned(),
                reason: "not here".to_owned(),
            }),
        ];
        let results = hold(entries, &schedule, &Bare).expect("the contest ends");
        assert_eq!(results.series.len(), 1);
        assert_eq!(results.series[0].samples.len(), 2, "the warm-up is not counted");
        let absent: Vec<&str> = results.absent.iter().map(|absent| absent.name.as_str()).collect();
        assert_eq!(absent, ["none", "wrong"]);
        assert!(
            fs::read_dir(directory.path())
                .expect("it is there")
                .next()
                .is_none(),
            "all is removed"
        );
        assert!(hold(vec![Ok(shell("ours", "exit 1", true))], &schedule, &Bare).is_err());
    }
}

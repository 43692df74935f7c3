//! `cargo xtask bench`: scenarios in which tosget is measured against other programs.
//!
//! A scenario is a module with a function that measures and returns a [`Report`], and a line in [`SCENARIOS`].

mod contest;
mod loopback;
mod machine;
mod nginx;
mod report;
mod served_file;

use std::fs;
use std::path::PathBuf;

use crate::bench::report::Report;
use crate::failure::{About, Failure, Result};
use crate::workspace::Workspace;

struct Scenario {
    name: &'static str,
    about: &'static str,
    measure: fn(&Settings) -> Result<Report>,
}

const SCENARIOS: &[Scenario] = &[Scenario {
    name: "loopback-2gib",
    about: "one object of 2 GiB over loopback HTTP to a RAM disk, against curl",
    measure: loopback::measure,
}];

/// Fewer say nothing about the spread.
const FEWEST_ROUNDS: u32 = 5;

/// What the scenarios share.
struct Settings {
    workspace: Workspace,
    rounds: u32,
    /// Where the moved files are.
    directory: PathBuf,
    /// How this run was started, for the report.
    command: String,
}

/// `[SCENARIO]... [--rounds N] [--dir DIR] | --list`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let mut scenarios: Vec<&Scenario> = Vec::new();
    let mut settings = Settings {
        workspace: Workspace::locate()?,
        rounds: FEWEST_ROUNDS,
        directory: PathBuf::from("/dev/shm"),
        command: format!("cargo xtask bench {}", arguments.join(" ")),
    };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let mut value = || {
            let value = words.next();
            value.ok_or_else(|| Failure::usage(format!("{word} needs a value")))
        };
        match word.as_str() {
            "--list" => return list(),
            "--rounds" => settings.rounds = rounds(value()?)?,
            "--dir" => settings.directory = PathBuf::from(value()?),
            name => scenarios.push(named(name)?),
        }
    }
    if scenarios.is_empty() {
        scenarios.extend(SCENARIOS);
    }
    scenarios
        .into_iter()
        .try_for_each(|scenario| settings.record(scenario))
}

impl Settings {
    fn record(&self, scenario: &Scenario) -> Result<()> {
        println!("{}: {}", scenario.name, scenario.about);
        let report = (scenario.measure)(self)?;
        let directory = self.workspace.root().join("bench/results");
        fs::create_dir_all(&directory).about(directory.display())?;
        let path = directory.join(format!("{}.md", scenario.name));
        fs::write(&path, report.to_markdown()).about(path.display())?;
        println!("\n{}\nwritten to {}", report.to_markdown(), path.display());
        Ok(())
    }
}

fn list() -> Result<()> {
    for Scenario { name, about, .. } in SCENARIOS {
        println!("{name}  {about}");
    }
    Ok(())
}

fn named(name: &str) -> Result<&'static Scenario> {
    let found = SCENARIOS.iter().find(|scenario| scenario.name == name);
    found.ok_or_else(|| Failure::usage(format!("there is no scenario {name:?}; --list names them")))
}

fn rounds(text: &str) -> Result<u32> {
    let rounds = text.parse().ok().filter(|&rounds| rounds >= FEWEST_ROUNDS);
    rounds.ok_or_else(|| Failure::usage(format!("--rounds {text}: at least {FEWEST_ROUNDS} are needed")))
}

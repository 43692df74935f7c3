//! `cargo xtask bench`: scenarios in which tosget is measured against other programs.
//!
//! A scenario is a module with a function that measures and returns a [`Report`], and a line in [`SCENARIOS`].

mod certificate;
mod chart;
mod contest;
mod disk;
mod emulator;
mod figures;
mod huge_object;
mod loopback;
mod machine;
mod measured;
mod nginx;
mod peers;
mod plot;
mod report;
mod scratch;
mod served_file;
mod shaped;
mod small_objects;
mod start_up;
mod svg;
mod syscalls;
mod tls;
mod warm;

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

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "loopback-2gib",
        about: "one object of 2 GiB over loopback HTTP to a RAM disk",
        measure: loopback::measure,
    },
    Scenario {
        name: "tls-2gib",
        about: "the same over TLS 1.3",
        measure: tls::measure,
    },
    Scenario {
        name: "disk-20gib",
        about: "one object of 20 GiB to a real disk: time, memory and the page cache, against dd",
        measure: disk::measure,
    },
    Scenario {
        name: "capped-connections",
        about: "each connection gets 20 MB/s, the link 400 MB/s: how much of the link is found",
        measure: shaped::capped_connections,
    },
    Scenario {
        name: "thin-link",
        about: "a link of 100 MB/s, which one connection fills",
        measure: shaped::thin_link,
    },
    Scenario {
        name: "refusing-server",
        about: "a server that answers 503 beyond 16 requests at a time",
        measure: shaped::refusing_server,
    },
    Scenario {
        name: "adaptive-tasks",
        about: "one run with capped connections over time: throughput and number of tasks",
        measure: shaped::adaptive_tasks,
    },
    Scenario {
        name: "small-objects",
        about: "5,000 objects of 16 KiB, listed in a file",
        measure: small_objects::measure,
    },
    Scenario {
        name: "huge-object",
        about: "parts of an object of 1 TiB: what one costs at its beginning, in its middle and at its end",
        measure: huge_object::measure,
    },
    Scenario {
        name: "start-up",
        about: "from the start of the process to the first byte of its request, and the size of the program",
        measure: start_up::measure,
    },
    Scenario {
        name: "syscalls",
        about: "system calls per MiB moved, counted by strace",
        measure: syscalls::measure,
    },
];

/// Fewer say nothing about the spread.
const FEWEST_ROUNDS: u32 = 5;

/// What the scenarios share.
struct Settings {
    workspace: Workspace,
    rounds: u32,
    /// Where the moved files go; each scenario has its default.
    directory: Option<PathBuf>,
    /// Another size of the object than the scenario's.
    mib: Option<u64>,
    /// Where results are written.
    out: Option<PathBuf>,
    /// How this run was started, for the report.
    command: String,
}

/// `[SCENARIO]... [--rounds N] [--dir DIR] [--mib N | --gib N] [--out DIR] | --list`.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let mut scenarios: Vec<&Scenario> = Vec::new();
    let mut settings = Settings {
        workspace: Workspace::locate()?,
        rounds: FEWEST_ROUNDS,
        directory: None,
        mib: None,
        out: None,
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
            "--dir" => settings.directory = Some(PathBuf::from(value()?)),
            "--out" => settings.out = Some(PathBuf::from(value()?)),
            "--mib" => settings.mib = Some(size(word, value()?)?),
            "--gib" => settings.mib = Some(size(word, value()?)? << 10),
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
        let results = self.workspace.root().join("bench/results");
        let directory = self.out.clone().unwrap_or(results);
        fs::create_dir_all(&directory).about(directory.display())?;
        for (file, svg) in report.charts() {
            let path = directory.join(file);
            fs::write(&path, svg).about(path.display())?;
        }
        let path = directory.join(format!("{}.md", scenario.name));
        // Where the workspace is, is nobody's business: its files are named as from its root.
        let root = format!("{}/", self.workspace.root().display());
        let page = report.to_markdown().replace(&root, "");
        fs::write(&path, &page).about(path.display())?;
        println!("\n{page}\nwritten to {}", path.display());
        Ok(())
    }

    /// Builds the programs of the workspace that are measured or serve, always together: apart, their dependencies would
    /// have other features and be built again.
    fn build(&self) -> Result<()> {
        self.workspace.build_release(&["tos-emulator", "tosget-cli"])
    }

    /// Bytes of the object, `default` MiB unless the caller wants another size.
    fn object_len(&self, default_mib: u64) -> u64 {
        self.mib.unwrap_or(default_mib) << 20
    }

    /// Where moved files go in scenarios that want no disk in the way.
    fn memory_directory(&self) -> PathBuf {
        self.directory
            .clone()
            .unwrap_or_else(|| PathBuf::from("/dev/shm"))
    }
}

/// A size in words.
fn size_in_words(len: u64) -> String {
    if len.is_multiple_of(1 << 30) {
        return format!("{} GiB", len >> 30);
    }
    format!("{} MiB", len >> 20)
}

fn list() -> Result<()> {
    for Scenario { name, about, .. } in SCENARIOS {
        println!("{name:20} {about}");
    }
    println!(
        "\nBeside these: python3 bench/python_download.py, the same Python script with and without tosget"
    );
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

fn size(word: &str, text: &str) -> Result<u64> {
    let size = text.parse().ok().filter(|&size| (1..=1 << 20).contains(&size));
    size.ok_or_else(|| Failure::usage(format!("{word} {text}: a whole number from 1 is needed")))
}

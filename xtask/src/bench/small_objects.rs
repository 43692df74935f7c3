//! Many small objects: what a request costs, and how many of them there are.

use std::fs;

use crate::bench::contest::{self, Arena, Contestant, Entry, Figure, Schedule};
use crate::bench::measured::{self, Run};
use crate::bench::nginx::{Nginx, Site};
use crate::bench::peers::{ManySource, Names, Peers, many};
use crate::bench::report::{Report, table};
use crate::bench::scratch::Scratch;
use crate::bench::served_file::ServedFile;
use crate::bench::warm::WarmMemory;
use crate::bench::{Settings, figures};
use crate::failure::{About, Result};

const COUNT: u32 = 5000;
const OBJECT_LEN: u64 = 16 << 10;
const PER_SECOND: &str = "objects per second";

struct Counted<'a> {
    memory: WarmMemory<'a>,
}

impl Arena for Counted<'_> {
    fn prepare(&self) -> Result<()> {
        self.memory.prepare()
    }

    fn figures(&self, _: &Contestant, _: &std::path::Path, run: &Run) -> Result<Vec<Figure>> {
        Ok(vec![(
            PER_SECOND,
            f64::from(COUNT) / run.sample.wall.as_secs_f64(),
        )])
    }
}

pub(crate) fn measure(settings: &Settings) -> Result<Report> {
    let report = Report::new(
        "5,000 objects of 16 KiB over loopback HTTP to a RAM disk",
        &settings.command,
    );
    settings.build()?;
    let scratch = Scratch::below(&settings.memory_directory())?;
    let peers = Peers::ready(settings, &scratch.home());
    let file = lay_out(&scratch)?;
    let nginx = Nginx::serve(&Site {
        directory: scratch.path(),
        crc64: file.crc64,
        tls: None,
    })?;
    let destination = scratch.destination();
    let entries = |url: String| {
        let source = ManySource {
            url,
            names: Names { count: COUNT },
            file,
            lists: scratch.home(),
            tosget: settings.workspace.release_program("tosget"),
        };
        many(&peers, &source, &destination)
    };
    let requests = requests(&nginx, entries(nginx.logged_url()), &scratch)?;
    let schedule = Schedule {
        warm_ups: 1,
        rounds: settings.rounds,
        destination: &destination,
    };
    let memory = WarmMemory {
        directory: &scratch.home(),
        copy_len: u64::from(COUNT) * OBJECT_LEN,
    };
    let results = contest::hold(entries(nginx.url()), &schedule, &Counted { memory })?;
    Ok(report
        .with_table(requests)
        .with_fact("server", Nginx::in_words())
        .with_fact(
            "objects",
            "of the same random content, so one CRC64 in nginx's headers is right for all",
        )
        .with_fact("rounds", schedule.in_words())
        .with_fact("memory given back", WarmMemory::in_words())
        .with_fact(
            "check",
            "number, length and CRC64 of the files, outside the measured time",
        )
        .with_results("small-objects.svg", results, &[PER_SECOND]))
}

/// One file under many names.
fn lay_out(scratch: &Scratch) -> Result<ServedFile> {
    let bucket = scratch.bucket();
    let first = bucket.join("first.bin");
    // A whole MiB at first, as `generate` wants it, of which the beginning stays.
    ServedFile::generate(&first, 1 << 20)?;
    let mut content = fs::read(&first).about(first.display())?;
    content.truncate(usize::try_from(OBJECT_LEN).unwrap_or(usize::MAX));
    fs::write(&first, &content).about(first.display())?;
    let small = bucket.join("small");
    fs::create_dir_all(&small).about(small.display())?;
    for key in (Names { count: COUNT }).keys() {
        let path = bucket.join(&key);
        fs::hard_link(&first, &path).about(path.display())?;
    }
    // The official SDK is told that the server's name stands for the bucket.
    let link = scratch.path().join("www/small");
    std::os::unix::fs::symlink("bench/small", &link).about(link.display())?;
    Ok(ServedFile::of_bytes(&content))
}

/// A table of requests per object, from the server's log of a run that is not measured.
fn requests(nginx: &Nginx, entries: Vec<Entry>, scratch: &Scratch) -> Result<String> {
    let destination = scratch.destination();
    let mut rows = Vec::new();
    for contestant in entries.into_iter().flatten() {
        let run = measured::run(&contestant.name, &mut (contestant.command)(&destination), None);
        if destination.exists() {
            fs::remove_dir_all(&destination).about(destination.display())?;
        }
        let log = nginx.take_log()?;
        let refused = log.iter().filter(|request| request.status >= 400).count();
        let words = match run {
            Ok(_) => figures::short(log.len() as f64 / f64::from(COUNT)),
            Err(failure) => failure.to_string(),
        };
        rows.push(vec![contestant.name, words, refused.to_string()]);
    }
    Ok(table(
        &["program", "requests per object", "of all, refused"],
        &rows,
    ))
}

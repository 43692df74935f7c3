//! How often a program calls the kernel for a MiB, counted by strace: what is left when the speed of the machine is not.

use std::path::Path;
use std::process::Command;

use crate::bench::contest::Contestant;
use crate::bench::figures::short;
use crate::bench::loopback::four_tasks;
use crate::bench::measured;
use crate::bench::nginx::{Nginx, Site};
use crate::bench::peers::{KEY, Peers, Source, aria2c, curl, s5cmd, tosget};
use crate::bench::report::{Report, table};
use crate::bench::scratch::Scratch;
use crate::bench::served_file::ServedFile;
use crate::bench::{Settings, machine, size_in_words};
use crate::command;
use crate::failure::{About, Failure, Result};

const OBJECT_MIB: u64 = 512;
const MISSING: &str = "strace counts system calls, and there is none here (Debian: apt-get install strace)";

const READS: &[&str] = &["read", "readv", "pread64", "recvfrom", "recvmsg"];
const WRITES: &[&str] = &["write", "writev", "pwrite64", "pwritev", "pwritev2"];
/// How many of the other calls are named.
const NAMED: usize = 4;

pub(crate) fn measure(settings: &Settings) -> Result<Report> {
    let len = settings.object_len(OBJECT_MIB);
    let title = format!("System calls for {} over loopback HTTP", size_in_words(len));
    let mut report = Report::new(title, &settings.command);
    command::output_of(Command::new("strace").arg("--version")).map_err(|_| Failure::new(MISSING))?;
    settings.build()?;
    let scratch = Scratch::below(&settings.memory_directory())?;
    let peers = Peers::ready(settings, &scratch.home());
    let file = ServedFile::generate(&scratch.object()?, len)?;
    let nginx = Nginx::serve(&Site {
        directory: scratch.path(),
        crc64: file.crc64,
        tls: None,
    })?;
    let source = Source {
        url: nginx.url(),
        key: KEY.to_owned(),
        file,
        ca_file: None,
    };
    let entries = [
        curl(&source),
        tosget(&source, &four_tasks(settings)),
        aria2c(&source, 4),
        s5cmd(&peers, &source),
    ];
    let mut rows = Vec::new();
    for entry in entries {
        match entry {
            Ok(contestant) => {
                let counts = Counts::of(&contestant, &scratch)?;
                rows.push(counts.row(&contestant.name, len));
                let typed = contestant.typed(&scratch.destination());
                report = report.with_ran(format!(
                    "{} ({}): `strace -f -c {typed}`",
                    contestant.name, contestant.version
                ));
            }
            Err(absent) => {
                report = report.with_note(format!("Not measured: {}: {}", absent.name, absent.reason));
            }
        }
    }
    let head = [
        "program",
        "reads per MiB",
        "writes per MiB",
        "KiB a write",
        "others per MiB",
        "most of these",
    ];
    Ok(report
        .with_table(table(&head, &rows))
        .with_note(
            "Reads and writes are of files and connections alike: what goes to the server is a few dozen calls. KiB a write is \
             the object's length by the number of writes. strace slows a program down, so where it takes what has arrived so \
             far, its reads are larger here than otherwise.",
        )
        .with_fact("server", Nginx::in_words())
        .with_fact("strace", machine::version("strace", &["--version"])))
}

/// How often each call was made, the most frequent first.
struct Counts(Vec<(String, u64)>);

impl Counts {
    fn of(contestant: &Contestant, scratch: &Scratch) -> Result<Self> {
        let (destination, list) = (scratch.destination(), scratch.path().join("strace.txt"));
        let plain = (contestant.command)(&destination);
        let mut command = Command::new("strace");
        command
            .args(["-f", "-c", "-o"])
            .arg(&list)
            .arg(plain.get_program())
            .args(plain.get_args());
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let run = measured::run(&contestant.name, &mut command, None)?;
        (contestant.confirm)(&run.stdout)?;
        (contestant.check)(&destination)?;
        std::fs::remove_file(&destination).about(destination.display())?;
        Self::read(&list)
    }

    fn read(list: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(list).about(list.display())?;
        Ok(Self::parse(&text))
    }

    /// strace's table: share, seconds, microseconds a call, calls, perhaps errors, name.
    fn parse(text: &str) -> Self {
        let count = |line: &str| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let name = fields.last().filter(|&&name| name != "total")?;
            Some(((*name).to_owned(), fields.get(3)?.parse().ok()?))
        };
        let mut counts: Vec<(String, u64)> = text.lines().filter_map(count).collect();
        counts.sort_by_key(|count| std::cmp::Reverse(count.1));
        Self(counts)
    }

    fn row(&self, name: &str, len: u64) -> Vec<String> {
        let mib = len as f64 / f64::from(1 << 20);
        let sum = |names: &[&str]| -> u64 {
            let named = self.0.iter().filter(|count| names.contains(&count.0.as_str()));
            named.map(|count| count.1).sum()
        };
        let others: Vec<&(String, u64)> = self
            .0
            .iter()
            .filter(|count| !READS.contains(&count.0.as_str()) && !WRITES.contains(&count.0.as_str()))
            .collect();
        let named: Vec<String> = others
            .iter()
            .take(NAMED)
            .map(|(name, count)| format!("{name} {}", short(*count as f64 / mib)))
            .collect();
        let (reads, writes) = (sum(READS), sum(WRITES));
        let rest: u64 = others.iter().map(|count| count.1).sum();
        vec![
            name.to_owned(),
            short(reads as f64 / mib),
            short(writes as f64 / mib),
            short(len as f64 / 1024.0 / writes.max(1) as f64),
            short(rest as f64 / mib),
            named.join(", "),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn straces_table_is_read_with_and_without_errors() {
        let text = "% time     seconds  usecs/call     calls    errors syscall\n\
                    ------ ----------- ----------- --------- --------- ----------------\n \
                    60.00    0.000600           3       200        10 futex\n \
                    40.00    0.000400           4       100           pwrite64\n\
                    ------ ----------- ----------- --------- --------- ----------------\n\
                    100.00    0.001000           3       300        10 total\n";
        let counts = Counts::parse(text);
        assert_eq!(
            counts.0,
            [("futex".to_owned(), 200), ("pwrite64".to_owned(), 100)]
        );
        assert_eq!(
            counts.row("x", 100 << 20),
            ["x", "0", "1.00", "1024", "2.00", "futex 2.00"]
        );
    }
}

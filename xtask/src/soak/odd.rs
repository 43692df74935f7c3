//! Systems that answer oddly: calls fail, never return or lie, and resources are refused.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use fastrand::Rng;

use super::run::Ended;
use crate::failure::{About, Result};

/// The library that the command line's tests load before the C library. Their `odd_system/mod.rs` tells how its rules read.
const SOURCE: &str = include_str!("../../../crates/tosget-cli/tests/cli/odd_system/preload.c");

/// In a rule, the story's directory.
const HERE: &str = "HERE";

/// What a file system says that does not know a call.
const LACKING: [&str; 4] = ["EINVAL", "ENOSYS", "ENOTTY", "EOPNOTSUPP"];

/// What becomes of the disturbed runs of a story.
#[derive(Clone, Debug)]
pub(crate) struct OddSystem {
    pub(crate) kind: Kind,
    means: Means,
    /// What a run says whose failure this explains; `None` where it explains none.
    failure: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    LosesWrites,
    GrantsEveryLock,
    HasNoLocks,
    SyncsNoDirectories,
    SyncsNoFiles,
    ReservesNothing,
    InterruptsCalls,
    IsSlow,
    ChangesInodes,
    FailsCalls,
    KeepsCalls,
    KillsAtCalls,
    RefusesConnections,
    RefusesThreads,
    HasFewDescriptors,
    TakesSmallFilesOnly,
    HasLittleMemory,
}

#[derive(Clone, Debug)]
enum Means {
    /// For the library.
    Rules(Vec<String>),
    /// What `ulimit` is told.
    Limit(&'static str, u64),
}

impl Kind {
    const ALL: [(Self, &'static str); 17] = [
        (Self::LosesWrites, "loses acknowledged writes"),
        (Self::GrantsEveryLock, "grants every lock"),
        (Self::HasNoLocks, "has no locks"),
        (Self::SyncsNoDirectories, "syncs no directories"),
        (Self::SyncsNoFiles, "syncs no files"),
        (Self::ReservesNothing, "reserves no space"),
        (Self::InterruptsCalls, "interrupts calls"),
        (Self::IsSlow, "is slow"),
        (Self::ChangesInodes, "changes inode numbers"),
        (Self::FailsCalls, "fails calls"),
        (Self::KeepsCalls, "keeps calls for ever"),
        (Self::KillsAtCalls, "kills at calls"),
        (Self::RefusesConnections, "refuses connections"),
        (Self::RefusesThreads, "refuses threads"),
        (Self::HasFewDescriptors, "has few descriptors"),
        (Self::TakesSmallFilesOnly, "takes small files only"),
        (Self::HasLittleMemory, "has little memory"),
    ];

    pub(crate) fn name(self) -> &'static str {
        let all = Self::ALL.iter();
        all.filter(|(kind, _)| *kind == self)
            .map(|(_, name)| *name)
            .collect::<Vec<_>>()[0]
    }
}

impl OddSystem {
    /// Who forbids reading back takes what a disk lost, so that a trusted disk loses nothing.
    pub(crate) fn draw(rng: &mut Rng, is_disk_trusted: bool) -> Self {
        loop {
            let (kind, _) = Kind::ALL[rng.usize(..Kind::ALL.len())];
            if !(is_disk_trusted && kind == Kind::LosesWrites) {
                return Self::of_kind(rng, kind);
            }
        }
    }

    fn of_kind(rng: &mut Rng, kind: Kind) -> Self {
        let rules = |rules: &[String]| Means::Rules(rules.to_vec());
        let rule = |rule: String| Means::Rules(vec![rule]);
        let failed = Some("os error");
        let (means, failure) = match kind {
            Kind::LosesWrites => (Means::Rules(lost_writes(rng)), failed),
            Kind::GrantsEveryLock => (rule("flock drop *".to_owned()), None),
            Kind::HasNoLocks => {
                let errno = one_of(rng, &["ENOLCK", "ENOSYS", "EOPNOTSUPP", "EINVAL", "ENOTTY"]);
                (rule(format!("flock {errno} *")), None)
            }
            Kind::SyncsNoDirectories => {
                let errno = one_of(rng, &[&LACKING[..], &["EPERM", "EACCES"]].concat());
                (rule(format!("fsync {errno} * {HERE}$")), None)
            }
            Kind::SyncsNoFiles => (rule(format!("fsync {} * tosget", one_of(rng, &LACKING))), None),
            Kind::ReservesNothing => {
                let errno = one_of(rng, &[&LACKING[..], &["EPERM", "ENODEV"]].concat());
                (rule(format!("fallocate {errno} *")), None)
            }
            Kind::InterruptsCalls => {
                let calls: Vec<_> = (0..rng.u8(1..6)).map(|_| interrupted(rng)).collect();
                (rules(&calls), None)
            }
            Kind::IsSlow => {
                let call = one_of(rng, &["write", "fsync", "rename", "remove", "stat", "create"]);
                let (ms, times) = (rng.u16(1..400), rng.u8(1..8));
                (rule(format!("{call} wait{ms} 1-{times} {HERE}")), None)
            }
            Kind::ChangesInodes => {
                let call = one_of(rng, &["stat", "fstat"]);
                (rule(format!("{call} other-inode * tosget")), None)
            }
            Kind::FailsCalls => (rule(failing(rng)), failed),
            Kind::KeepsCalls => (rule(at_a_call(rng, "hang")), None),
            Kind::KillsAtCalls => (rule(at_a_call(rng, "kill")), None),
            Kind::RefusesConnections => (rule(unconnected(rng)), failed),
            Kind::RefusesThreads => (rule(format!("thread EAGAIN {}-", rng.u8(1..12))), None),
            Kind::HasFewDescriptors => {
                let files = rng.u64(5..64);
                // From 20 on everything works.
                (Means::Limit("-n", files), (files < 20).then_some("ulimit -n"))
            }
            Kind::TakesSmallFilesOnly => (Means::Limit("-f", 1 << rng.u8(7..17)), Some("ulimit -f")),
            Kind::HasLittleMemory => (Means::Limit("-v", rng.u64(32..300) << 10), Some("ulimit -v")),
        };
        Self { kind, means, failure }
    }

    /// Whether a second process at the same destination is what shows what it does.
    pub(crate) fn is_about_locks(&self) -> bool {
        matches!(self.kind, Kind::GrantsEveryLock | Kind::HasNoLocks)
    }

    pub(crate) fn kills(&self) -> bool {
        self.kind == Kind::KillsAtCalls
    }

    /// Whether it is why a run failed that said this.
    pub(crate) fn explains_failure(&self, run: &Ended) -> bool {
        self.failure.is_some_and(|words| run.said(words))
    }

    /// The program on this system, or `None` where this one can't be had.
    pub(crate) fn command(
        &self,
        program: &Path,
        library: Option<&Path>,
        here: &Path,
        log: &Path,
    ) -> Option<Command> {
        match &self.means {
            Means::Limit(flag, value) => {
                let mut command = Command::new("sh");
                let script = format!("ulimit {flag} {value} && exec \"$0\" \"$@\"");
                command.env_clear().args(["-c", &script]).arg(program);
                Some(command)
            }
            Means::Rules(rules) => {
                let mut command = Command::new(program);
                let rules = rules.join("\n").replace(HERE, &here.display().to_string());
                command
                    .env_clear()
                    .env("LD_PRELOAD", library?)
                    .env("ODD_SYSTEM", rules)
                    .env("ODD_SYSTEM_LOG", log);
                Some(command)
            }
        }
    }
}

/// Writes of the temporary file or the journal that get beyond a place, or some of them, are acknowledged and dropped. A sync tells,
/// and perhaps a write further on.
fn lost_writes(rng: &mut Rng) -> Vec<String> {
    let file = one_of(rng, &["tosget-part", "tosget-part", "tosget-part", "journal"]);
    let errno = one_of(rng, &["EDQUOT", "EIO", "ENOSPC", "ESTALE"]);
    let from = if file == "tosget-part" {
        rng.u64(..16 << 20)
    } else {
        rng.u64(..8 << 10)
    };
    let lost = match rng.u8(..3) {
        0 => format!(
            "write drop {0}-{1} {file}",
            1 + from % 16,
            1 + from % 16 + rng.u64(..8)
        ),
        _ => format!("write drop @{from} {file}"),
    };
    let told = format!("write {errno} @{} {file}", from + rng.u64(..16 << 20));
    let mut rules = vec![lost, format!("fsync {errno} * {file}")];
    if rng.bool() {
        rules.insert(0, told);
    }
    rules
}

fn interrupted(rng: &mut Rng) -> String {
    let calls = [
        "open", "create", "read", "write", "fsync", "truncate", "flock", "utime", "rename", "remove",
        "mkdir", "stat", "fstat", "chmod", "chown",
    ];
    let from = rng.u8(1..20);
    format!(
        "{} EINTR {from}-{} {HERE}",
        one_of(rng, &calls),
        from + rng.u8(..3)
    )
}

/// A call that fails once, a few times, or from some time on.
fn failing(rng: &mut Rng) -> String {
    let calls = [
        "open", "create", "read", "write", "fsync", "truncate", "utime", "rename", "remove", "stat", "fstat",
        "chmod",
    ];
    let errnos = [
        "EIO", "ENOSPC", "EDQUOT", "EROFS", "ESTALE", "EACCES", "ENOMEM", "ENFILE",
    ];
    let (call, errno) = (one_of(rng, &calls), one_of(rng, &errnos));
    let from = 1u32 << rng.u8(..7);
    let when = match rng.u8(..3) {
        0 => format!("{from}"),
        1 => format!("{from}-{}", from + rng.u32(1..8)),
        _ => format!("{from}-"),
    };
    format!(
        "{call} {errno} {when} {}",
        one_of(rng, &[HERE, "tosget-part", "journal", "file$"])
    )
}

/// One call, at which something ends.
fn at_a_call(rng: &mut Rng, action: &str) -> String {
    let (call, file) = match rng.u8(..8) {
        0 => ("rename", ""),
        1 => ("rename-from", ""),
        2 => ("remove", ""),
        3 => ("fsync", one_of(rng, &["", "tosget-part", "journal"])),
        4 => ("create", HERE),
        5 => ("truncate", ""),
        6 => ("write", "journal"),
        _ => ("write", "tosget-part"),
    };
    let nth = if call == "write" {
        1 << rng.u8(..8)
    } else {
        rng.u32(1..5)
    };
    format!("{call} {action} {nth}- {file}")
}

fn unconnected(rng: &mut Rng) -> String {
    let errnos = [
        "ECONNREFUSED",
        "ENETUNREACH",
        "EADDRNOTAVAIL",
        "ETIMEDOUT",
        "ENOBUFS",
    ];
    let from = rng.u8(1..6);
    let until = from + rng.u8(..6);
    match rng.u8(..3) {
        0 => format!(
            "socket {} {from}-{until}",
            one_of(rng, &["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"])
        ),
        _ => format!("connect {} {from}-{until}", one_of(rng, &errnos)),
    }
}

fn one_of<'a>(rng: &mut Rng, words: &[&'a str]) -> &'a str {
    words[rng.usize(..words.len())]
}

/// The library, compiled into `directory`; `None` where there is no C compiler or no Linux.
pub(crate) fn library(directory: &Path) -> Result<Option<PathBuf>> {
    if env::consts::OS != "linux" {
        return Ok(None);
    }
    let (source, library) = (directory.join("preload.c"), directory.join("odd_system.so"));
    fs::create_dir_all(directory).about(directory.display())?;
    fs::write(&source, SOURCE).about(source.display())?;
    let mut command = Command::new("cc");
    command
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &source]);
    match command.status() {
        Ok(status) if status.success() => Ok(Some(library)),
        Ok(status) => Err(io::Error::other(format!("cc: {status}"))).about(source.display()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).about("cc"),
    }
}

/// How many calls the library answered in the kernel's place since the last look.
pub(crate) fn take_uses(log: &Path) -> u64 {
    let uses = fs::read_to_string(log).unwrap_or_default().lines().count() as u64;
    let _ = fs::remove_file(log);
    uses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_can_be_drawn_and_a_trusted_disk_loses_nothing() {
        let mut rng = Rng::with_seed(1);
        let mut drawn: Vec<_> = (0..1000).map(|_| OddSystem::draw(&mut rng, true).kind).collect();
        assert!(!drawn.contains(&Kind::LosesWrites));
        drawn.extend((0..1000).map(|_| OddSystem::draw(&mut rng, false).kind));
        for (kind, name) in Kind::ALL {
            assert!(drawn.contains(&kind) && kind.name() == name, "{name}");
        }
    }

    #[test]
    fn every_rule_is_one_that_the_library_knows() {
        let directory = tempfile::tempdir().expect("a directory");
        let Some(library) = library(directory.path()).expect("compiled") else {
            return;
        };
        let mut rng = Rng::with_seed(2);
        for _ in 0..500 {
            let system = OddSystem::draw(&mut rng, false);
            let Means::Rules(rules) = &system.means else {
                continue;
            };
            // What holds for every program must not hold for this one.
            if system.kind == Kind::KeepsCalls {
                continue;
            }
            let log = directory.path().join("log");
            let mut command = system.command(Path::new("/bin/true"), Some(&library), directory.path(), &log);
            let status = command.as_mut().expect("a command").status().expect("it runs");
            assert!(status.success(), "{rules:?}");
        }
    }
}

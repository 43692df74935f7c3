//! The real binary on a system that answers oddly: a small library, loaded before the C library, makes named calls fail.
//!
//! ```ignore
//! let stage = Stage::with_big_object(SIZE);
//! let odd = OddSystem::new(&stage).fail("fsync", "EIO", "tosget-part");
//! odd.run(&["get", "tos://bkt/big"]).ends_with(1);
//! assert!(odd.was_used());
//! ```
//!
//! A rule is a line `CALL ACTION WHEN PATH`. The first one that holds for a call decides.
//!
//! - CALL: `open`, `create` (an open with `O_CREAT`), `read`, `write`, `fsync` (and fdatasync), `truncate`, `flock`, `chmod`, `chown`, `utime`,
//!   `rename`, `link` (both by the new name), `rename-from`, `link-from`, `remove`, `rmdir`, `mkdir`, `stat` (by name), `fstat` (of an open
//!   file), and without a path `socket`, `connect`, `thread`. Likewise `fallocate`, `fadvise` and `fstatfs`, which can only be given an errno,
//!   for every file and each time.
//! - ACTION: an errno (`ENOSPC`), `drop` (say it is done, do nothing), `hang` (never return), `kill` (SIGKILL to the process, before the
//!   call), `wait500` (500 ms, then do it), `other-inode` (`stat` and `fstat` only), `done-ENOENT` (`rename` only: do it, and say that it
//!   failed, as a network file system does that asks twice).
//! - WHEN: `*`, the third call alone (`3`), from the third on (`3-`), `3-5`, or `@1048576`: reads and writes that get beyond this offset of
//!   their file. Calls are counted for each rule, those only that its CALL and PATH fit.
//! - PATH: a part of the path, as it was given or as `/proc/self/fd` shows it; its end, if a `$` follows; nothing fits
//!   all.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::OnceLock;

use crate::stage::{Ran, Running, Stage, run};

/// A stage whose system answers by rules.
pub(crate) struct OddSystem<'a> {
    stage: &'a Stage,
    rules: String,
    log: tempfile::TempDir,
}

impl<'a> OddSystem<'a> {
    pub(crate) fn new(stage: &'a Stage) -> Self {
        Self {
            stage,
            rules: String::new(),
            log: tempfile::tempdir().expect("a directory"),
        }
    }

    /// Adds a rule, as it stands above.
    pub(crate) fn rule(mut self, rule: &str) -> Self {
        self.rules.push_str(rule);
        self.rules.push('\n');
        self
    }

    /// Each `call` on paths that contain `path` fails with `errno`.
    pub(crate) fn fail(self, call: &str, errno: &str, path: &str) -> Self {
        self.rule(&format!("{call} {errno} * {path}"))
    }

    /// The binary, as [`Stage::command`] gives it, on this system.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.stage.command(arguments);
        command
            .env("LD_PRELOAD", library())
            .env("ODD_SYSTEM", &self.rules)
            .env("ODD_SYSTEM_LOG", self.log_path());
        command
    }

    /// Runs the binary to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run(&mut self.command(arguments))
    }

    /// Starts the binary.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running::start(&mut self.command(arguments))
    }

    /// The uses of rules so far, as `CALL ACTION PATH`. The kernel does not tell of those that it answers.
    pub(crate) fn uses(&self) -> Vec<String> {
        let log = fs::read_to_string(self.log_path()).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    pub(crate) fn was_used(&self) -> bool {
        !self.uses().is_empty()
    }

    fn log_path(&self) -> PathBuf {
        self.log.path().join("log")
    }
}

/// The library, compiled once for each run of the tests. Rust links with `cc`, so it is there.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/odd_system/preload.c");
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
        fs::create_dir_all(directory).expect("a directory for what is compiled");
        let (new, library) = (
            directory.join(format!("odd_system.{}.so", process::id())),
            directory.join("odd_system.so"),
        );
        let status = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&new, &source])
            .status()
            .expect("a C compiler");
        assert!(status.success(), "{} does not compile", source.display());
        // Other runs of the tests may have the old one loaded.
        fs::rename(&new, &library).expect("renamed");
        library
    })
}

#[test]
fn a_rule_makes_the_named_call_fail_and_no_other() {
    let stage = Stage::new();
    stage.emulator.put_object(crate::stage::BUCKET, "k", "content");
    let odd = OddSystem::new(&stage).fail("rename", "EXDEV", "out");
    let ran = odd.run(&["get", "tos://bkt/k", "out"]).ends_with(1);
    ran.says("ross-device");
    assert_eq!(odd.uses().len(), 1, "{:?}", odd.uses());
    odd.run(&["get", "tos://bkt/k", "another"]).ends_with(0);
    assert_eq!(stage.read("another"), b"content");
}

#[test]
fn a_rule_can_hold_for_one_call_only() {
    let stage = Stage::new();
    stage.emulator.put_object(crate::stage::BUCKET, "k", "content");
    let odd = OddSystem::new(&stage).rule("fsync EIO 2 tosget-part");
    odd.run(&["get", "tos://bkt/k", "out"]).ends_with(0);
    assert!(!odd.was_used());
    let odd = OddSystem::new(&stage).rule("fsync EIO 1 tosget-part");
    odd.run(&["get", "tos://bkt/k", "out"]).ends_with(1);
    assert_eq!(odd.uses().len(), 1);
}

#[test]
fn what_the_library_asks_the_kernel_itself_fails_as_well() {
    let stage = Stage::with_big_object(crate::stage::MIB);
    let odd = OddSystem::new(&stage).fail("fallocate", "ENOSPC", "");
    odd.run(&["get", "tos://bkt/big"])
        .ends_with(1)
        .says("o space left");
}

#[test]
fn a_call_can_be_held_until_the_process_is_killed() {
    let stage = Stage::new();
    stage.emulator.put_object(crate::stage::BUCKET, "k", "content");
    let odd = OddSystem::new(&stage).rule("rename hang *");
    let running = odd.start(&["get", "tos://bkt/k", "out"]);
    crate::stage::wait_until("the rename", || odd.was_used());
    running.kill();
    assert!(!stage.path("out").exists());
}

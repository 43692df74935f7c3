//! File systems that can't do everything, and those that fail: what they can't is done without, what fails is told.

use rustix::process::Signal;

use crate::odd_system::OddSystem;
use crate::stage::{BUCKET, MIB, Ran, Stage, assert_is_big_object};

const SIZE: u64 = 12 * MIB;
const GET: [&str; 4] = ["get", "tos://bkt/big", "--part-size", "2MiB"];
/// What a file system says that does not know a call.
const LACKING: [&str; 4] = ["EINVAL", "ENOSYS", "ENOTTY", "EOPNOTSUPP"];

fn stage() -> Stage {
    let stage = Stage::with_big_object(SIZE);
    for key in ["a", "b", "c"] {
        stage.emulator.put_object(BUCKET, key, "content");
    }
    std::fs::write(stage.path("list"), "tos://bkt/a\ntos://bkt/b\ntos://bkt/c\n").expect("written");
    stage
}

/// The stage's directory itself.
fn folder(stage: &Stage) -> String {
    format!("{}$", stage.folder().display())
}

/// Is said once in a run of several objects, and only to those who want to hear it.
#[track_caller]
fn is_done_without(odd: &OddSystem<'_>, stage: &Stage, lack: &str) {
    let ran = odd.run(&["batch", "list", "--replace", "-v"]).ends_with(0);
    assert_eq!(ran.stderr.matches(lack).count(), 1, "{ran:#?}");
    let ran = odd.run(&GET).ends_with(0);
    assert!(!ran.stderr.contains(lack), "{ran:#?}");
    assert_is_big_object(&stage.path("big"), SIZE);
    assert_eq!(stage.read("b"), b"content");
    assert_eq!(stage.files(), ["a", "b", "big", "c", "list"]);
}

/// Stops it half-way, and has it go on.
fn goes_on(odd: &OddSystem<'_>, stage: &Stage) -> Ran {
    stage.slow_down(8 * MIB);
    let running = odd.start(&GET);
    stage.wait_until_sent(stage.sent() + 5 * MIB);
    running.signal(Signal::TERM);
    running.wait().ends_with(130);
    stage.full_speed();
    let ran = odd.run(&GET).ends_with(0);
    ran.says(" resumed in ");
    assert_is_big_object(&stage.path("big"), SIZE);
    ran
}

#[test]
fn a_directory_that_can_not_be_synced_is_done_without() {
    for errno in LACKING.iter().chain(&["EPERM", "EACCES"]) {
        let stage = stage();
        let odd = OddSystem::new(&stage).fail("fsync", errno, &folder(&stage));
        is_done_without(&odd, &stage, "a directory can't be synced");
        assert!(odd.was_used());
    }
    for errno in ["EPERM", "EACCES"] {
        let stage = stage();
        let odd = OddSystem::new(&stage).fail("open", errno, &folder(&stage));
        is_done_without(&odd, &stage, "a directory can't be synced");
    }
}

#[test]
fn a_sync_that_fails_is_an_error_of_file_and_directory() {
    for errno in ["EIO", "ENOSPC", "EDQUOT", "EROFS", "ESTALE"] {
        let stage = stage();
        for path in [&folder(&stage), "tosget-part"] {
            for key in ["tos://bkt/a", "tos://bkt/big"] {
                let odd = OddSystem::new(&stage).fail("fsync", errno, path);
                let ran = odd.run(&["get", key, "out"]).ends_with(1);
                ran.says("durable").says("(os error ");
                assert!(odd.was_used());
            }
        }
    }
}

#[test]
fn files_that_can_not_be_synced_are_done_without() {
    for errno in LACKING {
        let stage = stage();
        let odd = OddSystem::new(&stage).fail("fsync", errno, "tosget");
        is_done_without(&odd, &stage, "a file can't be synced");
    }
}

/// A late error of a write may have any number. What a fresh file beside it can do, the file system does not lack.
#[test]
fn a_sync_that_is_refused_to_one_file_only_is_an_error() {
    for errno in LACKING {
        for (key, size) in [("tos://bkt/a", 7), ("tos://bkt/big", SIZE)] {
            let stage = stage();
            let odd = OddSystem::new(&stage)
                .rule(&format!("write drop @{} tosget-part", size - 1))
                .rule(&format!("fsync {errno} * tosget-part"));
            let ran = odd.run(&["get", key, "out"]).ends_with(1);
            ran.says("durable").says("(os error ");
            assert!(!stage.path("out").exists());
            let files = stage.files();
            assert!(!files.iter().any(|name| name.contains("probe")), "{files:?}");
            stage.run(&["get", key, "out"]).ends_with(0);
        }
    }
}

#[test]
fn a_file_system_without_locks_is_done_without_and_downloads_go_on() {
    for errno in ["ENOLCK", "ENOSYS", "EOPNOTSUPP", "EINVAL", "ENOTTY"] {
        let stage = stage();
        let odd = OddSystem::new(&stage).fail("flock", errno, "");
        is_done_without(&odd, &stage, "files can't be locked");
        std::fs::remove_file(stage.path("big")).expect("there");
        goes_on(&odd, &stage);
    }
}

#[test]
fn space_that_can_not_be_reserved_is_done_without() {
    for errno in LACKING.iter().chain(&["EPERM", "ENODEV"]) {
        let stage = stage();
        let odd = OddSystem::new(&stage).fail("fallocate", errno, "");
        let ran = odd.run(&[&GET[..], &["-v"]].concat()).ends_with(0);
        ran.says("space can't be reserved");
        assert_is_big_object(&stage.path("big"), SIZE);
        std::fs::remove_file(stage.path("big")).expect("there");
        let odd = odd
            .fail("truncate", errno, "tosget-part")
            .fail("fstatfs", errno, "");
        if LACKING.contains(errno) {
            goes_on(&odd, &stage);
        }
    }
    for errno in ["ENOSPC", "EDQUOT", "EIO"] {
        let stage = stage();
        let odd = OddSystem::new(&stage).fail("fallocate", errno, "");
        odd.run(&GET).ends_with(1).says("could not reserve space for");
    }
}

#[test]
fn pages_that_can_not_be_dropped_stay() {
    for errno in LACKING.iter().chain(&["EPERM", "ESPIPE"]) {
        let stage = stage();
        let odd = OddSystem::new(&stage).fail("fadvise", errno, "");
        for flags in [["--page-cache", "drop"], ["--recheck", "always"]] {
            odd.run(&[&GET[..], &flags].concat()).ends_with(0);
            assert_is_big_object(&stage.path("big"), SIZE);
        }
    }
}

#[test]
fn a_signal_in_the_middle_of_any_call_is_no_failure() {
    let calls = [
        "open", "create", "read", "write", "fsync", "truncate", "flock", "utime", "rename", "remove",
        "mkdir", "stat", "fstat", "chmod", "chown",
    ];
    for call in calls {
        let stage = stage();
        let path = stage.folder().display().to_string();
        let odd = OddSystem::new(&stage).rule(&format!("{call} EINTR 1-3 {path}"));
        let get = [
            "get",
            "tos://bkt/big",
            "new/deep/big",
            "--preserve-mtime",
            "--part-size",
            "2MiB",
        ];
        let ran = odd.run(&get);
        assert_eq!(ran.code, Some(0), "{call}: {ran:#?}");
        assert_is_big_object(&stage.path("new/deep/big"), SIZE);
        assert_eq!(
            stage.files(),
            ["list", "new/", "new/deep/", "new/deep/big"],
            "{call}"
        );
    }
}

#[test]
fn what_a_stale_or_a_read_only_file_system_is_is_said() {
    let stage = stage();
    for (call, errno, words) in [
        ("create", "EROFS", "mounted read-only"),
        ("write", "EROFS", "mounted read-only"),
        ("write", "ESTALE", "does not know the file any more"),
        ("rename", "ESTALE", "does not know the file any more"),
    ] {
        let path = if call == "rename" { "out$" } else { "tosget-part$" };
        for key in ["tos://bkt/a", "tos://bkt/big"] {
            let odd = OddSystem::new(&stage).fail(call, errno, path);
            let ran = odd.run(&["get", key, "out"]).ends_with(1);
            ran.says("hint: ").says(words).says("(os error ");
        }
    }
}

/// As on union and FUSE file systems.
#[test]
fn a_file_whose_inode_number_differs_between_its_name_and_its_opening_is_downloaded() {
    for call in ["fstat", "stat"] {
        let stage = stage();
        let odd = OddSystem::new(&stage).rule(&format!("{call} other-inode * tosget"));
        is_done_without(&odd, &stage, "one file has several inode numbers");
        std::fs::remove_file(stage.path("big")).expect("there");
        goes_on(&odd, &stage);
        assert!(odd.was_used());
    }
}

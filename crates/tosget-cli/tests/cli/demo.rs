//! The demo shows what it says, and leaves nothing behind.

use rustix::process::Signal;
use tempfile::TempDir;

use crate::stage::{Running, bare_command, run, wait_until};

#[test]
fn the_demo_kills_a_download_and_goes_on_with_it() {
    let temporary = TempDir::new().expect("a directory");
    let mut demo = bare_command(&["demo", "--size", "64MiB"]);
    // What leads to the service does not lead to the demo's emulator.
    demo.env("TOS_PROXY", "http://127.0.0.1:1");
    let ran = run(demo.env("TMPDIR", temporary.path())).ends_with(0);
    for words in [
        "$ tosget get tos://demo-bucket/models/weights.bin",
        "Killed by SIGKILL",
        ".tosget-journal",
        "All 67,108,864 bytes are equal",
        "Starting over would have come to 1",
    ] {
        assert!(ran.stdout.contains(words), "not said: {words}\n{ran:#?}");
    }
    ran.says("CRC64 verified").says(" resumed");
    assert_eq!(entries(&temporary), 0);
}

#[test]
fn an_interrupted_demo_leaves_nothing_behind() {
    let temporary = TempDir::new().expect("a directory");
    let running = Running::start(bare_command(&["demo", "--size", "256MiB"]).env("TMPDIR", temporary.path()));
    wait_until("a download to begin", || {
        let here = |path: std::path::PathBuf| path.join("here/models").exists();
        std::fs::read_dir(temporary.path())
            .expect("readable")
            .any(|entry| here(entry.expect("readable").path()))
    });
    running.signal(Signal::INT);
    running.wait().ends_with(130).says("interrupted: ");
    assert_eq!(entries(&temporary), 0);
}

fn entries(directory: &TempDir) -> usize {
    std::fs::read_dir(directory.path()).expect("readable").count()
}

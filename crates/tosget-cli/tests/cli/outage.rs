//! A server that goes away ends the download; when it is back, the same command goes on.

use tempfile::TempDir;
use tos_emulator::Emulator;

use crate::stage::{BUCKET, MIB, Running, SEED, assert_is_big_object, bare_command, run, wait_until};

const SIZE: u64 = 48 * MIB;

#[test]
fn an_outage_names_the_endpoint_and_the_checkpoint_and_the_same_command_goes_on() {
    let (root, here) = (
        TempDir::new().expect("a directory"),
        TempDir::new().expect("a directory"),
    );
    let emulator = Emulator::builder()
        .root(root.path())
        .spawn()
        .expect("an emulator");
    emulator.create_bucket(BUCKET);
    emulator.put_virtual(BUCKET, "big", SIZE, SEED);
    emulator.set_bandwidth(Some(24 * MIB), None);
    let (endpoint, address) = (emulator.endpoint(), emulator.address());
    let command = || {
        let mut command = bare_command(&[
            "get",
            "tos://bkt/big",
            "--part-size",
            "2MiB",
            "--max-retries",
            "2",
        ]);
        command.current_dir(here.path()).envs([
            ("TOS_ENDPOINT", endpoint.as_str()),
            ("TOS_REGION", "cn-beijing"),
            ("TOS_ACCESS_KEY", emulator_keys().0),
            ("TOS_SECRET_KEY", emulator_keys().1),
        ]);
        command
    };

    let running = Running::start(&mut command());
    wait_until("bytes to be sent", || {
        emulator.stats().body_bytes_sent >= 16 * MIB
    });
    drop(emulator);
    let ran = running.wait().ends_with(1);
    ran.says("error: ").says(&endpoint).says("\n  caused by: ");
    ran.says("\n  checkpoint: /")
        .says("(run the same command again to go on)");

    // While it is away, the checkpoint is named too.
    let ran = run(&mut command()).ends_with(1);
    ran.says(&endpoint).says("refused").says("\n  checkpoint: /");

    let emulator = Emulator::builder()
        .root(root.path())
        .listen(address)
        .spawn()
        .expect("the same address");
    run(&mut command()).ends_with(0).says(" resumed");
    assert_is_big_object(&here.path().join("big"), SIZE);
    assert!(
        emulator.stats().body_bytes_sent <= SIZE - 12 * MIB,
        "{:?}",
        emulator.stats()
    );
}

/// The emulator's own, which it has unless told otherwise.
fn emulator_keys() -> (&'static str, &'static str) {
    ("test-access-key", "test-secret-key")
}

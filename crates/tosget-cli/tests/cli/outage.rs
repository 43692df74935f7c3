//! A server that goes away ends the download; when it is back, the same command goes on.

use std::fs;
use std::net::TcpListener;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;
use tos_emulator::{Emulator, FaultRule, Verdict};

use crate::stage::{BUCKET, MIB, Running, SEED, Stage, assert_is_big_object, bare_command, run, wait_until};

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
        let mut command = bare_command(&["get", "tos://bkt/big", "--part-size", "2MiB", "--retry-for", "1s"]);
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

const OUTAGE: Duration = Duration::from_secs(4);

/// The service is overloaded, for a while.
fn away(stage: &Stage) {
    stage
        .emulator
        .add_fault(FaultRule::new(Verdict::status(503, "ServiceUnavailable")));
}

#[test]
fn a_command_waits_for_a_service_that_is_away_and_says_so_and_why() {
    for command in [&["get", "tos://bkt/k"][..], &["stat", "tos://bkt/k"]] {
        let stage = Stage::new();
        stage.emulator.put_object(BUCKET, "k", "content");
        away(&stage);
        let running = stage.start(command);
        sleep(OUTAGE);
        stage.emulator.clear_faults();
        let ran = running.wait().ends_with(0);
        ran.says("waiting: ")
            .says("the server answered 503")
            .says("trying again for up to 4m5");
    }
    // Who wants no words gets none.
    for quiet in ["--quiet", "--json"] {
        let stage = Stage::new();
        away(&stage);
        let ran = stage.run(&["get", "tos://bkt/k", quiet, "--retry-for", "3s"]);
        assert!(!ran.ends_with(1).stderr.contains("waiting"), "{quiet}");
    }
}

#[test]
fn a_command_waits_for_a_server_that_starts() {
    let (root, here) = (
        TempDir::new().expect("a directory"),
        TempDir::new().expect("a directory"),
    );
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let mut command = bare_command(&["get", "tos://bkt/k"]);
    command.current_dir(here.path()).envs([
        ("TOS_ENDPOINT", format!("http://{address}").as_str()),
        ("TOS_REGION", "cn-beijing"),
        ("TOS_ACCESS_KEY", emulator_keys().0),
        ("TOS_SECRET_KEY", emulator_keys().1),
    ]);
    let server = || {
        Emulator::builder()
            .root(root.path())
            .listen(address)
            .spawn()
            .expect("the address is free")
    };
    let emulator = server();
    emulator.create_bucket(BUCKET);
    emulator.put_object(BUCKET, "k", "content");
    drop(emulator);
    let running = Running::start(&mut command);
    sleep(OUTAGE);
    let _emulator = server();
    let ran = running.wait().ends_with(0);
    ran.says("waiting: ").says("refused");
    assert_eq!(fs::read(here.path().join("k")).expect("there"), b"content");
}

#[test]
fn an_outage_of_four_seconds_fails_none_of_two_hundred_objects() {
    let stage = Stage::new();
    let keys: Vec<String> = (0..200).map(|number| format!("k{number}")).collect();
    let names: Vec<String> = keys.iter().map(|key| format!("tos://bkt/{key}\n")).collect();
    for key in &keys {
        stage.emulator.put_object(BUCKET, key, key.clone());
    }
    fs::write(stage.path("list"), names.concat()).expect("written");
    away(&stage);
    let running = stage.start(&["batch", "list", "out/"]);
    sleep(OUTAGE);
    stage.emulator.clear_faults();
    let ran = running.wait().ends_with(0);
    let told = ran.stderr.matches("waiting: ").count();
    assert_eq!(told, 1, "once for all of them: {}", ran.stderr);
    for key in &keys {
        let file = fs::read(stage.path("out").join(key)).expect("there");
        assert_eq!(file, key.as_bytes());
    }
}

#[test]
fn a_signal_ends_the_wait_at_once() {
    for command in [&["get", "tos://bkt/k"][..], &["stat", "tos://bkt/k"]] {
        let stage = Stage::new();
        away(&stage);
        let running = stage.start(command);
        wait_until("the first tries", || stage.emulator.stats().requests >= 4);
        let at = Instant::now();
        running.signal(Signal::INT);
        running.wait().ends_with(130);
        assert!(at.elapsed() < Duration::from_secs(2), "{:?}", at.elapsed());
    }
}

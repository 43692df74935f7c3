//! Each exit code means what the help says.

use tos_emulator::{FaultRule, Verdict};

use crate::stage::{BUCKET, MIB, SEED, Stage, assert_is_big_object, run};

#[test]
fn exit_1_a_server_that_is_down() {
    let stage = Stage::new();
    stage.emulator.put_object(BUCKET, "k", "content");
    stage
        .emulator
        .add_fault(FaultRule::new(Verdict::status(503, "ServiceUnavailable")));
    let ran = stage
        .run(&["get", "tos://bkt/k", "--max-retries", "1"])
        .ends_with(1);
    ran.says("error: ").says("503 ServiceUnavailable");
    assert_eq!(stage.files(), [""; 0]);
}

#[test]
fn exit_1_a_refusal_that_is_a_matter_of_time() {
    for (status, code) in [(429, "ExceedQPSLimit"), (408, "RequestTimeout")] {
        let stage = Stage::new();
        stage.emulator.put_object(BUCKET, "k", "content");
        stage
            .emulator
            .add_fault(FaultRule::new(Verdict::status(status, code)));
        stage
            .run(&["get", "tos://bkt/k", "--max-retries", "1"])
            .ends_with(1);
    }
}

/// It may be cured by whoever hands out the keys, and is asked about more than once; but not by time.
#[test]
fn exit_3_a_refusal_that_time_does_not_mend() {
    for (status, code) in [
        (403, "ExpiredToken"),
        (403, "InvalidSecurityToken"),
        (403, "RequestTimeTooSkewed"),
        (403, "AccessDenied"),
        (401, "AccessDenied"),
        (400, "InvalidArgument"),
        (407, "ProxyAuthenticationRequired"),
        (409, "Conflict"),
    ] {
        for command in ["get", "stat"] {
            let stage = Stage::new();
            stage.emulator.put_object(BUCKET, "k", "content");
            stage
                .emulator
                .add_fault(FaultRule::new(Verdict::status(status, code)));
            let ran = stage.run(&[command, "tos://bkt/k", "--max-retries", "1"]);
            ran.ends_with(3).says(&status.to_string());
        }
    }
}

#[test]
fn exit_2_a_command_that_cannot_work() {
    let stage = Stage::new();
    for arguments in [
        &["get"][..],
        &["get", "bkt/k"],
        &["get", "tos://bkt/k", "--part-size", "0"],
        &["get", "tos://bkt/k", "--task-num", "1001"],
        &["get", "tos://B/k"],
        &["get", "tos://bkt/k", "--client-cert", "cert.pem"],
        &[
            "get",
            "tos://bkt/k",
            "--ca-file",
            "none.pem",
            "--endpoint",
            "https://127.0.0.1:1",
        ],
        &["get", "tos://bkt/k", "--idle-timeout", "10"],
        &["demo", "--size", "1MiB"],
        &["bogus"],
    ] {
        stage.run(arguments).ends_with(2);
    }
    assert_eq!(stage.emulator.stats().requests, 0);
    assert_eq!(stage.files(), [""; 0]);
}

#[test]
fn exit_3_a_key_that_is_wrong() {
    let stage = Stage::new();
    stage.emulator.put_object(BUCKET, "k", "content");
    let ran = run(stage
        .command(&["get", "tos://bkt/k"])
        .env("TOS_SECRET_KEY", "wrong"))
    .ends_with(3);
    ran.says("SignatureDoesNotMatch").says("request id");
    ran.says("\n  hint: check the secret key and the region");
}

#[test]
fn exit_3_an_object_that_is_not_there() {
    let stage = Stage::new();
    for command in ["get", "stat"] {
        let ran = stage.run(&[command, "tos://bkt/none"]).ends_with(3);
        ran.says("error: ").says("404").says("\n  hint: check the key");
    }
    assert_eq!(stage.files(), [""; 0]);
}

#[test]
fn exit_3_an_object_that_is_replaced_meanwhile() {
    let stage = Stage::with_big_object(16 * MIB);
    let replace = Verdict::ReplaceObject { seed: 8, size: None };
    stage
        .emulator
        .add_fault(FaultRule::new(replace).method("GET").nth(4).times(1));
    let get = ["get", "tos://bkt/big", "--part-size", "1MiB", "--task-num", "2"];
    stage.run(&get).ends_with(3);
    assert!(!stage.path("big").exists());
    // And then the new one is brought.
    stage.run(&get).ends_with(0);
}

#[test]
fn exit_4_content_that_is_not_the_objects() {
    let stage = Stage::with_big_object(8 * MIB);
    stage.emulator.add_fault(FaultRule::new(Verdict::WrongCrc));
    let get = ["get", "tos://bkt/big", "--part-size", "1MiB"];
    let ran = stage.run(&get).ends_with(4);
    ran.says("is not the object")
        .says("\n  caused by: ")
        .says("\n  hint: ");
    assert!(!stage.path("big").exists());
    // Not a dead end.
    stage.emulator.clear_faults();
    stage.run(&get).ends_with(0);
    assert_is_big_object(&stage.path("big"), 8 * MIB);
}

#[test]
fn exit_5_another_process_at_the_same_destination() {
    let stage = Stage::with_big_object(24 * MIB);
    let get = ["get", "tos://bkt/big", "--part-size", "1MiB"];
    stage.slow_down(8 * MIB);
    let first = stage.start(&get);
    stage.wait_until_sent(2 * MIB);
    let ran = stage.run(&get).ends_with(5);
    ran.says(&first.id().to_string()).says("\n  hint: ");
    stage.full_speed();
    first.wait().ends_with(0);
    assert_is_big_object(&stage.path("big"), 24 * MIB);
}

#[test]
fn a_closed_stdout_is_no_failure() {
    let stage = Stage::new();
    stage.emulator.put_virtual(BUCKET, "k", 5, SEED);
    let mut command = stage.command(&["stat", "tos://bkt/k"]);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let status = command.stdout(writer).status().expect("it runs");
    assert_eq!(status.code(), Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn exit_1_a_stdout_that_is_full() {
    let stage = Stage::new();
    stage.emulator.put_virtual(BUCKET, "k", 5, SEED);
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .expect("Linux has it");
    let mut command = stage.command(&["stat", "tos://bkt/k"]);
    let output = command.stdout(full).output().expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write the result to standard output"));
}

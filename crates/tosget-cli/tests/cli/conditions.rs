//! Conditions, changes on the way, and the object's time, as a shell user has them.

use std::fs;
use std::time::{Duration, SystemTime};

use tos_emulator::{FaultRule, Verdict};

use crate::stage::{BUCKET, MIB, Stage, assert_is_big_object};

#[test]
fn exit_3_a_condition_that_does_not_hold_and_its_name_is_said() {
    let stage = Stage::new();
    let etag = stage.emulator.put_object(BUCKET, "k", "content").etag;
    for (flags, condition) in [
        (["--if-match", "other"], "if_match \"other\" does not hold"),
        (["--if-none-match", etag.as_str()], "if_none_match \""),
        (
            ["--if-modified-since", "9000-01-01T00:00:00Z"],
            "if_modified_since ",
        ),
        (
            ["--if-unmodified-since", "Thu, 01 Jan 1970 00:00:00 GMT"],
            "if_unmodified_since ",
        ),
    ] {
        for command in ["get", "stat"] {
            let ran = stage
                .run(&[command, "tos://bkt/k", flags[0], flags[1]])
                .ends_with(3);
            ran.says(condition).says("request id").says("\n  hint: ");
        }
    }
    assert_eq!(stage.files(), [""; 0]);
}

#[test]
fn conditions_that_hold_let_the_object_through() {
    let stage = Stage::new();
    let etag = stage.emulator.put_object(BUCKET, "k", "content").etag;
    let conditions = [
        "--if-match",
        &etag,
        "--if-none-match",
        "other",
        "--if-modified-since",
        "2025-01-02T03:04:05+08:00",
        "--if-unmodified-since",
        "9000-01-01T00:00:00Z",
    ];
    for command in ["get", "stat"] {
        let mut arguments = vec![command, "tos://bkt/k"];
        arguments.extend(conditions);
        stage.run(&arguments).ends_with(0);
    }
    assert_eq!(stage.read("k"), b"content");
}

#[test]
fn a_copy_is_only_renewed_where_the_object_is_newer() {
    let stage = Stage::new();
    stage.emulator.put_object(BUCKET, "k", "content");
    stage
        .run(&["get", "tos://bkt/k", "--preserve-mtime"])
        .ends_with(0);
    let renew = ["get", "tos://bkt/k", "--if-modified-since", "k"];
    stage.run(&renew).ends_with(3).says("304").says("nothing new");
    let copy = fs::File::options()
        .write(true)
        .open(stage.path("k"))
        .expect("there");
    copy.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1))
        .expect("set");
    stage.run(&renew).ends_with(0);
}

#[test]
fn exit_2_a_condition_that_cannot_be_read() {
    let stage = Stage::new();
    for flags in [
        ["--if-match", "*"],
        ["--if-none-match", "\"a\", \"b\""],
        ["--if-modified-since", "yesterday"],
        ["--if-unmodified-since", "1969-01-01T00:00:00Z"],
        ["--on-change", "restart:0"],
        ["--traffic-limit", "10"],
        ["--traffic-limit", "1kbit/s"],
        ["--ssec-key-file", "none"],
    ] {
        stage
            .run(&["get", "tos://bkt/k", flags[0], flags[1]])
            .ends_with(2);
    }
    let ran = stage.run(&["get", "tos://bkt/k", "--if-modified-since", "yesterday"]);
    ran.says("2025-01-02T03:04:05Z").says("a file");
    let ran = stage.run(&["get", "tos://bkt/k", "--traffic-limit", "10Mb"]);
    ran.says("kbit/s").says("MiB/s");
    assert_eq!(stage.emulator.stats().requests, 0);
}

#[test]
fn an_object_that_is_replaced_is_downloaded_afresh_if_that_is_wanted_and_it_is_said() {
    let stage = Stage::new();
    stage.emulator.put_virtual(BUCKET, "big", 16 * MIB, 8);
    let replace = Verdict::ReplaceObject {
        seed: crate::stage::SEED,
        size: None,
    };
    stage
        .emulator
        .add_fault(FaultRule::new(replace).method("GET").nth(4).times(1));
    let get = [
        "get",
        "tos://bkt/big",
        "--part-size",
        "1MiB",
        "--task-num",
        "2",
        "--on-change",
        "restart",
    ];
    let ran = stage.run(&get).ends_with(0);
    ran.says("note: the object was replaced during the download, which started over 1 time");
    assert_is_big_object(&stage.path("big"), 16 * MIB);
}

#[test]
fn a_traffic_limit_goes_out_in_bits_whatever_it_was_typed_in() {
    let stage = Stage::new();
    stage.emulator.put_object(BUCKET, "k", "content");
    for rate in ["8388608bit/s", "1MiB/s"] {
        stage.emulator.reset_log();
        stage
            .run(&["get", "tos://bkt/k", "--traffic-limit", rate])
            .ends_with(0);
        let limit = ("x-tos-traffic-limit".to_owned(), "8388608".to_owned());
        let requests = stage.emulator.requests();
        assert!(
            requests.iter().all(|request| request.headers.contains(&limit)),
            "{rate}"
        );
    }
}

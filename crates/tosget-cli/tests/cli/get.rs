//! A download brings the object, says so, and leaves nothing else behind.

use tos_emulator::{FaultRule, Verdict};

use crate::stage::{BUCKET, MIB, Stage, assert_is_big_object};

#[test]
fn a_download_brings_the_object_and_sums_up() {
    let stage = Stage::with_big_object(50 * MIB);
    let ran = stage
        .run(&["get", "tos://bkt/big", "out.bin", "--part-size", "4MiB"])
        .ends_with(0);
    assert_is_big_object(&stage.path("out.bin"), 50 * MIB);
    assert_eq!(stage.files(), ["out.bin"]);
    assert_eq!(ran.stdout, "");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    ran.says("done: 50 MiB to /")
        .says("/out.bin, CRC64 verified (50 MiB fetched in ");
}

#[test]
fn quiet_says_nothing_at_all() {
    let stage = Stage::new();
    stage.emulator.put_object(BUCKET, "k", "content");
    let ran = stage.run(&["get", "tos://bkt/k", "--quiet"]).ends_with(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
    assert_eq!(stage.read("k"), b"content");
}

#[test]
fn the_key_is_taken_byte_for_byte() {
    let stage = Stage::new();
    for key in ["a//b?x#y%41", "模型 1.bin", "a&b=c+d"] {
        stage.emulator.put_object(BUCKET, key, key.to_owned());
        stage
            .run(&["get", &format!("tos://bkt/{key}"), "out"])
            .ends_with(0);
        assert_eq!(stage.read("out"), key.as_bytes(), "{key}");
    }
}

#[test]
fn the_summary_says_when_there_was_no_crc_to_compare_with() {
    let stage = Stage::new();
    stage.emulator.put_object(BUCKET, "k", "content");
    let ran = stage.run(&["get", "tos://bkt/k", "--no-crc"]).ends_with(0);
    ran.says("only the size verified: --no-crc");
    stage.emulator.add_fault(FaultRule::new(Verdict::HideCrc));
    let ran = stage.run(&["get", "tos://bkt/k"]).ends_with(0);
    ran.says("only the size verified: the server gave no CRC64");
}

#[test]
fn the_summary_counts_retries() {
    let stage = Stage::new();
    stage.emulator.put_object(BUCKET, "k", "content");
    let refuse_once = FaultRule::new(Verdict::status(500, "InternalError")).times(1);
    stage.emulator.add_fault(refuse_once);
    stage.run(&["get", "tos://bkt/k"]).ends_with(0).says("1 retry");
}

#[test]
fn a_version_can_be_named() {
    let stage = Stage::new();
    stage.emulator.enable_versioning(BUCKET);
    let old = stage.emulator.put_object(BUCKET, "k", "old");
    stage.emulator.put_object(BUCKET, "k", "new");
    let version = old.version_id.expect("versioning is on");
    stage
        .run(&["get", "tos://bkt/k", "--version-id", &version])
        .ends_with(0);
    assert_eq!(stage.read("k"), b"old");
}

#[test]
fn a_checkpoint_that_fits_no_longer_is_set_aside_and_the_reason_said() {
    let stage = Stage::with_big_object(32 * MIB);
    let get = ["get", "tos://bkt/big", "--part-size", "2MiB"];
    stage.slow_down(16 * MIB);
    let running = stage.start(&get);
    stage.wait_until_sent(8 * MIB);
    running.kill();
    stage.full_speed();
    stage
        .emulator
        .put_virtual(BUCKET, "big", 40 * MIB, crate::stage::SEED);
    let ran = stage.run(&get).ends_with(0);
    ran.says("note: an earlier checkpoint was set aside: ");
    assert_is_big_object(&stage.path("big"), 40 * MIB);
    assert_eq!(stage.files(), ["big"]);
}

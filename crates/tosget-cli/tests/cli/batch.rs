//! `tosget batch` downloads the objects of a list as one run.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::stage::{BUCKET, MIB, Running, Stage, assert_is_big_object};

impl Stage {
    /// `small/0` to `small/N-1` in the bucket, and a list that names them; each object's content is its name.
    fn with_list_of(count: usize) -> Self {
        let stage = Self::new();
        let names: Vec<String> = (0..count).map(|number| format!("small/{number}")).collect();
        for name in &names {
            stage.emulator.put_object(BUCKET, name, name.clone());
        }
        stage.list(&names);
        stage
    }

    fn list(&self, keys: &[impl AsRef<str>]) {
        let lines: String = keys
            .iter()
            .map(|key| format!("tos://bkt/{}\n", key.as_ref()))
            .collect();
        fs::write(self.path("list"), lines).expect("written");
    }

    /// Without the directories.
    fn plain_files(&self) -> Vec<String> {
        let mut files = self.files();
        files.retain(|name| !name.ends_with('/'));
        files
    }

    fn requests(&self) -> usize {
        self.emulator.requests().len()
    }
}

#[test]
fn every_object_of_the_list_comes_by_one_request_and_nothing_else_is_left() {
    let stage = Stage::with_list_of(300);
    let ran = stage.run(&["batch", "list", "out"]).ends_with(0);
    assert_eq!(ran.stdout, "");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    ran.says("done: 300 objects to out/, CRC64 verified (2.5 KiB fetched in ");
    assert_eq!(stage.requests(), 300);
    for number in 0..300 {
        let name = format!("small/{number}");
        assert_eq!(stage.read(&format!("out/{name}")), name.as_bytes());
    }
    assert_eq!(stage.plain_files().len(), 301, "{:?}", stage.plain_files());
}

#[test]
fn what_is_there_already_is_left_alone_unless_it_is_to_be_replaced() {
    let stage = Stage::with_list_of(20);
    stage.run(&["batch", "list", "out"]).ends_with(0);
    fs::write(stage.path("out/small/7"), "small/x").expect("written");
    let sent = stage.sent();
    stage
        .run(&["batch", "list", "out"])
        .ends_with(0)
        .says("(7 B fetched, 19 there already in ");
    assert_eq!(stage.read("out/small/7"), b"small/7");
    assert_eq!(stage.sent() - sent, 7);
    stage
        .run(&["batch", "list", "out", "--replace"])
        .ends_with(0)
        .says("(150 B fetched in ");
}

#[test]
fn one_that_fails_stops_no_other_and_decides_the_exit_code() {
    let stage = Stage::with_list_of(20);
    stage.list(&["small/1", "missing", "small/2"]);
    let ran = stage.run(&["batch", "list", "out"]).ends_with(3);
    ran.says("tos://bkt/missing").says("NoSuchKey");
    ran.says("error: 1 of 3 objects failed\n")
        .says("hint: run the same command again");
    assert_eq!(stage.plain_files(), ["list", "out/small/1", "out/small/2"]);
}

#[test]
fn no_entry_of_a_list_leaves_the_directory() {
    let stage = Stage::with_list_of(1);
    for key in ["../outside", "/etc/outside", "a/../../outside", "a\u{1b}[31m/.."] {
        stage.emulator.put_object(BUCKET, key, "content");
    }
    stage.list(&[
        "../outside",
        "/etc/outside",
        "small/0",
        "a/../../outside",
        "a\u{1b}[31m/..",
    ]);
    let ran = stage.run(&["batch", "list", "out"]).ends_with(2);
    ran.says("4 of 5 objects failed");
    assert!(!ran.stderr.contains('\u{1b}'), "{ran:?}");
    assert_eq!(stage.plain_files(), ["list", "out/small/0"]);
}

#[test]
fn a_list_that_can_not_be_used_is_refused_before_anything_is_asked() {
    let stage = Stage::with_list_of(3);
    fs::write(stage.path("list"), "tos://bkt/small/0\nbkt/small/1\n").expect("written");
    stage.run(&["batch", "list"]).ends_with(2).says("line 2");
    stage
        .run(&["batch", "nowhere"])
        .ends_with(2)
        .says("could not read the list nowhere");
    assert_eq!(stage.requests(), 0);
}

#[test]
fn a_line_that_stands_there_twice_counts_once() {
    let stage = Stage::with_list_of(2);
    stage.list(&["small/0", "small/1", "small/0", "small/0"]);
    let ran = stage.run(&["batch", "list", "out"]).ends_with(0);
    ran.says("done: 2 objects to out/");
    assert_eq!(stage.requests(), 2);
}

/// Each of the pairs would be one path, or a file and a directory of one name.
#[test]
fn of_two_lines_that_need_one_path_the_later_one_is_left_out_and_both_are_named() {
    for (first, later) in [
        ("s//t", "s/t"),
        ("s/t", "s//t"),
        ("s///t", "s//t"),
        ("x", "x/y"),
        ("x/y", "x"),
        ("x/y/z", "x"),
        ("x/", "x"),
        ("x", "x/"),
    ] {
        let stage = Stage::with_list_of(20);
        stage.emulator.put_object(BUCKET, first, "the first one");
        stage.emulator.put_object(BUCKET, later, "the later one");
        let mut keys: Vec<String> = (0..20).map(|number| format!("small/{number}")).collect();
        keys.insert(3, first.to_owned());
        keys.insert(9, later.to_owned());
        stage.list(&keys);
        for round in 0..2 {
            let ran = stage.run(&["batch", "list", "out"]).ends_with(2);
            ran.says("lines 4 and 10 of the list")
                .says(&format!("tos://bkt/{first} and tos://bkt/{later};"))
                .says("1 of 22 objects failed");
            let there = stage.path("out").join(first);
            if first.ends_with('/') {
                assert!(there.is_dir(), "{first} {later}, round {round}");
            } else {
                let content = fs::read(there).expect("the first one is there");
                assert_eq!(content, b"the first one", "{first} {later}, round {round}");
            }
            assert_eq!(stage.read("out/small/19"), b"small/19");
        }
        let asked = stage.emulator.requests();
        assert!(
            !asked.iter().any(|request| request.key.as_deref() == Some(later)),
            "{later} was asked for"
        );
        let unwanted = stage.files().into_iter().filter(|name| name.contains(".tosget"));
        assert_eq!(unwanted.count(), 0, "{:?}", stage.files());
    }
}

#[test]
fn two_buckets_or_urls_for_one_path_are_told_as_json_as_well() {
    let stage = Stage::with_list_of(1);
    stage.emulator.create_bucket("other");
    stage.emulator.put_object("other", "small/0", "another");
    stage.emulator.put_object(BUCKET, "a b", "by URL");
    let url = stage.run(&["presign", "tos://bkt/a b"]).ends_with(0).stdout;
    fs::write(
        stage.path("list"),
        format!("tos://bkt/small/0\ntos://other/small/0\n{url}tos://bkt/a b\n"),
    )
    .expect("written");
    let ran = stage.run(&["batch", "list", "out", "--json"]).ends_with(2);
    let lines: Vec<Value> = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let message_about = |bucket: &str, key: &str| {
        let line = lines
            .iter()
            .find(|line| line["bucket"] == bucket && line["key"] == key);
        let error = &line.expect("each line has its own")["error"];
        assert_eq!(error["kind"], "invalid_argument");
        error["message"].as_str().expect("a message").to_owned()
    };
    assert!(message_about("other", "small/0").contains("lines 1 and 2 of the list"));
    assert!(message_about(BUCKET, "a b").contains("lines 3 and 4 of the list"));
    assert_eq!(stage.read("out/small/0"), b"small/0");
}

#[test]
fn a_key_with_a_name_of_ours_blocks_no_other() {
    let stage = Stage::with_list_of(1);
    stage.emulator.put_virtual(BUCKET, "big.bin", 24 * MIB, 7);
    stage.slow_down(24 * MIB);
    let arguments = ["get", "tos://bkt/big.bin", "out/", "--part-size", "1MiB"];
    let running = Running::start(&mut stage.command(&arguments));
    stage.wait_until_sent(8 * MIB);
    running.kill();
    stage.full_speed();
    let ours: Vec<String> = stage
        .plain_files()
        .iter()
        .filter_map(|name| name.strip_prefix("out/").map(str::to_owned))
        .collect();
    assert_eq!(ours.len(), 2, "{ours:?}");
    fs::remove_dir_all(stage.path("out")).expect("removed");
    let mut keys = Vec::new();
    for name in &ours {
        for key in [
            name.clone(),
            format!("{name}/x"),
            format!("{name}/"),
            name.to_uppercase(),
            format!("{name}.aside"),
            format!("{name}.aside/x"),
        ] {
            stage.emulator.put_object(BUCKET, &key, "content");
            keys.push(key);
        }
    }
    // A temporary file is never set aside.
    keys.retain(|key| !key.contains("part.aside"));
    let refused = keys.len();
    keys.push("big.bin".to_owned());
    stage.list(&keys);
    let ran = stage
        .run(&["batch", "list", "out", "--part-size", "1MiB"])
        .ends_with(2);
    ran.says(&format!("{refused} of {} objects failed", refused + 1))
        .says("has a name that tosget keeps for its own files");
    assert_is_big_object(&stage.path("out/big.bin"), 24 * MIB);
    assert_eq!(stage.plain_files(), ["list", "out/big.bin"]);
}

#[test]
fn a_list_comes_from_standard_input_as_well_and_may_be_empty() {
    let stage = Stage::with_list_of(2);
    for (list, words) in [
        ("tos://bkt/small/1\n", "done: 1 object to out/"),
        ("# nothing\n", "done: 0 objects"),
    ] {
        let mut child = stage
            .command(&["batch", "-", "out"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut stdin = child.stdin.take().expect("it was piped");
        stdin.write_all(list.as_bytes()).expect("written");
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains(words), "{said}");
    }
    assert_eq!(stage.read("out/small/1"), b"small/1");
}

#[test]
fn an_interrupted_run_goes_on_with_what_is_missing() {
    let stage = Stage::with_list_of(50);
    stage.emulator.put_virtual(BUCKET, "big", 48 * MIB, 7);
    let mut keys: Vec<String> = (0..50).map(|number| format!("small/{number}")).collect();
    keys.push("big".to_owned());
    stage.list(&keys);
    stage.slow_down(24 * MIB);
    let arguments = ["batch", "list", "out", "--part-size", "2MiB"];
    let running = Running::start(&mut stage.command(&arguments));
    stage.wait_until_sent(12 * MIB);
    running.signal(Signal::INT);
    let ran = running.wait().ends_with(130);
    ran.says("interrupted: ").says(" of 51 objects are there\n");
    assert!(!stage.path("out/big").exists());

    stage.full_speed();
    let told = stage.run(&[&arguments[..], &["--json"]].concat()).ends_with(0);
    let last: Value = serde_json::from_str(told.stdout.lines().last().expect("a line")).expect("JSON");
    let batch = &last["batch"];
    assert_eq!((&batch["objects"], &batch["done"]), (&json!(51), &json!(51)));
    assert!(
        batch["bytes_resumed"]
            .as_u64()
            .is_some_and(|bytes| bytes >= 10 * MIB),
        "{last}"
    );
    assert_is_big_object(&stage.path("out/big"), 48 * MIB);
    assert_eq!(stage.plain_files().len(), 52, "{:?}", stage.plain_files());
}

#[test]
fn json_tells_of_each_object_and_of_the_run() {
    let stage = Stage::with_list_of(2);
    stage.list(&["small/0", "missing", "small/1"]);
    let ran = stage.run(&["batch", "list", "out", "--json"]).ends_with(3);
    assert_eq!(ran.stderr, "");
    let lines: Vec<Value> = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 4);
    let of = |key: &str| {
        lines
            .iter()
            .find(|line| line["key"] == key)
            .expect("each object has a line")
    };
    assert_eq!(
        (&of("small/1")["ok"], &of("small/1")["verification"]),
        (&json!(true), &json!("crc64"))
    );
    let missing = of("missing");
    assert_eq!(
        (&missing["ok"], &missing["error"]["server"]["status_code"]),
        (&json!(false), &json!(404))
    );
    let run = &lines[3];
    assert_eq!(
        (&run["ok"], &run["exit_code"], &run["batch"]["failed"]),
        (&json!(false), &json!(3), &json!(1))
    );
    assert_eq!(run["batch"]["verified"], json!(2));
}

#[test]
fn an_empty_list_proves_nothing() {
    let stage = Stage::new();
    fs::write(stage.path("list"), "# nothing\n").expect("written");
    let ran = stage.run(&["batch", "list", "out/"]).ends_with(0);
    ran.says("done: 0 objects to out/, the list names none");
    assert!(!ran.stderr.contains("verified"), "{}", ran.stderr);
}

//! A checkpoint file that the user names is tosget's own, or it stays as it is.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::process::Signal;

use crate::stage::{BUCKET, MIB, Ran, Stage, assert_is_big_object};

const SIZE: u64 = 24 * MIB;

fn get<'a>(destination: &'a str, checkpoint: &'a str) -> [&'a str; 7] {
    [
        "get",
        "tos://bkt/big",
        destination,
        "--part-size",
        "2MiB",
        "--checkpoint-file",
        checkpoint,
    ]
}

/// Runs it half-way.
fn interrupted(stage: &Stage, arguments: &[&str]) {
    stage.slow_down(12 * MIB);
    let running = stage.start(arguments);
    stage.wait_until_sent(stage.sent() + 8 * MIB);
    running.signal(Signal::TERM);
    running.wait().ends_with(130);
    stage.full_speed();
}

/// Before anything is asked of anybody, and without a change to the directory.
#[track_caller]
fn is_refused(stage: &Stage, arguments: &[&str]) -> Ran {
    let (files, asked) = (stage.files(), stage.emulator.stats().requests);
    let ran = stage.run(arguments);
    assert!(!matches!(ran.code, None | Some(0)), "{arguments:?}: {ran:#?}");
    assert_eq!(stage.files(), files, "{arguments:?}");
    assert_eq!(stage.emulator.stats().requests, asked, "{arguments:?}");
    ran
}

#[test]
fn a_named_file_that_is_no_journal_is_left_as_it_is_and_nothing_is_asked() {
    let stage = Stage::with_big_object(SIZE);
    let contents = [
        b"precious".to_vec(),
        Vec::new(),
        vec![0; 100_000],
        vec![b'x'; 100_000],
        b"TOSGETJ\nnot really".to_vec(),
    ];
    for content in contents {
        fs::write(stage.path("mine"), &content).expect("written");
        for destination in ["out.bin", "mine", "new/out.bin"] {
            let ran = is_refused(&stage, &get(destination, "mine"));
            ran.says("the checkpoint file ")
                .says("hint: name another checkpoint file");
            assert_eq!(stage.read("mine"), content);
        }
        // An object that is too small for a journal is no reason to touch it either.
        stage.emulator.put_object(BUCKET, "small", "content");
        is_refused(&stage, &["get", "tos://bkt/small", "--checkpoint-file", "mine"]);
        assert_eq!(stage.read("mine"), content);
    }
}

#[test]
fn what_is_no_file_is_no_checkpoint_and_stays() {
    let stage = Stage::with_big_object(SIZE);
    fs::write(stage.path("precious"), "precious").expect("written");
    symlink("precious", stage.path("link")).expect("linked");
    symlink("nothing", stage.path("dangling")).expect("linked");
    symlink("/dev/null", stage.path("null")).expect("linked");
    let _socket = std::os::unix::net::UnixListener::bind(stage.path("socket")).expect("bound");
    for name in [
        "link",
        "dangling",
        "null",
        "socket",
        "/dev/null",
        "/proc/self/fd/1",
        "/dev/stdout",
    ] {
        is_refused(&stage, &get("out.bin", name));
    }
    assert_eq!(stage.read("precious"), b"precious");
    assert!(fs::symlink_metadata("/dev/null").is_ok_and(|metadata| !metadata.is_file()));
}

#[test]
fn a_journal_of_another_object_or_destination_stays_and_is_gone_on_with() {
    let stage = Stage::with_big_object(SIZE);
    stage.emulator.put_virtual(BUCKET, "other", SIZE, 9);
    stage.emulator.put_object(BUCKET, "small", "content");
    interrupted(&stage, &get("out.bin", "c"));
    let journal = stage.read("c");
    for arguments in [
        &["get", "tos://bkt/other", "out.bin", "--checkpoint-file", "c"][..],
        &["get", "tos://bkt/other", "else.bin", "--checkpoint-file", "c"],
        &["get", "tos://bkt/small", "out.bin", "--checkpoint-file", "c"],
        &["get", "tos://bkt/big", "else.bin", "--checkpoint-file", "c"],
        &[
            "get",
            "tos://bkt/big",
            "out.bin",
            "--checkpoint-file",
            "c",
            "--version-id",
            "v",
        ],
    ] {
        is_refused(&stage, arguments).says("belongs to the download of tos://bkt/big");
        assert_eq!(stage.read("c"), journal);
    }
    stage.run(&get("out.bin", "c")).ends_with(0).says(" resumed in ");
    assert_is_big_object(&stage.path("out.bin"), SIZE);
    assert_eq!(stage.files(), ["out.bin"]);
}

#[test]
fn the_destination_is_known_in_every_spelling() {
    for is_there in [false, true] {
        let stage = Stage::with_big_object(SIZE);
        fs::create_dir(stage.path("x")).expect("created");
        fs::create_dir(stage.path("d")).expect("created");
        symlink("d", stage.path("way")).expect("linked");
        let absolute = stage.path("d/out.bin").display().to_string();
        let mut spellings = vec![
            "d/out.bin",
            "./d/./out.bin",
            "x/../d/out.bin",
            "d/../d//out.bin",
            "way/out.bin",
            "way/../d/out.bin",
            "new/../d/out.bin",
            "new/deep/../../d/out.bin",
            &absolute,
        ];
        if is_there {
            fs::write(stage.path("d/out.bin"), "old").expect("written");
            fs::hard_link(stage.path("d/out.bin"), stage.path("hard")).expect("linked");
            symlink("d/out.bin", stage.path("soft")).expect("linked");
            spellings.extend(["hard", "soft"]);
        }
        for spelling in spellings {
            is_refused(&stage, &get("d/out.bin", spelling)).says("hint: name another checkpoint file");
            is_refused(&stage, &get(spelling, "d/out.bin"));
        }
        if is_there {
            assert_eq!(stage.read("d/out.bin"), b"old");
        }
    }
}

#[test]
fn the_files_beside_the_destination_and_the_checkpoint_are_not_taken_for_another() {
    let stage = Stage::with_big_object(SIZE);
    interrupted(
        &stage,
        &["get", "tos://bkt/big", "out.bin", "--part-size", "2MiB"],
    );
    let files = stage.files();
    let mut names = files.iter();
    let temporary = names.find(|name| name.ends_with("tosget-part"));
    let refused = is_refused(&stage, &get("out.bin", temporary.expect("kept")));
    refused.says("is the temporary file itself");
    let stage = Stage::with_big_object(SIZE);
    // Where the journal would be kept if it could not be used.
    is_refused(&stage, &get("c.aside", "c")).says("is the destination itself");
}

#[test]
fn a_journal_is_not_set_aside_over_somebodys_file() {
    for content in ["", "precious"] {
        let stage = Stage::with_big_object(SIZE);
        interrupted(&stage, &get("out.bin", "c"));
        fs::write(stage.path("c.aside"), content).expect("written");
        stage.emulator.put_virtual(BUCKET, "big", SIZE, 9);
        stage.run(&get("out.bin", "c")).ends_with(0);
        assert_eq!(stage.files(), ["c.aside", "out.bin"]);
        assert_eq!(stage.read("c.aside"), content.as_bytes());
    }
}

#[test]
fn what_has_the_temporary_files_name_and_is_none_is_not_destroyed() {
    type Place = fn(&Path, &Path);
    let places: [Place; 5] = [
        |path, _| fs::create_dir(path).expect("created"),
        |path, precious| symlink(precious, path).expect("linked"),
        |path, precious| fs::hard_link(precious, path).expect("linked"),
        |path, _| symlink("/dev/null", path).expect("linked"),
        |path, _| drop(std::os::unix::net::UnixListener::bind(path).expect("bound")),
    ];
    for (index, place) in places.into_iter().enumerate() {
        let stage = Stage::with_big_object(SIZE);
        stage.emulator.put_object(BUCKET, "small", "content");
        interrupted(
            &stage,
            &["get", "tos://bkt/big", "out.bin", "--part-size", "2MiB"],
        );
        let files = stage.files();
        let own = |ending: &str| {
            let mut names = files.iter();
            stage.path(names.find(|name| name.ends_with(ending)).expect("kept"))
        };
        let (temporary, journal) = (own("tosget-part"), own("tosget-journal"));
        fs::write(stage.path("precious"), "precious").expect("written");
        let is_kept = |path: &Path| {
            let before = fs::symlink_metadata(path).expect("there").file_type();
            for object in ["tos://bkt/big", "tos://bkt/small"] {
                stage.run(&["get", object, "out.bin"]).ends_with(1);
                let after = fs::symlink_metadata(path).expect("still there");
                assert_eq!(before, after.file_type(), "case {index}");
                assert_eq!(stage.read("precious"), b"precious", "case {index}");
            }
        };
        fs::remove_file(&temporary).expect("removed");
        place(&temporary, &stage.path("precious"));
        is_kept(&temporary);
        fs::remove_file(&journal).expect("removed");
        is_kept(&temporary);
        if fs::remove_file(&temporary).is_err() {
            fs::remove_dir(&temporary).expect("removed");
        }
        place(&journal, &stage.path("precious"));
        // What has the journal's name and can be read as a file is a damaged one: it gets another name.
        if index == 2 {
            stage.run(&["get", "tos://bkt/big", "out.bin"]).ends_with(0);
            let aside = stage.files().into_iter().find(|name| name.ends_with("aside"));
            assert_eq!(stage.read(&aside.expect("kept")), b"precious");
        } else {
            is_kept(&journal);
        }
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn a_kill_before_the_journal_has_its_name_leaves_nothing_that_is_in_the_way() {
    use crate::odd_system::OddSystem;
    let stage = Stage::with_big_object(SIZE);
    let odd = OddSystem::new(&stage).rule("rename kill 1 /c");
    let ran = odd.run(&get("out.bin", "c"));
    assert_eq!(ran.code, None);
    assert!(odd.was_used() && !stage.path("c").exists());
    interrupted(&stage, &get("out.bin", "c"));
    stage.run(&get("out.bin", "c")).ends_with(0).says(" resumed in ");
    assert_eq!(stage.files(), ["out.bin"]);
}

#[test]
fn a_journal_of_another_download_is_not_taken_for_one_that_was_set_aside() {
    let stage = Stage::with_big_object(SIZE);
    interrupted(&stage, &get("b.bin", "c.aside"));
    stage.run(&get("a.bin", "c")).ends_with(0);
    // Here it has to be set aside.
    interrupted(&stage, &get("a.bin", "c"));
    stage.emulator.put_virtual(BUCKET, "else", SIZE, 9);
    let journal = stage.read("c.aside");
    stage.emulator.put_virtual(BUCKET, "big", SIZE, 9);
    stage.run(&get("a.bin", "c")).ends_with(0);
    assert_eq!(stage.read("c.aside"), journal);
    stage
        .emulator
        .put_virtual(BUCKET, "big", SIZE, crate::stage::SEED);
    stage.run(&get("b.bin", "c.aside")).ends_with(0);
    assert_is_big_object(&stage.path("b.bin"), SIZE);
    assert_eq!(stage.files(), ["a.bin", "b.bin"]);
}

#[test]
fn another_spelling_of_the_destination_finds_the_checkpoint() {
    for checkpoint in ["c/", "c.file"] {
        let stage = Stage::with_big_object(SIZE);
        fs::create_dir(stage.path("d")).expect("created");
        fs::create_dir(stage.path("c")).expect("created");
        symlink("d", stage.path("way")).expect("linked");
        let absolute = stage.path("c/../d/out.bin").display().to_string();
        interrupted(&stage, &get("d/out.bin", checkpoint));
        for spelling in ["d/../d/out.bin", "way/out.bin", &absolute] {
            let mut arguments = get(spelling, checkpoint).to_vec();
            arguments.extend(["--limit-rate", "12MiB"]);
            let running = stage.start(&arguments);
            stage.wait_until_sent(stage.sent() + MIB);
            running.signal(Signal::TERM);
            running.wait().ends_with(130);
        }
        let ran = stage.run(&get("way/../d/out.bin", checkpoint)).ends_with(0);
        ran.says(" resumed in ");
        assert!(stage.sent() < SIZE + 8 * MIB, "{}", stage.sent());
        assert_is_big_object(&stage.path("d/out.bin"), SIZE);
        assert_eq!(stage.files(), ["c/", "d/", "d/out.bin", "way/", "way/out.bin"]);
    }
}

#[test]
fn a_run_with_another_checkpoint_or_none_leaves_a_kept_one_alone() {
    let beside = ["get", "tos://bkt/big", "out.bin", "--part-size", "2MiB"];
    let nowhere = [&beside[..], &["--no-checkpoint"]].concat();
    let (file, other) = (get("out.bin", "c"), get("out.bin", "k"));
    let cases: [(&[&str], &[&str]); 5] = [
        (&beside, &nowhere),
        (&file, &nowhere),
        (&beside, &file),
        (&file, &beside),
        (&file, &other),
    ];
    for (kept, between) in cases {
        let stage = Stage::with_big_object(SIZE);
        interrupted(&stage, kept);
        interrupted(&stage, between);
        let ran = stage.run(&[kept, &["--json"]].concat()).ends_with(0);
        let resumed = ran.json()["bytes_resumed"].as_u64().expect("a number");
        assert!(resumed >= 4 * MIB, "{kept:?} {between:?}: {ran:#?}");
        assert_is_big_object(&stage.path("out.bin"), SIZE);
        if between == nowhere {
            assert_eq!(stage.files(), ["out.bin"], "{kept:?} {between:?}");
        }
    }
}

#[test]
fn what_was_kept_beside_a_destination_goes_when_a_run_without_a_checkpoint_has_brought_it() {
    let stage = Stage::with_big_object(SIZE);
    let beside = ["get", "tos://bkt/big", "out.bin", "--part-size", "2MiB"];
    interrupted(&stage, &beside);
    let told = stage.run(&[&beside[..], &["--no-checkpoint", "--json"]].concat());
    assert_eq!(told.ends_with(0).json()["bytes_resumed"], 0);
    assert_is_big_object(&stage.path("out.bin"), SIZE);
    assert_eq!(stage.files(), ["out.bin"]);
}

#[test]
fn another_process_at_the_destination_is_told_whatever_its_checkpoint_is() {
    let beside = ["get", "tos://bkt/big", "out.bin", "--part-size", "2MiB"];
    let nowhere = [&beside[..], &["--no-checkpoint"]].concat();
    let file = get("out.bin", "c");
    let places: [&[&str]; 3] = [&beside, &nowhere, &file];
    for first in places {
        for second in places {
            let stage = Stage::with_big_object(SIZE);
            stage.emulator.put_object(BUCKET, "small", "content");
            stage.slow_down(3 * MIB);
            let running = stage.start(first);
            stage.wait_until_sent(2 * MIB);
            stage.run(second).ends_with(5);
            let small = [&["get", "tos://bkt/small"], &second[2..]].concat();
            stage.run(&small).ends_with(5);
            stage.full_speed();
            running.wait().ends_with(0);
            assert_is_big_object(&stage.path("out.bin"), SIZE);
            assert_eq!(stage.files(), ["out.bin"], "{first:?} {second:?}");
        }
    }
}

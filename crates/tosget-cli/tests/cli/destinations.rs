//! Where an object is saved, and where it never is.

use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::os::unix::net::UnixListener;

use crate::stage::{BUCKET, Stage};

fn stage_with(key: &str) -> Stage {
    let stage = Stage::new();
    stage.emulator.put_object(BUCKET, key, "content");
    stage
}

#[test]
fn a_file_is_named_as_it_is_and_its_directories_are_made() {
    let stage = stage_with("a/b.bin");
    stage.run(&["get", "tos://bkt/a/b.bin", "x/y/out"]).ends_with(0);
    assert_eq!(stage.files(), ["x/", "x/y/", "x/y/out"]);
}

#[test]
fn below_a_directory_the_key_is_the_name() {
    let stage = stage_with("a/b.bin");
    fs::create_dir(stage.path("there")).expect("created");
    stage.run(&["get", "tos://bkt/a/b.bin", "there"]).ends_with(0);
    stage.run(&["get", "tos://bkt/a/b.bin", "new/"]).ends_with(0);
    assert_eq!(
        stage.files(),
        [
            "new/",
            "new/a/",
            "new/a/b.bin",
            "there/",
            "there/a/",
            "there/a/b.bin"
        ]
    );
}

#[test]
fn without_a_destination_the_last_segment_is_the_name() {
    let stage = stage_with("a/b.bin");
    stage.run(&["get", "tos://bkt/a/b.bin"]).ends_with(0);
    assert_eq!(stage.files(), ["b.bin"]);
}

#[test]
fn a_last_segment_that_is_a_directory_here_is_not_guessed_about() {
    let stage = stage_with("a/b");
    fs::create_dir(stage.path("b")).expect("created");
    stage
        .run(&["get", "tos://bkt/a/b"])
        .ends_with(2)
        .says("b/ to save the object below it");
    assert_eq!(stage.files(), ["b/"]);
}

#[test]
fn a_key_that_ends_in_a_slash_needs_a_directory() {
    let stage = stage_with("a/dir/");
    let ran = stage.run(&["get", "tos://bkt/a/dir/"]).ends_with(2);
    ran.says("ends in a slash").says("hint: name a directory");
    assert_eq!(stage.files(), [""; 0]);
    stage
        .run(&["get", "tos://bkt/a/dir/", "./"])
        .ends_with(0)
        .says("done: the directory ");
    assert_eq!(stage.files(), ["a/", "a/dir/"]);
}

#[test]
fn no_key_writes_outside_of_the_directory() {
    for key in ["../x", "a/../../x", "/etc/x", "a/..", ".."] {
        let stage = stage_with(key);
        fs::create_dir(stage.path("here")).expect("created");
        let ran = stage
            .run(&["get", &format!("tos://bkt/{key}"), "here"])
            .ends_with(2);
        ran.says("outside of here").says("hint: ");
        assert_eq!(stage.files(), ["here/"], "{key}");
    }
    for key in ["..", "a/.."] {
        let stage = stage_with(key);
        stage.run(&["get", &format!("tos://bkt/{key}")]).ends_with(2);
        assert_eq!(stage.files(), [""; 0], "{key}");
    }
}

/// All of it as root too, who could.
#[test]
fn what_is_or_leads_to_no_file_is_refused_and_stays_as_it_is() {
    let stage = stage_with("a/null");
    let list = stage.path("list");
    fs::write(&list, "tos://bkt/a/null\n").expect("written");
    let link = |to: &str, name: &str| symlink(to, stage.path(name)).expect("linked");
    fs::create_dir(stage.path("a")).expect("created");
    link("/dev/null", "a/null");
    link("a/null", "chain");
    link("/proc/self/fd/1", "proc");
    link("/dev/stdout", "stdout");
    let _socket = UnixListener::bind(stage.path("socket")).expect("bound");
    link("socket", "to-socket");
    let pipe = stage.path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("it is everywhere").success());
    link("pipe", "to-pipe");
    let files = stage.files();
    for destination in [
        "/dev/null",
        "a/null",
        "chain",
        "proc",
        "/proc/self/cmdline",
        "stdout",
        "socket",
        "to-socket",
        "pipe",
        "to-pipe",
        "./",
        "/dev/stdout",
        "/dev/stderr",
        "/dev/fd/1",
        "/proc/self/fd/1",
        "/proc/sys/kernel/domainname",
    ] {
        let ran = stage.run(&["get", "tos://bkt/a/null", destination]).ends_with(2);
        assert!(!ran.stdout.contains("content"), "{ran:?}");
        ran.says("which no file can take the place of").says("hint: ");
    }
    let ran = stage.run(&["batch", "list"]).ends_with(2);
    ran.says("which no file can take the place of");
    // Where standard output is a file.
    let output = fs::File::create(stage.path("output")).expect("created");
    let status = stage
        .command(&["get", "tos://bkt/a/null", "/dev/stdout"])
        .stdout(output)
        .status();
    assert_eq!(status.expect("it runs").code(), Some(2));
    fs::remove_file(stage.path("output")).expect("still there");
    assert_eq!(stage.files(), files);
    assert_eq!(stage.emulator.stats().requests, 0);
    let kind = |path: &str| fs::symlink_metadata(path).expect("there").file_type();
    assert!(kind("/dev/null").is_char_device() && kind("/dev/stdout").is_symlink());
    assert!(kind(&pipe.display().to_string()).is_fifo());
}

#[test]
fn standard_output_is_no_destination_and_a_file_of_its_name_is() {
    let stage = stage_with("k");
    let ran = stage.run(&["get", "tos://bkt/k", "-"]).ends_with(2);
    ran.says("standard output").says("use cat; ./- is a file");
    assert_eq!(stage.files(), [""; 0]);
    stage.run(&["get", "tos://bkt/k", "./-"]).ends_with(0);
    assert_eq!(stage.read("-"), b"content");
}

#[test]
fn what_names_a_place_elsewhere_is_no_destination() {
    let stage = stage_with("k");
    fs::write(stage.path("list"), "tos://bkt/k\n").expect("written");
    for elsewhere in ["tos://bkt/x", "s3://bkt/x/", "https://bkt.example/x"] {
        for command in [["get", "tos://bkt/k"], ["batch", "list"]] {
            let ran = stage.run(&[command[0], command[1], elsewhere]).ends_with(2);
            ran.says(&format!("can't save to {elsewhere}: "))
                .says("tosget batch --help");
            assert_eq!(stage.files(), ["list"]);
        }
    }
    stage.run(&["get", "tos://bkt/k", "./tos:/x"]).ends_with(0);
    assert_eq!(stage.read("tos:/x"), b"content");
}

#[test]
fn no_object_is_saved_over_what_the_command_itself_reads_or_writes() {
    let stage = stage_with("keys/secret");
    fs::create_dir(stage.path("keys")).expect("created");
    fs::write(stage.path("keys/secret"), "k".repeat(32)).expect("written");
    fs::hard_link(stage.path("keys/secret"), stage.path("hard")).expect("linked");
    for destination in ["keys/secret", "./", "keys/../hard"] {
        let flag = ["--ssec-key-file", "keys/secret"];
        let get = ["get", "tos://bkt/keys/secret", destination, flag[0], flag[1]];
        let ran = stage.run(&get).ends_with(2);
        ran.says("this is the file with the object's key");
        for flag in ["--ca-file", "--client-key", "--client-cert"] {
            let (first, second) = ("--client-key", "--client-cert");
            let mut get = vec!["get", "tos://bkt/keys/secret", destination, flag, "keys/secret"];
            if flag != "--ca-file" {
                get.extend([if flag == first { second } else { first }, "other"]);
            }
            stage.run(&get).ends_with(2).says("this is the ");
        }
    }
    fs::write(stage.path("keys/secret"), "tos://bkt/keys/secret\n").expect("written");
    let ran = stage.run(&["batch", "keys/secret", "."]).ends_with(2);
    ran.says("this is the list");
    // A URL's name is decoded.
    for path in ["d/my%20list", "d/m%79%20list", "d%2Fmy%20list"] {
        let url = format!("{}/bkt/{path}?X-Tos-Date=a/b", stage.emulator.endpoint());
        fs::write(stage.path("my list"), format!("{url}\n")).expect("written");
        stage
            .run(&["batch", "my list"])
            .ends_with(2)
            .says("this is the list");
        let get = ["get", &url, "--ssec-key-file", "my list"];
        stage
            .run(&get)
            .ends_with(2)
            .says("the file with the object's key");
    }
    for is_error in [false, true] {
        let output = fs::File::create(stage.path("hard")).expect("there");
        let mut command = stage.command(&["get", "tos://bkt/keys/secret", "hard", "--json"]);
        if is_error {
            command.stderr(output);
        } else {
            command.stdout(output);
        }
        assert_eq!(command.status().expect("it runs").code(), Some(2));
    }
    assert_eq!(stage.emulator.stats().requests, 0);
}

#[test]
fn a_path_that_can_not_be_looked_at_says_why() {
    let stage = stage_with("k");
    fs::write(stage.path("file"), "content").expect("written");
    symlink("loop", stage.path("loop")).expect("linked");
    let long = format!("{}/k", "x".repeat(300));
    for (destination, why) in [
        ("file/q/p", "ot a directory"),
        ("loop/q", "ymbolic link"),
        (&long, "name too long"),
    ] {
        let ran = stage.run(&["get", "tos://bkt/k", destination]).ends_with(2);
        ran.says("could not look at").says(why);
        let ran = stage
            .run(&["get", "tos://bkt/k", destination, "--json"])
            .ends_with(2);
        assert!(ran.json().to_string().contains(why), "{ran:?}");
        let ran = stage.run(&["get", "tos://bkt/k", "out", "--checkpoint-file", destination]);
        assert_ne!(ran.code, Some(0));
        ran.says(why);
    }
    assert_eq!(stage.emulator.stats().requests, 0);
}

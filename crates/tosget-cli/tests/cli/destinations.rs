//! Where an object is saved, and where it never is.

use std::fs;

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

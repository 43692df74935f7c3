//! The key of an encrypted object comes from a file or the environment, and is shown by nothing.

use std::fs;

use crate::stage::{BUCKET, Stage, run};

/// 32 times the letter k.
const KEY: &str = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";
const KEY_MD5: &str = "mT2HRsMGJ5IX5C+0rreZ8Q==";

fn stage() -> Stage {
    let stage = Stage::new();
    let headers = [
        ("x-tos-server-side-encryption-customer-algorithm", "AES256"),
        ("x-tos-server-side-encryption-customer-key", KEY),
        ("x-tos-server-side-encryption-customer-key-md5", KEY_MD5),
    ];
    stage.emulator.put_object_with(BUCKET, "k", "content", &headers);
    stage
}

#[test]
fn the_key_may_be_a_file_raw_or_in_base64_or_a_variable() {
    let stage = stage();
    fs::write(stage.path("raw"), "k".repeat(32)).expect("written");
    fs::write(stage.path("text"), format!("{KEY}\n")).expect("written");
    for file in ["raw", "text"] {
        for command in ["get", "stat"] {
            let ran = stage
                .run(&[command, "tos://bkt/k", "--ssec-key-file", file])
                .ends_with(0);
            assert!(!format!("{ran:?}").contains(KEY), "{ran:?}");
        }
        assert_eq!(stage.read("k"), b"content");
        fs::remove_file(stage.path("k")).expect("removed");
    }
    let ran = run(stage
        .command(&["get", "tos://bkt/k", "-vv"])
        .env("TOS_SSEC_KEY", KEY))
    .ends_with(0);
    assert!(!format!("{ran:?}").contains(KEY), "{ran:?}");
    let ran = run(stage
        .command(&["stat", "tos://bkt/k", "--json"])
        .env("TOS_SSEC_KEY", KEY))
    .ends_with(0);
    let told = ran.json();
    assert_eq!(told["object"]["ssec_algorithm"], "AES256");
    assert_eq!(told["object"]["ssec_key_md5"], KEY_MD5);
    let ran = run(stage.command(&["stat", "tos://bkt/k"]).env("TOS_SSEC_KEY", KEY)).ends_with(0);
    assert!(
        ran.stdout
            .contains("encryption     AES256, its owner's key (SSE-C)\n"),
        "{ran:?}"
    );
}

#[test]
fn without_its_key_an_encrypted_object_is_refused_and_the_reason_said() {
    let stage = stage();
    stage.run(&["get", "tos://bkt/k"]).ends_with(3).says("SSE-C");
    stage.run(&["stat", "tos://bkt/k"]).ends_with(3).says("SSE-C");
}

#[test]
fn what_is_no_key_is_refused_before_anything_is_asked_and_not_shown() {
    let stage = stage();
    for (name, content) in [
        ("short", "hush-hush"),
        ("long", &"hush".repeat(1000)),
        ("empty", ""),
    ] {
        fs::write(stage.path(name), content).expect("written");
        let ran = stage
            .run(&["get", "tos://bkt/k", "--ssec-key-file", name])
            .ends_with(2);
        ran.says(name).says("32 bytes");
        assert!(!ran.stderr.contains("hush"), "{ran:?}");
    }
    let ran = run(stage.command(&["get", "tos://bkt/k"]).env("TOS_SSEC_KEY", "hush")).ends_with(2);
    ran.says("TOS_SSEC_KEY");
    assert!(!ran.stderr.contains("hush"), "{ran:?}");
    assert_eq!(stage.emulator.stats().requests, 0);
}

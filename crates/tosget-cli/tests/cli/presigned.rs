//! A URL is made by who has the keys, and opens the object to who has none.

use std::fs;

use crate::stage::{BUCKET, MIB, Ran, Running, Stage, assert_is_big_object, bare_command, run};

/// A command of somebody without keys or endpoint, in the stage's directory.
fn stranger(stage: &Stage, arguments: &[&str]) -> Ran {
    run(bare_command(arguments).current_dir(stage.folder()))
}

/// The URL that `presign` prints for a key.
fn presign(stage: &Stage, key: &str, more: &[&str]) -> String {
    let name = format!("tos://{BUCKET}/{key}");
    let arguments = [&["presign", name.as_str()], more].concat();
    let ran = stage.run(&arguments).ends_with(0);
    assert_eq!(
        (ran.stderr.as_str(), ran.stdout.lines().count()),
        ("", 1),
        "{ran:?}"
    );
    ran.stdout.trim_end().to_owned()
}

#[track_caller]
fn assert_says_nothing_of_the_query(ran: &Ran) {
    for secret in ["X-Tos-", "Signature="] {
        assert!(
            !ran.stdout.contains(secret) && !ran.stderr.contains(secret),
            "{ran:#?}"
        );
    }
}

#[test]
fn a_url_downloads_without_keys_and_is_named_by_its_path() {
    let stage = Stage::new();
    stage.emulator.put_object(BUCKET, "dir/模 型.bin", "content");
    let url = presign(&stage, "dir/模 型.bin", &["--expires", "10m", "--quiet"]);
    assert!(url.contains("X-Tos-Expires=600&"), "{url}");
    let ran = stranger(&stage, &["get", &url]).ends_with(0);
    ran.says("done: 7 B to /").says("/模 型.bin, CRC64 verified");
    assert_eq!(stage.files(), ["模 型.bin"]);
    stranger(&stage, &["get", &url, "here/"]).ends_with(0);
    stranger(&stage, &["get", &url, "named"]).ends_with(0);
    assert_eq!(stage.files(), ["here/", "here/模 型.bin", "named", "模 型.bin"]);
}

#[test]
fn after_a_kill_another_url_of_the_same_object_goes_on() {
    let stage = Stage::with_big_object(48 * MIB);
    let (first, second) = (
        presign(&stage, "big", &[]),
        presign(&stage, "big", &["--expires", "7d"]),
    );
    stage.slow_down(24 * MIB);
    let running =
        Running::start(bare_command(&["get", &first, "--part-size", "2MiB"]).current_dir(stage.folder()));
    stage.wait_until_sent(16 * MIB);
    running.kill();
    stage.full_speed();
    // The first one is over by now.
    stage.emulator.set_clock_offset(2 * 3600);
    let ran = stranger(&stage, &["get", &first, "--part-size", "2MiB"]).ends_with(3);
    ran.says("Request has expired")
        .says("\n  hint: the URL has expired: make a new one");
    ran.says("\n  checkpoint: /");
    assert_says_nothing_of_the_query(&ran);
    let ran = stranger(&stage, &["get", &second]).ends_with(0);
    ran.says(" resumed in ");
    assert_is_big_object(&stage.path("big"), 48 * MIB);
    assert_eq!(stage.files(), ["big"]);
}

#[test]
fn what_is_at_a_url_is_shown_without_its_query() {
    let stage = Stage::new();
    stage.emulator.put_object(BUCKET, "k", "content");
    let url = presign(&stage, "k", &[]);
    let bare = url.split('?').next().expect("a path");
    let ran = stranger(&stage, &["stat", &url]).ends_with(0);
    assert!(
        ran.stdout
            .starts_with(&format!("object         {bare}\nsize           7 B")),
        "{ran:#?}"
    );
    for arguments in [["stat", &url, "--json"], ["get", &url, "--json"]] {
        let ran = stranger(&stage, &arguments).ends_with(0);
        let told = ran.json();
        assert_eq!(
            (&told["url"], &told["bucket"], &told["key"]),
            (&bare.into(), &().into(), &().into())
        );
        assert_says_nothing_of_the_query(&ran);
    }
    let named = stage.run(&["stat", "tos://bkt/k", "--json"]).json();
    assert_eq!(
        (&named["url"], &named["bucket"], &named["key"]),
        (&().into(), &"bkt".into(), &"k".into())
    );
    let ran = stranger(&stage, &["get", &presign(&stage, "none", &[]), "--json"]).ends_with(3);
    assert_eq!(ran.json()["error"]["server"]["code"], "NoSuchKey");
    assert_says_nothing_of_the_query(&ran);
}

#[test]
fn a_public_url_needs_nothing() {
    let stage = Stage::with(|builder| builder.public_read("open"));
    stage.emulator.put_object("open", "a b", "content");
    let url = format!("{}/open/a%20b", stage.emulator.endpoint());
    stranger(&stage, &["get", &url]).ends_with(0);
    assert_eq!(stage.read("a b"), b"content");
}

#[test]
fn keys_and_endpoint_of_the_environment_do_not_matter_to_a_url() {
    let stage = Stage::new();
    stage.emulator.put_object(BUCKET, "k", "content");
    let url = presign(&stage, "k", &[]);
    let nonsense = [
        ("TOS_ENDPOINT", "https://tos-s3-nowhere"),
        ("TOS_SECRET_KEY", "no access key"),
    ];
    run(bare_command(&["get", &url])
        .envs(nonsense)
        .current_dir(stage.folder()))
    .ends_with(0);
    assert_eq!(stage.read("k"), b"content");
}

#[test]
fn what_cannot_be_asked_is_refused_and_its_query_not_repeated() {
    let stage = Stage::new();
    let url = presign(&stage, "k", &[]);
    let cut = url.split('&').next().expect("a query");
    let without_scheme = url.replace("http://", "");
    let misspelt = url.replace("http://", "htp://");
    let fragment = url.replace("/k?", "/#k?");
    for (url, words) in [
        (cut, "put the URL in quotes"),
        (&without_scheme, "does not begin with https://"),
        (&misspelt, "does not begin with https://"),
        (&fragment, "holds a #"),
    ] {
        for command in ["get", "stat"] {
            let ran = stranger(&stage, &[command, url]).ends_with(2);
            ran.says(words);
            assert!(!ran.stderr.contains("X-Tos-Signature="), "{ran:#?}");
            assert!(!ran.stderr.contains("X-Tos-Credential="), "{ran:#?}");
        }
    }
    let ran = stranger(&stage, &["get", &url, "--version-id", "v"]).ends_with(2);
    ran.says("hint: make the URL for that version");
    assert_eq!((stage.files(), stage.emulator.stats().requests), (Vec::new(), 0));
}

#[test]
fn a_url_whose_path_names_no_file_needs_a_name() {
    let stage = Stage::new();
    fs::create_dir(stage.path("dir")).expect("created");
    let base = stage.emulator.endpoint();
    for path in ["", "/", "/a/", "/a/..", "/a/%2e%2E", "/dir"] {
        let ran = stranger(&stage, &["get", &format!("{base}{path}")]).ends_with(2);
        ran.says("hint: ");
    }
    assert_eq!(
        (stage.files(), stage.emulator.stats().requests),
        (vec!["dir/".to_owned()], 0)
    );
}

#[test]
fn a_url_that_cannot_be_made_is_told() {
    let stage = Stage::new();
    for (arguments, words) in [
        (
            &["presign", "tos://bkt/k", "--expires", "8d"][..],
            "from 1 to 604800 seconds",
        ),
        (
            &["presign", "tos://bkt/k", "--expires", "500ms"],
            "from 1 to 604800 seconds",
        ),
        (
            &["presign", "tos://bkt/k", "--expires", "3600"],
            "the unit is missing",
        ),
        (&["presign", "tos://bkt/k", "--anonymous"], "without credentials"),
        (&["presign", "tos://B/k"], "invalid bucket name"),
        (&["presign", "https://h/k"], "tos://BUCKET/KEY"),
    ] {
        let ran = stage.run(arguments).ends_with(2);
        ran.says(words);
        assert_eq!(ran.stdout, "");
    }
    let version = presign(&stage, "k", &["--version-id", "a/b"]);
    assert!(version.contains("?versionId=a%2Fb&"), "{version}");
}

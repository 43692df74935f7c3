//! `stat` shows what the service knows, and nothing of it reaches the terminal raw.

use http::HeaderMap;

use crate::stage::{BUCKET, Stage};

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
        .collect()
}

#[test]
fn stat_shows_aligned_fields() {
    let stage = Stage::new();
    let headers = headers(&[
        ("content-type", "application/x-model"),
        ("x-tos-meta-author", "ada"),
        ("x-tos-storage-class", "IA"),
    ]);
    let stored = stage
        .emulator
        .put_object_with(BUCKET, "dir/k", vec![7; 1536], &headers);
    let ran = stage.run(&["stat", "tos://bkt/dir/k"]).ends_with(0);
    assert_eq!(ran.stderr, "");
    for line in [
        "object         tos://bkt/dir/k".to_owned(),
        "size           1.5 KiB (1,536 bytes)".to_owned(),
        format!("etag           {}", stored.etag),
        format!("crc64          {}", stored.crc64),
        "storage class  IA".to_owned(),
        "content type   application/x-model".to_owned(),
        "metadata       author: ada".to_owned(),
    ] {
        assert!(
            ran.stdout.lines().any(|shown| shown == line),
            "not shown: {line}\n{ran:#?}"
        );
    }
    for label in ["last modified  20", "request id     "] {
        assert!(
            ran.stdout.lines().any(|shown| shown.starts_with(label)),
            "not shown: {label}\n{ran:#?}"
        );
    }
}

#[test]
fn metadata_cannot_steer_the_terminal() {
    let stage = Stage::new();
    let hostile = headers(&[("x-tos-meta-note", "%1B%5B2J%0Aerror%3A no")]);
    stage.emulator.put_object_with(BUCKET, "k", "x", &hostile);
    let ran = stage.run(&["stat", "tos://bkt/k"]).ends_with(0);
    assert!(ran.stdout.contains("note: \\u{1b}[2J\\u{a}error: no"), "{ran:#?}");
}

#[test]
fn a_version_can_be_asked_for() {
    let stage = Stage::new();
    stage.emulator.enable_versioning(BUCKET);
    let old = stage.emulator.put_object(BUCKET, "k", "old one");
    stage.emulator.put_object(BUCKET, "k", "new");
    let version = old.version_id.expect("versioning is on");
    let ran = stage
        .run(&["stat", "tos://bkt/k", "--version-id", &version])
        .ends_with(0);
    assert!(ran.stdout.contains("7 B (7 bytes)"), "{ran:#?}");
    assert!(
        ran.stdout.contains(&format!("version id     {version}")),
        "{ran:#?}"
    );
}

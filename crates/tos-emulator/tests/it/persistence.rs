//! What survives a restart.

use std::fs;

use serde_json::json;
use tos_emulator::Emulator;

use crate::client::{Client, emulator_in, ramp};

#[test]
fn everything_stored_is_there_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let start = || emulator_in(directory.path());
    let first = start();
    let client = Client::of(&first);
    client
        .ask("PUT", "/bkt")
        .header("x-tos-acl", "public-read")
        .send()
        .expect(200);
    client
        .put("/bkt?versioning", r#"{"Status":"Enabled"}"#)
        .expect(200);
    let id = client
        .put("/bkt/../%E4%B8%AD", ramp(300_000))
        .expect(200)
        .value("x-tos-version-id")
        .to_owned();
    client
        .ask("PUT", "/bkt/../%E4%B8%AD")
        .header("x-tos-meta-a", "b")
        .body("newer")
        .send()
        .expect(200);
    client.put("/bkt/hidden", "x").expect(200);
    client.delete("/bkt/hidden").expect(204);
    let upload = client.post("/bkt/mp?uploads", "").expect(200).json();
    let upload = upload["UploadId"].as_str().expect("an id");
    client
        .put(&format!("/bkt/mp?partNumber=3&uploadId={upload}"), "part")
        .expect(200);
    drop(first);

    let second = start();
    let client = Client::of(&second);
    let newest = client
        .ask("GET", "/bkt/../%E4%B8%AD")
        .anonymous()
        .send()
        .expect(200);
    assert_eq!(
        (newest.text().as_str(), newest.value("x-tos-meta-a")),
        ("newer", "b")
    );
    assert!(
        client
            .get(&format!("/bkt/../%E4%B8%AD?versionId={id}"))
            .expect(200)
            .body
            == ramp(300_000)
    );
    client.get("/bkt/hidden").expect(404);
    let complete = client
        .ask("POST", &format!("/bkt/mp?uploadId={upload}"))
        .header("x-tos-complete-all", "yes");
    assert_eq!(
        complete.send().expect(200).json()["CompletedParts"][0]["PartNumber"],
        3
    );
    assert_eq!(client.get("/bkt/mp").expect(200).text(), "part");
}

#[test]
fn nothing_is_written_outside_the_root_and_nothing_is_left_behind() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().join("root");
    let emulator = emulator_in(&root);
    let client = Client::of(&emulator);
    client.put("/bkt", "").expect(200);
    for key in ["../../x", "/etc/x", "a/b", "a/b"] {
        client
            .put(&format!("/bkt/{}", crate::signing::encode_path(key)), "12345")
            .expect(200);
    }
    client
        .ask("PUT", "/bkt/k")
        .header("x-tos-content-sha256", "00")
        .body("refused")
        .send()
        .expect(400);
    let blobs = || fs::read_dir(root.join("blobs")).expect("a directory").count();
    assert_eq!(blobs(), 3);
    let all = json!({ "Objects": [{ "Key": "../../x" }, { "Key": "/etc/x" }, { "Key": "a/b" }] });
    client.post("/bkt?delete", all.to_string()).expect(200);
    assert_eq!(blobs(), 0);
    client.delete("/bkt").expect(204);
    assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 1);
    assert_eq!(
        fs::read_dir(root.join("buckets")).expect("a directory").count(),
        0
    );
}

#[test]
fn half_written_files_are_removed_at_the_start() {
    let directory = tempfile::tempdir().expect("a directory");
    let start = || emulator_in(directory.path());
    let first = start();
    first.create_bucket("bkt");
    first.put_object("bkt", "k", "abc");
    drop(first);
    fs::write(directory.path().join("blobs/0123"), "half").expect("a write");
    let second = start();
    assert_eq!(
        fs::read_dir(directory.path().join("blobs"))
            .expect("a directory")
            .count(),
        1
    );
    assert_eq!(Client::of(&second).get("/bkt/k").expect(200).text(), "abc");
}

#[test]
fn a_temporary_root_goes_with_the_emulator() {
    let emulator = Emulator::builder().spawn().expect("a free port");
    let root = emulator.temporary_root().expect("no root was given").to_owned();
    assert!(root.is_dir());
    drop(emulator);
    assert!(!root.exists());
}

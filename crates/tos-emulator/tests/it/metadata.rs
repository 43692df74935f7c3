//! Changed metadata, and the status of an object.

use serde_json::json;

use crate::client::emulator;

#[test]
fn metadata_are_replaced_as_a_whole() {
    let (emulator, client) = emulator();
    let before = [
        ("content-type", "text/x-old"),
        ("cache-control", "no-cache"),
        ("x-tos-meta-old", "1"),
        ("x-tos-website-redirect-location", "/elsewhere"),
        ("x-tos-storage-class", "IA"),
    ];
    let stored = emulator.put_object_with("bkt", "k", "content", &before);
    let modified = client.head("/bkt/k").value("last-modified").to_owned();
    let change = client
        .ask("POST", "/bkt/k?metadata")
        .header("content-type", "text/x-new");
    change.header("x-tos-meta-new", "2").send().expect(200);
    let answer = client.get("/bkt/k").expect(200);
    assert_eq!(
        (answer.value("content-type"), answer.value("x-tos-meta-new")),
        ("text/x-new", "2")
    );
    assert_eq!(
        (answer.header("cache-control"), answer.header("x-tos-meta-old")),
        (None, None)
    );
    assert_eq!(answer.value("x-tos-website-redirect-location"), "/elsewhere");
    assert_eq!(answer.value("x-tos-storage-class"), "IA");
    assert_eq!(answer.value("etag"), format!("\"{}\"", stored.etag));
    assert_eq!(
        (answer.value("last-modified"), answer.text().as_str()),
        (modified.as_str(), "content")
    );
    client.post("/bkt/missing?metadata", "").expect(404);
}

#[test]
fn metadata_of_an_archived_object_wait_for_its_restoration() {
    let (emulator, client) = emulator();
    emulator.put_object_with("bkt", "k", "content", &[("x-tos-storage-class", "ARCHIVE")]);
    assert_eq!(
        client.post("/bkt/k?metadata", "").expect(403).code(),
        "InvalidObjectState"
    );
}

#[test]
fn the_status_tells_size_digests_and_type() {
    let (emulator, client) = emulator();
    let stored = emulator.put_object("bkt", "dir/ä", "content");
    let mut status = client.get("/bkt/dir/%C3%A4?stat").expect(200).json();
    let modified = status.as_object_mut().expect("an object").remove("LastModified");
    assert!(modified.is_some_and(|modified| modified.as_str().is_some_and(|text| text.ends_with('Z'))));
    let expected = json!({
        "Key": "dir/ä",
        "Size": 7,
        "CRC64": stored.crc64.to_string(),
        "ETag": format!("\"{}\"", stored.etag),
        "Type": "Normal",
    });
    assert_eq!(status, expected);
    emulator.append_object("bkt", "log", "line");
    let status = client.get("/bkt/log?stat").expect(200).json();
    assert_eq!(
        (&status["Type"], status.get("ETag")),
        (&json!("Appendable"), None)
    );
    assert_eq!(client.get("/bkt/missing?stat").expect(404).code(), "NoSuchKey");
}

//! Copied objects and copied parts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use serde_json::json;
use tos_emulator::virtual_content;

use crate::client::{Ask, Client, emulator, ramp};

const KEY: &[u8; 32] = b"01234567890123456789012345678901";

/// A request for `/bkt/copy` from `source`.
fn copy(client: &Client, source: &str) -> Ask {
    client.ask("PUT", "/bkt/copy").header("x-tos-copy-source", source)
}

/// The three headers of [`KEY`], with `prefix` before their common name.
fn with_key(ask: Ask, prefix: &str) -> Ask {
    let name = |end| format!("x-tos-{prefix}server-side-encryption-customer-{end}");
    ask.header(&name("algorithm"), "AES256")
        .header(&name("key"), &STANDARD.encode(KEY))
        .header(&name("key-md5"), &STANDARD.encode(Md5::digest(KEY)))
}

#[test]
fn a_copy_has_all_that_its_source_has() {
    let (emulator, client) = emulator();
    let headers = [
        ("content-type", "text/x-test"),
        ("x-tos-meta-a", "b"),
        ("x-tos-tagging", "t=1"),
    ];
    let stored = emulator.put_object_with("bkt", "dir/ä +", ramp(300_000), &headers);
    for source in ["bkt/dir/%C3%A4%20%2B", "/bkt/dir%2F%C3%A4%20%2B"] {
        let answer = copy(&client, source).send().expect(200);
        assert_eq!(answer.json()["ETag"], format!("\"{}\"", stored.etag));
        assert!(
            answer.json()["LastModified"]
                .as_str()
                .is_some_and(|time| time.ends_with('Z'))
        );
        assert_eq!(answer.value("x-tos-hash-crc64ecma"), stored.crc64.to_string());
        let got = client.get("/bkt/copy").expect(200);
        assert!(got.body == ramp(300_000));
        assert_eq!(
            (got.value("content-type"), got.value("x-tos-meta-a")),
            ("text/x-test", "b")
        );
        assert_eq!(got.value("x-tos-tagging-count"), "1");
        client.delete("/bkt/copy").expect(204);
    }
}

#[test]
fn copy_and_source_live_and_die_apart() {
    let (emulator, client) = emulator();
    emulator.put_object("bkt", "source", ramp(300_000));
    copy(&client, "bkt/source").send().expect(200);
    client.delete("/bkt/source").expect(204);
    assert!(client.get("/bkt/copy").expect(200).body == ramp(300_000));
    client.put("/bkt/copy", "overwritten").expect(200);
    assert_eq!(client.get("/bkt/copy").text(), "overwritten");
    client.delete("/bkt/copy").expect(204);
    let blobs = emulator.temporary_root().expect("a root").join("blobs");
    assert_eq!(std::fs::read_dir(blobs).expect("a directory").count(), 0);
}

#[test]
fn generated_content_is_copied_whatever_its_size() {
    let (emulator, client) = emulator();
    let size = 1 << 40;
    emulator.put_virtual("bkt", "source", size, 7);
    copy(&client, "bkt/source").send().expect(200);
    let end = client.range("/bkt/copy", "bytes=-1000").expect(206);
    assert!(end.body == virtual_content(7).read_at(size - 1000, 1000));
}

#[test]
fn metadata_and_tags_are_replaced_on_demand() {
    let (emulator, client) = emulator();
    let headers = [
        ("cache-control", "no-cache"),
        ("x-tos-meta-a", "old"),
        ("x-tos-tagging", "t=1&u=2"),
    ];
    emulator.put_object_with("bkt", "source", "content", &headers);
    let ask = copy(&client, "bkt/source")
        .header("x-tos-meta-a", "new")
        .header("x-tos-tagging", "v=3");
    ask.clone().header("x-tos-storage-class", "IA").send().expect(200);
    let kept = client.head("/bkt/copy").expect(200);
    assert_eq!(
        (kept.value("x-tos-meta-a"), kept.value("x-tos-tagging-count")),
        ("old", "2")
    );
    assert_eq!(kept.value("x-tos-storage-class"), "IA");

    let ask = ask.header("x-tos-metadata-directive", "REPLACE");
    ask.header("x-tos-tagging-directive", "Replace")
        .send()
        .expect(200);
    let replaced = client.head("/bkt/copy").expect(200);
    assert_eq!(
        (replaced.value("x-tos-meta-a"), replaced.header("cache-control")),
        ("new", None)
    );
    assert_eq!(replaced.value("x-tos-tagging-count"), "1");
    let odd = copy(&client, "bkt/source").header("x-tos-metadata-directive", "MERGE");
    odd.send().expect(400);
}

#[test]
fn conditions_on_the_source_decide() {
    let (emulator, client) = emulator();
    let etag = emulator.put_object("bkt", "source", "content").etag;
    let modified = client.head("/bkt/source").value("last-modified").to_owned();
    let past = "Thu, 01 Jan 2004 00:00:00 GMT";
    for (condition, value, status) in [
        ("if-match", etag.as_str(), 200),
        ("if-match", "other", 412),
        ("if-none-match", "other", 200),
        ("if-none-match", &etag, 412),
        ("if-modified-since", past, 200),
        ("if-modified-since", &modified, 412),
        ("if-unmodified-since", &modified, 200),
        ("if-unmodified-since", past, 412),
    ] {
        let ask = copy(&client, "bkt/source").header(&format!("x-tos-copy-source-{condition}"), value);
        assert_eq!(ask.send().status, status, "{condition}: {value}");
    }
    let careful = copy(&client, "bkt/source").header("x-tos-forbid-overwrite", "true");
    assert_eq!(careful.send().expect(409).value("x-tos-ec"), "0017-00000004");
}

#[test]
fn a_version_is_brought_back_by_copying_it() {
    let (emulator, client) = emulator();
    emulator.enable_versioning("bkt");
    let old = client.put("/bkt/k", "old").value("x-tos-version-id").to_owned();
    client.put("/bkt/k", "new").expect(200);
    let ask = client
        .ask("PUT", "/bkt/k")
        .header("x-tos-copy-source", &format!("bkt/k?versionId={old}"));
    let copied = ask.send().expect(200);
    assert_eq!(copied.value("x-tos-copy-source-version-id"), old);
    assert_ne!(copied.value("x-tos-version-id"), old);
    assert_eq!(client.get("/bkt/k").text(), "old");
}

#[test]
fn keys_of_source_and_copy_are_each_ones_own() {
    let (_emulator, client) = emulator();
    let put = with_key(client.ask("PUT", "/bkt/source"), "").body("content");
    put.send().expect(200);
    let refused = copy(&client, "bkt/source").send().expect(400);
    assert_eq!(refused.value("x-tos-ec"), "0015-00000008");
    with_key(copy(&client, "bkt/source"), "copy-source-")
        .send()
        .expect(200);
    assert_eq!(client.get("/bkt/copy").expect(200).text(), "content");
    let both = with_key(with_key(copy(&client, "bkt/source"), "copy-source-"), "");
    both.send().expect(200);
    client.get("/bkt/copy").expect(400);
    assert_eq!(
        with_key(client.ask("GET", "/bkt/copy"), "")
            .send()
            .expect(200)
            .text(),
        "content"
    );
}

#[test]
fn what_cannot_be_copied_is_refused() {
    let (emulator, client) = emulator();
    emulator.append_object("bkt", "log", "line");
    emulator.put_object_with("bkt", "archived", "x", &[("x-tos-storage-class", "ARCHIVE")]);
    for (source, status) in [
        ("bkt/missing", 404),
        ("none/k", 404),
        ("bkt", 400),
        ("bkt/", 400),
        ("bkt/log", 400),
        ("bkt/archived", 403),
    ] {
        assert_eq!(copy(&client, source).send().status, status, "{source}");
    }
    let get = client
        .ask("GET", "/bkt/log")
        .header("x-tos-copy-source", "bkt/log");
    get.send().expect(501);
}

#[test]
fn the_copy_of_a_link_is_a_link() {
    let (emulator, client) = emulator();
    emulator.put_object("bkt", "target", "content");
    emulator.put_symlink("bkt", "link", "target");
    copy(&client, "bkt/link").send().expect(200);
    let answer = client.get("/bkt/copy").expect(200);
    assert_eq!(
        (answer.value("x-tos-object-type"), answer.text().as_str()),
        ("Symlink", "content")
    );
}

#[test]
fn parts_are_ranges_of_other_objects() {
    let (emulator, client) = emulator();
    let part_len = 5 << 20;
    emulator.put_virtual("bkt", "large", 1 << 40, 3);
    emulator.put_object("bkt", "small", "the end");
    let created = client.post("/bkt/copy?uploads", "").expect(200).json();
    let id = created["UploadId"].as_str().expect("an id");
    let part = |number, source, range: Option<String>| {
        let target = format!("/bkt/copy?partNumber={number}&uploadId={id}");
        let ask = client.ask("PUT", &target).header("x-tos-copy-source", source);
        match range {
            Some(range) => ask.header("x-tos-copy-source-range", &range).send(),
            None => ask.send(),
        }
    };
    let start: u64 = 1 << 39;
    let first = part(
        1,
        "bkt/large",
        Some(format!("bytes={start}-{}", start + part_len - 1)),
    )
    .expect(200);
    let second = part(2, "bkt/small", None).expect(200);
    for range in ["bytes=0-7", "bytes=7-", "bytes=-2", "bytes=3-1", "0-1"] {
        part(3, "bkt/small", Some(range.to_owned())).expect(400);
    }
    let parts = [first, second].map(|answer| answer.json()["ETag"].clone());
    let list = json!({ "Parts": [
        { "PartNumber": 1, "ETag": parts[0] },
        { "PartNumber": 2, "ETag": parts[1] },
    ] });
    client
        .post(&format!("/bkt/copy?uploadId={id}"), list.to_string())
        .expect(200);
    let got = client.get("/bkt/copy").expect(200);
    let (bytes, end) = got.body.split_at(part_len as usize);
    assert!(bytes == virtual_content(3).read_at(start, part_len as usize));
    assert_eq!(end, b"the end");
}

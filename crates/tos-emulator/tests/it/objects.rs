//! Putting and deleting.

use md5::{Digest, Md5};
use serde_json::json;
use sha2::Sha256;

use crate::client::{emulator, ramp};
use crate::signing::hex;

#[test]
fn an_object_comes_back_with_its_headers() {
    let (_emulator, client) = emulator();
    let stored = [
        ("cache-control", "no-cache"),
        ("content-disposition", "attachment"),
        ("content-encoding", "gzip"),
        ("content-language", "zh"),
        ("content-type", "text/x-test"),
        ("expires", "Thu, 01 Jan 2032 00:00:00 GMT"),
        ("x-tos-meta-colour", "%E7%BA%A2"),
        ("x-tos-storage-class", "IA"),
    ];
    let put = stored
        .iter()
        .fold(client.ask("PUT", "/bkt/k"), |ask, (name, value)| {
            ask.header(name, value)
        });
    let put = put.body("content").send().expect(200);
    assert_eq!(put.value("etag"), format!("\"{}\"", hex(&Md5::digest("content"))));
    for answer in [client.get("/bkt/k"), client.head("/bkt/k")] {
        for (name, value) in stored {
            assert_eq!(answer.value(name), value);
        }
        for name in ["etag", "x-tos-hash-crc64ecma"] {
            assert_eq!(answer.value(name), put.value(name));
        }
        assert_eq!(answer.value("content-length"), "7");
        assert_eq!(answer.value("accept-ranges"), "bytes");
        assert!(answer.value("last-modified").ends_with(" GMT"));
        assert_eq!(answer.header("content-range"), None);
        assert_eq!(answer.header("x-tos-version-id"), None);
    }
}

#[test]
fn the_crc_of_a_put_is_the_published_one() {
    let (_emulator, client) = emulator();
    assert_eq!(
        client.put("/bkt/k", "123456789").value("x-tos-hash-crc64ecma"),
        "11051210869376104954"
    );
    assert_eq!(client.put("/bkt/k", "").value("x-tos-hash-crc64ecma"), "0");
}

#[test]
fn digests_that_do_not_fit_are_refused() {
    let (_emulator, client) = emulator();
    let put = |name: &str, value: &str| {
        client
            .ask("PUT", "/bkt/k")
            .header(name, value)
            .body("content")
            .send()
    };
    assert_eq!(
        put("content-md5", "not base64").expect(400).code(),
        "InvalidDigest"
    );
    assert_eq!(
        put("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==").expect(400).code(),
        "BadDigest"
    );
    assert_eq!(
        put("x-tos-content-sha256", &hex(&Sha256::digest("x")))
            .expect(400)
            .code(),
        "ContentSHA256Mismatch"
    );
    client.get("/bkt/k").expect(404);
    put("x-tos-content-sha256", &hex(&Sha256::digest("content"))).expect(200);
}

#[test]
fn an_overwrite_that_is_forbidden_keeps_the_object() {
    let (_emulator, client) = emulator();
    let put = |body: &str| {
        client
            .ask("PUT", "/bkt/k")
            .header("x-tos-forbid-overwrite", "true")
            .body(body)
            .send()
    };
    put("first").expect(200);
    assert_eq!(put("second").expect(409).value("x-tos-ec"), "0017-00000004");
    assert_eq!(client.get("/bkt/k").text(), "first");
}

#[test]
fn conditions_of_a_put_are_about_what_it_overwrites() {
    let (_emulator, client) = emulator();
    let status = |name: &str, value: &str, body: &str| {
        let ask = client.ask("PUT", "/bkt/k").header(name, value);
        ask.body(body).send().status
    };
    assert_eq!(status("if-match", "*", "x"), 412);
    assert_eq!(status("if-none-match", "*", "first"), 200);
    assert_eq!(status("if-none-match", "*", "x"), 412);
    let etag = client.head("/bkt/k").value("etag").to_owned();
    assert_eq!(status("x-tos-if-none-match", &etag, "x"), 412);
    assert_eq!(status("x-tos-if-match", "other", "x"), 412);
    assert_eq!(client.get("/bkt/k").text(), "first");
    assert_eq!(status("if-match", &etag, "second"), 200);
    assert_eq!(status("if-none-match", &etag, "third"), 200);
    assert_eq!(client.get("/bkt/k").text(), "third");
}

#[test]
fn a_reader_keeps_the_object_that_it_began_to_read() {
    let (emulator, client) = emulator();
    let (old, new) = (ramp(8 << 20), vec![7; 8 << 20]);
    client.put("/bkt/k", &old).expect(200);
    let mut stream = client.connect();
    client.ask("GET", "/bkt/k").write(&mut stream);
    while emulator.stats().body_bytes_sent == 0 {
        std::thread::yield_now();
    }
    client.put("/bkt/k", &new).expect(200);
    client.delete("/bkt/k").expect(204);
    let answer = crate::client::read(&mut stream, "GET").expect("an answer");
    assert!(answer.body == old);
}

#[test]
fn expect_continue_is_honoured() {
    let (_emulator, client) = emulator();
    let ask = client
        .ask("PUT", "/bkt/k")
        .unsigned_header("expect", "100-continue")
        .body("content");
    let mut stream = client.connect();
    let bytes = ask.bytes();
    let (head, body) = bytes.split_at(bytes.len() - 7);
    std::io::Write::write_all(&mut stream, head).expect("a write");
    let mut interim = [0; 25];
    std::io::Read::read_exact(&mut stream, &mut interim).expect("an interim answer");
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    std::io::Write::write_all(&mut stream, body).expect("a write");
    assert_eq!(
        crate::client::read(&mut stream, "PUT").expect("an answer").status,
        200
    );
}

#[test]
fn what_is_not_there_is_deleted_all_the_same() {
    let (_emulator, client) = emulator();
    client.delete("/bkt/never").expect(204);
    assert_eq!(client.delete("/none/never").expect(404).code(), "NoSuchBucket");
}

#[test]
fn many_objects_are_deleted_at_once() {
    let (_emulator, client) = emulator();
    for key in ["a", "b", "c"] {
        client.put(&format!("/bkt/{key}"), key).expect(200);
    }
    let body = json!({ "Objects": [{ "Key": "a" }, { "Key": "b" }, { "Key": "never" }] });
    let answer = client.post("/bkt?delete", body.to_string()).expect(200).json();
    assert_eq!(
        answer,
        json!({ "Deleted": [{ "Key": "a" }, { "Key": "b" }, { "Key": "never" }], "Error": [] })
    );
    let quiet = json!({ "Objects": [{ "Key": "c" }], "Quiet": true });
    let answer = client.post("/bkt?delete", quiet.to_string()).expect(200).json();
    assert_eq!(answer, json!({ "Deleted": [], "Error": [] }));
    assert_eq!(client.get("/bkt").json()["Contents"], json!([]));
}

#[test]
fn buckets_are_listed_and_located() {
    let (_emulator, client) = emulator();
    let created = client
        .ask("PUT", "/second")
        .header("x-tos-storage-class", "IA")
        .send()
        .expect(200);
    assert_eq!(created.value("location"), "/second");
    let buckets = client.get("/").expect(200).json();
    let names: Vec<_> = buckets["Buckets"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|bucket| &bucket["Name"])
        .collect();
    assert_eq!(names, ["bkt", "second"]);
    assert!(buckets["Owner"]["ID"].is_string());
    let head = client.head("/second").expect(200);
    assert_eq!(head.value("x-tos-bucket-region"), "cn-beijing");
    assert_eq!(head.value("x-tos-storage-class"), "IA");
    assert_eq!(
        client.get("/bkt?location").expect(200).json()["Region"],
        "cn-beijing"
    );
}

#[test]
fn objects_put_directly_have_their_headers_too() {
    let (emulator, client) = emulator();
    emulator.put_object_with(
        "bkt",
        "k",
        "abc",
        &[("Content-Type", "text/x-test"), ("x-tos-meta-a", "b")],
    );
    let answer = client.get("/bkt/k").expect(200);
    assert_eq!(
        (answer.value("content-type"), answer.value("x-tos-meta-a")),
        ("text/x-test", "b")
    );
    assert!(emulator.requests().len() == 1);
}

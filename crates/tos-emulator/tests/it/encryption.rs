//! Encryption with customers' keys (SSE-C) and with the service's.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};

use crate::client::{Answer, Ask, Client, emulator, emulator_in, ramp};

const KEY: &[u8; 32] = b"01234567890123456789012345678901";
const OTHER_KEY: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyzabcdef";
const ALGORITHM: &str = "x-tos-server-side-encryption-customer-algorithm";
const KEY_HEADER: &str = "x-tos-server-side-encryption-customer-key";
const KEY_MD5: &str = "x-tos-server-side-encryption-customer-key-md5";

fn md5_of(key: &[u8]) -> String {
    STANDARD.encode(Md5::digest(key))
}

fn with_key(ask: Ask, key: &[u8]) -> Ask {
    ask.header(ALGORITHM, "AES256")
        .header(KEY_HEADER, &STANDARD.encode(key))
        .header(KEY_MD5, &md5_of(key))
}

fn assert_key_is_missed(answer: &Answer) {
    assert_eq!((answer.status, answer.value("x-tos-ec")), (400, "0015-00000008"));
    assert_eq!(answer.header("etag"), None);
}

#[test]
fn an_object_with_a_customers_key_is_read_with_that_key_only() {
    let (emulator, client) = emulator();
    let put = with_key(client.ask("PUT", "/bkt/k"), KEY)
        .body("content")
        .send()
        .expect(200);
    assert_eq!(
        (put.value(ALGORITHM), put.value(KEY_MD5)),
        ("AES256", md5_of(KEY).as_str())
    );

    for method in ["GET", "HEAD"] {
        let ask = || client.ask(method, "/bkt/k");
        let answer = with_key(ask(), KEY).send().expect(200);
        assert_eq!(answer.value("content-length"), "7");
        assert_eq!(
            (answer.value(ALGORITHM), answer.value(KEY_MD5)),
            ("AES256", md5_of(KEY).as_str())
        );
        assert_eq!(answer.header(KEY_HEADER), None);
        assert_key_is_missed(&ask().send());
        assert_key_is_missed(&with_key(ask(), OTHER_KEY).send());
    }
    let range = with_key(client.ask("GET", "/bkt/k"), KEY).header("range", "bytes=1-3");
    assert_eq!(range.send().expect(206).text(), "ont");
    assert_eq!(client.get("/bkt/k").code(), "InvalidRequest");
    let logged = emulator.requests();
    let key = STANDARD.encode(KEY);
    assert!(
        logged
            .iter()
            .all(|record| record.headers.iter().all(|(_, value)| *value != key))
    );
}

#[test]
fn a_key_for_an_object_without_one_is_refused() {
    let (_emulator, client) = emulator();
    client.put("/bkt/k", "content").expect(200);
    assert_eq!(
        with_key(client.ask("GET", "/bkt/k"), KEY)
            .send()
            .expect(400)
            .code(),
        "InvalidRequest"
    );
    with_key(client.ask("HEAD", "/bkt/k"), KEY).send().expect(400);
    with_key(client.ask("GET", "/bkt/missing"), KEY)
        .send()
        .expect(404);
}

#[test]
fn what_is_no_key_is_refused() {
    let (_emulator, client) = emulator();
    let put = |headers: &[(&str, &str)]| {
        let ask = client.ask("PUT", "/bkt/k").body("content");
        let ask = headers
            .iter()
            .fold(ask, |ask, (name, value)| ask.header(name, value));
        ask.send().expect(400).code()
    };
    let (key, md5) = (STANDARD.encode(KEY), md5_of(KEY));
    assert_eq!(put(&[(KEY_HEADER, &key)]), "InvalidArgument");
    assert_eq!(
        put(&[(ALGORITHM, "AES256"), (KEY_HEADER, &key)]),
        "InvalidArgument"
    );
    assert_eq!(
        put(&[(ALGORITHM, "AES128"), (KEY_HEADER, &key), (KEY_MD5, &md5)]),
        "InvalidEncryptionAlgorithmError"
    );
    let other = md5_of(OTHER_KEY);
    assert_eq!(
        put(&[(ALGORITHM, "AES256"), (KEY_HEADER, &key), (KEY_MD5, &other)]),
        "InvalidArgument"
    );
    let (short, short_md5) = (STANDARD.encode(b"short"), md5_of(b"short"));
    assert_eq!(
        put(&[(ALGORITHM, "AES256"), (KEY_HEADER, &short), (KEY_MD5, &short_md5)]),
        "InvalidArgument"
    );
    client.get("/bkt/k").expect(404);
}

#[test]
fn all_parts_of_an_upload_have_its_key() {
    let (_emulator, client) = emulator();
    let created = with_key(client.ask("POST", "/bkt/k?uploads"), KEY)
        .send()
        .expect(200);
    assert_eq!(created.value(KEY_MD5), md5_of(KEY));
    let id = created.json()["UploadId"].as_str().expect("an id").to_owned();
    let part = || {
        client
            .ask("PUT", &format!("/bkt/k?partNumber=1&uploadId={id}"))
            .body(ramp(1000))
    };
    assert_key_is_missed(&part().send());
    assert_key_is_missed(&with_key(part(), OTHER_KEY).send());
    assert_eq!(
        with_key(part(), KEY).send().expect(200).value(KEY_MD5),
        md5_of(KEY)
    );
    let complete = client.ask("POST", &format!("/bkt/k?uploadId={id}"));
    complete.header("x-tos-complete-all", "yes").send().expect(200);
    assert_key_is_missed(&client.get("/bkt/k"));
    assert!(with_key(client.ask("GET", "/bkt/k"), KEY).send().expect(200).body == ramp(1000));
}

#[test]
fn a_customers_key_is_asked_for_after_a_restart_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let start = || emulator_in(directory.path());
    let first = start();
    first.create_bucket("bkt");
    let (key, md5) = (STANDARD.encode(KEY), md5_of(KEY));
    let headers = [
        (ALGORITHM, "AES256"),
        (KEY_HEADER, key.as_str()),
        (KEY_MD5, md5.as_str()),
    ];
    first.put_object_with("bkt", "k", "content", &headers);
    drop(first);
    let second = start();
    let client = Client::of(&second);
    assert_key_is_missed(&client.head("/bkt/k"));
    assert_eq!(
        with_key(client.ask("GET", "/bkt/k"), KEY)
            .send()
            .expect(200)
            .text(),
        "content"
    );
}

#[test]
fn encryption_with_the_services_keys_is_given_back() {
    let (_emulator, client) = emulator();
    let put = client
        .ask("PUT", "/bkt/k")
        .header("x-tos-server-side-encryption", "KMS")
        .header("x-tos-server-side-encryption-kms-key-id", "key-1")
        .body("content")
        .send()
        .expect(200);
    for answer in [
        put,
        client.get("/bkt/k").expect(200),
        client.head("/bkt/k").expect(200),
    ] {
        assert_eq!(answer.value("x-tos-server-side-encryption"), "KMS");
        assert_eq!(answer.value("x-tos-server-side-encryption-kms-key-id"), "key-1");
    }
    // It says how to write, so a read must not say it.
    let read = client
        .ask("GET", "/bkt/k")
        .header("x-tos-server-side-encryption", "KMS");
    read.send().expect(400);
}

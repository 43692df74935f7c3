//! Whatever comes in, the emulator answers or hangs up, and goes on serving.
//!
//! Chance has a seed, which is printed where a test fails and can be set: `TOS_EMULATOR_SEED`. `TOS_EMULATOR_CASES` makes
//! it more or fewer than a few hundred cases.

use std::env;
use std::io::{Read, Write};
use std::net::Shutdown;

use fastrand::Rng;

use crate::client::{Ask, Client, emulator};

const METHODS: [&str; 8] = ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH", "BREW"];

const PATHS: [&str; 12] = [
    "/",
    "//",
    "/bkt",
    "/bkt/",
    "/bkt/k",
    "/bkt/none",
    "/none/k",
    "/bkt/a//b/../%2e%2e/%00",
    "/bkt/%ff%zz%",
    "/BKT/k",
    "/_emulator/none",
    "/_emulator/stats",
];

/// What chooses operations and refines them.
const PARAMETERS: [&str; 40] = [
    "acl",
    "append",
    "continuation-token",
    "delete",
    "delimiter",
    "encoding-type",
    "fetch-meta",
    "key-marker",
    "list-type",
    "location",
    "marker",
    "max-keys",
    "max-parts",
    "max-uploads",
    "metadata",
    "offset",
    "part-number-marker",
    "partNumber",
    "prefix",
    "rename",
    "response-content-type",
    "restore",
    "reverse",
    "start-after",
    "stat",
    "symlink",
    "tagging",
    "upload-id-marker",
    "uploadId",
    "uploads",
    "version-id-marker",
    "versionId",
    "versioning",
    "versions",
    "x-tos-date",
    "x-tos-process",
    "X-Tos-Algorithm",
    "X-Tos-Credential",
    "X-Tos-Signature",
    "name",
];

const HEADERS: [&str; 28] = [
    "range",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
    "content-type",
    "content-md5",
    "x-tos-copy-source",
    "x-tos-copy-source-range",
    "x-tos-copy-source-if-match",
    "x-tos-metadata-directive",
    "x-tos-meta-a",
    "x-tos-tagging",
    "x-tos-storage-class",
    "x-tos-symlink-target",
    "x-tos-symlink-bucket",
    "x-tos-forbid-overwrite",
    "x-tos-traffic-limit",
    "x-tos-recursive-mkdir",
    "x-tos-acl",
    "x-tos-hash-crc64ecma",
    "x-tos-date",
    "x-tos-content-sha256",
    "x-tos-server-side-encryption-customer-algorithm",
    "x-tos-server-side-encryption-customer-key",
    "x-tos-server-side-encryption-customer-key-md5",
    "accept-encoding",
    "expect",
];

const VALUES: [&str; 24] = [
    "",
    "0",
    "1",
    "2",
    "10000",
    "-1",
    "18446744073709551615",
    "99999999999999999999",
    "true",
    "bytes=0-",
    "bytes=-5",
    "bytes=5-2",
    "bytes=0-18446744073709551615",
    "bytes=0-1,3-4",
    "\"9382305ac8f1ce84992506d797cba401\"",
    "*",
    "Tue, 02 Jan 2024 03:04:05 GMT",
    "20240102T030405Z",
    "/bkt/k",
    "%2Fbkt%2Fk?versionId=x",
    "AES256",
    "AAAAAAAAAAAAAAAAAAAAAA==",
    "STANDARD",
    "a%00%ff%zz%",
];

const BODIES: [&str; 12] = [
    "",
    "x",
    "{}",
    "[]",
    "{\"Status\":\"Enabled\"}",
    "{\"Objects\":[{\"Key\":\"k\"},{\"Key\":\"\"},{\"Key\":7}],\"Quiet\":true}",
    "{\"Parts\":[{\"PartNumber\":1,\"ETag\":\"e\"},{\"PartNumber\":1,\"ETag\":\"e\"}]}",
    "{\"Parts\":[]}",
    "{\"Days\":0,\"RestoreJobParameters\":{\"Tier\":\"x\"}}",
    "{\"Days\":4294967296}",
    "{\"TagSet\":{\"Tags\":[{\"Key\":\"\",\"Value\":\"\"}]}}",
    "{\"RenameMode\":",
];

fn number_from(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Runs `case` with generators that follow from the one seed, which a failure tells.
fn for_each_case(mut case: impl FnMut(&mut Rng)) {
    let seed = number_from("TOS_EMULATOR_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("TOS_EMULATOR_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    for _ in 0..number_from("TOS_EMULATOR_CASES").unwrap_or(400) {
        case(&mut rng);
    }
}

fn one_of<'a>(rng: &mut Rng, texts: &[&'a str]) -> &'a str {
    texts[rng.usize(..texts.len())]
}

/// A request for anything, made of what means something.
fn question(rng: &mut Rng, client: &Client) -> (Ask, String) {
    let (method, mut target) = (one_of(rng, &METHODS), one_of(rng, &PATHS).to_owned());
    for index in 0..rng.u8(..4) {
        target.push(if index == 0 { '?' } else { '&' });
        target.push_str(one_of(rng, &PARAMETERS));
        if rng.bool() {
            let value = one_of(rng, &VALUES).replace([' ', '"', '?'], "+");
            target.push_str(&format!("={value}"));
        }
    }
    let mut told = format!("{method} {target}");
    let mut ask = client.ask(method, &target);
    for _ in 0..rng.u8(..4) {
        let (name, value) = (one_of(rng, &HEADERS), one_of(rng, &VALUES));
        told.push_str(&format!("; {name}: {value}"));
        // The signer takes the date for one.
        ask = if rng.bool() && name != "x-tos-date" {
            ask.header(name, value)
        } else {
            ask.unsigned_header(name, value)
        };
    }
    let body = one_of(rng, &BODIES);
    told.push_str(&format!("; {body}"));
    if rng.u8(..8) == 0 {
        ask = ask.anonymous();
    }
    (ask.body(body), told)
}

#[test]
fn any_question_gets_an_answer() {
    let (_emulator, client) = emulator();
    for_each_case(|rng| {
        client.put("/bkt/k", "content");
        let (ask, told) = question(rng, &client);
        let answer = ask
            .try_send()
            .unwrap_or_else(|ending| panic!("{told}: {ending:?}"));
        // That would be a failure of its own.
        assert_ne!(answer.status, 500, "{told}: {}", answer.text());
    });
}

#[test]
fn any_bytes_on_a_socket_leave_it_serving() {
    let (_emulator, client) = emulator();
    for_each_case(|rng| {
        let mut bytes = question(rng, &client).0.bytes();
        match rng.u8(..4) {
            0 => bytes = (0..rng.usize(..2000)).map(|_| rng.u8(..)).collect(),
            1 => bytes.truncate(rng.usize(..bytes.len())),
            _ => {
                for _ in 0..rng.u8(1..6) {
                    let at = rng.usize(..bytes.len());
                    bytes[at] = rng.u8(..);
                }
            }
        }
        let mut stream = client.connect();
        // It may hang up before it has read all.
        let _ = stream
            .write_all(&bytes)
            .and_then(|()| stream.shutdown(Shutdown::Write));
        let mut answer = Vec::new();
        let ended = stream.read_to_end(&mut answer).map_err(|error| error.kind());
        assert!(
            !matches!(ended, Err(std::io::ErrorKind::WouldBlock)),
            "it neither answers nor hangs up: {bytes:?}"
        );
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1."),
            "{:?}",
            String::from_utf8_lossy(&answer)
        );
    });
    // A bucket that none of them names: what one of them asked for before it hung up may still be carried out.
    client.put("/untouched", "").expect(200);
    client.put("/untouched/k", "content").expect(200);
    assert_eq!(client.get("/untouched/k").expect(200).body, b"content");
}

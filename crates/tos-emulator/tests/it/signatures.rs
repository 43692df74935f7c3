//! Who may do what.

use tos_emulator::Emulator;

use crate::client::{Answer, Client, emulator};
use crate::signing::{date, encode};

#[track_caller]
fn refused(answer: Answer, status: u16, code: &str, ec: Option<&str>) {
    let answer = answer.expect(status);
    assert_eq!(answer.code(), code);
    assert_eq!(answer.header("x-tos-ec"), ec);
}

#[test]
fn both_separators_are_understood() {
    let (emulator, client) = emulator();
    emulator.put_object("bkt", "k", "abc");
    for separator in [", ", ",", ",  "] {
        client
            .ask("GET", "/bkt/k")
            .separator(separator)
            .send()
            .expect(200);
    }
}

#[test]
fn every_signed_header_counts() {
    let (emulator, client) = emulator();
    emulator.put_object("bkt", "k", "abc");
    let ask = client
        .ask("GET", "/bkt/k")
        .header("range", "bytes=0-1")
        .header("x-tos-content-sha256", "UNSIGNED-PAYLOAD");
    ask.send().expect(206);
    let tampered = String::from_utf8(ask.bytes())
        .expect("text")
        .replace("bytes=0-1", "bytes=0-2");
    let mut stream = client.connect();
    std::io::Write::write_all(&mut stream, tampered.as_bytes()).expect("a write");
    refused(
        crate::client::read(&mut stream, "GET").expect("an answer"),
        403,
        "SignatureDoesNotMatch",
        None,
    );
    let without = String::from_utf8(ask.bytes())
        .expect("text")
        .replace("range: bytes=0-1\r\n", "");
    let mut stream = client.connect();
    std::io::Write::write_all(&mut stream, without.as_bytes()).expect("a write");
    refused(
        crate::client::read(&mut stream, "GET").expect("an answer"),
        403,
        "SignatureDoesNotMatch",
        None,
    );
}

#[test]
fn headers_that_are_not_signed_do_not_count() {
    let (emulator, client) = emulator();
    emulator.put_object("bkt", "k", "abc");
    let answer = client
        .ask("GET", "/bkt/k")
        .unsigned_header("range", "bytes=1-1")
        .send();
    assert_eq!(answer.expect(206).text(), "b");
}

#[test]
fn wrong_keys_are_told_apart() {
    let (_emulator, client) = emulator();
    let mut stranger = client.clone();
    stranger.signer.access_key = "stranger".into();
    refused(stranger.get("/bkt/k"), 403, "InvalidAccessKeyId", None);
    let mut forger = client.clone();
    forger.signer.secret_key = "guess".into();
    refused(forger.get("/bkt/k"), 403, "SignatureDoesNotMatch", None);
    let mut elsewhere = client.clone();
    elsewhere.signer.region = "cn-shanghai".into();
    refused(elsewhere.get("/bkt/k"), 400, "AuthorizationHeaderMalformed", None);
}

#[test]
fn a_body_may_be_signed_as_if_it_were_empty() {
    let (_emulator, client) = emulator();
    client
        .put("/bkt/k", "the official Go and Rust clients do so")
        .expect(200);
}

#[test]
fn fifteen_minutes_of_skew_are_accepted() {
    let (emulator, client) = emulator();
    emulator.put_object("bkt", "k", "abc");
    let at = |offset| {
        client
            .ask("GET", "/bkt/k")
            .header("x-tos-date", &date(offset))
            .send()
    };
    for offset in [-14 * 60, 14 * 60] {
        at(offset).expect(200);
    }
    for offset in [-16 * 60, 16 * 60] {
        refused(at(offset), 403, "RequestTimeTooSkewed", Some("0002-00000018"));
    }
    emulator.set_clock_offset(3600);
    refused(at(0), 403, "RequestTimeTooSkewed", Some("0002-00000018"));
    at(3600).expect(200);
}

#[test]
fn malformed_authorizations_are_refused() {
    let (_emulator, client) = emulator();
    let with = |authorization: &str| {
        let ask = client
            .ask("GET", "/bkt/k")
            .anonymous()
            .unsigned_header("authorization", authorization);
        ask.unsigned_header("x-tos-date", &date(0)).send()
    };
    for authorization in [
        "AWS4-HMAC-SHA256 x",
        "TOS4-HMAC-SHA256",
        "TOS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=0",
    ] {
        refused(with(authorization), 400, "AuthorizationHeaderMalformed", None);
    }
    let dateless = client
        .ask("GET", "/bkt/k")
        .anonymous()
        .unsigned_header("authorization", "TOS4-HMAC-SHA256 x");
    refused(dateless.send(), 400, "MissingSecurityHeader", None);
}

#[test]
fn anyone_may_read_a_public_bucket_and_no_other() {
    let (emulator, client) = emulator();
    emulator.public_bucket("pub");
    emulator.put_object("pub", "k", "abc");
    emulator.put_object("bkt", "k", "abc");
    let anyone = |method: &str, target: &str| client.ask(method, target).anonymous().send().status;
    assert_eq!(anyone("GET", "/pub/k"), 200);
    assert_eq!(anyone("HEAD", "/pub/k"), 200);
    assert_eq!(anyone("GET", "/pub?list-type=2"), 200);
    assert_eq!(anyone("PUT", "/pub/k"), 403);
    assert_eq!(anyone("DELETE", "/pub/k"), 403);
    assert_eq!(anyone("GET", "/bkt/k"), 403);
    assert_eq!(anyone("GET", "/"), 403);
    client
        .ask("PUT", "/acl-pub")
        .header("x-tos-acl", "public-read")
        .send()
        .expect(200);
    assert_eq!(anyone("GET", "/acl-pub"), 200);
}

#[test]
fn presigned_urls_are_good_until_they_expire() {
    let (emulator, client) = emulator();
    emulator.put_object("bkt", "a b", "abc");
    let host = client.host();
    let sign = |method: &str, offset: i64, expires: &str| {
        client.signer.presigned(
            method,
            "/bkt/a%20b?response-content-type=text%2Fcss",
            &host,
            &date(offset),
            expires,
        )
    };
    let get = |target: &str| client.ask("GET", target).anonymous().send();
    assert_eq!(
        get(&sign("GET", 0, "60")).expect(200).value("content-type"),
        "text/css"
    );
    get(&sign("GET", -6 * 86_400, "604800")).expect(200);
    refused(get(&sign("GET", -70, "60")), 403, "AccessDenied", None);
    refused(get(&sign("PUT", 0, "60")), 403, "SignatureDoesNotMatch", None);
    for expires in ["0", "604801", "soon"] {
        refused(
            get(&sign("GET", 0, expires)),
            400,
            "AuthorizationQueryParametersError",
            Some("0002-00000031"),
        );
    }
    let wrong = sign("GET", 0, "60").replace("TOS4-HMAC-SHA256", "AWS4");
    refused(
        get(&wrong),
        400,
        "AuthorizationQueryParametersError",
        Some("0002-00000030"),
    );
}

#[test]
fn a_temporary_key_needs_its_token() {
    let emulator = Emulator::builder()
        .credential("STS", "secret", Some("tok+en==".into()))
        .spawn()
        .expect("a free port");
    emulator.create_bucket("bkt");
    emulator.put_object("bkt", "k", "abc");
    let client = Client::at(emulator.address(), "STS", "secret");
    client
        .ask("GET", "/bkt/k")
        .header("x-tos-security-token", "tok+en==")
        .send()
        .expect(200);
    let wrong = client
        .ask("GET", "/bkt/k")
        .header("x-tos-security-token", "other")
        .send();
    refused(wrong, 403, "InvalidSecurityToken", None);
    refused(client.get("/bkt/k"), 403, "InvalidSecurityToken", None);
    let target = format!("/bkt/k?X-Tos-Security-Token={}", encode("tok+en=="));
    let signed = client
        .signer
        .presigned("GET", &target, &client.host(), &date(0), "60");
    client.ask("GET", &signed).anonymous().send().expect(200);
}

//! The bytes of a request.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::clock::Clock;
use crate::config::TosClientBuilder;
use crate::credentials::Credentials;
use crate::customer_key::SsecKey;
use crate::encoding::encode_path;
use crate::object::{ETag, Fingerprint, ObjectId};
use crate::range::ByteRange;
use crate::source::tos::testing::{
    FIRST, Server, Step, builder, get, has_line, head, head_of, object, partial, read_all,
};
use crate::source::{Attempt, RangeRequest, Source};
use crate::terms::Terms;
use crate::traffic_limit::TrafficLimit;

fn build(builder: TosClientBuilder) -> Arc<dyn Source> {
    builder
        .into_parts()
        .expect("a client")
        .service()
        .expect("a service")
        .source
        .clone()
}

fn one_byte() -> Step {
    Step::Answer(partial(b"x", 1, "ETag: \"abc\"\r\n"))
}

fn fingerprint() -> Fingerprint {
    Fingerprint {
        size: 10,
        etag: ETag::parse("\"abc\""),
        crc64: None,
        version_id: None,
        last_modified: Some(1_704_164_645),
    }
}

/// Sends one GET and tells the request that arrived.
async fn sent(object: &ObjectId, pin: Option<&Fingerprint>, attempt: Attempt) -> String {
    let server = Server::start(vec![one_byte()]).await;
    let request = RangeRequest {
        object,
        range: ByteRange::new(3, 10).expect("not empty"),
        pin,
        conditions: None,
        terms: &Terms::default(),
        attempt,
    };
    build(builder(&server)).get(request).await.expect("an answer");
    server.only_request()
}

#[tokio::test]
async fn the_request_line_has_the_key_byte_for_byte() {
    for key in [
        "k",
        ".",
        "..",
        "../..",
        "/lead",
        "//",
        "a//b",
        "x/./y",
        "中 文",
        "a+b%2Fc?d#e&f=*",
        "\n",
    ] {
        let request = sent(&object(key), None, FIRST).await;
        let expected = format!("GET /bkt/{} HTTP/1.1\r\n", encode_path(key));
        assert!(request.starts_with(&expected), "{key:?}: {request}");
    }
}

#[tokio::test]
async fn a_get_carries_its_range_its_signature_and_the_wish_for_a_range_crc() {
    let request = sent(&object("k"), None, FIRST).await;
    for line in [
        "range: bytes=3-9",
        "accept-encoding: tos-raw-trailer",
        "x-tos-trailer: x-tos-hash-range-crc64ecma",
        "x-tos-content-sha256: UNSIGNED-PAYLOAD",
    ] {
        assert!(has_line(&request, line), "{line}: {request}");
    }
    assert!(request.contains("Credential=AKLT1/"), "{request}");
    assert!(
        request.contains("SignedHeaders=host;x-tos-content-sha256;x-tos-date;x-tos-trailer,"),
        "{request}"
    );
    assert!(request.contains("user-agent: tosget/"), "{request}");
    assert!(
        !request.contains("if-match") && !request.contains("x-sdk-retry-count"),
        "{request}"
    );
    assert!(!request.contains("very-secret"), "{request}");
}

#[tokio::test]
async fn a_pinned_get_goes_out_on_condition_of_the_etag() {
    let request = sent(&object("k"), Some(&fingerprint()), FIRST).await;
    assert!(has_line(&request, "if-match: \"abc\""), "{request}");
    assert!(!request.contains("if-unmodified-since"), "{request}");
    assert!(!request.contains("versionId"), "{request}");
}

#[tokio::test]
async fn without_an_etag_the_time_is_the_condition() {
    let pin = Fingerprint {
        etag: None,
        ..fingerprint()
    };
    let request = sent(&object("k"), Some(&pin), FIRST).await;
    assert!(
        has_line(&request, "if-unmodified-since: Tue, 02 Jan 2024 03:04:05 GMT"),
        "{request}"
    );
    assert!(!request.contains("if-match"), "{request}");
}

#[tokio::test]
async fn the_version_comes_from_the_caller_or_else_from_the_pin() {
    let pin = |version: &str| Fingerprint {
        version_id: Some(version.to_owned()),
        ..fingerprint()
    };
    let chosen = ObjectId {
        version_id: Some("a/b".into()),
        ..object("k")
    };
    let target = |request: String| request.split(' ').nth(1).unwrap_or_default().to_owned();
    let request = sent(&chosen, Some(&pin("other")), FIRST).await;
    assert_eq!(target(request), "/bkt/k?versionId=a%2Fb");
    let request = sent(&object("k"), Some(&pin("null")), FIRST).await;
    assert_eq!(target(request), "/bkt/k?versionId=null");
}

#[tokio::test]
async fn a_customers_key_and_a_traffic_limit_go_out_signed() {
    let server = Server::start(vec![one_byte()]).await;
    let terms = Terms {
        ssec_key: Some(SsecKey::new([0; 32])),
        traffic_limit: Some(TrafficLimit::new(819_200).expect("within the limits")),
    };
    let request = RangeRequest {
        object: &object("k"),
        range: ByteRange::new(0, 1).expect("not empty"),
        pin: None,
        conditions: None,
        terms: &terms,
        attempt: FIRST,
    };
    build(builder(&server)).get(request).await.expect("an answer");
    let request = server.only_request();
    let sse = "x-tos-server-side-encryption-customer";
    for line in [
        format!("{sse}-algorithm: AES256"),
        format!("{sse}-key: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        format!("{sse}-key-md5: cLyPS3KoaSFGi/joRB3OUQ=="),
        "x-tos-traffic-limit: 819200".to_owned(),
    ] {
        assert!(has_line(&request, &line), "{line}: {request}");
    }
    let signed =
        format!("x-tos-date;{sse}-algorithm;{sse}-key;{sse}-key-md5;x-tos-traffic-limit;x-tos-trailer,");
    assert!(request.contains(&signed), "{request}");
}

#[tokio::test]
async fn a_retry_says_which_one_it_is() {
    let second = Attempt {
        number: 2,
        max_retries: 3,
        silence: None,
    };
    let request = sent(&object("k"), None, second).await;
    assert!(
        has_line(&request, "x-sdk-retry-count: attempt=1; max=3"),
        "{request}"
    );
}

#[tokio::test]
async fn without_range_crc_only_the_plain_bytes_are_asked_for() {
    let server = Server::start(vec![one_byte()]).await;
    let source = build(builder(&server).range_crc(false));
    get(&*source, 1).await.expect("an answer");
    let request = server.only_request();
    assert!(has_line(&request, "accept-encoding: identity"), "{request}");
    assert!(!request.contains("x-tos-trailer"), "{request}");
}

#[tokio::test]
async fn an_anonymous_request_is_not_signed() {
    let server = Server::start(vec![one_byte()]).await;
    let source = build(builder(&server).anonymous());
    get(&*source, 1).await.expect("an answer");
    let request = server.only_request();
    assert!(
        !request.contains("authorization") && !request.contains("x-tos-date"),
        "{request}"
    );
}

#[tokio::test]
async fn a_security_token_is_sent_and_signed() {
    let server = Server::start(vec![one_byte()]).await;
    let keys = Credentials::new("AKLT1", "s").with_security_token("a-token==");
    let source = build(builder(&server).credentials(keys));
    get(&*source, 1).await.expect("an answer");
    let request = server.only_request();
    assert!(has_line(&request, "x-tos-security-token: a-token=="), "{request}");
    assert!(request.contains("x-tos-date;x-tos-security-token;"), "{request}");
}

#[tokio::test]
async fn keys_that_no_header_can_carry_are_refused_without_being_shown() {
    let server = Server::start(vec![]).await;
    let keys = Credentials::new("AKLT1", "s").with_security_token("bad\ntoken");
    let source = build(builder(&server).credentials(keys));
    let error = get(&*source, 1).await.expect_err("refused").to_string();
    assert!(
        error.contains("security token") && !error.contains("bad"),
        "{error}"
    );
}

#[derive(Debug)]
struct Stopped(SystemTime);

impl Clock for Stopped {
    fn now(&self) -> SystemTime {
        self.0
    }
}

#[tokio::test]
async fn a_whole_request_is_signed_as_the_official_sdk_signs_it() {
    let server = Server::start(vec![Step::Answer(
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nx-tos-request-id: r\r\n\r\n".to_vec(),
    )])
    .await;
    let clock = Stopped(UNIX_EPOCH + Duration::from_secs(1_704_164_645));
    let source = TosClientBuilder::new()
        .endpoint("http://tos-cn-beijing.volces.com")
        .proxy(server.url())
        .credentials(Credentials::new("AKLTEXAMPLE0001", "c2VjcmV0LWtleS1leGFtcGxl"))
        .clock(Arc::new(clock));
    let object = ObjectId::new("examplebucket", "dir/file.bin");
    head_of(&*build(source), &object).await.expect("an answer");
    let request = server.only_request();
    assert!(has_line(&request, "x-tos-date: 20240102T030405Z"), "{request}");
    // The method of vector H1 with HEAD for GET, computed by other code.
    let signature = "a1cc99ec15155ec49c538054a2a80138881698f15a9415fe0b2728dc2b04a6ce";
    let signed = format!("SignedHeaders=host;x-tos-content-sha256;x-tos-date, Signature={signature}");
    assert!(request.contains(&signed), "{request}");
}

#[tokio::test]
async fn through_a_proxy_a_plain_request_names_its_target_in_full() {
    let answer = || Step::Answer(partial(b"x", 1, ""));
    let proxy = Server::start(vec![answer(), answer()]).await;
    let source = TosClientBuilder::new()
        .endpoint("http://tos.test:81")
        .anonymous()
        .proxy(format!("http://user:p%40ss@{}", proxy.address));
    let source = build(source);
    for key in ["k", "..//x/./y"] {
        let request = RangeRequest {
            object: &object(key),
            range: ByteRange::new(0, 1).expect("not empty"),
            pin: None,
            conditions: None,
            terms: &Terms::default(),
            attempt: FIRST,
        };
        let mut response = source.get(request).await.expect("an answer");
        assert_eq!(read_all(&mut *response.body).await.expect("a body"), b"x");
    }
    let asked = proxy.asked();
    assert!(
        asked[0].starts_with("GET http://bkt.tos.test:81/k HTTP/1.1\r\n"),
        "{}",
        asked[0]
    );
    assert!(
        asked[1].starts_with("GET http://bkt.tos.test:81/..//x/./y HTTP/1.1\r\n"),
        "{}",
        asked[1]
    );
    assert!(has_line(&asked[0], "host: bkt.tos.test:81"), "{}", asked[0]);
    assert!(
        has_line(&asked[0], "proxy-authorization: Basic dXNlcjpwQHNz"),
        "{}",
        asked[0]
    );
    assert_eq!(proxy.connections(), 1, "the connection is used again");
}

#[tokio::test]
async fn a_head_asks_for_plain_bytes() {
    let server = Server::start(vec![Step::Answer(
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nx-tos-request-id: r\r\n\r\n".to_vec(),
    )])
    .await;
    let answer = head(&*build(builder(&server))).await.expect("an answer");
    assert_eq!(answer.object.content_length, 5);
    let request = server.only_request();
    assert!(request.starts_with("HEAD /bkt/k HTTP/1.1\r\n"), "{request}");
    assert!(
        has_line(&request, "accept-encoding: identity") && !request.contains("x-tos-trailer"),
        "{request}"
    );
}

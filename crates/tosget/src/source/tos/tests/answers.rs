//! What is made of an answer: heads, bodies, trailers and refusals.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::checksum::Crc64;
use crate::error::TosServerError;
use crate::error::attempt::{AttemptError, ResponseFault};
use crate::source::Source;
use crate::source::tos::testing::{Server, Step, builder, get, has_line, head, partial, read_all, refusal};

async fn source(script: Vec<Step>) -> (Server, Arc<dyn Source>) {
    let server = Server::start(script).await;
    let source = builder(&server)
        .into_parts()
        .expect("a client")
        .service()
        .expect("a service")
        .source
        .clone();
    (server, source)
}

async fn refused(answer: Vec<u8>) -> TosServerError {
    let (_server, source) = source(vec![Step::AnswerAndClose(answer)]).await;
    server_error(get(&*source, 1).await.expect_err("a refusal"))
}

fn server_error(error: AttemptError) -> TosServerError {
    match error {
        AttemptError::Server(error) => *error,
        other => panic!("{other:?}"),
    }
}

/// `payload` framed with its CRC64 as the service frames it.
fn framed(payload: &[u8], crc64: u64) -> Vec<u8> {
    framed_as(payload.len(), payload, crc64)
}

/// The same, announced as a payload of another length.
fn framed_as(announced: usize, payload: &[u8], crc64: u64) -> Vec<u8> {
    let crc = STANDARD.encode(crc64.to_be_bytes());
    let body = [
        payload,
        format!("\r\nx-tos-hash-crc64ecma:{crc}\r\n\r\n").as_bytes(),
    ]
    .concat();
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes 0-{}/99\r\n\
         ETag: \"abc\"\r\nContent-Encoding: tos-raw-trailer\r\nX-Tos-Raw-Content-Length: {}\r\n\r\n",
        body.len(),
        announced - 1,
        announced,
    );
    [head.as_bytes(), &body].concat()
}

#[tokio::test]
async fn a_range_is_delivered_and_its_connection_used_again() {
    let answer = || Step::Answer(partial(b"hello", 99, "ETag: \"abc\"\r\n"));
    let (server, source) = source(vec![answer(), answer()]).await;
    for _ in 0..2 {
        let mut response = get(&*source, 5).await.expect("an answer");
        assert_eq!(
            (response.head.status, response.head.payload_length),
            (206, Some(5))
        );
        assert_eq!(response.head.fingerprint().size, 99);
        assert_eq!(read_all(&mut *response.body).await.expect("a body"), b"hello");
        assert_eq!(response.body.range_crc64(), None);
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_granted_range_crc_is_told_after_the_payload() {
    let payload = vec![b'x'; 70_000];
    let crc64 = Crc64::of(&payload).0;
    let answer = || Step::Answer(framed(&payload, crc64));
    let (server, source) = source(vec![answer(), answer()]).await;
    for _ in 0..2 {
        let mut response = get(&*source, 70_000).await.expect("an answer");
        assert!(response.head.range_crc_granted);
        assert_eq!(response.head.payload_length, Some(70_000));
        assert_eq!(response.head.content_encoding, None);
        assert!(read_all(&mut *response.body).await.expect("a body") == payload);
        assert_eq!(response.body.range_crc64(), Some(crc64));
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_framed_body_longer_than_it_says_is_a_fault() {
    let (_server, source) = source(vec![Step::Answer(framed_as(3, b"abcd", 0))]).await;
    let mut response = get(&*source, 3).await.expect("an answer");
    let error = read_all(&mut *response.body).await.expect_err("a fault");
    assert!(
        matches!(error, AttemptError::Response(ResponseFault::TooManyBytes)),
        "{error:?}"
    );
}

#[tokio::test]
async fn after_a_trailer_that_cannot_be_read_none_is_asked_for() {
    let odd = Step::Answer(framed_as(3, b"abcd", 0));
    let (server, source) = source(vec![odd, Step::Answer(partial(b"abc", 3, ""))]).await;
    let mut response = get(&*source, 3).await.expect("an answer");
    read_all(&mut *response.body).await.expect_err("a fault");
    drop(response);
    let mut response = get(&*source, 3).await.expect("an answer");
    assert_eq!(read_all(&mut *response.body).await.expect("a body"), b"abc");
    let [before, after] = server.asked().try_into().expect("two requests");
    assert!(before.contains("x-tos-trailer"), "{before}");
    assert!(
        !after.contains("x-tos-trailer") && has_line(&after, "accept-encoding: identity"),
        "{after}"
    );
}

#[tokio::test]
async fn a_head_answer_tells_all_about_the_object() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nETag: \"abc\"\r\n\
        Last-Modified: Tue, 02 Jan 2024 03:04:05 GMT\r\nx-tos-hash-crc64ecma: 0\r\nx-tos-version-id: v1\r\n\
        x-tos-meta-Name: %E5%BC%A0\r\nx-tos-request-id: r1\r\nx-tos-id-2: i2\r\n\r\n";
    let (_server, source) = source(vec![Step::Answer(answer.to_vec())]).await;
    let object = head(&*source).await.expect("an answer").object;
    assert_eq!((object.content_length, object.hash_crc64ecma), (7, Some(0)));
    assert_eq!(object.etag.as_deref(), Some("abc"));
    assert_eq!(
        object.last_modified,
        Some(UNIX_EPOCH + Duration::from_secs(1_704_164_645))
    );
    assert_eq!(object.version_id.as_deref(), Some("v1"));
    assert_eq!(object.meta.get("name").map(String::as_str), Some("张"));
    assert_eq!(
        (object.request_id.as_deref(), object.id2.as_deref()),
        (Some("r1"), Some("i2"))
    );
}

#[tokio::test]
async fn a_refusal_keeps_what_the_service_told() {
    let body = r#"{"Code":"NoSuchKey","Message":"The specified key does not exist.","RequestId":"rb","HostId":"h1","EC":"0017-00000003"}"#;
    let error = refused(refusal("404 Not Found", "x-tos-request-id: rh\r\n", body)).await;
    assert_eq!((error.status_code, error.code.as_str()), (404, "NoSuchKey"));
    assert_eq!(error.message, "The specified key does not exist.");
    assert_eq!((error.request_id.as_str(), error.host_id.as_str()), ("rh", "h1"));
    assert_eq!(error.ec, "0017-00000003");
    assert!(error.request_url.ends_with("/bkt/k"), "{}", error.request_url);
}

#[tokio::test]
async fn a_refused_head_has_its_ids_and_the_code_that_its_number_stands_for() {
    let answer = b"HTTP/1.1 404 Not Found\r\nx-tos-ec: 0017-00000003\r\nx-tos-request-id: r\r\n\r\n";
    let (_server, source) = source(vec![Step::AnswerAndClose(answer.to_vec())]).await;
    let error = server_error(head(&*source).await.expect_err("a refusal"));
    assert_eq!(
        (error.code.as_str(), error.ec.as_str()),
        ("NoSuchKey", "0017-00000003")
    );
    assert_eq!((error.request_id.as_str(), error.message.as_str()), ("r", ""));
}

#[tokio::test]
async fn a_huge_error_page_is_cut_short() {
    let body = format!("<html>\n{}", "a b\u{1b}\n".repeat(200_000));
    let error = refused(refusal("502 Bad Gateway", "Content-Type: text/html\r\n", &body)).await;
    assert_eq!((error.status_code, error.code.as_str()), (502, ""));
    assert!(error.message.starts_with("<html> a b a b") && error.message.ends_with('…'));
    assert!(error.message.chars().count() <= 201, "{}", error.message);
}

#[tokio::test]
async fn an_error_body_that_never_ends_is_waited_for_no_longer_than_the_idle_timeout() {
    let answer = b"HTTP/1.1 503 Slow\r\nContent-Length: 100\r\nRetry-After: 7\r\n\r\nhalf".to_vec();
    let server = Server::start(vec![Step::AnswerAndStall(answer)]).await;
    let source = builder(&server).idle_timeout(Duration::from_secs(1)).into_parts();
    let source = source
        .expect("a client")
        .service()
        .expect("a service")
        .source
        .clone();
    let error = get(&*source, 1).await.expect_err("a refusal");
    let error = server_error(error);
    assert_eq!((error.status_code, error.message.as_str()), (503, "half"));
    assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::start(vec![]).await;
    let location = format!(
        "x-tos-request-id: r\r\nLocation: {}/x?X-Tos-Signature=secret\r\n",
        elsewhere.url()
    );
    for status in [
        "301 Moved",
        "302 Found",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let error = refused(refusal(status, &location, "")).await;
        assert!(status.starts_with(&error.status_code.to_string()));
        let target = format!(
            "redirects are not followed, and this one leads to {}/x",
            elsewhere.url()
        );
        assert_eq!(error.message, target);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn not_modified_is_a_refusal_too() {
    let error = refused(b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec()).await;
    assert_eq!((error.status_code, error.code.as_str()), (304, ""));
}

#[tokio::test]
async fn after_a_refusal_for_the_time_requests_are_signed_with_the_servers_clock() {
    let skewed = r#"{"Code":"RequestTimeTooSkewed","EC":"0002-00000018"}"#;
    let date = "Date: Fri, 01 Jan 2100 00:00:00 GMT\r\n";
    let (server, source) = source(vec![
        Step::Answer(refusal("403 Forbidden", date, skewed)),
        Step::Answer(partial(b"x", 1, "")),
    ])
    .await;
    let error = server_error(get(&*source, 1).await.expect_err("a refusal"));
    let year_2100 = UNIX_EPOCH + Duration::from_secs(4_102_444_800);
    let ahead = year_2100
        .duration_since(SystemTime::now())
        .expect("before 2100")
        .as_secs();
    let told = error.clock_offset.expect("a date").unsigned_abs();
    assert!(told.abs_diff(ahead) < 600, "{told} {ahead}");

    get(&*source, 1).await.expect("an answer");
    let [before, after] = server.asked().try_into().expect("two requests");
    assert!(!before.contains("x-tos-date: 2100"), "{before}");
    let signed_in_2100 = after.contains("x-tos-date: 21000101T00") && after.contains("/21000101/cn-beijing/");
    assert!(signed_in_2100, "{after}");
    assert!(has_line(&after, "x-tos-content-sha256: UNSIGNED-PAYLOAD"));
}

#[tokio::test]
async fn another_refusal_does_not_move_the_clock() {
    let denied = r#"{"Code":"AccessDenied"}"#;
    let date = "Date: Fri, 01 Jan 2100 00:00:00 GMT\r\n";
    let (server, source) = source(vec![
        Step::Answer(refusal("403 Forbidden", date, denied)),
        Step::Answer(partial(b"x", 1, "")),
    ])
    .await;
    get(&*source, 1).await.expect_err("a refusal");
    get(&*source, 1).await.expect("an answer");
    assert!(!server.asked()[1].contains("x-tos-date: 2100"));
}

#[tokio::test]
async fn what_is_secret_in_a_request_is_in_nothing_that_its_refusal_tells() {
    // What a server repeats of what it was asked, and what opens something at another server.
    let token = "zq-token-of-mine";
    let keyed = |server: &Server| {
        let keys = crate::credentials::Credentials::new("AKLT1", "very-secret").with_security_token(token);
        let source = builder(server).credentials(keys).into_parts().expect("a client");
        source.service().expect("a service").source.clone()
    };
    let foreign = "https://elsewhere.test/k?X-Tos-Signature=zq-foreign&x=1";
    let json = format!(
        "{{\"Code\":\"{token}\",\"Message\":\"see {foreign} {token}\",\"RequestId\":\"{token}\",\"HostId\":\"{token}\",\
         \"EC\":\"{token}\",\"Resource\":\"/k?{token}&a=zq-foreign\"}}"
    );
    let headers = format!(
        "Location: {foreign}\r\nX-Echo: {token}\r\nLink: <{foreign}>\r\nx-tos-request-id: {token}\r\nx-tos-ec: {token}\r\n\
         X-Debug: a?signature=zq-foreign\r\n"
    );
    let html = format!("<p>{foreign} {token}");
    for (status, body) in [("403 Forbidden", &json), ("302 Found", &html), ("200 OK", &html)] {
        let headers = match status {
            "200 OK" => format!("X-Echo: {token}\r\n"),
            _ => headers.clone(),
        };
        let server = Server::start(vec![Step::AnswerAndClose(refusal(status, &headers, body))]).await;
        let error = get(&*keyed(&server), 1).await.expect_err("no answer");
        assert!(has_line(
            &server.only_request(),
            &format!("x-tos-security-token: {token}")
        ));
        let mut told = format!("{error:?} {error} {}", error.chain());
        if let AttemptError::Server(server) = &error {
            told.push_str(&format!("{} {:?}", server.resource, server.headers));
            // Debug tells which headers came, and not what is in them.
            let debug = format!("{server:?}");
            assert!(
                debug.contains("\"x-debug\"") && !debug.contains("a?signature"),
                "{debug}"
            );
        }
        for secret in [token, "zq-foreign"] {
            assert!(!told.contains(secret), "{told}");
        }
    }
}

//! A given URL on the wire: its bytes as they are, nothing of ours but what was asked for.

use std::sync::Arc;

use crate::config::TosClientBuilder;
use crate::error::attempt::AttemptError;
use crate::given_url::{GivenUrl, UrlText};
use crate::source::Source;
use crate::source::tos::testing::{Server, Step, builder, get, has_line, head, partial, read_all, refusal};

/// A client with keys and an endpoint of its own, which is the very server of the URL.
fn source(builder: TosClientBuilder, url: &str) -> Arc<dyn Source> {
    let url = GivenUrl::parse(&UrlText::new(url)).expect("a good URL");
    let parts = builder.into_parts().expect("a client");
    parts.url_source(url).expect("a source")
}

const TAGGED: &str = "ETag: \"e\"\r\n";

#[tokio::test]
async fn a_url_goes_out_byte_for_byte_with_no_key_of_ours() {
    let server = Server::start(vec![Step::Answer(partial(b"hello", 9, TAGGED))]).await;
    let url = format!("{}/a//../%2e/b?z=1&&a=%2f+~&X-Tos-Signature=sig", server.url());
    let source = source(builder(&server), &url);
    let mut response = get(&*source, 5).await.expect("an answer");
    assert_eq!(read_all(&mut *response.body).await.expect("a body"), b"hello");
    let request = server.only_request();
    let line = "GET /a//../%2e/b?z=1&&a=%2f+~&X-Tos-Signature=sig HTTP/1.1\r\n";
    assert!(request.starts_with(line), "{request}");
    assert!(
        has_line(&request, &format!("host: {}", server.address)),
        "{request}"
    );
    assert!(has_line(&request, "range: bytes=0-4"), "{request}");
    for secret in [
        "authorization",
        "AKLT1",
        "x-tos-date",
        "x-tos-content-sha256",
        "very-secret",
    ] {
        assert!(!request.contains(secret), "{request}");
    }
}

#[tokio::test]
async fn a_server_that_wants_every_header_signed_is_asked_without_a_range_crc() {
    let no = || {
        Step::Answer(refusal(
            "403 Forbidden",
            "",
            "There were headers present which were not signed",
        ))
    };
    let yes = || Step::Answer(partial(b"x", 1, TAGGED));
    let server = Server::start(vec![no(), yes(), yes()]).await;
    let source = source(
        builder(&server),
        &format!("{}/k?X-Tos-Signature=sig", server.url()),
    );
    for _ in 0..2 {
        get(&*source, 1).await.expect("an answer");
    }
    let asked: Vec<bool> = server
        .asked()
        .iter()
        .map(|request| has_line(request, "x-tos-trailer: x-tos-hash-range-crc64ecma"))
        .collect();
    assert_eq!(asked, [true, false, false]);
}

#[tokio::test]
async fn who_has_expired_is_not_asked_twice() {
    let no = Step::Answer(refusal(
        "403 Forbidden",
        "",
        r#"{"Code":"AccessDenied","Message":"Request has expired."}"#,
    ));
    let server = Server::start(vec![no]).await;
    let source = source(
        builder(&server),
        &format!("{}/k?X-Tos-Signature=sig", server.url()),
    );
    let error = get(&*source, 1).await.expect_err("expired");
    let AttemptError::UrlRefused { advice, .. } = error else {
        panic!("{error:?}")
    };
    assert!(advice.contains("has expired"), "{advice}");
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn each_refusal_of_a_url_has_its_advice() {
    for (status, body, url, advised) in [
        (
            "403 Forbidden",
            r#"{"Code":"SignatureDoesNotMatch"}"#,
            "k?X-Tos-Signature=s",
            "altered",
        ),
        (
            "400 Bad",
            r#"{"Code":"AuthorizationQueryParametersError"}"#,
            "k?X-Tos-Signature=s",
            "altered",
        ),
        (
            "403 Forbidden",
            r#"{"Code":"RequestTimeTooSkewed"}"#,
            "k?X-Tos-Signature=s",
            "not valid yet",
        ),
        (
            "403 Forbidden",
            r#"{"Code":"AccessDenied"}"#,
            "k?X-Tos-Signature=s",
            "tos:GetObject",
        ),
        // By its own words it ended in 2024.
        (
            "403 Forbidden",
            "",
            "k?X-Tos-Date=20240102T030405Z&X-Tos-Expires=60&X-Tos-Signature=s",
            "has expired",
        ),
        ("401 Unauthorized", "", "k", "ask for a new one"),
    ] {
        let no = Step::Answer(refusal(status, "", body));
        let server = Server::start(vec![no]).await;
        let source = source(
            builder(&server).range_crc(false),
            &format!("{}/{url}", server.url()),
        );
        match get(&*source, 1).await.expect_err("refused") {
            AttemptError::UrlRefused { advice, .. } => assert!(advice.contains(advised), "{body}: {advice}"),
            error => panic!("{body}: {error:?}"),
        }
    }
}

#[tokio::test]
async fn what_is_asked_without_bytes_is_asked_by_get() {
    let server = Server::start(vec![Step::Answer(partial(b"x", 77, TAGGED))]).await;
    let source = source(builder(&server), &format!("{}/k", server.url()));
    assert_eq!(head(&*source).await.expect("an answer").object.content_length, 77);
    let request = server.only_request();
    assert!(
        request.starts_with("GET /k ") && has_line(&request, "range: bytes=0-0"),
        "{request}"
    );
}

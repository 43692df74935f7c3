//! What happens when there is no answer, or only a part of one.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::config::TosClientBuilder;
use crate::credentials::{CredentialsFuture, CredentialsProvider};
use crate::error::attempt::AttemptError;
use crate::source::Source;
use crate::source::tos::testing::{
    Server, Step, builder, get, head, head_of, object, partial, read_all, refusal,
};

fn build(builder: TosClientBuilder) -> Arc<dyn Source> {
    builder
        .into_parts()
        .expect("a client")
        .service()
        .expect("a service")
        .source
        .clone()
}

/// An error and its causes in one line.
fn story(error: &AttemptError) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |story, cause| format!("{story}: {cause}"))
}

#[tokio::test]
async fn a_refused_connection_names_the_peer_and_the_cause() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let source = TosClientBuilder::new()
        .endpoint(format!("http://{address}"))
        .anonymous();
    let error = get(&*build(source), 1).await.expect_err("nobody listens");
    assert!(matches!(&error, AttemptError::Connect { peer, .. } if *peer == address.to_string()));
    assert!(story(&error).contains("refused"), "{}", story(&error));
}

#[tokio::test]
async fn a_name_without_an_address_is_a_failure_to_connect() {
    let source = TosClientBuilder::new()
        .endpoint("http://nowhere.invalid")
        .anonymous();
    let error = get(&*build(source), 1).await.expect_err("no such name");
    assert!(
        matches!(&error, AttemptError::Connect { peer, .. } if peer == "bkt.nowhere.invalid:80"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_handshake_that_never_answers_ends_with_the_connect_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let source = TosClientBuilder::new()
        .endpoint(format!("https://{address}"))
        .anonymous()
        .connect_timeout(Duration::from_millis(100));
    let error = get(&*build(source), 1).await.expect_err("no handshake");
    assert_eq!(error.to_string(), "no connection within 0.1 s");
}

#[tokio::test]
async fn silence_after_the_request_ends_with_the_idle_timeout() {
    let server = Server::start(vec![Step::AnswerAndStall(b"HTTP/1.1 2".to_vec())]).await;
    let source = build(builder(&server).idle_timeout(Duration::from_millis(100)));
    let error = get(&*source, 1).await.expect_err("no answer");
    assert_eq!(error.to_string(), "no answer within 0.1 s");
}

#[tokio::test]
async fn a_connection_closed_before_the_answer_is_broken() {
    for beginning in [
        "",
        "HTTP/1.1 206 Partial",
        "HTTP/1.1 206 Partial Content\r\nContent-Le",
    ] {
        let server = Server::start(vec![Step::AnswerAndClose(beginning.into())]).await;
        let error = get(&*build(builder(&server)), 1).await.expect_err("closed");
        assert!(
            matches!(error, AttemptError::Broken { .. }),
            "{beginning:?}: {error:?}"
        );
        assert!(!story(&error).contains("client error"), "{}", story(&error));
    }
}

#[tokio::test]
async fn what_is_not_http_is_a_broken_connection() {
    let server = Server::start(vec![Step::AnswerAndClose(b"SSH-2.0-OpenSSH\r\n\r\n".to_vec())]).await;
    let error = get(&*build(builder(&server)), 1).await.expect_err("not HTTP");
    assert!(matches!(error, AttemptError::Broken { .. }), "{error:?}");
}

#[tokio::test]
async fn a_body_cut_short_gives_its_bytes_and_then_the_break() {
    let mut answer = partial(b"hello", 5, "");
    answer.truncate(answer.len() - 2);
    let server = Server::start(vec![Step::AnswerAndClose(answer)]).await;
    let mut response = get(&*build(builder(&server)), 5).await.expect("an answer");
    let first = response.body.data().await.expect("bytes").expect("no error");
    assert_eq!(&first[..], b"hel");
    let error = response
        .body
        .data()
        .await
        .expect("the break")
        .expect_err("the break");
    assert!(matches!(error, AttemptError::Broken { .. }), "{error:?}");
}

#[tokio::test]
async fn a_connection_that_the_server_closes_is_replaced_unnoticed() {
    let closing = Step::AnswerAndClose(partial(b"x", 1, "Connection: close\r\n"));
    let server = Server::start(vec![closing, Step::Answer(partial(b"y", 1, ""))]).await;
    let source = build(builder(&server));
    for expected in [b"x", b"y"] {
        let mut response = get(&*source, 1).await.expect("an answer");
        assert_eq!(read_all(&mut *response.body).await.expect("a body"), expected);
    }
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn no_more_connections_than_allowed_are_open_at_a_time() {
    let answer = || Step::Answer(partial(b"x", 1, ""));
    let server = Server::start(vec![answer(), answer()]).await;
    let source = build(builder(&server).max_connections(1));
    let first = get(&*source, 1).await.expect("an answer");
    let waiting = source.clone();
    let second = tokio::spawn(async move { get(&*waiting, 1).await.map(|response| response.head.status) });
    tokio::task::yield_now().await;
    assert_eq!(server.asked().len(), 1);
    drop(first);
    assert_eq!(second.await.expect("no panic").expect("an answer"), 206);
}

#[tokio::test]
async fn a_body_dropped_before_its_end_gives_its_connection_up() {
    let mut endless = partial(b"x", 99, "ETag: \"e\"\r\n");
    let length = String::from_utf8(endless)
        .expect("text")
        .replace("Length: 1", "Length: 99");
    endless = length.into_bytes();
    let server = Server::start(vec![
        Step::AnswerAndStall(endless),
        Step::Answer(partial(b"y", 1, "")),
    ])
    .await;
    let source = build(builder(&server).max_connections(1));
    drop(get(&*source, 99).await.expect("an answer"));
    let mut response = get(&*source, 1).await.expect("an answer");
    assert_eq!(read_all(&mut *response.body).await.expect("a body"), b"y");
    assert_eq!(server.connections(), 2);
}

#[derive(Debug)]
struct Failing;

impl CredentialsProvider for Failing {
    fn credentials(&self) -> CredentialsFuture<'_> {
        Box::pin(async { Err("the metadata service is down".into()) })
    }
}

#[tokio::test]
async fn a_provider_that_fails_is_told_with_its_reason() {
    let server = Server::start(vec![]).await;
    let source = build(builder(&server).credentials_provider(Arc::new(Failing)));
    let error = head(&*source).await.expect_err("no credentials");
    assert!(matches!(error, AttemptError::Credentials { .. }));
    assert!(story(&error).ends_with("the metadata service is down"));
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_name_that_cannot_be_asked_for_goes_nowhere() {
    let server = Server::start(vec![]).await;
    let source = build(builder(&server));
    let mut object_id = object("");
    let error = head_of(&*source, &object_id).await.expect_err("an empty key");
    assert!(matches!(error, AttemptError::Request(_)), "{error:?}");
    object_id = object("k");
    object_id.version_id = Some("v".repeat(70_000));
    let error = head_of(&*source, &object_id)
        .await
        .expect_err("a URL without end");
    assert!(matches!(error, AttemptError::Request(_)), "{error:?}");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_proxy_that_refuses_the_tunnel_is_a_failure_to_connect() {
    let proxy = Server::start(vec![Step::AnswerAndClose(refusal("407 No", "", ""))]).await;
    let source = TosClientBuilder::new()
        .endpoint("https://tos.test")
        .anonymous()
        .proxy(proxy.url());
    let error = get(&*build(source), 1).await.expect_err("no tunnel");
    assert!(matches!(&error, AttemptError::ProxyRefused { peer, .. } if *peer == proxy.address.to_string()));
    assert!(story(&error).contains("status 407"), "{}", story(&error));
    let asked = proxy.only_request();
    assert_eq!(
        asked,
        "CONNECT bkt.tos.test:443 HTTP/1.1\r\nHost: bkt.tos.test:443\r\n\r\n"
    );
}

#[tokio::test]
async fn a_proxy_that_refuses_a_plain_request_is_named_and_not_the_server() {
    let proxy = Server::start(vec![Step::AnswerAndClose(refusal("407 No", "", ""))]).await;
    let source = TosClientBuilder::new()
        .endpoint("http://tos.test")
        .anonymous()
        .proxy(proxy.url());
    let error = get(&*build(source), 1)
        .await
        .expect_err("the proxy wants a password");
    assert!(matches!(&error, AttemptError::ProxyRefused { peer, .. } if *peer == proxy.address.to_string()));
    assert!(story(&error).contains("status 407"), "{}", story(&error));
}

/// It is no proxy of ours that says so.
#[tokio::test]
async fn a_server_that_answers_407_without_a_proxy_is_the_one_that_refused() {
    let server = Server::start(vec![Step::AnswerAndClose(refusal("407 No", "", ""))]).await;
    let error = get(&*build(builder(&server)), 1).await.expect_err("refused");
    assert!(matches!(&error, AttemptError::Server(server) if server.status_code == 407));
}

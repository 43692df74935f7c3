//! Servers that answer something else than what was asked.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tos_emulator::{CannedAnswer, CannedBody, FaultRule, Verdict};
use tosget::{Credentials, CredentialsFuture, CredentialsProvider, Error, ErrorKind, OnChange, TosClient};

use crate::support::{BUCKET, MIB, World, chain};

const SIZE: u64 = 8 * MIB + 321;

async fn world() -> World {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", SIZE, 1);
    world
}

/// The error of a download without patience.
async fn fails(world: &World) -> Error {
    let client = world.builder().max_retry_count(0).build().expect("good");
    let error = client
        .download_file(world.request("k"))
        .await
        .expect_err("it fails");
    assert!(!world.destination().exists());
    error
}

/// The same call again, once the server has come to its senses.
async fn goes_on(world: &World) {
    world.emulator.clear_faults();
    let done = world
        .client()
        .download_file(world.request("k"))
        .await
        .expect("goes on");
    world.assert_destination_is_virtual(1, SIZE);
    assert!(done.bytes_resumed > 0, "what came before is kept");
    assert_eq!(done.bytes_fetched + done.bytes_resumed, SIZE);
}

#[tokio::test]
async fn another_total_with_the_same_etag_is_a_wrong_answer_and_keeps_what_came() {
    let world = world().await;
    let total = Verdict::WrongContentRange {
        shift: 0,
        total: Some(SIZE + 1),
    };
    world
        .emulator
        .add_fault(FaultRule::new(total).range_from(4 * MIB));
    let error = fails(&world).await;
    assert_eq!(error.kind(), ErrorKind::Protocol);
    let (before, now) = (SIZE.to_string(), (SIZE + 1).to_string());
    let story = chain(&error);
    assert!(
        story.contains("size") && story.contains(&before) && story.contains(&now),
        "{story}"
    );
    goes_on(&world).await;
}

#[tokio::test]
async fn another_total_at_the_beginning_never_ends_in_a_wrong_file() {
    for total in [SIZE - 1, SIZE + 1, MIB + 1, u64::MAX - 1] {
        let world = world().await;
        let verdict = Verdict::WrongContentRange {
            shift: 0,
            total: Some(total),
        };
        world.emulator.add_fault(FaultRule::new(verdict).times(1));
        fails(&world).await;
        world
            .client()
            .download_file(world.request("k"))
            .await
            .expect("not a dead end");
        world.assert_destination_is_virtual(1, SIZE);
    }
}

#[tokio::test]
async fn another_etag_on_one_part_is_another_object() {
    let world = world().await;
    let other = Verdict::OtherEtag {
        etag: "another".into(),
    };
    world
        .emulator
        .add_fault(FaultRule::new(other).range_from(4 * MIB).times(1));
    let error = fails(&world).await;
    assert_eq!(error.kind(), ErrorKind::ObjectChanged);
    assert!(chain(&error).contains("its ETag was"), "{}", chain(&error));
    goes_on(&world).await;
}

#[tokio::test]
async fn a_412_or_a_416_in_the_middle_is_a_replaced_object() {
    for (status, code) in [(412, "PreconditionFailed"), (416, "InvalidRange")] {
        let world = world().await;
        world
            .emulator
            .add_fault(FaultRule::new(Verdict::status(status, code)).range_from(4 * MIB));
        let error = fails(&world).await;
        assert_eq!(error.kind(), ErrorKind::ObjectChanged, "{status}");
        assert_eq!(error.server().map(|server| server.status_code), Some(status));
        assert!(error.is_resumable(), "{status}");
        goes_on(&world).await;
    }
}

#[tokio::test]
async fn an_object_that_shrinks_on_the_way_is_downloaded_afresh_where_the_caller_wants_that() {
    let world = world().await;
    let shrunk = Verdict::ReplaceObject {
        seed: 2,
        size: Some(3 * MIB),
    };
    // Held by its time, which is the same, so that it is the range that can't be satisfied.
    world.emulator.add_fault(FaultRule::new(Verdict::HideEtag));
    world
        .emulator
        .add_fault(FaultRule::new(shrunk).range_from(4 * MIB));
    let request = world.request("k").with_on_change(OnChange::Restart(1));
    let done = world.client().download_file(request).await.expect("the new one");
    assert_eq!(done.restarts, 1);
    world.assert_destination_is_virtual(2, 3 * MIB);
}

#[tokio::test]
async fn a_416_to_the_first_request_of_an_object_that_has_bytes_is_a_wrong_answer() {
    let world = world().await;
    let verdict = Verdict::status(416, "InvalidRange");
    world.emulator.add_fault(FaultRule::new(verdict).method("GET"));
    let error = fails(&world).await;
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(chain(&error).contains("416"), "{}", chain(&error));
    assert_eq!(world.files(), Vec::<String>::new());
}

/// Answers every request for a range with status 206, a right Content-Range and a body in chunks of no announced length.
async fn chunked_server(content: &'static [u8], body: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = client.read_u8().await else { break };
                head.push(byte);
            }
            let head = format!(
                "HTTP/1.1 206 Partial Content\r\nETag: \"e\"\r\nx-tos-request-id: r\r\nContent-Range: bytes 0-{}/{}\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n",
                content.len() - 1,
                content.len(),
                body.len(),
            );
            let answer = [head.as_bytes(), body, b"\r\n0\r\n\r\n"].concat();
            let _ = client.write_all(&answer).await;
        }
    });
    url
}

#[tokio::test]
async fn more_or_fewer_bytes_than_promised_are_noticed_by_counting() {
    let folder = tempfile::tempdir().expect("a directory");
    let download = async |body| {
        let url = chunked_server(b"hello", body).await;
        let client = TosClient::builder().endpoint(url).anonymous().max_retry_count(0);
        let client = client.build().expect("good");
        let request = tosget::DownloadFile::new(BUCKET, "k", folder.path().join("k"));
        client.download_file(request).await
    };
    let error = download(b"hello, world").await.expect_err("more");
    assert!(
        chain(&error).contains("more bytes than were asked for"),
        "{}",
        chain(&error)
    );
    let error = download(b"hell").await.expect_err("fewer");
    assert!(chain(&error).contains("ended 1 bytes early"), "{}", chain(&error));
    assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 0);
    download(b"hello").await.expect("as promised");
    assert_eq!(fs::read(folder.path().join("k")).expect("there"), b"hello");
}

/// Gives out other keys at each call, and counts.
#[derive(Debug, Default)]
struct Renewing {
    calls: AtomicUsize,
    secrets: Mutex<Vec<Credentials>>,
}

impl CredentialsProvider for Renewing {
    fn credentials(&self) -> CredentialsFuture<'_> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let secrets = self.secrets.lock().expect("no panic");
        let current = secrets[call.min(secrets.len() - 1)].clone();
        Box::pin(async move { Ok(Some(current)) })
    }
}

#[tokio::test]
async fn credentials_that_expire_in_the_middle_are_renewed_by_their_provider() {
    let world = world().await;
    let (access_key, secret_key) = (world.emulator.access_key(), world.emulator.secret_key());
    let expired = Verdict::status(403, "ExpiredToken");
    world
        .emulator
        .add_fault(FaultRule::new(expired).range_from(2 * MIB).times(3));
    let provider = Arc::new(Renewing::default());
    provider
        .secrets
        .lock()
        .expect("no panic")
        .push(Credentials::new(access_key, secret_key));
    let client = world
        .builder()
        .credentials_provider(provider.clone())
        .build()
        .expect("good");
    let done = client.download_file(world.request("k")).await.expect("downloads");
    world.assert_destination_is_virtual(1, SIZE);
    assert_eq!((done.retries, done.bytes_fetched), (3, SIZE));
    let calls = provider.calls.load(Ordering::SeqCst) as u64;
    assert_eq!(calls, done.requests, "it is asked before every attempt");
}

#[tokio::test]
async fn credentials_that_expire_for_good_are_told_and_fresh_ones_go_on() {
    let world = world().await;
    let expired = Verdict::status(403, "ExpiredToken");
    world
        .emulator
        .add_fault(FaultRule::new(expired).range_from(4 * MIB));
    let error = fails(&world).await;
    assert_eq!(
        error.server().map(|server| server.code.as_str()),
        Some("ExpiredToken")
    );
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("new temporary credentials"))
    );
    assert!(error.checkpoint().is_some_and(Path::exists));
    goes_on(&world).await;
}

#[tokio::test]
async fn a_clock_that_is_off_is_told_by_how_much_where_putting_it_right_does_not_help() {
    let world = world().await;
    world.emulator.set_clock_offset(-7200);
    let error = fails(&world).await;
    let server = error.server().expect("the server said no");
    assert_eq!(server.code, "RequestTimeTooSkewed");
    let off = server.clock_offset.expect("it sent a date");
    assert!((-7202..=-7198).contains(&off), "{off}");
    let hint = error.hint().expect("a hint");
    assert!(
        hint.contains(&format!("it is off by {} s", off.unsigned_abs())),
        "{hint}"
    );
}

fn canned(status: u16, body: CannedBody) -> Verdict {
    Verdict::Status(CannedAnswer {
        status,
        body,
        ..CannedAnswer::default()
    })
}

#[tokio::test]
async fn an_html_page_instead_of_an_answer_is_shown_as_a_line_that_steers_nothing() {
    let page = "<html>\r\n<h1>\x1b[2JBad Gateway</h1>\n\n<p>".to_owned() + &"x".repeat(100_000);
    for status in [403, 502] {
        let world = world().await;
        let verdict = canned(status, CannedBody::Html(page.clone()));
        world
            .emulator
            .add_fault(FaultRule::new(verdict).range_from(4 * MIB));
        let error = fails(&world).await;
        assert_eq!(error.server().map(|server| server.status_code), Some(status));
        let story = chain(&error);
        assert!(story.contains("Bad Gateway") && story.len() < 1000, "{story}");
        assert!(!story.contains(char::is_control), "{story:?}");
        assert_eq!(error.is_transient(), status == 502);
        goes_on(&world).await;
    }
}

#[tokio::test]
async fn an_error_body_of_100_mb_is_not_read_to_its_end() {
    let world = world().await;
    let verdict = canned(403, CannedBody::Filler(100_000_000));
    world.emulator.add_fault(FaultRule::new(verdict));
    let error = fails(&world).await;
    assert_eq!(error.server().map(|server| server.status_code), Some(403));
    assert!(chain(&error).len() < 1000);
    // Of it, only what the sockets' buffers hold was ever sent.
    while world.emulator.stats().in_flight > 0 {
        tokio::task::yield_now().await;
    }
    let sent = world.emulator.stats().body_bytes_sent;
    assert!(sent < 50_000_000, "{sent} bytes were taken");
}

#[tokio::test]
async fn a_header_of_1_mb_is_refused_and_costs_a_retry() {
    let world = world().await;
    let huge = Verdict::HugeHeader { bytes: 1_000_000 };
    world.emulator.add_fault(FaultRule::new(huge.clone()).every(3));
    let done = world
        .client()
        .download_file(world.request("k"))
        .await
        .expect("downloads");
    world.assert_destination_is_virtual(1, SIZE);
    assert!(done.retries > 0);
    assert_eq!(done.bytes_fetched, SIZE);

    fs::remove_file(world.destination()).expect("removed");
    world.emulator.clear_faults();
    world.emulator.add_fault(FaultRule::new(huge));
    let error = fails(&world).await;
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(chain(&error).contains("head"), "{}", chain(&error));
    assert_eq!(world.files(), Vec::<String>::new());
}

#[tokio::test]
async fn an_error_body_that_never_ends_is_waited_for_no_longer_than_the_idle_timeout() {
    let world = world().await;
    world
        .emulator
        .add_fault(FaultRule::new(canned(403, CannedBody::Filler(70_000))));
    let stall = Verdict::StallAfter { bytes: 10, ms: None };
    world.emulator.add_fault(FaultRule::new(stall));
    let client = world
        .builder()
        .idle_timeout(Duration::from_millis(100))
        .build()
        .expect("good");
    let error = client
        .download_file(world.request("k"))
        .await
        .expect_err("refused");
    assert_eq!(error.server().map(|server| server.status_code), Some(403));
}

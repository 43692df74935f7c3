//! Networks that cut, drip and lead nowhere.

use std::fs;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tos_emulator::{FaultRule, Outcome, Verdict};
use tosget::{DownloadFile, ErrorKind, Verification};

use crate::support::{BUCKET, MIB, World, chain};
use crate::wire::{Manner, Wire};

const SIZE: u64 = 8 * MIB + 321;

/// Every byte of an answer, from the first of its status line to the last of its body, is the last one that comes.
#[tokio::test]
async fn an_answer_cut_off_after_any_byte_of_headers_or_body_costs_only_what_was_missing() {
    let world = World::new().await;
    world.emulator.put_object(BUCKET, "k", "twenty bytes, please");
    let whole = Wire::to(world.emulator.address(), |_| Manner::Through).await;
    let client = world.builder().endpoint(whole.url()).build().expect("good");
    client.download_file(world.request("k")).await.expect("downloads");
    let len = whole.bytes_down();
    assert!(len > 200, "an answer has headers");
    let mut downloads = JoinSet::new();
    for cut in 0..len {
        let wire = Wire::to(world.emulator.address(), move |number| match number {
            0 => Manner::CutAfter(cut),
            _ => Manner::Through,
        })
        .await;
        // Hundreds of them at once may keep each other waiting.
        let patient = world.builder().idle_timeout(Duration::from_secs(30));
        let client = patient.endpoint(wire.url()).build().expect("good");
        let path = world.folder.path().join(cut.to_string());
        downloads.spawn(async move {
            let done = client
                .download_file(DownloadFile::new(BUCKET, "k", &path))
                .await
                .unwrap_or_else(|error| panic!("cut after {cut}: {}", chain(&error)));
            assert_eq!(
                fs::read(&path).expect("there"),
                b"twenty bytes, please",
                "cut after {cut}"
            );
            assert_eq!((done.bytes_fetched, done.verification), (20, Verification::Crc64));
            // On a busy machine an answer may take so long to be cut off that it is asked for again before.
            assert!(done.requests >= 2 && wire.connections() >= 2, "cut after {cut}");
        });
    }
    while let Some(done) = downloads.join_next().await {
        done.expect("each of them");
    }
}

#[tokio::test]
async fn connections_that_the_server_closes_between_requests_are_replaced() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", SIZE, 1);
    let wire = Wire::to(world.emulator.address(), |_| Manner::CloseAtSecondRequest).await;
    let client = world.builder().endpoint(wire.url()).build().expect("good");
    let done = client.download_file(world.request("k")).await.expect("downloads");
    world.assert_destination_is_virtual(1, SIZE);
    assert_eq!(done.bytes_fetched, SIZE);
    assert!(
        wire.connections() >= 9,
        "each answer took a connection of its own"
    );
}

#[tokio::test]
async fn a_tls_failure_is_told_at_once_and_not_tried_again() {
    let certificates = tempfile::tempdir().expect("a directory");
    let world = World::with(|emulator| emulator.tls_self_signed(certificates.path())).await;
    world.emulator.put_object(BUCKET, "k", "hello");
    let error = world
        .client()
        .download_file(world.request("k"))
        .await
        .expect_err("nobody vouches for it");
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Network, false));
    assert!(
        chain(&error).contains("the TLS handshake with 127.0.0.1:"),
        "{}",
        chain(&error)
    );
    assert!(error.hint().is_some_and(|hint| hint.contains("authority")));
    let stats = world.emulator.stats();
    assert_eq!((stats.connections, stats.requests), (1, 0));
    assert_eq!(world.files(), Vec::<String>::new());
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let proxy = listener.local_addr().expect("an address");
    drop(listener);
    let world = World::new().await;
    let client = world
        .builder()
        .endpoint("http://tos.test")
        .proxy(format!("http://{proxy}"))
        .max_retry_count(1)
        .build()
        .expect("good");
    let error = client
        .download_file(world.request("k"))
        .await
        .expect_err("no proxy");
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Network, true));
    let story = chain(&error);
    assert!(
        story.contains(&proxy.to_string()) && story.contains("refused"),
        "{story}"
    );
}

#[tokio::test]
async fn a_proxy_that_fails_for_a_while_costs_nothing_but_time() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", SIZE, 1);
    // The first answer, and two in the middle.
    let proxy = Wire::to(world.emulator.address(), |number| match number {
        0 | 2 | 3 => Manner::CutAfter(0),
        _ => Manner::Through,
    })
    .await;
    let client = world.builder().endpoint("http://tos.test").proxy(proxy.url());
    let client = client.build().expect("good");
    let done = client.download_file(world.request("k")).await.expect("downloads");
    world.assert_destination_is_virtual(1, SIZE);
    assert_eq!(done.bytes_fetched, SIZE);
    assert!(done.retries >= 1);
}

#[tokio::test]
async fn a_server_that_drips_is_waited_for_as_long_as_bytes_come() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", 96 << 10, 1);
    world.emulator.set_bandwidth(Some(80 << 10), None);
    let began = Instant::now();
    let done = world
        .client()
        .download_file(world.request("k"))
        .await
        .expect("downloads");
    assert!(
        began.elapsed() > Duration::from_millis(500),
        "longer than the idle timeout"
    );
    world.assert_destination_is_virtual(1, 96 << 10);
    assert_eq!(done.bytes_fetched, 96 << 10);
}

#[tokio::test]
async fn a_connection_at_a_hundredth_of_the_bandwidth_is_left_and_its_bytes_asked_for_again() {
    let world = World::new().await;
    let size = 24 * MIB;
    world.emulator.put_virtual(BUCKET, "k", size, 1);
    world.emulator.set_bandwidth(None, Some(4 * MIB));
    let slow = Verdict::Bandwidth {
        per_connection: Some(4 * MIB / 100),
        total: None,
    };
    world
        .emulator
        .add_fault(FaultRule::new(slow).range_covers(5 * MIB).times(1));
    let client = world
        .builder()
        .idle_timeout(Duration::from_secs(30))
        .build()
        .expect("good");
    let request = world.request("k").with_task_num(8);
    let done = client.download_file(request).await.expect("downloads");
    world.assert_destination_is_virtual(1, size);
    assert_eq!(done.bytes_fetched, size, "no byte is written twice");
    let gets = world.gets();
    let slow = gets
        .iter()
        .find(|get| !get.faults.is_empty())
        .expect("it was met");
    assert_eq!(slow.outcome, Outcome::Aborted, "nobody waited for its end");
    assert!(slow.body_bytes < MIB / 2, "{} bytes came of it", slow.body_bytes);
    let more = gets.iter().map(|get| get.body_bytes).sum::<u64>() - size;
    assert!(more <= size / 8, "{more} bytes were sent in vain");
}

/// The codes by which the service limits requests, each at every third request.
#[tokio::test]
async fn whatever_the_service_calls_its_limits_they_are_waited_for() {
    let mut downloads = JoinSet::new();
    for (status, code) in [
        (429, "ExceedAccountQPSLimit"),
        (429, "ExceedAccountRateLimit"),
        (429, "ExceedBucketQPSLimit"),
        (429, "ExceedBucketRateLimit"),
        (503, "SlowDown"),
    ] {
        downloads.spawn(async move {
            let world = World::new().await;
            world.emulator.put_virtual(BUCKET, "k", SIZE, 1);
            let refusal = FaultRule::new(Verdict::status(status, code));
            world.emulator.add_fault(refusal.every(3));
            let done = world.client().download_file(world.request("k")).await;
            let done = done.unwrap_or_else(|error| panic!("{code}: {}", chain(&error)));
            world.assert_destination_is_virtual(1, SIZE);
            assert_eq!(done.bytes_fetched, SIZE, "{code}");
            assert!(done.retries > 0, "{code}");
        });
    }
    while let Some(done) = downloads.join_next().await {
        done.expect("each of them");
    }
}

#[tokio::test]
async fn a_server_that_says_how_long_to_wait_is_not_asked_before() {
    let world = World::new().await;
    world.emulator.put_object(BUCKET, "k", "hello");
    world
        .emulator
        .add_fault(FaultRule::new(Verdict::unavailable(1)).times(1));
    let began = Instant::now();
    let done = world
        .client()
        .download_file(world.request("k"))
        .await
        .expect("downloads");
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!((done.requests, done.retries), (2, 1));
}

//! Connections that break, stall or crawl, byte by byte.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tos_emulator::{Emulator, FaultRule, Outcome, Verdict, virtual_content};

use crate::client::{Client, Ending, emulator, read};

const SIZE: u64 = 20_000_000;

fn struck(verdict: Verdict) -> (Emulator, Client) {
    let (emulator, client) = emulator();
    emulator.put_virtual("bkt", "k", SIZE, 1);
    emulator.add_fault(FaultRule::new(verdict));
    (emulator, client)
}

#[test]
fn a_body_is_reset_after_exactly_that_many_bytes() {
    for bytes in [0, 1, 1000, 2_000_000, SIZE - 1] {
        let (emulator, client) = struck(Verdict::ResetAfter { bytes });
        let answer = client.get("/bkt/k").expect(200);
        assert_eq!((answer.body.len() as u64, answer.ending), (bytes, Ending::Reset));
        assert!(answer.body == virtual_content(1).read_at(0, bytes as usize));
        let request = &emulator.requests()[0];
        assert_eq!((request.body_bytes, request.outcome), (bytes, Outcome::Aborted));
    }
}

#[test]
fn a_body_is_closed_after_exactly_that_many_bytes() {
    for bytes in [0, 1, 1000, 2_000_000, SIZE - 1] {
        let (emulator, client) = struck(Verdict::CloseAfter { bytes });
        let answer = client.get("/bkt/k").expect(200);
        assert_eq!(answer.value("content-length"), SIZE.to_string());
        assert_eq!((answer.body.len() as u64, answer.ending), (bytes, Ending::Closed));
        assert_eq!(emulator.requests()[0].body_bytes, bytes);
    }
}

#[test]
fn a_connection_ends_before_the_status_line() {
    for (verdict, ending) in [
        (Verdict::ResetBeforeHead, Ending::Reset),
        (Verdict::CloseBeforeHead, Ending::Closed),
    ] {
        let (emulator, client) = struck(verdict);
        assert_eq!(
            client.ask("GET", "/bkt/k").try_send().expect_err("no answer"),
            ending
        );
        assert_eq!(emulator.requests()[0].status, None);
        assert_eq!(
            client
                .ask("PUT", "/bkt/k")
                .body("x")
                .try_send()
                .expect_err("no answer"),
            ending
        );
    }
}

#[test]
fn a_fault_ends_only_its_own_connection() {
    let (emulator, client) = emulator();
    emulator.put_virtual("bkt", "k", SIZE, 1);
    emulator.add_fault(FaultRule::new(Verdict::ResetAfter { bytes: 10 }).range_covers(100));
    let mut kept = client.connect();
    assert_eq!(
        client
            .ask("HEAD", "/bkt/k")
            .send_on(&mut kept)
            .expect("an answer")
            .status,
        200
    );
    assert_eq!(client.range("/bkt/k", "bytes=0-200").ending, Ending::Reset);
    let ask = client.ask("GET", "/bkt/k").header("range", "bytes=101-200");
    assert_eq!(ask.send_on(&mut kept).expect("an answer").ending, Ending::Whole);
}

/// Whether nothing comes for as long as it takes to be sure of it.
fn is_silent(stream: &mut TcpStream) -> bool {
    stream
        .set_read_timeout(Some(Duration::from_millis(300)))
        .expect("a timeout");
    let error = stream.read(&mut [0; 1]).expect_err("silence");
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

#[test]
fn a_body_stalls_until_the_client_leaves() {
    let (emulator, client) = struck(Verdict::StallAfter {
        bytes: 3000,
        ms: None,
    });
    let mut stream = client.connect();
    client.ask("GET", "/bkt/k").write(&mut stream);
    while emulator
        .requests()
        .first()
        .is_none_or(|request| request.body_bytes < 3000)
    {
        std::thread::yield_now();
    }
    let mut sent = Vec::new();
    stream
        .set_read_timeout(Some(Duration::from_millis(300)))
        .expect("a timeout");
    stream.read_to_end(&mut sent).expect_err("a stall");
    let head = sent
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .expect("a head")
        + 4;
    assert_eq!(sent.len() - head, 3000);
    assert_eq!(emulator.requests()[0].outcome, Outcome::InFlight);
    drop(stream);
    while emulator.stats().in_flight > 0 {
        std::thread::yield_now();
    }
    assert_eq!(emulator.requests()[0].body_bytes, 3000);
}

#[test]
fn a_stall_may_end() {
    let (_emulator, client) = struck(Verdict::StallAfter {
        bytes: 3000,
        ms: Some(200),
    });
    let start = Instant::now();
    let answer = client.get("/bkt/k").expect(200);
    assert!(start.elapsed() >= Duration::from_millis(200));
    assert!(answer.body == virtual_content(1).read_at(0, SIZE as usize));
}

#[test]
fn the_head_is_late_or_never_comes() {
    let (_emulator, client) = struck(Verdict::StallBeforeHead { ms: None });
    let mut stream = client.connect();
    client.ask("GET", "/bkt/k").write(&mut stream);
    assert!(is_silent(&mut stream));
    for verdict in [
        Verdict::StallBeforeHead { ms: Some(150) },
        Verdict::Delay { ms: 150 },
    ] {
        let (_emulator, client) = struck(verdict);
        let start = Instant::now();
        client.range("/bkt/k", "bytes=0-0").expect(206);
        assert!(start.elapsed() >= Duration::from_millis(150));
    }
}

#[test]
fn a_body_crawls_at_its_bandwidth() {
    let (_emulator, client) = struck(Verdict::Bandwidth {
        per_connection: Some(100_000),
        total: None,
    });
    let start = Instant::now();
    client.range("/bkt/k", "bytes=0-29999").expect(206);
    assert!(
        start.elapsed() >= Duration::from_millis(200),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn connections_share_the_total_bandwidth() {
    let (emulator, client) = emulator();
    emulator.put_virtual("bkt", "k", SIZE, 1);
    emulator.set_bandwidth(Some(100_000), None);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| client.range("/bkt/k", "bytes=0-9999").expect(206));
        }
    });
    assert!(
        start.elapsed() >= Duration::from_millis(200),
        "{:?}",
        start.elapsed()
    );
    emulator.set_bandwidth(None, None);
    client.get("/bkt/k").expect(200);
}

#[test]
fn dropping_the_emulator_ends_its_connections() {
    let (emulator, client) = struck(Verdict::StallAfter { bytes: 10, ms: None });
    let mut stream = client.connect();
    client.ask("GET", "/bkt/k").write(&mut stream);
    while emulator.stats().in_flight == 0 {
        std::thread::yield_now();
    }
    drop(emulator);
    let ended = read(&mut stream, "GET").map_or_else(|ending| ending, |answer| answer.ending);
    assert_ne!(ended, Ending::Whole);
}

#[tokio::test]
async fn it_runs_on_the_callers_runtime_and_shuts_down() {
    let emulator = Emulator::builder().start().await.expect("a free port");
    emulator.create_bucket("bkt");
    emulator.put_object("bkt", "k", "abc");
    let client = Client::of(&emulator);
    let address = emulator.address();
    let asked = tokio::task::spawn_blocking(move || client.get("/bkt/k").expect(200).text());
    assert_eq!(asked.await.expect("an answer"), "abc");
    emulator.shutdown().await;
    assert!(TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn a_thread_of_its_own_serves_even_asynchronous_callers() {
    let emulator = Emulator::builder().spawn().expect("a free port");
    let taken = Emulator::builder().listen(emulator.address()).spawn();
    assert_eq!(taken.expect_err("the port is taken").kind(), ErrorKind::AddrInUse);
    let client = Client::of(&emulator);
    let asked = tokio::task::spawn_blocking(move || client.get("/").status);
    assert_eq!(asked.await.expect("an answer"), 200);
    emulator.shutdown().await;
    drop(Emulator::builder().spawn().expect("a free port"));
}

//! The request log and the totals.

use tos_emulator::{FaultRule, Outcome, Verdict};

use crate::client::{emulator, read};

#[test]
fn a_request_is_logged_with_all_that_was_asked_and_answered() {
    let (emulator, client) = emulator();
    emulator.put_object("bkt", "a b", vec![1; 1000]);
    let ask = client
        .ask("GET", "/bkt/a%20b?versionId=")
        .header("range", "bytes=100-299")
        .header("if-match", "*");
    let ask = ask
        .unsigned_header("user-agent", "peer/1.0")
        .unsigned_header("x-sdk-retry-count", "attempt=1; max=3");
    let answer = ask.send().expect(206);
    let requests = emulator.requests();
    assert_eq!(requests.len(), 1);
    let request = &requests[0];
    assert_eq!((request.sequence, request.connection), (1, 1));
    assert_eq!(
        (request.method.as_str(), request.host.as_str()),
        ("GET", client.host().as_str())
    );
    assert_eq!(
        (request.path.as_str(), request.query.as_str()),
        ("/bkt/a%20b", "versionId=")
    );
    assert_eq!(
        (request.bucket.as_deref(), request.key.as_deref()),
        (Some("bkt"), Some("a b"))
    );
    assert_eq!(request.operation, "GetObject");
    assert_eq!(
        (request.range.as_deref(), request.if_match.as_deref()),
        (Some("bytes=100-299"), Some("*"))
    );
    assert_eq!(request.user_agent.as_deref(), Some("peer/1.0"));
    assert_eq!(request.retry_count.as_deref(), Some("attempt=1; max=3"));
    assert_eq!(request.request_id, answer.value("x-tos-request-id"));
    assert_eq!((request.status, request.body_bytes), (Some(206), 200));
    assert_eq!(request.outcome, Outcome::Finished);
    assert!(request.faults.is_empty());
    assert!(!format!("{request:?}").contains("Credential="), "{request:?}");
}

#[test]
fn totals_count_what_went_out() {
    let (emulator, client) = emulator();
    emulator.put_object("bkt", "k", vec![1; 1000]);
    for _ in 0..3 {
        client.get("/bkt/k").expect(200);
        client.head("/bkt/k").expect(200);
    }
    let stats = emulator.stats();
    assert_eq!(
        (stats.requests, stats.body_bytes_sent, stats.connections),
        (6, 3000, 6)
    );
    assert_eq!((stats.in_flight, stats.peak_in_flight), (0, 1));
    emulator.reset_log();
    assert_eq!(emulator.stats().requests, 0);
    assert!(emulator.requests().is_empty());
}

#[test]
fn an_abandoned_response_counts_no_more_than_the_socket_took() {
    let (emulator, client) = emulator();
    emulator.put_virtual("bkt", "k", 1 << 30, 1);
    let mut stream = client.connect();
    client.ask("GET", "/bkt/k").write(&mut stream);
    while emulator.stats().body_bytes_sent == 0 {
        std::thread::yield_now();
    }
    assert_eq!(emulator.requests()[0].outcome, Outcome::InFlight);
    assert_eq!(emulator.stats().in_flight, 1);
    drop(stream);
    while emulator.stats().open_connections > 0 {
        std::thread::yield_now();
    }
    let request = &emulator.requests()[0];
    assert_eq!(request.outcome, Outcome::Aborted);
    assert!(request.body_bytes < 1 << 28, "{}", request.body_bytes);
    assert_eq!(emulator.stats().body_bytes_sent, request.body_bytes);
    assert_eq!(emulator.stats().in_flight, 0);
}

#[test]
fn a_client_that_leaves_before_the_answer_is_an_aborted_one() {
    let (emulator, client) = emulator();
    emulator.put_object("bkt", "k", "abc");
    emulator.add_fault(FaultRule::new(Verdict::StallBeforeHead { ms: None }));
    let mut stream = client.connect();
    client.ask("GET", "/bkt/k").write(&mut stream);
    while emulator.stats().in_flight == 0 {
        std::thread::yield_now();
    }
    drop(stream);
    while emulator.stats().in_flight > 0 {
        std::thread::yield_now();
    }
    let request = &emulator.requests()[0];
    assert_eq!((request.outcome, request.status), (Outcome::Aborted, None));
    assert_eq!(request.faults, ["stall_before_head"]);
}

#[test]
fn peaks_are_kept() {
    let (emulator, client) = emulator();
    emulator.put_object("bkt", "k", "abc");
    let mut streams: Vec<_> = (0..5).map(|_| client.connect()).collect();
    for stream in &mut streams {
        client.ask("GET", "/bkt/k").write(stream);
        assert_eq!(read(stream, "GET").expect("an answer").status, 200);
    }
    let stats = emulator.stats();
    assert_eq!((stats.open_connections, stats.peak_open_connections), (5, 5));
    drop(streams);
    while emulator.stats().open_connections > 0 {
        std::thread::yield_now();
    }
    assert_eq!(emulator.stats().peak_open_connections, 5);
}

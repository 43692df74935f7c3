//! The traffic limit that a request sets for itself.

use std::time::{Duration, Instant};

use crate::client::{Answer, emulator, ramp};

const HEADER: &str = "x-tos-traffic-limit";
/// The lowest there is: 30 KiB a second.
const LOWEST: &str = "245760";
const LOWEST_BYTES_PER_SECOND: f64 = 30_720.0;
/// What a limit lets through at once after a pause.
const CREDIT: Duration = Duration::from_millis(50);

fn shortest_time(bytes: usize) -> Duration {
    Duration::from_secs_f64(bytes as f64 / LOWEST_BYTES_PER_SECOND) - CREDIT
}

fn assert_out_of_range(answer: &Answer) {
    assert_eq!((answer.status, answer.value("x-tos-ec")), (400, "0005-00000004"));
}

#[test]
fn a_limit_is_in_bits_per_second() {
    let (emulator, client) = emulator();
    emulator.put_object("bkt", "k", ramp(20_000));
    let by_header = client.ask("GET", "/bkt/k").header(HEADER, LOWEST);
    let by_query = client.ask("GET", &format!("/bkt/k?{HEADER}={LOWEST}"));
    for ask in [by_header, by_query] {
        let start = Instant::now();
        assert!(ask.send().expect(200).body == ramp(20_000));
        assert!(start.elapsed() >= shortest_time(20_000), "{:?}", start.elapsed());
    }
}

#[test]
fn an_upload_keeps_to_its_limit_too() {
    let (_emulator, client) = emulator();
    let put = client
        .ask("PUT", "/bkt/k")
        .header(HEADER, LOWEST)
        .body(ramp(20_000));
    let start = Instant::now();
    put.send().expect(200);
    assert!(start.elapsed() >= shortest_time(20_000), "{:?}", start.elapsed());
    assert!(client.get("/bkt/k").body == ramp(20_000));
}

#[test]
fn a_limit_out_of_range_is_refused() {
    let (emulator, client) = emulator();
    emulator.put_object("bkt", "k", "content");
    for limit in ["245759", "838860801", "0", "-1", "fast"] {
        assert_out_of_range(&client.ask("GET", "/bkt/k").header(HEADER, limit).send());
        assert_out_of_range(&client.get(&format!("/bkt/k?{HEADER}={limit}")));
        let put = client
            .ask("PUT", "/bkt/other")
            .header(HEADER, limit)
            .body("content");
        assert_out_of_range(&put.send());
    }
    let fastest = client.ask("GET", "/bkt/k").header(HEADER, "838860800");
    assert_eq!(fastest.send().expect(200).text(), "content");
}

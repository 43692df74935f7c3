//! The control endpoint.

use serde_json::{Value, json};
use tos_emulator::{FaultRule, Verdict, virtual_content};

use crate::client::{Answer, Client, emulator};

fn control(client: &Client, method: &str, path: &str, body: &Value) -> Answer {
    let ask = client.ask(method, &format!("/_emulator/{path}")).anonymous();
    if body.is_null() {
        ask.send()
    } else {
        ask.body(body.to_string()).send()
    }
}

#[test]
fn faults_are_set_shown_and_dropped() {
    let (emulator, client) = emulator();
    emulator.put_object("bkt", "k", "abc");
    let rules = json!([
        { "method": "GET", "key": "k", "nth": 2, "times": 1, "verdict": { "status": { "status": 503, "code": "SlowDown" } } },
        { "verdict": "hide_crc" },
    ]);
    control(&client, "PUT", "faults", &rules).expect(200);
    control(
        &client,
        "POST",
        "faults",
        &json!({ "verdict": { "qos_delay": { "value": "5" } } }),
    )
    .expect(200);
    let shown = control(&client, "GET", "faults", &Value::Null).expect(200).json();
    assert_eq!(shown.as_array().expect("a list").len(), 3);
    let first = client.get("/bkt/k").expect(200);
    assert_eq!(
        (
            first.header("x-tos-hash-crc64ecma"),
            first.value("x-tos-qos-delay-time")
        ),
        (None, "5")
    );
    assert_eq!(client.get("/bkt/k").expect(503).code(), "SlowDown");
    control(&client, "DELETE", "faults", &Value::Null).expect(200);
    assert!(
        client
            .get("/bkt/k")
            .expect(200)
            .header("x-tos-hash-crc64ecma")
            .is_some()
    );
}

#[test]
fn a_rule_reads_back_as_it_was_written() {
    let rules = [
        FaultRule::new(Verdict::ResetAfter { bytes: 1000 })
            .method("GET")
            .key("k*")
            .range_covers(123)
            .nth(2)
            .times(1),
        FaultRule::new(Verdict::unavailable(3))
            .bucket("b")
            .operation("GetObject")
            .range_from(5)
            .every(3),
        FaultRule::new(Verdict::StallAfter { bytes: 1, ms: None }).probability(0.5, 42),
        FaultRule::new(Verdict::IgnoreRange),
    ];
    for rule in rules {
        let text = serde_json::to_string(&rule).expect("JSON");
        assert_eq!(
            serde_json::from_str::<FaultRule>(&text).expect("the same"),
            rule,
            "{text}"
        );
    }
}

#[test]
fn a_rule_that_is_misspelt_is_refused() {
    let (_emulator, client) = emulator();
    let answer = control(
        &client,
        "PUT",
        "faults",
        &json!([{ "kee": "k", "verdict": "hide_crc" }]),
    )
    .expect(400);
    assert!(answer.text().contains("kee"), "{}", answer.text());
    control(&client, "PUT", "faults", &json!([{ "verdict": "explode" }])).expect(400);
}

#[test]
fn the_log_and_the_totals_are_served() {
    let (_emulator, client) = emulator();
    client.put("/bkt/k", "abc").expect(200);
    client.get("/bkt/k").expect(200);
    let requests = control(&client, "GET", "requests", &Value::Null).json();
    assert_eq!(requests[1]["operation"], "GetObject");
    assert_eq!(
        (&requests[1]["body_bytes"], &requests[1]["outcome"]),
        (&json!(3), &json!("finished"))
    );
    assert_eq!(
        control(&client, "GET", "stats", &Value::Null).json()["requests"],
        2
    );
    control(&client, "DELETE", "requests", &Value::Null).expect(200);
    assert_eq!(
        control(&client, "GET", "requests", &Value::Null).json(),
        json!([])
    );
}

#[test]
fn buckets_and_generated_objects_are_made() {
    let (_emulator, client) = emulator();
    control(
        &client,
        "POST",
        "buckets",
        &json!({ "bucket": "made", "public": true }),
    )
    .expect(200);
    let object = json!({ "bucket": "made", "key": "v", "size": 5000, "seed": 4 });
    let made = control(&client, "POST", "objects", &object).expect(200).json();
    let answer = client.ask("GET", "/made/v").anonymous().send().expect(200);
    assert!(answer.body == virtual_content(4).read_at(0, 5000));
    assert_eq!(answer.value("x-tos-hash-crc64ecma"), made["crc64"]);
    control(
        &client,
        "POST",
        "objects",
        &json!({ "bucket": "none", "key": "v", "size": 1 }),
    )
    .expect(404);
}

#[test]
fn clock_and_bandwidth_are_set() {
    let (emulator, client) = emulator();
    control(&client, "PUT", "clock", &json!({ "offset_seconds": 86_400 })).expect(200);
    client.get("/bkt/k").expect(403);
    control(&client, "PUT", "clock", &json!({ "offset_seconds": 0 })).expect(200);
    emulator.put_object("bkt", "k", vec![1; 3000]);
    control(&client, "PUT", "bandwidth", &json!({ "per_connection": 10_000 })).expect(200);
    let start = std::time::Instant::now();
    client.get("/bkt/k").expect(200);
    assert!(start.elapsed().as_millis() >= 200, "{:?}", start.elapsed());
    control(&client, "PUT", "bandwidth", &json!({})).expect(200);
}

#[test]
fn what_is_not_there_is_said_so() {
    let (_emulator, client) = emulator();
    control(&client, "GET", "nothing", &Value::Null).expect(404);
    control(&client, "PUT", "requests", &Value::Null).expect(404);
}

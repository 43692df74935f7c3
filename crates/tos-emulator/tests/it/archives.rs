//! Storage classes, and the restoration of archived objects.

use serde_json::json;
use tos_emulator::Emulator;

use crate::client::{Answer, Ask, Client, emulator};
use crate::signing::date;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

fn archived() -> (Emulator, Client) {
    let (emulator, client) = emulator();
    let put = client
        .ask("PUT", "/bkt/k")
        .header("x-tos-storage-class", "COLD_ARCHIVE");
    put.body("content").send().expect(200);
    (emulator, client)
}

fn restore(days: u32, tier: &str) -> String {
    json!({ "Days": days, "RestoreJobParameters": { "Tier": tier } }).to_string()
}

/// A request by a client whose clock goes as the emulator's does.
fn later(ask: Ask, seconds: i64) -> Answer {
    ask.header("x-tos-date", &date(seconds)).send()
}

#[test]
fn an_archived_object_can_be_headed_but_not_read() {
    let (_emulator, client) = archived();
    assert_eq!(client.get("/bkt/k").expect(403).code(), "InvalidObjectState");
    assert_eq!(
        client.range("/bkt/k", "bytes=0-0").expect(403).code(),
        "InvalidObjectState"
    );
    let head = client.head("/bkt/k").expect(200);
    assert_eq!(
        (head.value("x-tos-storage-class"), head.header("x-tos-restore")),
        ("COLD_ARCHIVE", None)
    );
}

#[test]
fn classes_that_are_not_archived_are_read_at_once() {
    let (emulator, client) = emulator();
    for class in ["STANDARD", "IA", "INTELLIGENT_TIERING", "ARCHIVE_FR"] {
        emulator.put_object_with("bkt", "k", "content", &[("x-tos-storage-class", class)]);
        let answer = client.get("/bkt/k").expect(200);
        assert_eq!(
            (answer.text().as_str(), answer.value("x-tos-storage-class")),
            ("content", class)
        );
        assert_eq!(client.get("/bkt").json()["Contents"][0]["StorageClass"], class);
    }
    let unknown = client
        .ask("PUT", "/bkt/k")
        .header("x-tos-storage-class", "GLACIER");
    unknown.send().expect(400);
}

#[test]
fn a_restoration_is_ongoing_until_it_is_done() {
    let (emulator, client) = archived();
    client.post("/bkt/k?restore", restore(2, "Expedited")).expect(202);
    let ongoing = client.head("/bkt/k").expect(200);
    assert_eq!(ongoing.value("x-tos-restore"), "ongoing-request=\"true\"");
    assert!(ongoing.value("x-tos-restore-request-date").ends_with(" GMT"));
    assert_eq!(
        (
            ongoing.value("x-tos-restore-expiry-days"),
            ongoing.value("x-tos-restore-tier")
        ),
        ("2", "Expedited")
    );
    client.get("/bkt/k").expect(403);
    let again = client.post("/bkt/k?restore", restore(2, "Standard")).expect(409);
    assert_eq!(again.code(), "RestoreAlreadyInProgress");

    emulator.finish_restore("bkt", "k");
    let done = client.get("/bkt/k").expect(200);
    assert_eq!(done.text(), "content");
    let state = done.value("x-tos-restore");
    assert!(
        state.starts_with("ongoing-request=\"false\", expiry-date=\""),
        "{state}"
    );
    client.post("/bkt/k?restore", restore(7, "Standard")).expect(200);
    assert_eq!(client.head("/bkt/k").value("x-tos-restore-expiry-days"), "7");
}

#[test]
fn the_clock_restores_and_archives_again() {
    let (emulator, client) = archived();
    emulator.restore_object("bkt", "k", 1);
    for (seconds, status) in [
        (0, 403),
        (5 * HOUR - 60, 403),
        (5 * HOUR + 60, 200),
        (5 * HOUR + DAY - 60, 200),
        (5 * HOUR + DAY + 60, 403),
    ] {
        emulator.set_clock_offset(seconds);
        assert_eq!(
            later(client.ask("GET", "/bkt/k"), seconds).status,
            status,
            "{seconds}"
        );
    }
    let expired = 5 * HOUR + DAY + 60;
    let head = later(client.ask("HEAD", "/bkt/k"), expired).expect(200);
    assert_eq!(head.header("x-tos-restore"), None);
    let again = client.ask("POST", "/bkt/k?restore").body(restore(1, "Bulk"));
    later(again, expired).expect(202);
}

#[test]
fn a_restoration_is_ended_over_the_control_endpoint_too() {
    let (_emulator, client) = archived();
    let finish = || {
        let ask = client.ask("POST", "/_emulator/restored").anonymous();
        ask.body(json!({ "bucket": "bkt", "key": "k" }).to_string())
            .send()
    };
    finish().expect(400);
    client.post("/bkt/k?restore", restore(1, "Bulk")).expect(202);
    finish().expect(200);
    assert_eq!(client.get("/bkt/k").expect(200).text(), "content");
}

#[test]
fn only_archived_objects_are_restored() {
    let (_emulator, client) = archived();
    client.put("/bkt/standard", "x").expect(200);
    let refused = client
        .post("/bkt/standard?restore", restore(1, "Standard"))
        .expect(403);
    assert_eq!(refused.code(), "InvalidObjectState");
    client
        .post("/bkt/missing?restore", restore(1, "Standard"))
        .expect(404);
    client.post("/bkt/k?restore", restore(0, "Standard")).expect(400);
    client.post("/bkt/k?restore", restore(1, "Now")).expect(400);
    client.post("/bkt/k?restore", r#"{"Days":1}"#).expect(202);
    assert_eq!(client.head("/bkt/k").value("x-tos-restore-tier"), "Standard");
}

#[test]
fn a_link_does_not_lead_around_the_archive() {
    let (emulator, client) = archived();
    emulator.put_symlink("bkt", "link", "k");
    client.get("/bkt/link").expect(403);
    emulator.restore_object("bkt", "k", 1);
    assert_eq!(
        client.head("/bkt/link").value("x-tos-restore"),
        "ongoing-request=\"true\""
    );
}

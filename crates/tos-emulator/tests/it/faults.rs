//! Answers that are wrong on purpose.

use std::collections::BTreeMap;
use std::thread;

use tos_emulator::{CannedAnswer, CannedBody, Emulator, FaultRule, Verdict, virtual_content};

use crate::client::{Answer, Client, emulator, ramp};

/// The answer to a GET of bytes 100 to 199 of a ramp of 1000 bytes, struck by `verdict`.
fn struck(verdict: Verdict) -> Answer {
    let (emulator, client) = emulator();
    emulator.put_object("bkt", "k", ramp(1000));
    emulator.add_fault(FaultRule::new(verdict));
    client.range("/bkt/k", "bytes=100-199")
}

fn slice() -> Vec<u8> {
    ramp(200)[100..].to_vec()
}

#[test]
fn a_canned_error_looks_like_one_of_the_service() {
    let answer = struck(Verdict::Status(CannedAnswer {
        status: 429,
        code: "ExceedQPSLimit".into(),
        message: "slow down".into(),
        ec: Some("0005-00000099".into()),
        headers: BTreeMap::from([("Retry-After".into(), "7".into())]),
        body: CannedBody::Json,
    }));
    assert_eq!(
        (
            answer.status,
            answer.value("retry-after"),
            answer.value("x-tos-ec")
        ),
        (429, "7", "0005-00000099")
    );
    let body = answer.json();
    assert_eq!(
        (&body["Code"], &body["Message"], &body["EC"]),
        (
            &"ExceedQPSLimit".into(),
            &"slow down".into(),
            &"0005-00000099".into()
        )
    );
    assert_eq!(body["RequestId"], answer.value("x-tos-request-id"));
}

#[test]
fn a_canned_body_may_be_anything() {
    let with = |body| {
        struck(Verdict::Status(CannedAnswer {
            status: 502,
            body,
            ..CannedAnswer::default()
        }))
        .expect(502)
    };
    assert_eq!(
        with(CannedBody::Html("<html>bad gateway</html>".into())).text(),
        "<html>bad gateway</html>"
    );
    assert_eq!(with(CannedBody::Text("oops".into())).text(), "oops");
    assert!(with(CannedBody::Empty).body.is_empty());
    assert_eq!(with(CannedBody::Filler(5_000_000)).body.len(), 5_000_000);
}

#[test]
fn a_canned_answer_to_a_head_has_no_body() {
    let (emulator, client) = emulator();
    emulator.add_fault(FaultRule::new(Verdict::unavailable(3)));
    let answer = client.head("/bkt/k").expect(503);
    assert_eq!(
        (answer.value("content-length"), answer.value("retry-after")),
        ("0", "3")
    );
}

#[test]
fn redirects_go_where_they_are_told() {
    let answer = struck(Verdict::Redirect {
        status: 307,
        location: "http://elsewhere/k".into(),
    })
    .expect(307);
    assert_eq!(answer.value("location"), "http://elsewhere/k");
}

#[test]
fn a_content_range_may_lie() {
    let answer = struck(Verdict::WrongContentRange {
        shift: 10,
        total: None,
    })
    .expect(206);
    assert_eq!(answer.value("content-range"), "bytes 110-209/1000");
    let answer = struck(Verdict::WrongContentRange {
        shift: 0,
        total: Some(999),
    })
    .expect(206);
    assert_eq!(answer.value("content-range"), "bytes 100-199/999");
    assert_eq!(answer.body, slice());
}

#[test]
fn a_range_may_be_ignored_even_when_it_is_signed() {
    let answer = struck(Verdict::IgnoreRange).expect(200);
    assert_eq!(
        (answer.header("content-range"), &answer.body),
        (None, &ramp(1000))
    );
}

#[test]
fn one_byte_is_flipped_wherever_it_is_read() {
    let answer = struck(Verdict::FlipByte { offset: 150 }).expect(206);
    let mut expected = slice();
    expected[50] ^= 0xff;
    assert_eq!(answer.body, expected);
    assert_eq!(struck(Verdict::FlipByte { offset: 99 }).body, slice());
    assert_eq!(struck(Verdict::FlipByte { offset: 200 }).body, slice());
}

#[test]
fn headers_go_missing_or_wrong() {
    let crc = struck(Verdict::HideEtag)
        .value("x-tos-hash-crc64ecma")
        .parse::<u64>()
        .expect("a number");
    assert_eq!(struck(Verdict::HideEtag).header("etag"), None);
    assert_eq!(
        struck(Verdict::OtherEtag { etag: "other".into() }).value("etag"),
        "\"other\""
    );
    assert_eq!(struck(Verdict::HideCrc).header("x-tos-hash-crc64ecma"), None);
    assert_ne!(
        struck(Verdict::WrongCrc).value("x-tos-hash-crc64ecma"),
        crc.to_string()
    );
    assert_eq!(
        struck(Verdict::ContentEncoding { value: "gzip".into() }).value("content-encoding"),
        "gzip"
    );
    assert_eq!(
        struck(Verdict::QosDelay { value: "12".into() }).value("x-tos-qos-delay-time"),
        "12"
    );
    let (name, value) = ("x-new".to_owned(), "1".to_owned());
    assert_eq!(struck(Verdict::SetHeader { name, value }).value("x-new"), "1");
    let name = "last-modified".to_owned();
    assert_eq!(
        struck(Verdict::RemoveHeader { name }).header("last-modified"),
        None
    );
    assert_eq!(
        struck(Verdict::HugeHeader { bytes: 100_000 })
            .value("x-padding")
            .len(),
        100_000
    );
}

#[test]
fn a_body_may_be_longer_than_its_range() {
    let answer = struck(Verdict::ExtraBytes { bytes: 7 }).expect(206);
    assert_eq!(
        (answer.value("content-length"), answer.value("content-range")),
        ("107", "bytes 100-199/1000")
    );
    assert_eq!(answer.body[..100], slice());
    assert_eq!(answer.body.len(), 107);
}

#[test]
fn an_object_may_change_between_two_reads() {
    let (emulator, client) = emulator();
    let etag = emulator.put_object("bkt", "k", ramp(1000)).etag;
    emulator.add_fault(
        FaultRule::new(Verdict::ReplaceObject { seed: 8, size: None })
            .method("GET")
            .nth(2),
    );
    let read = || {
        client
            .ask("GET", "/bkt/k")
            .header("if-match", &etag)
            .header("range", "bytes=0-9")
            .send()
    };
    assert_eq!(read().expect(206).body, ramp(10));
    read().expect(412);
    read().expect(412);
    let now = client.get("/bkt/k").expect(200);
    assert_eq!(now.body, virtual_content(8).read_at(0, 1000));
    assert_ne!(now.value("etag").trim_matches('"'), etag);
}

#[test]
fn rules_pick_by_range_key_and_operation() {
    let (emulator, client) = emulator();
    emulator.put_object("bkt", "dir/k", ramp(1000));
    let gone = || Verdict::status(410, "Gone");
    emulator.add_fault(FaultRule::new(gone()).key("dir/*").range_covers(500));
    emulator.add_fault(FaultRule::new(gone()).operation("HeadObject"));
    emulator.add_fault(FaultRule::new(gone()).bucket("bkt").range_from(900));
    let status = |range: &str| client.range("/bkt/dir/k", range).status;
    assert_eq!(status("bytes=0-499"), 206);
    assert_eq!(status("bytes=0-500"), 410);
    assert_eq!(status("bytes=500-"), 410);
    assert_eq!(status("bytes=501-600"), 206);
    assert_eq!(status("bytes=-10"), 410);
    assert_eq!(status("bytes=-200"), 206);
    assert_eq!(client.get("/bkt/dir/k").status, 410);
    assert_eq!(client.head("/bkt/dir/k").status, 410);
    assert_eq!(client.get("/bkt?prefix=dir").status, 200);
}

#[test]
fn effects_add_up_and_are_logged() {
    let (emulator, client) = emulator();
    emulator.put_object("bkt", "k", ramp(1000));
    emulator.add_fault(FaultRule::new(Verdict::Delay { ms: 1 }));
    emulator.add_fault(FaultRule::new(Verdict::HideCrc));
    emulator.add_fault(FaultRule::new(Verdict::FlipByte { offset: 0 }));
    let answer = client.get("/bkt/k").expect(200);
    assert_eq!(
        (answer.header("x-tos-hash-crc64ecma"), answer.body[0]),
        (None, 0xff)
    );
    assert_eq!(emulator.requests()[0].faults, ["delay", "hide_crc", "flip_byte"]);
    emulator.clear_faults();
    assert_eq!(client.get("/bkt/k").expect(200).body[0], 0);
}

#[test]
fn too_many_at_a_time_are_turned_away() {
    let (emulator, client) = emulator();
    emulator.put_virtual("bkt", "k", 1 << 30, 1);
    emulator.add_fault(FaultRule::new(Verdict::MaxConcurrent { limit: 2 }).method("GET"));
    let mut streams = [client.connect(), client.connect()];
    for stream in &mut streams {
        client.ask("GET", "/bkt/k").write(stream);
    }
    while emulator.stats().in_flight < 2 || emulator.requests().iter().any(|request| request.status.is_none())
    {
        thread::yield_now();
    }
    client.get("/bkt/k").expect(503);
    client.head("/bkt/k").expect(200);
    drop(streams);
    while emulator.stats().in_flight > 0 {
        thread::yield_now();
    }
    client.range("/bkt/k", "bytes=0-9").expect(206);
}

#[test]
fn what_is_done_to_those_beyond_a_limit_can_be_chosen() {
    let (emulator, client) = emulator();
    emulator.put_virtual("bkt", "k", 1 << 30, 1);
    let verdict = Box::new(Verdict::status(403, "AccessDenied"));
    emulator.add_fault(FaultRule::new(Verdict::Beyond { limit: 1, verdict }).method("GET"));
    let mut stream = client.connect();
    client.ask("GET", "/bkt/k").write(&mut stream);
    while emulator.requests().iter().all(|request| request.status.is_none()) {
        thread::yield_now();
    }
    client.get("/bkt/k").expect(403);
    drop(stream);
    while emulator.stats().in_flight > 0 {
        thread::yield_now();
    }
    client.range("/bkt/k", "bytes=0-9").expect(206);
    let faults: Vec<_> = emulator
        .requests()
        .into_iter()
        .map(|request| request.faults)
        .collect();
    assert_eq!(faults, [vec![], vec!["status".to_owned()], vec![]]);
}

#[test]
fn an_etag_can_be_written_in_other_styles_and_is_known_again() {
    let plain = struck(Verdict::HideCrc).value("etag").to_owned();
    let bare = plain.trim_matches('"').to_owned();
    for (verdict, expected) in [
        (Verdict::UnquotedEtag, bare),
        (Verdict::WeakEtag, format!("W/{plain}")),
    ] {
        let (emulator, client) = emulator();
        emulator.put_object("bkt", "k", ramp(1000));
        emulator.add_fault(FaultRule::new(verdict));
        let answer = client.get("/bkt/k").expect(200);
        assert_eq!(answer.value("etag"), expected);
        let again = client.ask("GET", "/bkt/k").header("if-match", &expected);
        again.send().expect(200);
    }
}

#[test]
fn a_body_of_no_announced_length_comes_in_chunks() {
    let answer = struck(Verdict::HideLength).expect(206);
    assert_eq!(answer.header("content-length"), None);
    assert_eq!(answer.value("transfer-encoding"), "chunked");
}

#[test]
fn a_portal_has_no_header_of_the_service() {
    let html = "<html>Please log in".to_owned();
    let answer = struck(Verdict::Portal { html: html.clone() }).expect(200);
    assert_eq!(answer.value("content-type"), "text/html; charset=utf-8");
    assert_eq!(answer.body, html.as_bytes());
    for name in ["server", "x-tos-request-id", "x-tos-id-2", "x-tos-server-time"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
}

#[test]
fn a_rule_from_the_builder_holds_from_the_start() {
    let emulator = Emulator::builder()
        .fault(FaultRule::new(Verdict::status(500, "InternalError")))
        .spawn();
    let emulator = emulator.expect("a free port");
    assert_eq!(Client::of(&emulator).get("/").expect(500).code(), "InternalError");
}

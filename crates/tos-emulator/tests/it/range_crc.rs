//! Range CRC64 trailers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tos_emulator::{Emulator, FaultRule, Verdict, virtual_content};

use crate::client::{Answer, Client};

fn granting() -> (Emulator, Client) {
    let emulator = Emulator::builder()
        .grant_range_crc(true)
        .spawn()
        .expect("a free port");
    emulator.create_bucket("bkt");
    emulator.put_virtual("bkt", "k", 10_000_000, 5);
    let client = Client::of(&emulator);
    (emulator, client)
}

fn ask(client: &Client, target: &str, range: Option<&str>) -> Answer {
    let ask = client
        .ask("GET", target)
        .header("x-tos-trailer", "x-tos-hash-range-crc64ecma");
    let ask = ask.unsigned_header("accept-encoding", "tos-raw-trailer");
    let ask = range
        .iter()
        .fold(ask, |ask, range| ask.unsigned_header("range", range));
    ask.send()
}

#[track_caller]
fn trailer(answer: &Answer, payload_len: usize) -> u64 {
    assert_eq!(answer.value("x-tos-raw-content-length"), payload_len.to_string());
    let trailer = String::from_utf8(answer.body[payload_len..].to_vec()).expect("text");
    let value = trailer
        .strip_prefix("\r\nx-tos-hash-crc64ecma:")
        .and_then(|rest| rest.strip_suffix("\r\n\r\n"));
    let bytes = STANDARD
        .decode(value.expect("the trailer's form"))
        .expect("base64");
    u64::from_be_bytes(bytes.try_into().expect("eight bytes"))
}

#[test]
fn a_range_that_asks_gets_its_crc() {
    let (_emulator, client) = granting();
    let content = virtual_content(5);
    for (start, end) in [(0, 1), (5, 2_000_000), (9_999_000, 10_000_000)] {
        let answer = ask(&client, "/bkt/k", Some(&format!("bytes={start}-{}", end - 1))).expect(206);
        let len = (end - start) as usize;
        assert_eq!(answer.value("content-encoding"), "tos-raw-trailer");
        assert_eq!(
            answer.value("content-range"),
            format!("bytes {start}-{}/10000000", end - 1)
        );
        assert!(answer.body[..len] == content.read_at(start, len));
        assert_eq!(trailer(&answer, len), content.crc64(start..end));
    }
}

#[test]
fn an_objects_own_encoding_follows() {
    let (_emulator, client) = granting();
    client
        .ask("PUT", "/bkt/zipped")
        .header("content-encoding", "gzip")
        .body("123456789")
        .send()
        .expect(200);
    let answer = ask(&client, "/bkt/zipped", Some("bytes=0-8")).expect(206);
    assert_eq!(answer.value("content-encoding"), "tos-raw-trailer,gzip");
    assert_eq!(trailer(&answer, 9), 11_051_210_869_376_104_954);
}

#[test]
fn nobody_else_gets_one() {
    let (emulator, client) = granting();
    let plain = |answer: Answer| assert_eq!(answer.header("x-tos-raw-content-length"), None);
    plain(client.range("/bkt/k", "bytes=0-9").expect(206));
    plain(ask(&client, "/bkt/k", None).expect(200));
    plain(
        ask(
            &client,
            "/bkt/k?response-content-encoding=gzip",
            Some("bytes=0-9"),
        )
        .expect(206),
    );
    drop(emulator);
    let refusing = Emulator::builder().spawn().expect("a free port");
    refusing.create_bucket("bkt");
    refusing.put_virtual("bkt", "k", 100, 5);
    plain(ask(&Client::of(&refusing), "/bkt/k", Some("bytes=0-9")).expect(206));
}

#[test]
fn a_flipped_byte_does_not_fit_the_trailer_and_a_wrong_trailer_not_the_bytes() {
    let (emulator, client) = granting();
    let content = virtual_content(5);
    emulator.add_fault(FaultRule::new(Verdict::FlipByte { offset: 15 }).times(1));
    let answer = ask(&client, "/bkt/k", Some("bytes=10-19")).expect(206);
    assert_eq!(trailer(&answer, 10), content.crc64(10..20));
    assert_ne!(answer.body[..10], content.read_at(10, 10));
    emulator.add_fault(FaultRule::new(Verdict::FlipByte { offset: 25 }).times(1));
    let untouched = ask(&client, "/bkt/k", Some("bytes=10-19")).expect(206);
    assert_eq!(trailer(&untouched, 10), content.crc64(10..20));
    emulator.add_fault(FaultRule::new(Verdict::WrongRangeCrc).times(1));
    let answer = ask(&client, "/bkt/k", Some("bytes=10-19")).expect(206);
    assert_ne!(trailer(&answer, 10), content.crc64(10..20));
    assert_eq!(answer.body[..10], content.read_at(10, 10));
}

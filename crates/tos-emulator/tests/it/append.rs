//! Objects that grow.

use crate::client::{Answer, Client, emulator, ramp};

fn append(client: &Client, offset: usize, body: impl AsRef<[u8]>) -> Answer {
    client.post(&format!("/bkt/k?append&offset={offset}"), body)
}

fn refusal(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.value("x-tos-ec"))
}

#[test]
fn an_object_grows_by_what_is_appended() {
    let (emulator, client) = emulator();
    let content = ramp(1_000_000);
    let first = client
        .ask("POST", "/bkt/k?append=&offset=0")
        .header("content-type", "text/x-test")
        .body(&content[..300_000])
        .send()
        .expect(200);
    assert_eq!(first.value("x-tos-next-append-offset"), "300000");
    let rest = append(&client, 300_000, &content[300_000..]).expect(200);
    assert_eq!(rest.value("x-tos-next-append-offset"), "1000000");

    let crc64 = emulator
        .put_object("bkt", "same", content.clone())
        .crc64
        .to_string();
    assert_eq!(rest.value("x-tos-hash-crc64ecma"), crc64);
    for method in ["GET", "HEAD"] {
        let answer = client.ask(method, "/bkt/k").send().expect(200);
        assert_eq!(answer.header("etag"), None);
        assert_eq!(answer.value("x-tos-object-type"), "Appendable");
        assert_eq!(answer.value("x-tos-hash-crc64ecma"), crc64);
        assert_eq!(answer.value("content-type"), "text/x-test");
        assert_eq!(answer.value("content-length"), "1000000");
    }
    assert!(client.get("/bkt/k").body == content);
    let range = client.range("/bkt/k", "bytes=299990-300009").expect(206);
    assert_eq!(range.body, content[299_990..300_010]);
}

#[test]
fn an_offset_that_is_not_the_end_is_refused() {
    let (_emulator, client) = emulator();
    assert_eq!(refusal(&append(&client, 1, "x")), (409, "0017-00000208"));
    append(&client, 0, "abc").expect(200);
    for offset in [0, 2, 4] {
        assert_eq!(refusal(&append(&client, offset, "x")), (409, "0017-00000208"));
    }
    client.post("/bkt/k?append&offset=end", "x").expect(400);
    client.post("/bkt/k?append", "x").expect(400);
    assert_eq!(client.get("/bkt/k").text(), "abc");
}

#[test]
fn only_what_was_appended_can_be_appended_to() {
    let (_emulator, client) = emulator();
    client.put("/bkt/k", "abc").expect(200);
    assert_eq!(refusal(&append(&client, 3, "x")), (409, "0017-00000209"));
    client.delete("/bkt/k").expect(204);
    append(&client, 0, "abc").expect(200);
    client.put("/bkt/k", "normal again").expect(200);
    let answer = client.get("/bkt/k").expect(200);
    assert_eq!(
        (answer.header("x-tos-object-type"), answer.text().as_str()),
        (None, "normal again")
    );
    client
        .put("/bkt?versioning", r#"{"Status":"Enabled"}"#)
        .expect(200);
    client.post("/bkt/versioned?append&offset=0", "x").expect(400);
}

#[test]
fn a_condition_on_an_etag_cannot_hold_without_one() {
    let (_emulator, client) = emulator();
    append(&client, 0, "abc").expect(200);
    let status = |name: &str, value: &str| client.ask("GET", "/bkt/k").header(name, value).send().status;
    assert_eq!(status("if-match", "anything"), 412);
    assert_eq!(status("if-match", "*"), 200);
    assert_eq!(status("if-none-match", "anything"), 200);
    let modified = client.head("/bkt/k").value("last-modified").to_owned();
    assert_eq!(status("if-unmodified-since", &modified), 200);
}

#[test]
fn listings_tell_the_type_and_leave_out_the_etag() {
    let (emulator, client) = emulator();
    emulator.append_object("bkt", "k", "abc");
    let appended = emulator.append_object("bkt", "k", "def");
    assert_eq!((appended.size, appended.etag.as_str()), (6, ""));
    client.put("/bkt/normal", "x").expect(200);
    let listed = client.get("/bkt?list-type=2").expect(200).json();
    assert_eq!(listed["Contents"][0]["Type"], "Appendable");
    assert_eq!(listed["Contents"][0].get("ETag"), None);
    assert_eq!(listed["Contents"][1]["Type"], "Normal");
}

#[test]
fn a_reader_gets_the_length_it_was_told() {
    let (emulator, client) = emulator();
    append(&client, 0, ramp(8 << 20)).expect(200);
    let mut stream = client.connect();
    client.ask("GET", "/bkt/k").write(&mut stream);
    while emulator.stats().body_bytes_sent == 0 {
        std::thread::yield_now();
    }
    append(&client, 8 << 20, "more").expect(200);
    let answer = crate::client::read(&mut stream, "GET").expect("an answer");
    assert!(answer.body == ramp(8 << 20));
    assert_eq!(
        client.head("/bkt/k").value("content-length"),
        ((8 << 20) + 4).to_string()
    );
}

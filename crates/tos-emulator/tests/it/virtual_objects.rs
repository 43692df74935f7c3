//! Generated objects of any size.

use tos_emulator::virtual_content;

use crate::client::{Client, emulator, emulator_in};

#[test]
fn any_range_of_a_tebibyte_is_the_generated_content() {
    let (emulator, client) = emulator();
    let size = (1 << 40) + 12_345;
    let stored = emulator.put_virtual("bkt", "k", size, 7);
    let content = virtual_content(7);
    let head = client.head("/bkt/k").expect(200);
    assert_eq!(head.value("content-length"), size.to_string());
    assert_eq!(head.value("x-tos-hash-crc64ecma"), stored.crc64.to_string());
    assert_eq!(stored.crc64, content.crc64(0..size));
    for start in [0, 1, 1_048_572, 1_048_573, 500 << 30, size - 3_000_000] {
        let answer = client
            .range("/bkt/k", &format!("bytes={start}-{}", start + 2_999_999))
            .expect(206);
        assert!(answer.body == content.read_at(start, 3_000_000), "{start}");
    }
}

#[test]
fn its_crc_is_that_of_its_bytes() {
    let (emulator, client) = emulator();
    let summary = emulator.put_virtual("bkt", "virtual", 5_000_000, 3);
    let stored = emulator.put_object("bkt", "stored", virtual_content(3).read_at(0, 5_000_000));
    assert_eq!((summary.crc64, summary.size), (stored.crc64, stored.size));
    assert!(client.get("/bkt/virtual").body == client.get("/bkt/stored").body);
}

#[test]
fn it_survives_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = emulator_in(directory.path());
    first.create_bucket("bkt");
    let stored = first.put_virtual("bkt", "k", 3_000_000, 9);
    drop(first);
    let second = emulator_in(directory.path());
    let answer = Client::of(&second).get("/bkt/k").expect(200);
    assert_eq!(answer.value("etag"), format!("\"{}\"", stored.etag));
    assert!(answer.body == virtual_content(9).read_at(0, 3_000_000));
}

#[test]
fn contents_that_differ_have_etags_that_differ() {
    let (emulator, _client) = emulator();
    let etags =
        [(10, 1), (11, 1), (10, 2)].map(|(size, seed)| emulator.put_virtual("bkt", "k", size, seed).etag);
    assert!(
        etags[0] != etags[1] && etags[0] != etags[2] && etags[1] != etags[2],
        "{etags:?}"
    );
}

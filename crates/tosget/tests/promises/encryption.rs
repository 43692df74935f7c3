//! Objects that are encrypted with their owner's key come down with that key and no other, and it is kept nowhere.

use tos_emulator::{FaultRule, Verdict};
use tosget::{ErrorKind, HeadObject, SsecKey, Verification};

use crate::support::{BUCKET, MIB, World, carries, chain};

const KEY: [u8; 32] = [0x5a; 32];

const HEADERS: [&str; 2] = [
    "x-tos-server-side-encryption-customer-algorithm",
    "x-tos-server-side-encryption-customer-key-md5",
];

fn key() -> SsecKey {
    SsecKey::new(KEY)
}

fn key_text() -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(KEY)
}

/// Stores an object that is encrypted with the key, and returns its content.
fn put_encrypted(world: &World, size: u64) -> Vec<u8> {
    let content: Vec<u8> = (0..size).map(|index| (index % 251) as u8).collect();
    let key = key();
    let headers = [
        (HEADERS[0], "AES256"),
        ("x-tos-server-side-encryption-customer-key", &key_text()),
        (HEADERS[1], key.key_md5()),
    ];
    world
        .emulator
        .put_object_with(BUCKET, "k", content.clone(), &headers);
    content
}

#[tokio::test]
async fn an_encrypted_object_is_downloaded_and_resumed_with_its_key() {
    let world = World::new().await;
    let content = put_encrypted(&world, 5 * MIB + 7);
    let fault = FaultRule::new(Verdict::ResetAfter { bytes: 1000 }).range_covers(4 * MIB);
    world.emulator.add_fault(fault);
    let client = world.builder().max_retry_count(0).build().expect("good");
    let request = world.request("k").with_ssec_key(key());
    let error = client
        .download_file(request.clone())
        .await
        .expect_err("the last part breaks");
    assert!(error.is_resumable(), "{error:?}");
    for (name, bytes) in world.contents() {
        if name.ends_with("journal") {
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains(&key_text()), "the journal holds the key");
            assert!(!bytes.windows(32).any(|window| window == KEY));
        }
    }
    world.emulator.clear_faults();
    let done = client.download_file(request).await.expect("goes on");
    assert!(done.bytes_resumed > 0);
    assert_eq!(done.verification, Verification::Crc64);
    assert_eq!(done.object.ssec_algorithm.as_deref(), Some("AES256"));
    assert_eq!(done.object.ssec_key_md5.as_deref(), Some(key().key_md5()));
    assert!(std::fs::read(world.destination()).expect("there") == content);
    for request in world.emulator.requests() {
        assert!(HEADERS.iter().all(|name| carries(&request, name)), "{request:?}");
    }
}

#[tokio::test]
async fn what_the_service_knows_of_an_encrypted_object_can_be_asked_with_its_key() {
    let world = World::new().await;
    put_encrypted(&world, 10);
    let head = HeadObject::new(BUCKET, "k");
    let known = world
        .client()
        .head_object(head.clone().with_ssec_key(key()))
        .await
        .expect("the right key");
    assert_eq!(known.content_length, 10);
    let error = world.client().head_object(head).await.expect_err("no key");
    assert!(
        error.hint().is_some_and(|hint| hint.contains("SSE-C")),
        "{error:?}"
    );
}

#[tokio::test]
async fn without_the_key_or_with_another_one_the_refusal_says_what_is_missing() {
    let world = World::new().await;
    put_encrypted(&world, 10);
    for request in [
        world.request("k"),
        world.request("k").with_ssec_key(SsecKey::new([1; 32])),
    ] {
        let error = world.client().download_file(request).await.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Server);
        let server = error.server().expect("the server said no");
        assert_eq!((server.status_code, server.ec.as_str()), (400, "0015-00000008"));
        assert!(
            error.hint().is_some_and(|hint| hint.contains("SSE-C")),
            "{error:?}"
        );
        assert_eq!(world.files(), [""; 0]);
    }
}

#[tokio::test]
async fn a_key_is_shown_by_nothing() {
    let world = World::new().await;
    world.emulator.put_object(BUCKET, "plain", "content");
    let request = world.request("plain").with_ssec_key(key());
    let shown = format!("{request:?}");
    // The emulator has no use for a key of an object that is not encrypted.
    let error = world.client().download_file(request).await.expect_err("refused");
    let shown = format!("{shown} {error:?} {}", chain(&error));
    assert!(!shown.contains(&key_text()) && !shown.contains("5a5a"), "{shown}");
}

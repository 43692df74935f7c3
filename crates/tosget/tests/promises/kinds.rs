//! Objects that are not plain ones: links, appendable and archived objects, delete markers.

use std::fs;

use tos_emulator::{FaultRule, Verdict};
use tosget::{DownloadFile, Error, ErrorKind, HeadObject, OnChange, Verification};

use crate::support::{BUCKET, MIB, World, carries};

async fn refused(world: &World, request: DownloadFile) -> Error {
    let error = world
        .client()
        .download_file(request)
        .await
        .expect_err("it can't be read");
    assert_eq!(error.kind(), ErrorKind::Server, "{error}");
    assert_eq!(world.files(), [""; 0]);
    error
}

#[track_caller]
fn assert_hints(error: &Error, words: &str) {
    let hint = error.hint().unwrap_or_default();
    assert!(hint.contains(words), "{hint}");
}

#[tokio::test]
async fn a_link_brings_the_content_of_its_target() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "target", 5 * MIB + 3, 1);
    world.emulator.put_symlink(BUCKET, "link", "target");
    let known = world
        .client()
        .head_object(HeadObject::new(BUCKET, "link"))
        .await
        .expect("there");
    assert_eq!(known.object_type.as_deref(), Some("Symlink"));
    assert_eq!(
        (known.content_length, known.symlink_target_size),
        (5 * MIB + 3, Some(5 * MIB + 3))
    );
    let fault = FaultRule::new(Verdict::ResetAfter { bytes: 1000 }).range_covers(4 * MIB);
    world.emulator.add_fault(fault);
    let client = world.builder().max_retry_count(0).build().expect("good");
    client
        .download_file(world.request("link"))
        .await
        .expect_err("a part breaks");
    world.emulator.clear_faults();
    let done = client
        .download_file(world.request("link"))
        .await
        .expect("goes on");
    assert!(done.bytes_resumed > 0);
    assert_eq!(done.verification, Verification::Crc64);
    world.assert_destination_is_virtual(1, 5 * MIB + 3);
}

#[tokio::test]
async fn a_link_that_leads_elsewhere_meanwhile_is_another_object() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "target", 5 * MIB, 1);
    world.emulator.put_symlink(BUCKET, "link", "target");
    let fault = FaultRule::new(Verdict::ResetAfter { bytes: 1000 }).range_covers(4 * MIB);
    world.emulator.add_fault(fault);
    let client = world.builder().max_retry_count(0).build().expect("good");
    client
        .download_file(world.request("link"))
        .await
        .expect_err("a part breaks");
    world.emulator.clear_faults();
    world.emulator.put_virtual(BUCKET, "other", 4 * MIB, 2);
    world.emulator.put_symlink(BUCKET, "link", "other");
    let done = client
        .download_file(world.request("link"))
        .await
        .expect("starts afresh");
    assert_eq!(done.bytes_resumed, 0);
    world.assert_destination_is_virtual(2, 4 * MIB);
}

/// An appendable object, whose content tells where each byte belongs.
fn append(world: &World, size: u64, from: u64) -> Vec<u8> {
    let bytes: Vec<u8> = (from..from + size).map(|index| (index % 251) as u8).collect();
    world.emulator.append_object(BUCKET, "log", bytes.clone());
    bytes
}

#[tokio::test]
async fn an_appendable_object_has_no_etag_and_is_held_by_its_time_and_size() {
    let world = World::new().await;
    let content = append(&world, 5 * MIB + 3, 0);
    let fault = FaultRule::new(Verdict::ResetAfter { bytes: 1000 }).range_covers(4 * MIB);
    world.emulator.add_fault(fault);
    let client = world.builder().max_retry_count(0).build().expect("good");
    let error = client
        .download_file(world.request("log"))
        .await
        .expect_err("a part breaks");
    assert!(error.is_resumable(), "{error:?}");
    world.emulator.clear_faults();
    let done = client.download_file(world.request("log")).await.expect("goes on");
    assert_eq!(done.object.object_type.as_deref(), Some("Appendable"));
    assert_eq!((done.object.etag, done.bytes_resumed > 0), (None, true));
    assert_eq!(done.verification, Verification::Crc64);
    assert!(fs::read(world.destination()).expect("there") == content);
    let gets = world.gets();
    let later = gets.iter().skip(1);
    assert!(
        later
            .into_iter()
            .all(|request| carries(request, "if-unmodified-since"))
    );
}

#[tokio::test]
async fn an_object_that_was_appended_to_is_another_one() {
    let world = World::new().await;
    let mut content = append(&world, 5 * MIB, 0);
    let fault = FaultRule::new(Verdict::ResetAfter { bytes: 1000 }).range_covers(4 * MIB);
    world.emulator.add_fault(fault);
    let client = world.builder().max_retry_count(0).build().expect("good");
    client
        .download_file(world.request("log"))
        .await
        .expect_err("a part breaks");
    world.emulator.clear_faults();
    // Within the same second, perhaps: then the condition on the time lets it pass, and its size tells.
    content.extend(append(&world, 10, 5 * MIB));
    let request = world.request("log").with_on_change(OnChange::Restart(1));
    let done = client.download_file(request).await.expect("starts afresh");
    assert_eq!((done.bytes_resumed, done.restarts), (0, 0));
    assert!(done.set_aside.is_some());
    assert!(fs::read(world.destination()).expect("there") == content);
}

#[tokio::test]
async fn an_archived_object_says_that_it_has_to_be_restored_and_how_far_that_is() {
    let world = World::new().await;
    let archived = [("x-tos-storage-class", "COLD_ARCHIVE")];
    world.emulator.put_object_with(BUCKET, "k", "content", &archived);
    let error = refused(&world, world.request("k")).await;
    let server = error.server().expect("the server said no");
    assert_eq!(
        (server.status_code, server.code.as_str()),
        (403, "InvalidObjectState")
    );
    assert_hints(&error, "archived (COLD_ARCHIVE): restore it first");

    world.emulator.restore_object(BUCKET, "k", 1);
    let error = refused(&world, world.request("k")).await;
    assert_hints(&error, "a restore is under way");

    world.emulator.finish_restore(BUCKET, "k");
    let done = world
        .client()
        .download_file(world.request("k"))
        .await
        .expect("it can be read now");
    assert!(!done.object.is_being_restored());
    assert_eq!(fs::read(world.destination()).expect("there"), b"content");
}

#[tokio::test]
async fn a_deleted_object_says_that_there_is_a_delete_marker() {
    let world = World::new().await;
    world.emulator.enable_versioning(BUCKET);
    let old = world.emulator.put_object(BUCKET, "k", "content");
    world.emulator.delete_object(BUCKET, "k");
    let error = refused(&world, world.request("k")).await;
    assert!(
        error
            .to_string()
            .contains("the current version is a delete marker"),
        "{error}"
    );
    assert_hints(&error, "was deleted");
    let server = error.server().expect("the server said no");
    assert!(server.delete_marker && server.status_code == 404, "{server:?}");
    let head = HeadObject::new(BUCKET, "k");
    let error = world.client().head_object(head).await.expect_err("deleted");
    assert!(
        error.server().is_some_and(|server| server.delete_marker),
        "{error:?}"
    );
    // And what the hint says helps.
    let request = world
        .request("k")
        .with_version_id(old.version_id.expect("a version"));
    world
        .client()
        .download_file(request)
        .await
        .expect("the older version");
    assert_eq!(fs::read(world.destination()).expect("there"), b"content");
}

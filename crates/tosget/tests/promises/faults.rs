//! A network and a server that misbehave: the object arrives all the same, or the error is clear and nothing is lost.

use tos_emulator::{FaultRule, Verdict};
use tosget::{ErrorKind, Verification};

use crate::support::{BUCKET, MIB, World, chain};

const SIZE: u64 = 8 * MIB + 321;

/// Downloads an object while every third GET meets the verdict.
async fn survives(verdict: Verdict) {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", SIZE, 1);
    world
        .emulator
        .add_fault(FaultRule::new(verdict.clone()).method("GET").every(3));
    let done = world.client().download_file(world.request("k")).await;
    let done = done.unwrap_or_else(|error| panic!("{verdict:?}: {}", chain(&error)));
    world.assert_destination_is_virtual(1, SIZE);
    assert_eq!(done.verification, Verification::Crc64, "{verdict:?}");
    assert!(done.retries > 0, "{verdict:?} was met");
    assert_eq!(done.bytes_fetched, SIZE, "{verdict:?}: no byte was written twice");
}

#[tokio::test]
async fn resets_and_truncations_at_any_place_cost_only_what_was_missing() {
    survives(Verdict::ResetBeforeHead).await;
    survives(Verdict::CloseBeforeHead).await;
    for bytes in [0, 1, 100_000, MIB - 1] {
        survives(Verdict::ResetAfter { bytes }).await;
        survives(Verdict::CloseAfter { bytes }).await;
    }
}

#[tokio::test]
async fn a_stall_is_noticed_by_idle_time_wherever_it_happens() {
    survives(Verdict::StallBeforeHead { ms: None }).await;
    survives(Verdict::StallAfter {
        bytes: 70_000,
        ms: None,
    })
    .await;
}

#[tokio::test]
async fn a_server_that_asks_for_patience_gets_it() {
    survives(Verdict::unavailable(1)).await;
    survives(Verdict::status(429, "ExceedAccountQPSLimit")).await;
    survives(Verdict::status(500, "InternalError")).await;
}

#[tokio::test]
async fn wrong_answers_are_refused_before_a_byte_of_them_is_written() {
    survives(Verdict::WrongContentRange {
        shift: 512,
        total: None,
    })
    .await;
    survives(Verdict::IgnoreRange).await;
    survives(Verdict::ExtraBytes { bytes: 9 }).await;
}

#[tokio::test]
async fn an_encoding_that_the_object_does_not_have_is_refused() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", SIZE, 1);
    world.emulator.add_fault(
        FaultRule::new(Verdict::ContentEncoding { value: "gzip".into() })
            .range_from(MIB)
            .every(3),
    );
    let done = world
        .client()
        .download_file(world.request("k"))
        .await
        .expect("downloads");
    world.assert_destination_is_virtual(1, SIZE);
    assert!(done.retries > 0);
}

#[tokio::test]
async fn a_missing_crc_is_no_failure_and_a_wrong_one_is() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", SIZE, 1);
    world.emulator.add_fault(FaultRule::new(Verdict::HideCrc));
    let done = world
        .client()
        .download_file(world.request("k"))
        .await
        .expect("downloads");
    assert_eq!(done.verification, Verification::SizeOnly);
    std::fs::remove_file(world.destination()).expect("removed");
    world.emulator.clear_faults();
    world.emulator.add_fault(FaultRule::new(Verdict::WrongCrc));
    let error = world
        .client()
        .download_file(world.request("k"))
        .await
        .expect_err("not the object");
    assert_eq!(error.kind(), ErrorKind::Verification);
    assert!(!world.destination().exists());
    world.emulator.clear_faults();
    world
        .client()
        .download_file(world.request("k"))
        .await
        .expect("no later run is poisoned");
    world.assert_destination_is_virtual(1, SIZE);
}

#[tokio::test]
async fn a_flipped_byte_is_found_by_its_range_and_only_that_range_is_fetched_again() {
    let world = World::with(|emulator| emulator.grant_range_crc(true)).await;
    world.emulator.put_virtual(BUCKET, "k", SIZE, 1);
    world.emulator.add_fault(
        FaultRule::new(Verdict::FlipByte { offset: 5 * MIB + 5 })
            .range_covers(5 * MIB + 5)
            .times(1),
    );
    let done = world
        .client()
        .download_file(world.request("k"))
        .await
        .expect("downloads");
    world.assert_destination_is_virtual(1, SIZE);
    assert_eq!(done.bytes_fetched, SIZE + MIB);
}

#[tokio::test]
async fn a_flipped_byte_without_range_crcs_never_becomes_the_destination() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", SIZE, 1);
    world
        .emulator
        .add_fault(FaultRule::new(Verdict::FlipByte { offset: 4 * MIB }));
    let error = world
        .client()
        .download_file(world.request("k"))
        .await
        .expect_err("not the object");
    assert_eq!(error.kind(), ErrorKind::Verification);
    assert!(!world.destination().exists());
}

#[tokio::test]
async fn an_object_replaced_on_the_way_is_its_own_error_and_never_mixed() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", SIZE, 1);
    world.emulator.add_fault(
        FaultRule::new(Verdict::ReplaceObject { seed: 2, size: None })
            .range_from(4 * MIB)
            .times(1),
    );
    let error = world
        .client()
        .download_file(world.request("k"))
        .await
        .expect_err("the object changed");
    assert_eq!(error.kind(), ErrorKind::ObjectChanged);
    assert!(!world.destination().exists());
    let done = world
        .client()
        .download_file(world.request("k"))
        .await
        .expect("the new object starts afresh");
    assert!(done.set_aside.is_some());
    world.assert_destination_is_virtual(2, SIZE);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_its_target_is_named() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", SIZE, 1);
    world.emulator.add_fault(FaultRule::new(Verdict::Redirect {
        status: 302,
        location: "http://127.0.0.1:1/elsewhere".into(),
    }));
    let error = world
        .client()
        .download_file(world.request("k"))
        .await
        .expect_err("redirected");
    assert_eq!(error.server().map(|server| server.status_code), Some(302));
    assert!(
        chain(&error).contains("127.0.0.1:1/elsewhere"),
        "{}",
        chain(&error)
    );
}

//! G1 to G17: the official Go SDK.

use std::collections::HashSet;
use std::fs;
use std::sync::mpsc;

use tos_emulator::{FaultRule, Verdict};
use tosget::{CancelHook, DataTransferType, DownloadEventType, DownloadFile, ErrorKind, Verification};

use super::{HANGS, LAST, SEED, SIZE, assert_is_virtual, overwrite, told};
use crate::support::{BUCKET, MIB, World, chain};

#[tokio::test]
async fn g01_and_cpp1_every_part_is_pinned_to_the_etag_that_the_first_answer_had() {
    let world = World::with_object().await;
    let etag = world.downloads(world.request("k")).await.object.etag;
    let pin = etag.expect("an ETag");
    let gets = world.gets();
    let is_pinned = |request: &tos_emulator::RequestRecord| {
        let if_match = request.if_match.as_deref();
        if_match.is_some_and(|if_match| if_match.contains(&pin))
    };
    assert!(gets.len() > 1 && gets[1..].iter().all(is_pinned));
    fs::remove_file(world.destination()).expect("removed");
    let replace = Verdict::ReplaceObject { seed: 2, size: None };
    world
        .emulator
        .add_fault(FaultRule::new(replace).range_from(4 * MIB).times(1));
    let error = world
        .client()
        .download_file(world.request("k"))
        .await
        .expect_err("another object");
    assert_eq!(error.kind(), ErrorKind::ObjectChanged);
    assert!(!world.destination().exists());
}

#[tokio::test]
async fn g02_and_cpp3_a_403_on_one_part_does_not_cost_the_checkpoint() {
    for (status, code) in [
        (403, "AccessDenied"),
        (404, "NoSuchKey"),
        (405, "MethodNotAllowed"),
    ] {
        let world = World::with_object().await;
        let error = world
            .interrupted_by(Verdict::status(status, code), world.request("k"))
            .await;
        assert!(error.is_resumable(), "{error}");
        let done = world.downloads(world.request("k")).await;
        assert_eq!((done.bytes_resumed, done.requests), (LAST, 1), "{status}");
        world.assert_destination_is_virtual(SEED, SIZE);
    }
}

#[tokio::test]
async fn g03_a_checkpoint_without_its_temporary_file_is_no_dead_end() {
    let world = World::with_object().await;
    world.interrupted(world.request("k")).await;
    fs::remove_file(world.temporary()).expect("removed");
    // A run that fails again makes nothing worse.
    world.interrupted(world.request("k")).await;
    let done = world.downloads(world.request("k")).await;
    assert_eq!(done.bytes_fetched, SIZE);
    world.assert_destination_is_virtual(SEED, SIZE);
}

#[tokio::test]
async fn g04_a_crc_that_does_not_match_is_no_permanent_failure() {
    let world = World::with_object().await;
    world.emulator.add_fault(FaultRule::new(Verdict::WrongCrc));
    for _ in 0..2 {
        let error = world
            .client()
            .download_file(world.request("k"))
            .await
            .expect_err("not the object, it seems");
        assert_eq!(error.kind(), ErrorKind::Verification);
    }
    world.emulator.clear_faults();
    let done = world.downloads(world.request("k")).await;
    assert_eq!(done.verification, Verification::Crc64);
    world.assert_destination_is_virtual(SEED, SIZE);
}

#[tokio::test]
async fn g05_the_cause_is_in_the_error() {
    let world = World::with_object().await;
    let error = world
        .interrupted_by(Verdict::status(403, "AccessDenied"), world.request("k"))
        .await;
    let server = error.server().expect("the server refused");
    assert_eq!((server.status_code, server.code.as_str()), (403, "AccessDenied"));
    assert!(!server.request_id.is_empty());
    assert!(chain(&error).contains("AccessDenied"), "{}", chain(&error));
}

#[tokio::test]
async fn g06_and_js3_nothing_more_is_asked_once_a_part_has_failed_for_good() {
    let world = World::with_object().await;
    let refusal = Verdict::status(403, "AccessDenied");
    world
        .emulator
        .add_fault(FaultRule::new(refusal).range_from(2 * MIB).times(1));
    world
        .client()
        .download_file(world.request("k").with_task_num(1))
        .await
        .expect_err("refused");
    assert_eq!(world.emulator.stats().requests, 3);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn g06_an_object_that_the_disk_has_no_room_for_is_told_after_one_request() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", 1 << 60, SEED);
    // Should there be room for it, it is not fetched all the same.
    let refusal = FaultRule::new(Verdict::status(403, "AccessDenied"));
    world.emulator.add_fault(refusal.range_from(MIB));
    let error = world
        .client()
        .download_file(world.request("k"))
        .await
        .expect_err("an exbibyte");
    assert_eq!(error.kind(), ErrorKind::Disk, "{}", chain(&error));
    assert_eq!(world.emulator.stats().requests, 1);
    assert_eq!(world.files(), [""; 0]);
}

#[tokio::test]
async fn g07_an_error_in_a_body_is_tried_again() {
    let world = World::with_object().await;
    let cut = FaultRule::new(Verdict::CloseAfter { bytes: 1000 });
    world.emulator.add_fault(cut.range_from(MIB).every(2));
    let done = world.downloads(world.request("k")).await;
    world.assert_destination_is_virtual(SEED, SIZE);
    assert!(done.retries > 0);
    assert_eq!(done.bytes_fetched, SIZE);
}

/// Cancels when all four tasks are at work, and returns when the server has nobody left to answer.
async fn canceled_at_work(world: &World, request: DownloadFile, is_abort: bool) {
    let stall = Verdict::StallAfter {
        bytes: MIB / 2,
        ms: None,
    };
    world.emulator.add_fault(FaultRule::new(stall).range_from(MIB));
    let hook = CancelHook::new();
    let client = world.builder().idle_timeout(2 * HANGS).build().expect("good");
    let download = client.download_file(request.with_cancel_hook(hook.clone()));
    let pull = async {
        world.wait_for_in_flight(4).await;
        hook.cancel(is_abort);
    };
    let (result, ()) = tokio::join!(download, pull);
    assert_eq!(result.expect_err("canceled").kind(), ErrorKind::Canceled);
}

#[tokio::test]
async fn g08_when_a_canceled_call_returns_nothing_of_it_is_left_running() {
    let world = World::with_object().await;
    canceled_at_work(&world, world.request("k"), false).await;
    let left = world.contents();
    // The client is gone with its connections; the server notices.
    world.wait_for_in_flight(0).await;
    assert!(world.contents() == left, "nothing is written after the return");
}

#[tokio::test]
async fn g09_an_abort_leaves_nothing_that_a_late_part_could_bring_back() {
    let world = World::with_object().await;
    canceled_at_work(&world, world.request("k"), true).await;
    world.wait_for_in_flight(0).await;
    assert_eq!(world.files(), [""; 0]);
    world.emulator.clear_faults();
    let done = world.downloads(world.request("k")).await;
    assert_eq!(done.bytes_resumed, 0);
    world.assert_destination_is_virtual(SEED, SIZE);
}

#[tokio::test]
async fn g10_a_cancel_is_told_and_is_not_a_failure_like_others() {
    let world = World::with_object().await;
    let (request, events) = told(world.request("k"));
    let (sender, statuses) = mpsc::channel();
    let request = request.with_data_transfer_listener(move |status| {
        sender.send(status).expect("somebody listens");
    });
    canceled_at_work(&world, request, false).await;
    let aborted = events
        .iter()
        .filter(|event| event.event_type == DownloadEventType::DownloadPartAborted);
    assert!(aborted.count() > 0);
    let last = statuses.iter().last().expect("progress was told");
    assert_eq!(last.data_transfer_type, DataTransferType::Failed);
}

#[tokio::test]
async fn g11_checkpoints_that_can_not_be_used_leave_no_orphans() {
    let world = World::new().await;
    let name = "n".repeat(222);
    let request = DownloadFile::new(BUCKET, "k", world.folder.path().join(&name)).with_part_size(MIB);
    let mut most = 0;
    for seed in 1..5 {
        world.emulator.put_virtual(BUCKET, "k", SIZE, seed);
        world.interrupted(request.clone()).await;
        most = most.max(world.files().len());
    }
    assert!(most <= 3, "a temporary file, a journal and one set aside");
    world.downloads(request).await;
    assert_eq!(world.files(), [name]);
}

#[tokio::test]
async fn g12_a_link_is_gone_on_with() {
    let world = World::with_object().await;
    world.emulator.put_symlink(BUCKET, "link", "k");
    world.interrupted(world.request("link")).await;
    let done = world.downloads(world.request("link")).await;
    assert_eq!(done.bytes_resumed, LAST);
    world.assert_destination_is_virtual(SEED, SIZE);
}

#[tokio::test]
async fn g13_wherever_a_checkpoint_is_torn_the_next_run_brings_the_object() {
    let world = World::with_object().await;
    world.interrupted(world.request("k")).await;
    let (temporary, journal) = (world.temporary(), world.journal());
    let (kept, records) = (
        fs::read(&temporary).expect("readable"),
        fs::read(&journal).expect("readable"),
    );
    let mut resumed = Vec::new();
    for cut in (0..=4).map(|quarter| records.len() * quarter / 4) {
        fs::write(&temporary, &kept).expect("written");
        fs::write(&journal, &records[..cut]).expect("written");
        let done = world.downloads(world.request("k")).await;
        world.assert_destination_is_virtual(SEED, SIZE);
        resumed.push(done.bytes_resumed);
    }
    assert!(resumed.is_sorted(), "{resumed:?}");
    assert_eq!((resumed[0], resumed[4]), (0, LAST));
}

#[tokio::test]
async fn g14_bytes_of_an_earlier_run_are_not_believed_because_they_were_recorded() {
    let world = World::with_object().await;
    world.interrupted(world.request("k")).await;
    overwrite(&world.temporary(), 2 * MIB, b"not the object's");
    let done = world.downloads(world.request("k")).await;
    world.assert_destination_is_virtual(SEED, SIZE);
    assert!(done.bytes_resumed > 0 && done.bytes_fetched > SIZE - LAST);
}

#[tokio::test]
async fn g15_dots_in_a_key_do_not_leave_the_directory() {
    let world = World::new().await;
    let below = world.folder.path().join("below");
    fs::create_dir(&below).expect("created");
    for key in ["../evil", "a/../../evil", "./../evil"] {
        world.emulator.put_object(BUCKET, key, "evil");
        let request = DownloadFile::new(BUCKET, key, &below);
        let error = world.client().download_file(request).await.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{key}");
    }
    assert_eq!(world.files(), ["below"]);
    assert_eq!(fs::read_dir(&below).expect("readable").count(), 0);
}

#[tokio::test]
async fn g16_a_request_may_be_used_again() {
    let world = World::with_object().await;
    let into = world.folder.path().join("a/");
    let request = DownloadFile::new(BUCKET, "k", &into).with_part_size(MIB);
    world.interrupted(request.clone()).await;
    world.downloads(request.clone()).await;
    fs::remove_file(into.join("k")).expect("removed");
    let again = world.downloads(request.clone()).await;
    assert_eq!((again.bytes_resumed, again.bytes_fetched), (0, SIZE));
    assert_is_virtual(&into.join("k"), SEED, SIZE);
}

#[tokio::test]
async fn g17_tasks_that_failed_together_do_not_come_back_together() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", 17 * MIB, SEED);
    let refusal = Verdict::status(503, "ServiceUnavailable");
    world
        .emulator
        .add_fault(FaultRule::new(refusal).range_from(MIB).times(8));
    let (request, events) = told(world.request("k").with_task_num(8));
    world.downloads(request).await;
    let waits: HashSet<_> = events
        .iter()
        .filter_map(|event| match event.event_type {
            DownloadEventType::AttemptRetried { wait } => Some(wait),
            _ => None,
        })
        .collect();
    assert!(waits.len() > 1, "{waits:?}");
}

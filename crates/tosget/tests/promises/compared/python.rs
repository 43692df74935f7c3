//! P1 to P30: the official Python SDK.

use std::fs;
use std::sync::mpsc;
use std::time::Duration;

use tos_emulator::{CannedAnswer, FaultRule, Verdict};
use tosget::{
    CancelHook, DataTransferType, DownloadEventType, DownloadFile, ErrorKind, Progress, RateLimiter,
    TosClientBuilder, Verification,
};

use super::{HANGS, LAST, SEED, SIZE, assert_is_virtual, overwrite, told};
use crate::support::{BUCKET, MIB, World};

#[tokio::test]
async fn p01_a_lost_temporary_file_is_not_taken_for_zeros() {
    let world = World::with_object().await;
    world.interrupted(world.request("k")).await;
    fs::remove_file(world.temporary()).expect("removed");
    let done = world.downloads(world.request("k")).await;
    world.assert_destination_is_virtual(SEED, SIZE);
    assert_eq!((done.bytes_resumed, done.bytes_fetched), (0, SIZE));
}

#[tokio::test]
async fn p02_a_tail_that_never_reached_the_file_is_noticed_and_fetched() {
    let world = World::with_object().await;
    world.interrupted(world.request("k")).await;
    // What the official SDK leaves after a kill: the end of a recorded part was still in a buffer.
    overwrite(&world.temporary(), 5 * MIB - 2991, &[0; 2991]);
    let done = world.downloads(world.request("k")).await;
    world.assert_destination_is_virtual(SEED, SIZE);
    assert!(done.bytes_resumed > 0 && done.bytes_fetched >= 2991);
}

#[tokio::test]
async fn p03_two_directories_with_one_parent_share_no_checkpoint() {
    let world = World::with_object().await;
    let node = |name: &str| world.folder.path().join(name);
    let into = |name: &str| {
        fs::create_dir_all(node(name)).expect("created");
        DownloadFile::new(BUCKET, "k", node(name)).with_part_size(MIB)
    };
    world.interrupted(into("node0")).await;
    let other = world.downloads(into("node1")).await;
    assert_eq!((other.bytes_resumed, other.bytes_fetched), (0, SIZE));
    let own = world.downloads(into("node0")).await;
    assert_eq!(own.bytes_resumed, LAST);
    assert_is_virtual(&node("node0/k"), SEED, SIZE);
    assert_is_virtual(&node("node1/k"), SEED, SIZE);
}

#[tokio::test]
async fn p04_a_directory_of_checkpoints_is_shared_by_no_two_destinations() {
    let world = World::with_object().await;
    let path = |name: &str| world.folder.path().join(name);
    let to = |name: &str| {
        DownloadFile::new(BUCKET, "k", path(name))
            .with_part_size(MIB)
            .with_checkpoint_file(path("checkpoints/"))
    };
    world.interrupted(to("a/model.bin")).await;
    let other = world.downloads(to("b/model.bin")).await;
    assert_eq!((other.bytes_resumed, other.bytes_fetched), (0, SIZE));
    let own = world.downloads(to("a/model.bin")).await;
    assert_eq!(own.bytes_resumed, LAST);
    assert_is_virtual(&path("a/model.bin"), SEED, SIZE);
    assert_is_virtual(&path("b/model.bin"), SEED, SIZE);
}

#[tokio::test]
async fn p05_an_object_that_shrank_leaves_no_tail_of_the_former_one() {
    let world = World::with_object().await;
    world.interrupted(world.request("k")).await;
    world.emulator.put_virtual(BUCKET, "k", 3 * MIB + 100, 2);
    world.downloads(world.request("k")).await;
    world.assert_destination_is_virtual(2, 3 * MIB + 100);
}

#[tokio::test]
async fn p06_the_whole_object_in_place_of_a_range_is_not_written_over_its_neighbours() {
    let world = World::with_object().await;
    let error = world
        .interrupted_by(Verdict::IgnoreRange, world.request("k"))
        .await;
    assert_eq!(error.kind(), ErrorKind::Protocol);
    let done = world.downloads(world.request("k")).await;
    world.assert_destination_is_virtual(SEED, SIZE);
    assert_eq!((done.bytes_resumed, done.bytes_fetched), (LAST, SIZE - LAST));
}

#[tokio::test]
async fn p07_without_a_crc_the_rest_is_still_checked_and_the_result_says_so() {
    let world = World::with_object().await;
    world.emulator.add_fault(FaultRule::new(Verdict::HideCrc));
    let done = world.downloads(world.request("k")).await;
    assert_eq!(done.verification, Verification::SizeOnly, "no CRC is no dead end");
    world.emulator.clear_faults();
    fs::remove_file(world.destination()).expect("removed");
    // Switched off by the caller, too, a short answer is not taken for the object.
    world
        .emulator
        .add_fault(FaultRule::new(Verdict::CloseAfter { bytes: 10 }).range_from(LAST));
    let client = world.builder().enable_crc(false).max_retry_count(0).build();
    let client = client.expect("good");
    client
        .download_file(world.request("k"))
        .await
        .expect_err("a byte is missing");
    assert!(!world.destination().exists());
}

#[tokio::test]
async fn p07_a_part_whose_crc_is_zero_has_one() {
    let world = World::new().await;
    let mut content: Vec<u8> = (0..MIB - 8).map(|index| (index % 251) as u8).collect();
    content.extend(ending_with_crc_zero(&content));
    content.extend(b"and another part");
    world.emulator.put_object(BUCKET, "k", content.clone());
    let (request, events) = told(world.request("k"));
    let done = world.downloads(request).await;
    let first = events
        .iter()
        .filter_map(|event| event.download_part)
        .find(|part| part.part_number == 1);
    assert_eq!(first.expect("it is told").hash_crc64ecma, Some(0));
    assert_eq!(done.verification, Verification::Crc64);
    assert!(fs::read(world.destination()).expect("there") == content);
}

/// Eight bytes that give `bytes` the CRC-64/XZ 0.
fn ending_with_crc_zero(bytes: &[u8]) -> [u8; 8] {
    const POLYNOMIAL: u64 = 0xC96C_5795_D787_0F42;
    let step = |register: u64, _| (register >> 1) ^ if register & 1 == 1 { POLYNOMIAL } else { 0 };
    let register = bytes.iter().fold(u64::MAX, |register, &byte| {
        (0..8).fold(register ^ u64::from(byte), step)
    });
    // The register whose next 64 steps end in the one that stands for CRC 0.
    let back = |register: u64, _| {
        if register >> 63 == 1 {
            ((register ^ POLYNOMIAL) << 1) | 1
        } else {
            register << 1
        }
    };
    (register ^ (0..64).fold(u64::MAX, back)).to_le_bytes()
}

/// Cancels a download in its middle.
async fn canceled(world: &World, is_abort: bool) {
    let stall = Verdict::StallAfter { bytes: 100, ms: None };
    world.emulator.add_fault(FaultRule::new(stall).range_from(LAST));
    let hook = CancelHook::new();
    let pulled = hook.clone();
    let request = world
        .request("k")
        .with_cancel_hook(hook)
        .with_download_event_listener(move |event| {
            if event.event_type == DownloadEventType::DownloadPartSucceed {
                pulled.cancel(is_abort);
            }
        });
    let error = world.client().download_file(request).await.expect_err("canceled");
    assert_eq!(error.kind(), ErrorKind::Canceled);
    world.emulator.clear_faults();
}

#[tokio::test]
async fn p08_an_abort_does_not_remove_the_users_file() {
    let world = World::with_object().await;
    fs::write(world.destination(), "precious").expect("written");
    canceled(&world, true).await;
    assert_eq!(fs::read(world.destination()).expect("there"), b"precious");
    assert_eq!(world.files(), ["object.bin"]);
}

#[tokio::test]
async fn p09_an_abort_where_there_was_no_file_removes_what_is_ours() {
    let world = World::with_object().await;
    canceled(&world, true).await;
    assert_eq!(world.files(), [""; 0]);
}

#[tokio::test]
async fn p10_content_that_is_not_the_objects_poisons_no_later_run() {
    let world = World::with_object().await;
    world
        .emulator
        .add_fault(FaultRule::new(Verdict::FlipByte { offset: 4 * MIB }));
    let error = world
        .client()
        .download_file(world.request("k"))
        .await
        .expect_err("not the object");
    assert_eq!(error.kind(), ErrorKind::Verification);
    world.emulator.clear_faults();
    world.downloads(world.request("k")).await;
    world.assert_destination_is_virtual(SEED, SIZE);
}

#[tokio::test]
async fn p11_bytes_of_a_run_without_crc_are_verified_by_a_run_with_it() {
    let world = World::with_object().await;
    let fault = FaultRule::new(Verdict::ResetBeforeHead).range_from(LAST);
    world.emulator.add_fault(fault);
    let without = |builder: TosClientBuilder| builder.enable_crc(false).max_retry_count(0).build();
    without(world.builder())
        .expect("good")
        .download_file(world.request("k").with_task_num(1))
        .await
        .expect_err("the last part breaks");
    world.emulator.clear_faults();
    let done = world.downloads(world.request("k")).await;
    assert_eq!(done.bytes_resumed, LAST);
    assert_eq!(done.verification, Verification::Crc64);
    world.assert_destination_is_virtual(SEED, SIZE);
}

#[tokio::test]
async fn p12_a_version_is_gone_on_with() {
    let world = World::new().await;
    world.emulator.enable_versioning(BUCKET);
    let old = world.emulator.put_virtual(BUCKET, "k", SIZE, SEED).version_id;
    world.emulator.put_virtual(BUCKET, "k", SIZE, 2);
    let request = world.request("k").with_version_id(old.expect("a version"));
    world.interrupted(request.clone()).await;
    let done = world.downloads(request).await;
    assert_eq!((done.bytes_resumed, done.requests), (LAST, 1));
    world.assert_destination_is_virtual(SEED, SIZE);
}

#[tokio::test]
async fn p13_a_torn_checkpoint_costs_its_tail_only() {
    let world = World::with_object().await;
    world.interrupted(world.request("k")).await;
    let journal = fs::read(world.journal()).expect("readable");
    fs::write(world.journal(), &journal[..journal.len() - 10]).expect("written");
    let done = world.downloads(world.request("k")).await;
    world.assert_destination_is_virtual(SEED, SIZE);
    assert!(done.bytes_resumed > LAST / 2, "{}", done.bytes_resumed);
}

#[tokio::test]
async fn p14_of_three_at_one_destination_one_works_and_two_are_told() {
    let world = World::with_object().await;
    let limiter = RateLimiter::new(1, 2 * MIB).expect("good");
    let progress = Progress::new();
    // One task, so that what the limiter lets through is enough to land.
    let request = world
        .request("k")
        .with_task_num(1)
        .with_progress(progress.clone());
    let (client, request) = (world.client(), request.with_rate_limiter(limiter.clone()));
    let at_work = tokio::spawn(async move { client.download_file(request).await });
    let begins = async {
        while progress.snapshot().consumed_bytes == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(HANGS, begins)
        .await
        .expect("it does not hang");
    let client = world.client();
    let late = tokio::join!(
        client.download_file(world.request("k")),
        client.download_file(world.request("k"))
    );
    for late in [late.0, late.1] {
        let error = late.expect_err("another one is at it");
        assert_eq!(error.kind(), ErrorKind::CheckpointHeld, "{error}");
    }
    limiter.set_capacity(1 << 30).expect("good");
    limiter.set_rate(1 << 30).expect("good");
    at_work.await.expect("no panic").expect("downloads");
    world.assert_destination_is_virtual(SEED, SIZE);
    assert_eq!(world.files(), ["object.bin"], "nothing stale is left");
}

#[tokio::test]
async fn p15_no_objects_name_is_that_of_anothers_temporary_file() {
    let world = World::with_object().await;
    let into = |key: &str| DownloadFile::new(BUCKET, key, world.folder.path()).with_part_size(MIB);
    world.interrupted(into("k")).await;
    let temporary = world.temporary();
    let name = temporary
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    for key in ["k.temp", "k.tosget-part"] {
        world.emulator.put_virtual(BUCKET, key, 2 * MIB, 3);
        world.downloads(into(key)).await;
        assert_is_virtual(&world.folder.path().join(key), 3, 2 * MIB);
    }
    // Our own names are nobody's: an object that bears one is refused below a directory.
    world.emulator.put_virtual(BUCKET, &name, 2 * MIB, 3);
    let refused = world.client().download_file(into(&name)).await;
    assert_eq!(
        refused.expect_err("a reserved name").kind(),
        ErrorKind::InvalidArgument
    );
    let done = world.downloads(into("k")).await;
    assert_eq!(done.bytes_resumed, LAST);
    assert_is_virtual(&done.file_path, SEED, SIZE);
}

#[tokio::test]
async fn p16_an_absolute_key_does_not_leave_the_directory() {
    let world = World::new().await;
    let outside = tempfile::tempdir().expect("a temporary directory");
    let key = outside.path().join("evil").to_string_lossy().into_owned();
    world.emulator.put_object(BUCKET, &key, "evil");
    let request = DownloadFile::new(BUCKET, &key, world.folder.path());
    let error = world.client().download_file(request).await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(fs::read_dir(outside.path()).expect("readable").count(), 0);
}

#[tokio::test]
async fn p17_names_up_to_the_file_systems_limit_are_names() {
    let world = World::with_object().await;
    for len in [251, 255] {
        let name = "n".repeat(len);
        let path = world.folder.path().join(&name);
        let request = DownloadFile::new(BUCKET, "k", &path).with_part_size(MIB);
        world.interrupted(request.clone()).await;
        let done = world.downloads(request).await;
        assert_eq!(done.bytes_resumed, LAST);
        assert_is_virtual(&path, SEED, SIZE);
    }
}

// P18, a checkpoint file without a directory in its name, depends on the current directory: crates/tosget-cli/tests/cli.

#[tokio::test]
async fn p19_without_a_checkpoint_none_is_written() {
    let world = World::with_object().await;
    world
        .interrupted(world.request("k").with_enable_checkpoint(false))
        .await;
    assert_eq!(world.files(), [""; 0]);
}

#[tokio::test]
async fn p20_a_destination_that_exists_is_replaced() {
    let world = World::with_object().await;
    fs::write(world.destination(), "old").expect("written");
    world.downloads(world.request("k")).await;
    world.assert_destination_is_virtual(SEED, SIZE);
}

#[tokio::test]
async fn p21_a_reset_in_a_body_is_tried_again_from_where_it_was() {
    let world = World::with_object().await;
    let fault = FaultRule::new(Verdict::ResetAfter { bytes: MIB / 2 });
    world.emulator.add_fault(fault.range_from(4 * MIB).times(1));
    let done = world.downloads(world.request("k")).await;
    world.assert_destination_is_virtual(SEED, SIZE);
    assert_eq!((done.retries, done.bytes_fetched), (1, SIZE));
}

/// How long tosget would wait after such a refusal; it is not waited for.
async fn wait_after(refusal: CannedAnswer) -> Duration {
    let world = World::with_object().await;
    world
        .emulator
        .add_fault(FaultRule::new(Verdict::Status(refusal)).range_from(LAST));
    let hook = CancelHook::new();
    let (pulled, (sender, waits)) = (hook.clone(), mpsc::channel());
    let request = world.request("k").with_cancel_hook(hook);
    let request = request.with_download_event_listener(move |event| {
        if let DownloadEventType::AttemptRetried { wait } = event.event_type {
            // Only the first one is asked for.
            let _ = sender.send(wait);
            pulled.cancel(true);
        }
    });
    world
        .client()
        .download_file(request)
        .await
        .expect_err("canceled or refused");
    waits.recv().expect("a retry was told")
}

#[tokio::test]
async fn p22_retry_after_is_honoured_as_seconds_and_as_a_date() {
    let refusal = |status, retry_after: String| CannedAnswer {
        status,
        headers: [("Retry-After".to_owned(), retry_after)].into(),
        ..CannedAnswer::default()
    };
    let asked = Duration::from_secs(60);
    for status in [429, 500, 503] {
        assert!(wait_after(refusal(status, "60".into())).await >= asked);
    }
    // A date has whole seconds, and the way here takes some of them.
    let date = httpdate::fmt_http_date(std::time::SystemTime::now() + asked);
    assert!(wait_after(refusal(503, date)).await > asked / 2);
}

#[tokio::test]
async fn p23_a_cancel_waits_for_no_part_and_sends_nothing_more() {
    let world = World::with_object().await;
    let stall = Verdict::StallAfter { bytes: 100, ms: None };
    world.emulator.add_fault(FaultRule::new(stall).range_from(MIB));
    let hook = CancelHook::new();
    // So long that only the cancel can end the call.
    let client = world.builder().idle_timeout(2 * HANGS).max_retry_count(0).build();
    let client = client.expect("good");
    let download = client.download_file(world.request("k").with_cancel_hook(hook.clone()));
    let pull = async {
        world.wait_for_in_flight(4).await;
        world.emulator.reset_log();
        hook.cancel(false);
    };
    let both = async { tokio::join!(download, pull).0 };
    let result = tokio::time::timeout(HANGS, both).await.expect("it returns");
    assert_eq!(result.expect_err("canceled").kind(), ErrorKind::Canceled);
    assert_eq!(world.emulator.stats().requests, 0, "none after the cancel");
}

#[tokio::test]
async fn p24_progress_tells_the_start_the_failure_and_what_was_there() {
    let world = World::with_object().await;
    let listened = |request: DownloadFile| {
        let (sender, statuses) = mpsc::channel();
        let request = request.with_data_transfer_listener(move |status| {
            sender.send(status).expect("somebody listens");
        });
        (request, statuses)
    };
    let (request, statuses) = listened(world.request("k"));
    world.interrupted(request).await;
    let statuses: Vec<_> = statuses.iter().collect();
    let kinds = |index: usize| statuses[index].data_transfer_type;
    assert_eq!(kinds(0), DataTransferType::Started);
    assert_eq!(kinds(statuses.len() - 1), DataTransferType::Failed);

    let (request, statuses) = listened(world.request("k"));
    world.downloads(request).await;
    let statuses: Vec<_> = statuses.iter().collect();
    let (first, last) = (statuses[0], statuses[statuses.len() - 1]);
    assert_eq!(first.data_transfer_type, DataTransferType::Started);
    assert_eq!(first.consumed_bytes, LAST);
    assert_eq!(last.data_transfer_type, DataTransferType::Succeed);
    assert_eq!((last.consumed_bytes, last.total_bytes), (SIZE, SIZE));
    let fetched: u64 = statuses.iter().map(|status| status.rw_once_bytes).sum();
    assert_eq!(fetched, SIZE - LAST);
}

#[tokio::test]
async fn p25_a_thousand_parts_cost_the_journal_a_line_each_at_most() {
    const PART: u64 = 1 << 10;
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", 1000 * PART + 1, SEED);
    world
        .emulator
        .add_fault(FaultRule::new(Verdict::ResetBeforeHead).range_from(1000 * PART));
    world
        .impatient()
        .download_file(world.request("k").with_part_size(PART))
        .await
        .expect_err("the last part breaks");
    // It is only ever appended to: what is in it is all that was written.
    let written = fs::metadata(world.journal()).expect("there").len();
    assert!(written < 1000 * 100, "{written} bytes");
}

#[tokio::test]
async fn p26_a_limiter_with_a_small_capacity_does_not_hang() {
    let world = World::with_object().await;
    let limiter = RateLimiter::new(1 << 30, 16 << 10).expect("good");
    let download = world.downloads(world.request("k").with_rate_limiter(limiter));
    tokio::time::timeout(HANGS, download)
        .await
        .expect("it does not hang");
    world.assert_destination_is_virtual(SEED, SIZE);
}

#[tokio::test]
async fn p27_parts_come_in_parallel_unless_told_otherwise() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", 12 * MIB, SEED);
    let stall = Verdict::StallAfter { bytes: 0, ms: None };
    world.emulator.add_fault(FaultRule::new(stall).range_from(MIB));
    let hook = CancelHook::new();
    let request = DownloadFile::new(BUCKET, "k", world.destination())
        .with_part_size(MIB)
        .with_cancel_hook(hook.clone());
    let client = world.builder().idle_timeout(2 * HANGS).build().expect("good");
    let pull = async {
        world.wait_for_in_flight(2).await;
        hook.cancel(true);
    };
    let (result, ()) = tokio::join!(client.download_file(request), pull);
    assert_eq!(result.expect_err("canceled").kind(), ErrorKind::Canceled);
}

// P28, how fast threads under an interpreter's lock can be: cargo xtask bench.

#[tokio::test]
async fn p29_a_trickle_does_not_live_for_ever() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", 24 * MIB, SEED);
    let trickle = Verdict::Bandwidth {
        per_connection: Some(1000),
        total: None,
    };
    // At this pace its part would take a quarter of an hour, without ever being idle for long.
    world
        .emulator
        .add_fault(FaultRule::new(trickle).range_from(MIB).times(1));
    let done = world.downloads(world.request("k")).await;
    world.assert_destination_is_virtual(SEED, 24 * MIB);
    assert!(done.elapsed < HANGS);
}

#[tokio::test]
async fn p30_an_etag_that_changed_and_a_part_lost_or_modified_are_downloaded_again() {
    let world = World::with_object().await;
    world.interrupted(world.request("k")).await;
    overwrite(&world.temporary(), 3 * MIB + 7, b"modified");
    world.interrupted(world.request("k")).await;
    let temporary = fs::OpenOptions::new().write(true).open(world.temporary());
    temporary
        .and_then(|file| file.set_len(5 * MIB))
        .expect("cut: the rest is lost");
    let done = world.downloads(world.request("k")).await;
    world.assert_destination_is_virtual(SEED, SIZE);
    assert!(done.bytes_fetched < SIZE, "what was good is kept");
    world.interrupted(world.request("k")).await;
    world.emulator.put_virtual(BUCKET, "k", SIZE, 2);
    world.downloads(world.request("k")).await;
    world.assert_destination_is_virtual(2, SIZE);
}

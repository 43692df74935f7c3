//! The official Rust, Java, JS and C++ SDKs, tosnativeclient and ve-tos-cli.

use std::fs::{self, File};
use std::io::Read;
use std::sync::mpsc;
use std::time::Duration;

use tos_emulator::{FaultRule, Verdict};
use tosget::{DownloadEventType, ErrorKind, RateLimiter};

use super::{LAST, SEED, SIZE, told};
use crate::support::{BUCKET, MIB, World, chain};

#[tokio::test]
async fn rust1_the_file_is_whole_when_it_gets_its_name() {
    let world = World::with_object().await;
    let (sender, seen) = mpsc::channel();
    let path = world.destination();
    let request = world.request("k").with_download_event_listener(move |event| {
        if event.event_type == DownloadEventType::RenameTempFileSucceed {
            sender.send(fs::read(&path)).expect("somebody listens");
        }
    });
    world.downloads(request).await;
    let seen = seen.recv().expect("it is told").expect("it is there");
    assert!(seen == fs::read(world.destination()).expect("there"));
    world.assert_destination_is_virtual(SEED, SIZE);
}

/// ve-tos-cli gives a whole body 60 s, the Rust SDK and tosnativeclient 120 s.
#[tokio::test]
async fn rust2_and_cli1_a_body_may_take_as_long_as_it_comes() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", MIB, SEED);
    world.emulator.set_bandwidth(Some(2 * MIB), None);
    let idle = Duration::from_millis(100);
    let client = world.builder().idle_timeout(idle).max_retry_count(0).build();
    let client = client.expect("good");
    let done = client.download_file(world.request("k")).await;
    let done = done.unwrap_or_else(|error| panic!("{}", chain(&error)));
    assert_eq!(done.requests, 1);
    assert!(done.elapsed > 3 * idle, "it was the only limit of time");
}

#[tokio::test]
async fn java1_another_process_goes_on_with_the_same_temporary_file() {
    let world = World::with_object().await;
    world.interrupted(world.request("k")).await;
    let before = world.temporary();
    world.interrupted(world.request("k")).await;
    assert_eq!(world.temporary(), before);
    let done = world.downloads(world.request("k")).await;
    assert_eq!((done.bytes_resumed, done.requests), (LAST, 1));
    world.assert_destination_is_virtual(SEED, SIZE);
}

#[tokio::test]
async fn java2_and_cpp4_another_part_size_goes_on_and_another_version_does_not() {
    let world = World::new().await;
    world.emulator.enable_versioning(BUCKET);
    let version = |seed| {
        let put = world.emulator.put_virtual(BUCKET, "k", SIZE, seed);
        put.version_id.expect("a version")
    };
    let (first, second) = (version(1), version(2));
    let of = |version: &str| world.request("k").with_version_id(version);
    world.interrupted(of(&first)).await;
    let done = world.downloads(of(&first).with_part_size(MIB / 3)).await;
    assert_eq!(done.bytes_resumed, LAST);
    world.interrupted(of(&first)).await;
    let done = world.downloads(of(&second)).await;
    assert_eq!(done.bytes_resumed, 0);
    world.assert_destination_is_virtual(2, SIZE);
}

#[tokio::test]
async fn java3_the_cause_is_in_the_error_whatever_its_status() {
    let world = World::with_object().await;
    let error = world
        .interrupted_by(Verdict::status(500, "InternalError"), world.request("k"))
        .await;
    let server = error.server().expect("the server failed");
    assert_eq!((server.status_code, server.code.as_str()), (500, "InternalError"));
}

#[tokio::test]
async fn js1_a_checkpoint_in_a_directory_is_found_again() {
    let world = World::with_object().await;
    let checkpoints = world.folder.path().join("checkpoints");
    fs::create_dir(&checkpoints).expect("created");
    let request = world.request("k").with_checkpoint_file(&checkpoints);
    world.interrupted(request.clone()).await;
    assert_eq!(fs::read_dir(&checkpoints).expect("readable").count(), 1);
    let done = world.downloads(request).await;
    assert_eq!(done.bytes_resumed, LAST);
    assert_eq!(fs::read_dir(&checkpoints).expect("readable").count(), 0);
}

#[tokio::test]
async fn js2_an_object_of_the_same_size_and_second_is_another_one() {
    let world = World::with_object().await;
    let same_second = FaultRule::new(Verdict::SetHeader {
        name: "last-modified".into(),
        value: "Tue, 02 Jan 2024 03:04:05 GMT".into(),
    });
    world.emulator.add_fault(same_second.clone());
    world.interrupted(world.request("k")).await;
    world.emulator.put_virtual(BUCKET, "k", SIZE, 2);
    world.emulator.add_fault(same_second);
    let done = world.downloads(world.request("k")).await;
    assert_eq!(done.bytes_resumed, 0);
    world.assert_destination_is_virtual(2, SIZE);
}

#[tokio::test]
async fn cpp2_a_temporary_file_that_can_not_be_opened_completes_no_part() {
    let world = World::with_object().await;
    world.interrupted(world.request("k")).await;
    // In its place stands what can't be opened for writing.
    let temporary = world.temporary();
    fs::remove_file(&temporary).expect("removed");
    fs::create_dir(&temporary).expect("created");
    let error = world
        .client()
        .download_file(world.request("k"))
        .await
        .expect_err("no file");
    assert_eq!(error.kind(), ErrorKind::Disk, "{}", chain(&error));
    fs::remove_dir(&temporary).expect("removed");
    let done = world.downloads(world.request("k")).await;
    assert_eq!(done.bytes_resumed, 0);
    world.assert_destination_is_virtual(SEED, SIZE);
}

#[tokio::test]
async fn cpp5_a_rename_that_fails_is_told_and_keeps_everything() {
    let world = World::with_object().await;
    world.interrupted(world.request("k")).await;
    let (request, events) = told(world.request("k"));
    // While the last part is on its way, a directory takes the destination's place.
    let (delay, place) = (Verdict::Delay { ms: 200 }, world.destination());
    world.emulator.add_fault(FaultRule::new(delay));
    let client = world.client();
    let usurp = async {
        world.wait_for_in_flight(1).await;
        fs::create_dir(&place).expect("created");
    };
    let (result, ()) = tokio::join!(client.download_file(request), usurp);
    let error = result.expect_err("the name is taken");
    assert_eq!(error.kind(), ErrorKind::Disk, "{}", chain(&error));
    let told: Vec<_> = events.iter().map(|event| event.event_type).collect();
    assert_eq!(told.last(), Some(&DownloadEventType::RenameTempFileFailed));
    fs::remove_dir(&place).expect("removed");
    world.emulator.clear_faults();
    let done = world.downloads(world.request("k")).await;
    assert!(done.bytes_resumed > LAST, "{}", done.bytes_resumed);
    world.assert_destination_is_virtual(SEED, SIZE);
}

#[tokio::test]
async fn cli2_the_disk_holds_one_copy_of_what_came() {
    let world = World::with_object().await;
    world.interrupted(world.request("k")).await;
    let held: usize = world.contents().iter().map(|(_, bytes)| bytes.len()).sum();
    assert!((held as u64) < SIZE + MIB / 2, "{held} bytes");
}

#[tokio::test]
async fn cli3_and_native1_the_old_file_is_whole_until_the_new_one_is() {
    let world = World::with_object().await;
    fs::write(world.destination(), "precious").expect("written");
    let mut old = File::open(world.destination()).expect("there");
    world.interrupted(world.request("k")).await;
    assert_eq!(fs::read(world.destination()).expect("there"), b"precious");
    world.downloads(world.request("k")).await;
    world.assert_destination_is_virtual(SEED, SIZE);
    let mut content = String::new();
    old.read_to_string(&mut content).expect("readable");
    assert_eq!(content, "precious", "replaced by name, never written to");
}

#[tokio::test]
async fn cli4_a_limit_of_bandwidth_limits() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", MIB, SEED);
    let limiter = RateLimiter::new(4 * MIB, MIB / 4).expect("good");
    let done = world
        .downloads(world.request("k").with_rate_limiter(limiter))
        .await;
    // All but the burst, at the rate.
    let least = Duration::from_millis(750 / 4);
    assert!(done.elapsed >= least, "{:?}", done.elapsed);
}

/// Where sizes alone are compared, or a file of the right length is taken for a part that is done.
#[tokio::test]
async fn cli5_a_part_of_the_right_length_is_not_taken_for_the_right_bytes() {
    let world = World::with_object().await;
    world.interrupted(world.request("k")).await;
    let len = fs::metadata(world.temporary()).expect("there").len();
    fs::write(world.temporary(), vec![0; len as usize]).expect("written");
    let done = world.downloads(world.request("k")).await;
    assert_eq!(done.bytes_resumed, 0);
    world.assert_destination_is_virtual(SEED, SIZE);
}

//! What the machine does around a download: other processes, other clocks, too much at once.

use std::fs;
use std::process::{Command, Stdio};

use tokio::task::{JoinSet, yield_now};
use tos_emulator::{FaultRule, Verdict};
use tosget::{CancelHook, DownloadFile, ErrorKind};

use crate::support::{BUCKET, MIB, World};

const SIZE: u64 = 12 * MIB;

/// A process that is started during a download has none of its files, and so none of its locks.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_child_process_inherits_neither_files_nor_locks() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", SIZE, 1);
    world
        .emulator
        .add_fault(FaultRule::new(Verdict::StallAfter { bytes: 9, ms: None }).range_from(4 * MIB));
    let hook = CancelHook::new();
    let request = world.request("k").with_cancel_hook(hook.clone());
    let client = world.client();
    let download = tokio::spawn(async move { client.download_file(request).await });
    while world.files().len() < 2 {
        yield_now().await;
    }
    let mut child = Command::new("cat")
        .stdin(Stdio::piped())
        .spawn()
        .expect("it runs");
    let open = fs::read_dir(format!("/proc/{}/fd", child.id())).expect("a process of ours");
    let links = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let ours: Vec<_> = links
        .filter(|path| path.starts_with(world.folder.path()))
        .collect();
    hook.cancel(false);
    let error = download.await.expect("no panic").expect_err("canceled");
    assert_eq!(error.kind(), ErrorKind::Canceled);
    world.emulator.clear_faults();
    let done = world.client().download_file(world.request("k")).await;
    child.kill().and_then(|()| child.wait()).expect("it ends");
    assert_eq!(ours, Vec::<std::path::PathBuf>::new());
    done.expect("its lock is free");
    world.assert_destination_is_virtual(1, SIZE);
}

#[tokio::test]
async fn two_tasks_of_one_process_at_one_destination_do_not_mix() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", SIZE, 1);
    let client = world.client();
    let mut downloads = JoinSet::new();
    for _ in 0..4 {
        let (client, request) = (client.clone(), world.request("k"));
        downloads.spawn(async move { client.download_file(request).await });
    }
    let mut done = 0;
    while let Some(result) = downloads.join_next().await {
        match result.expect("no panic") {
            Ok(_) => done += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::CheckpointHeld, "{error}"),
        }
    }
    assert!(done >= 1);
    world.assert_destination_is_virtual(1, SIZE);
    assert_eq!(world.files(), ["object.bin"]);
}

/// The server's clock jumps against ours, which comes to the same as ours jumping against it.
#[tokio::test]
async fn a_clock_that_jumps_forth_and_back_during_a_download_costs_a_few_requests() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", SIZE, 1);
    let (client, request) = (world.client(), world.request("k").with_task_num(2));
    let jumping = async {
        for (requests, seconds) in [(3, 3 * 3600), (7, -3 * 3600), (11, 0)] {
            while world.emulator.stats().requests < requests {
                yield_now().await;
            }
            world.emulator.set_clock_offset(seconds);
        }
    };
    let (done, ()) = tokio::join!(client.download_file(request), jumping);
    let done = done.expect("downloads");
    world.assert_destination_is_virtual(1, SIZE);
    assert_eq!(done.bytes_fetched, SIZE);
    assert!(done.retries >= 2, "a time was refused at least twice");
}

/// None of them ever ends, so what is ever asked for is what was open at the same time.
#[tokio::test]
async fn ten_thousand_downloads_at_once_are_bounded_by_the_clients_limits() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", 4 * MIB, 1);
    world
        .emulator
        .add_fault(FaultRule::new(Verdict::StallAfter { bytes: 9, ms: None }));
    let builder = world.builder().idle_timeout(std::time::Duration::from_secs(3600));
    let client = builder
        .max_downloads(8)
        .max_connections(12)
        .build()
        .expect("good");
    let hook = CancelHook::new();
    let mut downloads = JoinSet::new();
    for index in 0..10_000 {
        let path = world.folder.path().join(index.to_string());
        let request = DownloadFile::new(BUCKET, "k", path)
            .with_part_size(MIB)
            .with_task_num(4)
            .with_cancel_hook(hook.clone());
        let client = client.clone();
        downloads.spawn(async move { client.download_file(request).await });
    }
    while world.emulator.stats().in_flight < 12 {
        yield_now().await;
    }
    assert!(
        world.files().len() <= 2 * 8,
        "a temporary file and a journal each"
    );
    hook.cancel(false);
    while let Some(ended) = downloads.join_next().await {
        let error = ended.expect("no panic").expect_err("canceled");
        assert_eq!(error.kind(), ErrorKind::Canceled);
    }
    assert_eq!(world.emulator.stats().peak_open_connections, 12);
    assert!(world.files().len() <= 2 * 8);
}

#[tokio::test]
async fn downloads_that_have_to_wait_for_their_turn_get_it() {
    let world = World::new().await;
    world.emulator.put_object(BUCKET, "k", "hello");
    let client = world.builder().max_downloads(3).build().expect("good");
    let mut downloads = JoinSet::new();
    for index in 0..40 {
        let request = DownloadFile::new(BUCKET, "k", world.folder.path().join(index.to_string()));
        let client = client.clone();
        downloads.spawn(async move { client.download_file(request).await });
    }
    while let Some(done) = downloads.join_next().await {
        done.expect("no panic").expect("downloads");
    }
    assert_eq!(world.files().len(), 40);
    assert!(world.emulator.stats().peak_in_flight <= 3);
}

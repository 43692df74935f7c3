//! Destinations that are no place for a file, and files that others touch between two calls.

use std::fs;
use std::path::PathBuf;

use tos_emulator::{FaultRule, Verdict};
use tosget::{DownloadFile, Error, ErrorKind};

use crate::support::{BUCKET, MIB, World, chain};

const SIZE: u64 = 6 * MIB + 7;

async fn world() -> World {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", SIZE, 1);
    world
}

/// A call that breaks at the last part, so that there is something to go on from.
async fn interrupted(world: &World, request: DownloadFile) -> Error {
    world
        .emulator
        .add_fault(FaultRule::new(Verdict::ResetAfter { bytes: 3 }).range_covers(6 * MIB));
    let client = world.builder().max_retry_count(0).build().expect("good");
    let error = client
        .download_file(request)
        .await
        .expect_err("the last part breaks");
    world.emulator.clear_faults();
    error
}

fn temporary(world: &World) -> PathBuf {
    let mut names = world.files().into_iter();
    let name = names
        .find(|name| name.ends_with("tosget-part"))
        .expect("it is there");
    world.folder.path().join(name)
}

#[tokio::test]
async fn missing_directories_are_created() {
    let world = world().await;
    let path = world.folder.path().join("a/b/c");
    let request = DownloadFile::new(BUCKET, "k", &path)
        .with_part_size(MIB)
        .with_checkpoint_file(world.folder.path().join("x/y/checkpoint"));
    world.client().download_file(request).await.expect("downloads");
    assert_eq!(fs::metadata(path).expect("there").len(), SIZE);
}

#[tokio::test]
async fn what_stands_where_a_directory_is_needed_is_named() {
    let world = world().await;
    fs::write(world.folder.path().join("a"), "a file").expect("written");
    let request = DownloadFile::new(BUCKET, "k", world.folder.path().join("a/b"));
    let error = world
        .client()
        .download_file(request)
        .await
        .expect_err("a file is no directory");
    assert!(chain(&error).contains("/a"), "{}", chain(&error));
    assert_eq!(fs::read(world.folder.path().join("a")).expect("there"), b"a file");
}

#[tokio::test]
async fn a_directory_or_a_device_is_refused_before_anything_is_asked() {
    let world = world().await;
    let directory = world.folder.path().join("directory");
    fs::create_dir(&directory).expect("created");
    let mut refused = vec![DownloadFile::new(BUCKET, "directory", world.folder.path())];
    if cfg!(unix) {
        refused.push(DownloadFile::new(BUCKET, "k", "/dev/null"));
    }
    for request in refused {
        let error = world.client().download_file(request).await.expect_err("no file");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
    assert_eq!(world.emulator.stats().requests, 0);
    assert!(directory.is_dir());
}

#[cfg(unix)]
#[tokio::test]
async fn a_symbolic_link_at_the_destination_is_replaced_and_what_it_leads_to_stays() {
    let world = world().await;
    let precious = world.folder.path().join("precious");
    fs::write(&precious, "precious").expect("written");
    std::os::unix::fs::symlink(&precious, world.destination()).expect("linked");
    interrupted(&world, world.request("k")).await;
    assert_eq!(
        fs::read_link(world.destination()).expect("still a link"),
        precious
    );
    world
        .client()
        .download_file(world.request("k"))
        .await
        .expect("goes on");
    assert!(
        fs::symlink_metadata(world.destination())
            .expect("there")
            .is_file()
    );
    world.assert_destination_is_virtual(1, SIZE);
    assert_eq!(fs::read(precious).expect("there"), b"precious");
}

/// The system's own directories take no files, not even from root.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_system_that_takes_no_files_is_told_after_one_request() {
    let world = world().await;
    let request = DownloadFile::new(BUCKET, "k", "/sys/kernel/object.bin").with_part_size(MIB);
    let error = world
        .client()
        .download_file(request)
        .await
        .expect_err("no place for files");
    assert_eq!(error.kind(), ErrorKind::Disk);
    assert!(error.to_string().contains("/sys/kernel"), "{error}");
    assert_eq!(world.emulator.stats().requests, 1);
}

/// The data stays beside the destination, so that its rename never crosses a file system; the journal may be anywhere.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_checkpoint_on_another_file_system_than_the_destination_is_resumed_all_the_same() {
    let world = world().await;
    let elsewhere = tempfile::tempdir_in("/dev/shm").expect("Linux has it");
    let checkpoint = elsewhere.path().join("checkpoint");
    let request = world.request("k").with_checkpoint_file(&checkpoint);
    let error = interrupted(&world, request.clone()).await;
    assert_eq!(error.checkpoint(), Some(checkpoint.as_path()));
    let done = world.client().download_file(request).await.expect("goes on");
    world.assert_destination_is_virtual(1, SIZE);
    assert_eq!(done.bytes_resumed + done.bytes_fetched, SIZE);
    assert!(done.bytes_resumed > 0 && !checkpoint.exists());
}

#[tokio::test]
async fn a_temporary_file_that_was_altered_cut_or_removed_between_two_calls_costs_what_is_wrong() {
    type Meddle = fn(PathBuf);
    let meddlers: [(Meddle, bool); 4] = [
        (|path| flip(path, 2 * MIB + 5), true),
        (|path| cut(path, 3 * MIB), true),
        (|path| cut(path, 0), false),
        (|path| fs::remove_file(path).expect("removed"), false),
    ];
    for (index, (meddle, keeps_some)) in meddlers.into_iter().enumerate() {
        let world = world().await;
        interrupted(&world, world.request("k")).await;
        meddle(temporary(&world));
        let done = world
            .client()
            .download_file(world.request("k"))
            .await
            .expect("mends it");
        world.assert_destination_is_virtual(1, SIZE);
        assert_eq!(done.bytes_resumed > 0, keeps_some, "case {index}");
        assert_eq!(done.bytes_resumed + done.bytes_fetched, SIZE, "case {index}");
        assert_eq!(world.files(), ["object.bin"]);
    }
}

fn flip(path: PathBuf, offset: u64) {
    let mut bytes = fs::read(&path).expect("readable");
    bytes[usize::try_from(offset).expect("small")] ^= 1;
    fs::write(path, bytes).expect("written");
}

fn cut(path: PathBuf, len: u64) {
    let file = fs::File::options().write(true).open(path).expect("there");
    file.set_len(len).expect("cut");
}

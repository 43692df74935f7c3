//! Keys, servers and neighbours that mean harm.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::TcpListener;
use tos_emulator::{FaultRule, Verdict};
use tosget::{DownloadFile, ErrorKind};

use crate::support::{BUCKET, MIB, World, chain};

#[tokio::test]
async fn a_key_with_a_nul_is_refused_as_a_name_and_comes_under_a_name_of_the_callers() {
    let world = World::new().await;
    world.emulator.put_object(BUCKET, "a\0b", "content");
    let below = DownloadFile::new(BUCKET, "a\0b", world.folder.path());
    let error = world.client().download_file(below).await.expect_err("no name");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!((world.files(), world.emulator.stats().requests), (Vec::new(), 0));
    world
        .client()
        .download_file(world.request("a\0b"))
        .await
        .expect("downloads");
    assert_eq!(fs::read(world.destination()).expect("there"), b"content");
}

#[cfg(unix)]
#[tokio::test]
async fn newlines_and_escapes_of_a_key_are_in_the_files_name_and_in_no_message() {
    let world = World::new().await;
    let key = "line\nfeed\u{1b}[2J\u{9b}31m\u{202e}.bin";
    world.emulator.put_object(BUCKET, key, "content");
    let below = |key: &str| DownloadFile::new(BUCKET, key, world.folder.path());
    let done = world.client().download_file(below(key)).await.expect("downloads");
    assert_eq!(done.file_path, world.folder.path().join(key));
    assert_eq!(fs::read(&done.file_path).expect("there"), b"content");

    let missing = format!("no{key}");
    let error = world
        .client()
        .download_file(below(&missing))
        .await
        .expect_err("not there");
    let shown = [chain(&error), format!("{error:?}"), format!("{:?}", below(key))];
    for text in shown {
        let raw = text
            .chars()
            .find(|character| character.is_control() || *character == '\u{202e}');
        assert_eq!(raw, None, "{text:?}");
    }
}

#[tokio::test]
async fn a_key_that_is_named_like_our_own_files_is_refused() {
    let world = World::new().await;
    for ending in ["tosget-part", "tosget-journal", "tosget-journal.aside"] {
        let key = format!(".object.bin.0123456789abcdef.{ending}");
        let request = DownloadFile::new(BUCKET, &key, world.folder.path());
        let error = world.client().download_file(request).await.expect_err("reserved");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{key}");
    }
    assert_eq!(world.emulator.stats().requests, 0);
}

#[cfg(unix)]
#[tokio::test]
async fn i10_a_directory_that_was_planted_as_a_link_is_not_written_through() {
    let world = World::new().await;
    world.emulator.put_object(BUCKET, "models/a.bin", "content");
    let outside = tempfile::tempdir().expect("a directory");
    std::os::unix::fs::symlink(outside.path(), world.folder.path().join("models")).expect("linked");
    let request = DownloadFile::new(BUCKET, "models/a.bin", world.folder.path());
    let error = world
        .client()
        .download_file(request)
        .await
        .expect_err("it leads outside");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(fs::read_dir(outside.path()).expect("readable").count(), 0);
}

/// The names of our files can be foretold.
#[cfg(unix)]
#[tokio::test]
async fn i10_links_that_were_planted_under_the_names_of_our_own_files_are_not_written_through() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", 3 * MIB, 1);
    world
        .emulator
        .add_fault(FaultRule::new(Verdict::ResetAfter { bytes: 9 }).range_covers(2 * MIB));
    let client = world.builder().max_retry_count(0).build().expect("good");
    client
        .download_file(world.request("k"))
        .await
        .expect_err("the last part breaks");
    world.emulator.clear_faults();
    let own: Vec<PathBuf> = world
        .files()
        .iter()
        .map(|name| world.folder.path().join(name))
        .collect();
    assert_eq!(own.len(), 2, "the temporary file and its journal");
    for planted in &own {
        for path in &own {
            let _ = fs::remove_file(path);
        }
        let victim = world.folder.path().join("victim");
        fs::write(&victim, "precious").expect("written");
        std::os::unix::fs::symlink(&victim, planted).expect("linked");
        let error = client
            .download_file(world.request("k"))
            .await
            .expect_err("a link stands there");
        assert_eq!(error.kind(), ErrorKind::Disk, "{}", chain(&error));
        assert_eq!(fs::read(&victim).expect("there"), b"precious");
        assert!(!world.destination().exists());
        fs::remove_file(planted).expect("removed");
    }
    client
        .download_file(world.request("k"))
        .await
        .expect("nothing is in the way any more");
}

#[tokio::test]
async fn i10_a_redirect_to_another_host_is_not_followed_and_no_credentials_go_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let elsewhere = listener.local_addr().expect("an address");
    let visitors = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&visitors);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counting.fetch_add(1, Ordering::SeqCst);
        }
    });
    for status in [301, 302, 303, 307, 308] {
        let world = World::new().await;
        world.emulator.put_virtual(BUCKET, "k", 4 * MIB, 1);
        let redirect = Verdict::Redirect {
            status,
            location: format!("http://{elsewhere}/bucket-test/k?X-Tos-Signature=s"),
        };
        world
            .emulator
            .add_fault(FaultRule::new(redirect).range_from(2 * MIB));
        let error = world
            .client()
            .download_file(world.request("k"))
            .await
            .expect_err("redirected");
        assert_eq!(error.server().map(|server| server.status_code), Some(status));
        let story = chain(&error);
        assert!(
            story.contains(&elsewhere.to_string()) && !story.contains("Signature="),
            "{story}"
        );
        world.emulator.clear_faults();
        world
            .client()
            .download_file(world.request("k"))
            .await
            .expect("goes on");
        world.assert_destination_is_virtual(1, 4 * MIB);
    }
    assert_eq!(visitors.load(Ordering::SeqCst), 0);
}

//! Downloads in which nothing, or nothing but the caller, gets in the way.

use std::fs;
use std::time::Duration;

use tosget::{Batch, DownloadFile, HeadObject, PreSignedUrl, Progress, Recheck, Verification};

use crate::support::{BUCKET, MIB, World};

#[tokio::test]
async fn a_large_object_comes_down_in_parts_and_is_proven() {
    let world = World::new().await;
    let summary = world
        .emulator
        .put_virtual(BUCKET, "dir/model.bin", 21 * MIB + 77, 1);
    let progress = Progress::new();
    let request = world.request("dir/model.bin").with_progress(progress.clone());
    let done = world.client().download_file(request).await.expect("downloads");
    world.assert_destination_is_virtual(1, 21 * MIB + 77);
    assert_eq!(done.verification, Verification::Crc64);
    assert_eq!(done.content_crc64, Some(summary.crc64));
    assert_eq!(done.object.etag.as_deref(), Some(summary.etag.trim_matches('"')));
    assert_eq!((done.bytes_fetched, done.requests), (21 * MIB + 77, 22));
    assert_eq!(progress.snapshot().consumed_bytes, 21 * MIB + 77);
    assert_eq!(world.files(), ["object.bin"]);
}

#[tokio::test]
async fn a_small_object_takes_one_request_in_all() {
    let world = World::new().await;
    world.emulator.put_object(BUCKET, "small", "hello TOS");
    world
        .client()
        .download_file(world.request("small"))
        .await
        .expect("downloads");
    assert_eq!(fs::read(world.destination()).expect("there"), b"hello TOS");
    assert_eq!(world.emulator.stats().requests, 1);
}

#[tokio::test]
async fn an_empty_object_becomes_an_empty_file() {
    let world = World::new().await;
    world.emulator.put_object(BUCKET, "empty", "");
    let done = world
        .client()
        .download_file(world.request("empty"))
        .await
        .expect("downloads");
    assert_eq!(fs::read(world.destination()).expect("there"), b"");
    assert_eq!(done.verification, Verification::Crc64);
}

#[tokio::test]
async fn ranges_that_the_server_proves_are_checked_as_they_come() {
    let world = World::with(|emulator| emulator.grant_range_crc(true)).await;
    world.emulator.put_virtual(BUCKET, "k", 5 * MIB + 1, 2);
    world
        .client()
        .download_file(world.request("k"))
        .await
        .expect("downloads");
    world.assert_destination_is_virtual(2, 5 * MIB + 1);
    let asked = world.gets();
    let wish = (
        "x-tos-trailer".to_owned(),
        "x-tos-hash-range-crc64ecma".to_owned(),
    );
    assert!(asked.iter().all(|request| request.headers.contains(&wish)));
}

#[tokio::test]
async fn a_version_is_downloaded_and_resumed_as_that_version() {
    let world = World::new().await;
    world.emulator.enable_versioning(BUCKET);
    let old = world
        .emulator
        .put_virtual(BUCKET, "k", 6 * MIB, 3)
        .version_id
        .expect("a version");
    world.emulator.put_virtual(BUCKET, "k", 7 * MIB, 4);
    world.emulator.add_fault(
        tos_emulator::FaultRule::new(tos_emulator::Verdict::ResetAfter { bytes: 1000 }).range_covers(5 * MIB),
    );
    let client = world
        .builder()
        .max_retry_count(0)
        .build()
        .expect("a good configuration");
    let request = world.request("k").with_version_id(&old);
    client
        .download_file(request.clone())
        .await
        .expect_err("the last part breaks");
    world.emulator.clear_faults();
    let done = client.download_file(request).await.expect("resumes");
    world.assert_destination_is_virtual(3, 6 * MIB);
    assert!(done.bytes_resumed > 0);
    assert_eq!(done.object.version_id, Some(old));
}

#[tokio::test]
async fn without_a_version_every_part_comes_from_the_one_that_the_probe_found() {
    let world = World::new().await;
    world.emulator.enable_versioning(BUCKET);
    let version = world
        .emulator
        .put_virtual(BUCKET, "k", 3 * MIB, 3)
        .version_id
        .expect("a version");
    world
        .client()
        .download_file(world.request("k"))
        .await
        .expect("downloads");
    let later = &world.gets()[1..];
    assert!(
        later
            .iter()
            .all(|request| request.query.contains(&version) && request.if_match.is_some())
    );
}

#[tokio::test]
async fn a_version_that_is_gone_is_no_dead_end_where_none_was_asked_for() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", 6 * MIB, 3);
    let fault = |verdict| tos_emulator::FaultRule::new(verdict);
    // As if an expired version had been the current one until now.
    world.emulator.add_fault(fault(tos_emulator::Verdict::SetHeader {
        name: "x-tos-version-id".into(),
        value: "expired".into(),
    }));
    let cut = fault(tos_emulator::Verdict::ResetAfter { bytes: 600_000 });
    world.emulator.add_fault(cut.nth(1));
    let client = world
        .builder()
        .max_retry_count(0)
        .build()
        .expect("a good configuration");
    client
        .download_file(world.request("k"))
        .await
        .expect_err("the parts break");
    assert!(world.files().iter().any(|name| name.ends_with("journal")));
    world.emulator.clear_faults();
    let done = client
        .download_file(world.request("k"))
        .await
        .expect("starts anew");
    world.assert_destination_is_virtual(3, 6 * MIB);
    assert!(done.set_aside.is_some_and(|reason| reason.contains("version")));
    assert_eq!(world.files(), ["object.bin"]);

    let asked_for = world.request("k").with_version_id("expired");
    let refused = client
        .download_file(asked_for)
        .await
        .expect_err("that one is gone");
    assert_eq!(
        refused.server().map(|server| server.code.as_str()),
        Some("NoSuchVersion")
    );
}

#[tokio::test]
async fn keys_below_a_directory_and_keys_that_are_directories_behave_as_in_the_sdks() {
    let world = World::new().await;
    world.emulator.put_object(BUCKET, "a/b/c.txt", "c");
    world.emulator.put_object(BUCKET, "a/d/", "");
    let client = world.client();
    let into = |key: &str| DownloadFile::new(BUCKET, key, world.folder.path());
    let done = client.download_file(into("a/b/c.txt")).await.expect("downloads");
    assert_eq!(done.file_path, world.folder.path().join("a/b/c.txt"));
    assert_eq!(fs::read(&done.file_path).expect("there"), b"c");
    client
        .download_file(into("a/d/"))
        .await
        .expect("makes a directory");
    assert!(world.folder.path().join("a/d").is_dir());
}

#[tokio::test]
async fn i10_a_key_that_would_leave_the_directory_is_refused_before_anything_is_asked() {
    let world = World::new().await;
    world.emulator.put_object(BUCKET, "../evil", "x");
    let below = world.folder.path().join("below");
    fs::create_dir(&below).expect("created");
    for key in ["../evil", "/etc/evil", "a/../../evil"] {
        let request = DownloadFile::new(BUCKET, key, &below);
        let error = world.client().download_file(request).await.expect_err("refused");
        assert_eq!(error.kind(), tosget::ErrorKind::InvalidArgument, "{key}");
    }
    assert_eq!(
        (world.files(), world.emulator.stats().requests),
        (vec!["below".to_owned()], 0)
    );
}

#[tokio::test]
async fn rechecking_always_reads_back_and_comes_to_the_same() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", 9 * MIB, 5);
    let fault =
        tos_emulator::FaultRule::new(tos_emulator::Verdict::ResetAfter { bytes: 0 }).range_covers(8 * MIB);
    world.emulator.add_fault(fault);
    let client = world
        .builder()
        .max_retry_count(0)
        .build()
        .expect("a good configuration");
    client
        .download_file(world.request("k"))
        .await
        .expect_err("the last part breaks");
    world.emulator.clear_faults();
    world.emulator.reset_log();
    let done = client
        .download_file(world.request("k").with_recheck(Recheck::Always))
        .await
        .expect("resumes");
    world.assert_destination_is_virtual(5, 9 * MIB);
    assert_eq!(world.emulator.stats().body_bytes_sent, done.bytes_fetched);
    assert_eq!(done.bytes_fetched + done.bytes_resumed, 9 * MIB);
}

#[tokio::test]
async fn an_object_without_an_etag_is_pinned_by_its_time() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", 4 * MIB, 6);
    world
        .emulator
        .add_fault(tos_emulator::FaultRule::new(tos_emulator::Verdict::HideEtag));
    let done = world
        .client()
        .download_file(world.request("k"))
        .await
        .expect("downloads");
    world.assert_destination_is_virtual(6, 4 * MIB);
    assert_eq!(done.object.etag, None);
    let pinned = |request: &tos_emulator::RequestRecord| {
        request
            .headers
            .iter()
            .any(|(name, _)| name == "if-unmodified-since")
    };
    assert!(world.gets()[1..].iter().all(pinned));
}

#[tokio::test]
async fn what_the_service_knows_can_be_asked_without_the_bytes() {
    let world = World::new().await;
    let summary = world.emulator.put_object(BUCKET, "k", "hello");
    let head = world
        .client()
        .head_object(HeadObject::new(BUCKET, "k"))
        .await
        .expect("it is there");
    assert_eq!(
        (head.content_length, head.hash_crc64ecma),
        (5, Some(summary.crc64))
    );
    assert!(head.request_id.is_some());
    let error = world
        .client()
        .head_object(HeadObject::new(BUCKET, "nope"))
        .await
        .expect_err("not there");
    assert_eq!(
        error.server().map(|server| server.code.as_str()),
        Some("NoSuchKey"),
        "{error}"
    );
}

#[tokio::test]
async fn a_presigned_url_opens_the_object_to_who_has_no_key() {
    let world = World::new().await;
    world.emulator.put_object(BUCKET, "dir/a b+中.txt", "secret");
    let request = PreSignedUrl::new(BUCKET, "dir/a b+中.txt").with_expires(Duration::from_secs(60));
    let url = world.client().pre_signed_url(request).await.expect("signed");
    let output = tokio::process::Command::new("curl")
        .args(["-sS", "--noproxy", "*", &url])
        .output()
        .await;
    assert_eq!(output.expect("curl runs").stdout, b"secret");
}

#[test]
fn the_blocking_client_does_the_same_without_a_runtime() {
    let emulator = tos_emulator::Emulator::builder()
        .spawn()
        .expect("the emulator starts");
    emulator.create_bucket(BUCKET);
    emulator.put_virtual(BUCKET, "k", 3 * MIB, 8);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let builder = tosget::TosClient::builder()
        .endpoint(emulator.endpoint())
        .region(emulator.region())
        .credentials(tosget::Credentials::new(
            emulator.access_key(),
            emulator.secret_key(),
        ));
    let client = tosget::blocking::TosClient::new(builder).expect("a good configuration");
    let request = DownloadFile::new(BUCKET, "k", folder.path().join("k")).with_part_size(MIB);
    let done = client.download_file(request).expect("downloads");
    assert_eq!(
        (done.bytes_fetched, done.verification),
        (3 * MIB, Verification::Crc64)
    );
    assert_eq!(
        client
            .head_object(HeadObject::new(BUCKET, "k"))
            .expect("there")
            .content_length,
        3 * MIB
    );

    emulator.put_object(BUCKET, "small", "small".to_owned());
    let requests =
        ["k", "small", "missing"].map(|key| DownloadFile::new(BUCKET, key, folder.path().join("all/")));
    let results = client.download_batch(Batch::new(requests)).expect("a good batch");
    let mut sizes: Vec<_> = results
        .map(|done| (done.index, done.result.map(|output| output.bytes_fetched).ok()))
        .collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [(0, Some(3 * MIB)), (1, Some(5)), (2, None)]);
    assert_eq!(
        fs::read(folder.path().join("all/small")).expect("there"),
        b"small"
    );
}

#[tokio::test]
async fn a_name_of_255_bytes_is_a_destination_like_any_other() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", 3 * MIB, 1);
    let name = "模".repeat(85);
    assert_eq!(name.len(), 255);
    let fault =
        tos_emulator::FaultRule::new(tos_emulator::Verdict::ResetAfter { bytes: 9 }).range_covers(2 * MIB);
    world.emulator.add_fault(fault);
    let client = world
        .builder()
        .max_retry_count(0)
        .build()
        .expect("a good configuration");
    let request = DownloadFile::new(BUCKET, "k", world.folder.path().join(&name)).with_part_size(MIB);
    client
        .download_file(request.clone())
        .await
        .expect_err("the last part breaks");
    world.emulator.clear_faults();
    let done = client.download_file(request).await.expect("resumes");
    assert!(done.bytes_resumed > 0);
    assert_eq!(world.files(), [name]);
}

#[tokio::test]
async fn the_file_gets_the_objects_time_where_the_caller_wants_that() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", 3 * MIB, 1);
    let client = world.client();
    // As if it had been written long ago.
    let date = "Tue, 02 Jan 2024 03:04:05 GMT".to_owned();
    let header = tos_emulator::Verdict::SetHeader {
        name: "last-modified".into(),
        value: date,
    };
    world.emulator.add_fault(tos_emulator::FaultRule::new(header));
    let request = world.request("k").with_preserve_mtime(true);
    let done = client.download_file(request).await.expect("downloads");
    let metadata = fs::metadata(world.destination()).expect("there");
    let modified = metadata.modified().expect("this platform tells");
    let written = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_704_164_645);
    assert_eq!((modified, done.object.last_modified), (written, Some(written)));
}

#[tokio::test]
async fn a_download_can_be_given_to_another_thread() {
    let world = World::new().await;
    world.emulator.put_object(BUCKET, "k", "hello");
    let (client, request) = (world.client(), world.request("k"));
    let download = tokio::spawn(async move { client.download_file(request).await });
    download.await.expect("no panic").expect("downloads");
    let (client, head) = (world.client(), HeadObject::new(BUCKET, "k"));
    let question = tokio::spawn(async move { client.head_object(head).await });
    question.await.expect("no panic").expect("there");
}

//! What users of other tools complain about, where no other test is about it. The numbers are those of docs/compared.md.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tos_emulator::{FaultRule, Verdict};
use tosget::{Credentials, CredentialsFuture, CredentialsProvider, DownloadFile, ErrorKind, Verification};

use super::{SEED, SIZE};
use crate::support::{BUCKET, MIB, World, chain};

#[tokio::test]
async fn u24_an_object_that_is_not_there_leaves_no_file() {
    let world = World::new().await;
    let request = DownloadFile::new(BUCKET, "nope", world.folder.path().join("new/object.bin"));
    let error = world
        .client()
        .download_file(request)
        .await
        .expect_err("not there");
    assert_eq!(error.server().map(|server| server.status_code), Some(404));
    assert_eq!(world.files(), [""; 0], "no directory either");
}

#[tokio::test]
async fn u37_a_destination_that_can_not_be_is_an_error_before_anything_is_asked() {
    let world = World::with_object().await;
    fs::write(world.folder.path().join("file"), "not a directory").expect("written");
    let path = world.folder.path().join("file/object.bin");
    let request = DownloadFile::new(BUCKET, "k", path).with_part_size(MIB);
    let error = world
        .client()
        .download_file(request)
        .await
        .expect_err("no directory");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{}", chain(&error));
    assert_eq!(world.emulator.stats().requests, 0);
}

/// Counts how often it is asked.
struct Renewing(Credentials, AtomicU32);

impl CredentialsProvider for Renewing {
    fn credentials(&self) -> CredentialsFuture<'_> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.credentials()
    }
}

#[tokio::test]
async fn u68_credentials_that_expire_on_the_way_are_asked_for_anew() {
    let world = World::with_object().await;
    let expired = Verdict::status(403, "ExpiredToken");
    world
        .emulator
        .add_fault(FaultRule::new(expired).range_from(4 * MIB).times(2));
    let keys = Credentials::new(world.emulator.access_key(), world.emulator.secret_key());
    let provider = Arc::new(Renewing(keys, AtomicU32::new(0)));
    let client = world.builder().credentials_provider(provider.clone()).build();
    let done = client.expect("good").download_file(world.request("k")).await;
    let done = done.unwrap_or_else(|error| panic!("{}", chain(&error)));
    world.assert_destination_is_virtual(SEED, SIZE);
    assert_eq!(done.retries, 2);
    assert_eq!(u64::from(provider.1.load(Ordering::Relaxed)), done.requests);
}

#[tokio::test]
async fn u74_an_object_that_is_stored_encoded_is_downloaded_as_it_is_stored() {
    let world = World::new().await;
    let content: Vec<u8> = (0..3 * MIB).map(|index| (index % 249) as u8).collect();
    let headers = [("content-encoding", "gzip")];
    world
        .emulator
        .put_object_with(BUCKET, "k", content.clone(), &headers);
    let done = world.downloads(world.request("k")).await;
    assert!(fs::read(world.destination()).expect("there") == content);
    assert_eq!(done.verification, Verification::Crc64);
}

//! Every key is asked for byte for byte, over every way to name a bucket.

use std::fs;

use tosget::{DownloadFile, TosClient};

use crate::support::{BUCKET, MIB, World};

/// Keys that a URL library would alter.
const KEYS: [&str; 14] = [
    "a//b",
    "x/./y",
    "../up",
    "x/../y",
    ".",
    "..",
    "/lead",
    "trail/x//",
    "中文/模型.bin",
    "a+b",
    "100%",
    "%41",
    "a b",
    "q?x=1#f&g",
];

async fn download_all(world: &World, client: &TosClient, bucket: &str) {
    for (index, key) in KEYS.into_iter().enumerate() {
        let content = format!("content {index}");
        world.emulator.put_object(BUCKET, key, content.clone());
        let request = DownloadFile::new(bucket, key, world.destination());
        client
            .download_file(request)
            .await
            .unwrap_or_else(|error| panic!("{key}: {error:?}"));
        assert_eq!(
            fs::read_to_string(world.destination()).expect("there"),
            content,
            "{key}"
        );
    }
}

#[tokio::test]
async fn path_style_on_an_ip_address() {
    let world = World::new().await;
    download_all(&world, &world.client(), BUCKET).await;
}

#[tokio::test]
async fn virtual_host_style_through_a_proxy_that_knows_the_names() {
    let world = World::new().await;
    let client = world
        .builder()
        .endpoint("http://tos.test")
        .proxy(world.emulator.endpoint())
        .build()
        .expect("good");
    download_all(&world, &client, BUCKET).await;
    let hosts: Vec<String> = world
        .emulator
        .requests()
        .into_iter()
        .map(|request| request.host)
        .collect();
    assert!(
        hosts.iter().all(|host| host == "bucket-test.tos.test"),
        "{hosts:?}"
    );
}

#[tokio::test]
async fn a_custom_domain_stands_for_its_bucket() {
    let world = World::with(|emulator| emulator.custom_domain("cdn.example", BUCKET)).await;
    let builder = world
        .builder()
        .endpoint("http://cdn.example")
        .proxy(world.emulator.endpoint());
    let client = builder.is_custom_domain(true).build().expect("good");
    download_all(&world, &client, "any name at all").await;
}

#[tokio::test]
async fn a_bucket_that_anyone_may_read_needs_no_key() {
    let world = World::new().await;
    world.emulator.public_bucket("public-bucket");
    world.emulator.put_object("public-bucket", "k", "open");
    let client = TosClient::builder()
        .endpoint(world.emulator.endpoint())
        .anonymous()
        .build()
        .expect("good");
    client
        .download_file(DownloadFile::new("public-bucket", "k", world.destination()))
        .await
        .expect("downloads");
    assert_eq!(fs::read(world.destination()).expect("there"), b"open");
}

#[tokio::test]
async fn tls_with_an_authority_of_ones_own() {
    let certificates = tempfile::tempdir().expect("a temporary directory");
    let world = World::with(|emulator| emulator.tls_self_signed(certificates.path())).await;
    world.emulator.put_virtual(BUCKET, "k", 3 * MIB, 9);
    let untrusting = world
        .client()
        .download_file(world.request("k"))
        .await
        .expect_err("nobody knows the authority");
    assert_eq!(untrusting.kind(), tosget::ErrorKind::Network);
    assert!(!untrusting.is_transient(), "another try would end the same");
    let authority = fs::read_dir(certificates.path())
        .expect("readable")
        .map(|entry| entry.expect("readable").path())
        .find(|path| {
            path.file_name().is_some_and(|name| {
                name.to_string_lossy().starts_with("ca") && !name.to_string_lossy().contains("key")
            })
        })
        .expect("the emulator wrote its authority");
    let client = world.builder().ca_file(authority).build().expect("good");
    client.download_file(world.request("k")).await.expect("downloads");
    world.assert_destination_is_virtual(9, 3 * MIB);
}

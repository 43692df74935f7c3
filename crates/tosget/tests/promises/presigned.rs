//! A URL opens an object to who has no key, for as long as it holds; the next URL goes on where it stopped.

use std::fs;
use std::time::Duration;

use tos_emulator::{FaultRule, RequestRecord, Verdict, virtual_content};
use tosget::{
    Credentials, DownloadFile, Error, ErrorKind, HeadObject, PreSignedUrl, TosClient, Verification, blocking,
};

use crate::support::{BUCKET, MIB, World, chain};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A client that has been told of nothing: no endpoint, no key.
fn stranger() -> TosClient {
    TosClient::builder()
        .idle_timeout(Duration::from_millis(500))
        .build()
        .expect("needs nothing")
}

async fn url_of(client: &TosClient, request: PreSignedUrl) -> String {
    client.pre_signed_url(request).await.expect("signed")
}

async fn url(world: &World, key: &str) -> String {
    url_of(&world.client(), PreSignedUrl::new(BUCKET, key)).await
}

/// A download of what is at `url` to the destination in parts of a mebibyte.
fn download(world: &World, url: &str) -> DownloadFile {
    DownloadFile::from_pre_signed_url(url, world.destination())
        .with_part_size(MIB)
        .with_task_num(4)
}

fn query_of(url: &str) -> &str {
    url.split_once('?').map_or("", |(_, query)| query)
}

/// What makes a URL a secret.
fn signature_of(url: &str) -> &str {
    let (_, rest) = url.split_once("X-Tos-Signature=").expect("signed");
    rest.split('&').next().unwrap_or(rest)
}

fn everything_said(error: &Error) -> String {
    format!(
        "{error:?} {} {:?} {:?}",
        chain(error),
        error.hint(),
        error.server()
    )
}

fn header<'a>(request: &'a RequestRecord, name: &str) -> Option<&'a str> {
    let found = request.headers.iter().find(|(given, _)| given == name);
    found.map(|(_, value)| value.as_str())
}

#[tokio::test]
async fn a_url_is_all_that_is_needed() {
    let world = World::new().await;
    world
        .emulator
        .put_virtual(BUCKET, "dir/模 型+1.bin", 5 * MIB + 7, 1);
    let url = url(&world, "dir/模 型+1.bin").await;
    let done = stranger()
        .download_file(download(&world, &url))
        .await
        .expect("downloads");
    world.assert_destination_is_virtual(1, 5 * MIB + 7);
    assert_eq!((done.verification, done.requests), (Verification::Crc64, 6));
    for request in world.emulator.requests() {
        assert_eq!(
            (request.method.as_str(), request.query.as_str()),
            ("GET", query_of(&url))
        );
        assert!(request.range.is_some());
    }
    assert!(world.gets()[1..].iter().all(|request| request.if_match.is_some()));
    assert_eq!(world.files(), ["object.bin"]);
}

#[tokio::test]
async fn ranges_are_proven_by_url_too() {
    let world = World::with(|emulator| emulator.grant_range_crc(true)).await;
    world.emulator.put_virtual(BUCKET, "k", 4 * MIB, 1);
    world.emulator.add_fault(
        FaultRule::new(Verdict::FlipByte { offset: 2 * MIB })
            .range_covers(2 * MIB)
            .times(1),
    );
    let url = url(&world, "k").await;
    let done = stranger()
        .download_file(download(&world, &url))
        .await
        .expect("downloads");
    world.assert_destination_is_virtual(1, 4 * MIB);
    assert_eq!(done.bytes_fetched, 5 * MIB, "one part came twice");
}

#[tokio::test]
async fn a_client_with_keys_of_its_own_sends_none_of_them() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", 3 * MIB, 1);
    let url = url(&world, "k").await;
    let keys = Credentials::new("AKLT-mine", "my-secret").with_security_token("my-token");
    let client = world
        .builder()
        .endpoint("http://elsewhere.test")
        .credentials(keys)
        .build()
        .expect("good");
    client
        .download_file(download(&world, &url))
        .await
        .expect("downloads");
    client
        .head_object(HeadObject::from_pre_signed_url(&url))
        .await
        .expect("there");
    for request in world.emulator.requests() {
        let ours: Vec<&String> = request
            .headers
            .iter()
            .map(|(name, _)| name)
            .filter(|name| name.starts_with("x-tos-") && *name != "x-tos-trailer")
            .collect();
        assert_eq!(ours, [""; 0]);
        let sent = format!("{request:?}");
        assert!(
            !sent.contains("AKLT-mine") && !sent.contains("my-token"),
            "{sent}"
        );
    }
}

#[tokio::test]
async fn a_url_that_has_expired_says_so() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", 3 * MIB, 1);
    let url = url(&world, "k").await;
    world.emulator.set_clock_offset(2 * 3600);
    let error = stranger()
        .download_file(download(&world, &url))
        .await
        .expect_err("expired");
    assert_eq!(error.kind(), ErrorKind::Server);
    assert_eq!(error.server().map(|server| server.status_code), Some(403));
    assert!(error.to_string().contains("Request has expired"), "{error}");
    let hint = error.hint().expect("a hint");
    assert!(
        hint.contains("expired") && hint.contains("make a new one"),
        "{hint}"
    );
    assert!(!error.is_transient());
    assert!(
        error
            .to_string()
            .contains(&format!("{}/{BUCKET}/k", world.emulator.endpoint())),
        "{error}"
    );
    assert_eq!((world.files(), world.emulator.stats().requests), (Vec::new(), 1));
}

#[tokio::test]
async fn a_url_that_expires_under_way_is_followed_by_one_of_anybody_else() {
    let world =
        World::with(|emulator| emulator.credential("AKLT2", "another-secret", Some("a-token".into()))).await;
    world.emulator.put_virtual(BUCKET, "k", 8 * MIB, 1);
    let first = url(&world, "k").await;
    // The part at 5 MiB stalls; when it is asked for again, two hours have passed for the server.
    let stall = FaultRule::new(Verdict::StallAfter {
        bytes: 1000,
        ms: None,
    });
    world.emulator.add_fault(stall.range_covers(5 * MIB).times(1));
    let client = stranger();
    let expiry = async {
        while world.gets().iter().all(|request| request.faults.is_empty()) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        world.emulator.set_clock_offset(2 * 3600);
    };
    let (ended, ()) = tokio::join!(client.download_file(download(&world, &first)), expiry);
    let error = ended.expect_err("expires");
    assert_eq!(error.kind(), ErrorKind::Server, "{error}");
    let hint = error.hint().expect("a hint");
    assert!(
        hint.contains("make a new one") && hint.contains("run the same download with it"),
        "{hint}"
    );
    let journal = fs::read(error.checkpoint().expect("kept")).expect("readable");
    let journal = String::from_utf8_lossy(&journal);
    assert!(journal.contains(&format!("/{BUCKET}/k")), "it names the object");
    assert!(!journal.contains("X-Tos-") && !journal.contains(signature_of(&first)));

    // Another key and another life: another query for the same object.
    let keys = Credentials::new("AKLT2", "another-secret").with_security_token("a-token");
    let other = world.builder().credentials(keys).build().expect("good");
    let second = url_of(&other, PreSignedUrl::new(BUCKET, "k").with_expires(DAY)).await;
    assert_ne!(query_of(&first), query_of(&second));
    let done = client
        .download_file(download(&world, &second))
        .await
        .expect("goes on");
    world.assert_destination_is_virtual(1, 8 * MIB);
    assert!(done.bytes_resumed >= MIB && done.set_aside.is_none(), "{done:?}");
    assert_eq!(done.bytes_fetched + done.bytes_resumed, 8 * MIB);
    assert_eq!(world.files(), ["object.bin"]);
}

/// Downloads all of `k` but its last mebibyte, and keeps the checkpoint.
async fn all_but_the_end(world: &World, url: &str, end: u64) {
    let fault = FaultRule::new(Verdict::ResetAfter { bytes: 1000 }).range_covers(end);
    world.emulator.add_fault(fault);
    let client = TosClient::builder().max_retry_count(0).build().expect("good");
    let error = client
        .download_file(download(world, url))
        .await
        .expect_err("the last part breaks");
    assert!(error.is_resumable(), "{error}");
    world.emulator.clear_faults();
}

#[tokio::test]
async fn a_fresh_url_never_mixes_what_was_replaced_meanwhile() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", 6 * MIB, 1);
    let first = url(&world, "k").await;
    all_but_the_end(&world, &first, 5 * MIB).await;
    world.emulator.put_virtual(BUCKET, "k", 6 * MIB, 2);
    let done = stranger()
        .download_file(download(&world, &first))
        .await
        .expect("starts afresh");
    world.assert_destination_is_virtual(2, 6 * MIB);
    assert!(done.set_aside.is_some());
}

#[tokio::test]
async fn a_version_is_part_of_what_a_url_names() {
    let world = World::new().await;
    world.emulator.enable_versioning(BUCKET);
    let versions: Vec<String> = (1..=2)
        .map(|seed| world.emulator.put_virtual(BUCKET, "k", 6 * MIB, seed))
        .map(|stored| stored.version_id.expect("a version"))
        .collect();
    let mut urls = Vec::new();
    for version in &versions {
        urls.push(
            url_of(
                &world.client(),
                PreSignedUrl::new(BUCKET, "k").with_version_id(version),
            )
            .await,
        );
    }
    all_but_the_end(&world, &urls[0], 5 * MIB).await;
    let fresh = PreSignedUrl::new(BUCKET, "k")
        .with_version_id(&versions[0])
        .with_expires(DAY);
    let fresh = url_of(&world.client(), fresh).await;
    let done = stranger()
        .download_file(download(&world, &fresh))
        .await
        .expect("goes on");
    world.assert_destination_is_virtual(1, 6 * MIB);
    assert!(done.bytes_resumed >= 5 * MIB);
    assert_eq!(done.object.version_id.as_ref(), Some(&versions[0]));

    fs::remove_file(world.destination()).expect("removed");
    all_but_the_end(&world, &urls[0], 5 * MIB).await;
    let done = stranger()
        .download_file(download(&world, &urls[1]))
        .await
        .expect("starts afresh");
    world.assert_destination_is_virtual(2, 6 * MIB);
    assert!(done.set_aside.is_some_and(|reason| reason.contains("version")));
}

#[tokio::test]
async fn what_is_at_a_url_can_be_asked_by_get_alone() {
    let world = World::new().await;
    let stored = world.emulator.put_object(BUCKET, "k", "hello");
    world.emulator.put_object(BUCKET, "empty", "");
    let head = HeadObject::from_pre_signed_url(url(&world, "k").await);
    let head = stranger().head_object(head).await.expect("there");
    assert_eq!(
        (head.content_length, head.hash_crc64ecma),
        (5, Some(stored.crc64))
    );
    assert_eq!(world.emulator.stats().requests, 1);
    let empty = url(&world, "empty").await;
    let head = stranger()
        .head_object(HeadObject::from_pre_signed_url(&empty))
        .await
        .expect("there");
    assert_eq!((head.content_length, head.hash_crc64ecma), (0, Some(0)));
    let done = stranger()
        .download_file(download(&world, &empty))
        .await
        .expect("downloads");
    assert_eq!(
        (done.verification, fs::read(world.destination()).expect("there")),
        (Verification::Crc64, vec![])
    );
    assert!(
        world
            .emulator
            .requests()
            .iter()
            .all(|request| request.method == "GET")
    );
    let error = stranger()
        .head_object(HeadObject::from_pre_signed_url(url(&world, "nope").await))
        .await;
    let error = error.expect_err("not there");
    assert_eq!(
        error.server().map(|server| server.code.as_str()),
        Some("NoSuchKey"),
        "{error}"
    );
}

#[tokio::test]
async fn a_public_url_needs_no_signature() {
    let world = World::new().await;
    world.emulator.public_bucket("public-bucket");
    world.emulator.put_virtual("public-bucket", "a b", 3 * MIB, 4);
    let url = format!("{}/public-bucket/a%20b", world.emulator.endpoint());
    stranger()
        .download_file(download(&world, &url))
        .await
        .expect("downloads");
    world.assert_destination_is_virtual(4, 3 * MIB);
    let private = format!("{}/{BUCKET}/k", world.emulator.endpoint());
    world.emulator.put_object(BUCKET, "k", "x");
    let error = stranger()
        .download_file(download(&world, &private))
        .await
        .expect_err("not open");
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("does not open the object")),
        "{error}"
    );
}

#[tokio::test]
async fn every_key_comes_through_a_url_byte_for_byte() {
    let world = World::new().await;
    for key in [
        "a//b",
        "x/./y",
        "../up",
        ".",
        "/lead",
        "中文/模型.bin",
        "a+b",
        "100%",
        "%41",
        "q?x=1#f&g",
    ] {
        world.emulator.put_object(BUCKET, key, key.to_owned());
        let url = url(&world, key).await;
        stranger()
            .download_file(download(&world, &url))
            .await
            .unwrap_or_else(|error| panic!("{key}: {error:?}"));
        assert_eq!(fs::read(world.destination()).expect("there"), key.as_bytes());
    }
}

#[tokio::test]
async fn a_server_that_ignores_ranges_is_read_in_one_answer() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", 3 * MIB, 1);
    world.emulator.add_fault(FaultRule::new(Verdict::IgnoreRange));
    let url = url(&world, "k").await;
    let done = stranger()
        .download_file(download(&world, &url))
        .await
        .expect("downloads");
    world.assert_destination_is_virtual(1, 3 * MIB);
    assert_eq!(done.verification, Verification::Crc64);
    assert!(
        done.one_answer
            .is_some_and(|reason| reason.contains("ignores ranges"))
    );
    assert_eq!(world.files(), ["object.bin"]);
}

#[tokio::test]
async fn what_nothing_tells_apart_is_never_put_together() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", 3 * MIB, 1);
    world.emulator.add_fault(FaultRule::new(Verdict::HideEtag));
    world.emulator.add_fault(FaultRule::new(Verdict::HideCrc));
    // Written in this very second: it may be written again within it.
    let url = url_of(&world.client(), PreSignedUrl::new(BUCKET, "k").with_expires(DAY)).await;
    world.emulator.set_clock_offset(-1);
    let done = stranger()
        .download_file(download(&world, &url))
        .await
        .expect("in one answer");
    world.assert_destination_is_virtual(1, 3 * MIB);
    assert!(
        done.one_answer
            .is_some_and(|reason| reason.contains("identifies the object"))
    );
    let ranges: Vec<_> = world
        .gets()
        .into_iter()
        .filter_map(|request| request.range)
        .collect();
    assert_eq!(ranges, ["bytes=0-1048575", "bytes=0-"]);
    // A minute later its time tells it from any other.
    world.emulator.set_clock_offset(60);
    let done = stranger()
        .download_file(download(&world, &url))
        .await
        .expect("downloads");
    world.assert_destination_is_virtual(1, 3 * MIB);
    assert_eq!(done.verification, Verification::SizeOnly);
    assert!(
        world.gets()[3..]
            .iter()
            .all(|request| header(request, "if-unmodified-since").is_some())
    );
}

#[tokio::test]
async fn what_a_server_repeats_of_the_url_is_not_shown() {
    let world = World::new().await;
    let url = url(&world, "k").await;
    for (status, body) in [
        (404, url.clone()),
        (403, signature_of(&url).to_owned()),
        (400, format!("{}{url}", "x".repeat(80))),
    ] {
        world.emulator.clear_faults();
        let Verdict::Status(mut answer) = Verdict::status(status, "") else {
            panic!("it is one")
        };
        answer.body = tos_emulator::CannedBody::Text(format!("no such page: {body}"));
        world.emulator.add_fault(FaultRule::new(Verdict::Status(answer)));
        let error = stranger()
            .download_file(download(&world, &url))
            .await
            .expect_err("refused");
        let said = everything_said(&error);
        assert!(
            !said.contains(&signature_of(&url)[..8]) && !said.contains("X-Tos-"),
            "{said}"
        );
        assert!(said.contains("no such page"), "{said}");
    }
}

#[tokio::test]
async fn a_url_is_shown_without_its_query_wherever_it_is_shown() {
    let world = World::new().await;
    let url = url(&world, "k").await;
    let debug = format!(
        "{:?} {:?}",
        download(&world, &url),
        HeadObject::from_pre_signed_url(&url)
    );
    assert!(debug.contains(&format!("/{BUCKET}/k")), "{debug}");
    assert!(
        !debug.contains("X-Tos-") && !debug.contains(signature_of(&url)),
        "{debug}"
    );
    let error = stranger()
        .download_file(download(&world, &url))
        .await
        .expect_err("not there");
    let server = error.server().expect("a refusal");
    assert_eq!(server.request_url, url.split('?').next().unwrap_or_default());
    assert!(!everything_said(&error).contains("X-Tos-"));
}

#[tokio::test]
async fn a_url_that_cannot_be_asked_is_refused_before_anything_is() {
    let world = World::new().await;
    let good = url(&world, "k").await;
    let cut = good.split('&').next().unwrap_or_default();
    for bad in [
        "",
        "k",
        "ftp://h/k",
        "https://u:hunter2@h/k",
        "https://h/a b",
        "https://h/k#x",
        "https:///k",
        cut,
    ] {
        let error = stranger()
            .download_file(download(&world, bad))
            .await
            .expect_err(bad);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{bad}: {error}");
        assert!(!everything_said(&error).contains("hunter2"));
    }
    let versioned = download(&world, &good).with_version_id("v");
    let error = stranger()
        .download_file(versioned)
        .await
        .expect_err("the URL decides");
    assert!(
        error.hint().is_some_and(|hint| hint.contains("that version")),
        "{error}"
    );
    assert_eq!((world.files(), world.emulator.stats().requests), (Vec::new(), 0));
}

#[tokio::test]
async fn i10_a_url_names_a_file_below_a_directory_and_nothing_else() {
    let world = World::new().await;
    world.emulator.public_bucket("public-bucket");
    let base = format!("{}/public-bucket", world.emulator.endpoint());
    for (key, path, name) in [
        ("d/模 1.bin", "d/%E6%A8%A1%201.bin", "模 1.bin"),
        ("../../evil", "..%2F..%2Fevil", "evil"),
    ] {
        world.emulator.put_object("public-bucket", key, "x");
        let below = world.folder.path().join("below");
        let request =
            DownloadFile::from_pre_signed_url(format!("{base}/{path}"), format!("{}/", below.display()));
        let done = stranger().download_file(request).await.expect("downloads");
        assert_eq!(done.file_path, below.join(name));
    }
    for path in ["d/..", "d/", "d/%2E%2e", "d/.", "a%00b"] {
        let request = DownloadFile::from_pre_signed_url(format!("{base}/{path}"), world.folder.path());
        let error = stranger().download_file(request).await.expect_err(path);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{path}: {error}");
        assert!(error.hint().is_some(), "{path}: {error}");
    }
    assert_eq!(world.files(), ["below"]);
}

#[tokio::test]
async fn a_client_without_an_endpoint_says_what_it_lacks() {
    let client = stranger();
    assert_eq!(client.endpoint(), None);
    let calls = [
        client
            .download_file(DownloadFile::new(BUCKET, "k", "x"))
            .await
            .map(|_| ()),
        client.head_object(HeadObject::new(BUCKET, "k")).await.map(|_| ()),
        client
            .pre_signed_url(PreSignedUrl::new(BUCKET, "k"))
            .await
            .map(|_| ()),
    ];
    for call in calls {
        let error = call.expect_err("whom to ask?");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(
            error.to_string().contains("endpoint") && error.hint().is_some(),
            "{error}"
        );
    }
}

#[tokio::test]
async fn the_clients_proxy_and_authorities_hold_for_urls() {
    let certificates = tempfile::tempdir().expect("a temporary directory");
    let world = World::with(|emulator| emulator.tls_self_signed(certificates.path())).await;
    world.emulator.put_virtual(BUCKET, "k", 3 * MIB, 9);
    let url = url(&world, "k").await;
    assert!(url.starts_with("https://"));
    let error = stranger()
        .download_file(download(&world, &url))
        .await
        .expect_err("nobody knows the authority");
    assert_eq!(error.kind(), ErrorKind::Network);
    let nowhere = TosClient::builder()
        .ca_file("/nowhere/ca.pem")
        .build()
        .expect("not read yet");
    let error = nowhere
        .download_file(download(&world, &url))
        .await
        .expect_err("no such file");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    // Also where the endpoint of the client needs no TLS.
    let client = TosClient::builder().endpoint("http://elsewhere.test").anonymous();
    let client = client
        .ca_file(certificates.path().join("ca.pem"))
        .build()
        .expect("good");
    client
        .download_file(download(&world, &url))
        .await
        .expect("downloads");
    world.assert_destination_is_virtual(9, 3 * MIB);

    let proxy = World::with(|emulator| emulator.custom_domain("cdn.test", BUCKET)).await;
    proxy.emulator.put_object(BUCKET, "k", "by proxy");
    let site = proxy
        .builder()
        .endpoint("http://cdn.test")
        .is_custom_domain(true)
        .build()
        .expect("good");
    let url = url_of(&site, PreSignedUrl::new(BUCKET, "k").with_expires(HOUR)).await;
    let client = TosClient::builder()
        .proxy(proxy.emulator.endpoint())
        .build()
        .expect("good");
    client
        .download_file(download(&proxy, &url))
        .await
        .expect("downloads");
    assert_eq!(fs::read(proxy.destination()).expect("there"), b"by proxy");
}

#[test]
fn the_blocking_client_reads_urls_as_well() {
    let emulator = tos_emulator::Emulator::builder()
        .spawn()
        .expect("the emulator starts");
    emulator.create_bucket(BUCKET);
    emulator.put_virtual(BUCKET, "k", 3 * MIB, 8);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let keys = Credentials::new(emulator.access_key(), emulator.secret_key());
    let owner = TosClient::builder()
        .endpoint(emulator.endpoint())
        .region(emulator.region())
        .credentials(keys);
    let owner = blocking::TosClient::new(owner).expect("good");
    let url = owner
        .pre_signed_url(PreSignedUrl::new(BUCKET, "k"))
        .expect("signed");
    let client = blocking::TosClient::new(TosClient::builder()).expect("needs nothing");
    let request = DownloadFile::from_pre_signed_url(&url, folder.path().join("k")).with_part_size(MIB);
    assert_eq!(
        client.download_file(request).expect("downloads").bytes_fetched,
        3 * MIB
    );
    let head = client
        .head_object(HeadObject::from_pre_signed_url(&url))
        .expect("there");
    assert_eq!(head.content_length, 3 * MIB);
    let file = fs::read(folder.path().join("k")).expect("there");
    assert!(file.starts_with(&virtual_content(8).read_at(0, 1000)));
}

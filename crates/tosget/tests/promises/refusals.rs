//! What the user reads when the server, or the configuration, says no.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::timeout;
use tosget::{
    Credentials, CredentialsFuture, CredentialsProvider, DownloadFile, ErrorKind, PreSignedUrl, TosClient,
};

use crate::support::{BUCKET, MIB, World, chain};

#[tokio::test]
async fn a_missing_key_tells_status_code_request_id_and_ec_and_leaves_nothing() {
    let world = World::new().await;
    let error = world
        .client()
        .download_file(world.request("nope"))
        .await
        .expect_err("not there");
    let server = error.server().expect("the server said no");
    assert_eq!(
        (server.status_code, server.code.as_str(), server.ec.as_str()),
        (404, "NoSuchKey", "0017-00000003")
    );
    assert!(
        !server.request_id.is_empty() && error.to_string().contains(&server.request_id),
        "{error}"
    );
    assert!(server.request_url.ends_with("/bucket-test/nope"));
    assert!(error.hint().is_some() && !error.is_transient() && !error.is_resumable());
    assert_eq!((world.files(), world.emulator.stats().requests), (Vec::new(), 1));
}

#[tokio::test]
async fn a_wrong_secret_key_is_told_and_not_shown() {
    let world = World::new().await;
    let credentials = Credentials::new(world.emulator.access_key(), "not-the-secret");
    let client = world.builder().credentials(credentials).build().expect("good");
    let error = client
        .download_file(world.request("k"))
        .await
        .expect_err("refused");
    assert_eq!(
        error.server().map(|server| server.code.as_str()),
        Some("SignatureDoesNotMatch")
    );
    assert!(!format!("{error:?} {client:?} {}", chain(&error)).contains("not-the-secret"));
}

#[tokio::test]
async fn a_clock_that_is_off_is_put_right_by_the_servers() {
    let world = World::new().await;
    world.emulator.put_object(BUCKET, "k", "hello");
    world.emulator.set_clock_offset(3 * 3600);
    world
        .client()
        .download_file(world.request("k"))
        .await
        .expect("signs again with the server's time");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_with_its_checkpoint_and_the_same_call_goes_on_later() {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "k", 6 * MIB, 1);
    let fault = tos_emulator::FaultRule::new(tos_emulator::Verdict::CloseBeforeHead).range_from(4 * MIB);
    world.emulator.add_fault(fault);
    let client = world.builder().max_retry_count(1).build().expect("good");
    let error = client
        .download_file(world.request("k"))
        .await
        .expect_err("the server goes away");
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(error.to_string().contains(&world.emulator.endpoint()), "{error}");
    assert!(error.checkpoint().is_some_and(std::path::Path::exists));
    assert!(error.is_transient() && error.is_resumable());
    // Nobody listens any more: the first request of the next call fails as well, and what was there is still named.
    world.emulator.add_fault(tos_emulator::FaultRule::new(
        tos_emulator::Verdict::CloseBeforeHead,
    ));
    let gone = client
        .download_file(world.request("k"))
        .await
        .expect_err("nobody answers");
    assert_eq!(gone.checkpoint(), error.checkpoint());
    world.emulator.clear_faults();
    let done = client.download_file(world.request("k")).await.expect("goes on");
    assert!(done.bytes_resumed >= 3 * MIB);
    world.assert_destination_is_virtual(1, 6 * MIB);
}

#[tokio::test]
async fn bad_input_is_refused_before_anything_is_asked() {
    let world = World::new().await;
    let client = world.client();
    let bad = [
        DownloadFile::new("B", "k", "x"),
        DownloadFile::new(BUCKET, "", "x"),
        DownloadFile::new(BUCKET, "k".repeat(1025), "x"),
        DownloadFile::new(BUCKET, "k", ""),
        world.request("k").with_part_size(0),
        world.request("k").with_task_num(0),
        world.request("k").with_task_num(100_000),
        world.request("k").with_checkpoint_file(world.destination()),
    ];
    for request in bad {
        let text = format!("{request:?}");
        let error = client.download_file(request).await.expect_err(&text);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{text}: {error}");
    }
    assert_eq!(world.emulator.stats().requests, 0);
}

#[test]
fn an_s3_endpoint_is_refused_with_the_one_to_use() {
    let builder = TosClient::builder()
        .endpoint("https://tos-s3-cn-beijing.volces.com")
        .anonymous();
    let error = builder.build().expect_err("another protocol");
    assert!(error.to_string().contains("tos-cn-beijing.volces.com"), "{error}");
}

/// Answers so many times, and then never again.
struct Hanging {
    keys: Credentials,
    answers: AtomicUsize,
}

impl CredentialsProvider for Hanging {
    fn credentials(&self) -> CredentialsFuture<'_> {
        let left = self.answers.load(Ordering::SeqCst);
        if left == 0 {
            return Box::pin(std::future::pending());
        }
        self.answers.store(left - 1, Ordering::SeqCst);
        Box::pin(async { Ok(Some(self.keys.clone())) })
    }
}

#[tokio::test]
async fn a_credentials_provider_that_never_answers_has_an_end() {
    for answers in [0, 3] {
        let world = World::new().await;
        world.emulator.put_virtual(BUCKET, "k", 8 * MIB, 1);
        let keys = Credentials::new(world.emulator.access_key(), world.emulator.secret_key());
        let client = world
            .builder()
            .idle_timeout(Duration::from_millis(300))
            .retry_for(Duration::from_secs(2))
            .credentials_provider(Arc::new(Hanging {
                keys,
                answers: AtomicUsize::new(answers),
            }))
            .build()
            .expect("good");
        let request = world.request("k").with_part_size(MIB).with_task_num(2);
        let ended = timeout(Duration::from_secs(60), client.download_file(request)).await;
        let error = ended.expect("it has an end").expect_err("nobody answers");
        let told = chain(&error);
        assert!(told.contains("the credentials provider failed"), "{told}");
        assert!(told.contains("no answer within 0.3 s"), "{told}");
        let url = client.pre_signed_url(PreSignedUrl::new(BUCKET, "k"));
        let error = timeout(Duration::from_secs(60), url)
            .await
            .expect("it has an end");
        assert!(chain(&error.expect_err("nobody answers")).contains("no answer within"));
    }
}

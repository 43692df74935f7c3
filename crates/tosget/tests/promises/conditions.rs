//! Conditions are the server's to judge, their refusal names them, and it costs nothing that was there.

use std::time::{Duration, SystemTime};

use tos_emulator::{FaultRule, Verdict};
use tosget::{DownloadFile, Error, ErrorKind, HeadObject, OnChange, Progress, TosClient};

use crate::support::{BUCKET, MIB, World, carries};

const SIZE: u64 = 6 * MIB;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A refusal of this status that names the condition, and that no retry went before.
fn assert_is_refusal(error: &Error, status: u16, condition: &str) {
    assert_eq!(error.kind(), ErrorKind::Server, "{error}");
    let server = error.server().expect("the server said no");
    assert_eq!(server.status_code, status, "{error}");
    let text = error.to_string();
    assert!(
        text.contains(condition) && text.contains(&server.request_id),
        "{text}"
    );
    assert!(error.hint().is_some() && !error.is_transient(), "{error:?}");
}

fn etag(world: &World, seed: u64) -> String {
    world.emulator.put_virtual(BUCKET, "k", SIZE, seed).etag
}

/// A client that gives up at the first failure.
fn impatient(world: &World) -> TosClient {
    world.builder().max_retry_count(0).build().expect("good")
}

/// Leaves a checkpoint of most of the object.
async fn interrupt(world: &World, request: &DownloadFile) {
    let fault = FaultRule::new(Verdict::ResetAfter { bytes: 1000 }).range_covers(5 * MIB);
    world.emulator.add_fault(fault);
    let interrupted = impatient(world).download_file(request.clone()).await;
    let error = interrupted.expect_err("the last part breaks");
    assert!(error.is_resumable(), "{error:?}");
    world.emulator.clear_faults();
}

#[tokio::test]
async fn conditions_that_hold_change_nothing_and_are_said_once() {
    let world = World::new().await;
    let etag = etag(&world, 1);
    let request = world
        .request("k")
        .with_if_match(format!("\"{etag}\""))
        .with_if_none_match("something-else")
        .with_if_modified_since(SystemTime::now() - DAY)
        .with_if_unmodified_since(SystemTime::now() + DAY);
    world.client().download_file(request).await.expect("all hold");
    world.assert_destination_is_virtual(1, SIZE);
    let (first, later) = world
        .gets()
        .split_first()
        .map(|(a, b)| (a.clone(), b.to_vec()))
        .expect("requests");
    for name in [
        "if-match",
        "if-none-match",
        "if-modified-since",
        "if-unmodified-since",
    ] {
        assert!(carries(&first, name), "{name}");
        let expected = name == "if-match";
        assert!(
            later.iter().all(|request| carries(request, name) == expected),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_condition_that_does_not_hold_is_a_refusal_that_names_it_and_leaves_nothing() {
    let world = World::new().await;
    let etag = etag(&world, 1);
    let (before, after) = (SystemTime::now() - DAY, SystemTime::now() + DAY);
    let cases = [
        (
            world.request("k").with_if_match("other"),
            412,
            "if_match \"other\"",
        ),
        (
            world.request("k").with_if_unmodified_since(before),
            412,
            "if_unmodified_since ",
        ),
        (
            world.request("k").with_if_none_match(&etag),
            304,
            "if_none_match \"",
        ),
        (
            world.request("k").with_if_modified_since(after),
            304,
            "if_modified_since ",
        ),
    ];
    for (request, status, condition) in cases {
        world.emulator.reset_log();
        let error = world.client().download_file(request).await.expect_err(condition);
        assert_is_refusal(&error, status, condition);
        assert_eq!(world.files(), [""; 0], "{condition}");
        assert_eq!(world.emulator.stats().requests, 1, "{condition}");
    }
}

#[tokio::test]
async fn the_same_conditions_hold_for_what_is_asked_without_the_bytes() {
    let world = World::new().await;
    let etag = etag(&world, 1);
    let head = || HeadObject::new(BUCKET, "k");
    let (before, after) = (SystemTime::now() - DAY, SystemTime::now() + DAY);
    for good in [
        head().with_if_match(&etag),
        head().with_if_none_match("other"),
        head().with_if_modified_since(before),
        head().with_if_unmodified_since(after),
    ] {
        world.client().head_object(good).await.expect("it holds");
    }
    for (bad, status, condition) in [
        (head().with_if_match("other"), 412, "if_match \"other\""),
        (
            head().with_if_unmodified_since(before),
            412,
            "if_unmodified_since ",
        ),
        (head().with_if_none_match(&etag), 304, "if_none_match \""),
        (head().with_if_modified_since(after), 304, "if_modified_since "),
    ] {
        let error = world.client().head_object(bad).await.expect_err(condition);
        assert_is_refusal(&error, status, condition);
    }
}

#[tokio::test]
async fn a_download_goes_on_under_conditions_that_still_hold() {
    let world = World::new().await;
    let etag = etag(&world, 1);
    let requests = [
        world.request("k").with_if_match(&etag),
        world.request("k").with_if_none_match("other"),
        world
            .request("k")
            .with_if_unmodified_since(SystemTime::now() + DAY),
    ];
    for request in requests {
        interrupt(&world, &request).await;
        let done = world.client().download_file(request).await.expect("goes on");
        assert!(done.bytes_resumed >= 4 * MIB, "{done:?}");
        world.assert_destination_is_virtual(1, SIZE);
        std::fs::remove_file(world.destination()).expect("removed");
    }
}

#[tokio::test]
async fn a_condition_that_does_not_hold_leaves_the_checkpoint_as_it_was() {
    let world = World::new().await;
    let etag = etag(&world, 1);
    interrupt(&world, &world.request("k")).await;
    let before = world.contents();
    for (request, status) in [
        (world.request("k").with_if_match("other"), 412),
        (world.request("k").with_if_none_match(&etag), 304),
        (
            world.request("k").with_if_modified_since(SystemTime::now() + DAY),
            304,
        ),
        (
            world
                .request("k")
                .with_if_unmodified_since(SystemTime::now() - DAY),
            412,
        ),
    ] {
        let error = world.client().download_file(request).await.expect_err("refused");
        assert_is_refusal(&error, status, "the condition ");
        assert!(world.contents() == before, "the checkpoint was touched");
    }
    let done = world
        .client()
        .download_file(world.request("k"))
        .await
        .expect("goes on");
    assert!(done.bytes_resumed >= 4 * MIB);
}

#[tokio::test]
async fn an_object_asked_for_by_its_etag_is_not_gone_on_with_as_another_one() {
    let world = World::new().await;
    etag(&world, 1);
    interrupt(&world, &world.request("k")).await;
    let new = etag(&world, 2);
    let request = world.request("k").with_if_match(&new);
    let done = world
        .client()
        .download_file(request)
        .await
        .expect("starts afresh");
    assert_eq!((done.bytes_resumed, done.bytes_fetched), (0, SIZE));
    assert!(done.set_aside.is_some());
    world.assert_destination_is_virtual(2, SIZE);
}

#[tokio::test]
async fn a_replaced_object_is_told_from_a_condition_that_does_not_hold() {
    let world = World::new().await;
    let old = etag(&world, 1);
    interrupt(&world, &world.request("k").with_if_match(&old)).await;
    etag(&world, 2);
    // The pin would fail as well, but it is the caller's own condition that decides.
    let request = world.request("k").with_if_match(&old);
    let error = world.client().download_file(request).await.expect_err("refused");
    assert_is_refusal(&error, 412, "if_match ");
    // A condition on which the new object is let through: no 412 for the old one's sake.
    let request = world.request("k").with_if_none_match(&old);
    let done = world.client().download_file(request).await.expect("the new one");
    assert_eq!(done.bytes_resumed, 0);
    world.assert_destination_is_virtual(2, SIZE);
}

#[tokio::test]
async fn a_condition_that_cannot_be_sent_is_refused_before_anything_is_asked() {
    let world = World::new().await;
    for request in [
        world.request("k").with_if_match("*"),
        world.request("k").with_if_none_match("\"a\", \"b\""),
        world.request("k").with_if_match("a\r\nb"),
        world
            .request("k")
            .with_if_modified_since(SystemTime::UNIX_EPOCH - DAY),
    ] {
        let error = world.client().download_file(request).await.expect_err("no");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
    assert_eq!(world.emulator.stats().requests, 0);
}

#[tokio::test]
async fn an_object_replaced_on_the_way_is_downloaded_afresh_where_the_caller_wants_that() {
    let world = World::new().await;
    etag(&world, 1);
    let replace = Verdict::ReplaceObject {
        seed: 2,
        size: Some(SIZE + 5),
    };
    world
        .emulator
        .add_fault(FaultRule::new(replace).range_from(3 * MIB).times(1));
    let progress = Progress::new();
    let request = world
        .request("k")
        .with_on_change(OnChange::Restart(1))
        .with_progress(progress.clone());
    let done = world.client().download_file(request).await.expect("the new one");
    world.assert_destination_is_virtual(2, SIZE + 5);
    assert_eq!((done.restarts, done.set_aside), (1, None));
    assert_eq!(progress.snapshot().consumed_bytes, SIZE + 5);
    assert_eq!(world.files(), ["object.bin"]);
}

#[tokio::test]
async fn the_result_names_the_first_and_the_last_request() {
    let world = World::new().await;
    etag(&world, 1);
    let refuse_once = FaultRule::new(Verdict::status(500, "InternalError")).times(1);
    world.emulator.add_fault(refuse_once);
    let request = world.request("k").with_task_num(1);
    let done = world.client().download_file(request).await.expect("downloads");
    let asked = world.emulator.requests();
    let id = |record: Option<&tos_emulator::RequestRecord>| record.map(|record| record.request_id.clone());
    assert_eq!(
        done.first_request_id,
        id(asked.first()),
        "a refusal is an answer too"
    );
    assert_eq!(done.last_request_id, id(asked.last()));
    assert_ne!(done.first_request_id, done.last_request_id);
}

//! Objects that are replaced while they are downloaded.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::conditions::AskedConditions;

fn other(size: usize, etag: &str) -> (Vec<u8>, Served) {
    let bytes: Vec<u8> = object_bytes(size).iter().map(|byte| !byte).collect();
    (bytes.clone(), Served::new(bytes, etag))
}

impl Bench {
    /// Puts another object in place once `n` requests have been answered.
    fn replaced_after(&self, n: usize, new: Served) {
        let source = Arc::downgrade(&self.source);
        self.source.follow(move |number, _| {
            if number + 1 == n
                && let Some(source) = source.upgrade()
            {
                source.replace(new.clone());
            }
            Verdict::Serve
        });
    }

    fn restarting(&self, times: u32) -> Spec {
        Spec {
            on_change: OnChange::Restart(times),
            ..self.spec()
        }
    }
}

/// After whichever request the object is replaced, the destination is one of the two and never a mixture.
#[tokio::test]
async fn a_replaced_object_is_downloaded_afresh_where_the_caller_wants_that() {
    for new_size in [1, SIZE / 2, SIZE, SIZE + 3 * PART as usize] {
        for n in 1..=6 {
            let mut bench = Bench::new(SIZE);
            let (bytes, new) = other(new_size, "etag-2");
            bench.replaced_after(n, new);
            let spec = bench.restarting(1);
            let output = bench.download(spec.clone()).await.expect("the new object comes");
            // The last request may have been answered before the object was replaced: then there was nothing to notice.
            if output.restarts > 0 {
                bench.content = bytes;
            }
            assert!(n == 6 || output.restarts == 1, "replaced after request {n}");
            bench.assert_is_the_object();
            let size = bench.content.len() as u64;
            assert_eq!(output.object.content_length, size);
            assert_eq!((output.bytes_resumed, output.set_aside), (0, None));
            assert!(output.bytes_fetched >= size, "the work for the old object counts");
            let now = spec.progress.snapshot();
            assert_eq!((now.total_bytes, now.consumed_bytes), (size, size));
            assert!(
                now.requests >= bench.source.asked().len() as u64,
                "the requests for the old one too"
            );
            assert_eq!(bench.files(), ["object.bin"]);
        }
    }
}

#[tokio::test]
async fn without_a_journal_a_replaced_object_is_downloaded_afresh_as_well() {
    let mut bench = Bench::new(SIZE);
    let (bytes, new) = other(SIZE, "etag-2");
    bench.replaced_after(3, new);
    let spec = Spec {
        checkpoint: CheckpointPlace::Nowhere,
        ..bench.restarting(1)
    };
    let output = bench.download(spec).await.expect("the new object comes");
    bench.content = bytes;
    bench.assert_is_the_object();
    assert_eq!(output.restarts, 1);
}

#[tokio::test]
async fn an_object_that_keeps_changing_is_given_up_after_so_many_restarts() {
    let bench = Bench::new(SIZE);
    let source = Arc::downgrade(&bench.source);
    let count = AtomicU32::new(0);
    bench.source.follow(move |number, _| {
        let etag = format!("etag-{}", count.fetch_add(1, Ordering::Relaxed));
        if number % 4 == 3
            && let Some(source) = source.upgrade()
        {
            source.replace(other(SIZE, &etag).1);
        }
        Verdict::Serve
    });
    let spec = bench.restarting(2);
    let error = bench
        .download(spec.clone())
        .await
        .expect_err("it never holds still");
    assert_eq!(error.kind(), ErrorKind::ObjectChanged);
    assert_eq!(spec.progress.snapshot().restarts, 2);
    assert!(
        error.hint().is_some_and(|hint| hint.contains("3 times")),
        "{error:?}"
    );
    assert!(!bench.destination().exists());
}

#[tokio::test]
async fn what_was_asked_for_by_version_or_etag_is_not_exchanged_for_another_object() {
    let by_etag = AskedConditions {
        if_match: Some("etag-1".to_owned()),
        ..AskedConditions::default()
    };
    let bench = Bench::new(SIZE);
    let mut by_version = bench.restarting(9);
    by_version.object.version_id = Some("null".into());
    let by_etag = Spec {
        conditions: by_etag.check().expect("good"),
        ..bench.restarting(9)
    };
    for spec in [by_version, by_etag] {
        bench.source.replace(Served::new(bench.content.clone(), "etag-1"));
        let asked = bench.source.asked().len();
        bench.replaced_after(asked + 3, other(SIZE, "etag-2").1);
        let error = bench.download(spec.clone()).await.expect_err("it is gone");
        assert_eq!(error.kind(), ErrorKind::ObjectChanged);
        assert_eq!(spec.progress.snapshot().restarts, 0);
        let hint = error.hint().expect("a hint");
        assert!(hint.contains("version or ETag"), "{hint}");
    }
}

#[tokio::test]
async fn by_default_a_replaced_object_ends_the_call() {
    let bench = Bench::new(SIZE);
    bench.replaced_after(3, other(SIZE, "etag-2").1);
    let error = bench.download(bench.spec()).await.expect_err("it was replaced");
    assert_eq!(error.kind(), ErrorKind::ObjectChanged);
    assert!(!bench.destination().exists());
}

#[tokio::test]
async fn a_download_that_starts_over_tells_so() {
    let bench = Bench::new(SIZE);
    bench.replaced_after(3, other(SIZE / 2, "etag-2").1);
    let mut spec = bench.restarting(1);
    let (told, statuses) = std::sync::mpsc::channel();
    spec.listeners
        .set_data_transfer(move |status| told.send(status).expect("the test listens"));
    let mut events = spec.listeners.set_stream();
    bench.download(spec).await.expect("the new object comes");
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        seen.push(event.event_type.value());
    }
    let changed = seen
        .iter()
        .position(|&value| value == 105)
        .expect("object changed");
    assert_eq!(
        seen[changed + 1..changed + 3],
        [104, 1],
        "set aside, temporary file: {seen:?}"
    );
    assert_eq!(seen.last(), Some(&6), "{seen:?}");
    let statuses: Vec<_> = statuses.iter().collect();
    let last = statuses.last().expect("statuses");
    assert_eq!(
        (last.consumed_bytes, last.total_bytes),
        (SIZE as u64 / 2, SIZE as u64 / 2)
    );
    assert!(
        statuses
            .iter()
            .all(|status| status.consumed_bytes <= status.total_bytes)
    );
}

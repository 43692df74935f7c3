//! One byte that was altered, on the wire or on the disk, is found and fetched again; or else the evidence is kept.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::testing::hooked_storage::{Call, HookedStorage};

/// Flips a bit of the temporary file in this folder.
fn alter_the_disk(folder: &Path, offset: usize) {
    let mut files = fs::read_dir(folder)
        .expect("readable")
        .map(|entry| entry.expect("readable").path());
    let temporary = files.find(|path| path.to_string_lossy().ends_with("tosget-part"));
    let temporary = temporary.expect("it is there");
    let mut bytes = fs::read(&temporary).expect("readable");
    bytes[offset] ^= 0x10;
    fs::write(&temporary, bytes).expect("written");
}

#[tokio::test]
async fn a_byte_altered_on_the_wire_is_found_by_fetching_again_and_no_more_is_fetched_than_needed() {
    let bench = Bench::new(SIZE);
    // Part 2 comes altered once; nothing but the CRC64 of the whole can tell.
    bench.source.follow(|number, _| match number {
        1 => Verdict::Flip(PART + 4711),
        _ => Verdict::Serve,
    });
    let output = bench
        .download(Spec {
            tasks: Tasks::exactly(NonZeroUsize::MIN),
            ..bench.spec()
        })
        .await
        .expect("it is mended");
    bench.assert_is_the_object();
    assert_eq!(output.verification, Verification::Crc64);
    assert_eq!(
        output.bytes_fetched,
        SIZE as u64 + 2 * PART,
        "the second step was the wrong one"
    );
    assert_eq!(bench.files(), ["object.bin"]);
}

#[tokio::test]
async fn an_object_of_one_part_is_mended_without_a_journal() {
    let bench = Bench::new(1000);
    bench.source.follow(|number, _| match number {
        0 => Verdict::Flip(500),
        _ => Verdict::Serve,
    });
    let output = bench.download(bench.spec()).await.expect("it is mended");
    bench.assert_is_the_object();
    assert_eq!(output.bytes_fetched, 2000);
}

#[tokio::test]
async fn bytes_altered_on_the_wire_in_an_earlier_call_are_mended_by_the_next_never_from_zero() {
    let bench = Bench::new(SIZE);
    bench.source.follow(|number, _| match number {
        0 => Verdict::Flip(1000),
        1 | 2 => Verdict::Serve,
        _ => Verdict::BreakAfter(0),
    });
    bench.download(bench.spec()).await.expect_err("the source breaks");
    bench.source.follow(|_, _| Verdict::Serve);
    let output = bench.download(bench.spec()).await.expect("it is mended");
    bench.assert_is_the_object();
    assert!(output.set_aside.is_none(), "{output:?}");
    assert!(output.bytes_fetched <= SIZE as u64, "{}", output.bytes_fetched);
}

#[tokio::test]
async fn a_byte_altered_on_the_disk_during_the_download_never_ends_in_a_wrong_file_if_it_shows() {
    // What is wrong on the disk shows only if something else makes the download read it: here, a byte on the wire.
    let bench = Bench::new(SIZE);
    let folder = bench.folder.path().to_owned();
    bench.source.follow(move |number, range| {
        if number == 5 {
            alter_the_disk(&folder, 123);
            return Verdict::Flip(range.start());
        }
        Verdict::Serve
    });
    let output = bench
        .download(Spec {
            tasks: Tasks::exactly(NonZeroUsize::MIN),
            ..bench.spec()
        })
        .await
        .expect("both are mended");
    bench.assert_is_the_object();
    assert!(output.bytes_fetched <= 3 * SIZE as u64);
}

#[tokio::test]
async fn what_can_not_be_mended_ends_after_a_bounded_number_of_rounds_and_leaves_the_evidence() {
    // A proxy that alters another byte each time.
    let bench = Bench::new(SIZE);
    bench
        .source
        .follow(|number, range| Verdict::Flip(range.start() + number as u64));
    let error = bench
        .download(bench.spec())
        .await
        .expect_err("it can't be mended");
    assert_eq!(error.kind(), ErrorKind::Verification);
    let fetched: u64 = bench.asked_since(0);
    assert!(fetched <= 3 * (SIZE as u64 + 6 * PART), "{fetched}");
    assert!(!bench.destination().exists());
    assert!(
        bench.files().iter().any(|name| name.ends_with("aside")),
        "{:?}",
        bench.files()
    );

    // One that alters the same byte each time is seen through sooner.
    let bench = Bench::new(SIZE);
    bench.source.follow(|_, _| Verdict::Flip(2_345_678));
    let error = bench
        .download(bench.spec())
        .await
        .expect_err("it can't be mended");
    assert_eq!(error.kind(), ErrorKind::Verification);
    assert!(bench.asked_since(0) <= 2 * (SIZE as u64 + 6 * PART));
}

#[tokio::test]
async fn a_mending_is_told_and_can_be_canceled() {
    let bench = Bench::new(SIZE);
    bench.source.follow(|number, _| match number {
        2 => Verdict::Flip(2 * PART),
        0..=5 => Verdict::Serve,
        _ => Verdict::StallAfter(10),
    });
    let mut spec = bench.spec();
    let mut events = spec.listeners.set_stream();
    let cancel = spec.cancel.clone();
    let watch = async {
        while let Some(event) = events.next().await {
            if event.event_type == DownloadEventType::Mending {
                cancel.cancel(false);
            }
        }
    };
    let (result, ()) = tokio::join!(bench.download(spec), watch);
    let error = result.expect_err("canceled");
    assert_eq!(error.kind(), ErrorKind::Canceled);
    assert!(error.is_resumable());
    bench.source.follow(|_, _| Verdict::Serve);
    bench
        .download(bench.spec())
        .await
        .expect("goes on, and is mended");
    bench.assert_is_the_object();
}

/// A disk that alters a byte of what it was given, in each of the first `times` syncs.
fn disk_that_alters(times: u32) -> Arc<dyn Storage> {
    let left = AtomicU32::new(times);
    Arc::new(HookedStorage::new(move |call, path| {
        let is_data = path.to_string_lossy().ends_with("tosget-part");
        let is_due = |left: u32| left.checked_sub(1);
        if call == Call::Sync
            && is_data
            && left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, is_due)
                .is_ok()
        {
            alter_the_disk(path.parent().expect("a folder"), 777);
        }
        Ok(None)
    }))
}

#[tokio::test]
async fn a_byte_altered_on_the_disk_by_the_very_call_is_found_by_rechecking_always() {
    for (size, refetched) in [(SIZE, PART), (1000, 1000)] {
        let mut bench = Bench::new(size);
        bench.storage = disk_that_alters(1);
        let output = bench
            .download(Spec {
                recheck: Recheck::Always,
                ..bench.spec()
            })
            .await
            .expect("it is fetched again");
        bench.assert_is_the_object();
        assert_eq!(output.bytes_resumed, 0, "nothing is of an earlier call");
        let most = size as u64 + refetched;
        assert!(
            (size as u64 + 1..=most).contains(&output.bytes_fetched),
            "{output:?}"
        );
        assert_eq!(bench.files(), ["object.bin"]);
    }
}

#[tokio::test]
async fn a_disk_that_alters_whatever_it_is_given_never_ends_in_a_file_when_rechecking_always() {
    let mut bench = Bench::new(SIZE);
    bench.storage = disk_that_alters(u32::MAX);
    let error = bench
        .download(Spec {
            recheck: Recheck::Always,
            ..bench.spec()
        })
        .await
        .expect_err("the disk is broken");
    assert_eq!(error.kind(), ErrorKind::Disk);
    assert!(
        error.to_string().contains("does not read back as it was written"),
        "{error}"
    );
    assert!(!bench.destination().exists());
    bench.storage = Arc::new(SystemStorage);
    bench
        .download(bench.spec())
        .await
        .expect("another disk is better");
    bench.assert_is_the_object();
}

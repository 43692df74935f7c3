//! What listeners are told: progress that does not lie, and events in their documented order.

use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use super::*;
use crate::data_transfer::{DataTransferStatus, DataTransferType};
use crate::events::{DownloadEvent, DownloadEventType as Type, DownloadPart};

impl Bench {
    /// Downloads and collects what was told.
    async fn told(&self, mut spec: Spec) -> (Result<DownloadFileOutput, Error>, Vec<DownloadEvent>) {
        let mut events = spec.listeners.set_stream();
        let result = self.download(spec).await;
        let mut told = Vec::new();
        while let Some(event) = events.next().await {
            told.push(event);
        }
        (result, told)
    }

    /// Downloads and collects how the progress was told.
    async fn progress_told(
        &self,
        mut spec: Spec,
    ) -> (Result<DownloadFileOutput, Error>, Vec<DataTransferStatus>) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let telling = told.clone();
        spec.listeners
            .set_data_transfer(move |status| telling.lock().expect("not poisoned").push(status));
        let result = self.download(spec).await;
        let told = told.lock().expect("not poisoned").clone();
        (result, told)
    }

    fn crc(&self, part: DownloadPart) -> u64 {
        Crc64::of(&self.content[part.range_start as usize..part.range_end as usize]).0
    }
}

fn values(told: &[DownloadEvent]) -> Vec<u32> {
    told.iter().map(|event| event.event_type.value()).collect()
}

fn parts(told: &[DownloadEvent], of: &Type) -> Vec<DownloadPart> {
    let of_type = told.iter().filter(|event| event.event_type == *of);
    of_type
        .map(|event| event.download_part.expect("it is about a part"))
        .collect()
}

/// What holds for the progress of every call: it starts somewhere, goes only up, counts every byte once, and ends.
fn assert_is_truthful(told: &[DataTransferStatus], began_with: u64, total: u64) {
    let (first, rest) = told.split_first().expect("something was told");
    assert_eq!(first.data_transfer_type, DataTransferType::Started);
    assert_eq!((first.consumed_bytes, first.rw_once_bytes), (began_with, 0));
    let mut consumed = began_with;
    for status in rest {
        consumed += status.rw_once_bytes;
        assert_eq!(status.consumed_bytes, consumed, "{told:#?}");
    }
    assert!(told.iter().all(|status| status.total_bytes == total));
    let (last, middle) = rest.split_last().expect("the end was told");
    assert!(
        middle
            .iter()
            .all(|status| status.data_transfer_type == DataTransferType::Rw)
    );
    if last.data_transfer_type == DataTransferType::Succeed {
        assert_eq!(last.consumed_bytes, total);
    } else {
        assert_eq!(last.data_transfer_type, DataTransferType::Failed);
    }
}

#[tokio::test]
async fn the_events_of_a_fresh_download_are_its_file_its_parts_and_its_name() {
    let bench = Bench::new(SIZE);
    let (result, told) = bench.told(bench.spec()).await;
    result.expect("nothing goes wrong");
    assert_eq!(values(&told), [1, 3, 3, 3, 3, 3, 3, 6]);
    let mut parts = parts(&told, &Type::DownloadPartSucceed);
    parts.sort_unstable_by_key(|part| part.part_number);
    for (index, part) in parts.iter().enumerate() {
        let start = index as u64 * PART;
        assert_eq!(part.part_number, index as u64 + 1);
        assert_eq!(
            (part.range_start, part.range_end),
            (start, (start + PART).min(SIZE as u64))
        );
        assert_eq!(part.hash_crc64ecma, Some(bench.crc(*part)));
    }
    for event in &told {
        assert_eq!((&*event.bucket, &*event.key), ("bucket", "dir/object.bin"));
        assert_eq!(&*event.file_path, bench.destination());
        assert!(event.temp_file_path.to_string_lossy().ends_with("tosget-part"));
        assert!(event.checkpoint_file.is_some() && event.error.is_none());
    }
}

#[tokio::test]
async fn an_empty_object_has_a_file_and_a_name_and_a_transfer_of_nothing() {
    let bench = Bench::new(0);
    let (result, told) = bench.told(bench.spec()).await;
    result.expect("nothing goes wrong");
    assert_eq!(values(&told), [1, 6]);
    let (_, told) = bench.progress_told(bench.spec()).await;
    assert_eq!(told.len(), 2);
    assert_is_truthful(&told, 0, 0);
}

#[tokio::test]
async fn a_part_that_fails_for_good_stops_the_others_and_the_next_call_tells_what_it_resumes() {
    let bench = Bench::new(SIZE);
    bench.source.follow(|_, range| match range.start() / PART {
        0 => Verdict::Serve,
        1 => Verdict::BreakAfter(600_000),
        _ => Verdict::StallAfter(100_000),
    });
    let (result, told) = bench.told(bench.spec()).await;
    let error = result.expect_err("a part fails");
    let failed = told
        .iter()
        .find(|event| event.event_type == Type::DownloadPartFailed);
    let failed = failed.expect("it is told");
    assert_eq!(failed.download_part.map(|part| part.part_number), Some(2));
    assert_eq!(
        failed.error.as_ref().map(ToString::to_string),
        Some(error.to_string())
    );
    let aborted = parts(&told, &Type::DownloadPartAborted);
    assert!(
        (1..=2).contains(&aborted.len()),
        "those that were under way: {aborted:?}"
    );
    assert!(!values(&told).contains(&6) && !values(&told).contains(&7));

    bench.source.follow(|_, _| Verdict::Serve);
    let (result, told) = bench.told(bench.spec()).await;
    let resumed = result.expect("resumes").bytes_resumed;
    let resumption = Type::Resumed {
        bytes: resumed,
        doubtful_bytes: 0,
    };
    assert_eq!(told[0].event_type, Type::CreateTempFileSucceed);
    assert_eq!(told[1].event_type, resumption);
    let parts = parts(&told, &Type::DownloadPartSucceed);
    assert_eq!(
        resumed + parts.iter().map(DownloadPart::size).sum::<u64>(),
        SIZE as u64
    );
    assert!(
        parts
            .iter()
            .all(|part| part.hash_crc64ecma == Some(bench.crc(*part)))
    );
}

#[tokio::test]
async fn what_is_read_back_is_told_before_and_after() {
    let bench = Bench::new(SIZE);
    bench.interrupted().await;
    let mut temporary = fs::read(bench.temporary()).expect("there");
    temporary[1_500_000] ^= 1;
    fs::write(bench.temporary(), temporary).expect("written");
    let (result, told) = bench.told(bench.spec()).await;
    let good = result.expect("repairs what was altered").bytes_resumed;
    let Type::Resumed {
        bytes,
        doubtful_bytes,
    } = told[1].event_type
    else {
        panic!("not resumed: {told:?}");
    };
    assert_eq!(
        bytes, doubtful_bytes,
        "the file was touched, so nothing is believed"
    );
    let rechecked = Type::Rechecked {
        good_bytes: good,
        bad_bytes: bytes - good,
    };
    assert!(bytes > good);
    assert_eq!(
        told.iter().filter(|event| event.event_type == rechecked).count(),
        1
    );
}

#[tokio::test]
async fn a_retry_is_told_with_its_reason_and_when_it_comes() {
    let bench = Bench::new(SIZE);
    bench.source.follow(|number, _| match number {
        2 => Verdict::BreakAfter(300_000),
        _ => Verdict::Serve,
    });
    let mut spec = bench.spec();
    spec.max_retries = Retries::at_most(1);
    let (result, told) = bench.told(spec).await;
    result.expect("the second attempt brings the rest");
    let retry = told.iter().find(|event| event.event_type.value() == 103);
    let retry = retry.expect("it is told");
    let Type::AttemptRetried { wait } = retry.event_type else {
        unreachable!("its value is 103")
    };
    assert!(wait < Duration::from_secs(1));
    let error = retry.error.as_ref().expect("there is a reason");
    assert_eq!(error.kind(), ErrorKind::Network);
    assert_eq!(parts(&told, &Type::DownloadPartSucceed).len(), 6);
}

#[tokio::test]
async fn the_crc_of_a_part_is_that_of_its_bytes_even_if_some_had_to_be_fetched_twice() {
    let bench = Bench::new(SIZE);
    bench.source.follow(|number, _| match number {
        1 => Verdict::BreakAfter(700_000),
        2 => Verdict::FlipUnderRangeCrc,
        _ => Verdict::ServeWithRangeCrc,
    });
    let mut spec = bench.spec();
    spec.max_retries = Retries::at_most(2);
    let (result, told) = bench.told(spec).await;
    result.expect("what was wrong is fetched again");
    let parts = parts(&told, &Type::DownloadPartSucceed);
    assert_eq!(parts.len(), 6);
    assert!(
        parts
            .iter()
            .all(|part| part.hash_crc64ecma == Some(bench.crc(*part)))
    );
}

#[tokio::test]
async fn a_checkpoint_that_can_not_be_used_is_the_first_thing_told() {
    let bench = Bench::new(SIZE);
    bench.interrupted().await;
    fs::remove_file(bench.temporary()).expect("removed");
    let (result, told) = bench.told(bench.spec()).await;
    let reason = result.expect("starts afresh").set_aside.expect("and says why");
    assert_eq!(told[0].event_type, Type::CheckpointSetAside { reason });
    assert_eq!(values(&told)[1..], [1, 3, 3, 3, 3, 3, 3, 6]);
}

#[tokio::test]
async fn an_object_that_changes_on_the_way_is_told_last() {
    let bench = Bench::new(SIZE);
    bench.source.follow(|number, _| match number {
        2 => Verdict::OtherETag,
        _ => Verdict::Serve,
    });
    let (result, told) = bench.told(bench.spec()).await;
    result.expect_err("the object changed");
    let last = told.last().expect("something was told");
    assert_eq!(last.event_type, Type::ObjectChanged);
    assert_eq!(
        last.error.as_ref().map(Error::kind),
        Some(ErrorKind::ObjectChanged)
    );
}

#[tokio::test]
async fn parts_under_way_are_told_to_be_aborted_when_the_call_is_canceled() {
    let bench = Bench::new(SIZE);
    bench.source.follow(|_, _| Verdict::StallAfter(0));
    let spec = bench.spec();
    let (cancel, progress) = (spec.cancel.clone(), spec.progress.clone());
    let pull = async {
        while progress.snapshot().requests < 3 {
            tokio::task::yield_now().await;
        }
        cancel.cancel(false);
    };
    let ((_, told), ()) = tokio::join!(bench.told(spec), pull);
    assert_eq!(values(&told), [1, 5, 5, 5]);
    for event in &told[1..] {
        assert_eq!(event.error.as_ref().map(Error::kind), Some(ErrorKind::Canceled));
    }
}

#[tokio::test]
async fn a_file_that_is_not_the_object_or_can_not_be_named_is_the_last_event() {
    let bench = Bench::new(SIZE);
    bench.source.follow(|_, _| Verdict::Flip(2_345_678));
    let (_, told) = bench.told(bench.spec()).await;
    let last = told.last().expect("something was told");
    assert_eq!(last.event_type, Type::RenameTempFileFailed);
    assert_eq!(
        last.error.as_ref().map(Error::kind),
        Some(ErrorKind::Verification)
    );

    let bench = Bench::new(SIZE);
    let spec = bench.spec();
    // A directory that is not empty can't be replaced. It appears when the download has begun.
    let destination = bench.destination();
    bench.source.follow(move |number, _| {
        if number == 1 {
            fs::create_dir(&destination).expect("created");
            fs::write(destination.join("x"), "").expect("written");
        }
        Verdict::Serve
    });
    let (_, told) = bench.told(spec).await;
    let last = told.last().expect("something was told");
    assert_eq!(last.event_type, Type::RenameTempFileFailed);
    assert_eq!(last.error.as_ref().map(Error::kind), Some(ErrorKind::Disk));
}

#[tokio::test]
async fn a_temporary_file_that_can_not_be_made_or_is_anothers_is_told() {
    let bench = Bench::new(SIZE);
    let storage: Arc<dyn Storage> = Arc::new(SystemStorage);
    bench.interrupted().await;
    let held = crate::temporary::TemporaryFile::open(&storage, &bench.temporary(), None).expect("there");
    let (result, told) = bench.told(bench.spec()).await;
    assert_eq!(result.expect_err("held").kind(), ErrorKind::CheckpointHeld);
    assert_eq!(values(&told), [2]);
    drop(held);
}

#[tokio::test]
async fn progress_counts_every_byte_once_and_ends_with_exactly_the_total() {
    let bench = Bench::new(SIZE);
    let (result, told) = bench.progress_told(bench.spec()).await;
    result.expect("nothing goes wrong");
    assert_is_truthful(&told, 0, SIZE as u64);

    // Bytes that a CRC disproves come again, and are not counted again.
    let bench = Bench::new(SIZE);
    bench.source.follow(|number, _| match number {
        1 => Verdict::BreakAfter(700_000),
        2 => Verdict::FlipUnderRangeCrc,
        _ => Verdict::ServeWithRangeCrc,
    });
    let mut spec = bench.spec();
    spec.max_retries = Retries::at_most(2);
    let (result, told) = bench.progress_told(spec).await;
    assert!(result.expect("what was wrong is fetched again").bytes_fetched > SIZE as u64);
    assert_is_truthful(&told, 0, SIZE as u64);
}

#[tokio::test]
async fn with_a_long_interval_all_bytes_are_told_in_one_call() {
    let bench = Bench::new(SIZE);
    let mut spec = bench.spec();
    spec.listeners.set_transfer_interval(Duration::from_secs(3600));
    let (result, told) = bench.progress_told(spec).await;
    result.expect("downloaded");
    let types: Vec<_> = told
        .iter()
        .map(|status| status.data_transfer_type.value())
        .collect();
    assert_eq!(types, [1, 2, 3]);
    assert_is_truthful(&told, 0, SIZE as u64);
}

#[tokio::test]
async fn after_a_resume_progress_starts_at_the_bytes_that_are_there() {
    for recheck in [Recheck::Auto, Recheck::Always] {
        let bench = Bench::new(SIZE);
        let (_, told) = {
            bench.source.follow(|number, _| match number {
                3 => Verdict::BreakAfter(100_000),
                _ => Verdict::Serve,
            });
            bench.progress_told(bench.spec()).await
        };
        assert_is_truthful(&told, 0, SIZE as u64);
        let left = told.last().expect("the failure was told");
        assert_eq!(left.data_transfer_type, DataTransferType::Failed);

        bench.source.follow(|_, _| Verdict::Serve);
        let spec = Spec {
            recheck,
            ..bench.spec()
        };
        let (result, told) = bench.progress_told(spec).await;
        let resumed = result.expect("resumes").bytes_resumed;
        assert_eq!(resumed, left.consumed_bytes);
        assert_is_truthful(&told, resumed, SIZE as u64);
    }
}

#[tokio::test]
async fn a_slow_listener_does_not_slow_the_transfer_and_is_told_the_rest_in_one_call() {
    let bench = Bench::new(SIZE);
    let mut spec = bench.spec();
    let (let_go, held) = mpsc::channel::<()>();
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = told.clone();
    spec.listeners.set_data_transfer(move |status| {
        // The first call lasts until the destination is there. It could not be, if anybody waited for this.
        let _ = held.recv();
        telling.lock().expect("not poisoned").push(status);
    });
    let destination = bench.destination();
    let watch = async {
        while !destination.exists() {
            tokio::task::yield_now().await;
        }
        drop(let_go);
    };
    let (result, ()) = tokio::join!(bench.download(spec), watch);
    result.expect("nothing goes wrong");
    let told = told.lock().expect("not poisoned").clone();
    assert_is_truthful(&told, 0, SIZE as u64);
    assert_eq!(told.len(), 3, "started, everything at once, succeeded: {told:?}");
}

#[tokio::test]
async fn a_listener_that_panics_breaks_nothing_and_is_not_called_again() {
    let bench = Bench::new(SIZE);
    let mut spec = bench.spec();
    let calls = Arc::new(Mutex::new(0));
    let counting = calls.clone();
    spec.listeners.set_data_transfer(move |_| {
        *counting.lock().expect("not poisoned") += 1;
        std::panic::resume_unwind(Box::new("a listener's own fault"));
    });
    let names = Arc::new(Mutex::new(Vec::new()));
    let naming = names.clone();
    spec.listeners.set_download_event(move |event| {
        naming
            .lock()
            .expect("not poisoned")
            .push(event.event_type.value());
    });
    bench.download(spec).await.expect("the download goes on");
    bench.assert_is_the_object();
    assert_eq!(*calls.lock().expect("not poisoned"), 1);
    let names = names.lock().expect("not poisoned");
    assert_eq!(
        *names,
        [1, 3, 3, 3, 3, 3, 3, 6],
        "the other listener is told everything"
    );
}

#[tokio::test]
async fn the_listeners_of_a_call_are_called_one_at_a_time_in_the_order_of_what_happened() {
    let bench = Bench::new(SIZE);
    let mut spec = bench.spec();
    let log = Arc::new(Mutex::new(Vec::new()));
    let [events, transfer] = [log.clone(), log.clone()];
    spec.listeners.set_download_event(move |event| {
        events
            .try_lock()
            .expect("nobody else is called")
            .push(event.event_type.value());
    });
    spec.listeners.set_data_transfer(move |status| {
        let value = status.data_transfer_type.value();
        transfer
            .try_lock()
            .expect("nobody else is called")
            .push(1000 + value);
    });
    bench.download(spec).await.expect("nothing goes wrong");
    let log = log.lock().expect("not poisoned");
    assert_eq!((log[0], log[1]), (1, 1001), "the file, then the start: {log:?}");
    assert_eq!(
        log[log.len() - 2..],
        [1004 - 1, 6],
        "the end, then the name: {log:?}"
    );
}

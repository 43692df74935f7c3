//! A small object takes a shorter way, with the same promises.

use super::*;

/// Comes in one answer of a few pieces.
const SMALL: usize = 200_000;

/// A download that is tried again.
fn patient(bench: &Bench) -> Spec {
    Spec {
        max_retries: Retries::at_most(3),
        ..bench.spec()
    }
}

#[tokio::test]
async fn a_small_object_takes_one_request_and_few_calls_to_the_file_system() {
    let mut bench = Bench::new(SMALL);
    let storage = FaultyStorage::sound();
    bench.storage = Arc::new(storage.clone());
    let output = bench.download(bench.spec()).await.expect("a small object");
    bench.assert_is_the_object();
    assert_eq!(output.verification, Verification::Crc64);
    assert_eq!((output.requests, output.bytes_fetched), (1, SMALL as u64));
    assert_eq!(bench.files(), ["object.bin"]);
    // Look at the destination and its directory's own name, and for an earlier run's two files; create, lock,
    // compare; write, sync; look at it and at the destination's rights; rename, look at the destination, sync the directory; look for
    // a journal that was set aside.
    assert!(storage.calls() <= 19, "{} calls", storage.calls());
    let done: Vec<&str> = storage.log().iter().map(|(call, _)| *call).collect();
    assert_eq!(done, ["sync", "rename", "sync directory"], "invariant I6");
}

#[tokio::test(start_paused = true)]
async fn a_small_object_that_breaks_off_anywhere_is_gone_on_with_and_no_byte_comes_twice() {
    for cut in [0, 1, 49_999, 50_000, 123_456, SMALL - 1] {
        for verdict in [Verdict::BreakAfter(cut), Verdict::EndAfter(cut)] {
            let bench = Bench::new(SMALL);
            bench.source.follow(move |number, _| match number {
                0 => verdict,
                _ => Verdict::Serve,
            });
            let output = bench.download(patient(&bench)).await.expect("the next attempt");
            bench.assert_is_the_object();
            assert_eq!((output.requests, output.retries), (2, 1), "cut at {cut}");
            assert_eq!(output.bytes_fetched, SMALL as u64, "cut at {cut}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_small_object_that_stalls_or_is_altered_comes_by_another_attempt() {
    for verdict in [
        Verdict::StallAfter(70_000),
        Verdict::Flip(7),
        Verdict::FlipUnderRangeCrc,
    ] {
        let bench = Bench::new(SMALL);
        let first = verdict;
        bench.source.follow(move |number, _| match number {
            0 => first,
            _ => Verdict::Serve,
        });
        let output = bench.download(patient(&bench)).await.expect("the next attempt");
        bench.assert_is_the_object();
        assert_eq!(output.verification, Verification::Crc64, "{verdict:?}");
        assert_eq!(output.requests, 2, "{verdict:?}");
    }
}

#[tokio::test]
async fn a_canceled_small_object_leaves_nothing_but_what_was_there() {
    let bench = Bench::new(SMALL);
    fs::write(bench.destination(), "precious").expect("written");
    bench.source.follow(|_, _| Verdict::StallAfter(100_000));
    let spec = bench.spec();
    let cancel = spec.cancel.clone();
    let (result, ()) = tokio::join!(bench.download(spec), async { cancel.cancel(false) });
    assert_eq!(result.expect_err("canceled").kind(), ErrorKind::Canceled);
    assert_eq!(bench.files(), ["object.bin"]);
    assert_eq!(fs::read(bench.destination()).expect("there"), b"precious");
}

/// A fault at any call to the file system ends in an error and what was there before, or in the object; the next call succeeds.
#[tokio::test(start_paused = true)]
async fn any_single_storage_fault_in_a_small_object_ends_in_an_error_or_the_object() {
    crate::offload::inline::want();
    for n in 0.. {
        let mut bench = Bench::new(SMALL);
        fs::write(bench.destination(), "precious").expect("written");
        let failing = FaultyStorage::fails_once_at(n);
        bench.storage = Arc::new(failing.clone());
        let result = bench.download(bench.spec()).await;
        assert_old_or_object(&bench, n);
        if result.is_ok() {
            bench.assert_is_the_object();
        }
        if !failing.has_failed() {
            return;
        }
        bench.storage = Arc::new(SystemStorage);
        let next = bench.download(bench.spec()).await;
        next.unwrap_or_else(|error| panic!("after call {n}: {error:?}"));
        bench.assert_is_the_object();
        assert_eq!(bench.files(), ["object.bin"], "after call {n}");
    }
}

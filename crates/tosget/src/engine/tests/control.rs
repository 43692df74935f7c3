//! What a user holds in the hand while a download runs: its rate, and its end. Time is tokio's paused clock.

use tokio::time::Instant as VirtualInstant;

use super::*;

/// Longer than any of these downloads may take.
const FOR_EVER: Duration = Duration::from_secs(1 << 30);

#[tokio::test(start_paused = true)]
async fn a_rate_limit_holds_for_all_tasks_together_and_is_no_stall() {
    let bench = Bench::new(SIZE);
    let mut spec = bench.spec();
    // A task waits for minutes here, far longer than the idle timeout.
    spec.idle = Duration::from_millis(100);
    spec.limiter = Some(RateLimiter::new(10_000, 65_536).expect("good numbers"));
    let began = VirtualInstant::now();
    let output = bench.download(spec).await.expect("nothing goes wrong");
    bench.assert_is_the_object();
    let took = began.elapsed().as_secs_f64();
    let least = (SIZE as f64 - 65_536.0) / 10_000.0;
    assert!(
        (least..least * 1.05).contains(&took),
        "{took} s, should be {least} s"
    );
    assert_eq!((output.retries, output.bytes_fetched), (0, SIZE as u64));
}

#[tokio::test(start_paused = true)]
async fn two_downloads_that_share_a_limiter_share_the_rate() {
    let benches = [Bench::new(SIZE), Bench::new(SIZE)];
    let limiter = RateLimiter::new(1 << 20, 1 << 20).expect("good numbers");
    let limited = benches.each_ref().map(|bench| Spec {
        limiter: Some(limiter.clone()),
        ..bench.spec()
    });
    let [first, second] = limited;
    let began = VirtualInstant::now();
    let (first, second) = tokio::join!(benches[0].download(first), benches[1].download(second));
    first.and(second).expect("nothing goes wrong");
    let least = (2 * SIZE - (1 << 20)) as f64 / f64::from(1 << 20);
    let took = began.elapsed().as_secs_f64();
    assert!(
        (least..least * 1.05).contains(&took),
        "{took} s, should be {least} s"
    );
}

#[tokio::test(start_paused = true)]
async fn cancel_takes_effect_at_once_while_a_read_is_stalled_or_the_limiter_waits() {
    for is_limited in [false, true] {
        let bench = Bench::new(SIZE);
        let mut spec = bench.spec();
        spec.idle = FOR_EVER;
        if is_limited {
            spec.limiter = Some(RateLimiter::new(1, 1_500_000).expect("good numbers"));
        } else {
            // What is asked again, since nothing comes, brings nothing either.
            bench.source.follow(|number, _| match number {
                ..3 => Verdict::StallAfter(500_000),
                _ => Verdict::StallAfter(0),
            });
        }
        let cancel = spec.cancel.clone();
        let pull = async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            cancel.cancel(false);
            VirtualInstant::now()
        };
        let (result, canceled_at) = tokio::join!(bench.download(spec), pull);
        let error = result.expect_err("canceled");
        assert_eq!(error.to_string(), "the task is canceled");
        assert!(canceled_at.elapsed() <= Duration::from_millis(100));
        // What had come was not lost.
        bench.source.follow(|_, _| Verdict::Serve);
        let output = bench.download(bench.spec()).await.expect("resumes");
        bench.assert_is_the_object();
        assert!(
            output.bytes_resumed >= 1_500_000,
            "{is_limited}: {}",
            output.bytes_resumed
        );
    }
}

#[tokio::test(start_paused = true)]
async fn cancel_takes_effect_at_once_while_a_retry_is_waited_for() {
    let bench = Bench::new(SIZE);
    bench.source.follow(|number, _| match number {
        0 => Verdict::Serve,
        _ => Verdict::Refuse(503),
    });
    let mut spec = bench.spec();
    spec.max_retries = Retries::at_most(u32::MAX);
    let cancel = spec.cancel.clone();
    let pull = async {
        tokio::time::sleep(Duration::from_secs(200)).await;
        cancel.cancel(true);
        VirtualInstant::now()
    };
    let (result, canceled_at) = tokio::join!(bench.download(spec), pull);
    assert_eq!(result.expect_err("canceled").kind(), ErrorKind::Canceled);
    assert!(canceled_at.elapsed() <= Duration::from_millis(100));
    assert_eq!(bench.files(), Vec::<String>::new());
}

#[tokio::test]
async fn cancel_does_not_wait_for_the_last_sync() {
    for is_abort in [false, true] {
        let mut bench = Bench::new(SIZE);
        let (storage, let_go) = FaultyStorage::stuck_in_sync();
        bench.storage = Arc::new(storage.clone());
        let spec = bench.spec();
        let cancel = spec.cancel.clone();
        let is_syncing = || {
            storage
                .log()
                .iter()
                .any(|(call, path)| *call == "sync" && path.to_string_lossy().ends_with("tosget-part"))
        };
        let pull = async {
            while !is_syncing() {
                tokio::task::yield_now().await;
            }
            cancel.cancel(is_abort);
        };
        // The sync lasts until this is over: whoever waited for it would wait for ever.
        let (result, ()) = tokio::join!(bench.download(spec), pull);
        assert_eq!(result.expect_err("canceled").kind(), ErrorKind::Canceled);
        assert!(!bench.destination().exists());
        drop(let_go);
        bench.storage = Arc::new(SystemStorage);
        let output = bench.download(bench.spec()).await.expect("goes on");
        bench.assert_is_the_object();
        let resumed = if is_abort { 0 } else { SIZE as u64 };
        assert_eq!(output.bytes_resumed, resumed, "is_abort: {is_abort}");
    }
}

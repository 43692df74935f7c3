//! A connection that stalls or crawls does not hold the others up. Time is tokio's paused clock, so the numbers are exact.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant as VirtualInstant;

use super::*;

const TASKS: usize = 8;
const PARTS: usize = 64;
/// Bytes per second of a connection.
const PACE: u64 = 1 << 20;

impl Bench {
    fn spec_for_eight(&self) -> Spec {
        Spec {
            tasks: exactly(TASKS),
            max_retries: Retries::at_most(3),
            ..self.spec()
        }
    }

    /// Downloads and returns the seconds that it took.
    async fn timed(&self, spec: Spec) -> (DownloadFileOutput, f64) {
        let began = VirtualInstant::now();
        let output = self.download(spec).await.expect("nothing goes wrong");
        self.assert_is_the_object();
        (output, began.elapsed().as_secs_f64())
    }
}

fn large() -> Bench {
    Bench::new(PARTS * PART as usize)
}

async fn undisturbed() -> f64 {
    let bench = large();
    bench.source.follow(|_, _| Verdict::Pace(PACE));
    let (output, took) = bench.timed(bench.spec_for_eight()).await;
    assert_eq!(
        output.requests, PARTS as u64,
        "nobody is sent home, and nothing is shared out"
    );
    took
}

#[tokio::test(start_paused = true)]
async fn one_connection_in_eight_that_stalls_or_crawls_costs_at_most_a_quarter_more_time() {
    let undisturbed = undisturbed().await;
    for slow in [
        Verdict::StallAfter(0),
        Verdict::StallAfter(100_000),
        Verdict::Pace(PACE / 100),
    ] {
        let bench = large();
        bench.source.follow(move |number, _| match number % 8 {
            3 => slow,
            _ => Verdict::Pace(PACE),
        });
        let (output, took) = bench.timed(bench.spec_for_eight()).await;
        assert!(
            took <= 1.25 * undisturbed,
            "{slow:?}: {took} s instead of {undisturbed} s"
        );
        assert_eq!(
            output.bytes_fetched,
            bench.content.len() as u64,
            "no byte is written twice"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_stalls_is_not_waited_for_until_the_idle_timeout() {
    let bench = large();
    bench.source.follow(|number, _| match number {
        5 => Verdict::StallAfter(300_000),
        _ => Verdict::Pace(PACE),
    });
    let (output, took) = bench.timed(bench.spec_for_eight()).await;
    assert!(took < bench.spec().idle.as_secs_f64() / 2.0, "{took}");
    assert_eq!((output.retries, output.requests), (0, PARTS as u64 + 1));
}

#[tokio::test(start_paused = true)]
async fn the_last_part_is_shared_out_among_those_who_have_nothing_left_to_do() {
    let bench = Bench::new(9 * PART as usize);
    bench.source.follow(|_, _| Verdict::Pace(PART / 8));
    let (output, took) = bench.timed(bench.spec_for_eight()).await;
    // Eight parts take 8 s; the ninth would take as long again with seven tasks idle.
    assert!(took < 8.0 + 4.0, "{took}");
    assert!((10..=9 + 8).contains(&output.requests), "{}", output.requests);
    assert_eq!(output.bytes_fetched, 9 * PART);
}

#[tokio::test(start_paused = true)]
async fn what_is_nearly_done_is_not_shared_out() {
    let bench = Bench::new(9 * PART as usize);
    bench.source.follow(|_, _| Verdict::Pace(8 * PART));
    let (output, _) = bench.timed(bench.spec_for_eight()).await;
    assert_eq!(output.requests, 9);
}

#[tokio::test(start_paused = true)]
async fn a_piece_that_is_slow_wherever_it_is_asked_for_is_left_in_peace_in_the_end() {
    let bench = large();
    bench.source.follow(|_, range| match range.start() / PART {
        9 => Verdict::Pace(PACE / 20),
        _ => Verdict::Pace(PACE),
    });
    let (output, _) = bench.timed(bench.spec_for_eight()).await;
    assert!(output.requests < PARTS as u64 + 16, "{}", output.requests);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_overloaded_is_asked_by_fewer_tasks_for_a_while() {
    let bench = large();
    let most = 4;
    let open = Arc::new(AtomicU64::new(0));
    let refusing = open.clone();
    // The service bears four requests a second; a body takes one.
    let began = VirtualInstant::now();
    bench.source.follow(move |_, _| {
        let second = began.elapsed().as_secs();
        let before = refusing.load(Ordering::Relaxed);
        let (at, count) = (before >> 32, before & 0xFFFF_FFFF);
        let count = if at == second { count + 1 } else { 1 };
        refusing.store(second << 32 | count, Ordering::Relaxed);
        if count > most {
            Verdict::Refuse(503)
        } else {
            Verdict::Pace(PACE)
        }
    });
    let spec = Spec {
        first_retries: Retries::at_most(3),
        max_retries: Retries::at_most(10),
        ..bench.spec_for_eight()
    };
    let (output, took) = bench.timed(spec).await;
    assert!(output.retries < 60, "{} retries", output.retries);
    assert!(took < 40.0, "{took} s, 16 s would be the best");
}

/// Serves slowly, but for one part: its first `refusals` requests meet `refusal`. Returns when they came.
fn refuse_part_three(bench: &Bench, refusal: Verdict, refusals: usize) -> Arc<Mutex<Vec<VirtualInstant>>> {
    let asked = Arc::<Mutex<Vec<VirtualInstant>>>::default();
    let noted = asked.clone();
    bench.source.follow(move |_, range| {
        if range.start() / PART != 3 {
            return Verdict::Pace(PACE);
        }
        let mut noted = noted.lock().expect("not poisoned");
        noted.push(VirtualInstant::now());
        match noted.len() <= refusals {
            true => refusal,
            false => Verdict::Pace(PACE),
        }
    });
    asked
}

#[tokio::test(start_paused = true)]
async fn a_piece_is_not_asked_for_before_the_service_said_whoever_takes_it_over() {
    // Siblings end every second and want more; in the other case nothing else is left to begin.
    for parts in [PARTS, 4] {
        let bench = Bench::new(parts * PART as usize);
        let asked = refuse_part_three(&bench, Verdict::RefuseFor(8), 2);
        let (output, _) = bench.timed(bench.spec_for_eight()).await;
        let asked = asked.lock().expect("not poisoned").clone();
        for (before, after) in asked.iter().zip(&asked[1..3]) {
            assert!(
                *after - *before >= Duration::from_secs(8),
                "{parts} parts: {asked:?}"
            );
        }
        assert_eq!(output.retries, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_piece_has_no_more_retries_when_others_take_it_over() {
    let bench = large();
    let asked = refuse_part_three(&bench, Verdict::Refuse(503), usize::MAX);
    let error = bench
        .download(bench.spec_for_eight())
        .await
        .expect_err("one part is refused for good");
    assert_eq!(asked.lock().expect("not poisoned").len(), 4);
    assert!(error.to_string().contains("after 4 attempts"), "{error}");
}

//! The number of tasks, where nobody says how many. Time is tokio's paused clock, so every run is the same.

use tokio::task::JoinSet;
use tokio::time::Instant as VirtualInstant;

use super::*;
use crate::offload::inline;
use crate::testing::scripted_source::Asked;

const PARTS: usize = 96;
/// Bytes per second of a connection.
const PACE: u64 = 1 << 20;

/// Downloads many parts over slow connections. Returns what was asked for, and the seconds that it took.
async fn run(tasks: Tasks) -> (Vec<Asked>, f64) {
    inline::want();
    let bench = Bench::new(PARTS * PART as usize);
    bench.source.follow(|_, _| Verdict::Pace(PACE));
    let began = VirtualInstant::now();
    let spec = Spec {
        tasks,
        ..bench.spec()
    };
    bench.download(spec).await.expect("nothing goes wrong");
    bench.assert_is_the_object();
    (bench.source.asked(), began.elapsed().as_secs_f64())
}

#[tokio::test(start_paused = true)]
async fn there_are_more_as_long_as_they_bring_more() {
    let (_, by_two) = run(exactly(2)).await;
    let (_, took) = run(Tasks::automatic()).await;
    assert!(took < by_two / 8.0, "{took} s, two tasks take {by_two} s");
}

#[tokio::test(start_paused = true)]
async fn the_same_source_is_asked_the_same_every_time() {
    assert_eq!(run(Tasks::automatic()).await, run(Tasks::automatic()).await);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_refuses_ends_nothing_and_has_fewer_tasks() {
    inline::want();
    let bench = Bench::new(PARTS * PART as usize);
    // All are refused for some seconds, when many are at work.
    let began = VirtualInstant::now();
    bench.source.follow(move |_, _| {
        if (1..3).contains(&began.elapsed().as_secs()) {
            Verdict::Refuse(503)
        } else {
            Verdict::Pace(PACE)
        }
    });
    let spec = Spec {
        tasks: Tasks::automatic(),
        max_retries: Retries::at_most(10),
        ..bench.spec()
    };
    let output = bench.download(spec).await.expect("nothing ends it");
    bench.assert_is_the_object();
    assert!((1..60).contains(&output.retries), "{} retries", output.retries);
}

/// After which second since `began` an object of so many parts was there, which had been asked for a while after it.
async fn bring(tasks: Tasks, parts: usize, began: VirtualInstant, after: Duration) -> u64 {
    tokio::time::sleep_until(began + after).await;
    let bench = Bench::new(parts * PART as usize);
    bench.source.follow(|_, _| Verdict::Pace(PACE));
    let spec = Spec {
        tasks,
        ..bench.spec()
    };
    bench.download(spec).await.expect("nothing goes wrong");
    bench.assert_is_the_object();
    began.elapsed().as_secs()
}

/// The large ones are there first; the seconds that large and small ones took.
async fn bring_large_and_small(tasks: Tasks, large: usize, small: usize) -> (Vec<u64>, Vec<u64>) {
    inline::want();
    let began = VirtualInstant::now();
    let large: JoinSet<u64> = (0..large)
        .map(|_| bring(tasks.clone(), PARTS, began, Duration::ZERO))
        .collect();
    let small: JoinSet<u64> = (0..small)
        .map(|_| bring(tasks.clone(), 1, began, Duration::from_millis(100)))
        .collect();
    tokio::join!(large.join_all(), small.join_all())
}

#[tokio::test(start_paused = true)]
async fn small_objects_do_not_wait_for_a_large_one_that_shares_their_tasks() {
    let (large, small) = bring_large_and_small(exactly(4), 1, 8).await;
    assert!(small.iter().all(|seconds| *seconds <= 5), "{small:?}");
    // A hundred and four seconds of work, done by four.
    assert!(large[0] <= 28, "{large:?}");
}

#[tokio::test(start_paused = true)]
async fn small_objects_do_not_wait_for_as_many_large_ones_as_there_are_tasks() {
    let (large, small) = bring_large_and_small(exactly(2), 2, 4).await;
    assert!(small.iter().all(|seconds| *seconds <= 20), "{small:?}");
    // The work of 196 seconds, done by two.
    assert!(large.iter().all(|seconds| *seconds <= 105), "{large:?}");
}

/// Bytes keep coming to two other downloads.
async fn siblings(tasks: Tasks) {
    let _slots = [tasks.slot().await, tasks.slot().await];
    loop {
        tasks.received(1000);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Downloads from a source that is shared with two others, and has tasks for four. Returns how many there may be in the end.
async fn among_siblings(
    bench: &Bench,
    script: impl Fn(usize) -> Verdict + Send + Sync + 'static,
) -> (Result<DownloadFileOutput, Error>, usize) {
    bench.source.follow(move |number, _| script(number));
    let tasks = exactly(4);
    let siblings = tokio::spawn(siblings(tasks.of_another_download()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let spec = Spec {
        tasks: tasks.clone(),
        first_retries: Retries {
            time: Duration::from_secs(300),
            count: None,
            doubtful: 3,
        },
        ..bench.spec()
    };
    let result = bench.download(spec).await;
    let allowed = tasks.allowed();
    siblings.abort();
    (result, allowed)
}

#[tokio::test(start_paused = true)]
async fn a_denial_while_others_get_through_is_believed_soon_and_costs_them_no_tasks() {
    for status in [401, 403] {
        let bench = Bench::new(1000);
        let began = VirtualInstant::now();
        let (result, allowed) = among_siblings(&bench, move |_| Verdict::Refuse(status)).await;
        let error = result.expect_err("it is forbidden");
        assert_eq!(
            error.server().map(|server| server.status_code),
            Some(status),
            "{error:?}"
        );
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        assert_eq!((bench.source.asked().len(), allowed), (3, 4));
    }
}

#[tokio::test(start_paused = true)]
async fn a_denial_that_was_a_limit_leaves_fewer_tasks() {
    let bench = Bench::new(1000);
    let (result, allowed) = among_siblings(&bench, |number| match number {
        0 => Verdict::Refuse(403),
        _ => Verdict::Serve,
    })
    .await;
    result.expect("the second time there is room");
    bench.assert_is_the_object();
    assert!(allowed < 4, "{allowed}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_not_there_costs_others_no_tasks_for_as_long_as_it_is_tried() {
    let bench = Bench::new(1000);
    let (result, allowed) = among_siblings(&bench, |_| Verdict::NoAddress).await;
    result.expect_err("it is not there");
    assert_eq!(allowed, 4);
}

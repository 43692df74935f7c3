//! An endpoint that can't be reached for a while, or not at all.

use tokio::time::Instant as VirtualInstant;

use super::*;

/// What a client bears that was told nothing.
fn patient(doubtful: u32) -> Retries {
    Retries {
        time: Duration::from_secs(300),
        count: None,
        doubtful,
    }
}

impl Bench {
    /// Nothing but `fault` until so many seconds have passed.
    fn is_away_for(&self, seconds: u64, fault: Verdict) {
        let there = VirtualInstant::now() + Duration::from_secs(seconds);
        self.source.follow(move |_, _| {
            if VirtualInstant::now() < there {
                fault
            } else {
                Verdict::Serve
            }
        });
    }

    fn patient_spec(&self) -> Spec {
        Spec {
            first_retries: patient(3),
            max_retries: patient(10),
            ..self.spec()
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_request_waits_for_a_service_that_is_away_for_minutes() {
    for fault in [503, 429, 500, 502, 504].map(Verdict::Refuse) {
        for seconds in [4, 60, 280] {
            for size in [1000, SIZE] {
                let bench = Bench::new(size);
                bench.is_away_for(seconds, fault);
                bench
                    .download(bench.patient_spec())
                    .await
                    .expect("it is there in the end");
                bench.assert_is_the_object();
            }
        }
    }
    let bench = Bench::new(SIZE);
    bench.is_away_for(120, Verdict::NoAddress);
    bench
        .download(bench.patient_spec())
        .await
        .expect("it has an address");
    bench.assert_is_the_object();
}

#[tokio::test(start_paused = true)]
async fn a_service_that_stays_away_is_waited_for_as_long_as_was_asked() {
    for seconds in [0, 7, 300] {
        let bench = Bench::new(SIZE);
        bench.source.follow(|_, _| Verdict::Refuse(503));
        let began = VirtualInstant::now();
        let retries = Retries {
            time: Duration::from_secs(seconds),
            ..patient(3)
        };
        let spec = Spec {
            first_retries: retries,
            ..bench.spec()
        };
        let error = bench.download(spec).await.expect_err("it stays away");
        assert_eq!(began.elapsed().as_secs(), seconds);
        assert!(error.is_transient() && error.server().is_some(), "{error:?}");
        assert_eq!(bench.files(), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_mistake_is_told_at_once() {
    for status in [400, 401, 403, 404] {
        let bench = Bench::new(SIZE);
        bench.source.follow(move |_, _| Verdict::Refuse(status));
        let began = VirtualInstant::now();
        bench
            .download(bench.patient_spec())
            .await
            .expect_err("the service refuses");
        assert!(began.elapsed() < Duration::from_millis(100), "{status}");
        assert_eq!(bench.source.asked().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancel_ends_the_wait_at_once() {
    let bench = Bench::new(SIZE);
    bench.source.follow(|_, _| Verdict::Refuse(503));
    let spec = bench.patient_spec();
    let cancel = spec.cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(20)).await;
        cancel.cancel(false);
    });
    let began = VirtualInstant::now();
    let error = bench.download(spec).await.expect_err("canceled");
    assert_eq!(error.kind(), ErrorKind::Canceled);
    assert!(began.elapsed() < Duration::from_millis(20_100));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_sends_a_byte_and_resets_is_not_asked_for_ever() {
    let bench = Bench::new(SIZE);
    bench.source.follow(|_, _| Verdict::BreakAfter(1));
    let began = VirtualInstant::now();
    let error = bench
        .download(bench.patient_spec())
        .await
        .expect_err("no object comes of it");
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(
        began.elapsed() <= Duration::from_secs(301),
        "{:?}",
        began.elapsed()
    );
    let asked = bench.source.asked().len();
    assert!(asked < 1000, "{asked} requests");
}

#[tokio::test(start_paused = true)]
async fn who_wants_no_retry_asks_a_silent_server_once() {
    // No answer is waited for more shortly than time is left for another one.
    for (seconds, requests) in [(0, 1), (3, 1), (5, 2)] {
        let bench = Bench::new(SIZE);
        bench.source.follow(|_, _| Verdict::HeadAfter(600));
        let retries = Retries {
            time: Duration::from_secs(seconds),
            ..patient(3)
        };
        let spec = Spec {
            first_retries: retries,
            ..bench.spec()
        };
        let error = bench.download(spec).await.expect_err("nothing comes");
        assert_eq!(error.kind(), ErrorKind::Network);
        assert_eq!(bench.source.asked().len(), requests, "{retries:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_begin_is_asked_for_again_after_three_seconds() {
    for size in [1000, SIZE] {
        let bench = Bench::new(size);
        bench.source.follow(|number, _| match number {
            0 => Verdict::HeadAfter(60),
            _ => Verdict::Serve,
        });
        let began = VirtualInstant::now();
        let spec = bench.spec();
        let output = bench.download(spec).await.expect("the second one answers");
        bench.assert_is_the_object();
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
        assert_eq!((output.bytes_fetched, output.retries), (size as u64, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_where_nothing_else_is_under_way_is_asked_for_again_after_a_few_seconds() {
    for (size, came) in [
        (1000, 0),
        (1000, 500),
        (PART as usize, 0),
        (PART as usize, 200_000),
    ] {
        let bench = Bench::new(size);
        bench.source.follow(move |number, _| match number {
            0 => Verdict::StallAfter(came),
            _ => Verdict::Serve,
        });
        let began = VirtualInstant::now();
        let output = bench
            .download(bench.spec())
            .await
            .expect("the second one answers");
        bench.assert_is_the_object();
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        assert_eq!(output.bytes_fetched, size as u64, "no byte comes twice");
        assert_eq!(output.retries, 0);
        assert_eq!(bench.asked_since(1), (size - came) as u64);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_slow_to_its_first_byte_is_heard() {
    for late in [2, 5, 20, 29] {
        let bench = Bench::new(SIZE);
        bench.source.follow(move |_, _| Verdict::HeadAfter(late));
        let spec = Spec {
            tasks: exactly(1),
            ..bench.spec()
        };
        let output = bench.download(spec).await.expect("it just takes long");
        bench.assert_is_the_object();
        assert_eq!(output.bytes_fetched, SIZE as u64, "{late} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_has_no_address_for_a_while_costs_nothing_but_time() {
    // At the first request, and in the middle of the object.
    for (from, to) in [(0, 3), (2, 11)] {
        let bench = Bench::new(SIZE);
        bench.source.follow(move |number, _| {
            if (from..to).contains(&number) {
                Verdict::NoAddress
            } else {
                Verdict::Serve
            }
        });
        let spec = Spec {
            first_retries: Retries::at_most(3),
            max_retries: Retries::at_most(10),
            ..bench.spec()
        };
        let output = bench.download(spec).await.expect("it is there again");
        bench.assert_is_the_object();
        assert_eq!(output.bytes_fetched, SIZE as u64);
        assert!(output.retries > 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_keeps_having_no_address_ends_the_call_and_the_next_one_goes_on() {
    let bench = Bench::new(SIZE);
    bench.source.follow(|_, range| match range.start() / PART {
        0 | 1 => Verdict::Serve,
        _ => Verdict::NoAddress,
    });
    let error = bench
        .download(Spec {
            max_retries: Retries::at_most(10),
            ..bench.spec()
        })
        .await
        .expect_err("it can't be reached");
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(error.is_transient() && error.is_resumable());
    assert!(
        error.hint().is_some_and(|hint| hint.contains("endpoint")),
        "{error:?}"
    );
    bench.source.follow(|_, _| Verdict::Serve);
    let output = bench.download(bench.spec()).await.expect("goes on");
    bench.assert_is_the_object();
    assert_eq!(output.bytes_resumed, 2 * PART);
}

/// What came took its time, and was no outage.
#[tokio::test(start_paused = true)]
async fn a_slow_part_that_came_altered_is_fetched_again() {
    let bench = Bench::new(SIZE);
    bench.source.follow(|number, _| match number {
        1 => Verdict::FlipUnderRangeCrcAt(25_000),
        _ => Verdict::ServeWithRangeCrc,
    });
    let began = VirtualInstant::now();
    let spec = Spec {
        tasks: exactly(1),
        part_size: NonZeroU64::new(2 * PART).expect("not zero"),
        ..bench.patient_spec()
    };
    let output = bench.download(spec).await.expect("the second time it is right");
    bench.assert_is_the_object();
    assert!(began.elapsed() > Duration::from_secs(80), "{:?}", began.elapsed());
    assert_eq!(output.retries, 1);
}

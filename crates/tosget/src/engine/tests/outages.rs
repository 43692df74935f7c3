//! An endpoint that can't be reached for a while, or not at all.

use super::*;

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
            first_retries: 3,
            max_retries: 10,
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
            max_retries: 10,
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

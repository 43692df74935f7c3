//! A rate limit holds, and one that makes no sense is refused before anything happens.

use std::time::Instant;

use crate::stage::{MIB, Stage, assert_is_big_object};

#[test]
fn a_download_is_no_faster_than_its_limit() {
    let stage = Stage::with_big_object(4 * MIB);
    let began = Instant::now();
    let get = ["get", "tos://bkt/big", "out.bin", "--part-size", "1MiB"];
    let limits = ["--limit-rate", "2MiB/s", "--limit-burst", "1MiB"];
    stage.run(&[&get[..], &limits[..]].concat()).ends_with(0);
    assert_is_big_object(&stage.path("out.bin"), 4 * MIB);
    // A machine can be slow, but no machine may be faster than this.
    let took = began.elapsed().as_secs_f64();
    assert!(
        took >= 1.5,
        "4 MiB, 1 MiB of them at once, at 2 MiB/s in {took} s"
    );
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    let stage = Stage::new();
    for (limits, reason) in [
        (&["--limit-rate", "0"][..], "0 would let nothing through"),
        (&["--limit-rate", "fast"], "there is no unit fast"),
        (
            &["--limit-rate", "1MiB", "--limit-burst", "0"],
            "--limit-burst: the capacity of a rate limiter is 0",
        ),
        (&["--limit-burst", "1MiB"], "--limit-rate"),
    ] {
        let get = ["get", "tos://bkt/k"];
        stage.run(&[&get[..], limits].concat()).ends_with(2).says(reason);
    }
    assert!(stage.emulator.requests().is_empty());
}

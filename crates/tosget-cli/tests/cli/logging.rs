//! Each `-v` tells more, and nobody else's log comes with it.

use tos_emulator::{FaultRule, Verdict};

use crate::stage::{BUCKET, MIB, Ran, SEED, Stage};

/// The lines of a level.
fn lines<'a>(ran: &'a Ran, level: &str) -> Vec<&'a str> {
    let level = format!("Z {level:>5} ");
    ran.stderr.lines().filter(|line| line.contains(&level)).collect()
}

#[test]
fn one_v_tells_what_was_found_and_decided_and_what_was_tried_again() {
    let stage = Stage::with_big_object(8 * MIB);
    let fault = FaultRule::new(Verdict::CloseAfter { bytes: 1000 }).range_from(7 * MIB);
    stage.emulator.add_fault(fault.times(1));
    let ran = stage
        .run(&["get", "tos://bkt/big", "-v", "--part-size", "1MiB"])
        .ends_with(0);
    ran.says("tosget::download: object found size=8388608 etag=");
    ran.says("tosget::checkpoint: no checkpoint to go on from");
    ran.says("tosget::download: attempt failed, trying again part=8 ");
    assert_eq!(lines(&ran, "INFO").len(), 4, "{ran:#?}");
    assert_eq!(
        ran.stderr.lines().count(),
        5,
        "the summary, and nothing else: {ran:#?}"
    );
    let ran = stage.run(&["get", "tos://bkt/big"]).ends_with(0);
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:#?}");
}

#[test]
fn two_v_tell_of_each_request_and_three_of_each_connection() {
    let stage = Stage::new();
    stage.emulator.put_virtual(BUCKET, "big", 4 * MIB, SEED);
    let get = ["get", "tos://bkt/big", "--part-size", "1MiB"];
    let ran = stage.run(&[&get[..], &["-vv"]].concat()).ends_with(0);
    let mut told = lines(&ran, "DEBUG");
    told.retain(|line| line.contains(" tosget::request: "));
    let asked = stage.emulator.requests();
    assert_eq!(
        (told.len(), lines(&ran, "TRACE").len()),
        (asked.len(), 0),
        "{ran:#?}"
    );
    for request in asked {
        let of_request =
            |line: &&&str| line.contains(&format!("done status=206 request_id={}", request.request_id));
        assert_eq!(told.iter().filter(of_request).count(), 1, "{ran:#?}");
    }
    let ran = stage.run(&[&get[..], &["-vvv"]].concat()).ends_with(0);
    ran.says("tosget::connection: opened connection=1 ")
        .says("connection=1 reused=false");
    assert!(!ran.stderr.contains("hyper"), "{ran:#?}");
}

//! A disk that says it has what it has not, and locks that everybody gets.

use rustix::process::Signal;
use tos_emulator::{FaultRule, Verdict};

use crate::odd_system::OddSystem;
use crate::stage::{BUCKET, MIB, Ran, Running, Stage, assert_is_big_object};

const SIZE: u64 = 96 * MIB;
const GET: [&str; 6] = ["get", "tos://bkt/big", "--part-size", "2MiB", "--task-num", "4"];

/// Writes beyond 30 MiB are acknowledged and dropped; a sync, or a write beyond 60 MiB, tells.
fn over_quota(stage: &Stage) -> OddSystem<'_> {
    OddSystem::new(stage)
        .rule("write EDQUOT @62914560 tosget-part")
        .rule("write drop @31457280 tosget-part")
        .rule("fsync EDQUOT * tosget-part")
}

/// The next run, on a disk that has room again, brings the object.
fn assert_next_run_is_right(stage: &Stage) {
    stage.full_speed();
    stage.run(&GET).ends_with(0);
    assert_is_big_object(&stage.path("big"), SIZE);
    assert_eq!(stage.files(), ["big"]);
}

#[test]
fn writes_that_were_acknowledged_and_lost_are_fetched_again_by_the_next_run() {
    let stage = Stage::with_big_object(SIZE);
    let odd = over_quota(&stage);
    odd.run(&GET).ends_with(1).says("uota");
    assert!(!stage.path("big").exists());
    assert_next_run_is_right(&stage);
}

#[test]
fn an_interruption_seals_nothing_that_the_disk_lost() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let stage = Stage::with_big_object(SIZE);
        stage.slow_down(48 * MIB);
        let odd = over_quota(&stage);
        let running = odd.start(&GET);
        stage.wait_until_sent(42 * MIB);
        running.signal(signal);
        running.wait().ends_with(130);
        assert_next_run_is_right(&stage);
    }
}

#[test]
fn a_sync_that_was_left_behind_by_a_cancel_vouches_for_nothing() {
    let stage = Stage::with_big_object(SIZE);
    let odd = OddSystem::new(&stage)
        .rule("write drop @31457280 tosget-part")
        .rule("fsync wait5000 * tosget-part");
    let running = odd.start(&GET);
    crate::stage::wait_until("the last sync", || {
        odd.uses().iter().any(|used| used.starts_with("fsync"))
    });
    running.signal(Signal::INT);
    running.wait().ends_with(130);
    assert!(!stage.path("big").exists());
    assert_next_run_is_right(&stage);
}

#[test]
fn of_three_that_start_together_one_succeeds_also_where_everybody_gets_every_lock() {
    for (size, rounds) in [(24 * MIB, 6), (MIB / 4, 4), (0, 2)] {
        for _ in 0..rounds {
            let stage = Stage::new();
            stage
                .emulator
                .put_virtual(BUCKET, "big", size, crate::stage::SEED);
            let odd = OddSystem::new(&stage).rule("flock drop *");
            let started = [(); 3].map(|()| odd.start(&GET));
            let ended = started.map(Running::wait);
            assert!(ended.iter().any(|ran| ran.code == Some(0)), "{ended:?}");
            assert!(ended.iter().all(is_winner_or_told), "{ended:?}");
            assert_is_big_object(&stage.path("big"), size);
            assert_eq!(stage.files(), ["big"]);
        }
    }
}

fn is_winner_or_told(ran: &Ran) -> bool {
    matches!(ran.code, Some(0 | 5))
}

#[test]
fn what_a_killed_run_left_is_gone_on_with_where_everybody_gets_every_lock() {
    let stage = Stage::with_big_object(SIZE);
    stage.slow_down(48 * MIB);
    let odd = OddSystem::new(&stage).rule("flock drop *");
    for _ in 0..2 {
        let before = stage.sent();
        let running = odd.start(&GET);
        stage.wait_until_sent(before + 24 * MIB);
        running.kill();
    }
    stage.full_speed();
    let ran = odd.run(&[&GET[..], &["--json"]].concat()).ends_with(0);
    let resumed = ran.json()["bytes_resumed"].as_u64().expect("a number");
    assert!(resumed >= 32 * MIB, "{resumed}");
    assert_is_big_object(&stage.path("big"), SIZE);
    assert_eq!(stage.files(), ["big"]);
}

/// Everybody gets every lock.
const NO_PROOF: &str = "flock drop *";

/// A stage with a checkpoint of a run that was killed where locks prove nothing.
fn with_killed_run() -> Stage {
    let stage = Stage::with_big_object(SIZE);
    stage.slow_down(48 * MIB);
    let odd = OddSystem::new(&stage).rule(NO_PROOF);
    let running = odd.start(&GET);
    stage.wait_until_sent(32 * MIB);
    running.kill();
    stage.full_speed();
    stage
}

/// The next run goes on from what the killed one had, and nothing is left.
#[track_caller]
fn assert_goes_on(stage: &Stage, what: &str) {
    let odd = OddSystem::new(stage).rule(NO_PROOF);
    let ran = odd.run(&[&GET[..], &["--json"]].concat()).ends_with(0);
    let resumed = ran.json()["bytes_resumed"].as_u64().expect("a number");
    assert!(resumed >= 16 * MIB, "{what}: {resumed}");
    assert_is_big_object(&stage.path("big"), SIZE);
    assert_eq!(stage.files(), ["big"], "{what}");
}

#[test]
fn a_takeover_that_fails_half_way_loses_nothing_and_leaves_nothing() {
    for (rule, code) in [
        ("rename EIO * tosget-journal$", Some(1)),
        ("rename EIO * tosget-part$", Some(1)),
        ("fsync EIO 1 tosget-journal", Some(1)),
        ("write ENOSPC 1 tosget-journal", Some(1)),
        ("rename kill * tosget-journal$", None),
        ("rename kill * tosget-part$", None),
    ] {
        let stage = with_killed_run();
        let odd = OddSystem::new(&stage).rule(NO_PROOF).rule(rule);
        let ran = odd.run(&GET);
        assert_eq!(ran.code, code, "{rule}: {ran:#?}");
        assert_eq!(
            odd.uses()
                .iter()
                .filter(|used| !used.starts_with("flock"))
                .count(),
            1
        );
        assert_goes_on(&stage, rule);
    }
}

#[test]
fn a_rename_that_is_done_and_said_to_have_failed_is_done() {
    for name in ["tosget-part$", "tosget-journal$", "big$"] {
        let stage = with_killed_run();
        let rule = format!("rename done-ENOENT * {name}");
        let odd = OddSystem::new(&stage).rule(NO_PROOF).rule(&rule);
        odd.run(&GET).ends_with(0);
        assert!(odd.uses().iter().any(|used| used.starts_with("rename")));
        assert_is_big_object(&stage.path("big"), SIZE);
        assert_eq!(stage.files(), ["big"], "{name}");
    }
}

#[test]
fn whoever_wants_another_object_throws_no_owner_out_that_came_meanwhile() {
    for size in [SIZE, MIB] {
        let stage = with_killed_run();
        stage.emulator.put_virtual(BUCKET, "other", size, 9);
        let slow = FaultRule::new(Verdict::Delay { ms: 2_500 }).key("other").times(1);
        stage.emulator.add_fault(slow);
        let odd = OddSystem::new(&stage).rule(NO_PROOF);
        let before = stage.emulator.stats().requests;
        let other = odd.start(&["get", "tos://bkt/other", "big"]);
        crate::stage::wait_until("its question", || stage.emulator.stats().requests > before);
        stage.slow_down(8 * MIB);
        let sent = stage.sent();
        let owner = odd.start(&GET);
        stage.wait_until_sent(sent + 2 * MIB);
        other.wait().ends_with(5).says("is being downloaded by ");
        stage.full_speed();
        owner.wait().ends_with(0);
        assert_is_big_object(&stage.path("big"), SIZE);
        assert_eq!(stage.files(), ["big"]);
    }
}

#[test]
fn what_nobody_can_go_on_with_is_not_left_where_everybody_gets_every_lock() {
    for flags in [&[][..], &["--recheck", "always"]] {
        let stage = Stage::with_big_object(SIZE);
        let arguments = [&GET[..], flags].concat();
        let odd = OddSystem::new(&stage).rule(NO_PROOF);
        odd.rule("fsync EIO 1 tosget-part").run(&arguments).ends_with(1);
        OddSystem::new(&stage).rule(NO_PROOF).run(&arguments).ends_with(0);
        assert_is_big_object(&stage.path("big"), SIZE);
        assert_eq!(stage.files(), ["big"], "{flags:?}");
    }
    let stage = Stage::with_big_object(SIZE);
    stage.emulator.add_fault(FaultRule::new(Verdict::WrongCrc));
    OddSystem::new(&stage).rule(NO_PROOF).run(&GET).ends_with(4);
    stage.emulator.clear_faults();
    OddSystem::new(&stage).rule(NO_PROOF).run(&GET).ends_with(0);
    assert_eq!(stage.files(), ["big"]);
}

#[test]
fn what_a_killed_run_without_a_journal_left_goes_when_it_is_old() {
    let stage = Stage::with_big_object(SIZE);
    stage.emulator.put_object(BUCKET, "small", "content");
    stage.slow_down(48 * MIB);
    let odd = OddSystem::new(&stage).rule(NO_PROOF);
    let running = odd.start(&[&GET[..], &["--no-checkpoint"]].concat());
    stage.wait_until_sent(24 * MIB);
    running.kill();
    stage.full_speed();
    let left = stage.files();
    assert_eq!(left.len(), 1, "{left:?}");
    odd.run(&["get", "tos://bkt/small"]).ends_with(0);
    assert_eq!(stage.files(), [&left[0], "small"], "it may be at work");
    let file = std::fs::File::options().write(true).open(stage.path(&left[0]));
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(25 * 3600);
    file.expect("there").set_modified(long_ago).expect("set");
    odd.run(&["get", "tos://bkt/small", "other"]).ends_with(0);
    assert_eq!(stage.files(), ["other", "small"]);
}

/// As where nobody reaps children: in many containers.
#[test]
fn a_killed_run_that_nobody_has_reaped_is_gone_on_with() {
    for rule in ["", NO_PROOF] {
        let stage = Stage::with_big_object(SIZE);
        stage.slow_down(48 * MIB);
        let odd = match rule {
            "" => OddSystem::new(&stage),
            rule => OddSystem::new(&stage).rule(rule),
        };
        let running = odd.start(&GET);
        stage.wait_until_sent(24 * MIB);
        running.signal(Signal::KILL);
        let stat = format!("/proc/{}/stat", running.id());
        crate::stage::wait_until("its death", || {
            std::fs::read_to_string(&stat)
                .expect("not reaped")
                .contains(") Z ")
        });
        stage.full_speed();
        odd.run(&GET).ends_with(0).says(" resumed in ");
        assert_is_big_object(&stage.path("big"), SIZE);
        assert_eq!(stage.files(), ["big"]);
        running.wait();
    }
}

#[test]
fn a_journal_that_goes_while_its_holder_is_looked_for_is_no_error_of_the_disk() {
    let stage = Stage::with_big_object(SIZE);
    stage.slow_down(48 * MIB);
    let first = stage.start(&GET);
    stage.wait_until_sent(24 * MIB);
    let odd = OddSystem::new(&stage).rule("open wait4000 2 tosget-journal");
    let second = odd.start(&GET);
    crate::stage::wait_until("its look", || odd.was_used());
    stage.full_speed();
    first.wait().ends_with(0);
    second.wait().ends_with(0);
    assert_eq!(stage.files(), ["big"]);
}

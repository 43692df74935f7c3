//! A signal stops a download in order, and the same command goes on.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::stage::{MIB, Running, Stage, assert_is_big_object, bare_command, wait_until};

const SIZE: u64 = 48 * MIB;
const GET: [&str; 5] = ["get", "tos://bkt/big", "--part-size", "2MiB", "--json"];

/// A download that is under way and has some way to go.
fn under_way(stage: &Stage, arguments: &[&str]) -> Running {
    stage.slow_down(24 * MIB);
    let running = stage.start(arguments);
    stage.wait_until_sent(12 * MIB);
    running
}

#[test]
fn signals_keep_the_checkpoint_and_the_same_command_goes_on() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let stage = Stage::with_big_object(SIZE);
        let running = under_way(&stage, &GET[..4]);
        let at = Instant::now();
        running.signal(signal);
        let ran = running.wait().ends_with(130);
        assert!(at.elapsed() < Duration::from_secs(2), "{:?}", at.elapsed());
        ran.says("interrupted: ").says(" of 48 MiB are kept\n");
        ran.says("\n  checkpoint: /")
            .says("(run the same command again to go on)");
        assert!(!stage.path("big").exists());

        stage.full_speed();
        let told = stage.run(&GET).ends_with(0).json();
        let resumed = told["bytes_resumed"].as_u64().expect("a number");
        assert!(resumed >= 10 * MIB, "{told}");
        assert_eq!(told["bytes_fetched"], json!(SIZE - resumed));
        assert_is_big_object(&stage.path("big"), SIZE);
        assert_eq!(stage.files(), ["big"]);
    }
}

#[test]
fn an_interruption_is_told_in_json_too() {
    let stage = Stage::with_big_object(SIZE);
    let running = under_way(&stage, &GET);
    running.signal(Signal::INT);
    let told = running.wait().ends_with(130).json();
    assert_eq!((&told["ok"], &told["exit_code"]), (&json!(false), &json!(130)));
    assert_eq!(told["error"]["kind"], json!("canceled"));
    assert!(told["error"]["checkpoint"].is_string(), "{told}");
}

#[test]
fn without_a_checkpoint_nothing_is_left() {
    let stage = Stage::with_big_object(SIZE);
    let running = under_way(&stage, &["get", "tos://bkt/big", "--no-checkpoint"]);
    running.signal(Signal::INT);
    running.wait().ends_with(130).says("interrupted: nothing is kept");
    assert_eq!(stage.files(), [""; 0]);
}

#[test]
fn a_question_can_be_interrupted() {
    let stage = Stage::with_big_object(SIZE);
    let stall = tos_emulator::Verdict::StallBeforeHead { ms: None };
    stage.emulator.add_fault(tos_emulator::FaultRule::new(stall));
    let running = stage.start(&["stat", "tos://bkt/big"]);
    wait_until("the question", || stage.emulator.stats().requests == 1);
    running.signal(Signal::INT);
    running.wait().ends_with(130);
}

#[test]
fn a_signal_that_was_ignored_stays_so_as_under_nohup() {
    let stage = Stage::with_big_object(SIZE);
    stage.slow_down(24 * MIB);
    let template = stage.command(&GET[..4]);
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]);
    command.arg(template.get_program()).args(template.get_args());
    command.current_dir(stage.folder()).envs(
        template
            .get_envs()
            .filter_map(|(name, value)| value.map(|value| (name.to_owned(), value.to_owned()))),
    );
    let running = Running::start(&mut command);
    stage.wait_until_sent(12 * MIB);
    running.signal(Signal::HUP);
    stage.full_speed();
    running.wait().ends_with(0);
    assert_is_big_object(&stage.path("big"), SIZE);
}

#[test]
fn a_terminal_that_hung_up_does_not_end_in_a_panic() {
    let stage = Stage::with_big_object(SIZE);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = stage.command(&["get", "tos://bkt/big"]);
    let status = command.stderr(writer).status().expect("it runs");
    assert_eq!(status.code(), Some(0));
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let status = bare_command(&["get", "tos://bkt"]).stderr(writer).status();
    assert_eq!(status.expect("it runs").code(), Some(2));
}

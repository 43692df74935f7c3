//! A disk that keeps a call for ever, as a hard NFS mount does whose server is gone: a signal ends the command all the same.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tos_emulator::{FaultRule, Verdict};

use crate::odd_system::OddSystem;
use crate::stage::{BUCKET, MIB, Stage, assert_is_big_object, wait_until};

const SIZE: u64 = 48 * MIB;
const GET: [&str; 4] = ["get", "tos://bkt/big", "--part-size", "2MiB"];

#[test]
fn a_signal_ends_a_download_whose_disk_keeps_a_call_and_the_next_run_goes_on() {
    for (rule, signal) in [
        ("write hang @16777216 tosget-part", Signal::INT),
        ("write hang 12- tosget-journal", Signal::TERM),
        ("fsync hang 1- tosget-part", Signal::INT),
        ("rename hang * big", Signal::TERM),
        ("fsync hang 2- ", Signal::HUP),
    ] {
        let stage = Stage::with_big_object(SIZE);
        let odd = OddSystem::new(&stage).rule(rule);
        let running = odd.start(&GET);
        wait_until(rule, || odd.was_used());
        let at = Instant::now();
        running.signal(signal);
        let ran = running.wait().ends_with(130);
        assert!(
            at.elapsed() < Duration::from_secs(1),
            "{rule}: {:?}",
            at.elapsed()
        );
        ran.says("interrupted: ").says(" of 48 MiB are kept\n");
        ran.says("\n  checkpoint: /").says(".tosget-journal");

        let told = stage.run(&[&GET[..], &["--json"]].concat()).ends_with(0).json();
        let resumed = told["bytes_resumed"].as_u64().expect("a number");
        assert!(resumed >= 2 * MIB, "{rule}: {told}");
        assert_is_big_object(&stage.path("big"), SIZE);
        assert_eq!(stage.files(), ["big"]);
    }
}

#[test]
fn a_signal_ends_a_command_whose_disk_keeps_the_first_look() {
    let stage = Stage::with_big_object(SIZE);
    let odd = OddSystem::new(&stage).rule("stat hang * tosget-");
    let running = odd.start(&GET);
    wait_until("the look", || odd.was_used());
    let at = Instant::now();
    running.signal(Signal::INT);
    running.wait().ends_with(130);
    assert!(at.elapsed() < Duration::from_secs(1), "{:?}", at.elapsed());
    stage.run(&GET).ends_with(0);
    assert_is_big_object(&stage.path("big"), SIZE);
}

#[test]
fn a_signal_ends_a_run_of_many_objects_of_which_the_disk_keeps_one() {
    let stage = Stage::with_big_object(SIZE);
    for number in 0..20 {
        stage
            .emulator
            .put_object(BUCKET, &format!("small/{number}"), "content");
    }
    let keys: Vec<String> = (0..20)
        .map(|number| format!("tos://bkt/small/{number}\n"))
        .collect();
    std::fs::write(stage.path("list"), format!("tos://bkt/big\n{}", keys.concat())).expect("written");
    let odd = OddSystem::new(&stage).rule("write hang @16777216 tosget-part");
    let running = odd.start(&["batch", "list", "out/", "--part-size", "2MiB"]);
    wait_until("the write", || odd.was_used());
    // The others come, whatever is kept.
    wait_until("the small ones", || {
        (0..20).all(|number| stage.path(&format!("out/small/{number}")).exists())
    });
    let at = Instant::now();
    running.signal(Signal::TERM);
    running.wait().ends_with(130);
    assert!(at.elapsed() < Duration::from_secs(1), "{:?}", at.elapsed());
    stage
        .run(&["batch", "list", "out/", "--part-size", "2MiB"])
        .ends_with(0);
    assert_is_big_object(&stage.path("out/big"), SIZE);
}

/// A claim of a path, a look at a directory, a small object's file, the removal of what is not kept.
#[test]
fn whatever_call_of_one_object_the_disk_keeps_all_others_come_and_a_signal_is_answered() {
    for (rule, arguments) in [
        ("stat hang * hung/x$", &[][..]),
        ("open hang * out/hung$", &[]),
        ("create hang * out/hung/", &[]),
        ("write hang * out/hung/", &[]),
        ("rename hang * out/hung/", &[]),
        (
            "remove hang * tosget-part",
            &["--no-checkpoint", "--retry-for", "0s"],
        ),
    ] {
        let stage = Stage::new();
        let objects = |names: &str, count: usize, size: usize| {
            let keys = (0..count).map(|number| format!("{names}{number}"));
            keys.inspect(|key| drop(stage.emulator.put_object(BUCKET, key, vec![7; size])))
                .map(|key| format!("tos://{BUCKET}/{key}\n"))
                .collect::<String>()
        };
        stage.emulator.put_object(BUCKET, "hung/x", "x");
        let hung = format!("tos://{BUCKET}/hung/x\n");
        let list = [
            objects("broken/", 6, 2 << 20),
            objects("good/", 15, 1000),
            hung,
            objects("fine/", 15, 1000),
        ];
        let broken = FaultRule::new(Verdict::ResetAfter { bytes: 1 << 20 }).key("broken/*");
        stage.emulator.add_fault(broken);
        std::fs::write(stage.path("list"), list.concat()).expect("written");
        std::fs::create_dir_all(stage.path("out/hung")).expect("a directory");

        let odd = OddSystem::new(&stage).rule(rule);
        let list_into_out = ["batch", "list", "out/", "--json"];
        let running = odd.start(&[&list_into_out[..], arguments].concat());
        wait_until(rule, || odd.was_used());
        wait_until(&format!("the others: {rule}"), || {
            let come =
                |names: &str| (0..15).all(|number| stage.path(&format!("out/{names}/{number}")).exists());
            come("good") && come("fine")
        });
        let at = Instant::now();
        running.signal(Signal::TERM);
        let ran = running.wait().ends_with(130);
        assert!(
            at.elapsed() < Duration::from_secs(1),
            "{rule}: {:?}",
            at.elapsed()
        );
        let told = ["\"good/", "\"fine/"].map(|names| ran.stdout.matches(names).count());
        assert_eq!(told, [15, 15], "{rule}: {}", ran.stdout);
    }
}

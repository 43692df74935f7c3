//! Killed again and again, with other settings each time, a download ends with the same file, and fetches hardly
//! anything twice.

use crate::stage::{MIB, Running, Stage, assert_is_big_object};

const SIZE: u64 = 96 * MIB;
const KILLS: u64 = 6;

#[test]
fn kills_at_random_moments_cost_little_and_nothing_is_wrong() {
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let stage = Stage::with_big_object(SIZE);
    stage.slow_down(64 * MIB);
    let mut kills = 0;
    for _ in 0..KILLS {
        let part_size = ["1MiB", "5MB", "20MiB", "32MiB"][random.usize(..4)];
        let task_num = ["1", "3", "8", "16"][random.usize(..4)];
        let get = [
            "get",
            "tos://bkt/big",
            "--part-size",
            part_size,
            "--task-num",
            task_num,
        ];
        let goal = stage.sent() + random.u64(0..SIZE / KILLS);
        let mut running = stage.start(&get);
        while stage.sent() < goal && !running.has_ended() {
            std::thread::yield_now();
        }
        kills += u64::from(!running.has_ended());
        running.kill();
        stage.wait_for_silence();
        assert!(!stage.path("big").exists(), "partial bytes under the final name");
    }
    stage.full_speed();
    stage
        .run(&["get", "tos://bkt/big", "--part-size", "3MiB"])
        .ends_with(0);
    assert_is_big_object(&stage.path("big"), SIZE);
    assert_eq!(stage.files(), ["big"]);
    let (sent, most) = (stage.sent(), SIZE + SIZE / 50 + kills * 4 * MIB);
    assert!(
        sent <= most,
        "{sent} bytes were sent, at most {most} were expected, with {kills} kills"
    );
}

#[test]
fn a_part_as_large_as_the_object_is_gone_on_with_after_kills() {
    for (size, kills, step) in [(9 * MIB, 1, 8 * MIB), (64 * MIB, 5, 10 * MIB)] {
        for task_num in ["1", "8"] {
            let stage = Stage::with_big_object(size);
            stage.slow_down(size / 2);
            let get = ["get", "tos://bkt/big", "--part-size", "1GiB"];
            for _ in 0..kills {
                let mut command = stage.command(&get);
                let mut running = Running::start(command.args(["--task-num", task_num]));
                let goal = stage.sent() + step;
                while stage.sent() < goal && !running.has_ended() {
                    std::thread::yield_now();
                }
                assert!(!running.has_ended());
                running.kill();
                stage.wait_for_silence();
            }
            stage.full_speed();
            stage.run(&get).ends_with(0);
            assert_is_big_object(&stage.path("big"), size);
            assert_eq!(stage.files(), ["big"]);
            // What the emulator gave to the kernel counts as sent.
            let (sent, most) = (stage.sent(), size + kills * 4 * MIB);
            assert!(
                sent <= most,
                "{sent} bytes were sent, at most {most} were expected"
            );
        }
    }
}

#[test]
fn recheck_always_reads_back_what_an_orderly_end_left() {
    let stage = Stage::with_big_object(32 * MIB);
    stage.slow_down(16 * MIB);
    let running = stage.start(&["get", "tos://bkt/big", "--part-size", "2MiB"]);
    stage.wait_until_sent(12 * MIB);
    running.signal(rustix::process::Signal::TERM);
    running.wait().ends_with(130);
    // Somebody damages what was kept, and makes it look as if nothing had happened.
    let partial = stage
        .files()
        .into_iter()
        .find(|name| name.ends_with("tosget-part"));
    let path = stage.path(&partial.expect("it is kept"));
    let before = path
        .metadata()
        .and_then(|metadata| metadata.modified())
        .expect("a time");
    let mut content = std::fs::read(&path).expect("readable");
    content[100] ^= 0xff;
    std::fs::write(&path, content).expect("writable");
    let file = std::fs::File::options()
        .write(true)
        .open(&path)
        .expect("writable");
    file.set_modified(before).expect("settable");
    stage.full_speed();
    stage
        .run(&["get", "tos://bkt/big", "--recheck", "always"])
        .ends_with(0);
    assert_is_big_object(&stage.path("big"), 32 * MIB);
}

/// The official Python SDK can't (P18 of docs/compared.md).
#[test]
fn p18_a_checkpoint_file_may_be_named_without_a_directory() {
    let stage = Stage::with_big_object(32 * MIB);
    stage.slow_down(16 * MIB);
    let get = [
        "get",
        "tos://bkt/big",
        "--part-size",
        "2MiB",
        "--checkpoint-file",
        "my.ckpt",
    ];
    let running = stage.start(&get);
    stage.wait_until_sent(12 * MIB);
    running.signal(rustix::process::Signal::TERM);
    running.wait().ends_with(130);
    assert!(stage.path("my.ckpt").is_file());
    stage.full_speed();
    let sent = stage.sent();
    stage.run(&get).ends_with(0);
    assert_is_big_object(&stage.path("big"), 32 * MIB);
    assert_eq!(stage.files(), ["big"]);
    assert!(stage.sent() - sent < 32 * MIB, "it went on");
}

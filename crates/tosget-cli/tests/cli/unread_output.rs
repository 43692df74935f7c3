//! Whatever becomes of stderr, a download goes on. What should be on stdout and is not there is no success.

use std::fs::{self, File, OpenOptions};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::progress::terminal;
use crate::stage::{BUCKET, MIB, Ran, Running, Stage, assert_is_big_object, bare_command, run, wait_until};

const SIZE: u64 = 24 * MIB;
/// Many requests, each of which is a line of the log.
const GET: [&str; 5] = ["get", "tos://bkt/big", "--part-size", "256KiB", "-vv"];

/// As long as the end of a command may take when nobody reads what it says.
const SOON: Duration = Duration::from_secs(2);

/// A pipe that takes nothing more.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = io::pipe().expect("a pipe");
    set_blocking(&writer, false);
    while (&writer).write(&[b'.'; 4096]).is_ok() {}
    set_blocking(&writer, true);
    (reader, writer)
}

fn set_blocking(writer: &PipeWriter, blocks: bool) {
    let mut flags = fcntl_getfl(writer).expect("flags");
    flags.set(OFlags::NONBLOCK, !blocks);
    fcntl_setfl(writer, flags).expect("set");
}

/// A pipe whose reader left.
fn broken_pipe() -> PipeWriter {
    io::pipe().expect("a pipe").1
}

fn dev_full() -> File {
    OpenOptions::new().write(true).open("/dev/full").expect("there")
}

/// A terminal that its user has stopped with Ctrl-S. Also returns what its window is.
fn stopped_terminal() -> (File, OwnedFd) {
    let (master, slave) = terminal(80);
    let mut window = File::from(master);
    window.write_all(b"\x13").expect("typed");
    (window, slave)
}

fn read_all(mut reader: PipeReader) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("UTF-8");
        text.trim_start_matches('.').to_owned()
    })
}

/// Starts it with stderr going to `stderr`, and nothing of ours holds that open.
fn start(mut command: Command, stderr: impl Into<Stdio>) -> Running {
    Running::start_as_is(command.stdout(Stdio::null()).stderr(stderr))
}

/// Runs it to its end with stdout going to `stdout`.
#[track_caller]
fn run_into(mut command: Command, stdout: impl Into<Stdio>) -> Ran {
    command.stdout(stdout).stderr(Stdio::piped());
    Running::start_as_is(&mut command).wait()
}

#[test]
fn a_download_goes_on_whatever_becomes_of_what_it_says() {
    let (unread, full) = full_pipe();
    let (window, stopped) = stopped_terminal();
    let closed = terminal(80).1;
    let whiles: [(&str, Stdio); 5] = [
        ("a pipe that nobody reads", full.into()),
        ("a terminal that is stopped", stopped.into()),
        ("a terminal without a window", closed.into()),
        ("a pipe whose reader left", broken_pipe().into()),
        ("a full disk", dev_full().into()),
    ];
    for (what, stderr) in whiles {
        let stage = Stage::with_big_object(SIZE);
        let running = start(stage.command(&GET), stderr);
        let ran = running.wait();
        assert_eq!(ran.code, Some(0), "{what}");
        assert_is_big_object(&stage.path("big"), SIZE);
    }
    drop((unread, window));
}

#[test]
fn a_progress_line_that_nobody_looks_at_does_not_hold_the_end_up() {
    let stage = Stage::with_big_object(SIZE);
    stage.slow_down(24 * MIB);
    let (window, stopped) = stopped_terminal();
    let running = start(stage.command(&GET[..2]), stopped);
    running.wait().ends_with(0);
    assert_is_big_object(&stage.path("big"), SIZE);
    drop(window);
}

#[test]
fn a_run_of_many_objects_goes_on_when_nobody_reads_its_log() {
    let stage = Stage::new();
    let mut list = String::new();
    for number in 0..400 {
        stage.emulator.put_object(BUCKET, &format!("{number}"), "content");
        list.push_str(&format!("tos://bkt/{number}\ntos://bkt/none/{number}\n"));
    }
    fs::write(stage.path("list"), list).expect("a list");
    let (unread, full) = full_pipe();
    let running = start(stage.command(&["batch", "list", "there", "-vvv"]), full);
    running.wait().ends_with(3);
    assert!((0..400).all(|number| stage.path(&format!("there/{number}")).exists()));
    drop(unread);
}

#[test]
fn signals_end_a_command_whose_log_nobody_reads() {
    for signals in 1..=2 {
        for is_terminal in [false, true] {
            let stage = Stage::with_big_object(SIZE);
            stage.slow_down(8 * MIB);
            let (unread, full) = full_pipe();
            let (window, stopped) = stopped_terminal();
            let stderr: Stdio = if is_terminal { stopped.into() } else { full.into() };
            let running = start(stage.command(&GET), stderr);
            stage.wait_until_sent(4 * MIB);
            let at = Instant::now();
            for _ in 0..signals {
                running.signal(Signal::INT);
            }
            running.wait().ends_with(130);
            assert!(at.elapsed() < SOON, "{:?}", at.elapsed());
            stage.full_speed();
            let told = stage.run(&["get", "tos://bkt/big", "--json"]).ends_with(0).json();
            assert!(told["bytes_resumed"].as_u64() >= Some(2 * MIB), "{told}");
            drop((unread, window));
        }
    }
}

#[test]
fn a_window_that_closes_on_the_way_ends_nothing() {
    let stage = Stage::with_big_object(SIZE);
    stage.slow_down(24 * MIB);
    let (window, tty) = terminal(80);
    let running = start(stage.command(&GET[..4]), tty);
    stage.wait_until_sent(SIZE / 2);
    drop(window);
    running.wait().ends_with(0);
    assert_is_big_object(&stage.path("big"), SIZE);
}

#[test]
fn a_reader_that_comes_late_gets_all_of_it_in_order() {
    for blocks in [true, false] {
        let stage = Stage::with_big_object(SIZE);
        stage.slow_down(24 * MIB);
        let (reader, full) = full_pipe();
        set_blocking(&full, blocks);
        let running = start(stage.command(&GET), full);
        stage.wait_until_sent(SIZE / 2);
        let told = read_all(reader);
        running.wait().ends_with(0);
        let told = told.join().expect("read");
        let requests = told.lines().filter(|line| line.contains(" tosget::request: "));
        assert_eq!(requests.count(), stage.emulator.requests().len(), "{told}");
        let last = told.lines().last().expect("a line");
        assert!(last.starts_with("done: "), "{told}");
    }
}

#[test]
fn the_error_is_told_to_a_reader_that_is_slow() {
    let stage = Stage::new();
    let (mut reader, full) = full_pipe();
    let running = start(stage.command(&["get", "tos://bkt/none"]), full);
    wait_until("the question", || stage.emulator.stats().requests == 1);
    let mut told = Vec::new();
    let mut page = [0; 8192];
    while let Ok(length @ 1..) = reader.read(&mut page) {
        told.extend_from_slice(&page[..length]);
        thread::sleep(Duration::from_millis(10));
    }
    running.wait().ends_with(3);
    let told = String::from_utf8(told).expect("UTF-8");
    assert!(told.contains("error: ") && told.contains("NoSuchKey"), "{told}");
}

/// An object, and a list that names it and one that is not there.
fn stage() -> Stage {
    let stage = Stage::new();
    stage.emulator.put_object(BUCKET, "k", "content");
    fs::write(stage.path("list"), "tos://bkt/k\n").expect("a list");
    fs::write(stage.path("some"), "tos://bkt/none\ntos://bkt/k\n").expect("a list");
    stage
}

const PRINTING: [&[&str]; 6] = [
    &["stat", "tos://bkt/k"],
    &["stat", "tos://bkt/k", "--json"],
    &["presign", "tos://bkt/k"],
    &["--help"],
    &["get", "--help"],
    &["--version"],
];

#[test]
fn a_result_that_can_not_be_written_is_no_success() {
    let stage = stage();
    for arguments in PRINTING {
        let ran = run_into(stage.command(arguments), dev_full()).ends_with(1);
        ran.says("error: cannot write the result to standard output\n")
            .says("No space left on device");
        // A descriptor that can only be read.
        let ran = run_into(stage.command(arguments), File::open("/dev/null").expect("there"));
        ran.ends_with(1).says("Bad file descriptor");
    }
}

#[test]
fn a_file_that_came_stays_when_its_result_can_not_be_written() {
    let stage = stage();
    let ran = run_into(stage.command(&["get", "tos://bkt/k", "--json"]), dev_full()).ends_with(1);
    ran.says("error: cannot write the result to standard output\n")
        .says("No space left on device")
        .says("done: 7 B to ");
    assert_eq!(stage.read("k"), b"content");
}

#[test]
fn a_failure_keeps_its_exit_code_and_is_told_on_stderr_where_stdout_fails() {
    let stage = stage();
    let get = ["get", "tos://bkt/none", "--json"];
    for (stdout, is_told) in [(Stdio::from(dev_full()), true), (broken_pipe().into(), false)] {
        let ran = run_into(stage.command(&get), stdout).ends_with(3);
        ran.says("error: ").says("NoSuchKey");
        assert_eq!(ran.stderr.contains("cannot write"), is_told, "{ran:#?}");
    }
    let typo = ["get", "--json", "--what"];
    let ran = run_into(bare_command(&typo), dev_full()).ends_with(2);
    ran.says("--what").says("cannot write the result");
    run_into(bare_command(&typo), broken_pipe())
        .ends_with(2)
        .says("--what");
}

#[test]
fn a_reader_that_left_has_seen_enough() {
    let stage = stage();
    let get: &[&str] = &["get", "tos://bkt/k", "--json"];
    let batch: &[&str] = &["batch", "list", "there", "--json"];
    for arguments in PRINTING.into_iter().chain([get, batch]) {
        let ran = run_into(stage.command(arguments), broken_pipe()).ends_with(0);
        assert_eq!(ran.stderr, "", "{arguments:?}");
    }
    assert_eq!(stage.read("k"), stage.read("there/k"));
}

#[test]
fn a_run_goes_on_when_its_results_can_not_be_written_and_its_failures_are_told_on_stderr() {
    let stage = stage();
    let batch = |list, directory| stage.command(&["batch", list, directory, "--json"]);
    let ran = run_into(batch("list", "a"), dev_full()).ends_with(1);
    ran.says("error: cannot write the results to standard output\n")
        .says("done: 1 object to a");
    assert_eq!(stage.read("a/k"), b"content");
    let ran = run_into(batch("some", "b"), dev_full()).ends_with(3);
    ran.says("cannot write the results")
        .says("error: 1 of 2 objects failed");
    assert_eq!(stage.read("b/k"), b"content");
    let ran = run_into(batch("some", "c"), broken_pipe()).ends_with(3);
    ran.says("error: 1 of 2 objects failed");
    assert!(!ran.stderr.contains("cannot write"), "{ran:#?}");
    assert_eq!(stage.read("c/k"), b"content");
}

/// Whether it has begun to write to stdout.
fn prints(running: &Running) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{}/task", running.id())) else {
        // Only Linux tells.
        thread::sleep(Duration::from_millis(500));
        return true;
    };
    let mut names = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("comm")).ok());
    names.any(|name| name == "stdout\n")
}

#[test]
fn a_signal_ends_a_command_whose_result_nobody_reads() {
    for arguments in [
        &["stat", "tos://bkt/k"][..],
        &["presign", "tos://bkt/k"],
        &["get", "tos://bkt/k", "--json"],
        &["batch", "list", "there", "--json"],
    ] {
        let stage = stage();
        let (unread, full) = full_pipe();
        let mut command = stage.command(arguments);
        let running = Running::start_as_is(command.stdout(full).stderr(Stdio::piped()));
        drop(command);
        wait_until("something to say", || {
            let file = match arguments[0] {
                "get" => "k",
                "batch" => "there/k",
                _ => "list",
            };
            prints(&running) && stage.path(file).exists()
        });
        let at = Instant::now();
        running.signal(Signal::INT);
        let ran = running.wait().ends_with(130);
        assert!(at.elapsed() < SOON, "{arguments:?}: {:?}", at.elapsed());
        ran.says("interrupted: nobody reads standard output");
        drop(unread);
    }
}

#[test]
fn a_run_whose_results_nobody_reads_can_be_interrupted_and_gone_on_with() {
    let stage = Stage::with_big_object(SIZE);
    stage.emulator.put_object(BUCKET, "k", "content");
    fs::write(stage.path("list"), "tos://bkt/k\ntos://bkt/big\n").expect("a list");
    stage.slow_down(8 * MIB);
    let (unread, full) = full_pipe();
    let mut command = stage.command(&["batch", "list", "there", "--json"]);
    let running = Running::start_as_is(command.stdout(full).stderr(Stdio::piped()));
    stage.wait_until_sent(4 * MIB);
    let at = Instant::now();
    running.signal(Signal::TERM);
    running.wait().ends_with(130);
    assert!(at.elapsed() < SOON, "{:?}", at.elapsed());
    drop(unread);
    stage.full_speed();
    let ran = stage.run(&["batch", "list", "there", "--json"]).ends_with(0);
    let last: Value = serde_json::from_str(ran.stdout.lines().last().expect("a line")).expect("JSON");
    assert_eq!(last["batch"]["done"], json!(2), "{last}");
    assert!(last["batch"]["bytes_resumed"].as_u64() >= Some(2 * MIB), "{last}");
}

#[test]
fn a_signal_ends_a_run_that_waits_for_its_reader() {
    const OBJECTS: usize = 1500;
    let stage = Stage::new();
    let mut list = String::new();
    for number in 0..OBJECTS {
        stage.emulator.put_object(BUCKET, &format!("{number}"), "content");
        list.push_str(&format!("tos://bkt/{number}\n"));
    }
    fs::write(stage.path("list"), list).expect("a list");
    let (unread, full) = full_pipe();
    let mut command = stage.command(&["batch", "list", "there", "--json"]);
    let running = Running::start_as_is(command.stdout(full).stderr(Stdio::piped()));
    wait_until("more results than can wait", || {
        fs::read_dir(stage.path("there")).is_ok_and(|names| names.count() > 1024)
    });
    let at = Instant::now();
    running.signal(Signal::INT);
    let ran = running.wait().ends_with(130);
    assert!(at.elapsed() < SOON, "{:?}", at.elapsed());
    ran.says("interrupted: nobody reads standard output")
        .says(" of 1,500 objects are there");
    drop(unread);
    let ran = stage.run(&["batch", "list", "there", "--json"]).ends_with(0);
    assert_eq!(ran.stdout.lines().count(), OBJECTS + 1);
}

#[test]
fn a_result_comes_whole_to_a_reader_that_is_late() {
    for blocks in [true, false] {
        let stage = stage();
        let (reader, full) = full_pipe();
        set_blocking(&full, blocks);
        let mut command = stage.command(&["stat", "tos://bkt/k", "--json"]);
        let running = Running::start_as_is(command.stdout(full).stderr(Stdio::piped()));
        drop(command);
        wait_until("the question", || stage.emulator.stats().requests == 1);
        thread::sleep(Duration::from_millis(100));
        let told = read_all(reader);
        let ran = running.wait().ends_with(0);
        assert_eq!(ran.stderr, "");
        let told: Value = serde_json::from_str(&told.join().expect("read")).expect("JSON");
        assert_eq!(told["object"]["content_length"], json!(7));
    }
}

/// The standard library opens `/dev/null` in place of what is closed: nobody wants to know.
#[test]
fn streams_that_are_closed_are_as_good_as_dev_null() {
    let stage = stage();
    for closed in [">&-", "2>&-", ">&- 2>&- <&-"] {
        let template = stage.command(&["get", "tos://bkt/k", "--json", "-vvv"]);
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec \"$@\" {closed}"), "sh"]);
        command.arg(template.get_program()).args(template.get_args());
        command.current_dir(stage.folder());
        let environment = template.get_envs();
        command.envs(environment.filter_map(|(name, value)| Some((name, value?))));
        run(&mut command).ends_with(0);
        assert_eq!(stage.read("k"), b"content");
        assert_eq!(stage.files(), ["k", "list", "some"]);
    }
}

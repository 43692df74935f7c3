//! Where the system has not enough of something, the command goes on with less of it, or says which limit is in the way: it never
//! panics, never hangs, and loses no object of a list.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use rustix::process::geteuid;

use crate::stage::{BUCKET, MIB, Ran, Running, Stage, assert_is_big_object};

const SIZE: u64 = 6 * MIB;
const SMALL: usize = 40;

const GET: [&str; 5] = ["get", "tos://bkt/big", "out.bin", "--part-size", "1MiB"];

/// `tos://bkt/big`, which comes in parts, and a list of it and many small objects.
fn stage() -> Stage {
    let stage = Stage::with_big_object(SIZE);
    let mut list = String::from("tos://bkt/big\n");
    for number in 0..SMALL {
        stage
            .emulator
            .put_object(BUCKET, &format!("s/{number}"), format!("content of {number}"));
        list.push_str(&format!("tos://bkt/s/{number}\n"));
    }
    fs::write(stage.path("list"), list).expect("a list");
    stage
}

/// Runs the binary as `wrapper` starts it, to its end.
fn run(stage: &Stage, wrapper: &[&str], arguments: &[&str]) -> Ran {
    let template = stage.command(arguments);
    let mut command = Command::new(wrapper[0]);
    command
        .args(&wrapper[1..])
        .arg(template.get_program())
        .args(arguments);
    command.current_dir(stage.folder()).stdin(Stdio::null());
    command.envs(
        template
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    Running::start(&mut command).wait()
}

/// Whether a command is there and allowed; says so where it is not.
fn is_possible(wrapper: &[&str]) -> bool {
    let tried = Command::new(wrapper[0]).args(&wrapper[1..]).arg("true").status();
    let is_possible = tried.is_ok_and(|status| status.success());
    if !is_possible {
        eprintln!("skipped: this system does not grant {wrapper:?}");
    }
    is_possible
}

/// The file is there and right; or an error names the limit, and nothing is there. Returns whether it worked.
#[track_caller]
fn works_or_names(ran: &Ran, limit: &str, works: impl FnOnce()) -> bool {
    assert!(!ran.stderr.contains("panicked"), "{ran:#?}");
    match ran.code {
        Some(0) => {
            works();
            true
        }
        Some(1) => {
            ran.says(limit);
            assert!(!ran.stderr.contains("check that the endpoint"), "{ran:#?}");
            false
        }
        _ => panic!("neither done nor told: {ran:#?}"),
    }
}

#[track_caller]
fn gets(wrapper: &[&str], limit: &str) -> bool {
    let stage = stage();
    let ran = run(&stage, wrapper, &GET);
    let works = works_or_names(&ran, limit, || assert_is_big_object(&stage.path("out.bin"), SIZE));
    assert_eq!(works, stage.path("out.bin").exists());
    works
}

#[track_caller]
fn batches(wrapper: &[&str], limit: &str) -> bool {
    let stage = stage();
    let ran = run(&stage, wrapper, &["batch", "list", "there/"]);
    works_or_names(&ran, limit, || {
        assert_is_big_object(&stage.path("there/big"), SIZE);
        for number in 0..SMALL {
            let content = stage.read(&format!("there/s/{number}"));
            assert_eq!(content, format!("content of {number}").as_bytes());
        }
    })
}

#[track_caller]
fn stats(wrapper: &[&str], limit: &str) -> bool {
    let ran = run(&stage(), wrapper, &["stat", "tos://bkt/big"]);
    works_or_names(&ran, limit, || assert!(ran.stdout.contains("6 MiB"), "{ran:#?}"))
}

#[test]
fn however_few_files_may_be_open_it_works_or_names_the_limit() {
    for files in [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 20, 32, 64, 128] {
        let limit = format!("--nofile={files}");
        let wrapper = ["prlimit", &limit];
        if !is_possible(&wrapper) {
            return;
        }
        let worked = (
            stats(&wrapper, "ulimit -n"),
            gets(&wrapper, "ulimit -n"),
            batches(&wrapper, "ulimit -n"),
        );
        assert!(files < 20 || worked == (true, true, true), "{files}: {worked:?}");
    }
}

/// The limit counts all of a user's processes and does not bind root, so this takes a user of its own.
#[test]
fn however_few_threads_may_be_started_everything_works() {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can become a user without processes");
        return;
    }
    for threads in 1..=5 {
        let limit = format!("--nproc={threads}");
        let user = [
            "setpriv",
            "--reuid=54321",
            "--regid=54321",
            "--clear-groups",
            "prlimit",
            &limit,
        ];
        let stage = stage();
        fs::set_permissions(stage.folder(), Permissions::from_mode(0o777)).expect("its owner's");
        let version = run(&stage, &user, &["--version"]);
        if version.code != Some(0) {
            eprintln!("skipped: another user can't run the binary: {version:?}");
            return;
        }
        for arguments in [
            &GET[..],
            &["batch", "list", "there/"],
            &["stat", "tos://bkt/big"],
            &["presign", "tos://bkt/big"],
        ] {
            let ran = run(&stage, &user, arguments).ends_with(0);
            assert!(!ran.stderr.contains("panicked"), "{ran:#?}");
        }
        assert_is_big_object(&stage.path("out.bin"), SIZE);
        assert_is_big_object(&stage.path("there/big"), SIZE);
        assert_eq!(fs::read_dir(stage.path("there/s")).expect("there").count(), SMALL);
    }
}

#[test]
fn a_limit_of_file_sizes_is_named_before_anything_is_fetched() {
    for bytes in [0, 1000, MIB, SIZE - 1, SIZE] {
        let limit = format!("--fsize={bytes}");
        let wrapper = ["prlimit", &limit];
        if !is_possible(&wrapper) {
            return;
        }
        assert_eq!(gets(&wrapper, "ulimit -f"), bytes == SIZE);
        assert!(stats(&wrapper, "ulimit -f"));
    }
    // Small objects go another way to the disk.
    let stage = stage();
    let ran = run(&stage, &["prlimit", "--fsize=5"], &["get", "tos://bkt/s/1"]);
    ran.ends_with(1).says("ulimit -f");
    assert_eq!(stage.files(), ["list"]);
}

#[test]
fn an_output_that_gets_too_large_is_an_error_and_no_silent_end() {
    if !is_possible(&["prlimit", "--fsize=10"]) {
        return;
    }
    let stage = stage();
    let template = stage.command(&["stat", "tos://bkt/big"]);
    let mut command = Command::new("prlimit");
    command
        .arg("--fsize=10")
        .arg(template.get_program())
        .args(template.get_args());
    command.envs(
        template
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let output = fs::File::create(stage.path("told")).expect("created");
    command.stdout(output).stderr(Stdio::piped());
    let ran = Ran::from(command.output().expect("it runs"));
    ran.ends_with(1).says("ulimit -f");
}

#[test]
fn however_little_memory_there_is_it_works_or_names_the_limit() {
    for megabytes in [16, 24, 32, 40, 48, 64, 80, 100, 140, 200, 300, 500, 1000] {
        let limit = format!("--as={}", megabytes << 20);
        let wrapper = ["prlimit", &limit];
        // Below that, not even the binary can be loaded.
        if !is_possible(&wrapper) || run(&stage(), &wrapper, &["--version"]).code != Some(0) {
            continue;
        }
        gets(&wrapper, "ulimit -v");
        batches(&wrapper, "ulimit -v");
    }
}

#[test]
fn with_sixteen_local_ports_everything_works() {
    let script =
        "ip link set lo up && echo 40000 40015 > /proc/sys/net/ipv4/ip_local_port_range && exec \"$@\"";
    let wrapper = ["unshare", "--net", "sh", "-c", script, "sh"];
    if !is_possible(&wrapper) {
        return;
    }
    // The server has to be in there, too: the demo has its own. It goes through two downloads with as many tasks as it likes.
    let ran = run(&Stage::new(), &wrapper, &["demo", "--size", "64MiB"]).ends_with(0);
    assert!(ran.stdout.contains("bytes are equal"), "{ran:#?}");
}

#[test]
fn a_file_system_without_inodes_is_named_and_a_list_makes_do_with_few() {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can mount");
        return;
    }
    // One inode is the directory's, one that of the directory `s`; the large object takes two while it is under way.
    for (inodes, works) in [(1, false), (2, false), (SMALL, false), (SMALL + 4, true)] {
        let stage = stage();
        let script = "mkdir m && mount -t tmpfs -o nr_inodes=$0,size=64m none m && exec \"$@\"";
        let count = inodes.to_string();
        let wrapper = ["unshare", "--mount", "sh", "-c", script, &count];
        if !is_possible(&["unshare", "--mount"]) {
            return;
        }
        let ran = run(&stage, &wrapper, &["batch", "list", "m/", "--part-size", "1MiB"]);
        let worked = works_or_names(&ran, "df -i", || {});
        assert_eq!(worked, works, "{inodes}: {ran:#?}");
    }
}

#[test]
fn closed_streams_and_an_empty_environment_end_in_no_panic() {
    let stage = stage();
    for (streams, code) in [
        (">&-", 0),
        ("2>&-", 0),
        ("<&-", 0),
        (">&- 2>&- <&-", 0),
        ("2>/dev/full", 0),
        (">/dev/full", 1),
    ] {
        for arguments in [
            &["stat", "tos://bkt/big"][..],
            &["get", "tos://bkt/s/1", "-q"],
            &["get", "tos://bkt/s/2"],
        ] {
            let script = format!("exec \"$@\" {streams}");
            let ran = run(&stage, &["sh", "-c", &script, "sh"], arguments);
            let code = if arguments[0] == "get" { 0 } else { code };
            assert_eq!(ran.code, Some(code), "{streams} {arguments:?} {ran:#?}");
            assert!(!ran.stderr.contains("panicked"), "{ran:#?}");
        }
    }
}

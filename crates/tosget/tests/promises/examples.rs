//! The examples do what they say, each as a program of its own against the emulator.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

use tokio::process::Command;
use tos_emulator::{FaultRule, Verdict};

use crate::support::{BUCKET, MIB, World};

const SIZE: u64 = 24 * MIB;

/// Where cargo puts the examples of the package whose tests it has built.
fn program(name: &str) -> PathBuf {
    let tests = env::current_exe().expect("this test has a file");
    let built = tests
        .parent()
        .and_then(|deps| deps.parent())
        .expect("in target/PROFILE/deps");
    let program = built
        .join("examples")
        .join(format!("{name}{}", env::consts::EXE_SUFFIX));
    assert!(
        program.exists(),
        "{} is not built: cargo test -p tosget builds it",
        program.display()
    );
    program
}

impl World {
    /// Runs an example on the object `big` and returns what it printed, on both streams.
    async fn example(&self, name: &str, more: &[&str]) -> (bool, String) {
        let destination = self.destination();
        let arguments = [BUCKET, "big"].map(OsStr::new).into_iter();
        let arguments = arguments.chain([destination.as_os_str()]);
        self.example_with(name, arguments.chain(more.iter().map(OsStr::new)))
            .await
    }

    async fn example_with(
        &self,
        name: &str,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> (bool, String) {
        let ran = Command::new(program(name))
            .args(arguments)
            .env("TOS_ENDPOINT", self.emulator.endpoint())
            .env("TOS_REGION", self.emulator.region())
            .env("TOS_ACCESS_KEY", self.emulator.access_key())
            .env("TOS_SECRET_KEY", self.emulator.secret_key())
            .env_remove("TOS_SECURITY_TOKEN")
            .output()
            .await
            .expect("the example starts");
        let mut said = String::from_utf8_lossy(&ran.stdout).into_owned();
        said.push_str(&String::from_utf8_lossy(&ran.stderr));
        (ran.status.success(), said)
    }
}

async fn world() -> World {
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "big", SIZE, 7);
    world
}

fn assert_says(said: &str, texts: &[&str]) {
    for text in texts {
        assert!(said.contains(text), "not said: {text}\n{said}");
    }
}

#[tokio::test]
async fn resume_takes_up_what_a_failure_left_and_tells_what_the_server_refused() {
    let world = world().await;
    // More refusals in a row than the first request of a call bears.
    let refusals = FaultRule::new(Verdict::status(503, "ServiceUnavailable")).times(4);
    world.emulator.add_fault(refusals);
    let (succeeded, said) = world.example("resume", &[]).await;
    assert!(succeeded, "{said}");
    assert_says(
        &said,
        &[
            "failed: ",
            "code ServiceUnavailable, status 503",
            "request id ",
            "verified by Crc64",
        ],
    );
    world.assert_destination_is_virtual(7, SIZE);

    world.emulator.delete_object(BUCKET, "big");
    let (succeeded, said) = world.example("resume", &[]).await;
    assert!(!succeeded);
    assert_says(&said, &["code NoSuchKey, status 404"]);
}

#[tokio::test]
async fn progress_ends_with_a_hundred_percent() {
    let world = world().await;
    let (succeeded, said) = world.example("progress", &[]).await;
    assert!(succeeded, "{said}");
    assert_says(&said, &["0 %: 0 of 25165824 bytes, 0 since last time, Started"]);
    let last = said.lines().last().expect("something was printed");
    assert_eq!(
        last,
        "100 %: 25165824 of 25165824 bytes, 0 since last time, Succeed"
    );
}

#[tokio::test]
async fn events_are_printed_from_the_temporary_file_to_the_name() {
    let world = world().await;
    let (succeeded, said) = world.example("events", &[]).await;
    assert!(succeeded, "{said}");
    assert!(
        said.starts_with("CreateTempFileSucceed tos://bucket-test/big\n"),
        "{said}"
    );
    assert_says(
        &said,
        &[
            "DownloadPartSucceed tos://bucket-test/big part 2, bytes 20971520 to 25165824, CRC64 Some(",
            "RenameTempFileSucceed tos://bucket-test/big\nthe same again: 4 events\n",
        ],
    );
}

#[tokio::test]
async fn rate_limit_takes_as_long_as_the_rate_says() {
    let world = world().await;
    let (succeeded, said) = world.example("rate_limit", &[]).await;
    assert!(succeeded, "{said}");
    let seconds = said.split(" in ").nth(1).and_then(|rest| rest.split(' ').next());
    let seconds: f64 = seconds.expect("it says so").parse().expect("a number");
    // 24 MiB, 10 of them at once, the others at 5 MiB/s; printed with one digit.
    assert!(seconds >= 2.8 - 0.05, "{said}");
}

#[tokio::test]
async fn presigned_downloads_by_the_url_alone() {
    let world = world().await;
    let (succeeded, said) = world.example("presigned", &[]).await;
    assert!(succeeded, "{said}");
    assert_says(
        &said,
        &[
            "25165824 bytes are at the URL\n",
            "25165824 bytes fetched, 0 resumed, verified by Crc64\n",
        ],
    );
    assert!(!said.contains("X-Tos-"), "{said}");
    world.assert_destination_is_virtual(7, SIZE);
}

#[tokio::test]
async fn cancel_keep_goes_on_from_what_was_kept() {
    let world = world().await;
    world.emulator.set_bandwidth(Some(16 * MIB), None);
    let (succeeded, said) = world.example("cancel_keep", &[]).await;
    assert!(succeeded, "{said}");
    assert_says(
        &said,
        &["the task is canceled; kept: true\n", " bytes were there, "],
    );
    assert!(!said.contains("\n0 bytes were there"), "{said}");
    world.assert_destination_is_virtual(7, SIZE);
}

#[tokio::test]
async fn cancel_abort_leaves_nothing_but_what_was_there_before() {
    let world = world().await;
    fs::write(world.destination(), "precious").expect("written");
    world.emulator.add_fault(
        FaultRule::new(Verdict::StallAfter {
            bytes: 1000,
            ms: None,
        })
        .method("GET"),
    );
    let (succeeded, said) = world.example("cancel_abort", &["0.5"]).await;
    assert!(succeeded, "{said}");
    assert_says(&said, &["the task is canceled; nothing is kept"]);
    assert_eq!(world.files(), ["object.bin"]);
    assert_eq!(fs::read(world.destination()).expect("there"), b"precious");
}

#[tokio::test]
async fn conditions_renews_a_copy_only_where_the_object_is_newer() {
    let world = world().await;
    let (succeeded, said) = world.example("conditions", &[]).await;
    assert!(succeeded, "{said}");
    assert_says(
        &said,
        &["25165824 bytes, ETag ", "started over 0 times; requests "],
    );
    world.assert_destination_is_virtual(7, SIZE);
    let (succeeded, said) = world.example("conditions", &[]).await;
    assert!(succeeded, "{said}");
    assert_says(&said, &["the copy is up to date"]);
    let copy = fs::File::options()
        .write(true)
        .open(world.destination())
        .expect("there");
    copy.set_modified(std::time::SystemTime::UNIX_EPOCH).expect("set");
    let (succeeded, said) = world.example("conditions", &[]).await;
    assert!(succeeded, "{said}");
    assert_says(&said, &["25165824 bytes, ETag "]);
}

#[tokio::test]
async fn batch_fetches_again_only_what_failed() {
    let world = world().await;
    world.emulator.put_object(BUCKET, "a/small", "content");
    let arguments = || {
        let directory = world.folder.path().join("out");
        [BUCKET.into(), directory.into_os_string()]
            .into_iter()
            .chain(["big", "a/small", "a/missing"].map(Into::into))
    };
    let (succeeded, said) = world.example_with("batch", arguments()).await;
    assert!(!succeeded, "{said}");
    assert_says(
        &said,
        &[
            "big: 25165824 bytes fetched\n",
            "a/small: 7 bytes fetched\n",
            "a/missing: could not read tos://bucket-test/a/missing",
            "404 NoSuchKey",
            "2 of 3 objects are there\n",
        ],
    );
    world.assert_is_virtual(&world.folder.path().join("out/big"), 7, SIZE);

    world.emulator.put_object(BUCKET, "a/missing", "found");
    let (succeeded, said) = world.example_with("batch", arguments()).await;
    assert!(succeeded, "{said}");
    assert_says(
        &said,
        &[
            "big: there already\n",
            "a/small: there already\n",
            "a/missing: 5 bytes fetched\n",
            "3 of 3 objects are there\n",
        ],
    );
}

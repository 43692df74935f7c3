//! What goes wrong in the official SDKs and does not go wrong here. The numbers are those of docs/compared.md.

mod complaints;
mod go;
mod others;
mod python;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tos_emulator::{FaultRule, Verdict, virtual_content};
use tosget::{DownloadEvent, DownloadFile, DownloadFileOutput, Error, TosClient};

use crate::support::{BUCKET, MIB, World, chain};

/// Nothing takes as long as this unless it hangs.
const HANGS: Duration = Duration::from_secs(30);

/// Eight parts and a bit.
const SIZE: u64 = 8 * MIB + 321;

/// Where the last part begins.
const LAST: u64 = 8 * MIB;

/// The content of every object here that is not replaced.
const SEED: u64 = 1;

impl World {
    /// A world with the object `k` in it.
    async fn with_object() -> Self {
        let world = Self::new().await;
        world.emulator.put_virtual(BUCKET, "k", SIZE, SEED);
        world
    }

    /// A client that takes the first failure for the last one.
    fn impatient(&self) -> TosClient {
        self.builder().max_retry_count(0).build().expect("good")
    }

    /// A run that ends in an error after all parts but the last one came.
    async fn interrupted(&self, request: DownloadFile) -> Error {
        self.interrupted_by(Verdict::ResetBeforeHead, request).await
    }

    async fn interrupted_by(&self, verdict: Verdict, request: DownloadFile) -> Error {
        self.emulator.add_fault(FaultRule::new(verdict).range_from(LAST));
        let error = self
            .impatient()
            .download_file(request.with_task_num(1))
            .await
            .expect_err("the last part breaks");
        self.emulator.clear_faults();
        self.emulator.reset_log();
        error
    }

    /// A run in which nothing gets in the way.
    async fn downloads(&self, request: DownloadFile) -> DownloadFileOutput {
        let done = self.client().download_file(request).await;
        done.unwrap_or_else(|error| panic!("{}", chain(&error)))
    }

    /// The one file of tosget's own with this ending.
    fn own_file(&self, ending: &str) -> PathBuf {
        let mut found = self.files().into_iter().filter(|name| name.ends_with(ending));
        let name = found.next().unwrap_or_else(|| panic!("no {ending} is there"));
        assert_eq!(found.next(), None, "one {ending} is enough");
        self.folder.path().join(name)
    }

    fn temporary(&self) -> PathBuf {
        self.own_file("tosget-part")
    }

    fn journal(&self) -> PathBuf {
        self.own_file("tosget-journal")
    }

    /// Waits until so many requests are being answered at once.
    async fn wait_for_in_flight(&self, wanted: u64) {
        let wait = async {
            while self.emulator.stats().in_flight != wanted {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(HANGS, wait).await.expect("it does not hang");
    }
}

#[track_caller]
fn assert_is_virtual(path: &Path, seed: u64, size: u64) {
    let file = fs::read(path).expect("the file is there");
    assert_eq!(file.len() as u64, size);
    let content = virtual_content(seed);
    let mut at = 0;
    while at < file.len() {
        let expected = content.read_at(at as u64, file.len() - at);
        assert!(
            file[at..at + expected.len()] == expected,
            "the file differs after {at}"
        );
        at += expected.len();
    }
}

/// Changes the bytes of a file from `offset` on and leaves its length.
fn overwrite(path: &Path, offset: u64, bytes: &[u8]) {
    let mut content = fs::read(path).expect("readable");
    let offset = usize::try_from(offset).expect("fits");
    content[offset..offset + bytes.len()].copy_from_slice(bytes);
    fs::write(path, content).expect("writable");
}

/// Everything that is told to a listener of this request.
fn told(request: DownloadFile) -> (DownloadFile, std::sync::mpsc::Receiver<DownloadEvent>) {
    let (sender, receiver) = std::sync::mpsc::channel();
    let request = request.with_download_event_listener(move |event| {
        // Who does not want to know any more has dropped the receiver.
        let _ = sender.send(event);
    });
    (request, receiver)
}

/// All functions of the Rust and Python files below a directory.
fn functions_below(directory: &Path, found: &mut HashSet<String>) {
    for entry in fs::read_dir(directory).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            functions_below(&path, found);
        } else if path
            .extension()
            .is_some_and(|ending| ending == "rs" || ending == "py")
        {
            let text = fs::read_to_string(&path).expect("readable");
            let names = text.lines().filter_map(|line| {
                let line = line.trim_start();
                let line = line.strip_prefix("async ").unwrap_or(line);
                let name = line.strip_prefix("fn ").or_else(|| line.strip_prefix("def "))?;
                name.split(['(', '<']).next()
            });
            found.extend(names.map(str::to_owned));
        }
    }
}

#[test]
fn the_tables_name_tests_that_there_are_and_miss_no_number() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut functions = HashSet::new();
    for sources in ["crates", "tests"] {
        functions_below(&root.join(sources), &mut functions);
    }
    let tables = fs::read_to_string(root.join("docs/compared.md")).expect("readable");
    let is_name = |word: &&str| {
        word.matches('_').count() >= 3
            && word
                .bytes()
                .all(|byte| byte == b'_' || byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let named: HashSet<&str> = tables.split('`').filter(is_name).collect();
    assert!(named.len() > 60, "only {} tests are named", named.len());
    let missing: Vec<_> = named.iter().filter(|name| !functions.contains(**name)).collect();
    assert!(missing.is_empty(), "no such tests: {missing:?}");
    let mistakes = (1..=30).map(|number| format!("P{number}"));
    let mistakes = mistakes.chain((1..=17).map(|number| format!("G{number}")));
    for number in mistakes.chain((1..=77).map(|number| format!("U{number}"))) {
        assert!(tables.contains(&format!("| {number} |")), "{number} has no row");
    }
}

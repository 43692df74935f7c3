//! Journals that were damaged, and journals that somebody made up: none ends in a wrong file, a panic or a dead end.

use std::path::Path;

use fastrand::Rng;
use tokio::runtime::Builder;

use super::*;
use crate::coverage::{Segment, Standing};
use crate::journal::Journal;
use crate::journal::format::{Identity, Owner, Record};
use crate::object::Fingerprint;
use crate::offload::inline;
use crate::range::ByteRange;
use crate::testing::power_cut::Disk;

const SMALL: usize = 20_000;

/// A disk in memory with an interrupted download on it, and the source that it came from.
struct Interrupted {
    disk: Disk,
    source: Arc<ScriptedSource>,
    content: Vec<u8>,
}

impl Interrupted {
    async fn new() -> Self {
        let content = object_bytes(SMALL);
        let source = Arc::new(ScriptedSource::new(Served::new(content.clone(), "etag-1"), 1000));
        let disk = Disk::new();
        let interrupted = Self {
            disk,
            source,
            content,
        };
        interrupted.source.follow(|_, range| match range.start() {
            0..12_000 => Verdict::Serve,
            _ => Verdict::BreakAfter(1500),
        });
        interrupted.download().await.expect_err("the source breaks");
        interrupted.source.follow(|_, _| Verdict::Serve);
        interrupted
    }

    async fn download(&self) -> Result<DownloadFileOutput, Error> {
        let engine = Engine {
            source: self.source.clone(),
            storage: Arc::new(self.disk.clone()),
            in_use: InUse::default(),
            file_work: FileWork::default(),
        };
        let spec = Spec {
            file_path: "/object.bin".into(),
            part_size: NonZeroU64::new(4000).expect("not zero"),
            ..plain_spec()
        };
        engine.run(spec).await
    }

    fn journal(&self) -> PathBuf {
        let mut names = self.disk.names().into_iter();
        names
            .find(|name| name.to_string_lossy().ends_with("tosget-journal"))
            .expect("it is there")
    }

    fn journal_len(&self) -> usize {
        self.disk.read(&self.journal()).expect("there").len()
    }

    async fn assert_ends_well(&self, damage: &str) {
        let result = self.download().await;
        result.unwrap_or_else(|error| panic!("{damage}: {error:?}"));
        let file = self.disk.read(Path::new("/object.bin"));
        assert!(file.as_ref() == Some(&self.content), "{damage}: a wrong file");
    }
}

/// Runs with a paused clock, and with file work on this thread.
fn alone(test: impl Future<Output = ()>) {
    inline::want();
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.expect("a runtime").block_on(test);
}

#[test]
fn a_journal_with_any_byte_flipped_never_ends_in_a_wrong_file() {
    alone(async {
        let mut random = Rng::with_seed(4);
        let len = Interrupted::new().await.journal_len();
        assert!(len > 1024, "it has records");
        for at in 0..len {
            let interrupted = Interrupted::new().await;
            let bit = random.u8(..8);
            interrupted.disk.flip(&interrupted.journal(), at, bit);
            interrupted
                .assert_ends_well(&format!("bit {bit} of byte {at}"))
                .await;
        }
    });
}

#[test]
fn a_journal_cut_off_anywhere_never_ends_in_a_wrong_file() {
    alone(async {
        let len = Interrupted::new().await.journal_len();
        for at in 0..len {
            let interrupted = Interrupted::new().await;
            let journal = interrupted.disk.open(&interrupted.journal(), OpenMode::Existing);
            journal.expect("there").set_len(at as u64).expect("cut");
            interrupted.assert_ends_well(&format!("cut to {at} bytes")).await;
        }
    });
}

/// What somebody who can write to the directory may put there, every checksum in it right.
impl Bench {
    fn forge(&self, path: &Path, size: u64, etag: &str, destination: &str, claims: &[(u64, u64, Crc64)]) {
        fs::remove_file(path).expect("removed");
        let fingerprint = Fingerprint {
            size,
            etag: crate::object::ETag::parse(etag),
            crc64: Some(Crc64::of(&self.content)),
            version_id: None,
            last_modified: None,
        };
        let identity = Identity {
            endpoint: "scripted".into(),
            bucket: "bucket".into(),
            key: "dir/object.bin".into(),
            version_id: None,
            url: None,
            object: (&fingerprint).into(),
            destination: destination.into(),
        };
        let owner = Owner {
            token: [7; 16],
            boot_id: [9; 16],
            pid: 1,
            process_started: 1,
            pid_namespace: 1,
            host: "elsewhere".into(),
        };
        let mode = OpenMode::CreateNew;
        let created = Journal::create(&self.storage, path, &identity, owner, 42, mode, true);
        let mut journal = created.expect("writable").expect("nobody else");
        let record = |&(start, end, crc)| {
            let range = ByteRange::new(start, end).expect("not empty");
            Record::Landed(Segment { range, crc }, Standing::Settled)
        };
        let records: Vec<Record> = claims.iter().map(record).collect();
        journal.append(&records).expect("written");
    }
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_names_another_file_writes_to_the_one_that_the_caller_named() {
    let bench = Bench::new(SIZE);
    bench.interrupted().await;
    let victim = bench.folder.path().join("victim");
    fs::write(&victim, "precious").expect("written");
    let right = Crc64::of(&bench.content[..PART as usize]);
    let named = victim.to_string_lossy();
    bench.forge(
        &bench.journal(),
        SIZE as u64,
        "etag-1",
        &named,
        &[(0, PART, right)],
    );
    bench.download(bench.spec()).await.expect("nothing is in the way");
    bench.assert_is_the_object();
    assert_eq!(fs::read(victim).expect("there"), b"precious");
}

#[tokio::test(start_paused = true)]
async fn a_journal_with_absurd_lengths_is_set_aside_and_reserves_nothing() {
    for (size, claim) in [
        (u64::MAX, u64::MAX),
        (1 << 60, 1 << 60),
        (SIZE as u64 + 1, PART),
        (1, 1),
    ] {
        let bench = Bench::new(SIZE);
        bench.interrupted().await;
        bench.forge(&bench.journal(), size, "etag-1", "/x", &[(0, claim, Crc64(1))]);
        let output = bench.download(bench.spec()).await;
        let output = output.unwrap_or_else(|error| panic!("{size}: {error:?}"));
        bench.assert_is_the_object();
        assert_eq!(output.bytes_resumed, 0, "{size}");
        assert_eq!(bench.files(), ["object.bin"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_claims_what_is_not_there_is_read_back_and_found_out() {
    let bench = Bench::new(SIZE);
    bench.interrupted().await;
    // The CRC64 of the whole would be right if this were believed.
    let whole = (0, SIZE as u64, Crc64::of(&bench.content));
    bench.forge(&bench.journal(), SIZE as u64, "etag-1", "/x", &[whole]);
    let output = bench.download(bench.spec()).await.expect("fetches it");
    bench.assert_is_the_object();
    assert_eq!((output.bytes_resumed, output.bytes_fetched), (0, SIZE as u64));
}

#[tokio::test]
async fn a_journal_that_has_grown_long_is_written_anew_and_claims_the_same() {
    let bench = Bench::new(SIZE);
    bench.interrupted().await;
    let long = fs::File::options().write(true).open(bench.journal());
    long.expect("there").set_len(130 << 20).expect("sparse");
    let asked = bench.source.asked().len();
    bench.interrupted().await;
    assert!(fs::metadata(bench.journal()).expect("there").len() < 1 << 20);
    let output = bench.download(bench.spec()).await.expect("nothing is in the way");
    assert!(output.bytes_resumed >= 3 * PART, "{output:?}");
    assert!(bench.asked_since(asked) < 6 * PART);
    bench.assert_is_the_object();
    assert_eq!(bench.files(), ["object.bin"]);
}

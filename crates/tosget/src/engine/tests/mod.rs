//! The engine against a scripted source: one test a promise, named after it.

mod control;
mod hostile_disk;
mod hostile_journals;
mod huge;
mod meddling;
mod mending;
mod mtime;
mod outages;
mod owners;
mod restarts;
mod same;
mod schedules;
mod stragglers;
mod system_calls;
mod tasks;
mod telling;
mod whole;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::*;
use crate::checksum::Crc64;
use crate::journal::format::OwnerState;
use crate::journal::{FoundJournal, Look};
use crate::storage::{OpenMode, SystemStorage};
use crate::testing::faulty_storage::FaultyStorage;
use crate::testing::folding_storage::FoldingStorage;
use crate::testing::object_bytes;
use crate::testing::scripted_source::{ScriptedSource, Served, Verdict};

const PART: u64 = 1 << 20;
const SIZE: usize = 5 * (1 << 20) + 12_345;

/// A folder to download into, an object to download, and the means to do it.
struct Bench {
    folder: tempfile::TempDir,
    source: Arc<ScriptedSource>,
    storage: Arc<dyn Storage>,
    in_use: InUse,
    content: Vec<u8>,
}

impl Bench {
    fn new(size: usize) -> Self {
        let content = object_bytes(size);
        let source = Arc::new(ScriptedSource::new(
            Served::new(content.clone(), "etag-1"),
            50_000,
        ));
        let folder = tempfile::tempdir().expect("a temporary directory");
        Self {
            folder,
            source,
            storage: Arc::new(SystemStorage),
            in_use: InUse::default(),
            content,
        }
    }

    fn destination(&self) -> PathBuf {
        self.folder.path().join("object.bin")
    }

    fn spec(&self) -> Spec {
        Spec {
            file_path: self.destination(),
            ..plain_spec()
        }
    }

    async fn download(&self, spec: Spec) -> Result<DownloadFileOutput, Error> {
        let engine = Engine {
            source: self.source.clone(),
            storage: self.storage.clone(),
            in_use: self.in_use.clone(),
            file_work: FileWork::default(),
        };
        engine.run(spec).await
    }

    /// Runs a download that is interrupted in the middle, so that there is something to resume.
    async fn interrupted(&self) -> Error {
        self.source.follow(|_, range| {
            if range.start() >= 3 * PART {
                Verdict::BreakAfter(100_000)
            } else {
                Verdict::Serve
            }
        });
        let error = self.download(self.spec()).await.expect_err("the source breaks");
        self.source.follow(|_, _| Verdict::Serve);
        error
    }

    fn assert_is_the_object(&self) {
        let file = fs::read(self.destination()).expect("the destination is there");
        assert!(file == self.content, "the destination is not the object");
    }

    fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.folder.path())
            .expect("readable")
            .map(|entry| {
                entry
                    .expect("readable")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    fn temporary(&self) -> PathBuf {
        places(&self.destination()).temporary
    }

    fn journal(&self) -> PathBuf {
        places(&self.destination()).journal.expect("it has one")
    }

    /// Bytes asked for since the `from`th request.
    fn asked_since(&self, from: usize) -> u64 {
        self.source.asked()[from..]
            .iter()
            .map(|asked| asked.range.len())
            .sum()
    }
}

/// Where a download to this destination has its files.
fn places(destination: &Path) -> Places {
    Places::new(&SystemStorage, destination, None, &CheckpointPlace::Beside).expect("a good destination")
}

fn exactly(tasks: usize) -> Tasks {
    Tasks::exactly(NonZeroUsize::new(tasks).expect("not zero"))
}

/// A download of the object, to nowhere.
fn plain_spec() -> Spec {
    Spec {
        object: ObjectId::new("bucket", "dir/object.bin"),
        conditions: Conditions::default(),
        on_change: OnChange::Fail,
        one_answer: None,
        terms: Arc::default(),
        file_path: PathBuf::new(),
        part_size: NonZeroU64::new(PART).expect("not zero"),
        tasks: exactly(3),
        checkpoint: CheckpointPlace::Beside,
        recheck: Recheck::Auto,
        page_cache: PageCache::Keep,
        skip_same: false,
        preserve_mtime: false,
        enable_crc: true,
        first_retries: Retries::at_most(0),
        max_retries: Retries::at_most(0),
        idle: Duration::from_secs(30),
        limiter: None,
        listeners: Listeners::default(),
        cancel: CancelHook::new(),
        progress: Progress::new(),
        whereabouts: Whereabouts::default(),
    }
}

#[tokio::test]
async fn a_download_brings_the_object_and_leaves_nothing_else() {
    let bench = Bench::new(SIZE);
    let output = bench.download(bench.spec()).await.expect("nothing goes wrong");
    bench.assert_is_the_object();
    assert_eq!(bench.files(), ["object.bin"]);
    assert_eq!(output.bytes_fetched, SIZE as u64);
    assert_eq!((output.bytes_resumed, output.requests, output.retries), (0, 6, 0));
    assert_eq!(output.verification, Verification::Crc64);
    assert_eq!(output.content_crc64, Some(Crc64::of(&bench.content).0));
}

#[tokio::test]
async fn an_object_of_at_most_one_part_takes_one_request_and_no_journal() {
    for size in [1, PART as usize - 1, PART as usize] {
        let bench = Bench::new(size);
        let output = bench.download(bench.spec()).await.expect("nothing goes wrong");
        bench.assert_is_the_object();
        assert_eq!((output.requests, bench.files().len()), (1, 1), "{size} bytes");
    }
}

#[tokio::test]
async fn an_empty_object_becomes_an_empty_file() {
    let bench = Bench::new(0);
    let output = bench.download(bench.spec()).await.expect("nothing goes wrong");
    bench.assert_is_the_object();
    assert_eq!(
        output.verification,
        Verification::Crc64,
        "the CRC of nothing is 0, and a value"
    );
}

#[tokio::test]
async fn a_key_that_ends_in_a_slash_becomes_a_directory_and_fetches_nothing() {
    let bench = Bench::new(0);
    let mut spec = bench.spec();
    spec.object.key = "models/v1/".into();
    spec.file_path = bench.folder.path().to_owned();
    bench.download(spec).await.expect("nothing goes wrong");
    assert!(bench.folder.path().join("models/v1").is_dir());
    assert_eq!(bench.source.asked(), []);
}

#[tokio::test]
async fn i1_a_destination_that_is_there_stays_untouched_until_commit() {
    let bench = Bench::new(SIZE);
    fs::write(bench.destination(), "precious").expect("written");
    bench.interrupted().await;
    assert_eq!(fs::read(bench.destination()).expect("there"), b"precious");
    bench.download(bench.spec()).await.expect("resumes");
    bench.assert_is_the_object();
}

/// Whatever call a kill falls on, each claim of the journal that is left is true of the temporary file that is left.
#[tokio::test]
async fn i2_a_segment_is_recorded_only_after_the_temporary_file_took_it() {
    let mut checked = 0;
    for n in 0.. {
        let mut bench = Bench::new(2 * PART as usize + 999);
        let dying = FaultyStorage::dies_at(n);
        bench.storage = Arc::new(dying.clone());
        let _ = bench.download(bench.spec()).await;
        if !dying.has_failed() {
            break;
        }
        let names = bench.files();
        let has = |ending| names.iter().any(|name| name.ends_with(ending));
        if !has("tosget-journal") || !has("tosget-part") {
            continue;
        }
        let Ok(Look::Found(journal)) = FoundJournal::look(&SystemStorage, &bench.journal()) else {
            panic!("call {n}: a journal nobody holds can be read");
        };
        let temporary = fs::read(bench.temporary()).expect("there");
        for claim in journal.claims.segments() {
            let bytes = &temporary[claim.range.start() as usize..claim.range.end() as usize];
            assert_eq!(
                Crc64::of(bytes),
                claim.crc,
                "call {n}: {} is claimed and not there",
                claim.range
            );
            checked += 1;
        }
    }
    assert!(checked > 10, "there were claims to check");
}

#[tokio::test]
async fn i3_bytes_altered_between_runs_are_noticed_and_fetched_again() {
    let bench = Bench::new(SIZE);
    bench.interrupted().await;
    let mut temporary = fs::read(bench.temporary()).expect("there");
    temporary[1_500_000] ^= 1;
    fs::write(bench.temporary(), temporary).expect("written");
    let output = bench
        .download(bench.spec())
        .await
        .expect("repairs what was altered");
    bench.assert_is_the_object();
    assert!(output.bytes_resumed > 0, "what was not altered is kept");
}

#[tokio::test]
async fn i3_a_cut_temporary_file_costs_what_was_cut() {
    let bench = Bench::new(SIZE);
    bench.interrupted().await;
    let file = fs::File::options()
        .write(true)
        .open(bench.temporary())
        .expect("there");
    file.set_len(1_200_000).expect("cut");
    bench.download(bench.spec()).await.expect("fetches what was cut");
    bench.assert_is_the_object();
}

#[tokio::test]
async fn i3_what_was_cut_is_forgotten_also_by_the_run_after_the_next() {
    let bench = Bench::new(SIZE);
    bench.interrupted().await;
    let file = fs::File::options().write(true).open(bench.temporary());
    file.expect("there").set_len(0).expect("cut");
    // This run gives the file its length again, fetches a little, and ends in order.
    bench.source.follow(|number, _| match number % 4 {
        0 => Verdict::Serve,
        _ => Verdict::BreakAfter(0),
    });
    bench.download(bench.spec()).await.expect_err("the source breaks");
    bench.source.follow(|_, _| Verdict::Serve);
    bench.download(bench.spec()).await.expect("fetches what was cut");
    bench.assert_is_the_object();
}

#[tokio::test]
async fn i3_a_lost_temporary_file_is_a_fresh_start_never_a_file_of_zeros() {
    let bench = Bench::new(SIZE);
    bench.interrupted().await;
    fs::remove_file(bench.temporary()).expect("removed");
    let output = bench.download(bench.spec()).await.expect("starts afresh");
    bench.assert_is_the_object();
    assert_eq!(output.bytes_resumed, 0);
    assert_eq!(output.set_aside.as_deref(), Some("its temporary file is gone"));
    assert_eq!(bench.files(), ["object.bin"]);
}

#[tokio::test]
async fn i3_an_untouched_checkpoint_is_believed_without_reading_it_unless_that_is_asked_for() {
    for recheck in [Recheck::Auto, Recheck::Always, Recheck::Never] {
        let mut bench = Bench::new(SIZE);
        let error = bench.interrupted().await;
        assert_eq!(error.checkpoint(), Some(bench.journal().as_path()));
        assert!(error.is_resumable() && error.is_transient());
        let counting = FaultyStorage::sound();
        bench.storage = Arc::new(counting.clone());
        let output = bench
            .download(Spec {
                recheck,
                ..bench.spec()
            })
            .await
            .expect("resumes");
        bench.assert_is_the_object();
        // The journal itself is read in any case; it is small.
        let read_back = counting.bytes_read() >= output.bytes_resumed;
        assert_eq!(
            read_back,
            recheck == Recheck::Always,
            "{recheck:?} read {}",
            counting.bytes_read()
        );
    }
}

#[tokio::test]
async fn i4_another_part_size_and_task_num_go_on_from_the_same_bytes() {
    let bench = Bench::new(SIZE);
    bench.interrupted().await;
    let before = bench.source.asked().len();
    let mut spec = bench.spec();
    spec.part_size = NonZeroU64::new(700_001).expect("not zero");
    spec.tasks = exactly(1);
    let output = bench.download(spec).await.expect("resumes");
    bench.assert_is_the_object();
    assert_eq!(bench.asked_since(before), output.bytes_fetched);
    assert_eq!(output.bytes_fetched + output.bytes_resumed, SIZE as u64);
    assert!(output.bytes_resumed >= 3 * PART);
}

#[tokio::test]
async fn i4_an_object_replaced_between_runs_starts_afresh_and_is_cut_to_its_size() {
    let bench = Bench::new(SIZE);
    bench.interrupted().await;
    let smaller = object_bytes(2 * PART as usize + 7)
        .into_iter()
        .map(|byte| byte ^ 0x55)
        .collect::<Vec<u8>>();
    bench.source.replace(Served::new(smaller.clone(), "etag-2"));
    let output = bench.download(bench.spec()).await.expect("starts afresh");
    assert!(fs::read(bench.destination()).expect("there") == smaller);
    assert_eq!(output.bytes_resumed, 0);
    assert!(output.set_aside.is_some());
}

#[tokio::test]
async fn i5_a_wrong_answer_is_refused_and_nothing_of_it_is_written() {
    for verdict in [
        Verdict::Shift(7),
        Verdict::IgnoreRange,
        Verdict::Encode,
        Verdict::Refuse(503),
    ] {
        let bench = Bench::new(SIZE);
        // The first answer to every part but the probe's is the wrong one.
        let answered = Mutex::new(BTreeSet::from([0]));
        bench.source.follow(move |_, range| {
            let is_first = answered.lock().expect("not poisoned").insert(range.start());
            if is_first { verdict } else { Verdict::Serve }
        });
        let mut spec = bench.spec();
        spec.max_retries = Retries::at_most(1);
        let output = bench
            .download(spec)
            .await
            .unwrap_or_else(|error| panic!("{verdict:?}: {error:?}"));
        bench.assert_is_the_object();
        assert_eq!(output.retries, 5, "{verdict:?}");
        assert_eq!(
            output.bytes_fetched, SIZE as u64,
            "{verdict:?}: nothing was written twice"
        );
    }
}

#[tokio::test]
async fn i5_a_wrong_answer_to_the_first_request_is_refused_as_well() {
    // An answer that ignores the range is not wrong by itself: where it comes again, the object is taken from it.
    for verdict in [Verdict::Shift(7)] {
        let bench = Bench::new(SIZE);
        bench
            .source
            .follow(move |number, _| if number == 0 { verdict } else { Verdict::Serve });
        let error = bench
            .download(bench.spec())
            .await
            .expect_err("nothing of it is used");
        assert_eq!(error.kind(), ErrorKind::Protocol, "{verdict:?}");
        assert_eq!(bench.files(), Vec::<String>::new());
        bench
            .download(Spec {
                first_retries: Retries::at_most(1),
                ..bench.spec()
            })
            .await
            .expect("the second answer is right");
        bench.assert_is_the_object();
    }
}

#[tokio::test]
async fn i5_every_get_after_the_probe_is_pinned() {
    let bench = Bench::new(SIZE);
    bench.download(bench.spec()).await.expect("nothing goes wrong");
    let asked = bench.source.asked();
    assert!(!asked[0].pinned && asked[1..].iter().all(|asked| asked.pinned));
}

#[tokio::test]
async fn i5_an_object_replaced_on_the_way_is_never_mixed() {
    let bench = Bench::new(SIZE);
    bench.source.follow(|number, _| {
        if number == 2 {
            Verdict::OtherETag
        } else {
            Verdict::Serve
        }
    });
    let error = bench
        .download(bench.spec())
        .await
        .expect_err("the object changed");
    assert_eq!(error.kind(), ErrorKind::ObjectChanged);
    assert!(!bench.destination().exists());
}

#[tokio::test]
async fn i6_commit_syncs_renames_syncs_the_directory_and_then_drops_the_journal() {
    let mut bench = Bench::new(SIZE);
    let logging = FaultyStorage::sound();
    bench.storage = Arc::new(logging.clone());
    bench.download(bench.spec()).await.expect("nothing goes wrong");
    let log = logging.log();
    let calls: Vec<&str> = log.iter().map(|(call, _)| *call).collect();
    // The first sync is that of the journal's header.
    assert_eq!(calls, ["sync", "sync", "rename", "sync directory", "remove"]);
    let ends = |index: usize, ending: &str| log[index].1.to_string_lossy().ends_with(ending);
    assert!(ends(0, "tosget-journal") && ends(1, "tosget-part"), "{log:?}");
    assert_eq!(
        (&log[2].1, log[3].1.as_path()),
        (&bench.destination(), bench.folder.path())
    );
    assert!(ends(4, "tosget-journal"), "{log:?}");
}

#[tokio::test]
async fn i7_an_interrupted_part_goes_on_at_its_byte() {
    let bench = Bench::new(SIZE);
    bench.source.follow(|_, range| {
        if range.len() > 300_000 {
            Verdict::BreakAfter(123_457)
        } else {
            Verdict::Serve
        }
    });
    let mut spec = bench.spec();
    spec.max_retries = Retries::at_most(1);
    let output = bench.download(spec).await.expect("each attempt brings something");
    bench.assert_is_the_object();
    assert_eq!(output.bytes_fetched, SIZE as u64, "no byte came twice");
    assert!(output.retries > 20);
}

#[tokio::test]
async fn a_short_body_is_asked_for_again_from_where_it_ended() {
    let bench = Bench::new(SIZE);
    bench.source.follow(|number, _| {
        if number < 4 {
            Verdict::EndAfter(99_999)
        } else {
            Verdict::Serve
        }
    });
    let mut spec = bench.spec();
    spec.max_retries = Retries::at_most(2);
    let output = bench.download(spec).await.expect("the rest comes");
    bench.assert_is_the_object();
    assert_eq!(output.bytes_fetched, SIZE as u64);
}

#[tokio::test(start_paused = true)]
async fn a_stalled_body_is_given_up_after_the_idle_timeout_and_asked_for_again() {
    let bench = Bench::new(SIZE);
    bench.source.follow(|number, _| {
        if number == 1 {
            Verdict::StallAfter(70_000)
        } else {
            Verdict::Serve
        }
    });
    let mut spec = bench.spec();
    // Before it is noticed that nothing comes, and asked again on another connection.
    spec.idle = Duration::from_secs(2);
    spec.max_retries = Retries::at_most(1);
    let output = bench.download(spec).await.expect("the rest comes");
    bench.assert_is_the_object();
    assert_eq!(output.retries, 1);
}

#[tokio::test]
async fn a_range_that_its_crc_disproves_is_fetched_again_at_once() {
    let bench = Bench::new(SIZE);
    bench.source.follow(|number, _| match number {
        2 => Verdict::FlipUnderRangeCrc,
        _ => Verdict::ServeWithRangeCrc,
    });
    let mut spec = bench.spec();
    spec.max_retries = Retries::at_most(1);
    let output = bench.download(spec).await.expect("one range is fetched twice");
    bench.assert_is_the_object();
    assert_eq!(output.bytes_fetched, SIZE as u64 + PART);
}

#[tokio::test]
async fn bytes_that_a_range_crc_disproved_are_not_believed_by_the_next_run() {
    let bench = Bench::new(SIZE);
    bench.source.follow(|number, _| {
        if number == 2 {
            Verdict::FlipUnderRangeCrc
        } else {
            Verdict::ServeWithRangeCrc
        }
    });
    bench
        .download(bench.spec())
        .await
        .expect_err("no retry is allowed");
    bench.source.follow(|_, _| Verdict::Serve);
    let output = bench
        .download(bench.spec())
        .await
        .expect("the journal has forgotten them");
    bench.assert_is_the_object();
    assert!(output.bytes_resumed > 0);
}

#[tokio::test]
async fn wrong_bytes_never_become_the_destination_and_poison_no_later_run() {
    let bench = Bench::new(SIZE);
    bench.source.follow(|_, _| Verdict::Flip(2_345_678));
    let error = bench.download(bench.spec()).await.expect_err("the CRC64 differs");
    assert_eq!(error.kind(), ErrorKind::Verification);
    assert!(!bench.destination().exists());
    bench.source.follow(|_, _| Verdict::Serve);
    bench
        .download(bench.spec())
        .await
        .expect("the next run starts afresh");
    bench.assert_is_the_object();
}

#[tokio::test]
async fn an_object_without_a_crc_is_not_a_failure_and_the_result_says_so() {
    let bench = Bench::new(SIZE);
    bench.source.replace(Served {
        crc64: None,
        ..Served::new(bench.content.clone(), "etag-1")
    });
    let output = bench.download(bench.spec()).await.expect("nothing goes wrong");
    bench.assert_is_the_object();
    assert_eq!(output.verification, Verification::SizeOnly);
}

#[tokio::test]
async fn i8_a_second_download_to_the_same_destination_is_told_who_holds_it() {
    let bench = Bench::new(SIZE);
    bench.source.follow(|number, _| {
        if number == 0 {
            Verdict::Serve
        } else {
            Verdict::StallAfter(10)
        }
    });
    let spec = bench.spec();
    let cancel = spec.cancel.clone();
    let first = bench.download(spec);
    let second = async {
        while bench.source.asked().len() < 3 {
            tokio::task::yield_now().await;
        }
        let error = bench.download(bench.spec()).await.expect_err("it is in use");
        cancel.cancel(false);
        error
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(second.kind(), ErrorKind::CheckpointHeld);
    assert!(
        second
            .to_string()
            .contains(&format!("process {}", std::process::id())),
        "{second}"
    );
    assert_eq!(first.expect_err("canceled").kind(), ErrorKind::Canceled);
    bench.source.follow(|_, _| Verdict::Serve);
    bench.download(bench.spec()).await.expect("free again");
    bench.assert_is_the_object();
}

/// Their temporary files have different names, so no lock tells.
#[tokio::test]
async fn i8_a_second_download_to_the_same_destination_by_a_spelling_that_is_folded_is_told() {
    let mut bench = Bench::new(SIZE);
    bench.storage = Arc::new(FoldingStorage::below(bench.folder.path()));
    for (first, second) in [("object.bin", "OBJECT.BIN"), ("new/caf\u{e9}", "New/cafe\u{301}")] {
        let to = |name: &str| Spec {
            file_path: bench.folder.path().join(name),
            ..plain_spec()
        };
        bench.source.follow(|_, _| Verdict::StallAfter(10));
        let (asked, spec) = (bench.source.asked().len(), to(first));
        let cancel = spec.cancel.clone();
        let second_one = async {
            while bench.source.asked().len() == asked {
                tokio::task::yield_now().await;
            }
            let refused = bench.download(to(second)).await.expect_err("it is in use");
            cancel.cancel(false);
            refused
        };
        let (_, refused) = tokio::join!(bench.download(spec), second_one);
        assert_eq!(refused.kind(), ErrorKind::CheckpointHeld, "{refused}");
        assert!(
            refused.to_string().contains("another call of this process"),
            "{refused}"
        );
        bench.source.follow(|_, _| Verdict::Serve);
        bench.download(to(second)).await.expect("free again");
    }
    bench.storage = Arc::new(SystemStorage);
    let (lower, upper) = (bench.spec(), bench.folder.path().join("Object.BIN"));
    let upper = Spec {
        file_path: upper,
        ..plain_spec()
    };
    let (lower, upper) = tokio::join!(bench.download(lower), bench.download(upper));
    lower.and(upper).expect("two files where case counts");
}

#[tokio::test]
async fn two_destinations_never_share_a_named_checkpoint() {
    let bench = Bench::new(SIZE);
    let named = |name: &str| {
        let mut spec = bench.spec();
        spec.file_path = bench.folder.path().join(name);
        spec.checkpoint = CheckpointPlace::At(bench.folder.path().join("new/shared.ckpt"));
        spec
    };
    bench.source.follow(|number, _| {
        if number > 2 {
            Verdict::BreakAfter(9)
        } else {
            Verdict::Serve
        }
    });
    bench.download(named("a")).await.expect_err("the source breaks");
    bench.source.follow(|_, _| Verdict::Serve);
    let error = bench
        .download(named("b"))
        .await
        .expect_err("the checkpoint is another's");
    assert_eq!(error.kind(), ErrorKind::Checkpoint);
    assert!(bench.download(named("a")).await.expect("resumes").bytes_resumed > 0);
}

#[tokio::test]
async fn canceling_keeps_what_landed_and_aborting_removes_it_but_not_the_destination() {
    for is_abort in [false, true] {
        let bench = Bench::new(SIZE);
        fs::write(bench.destination(), "precious").expect("written");
        bench.source.follow(|number, _| {
            if number < 2 {
                Verdict::Serve
            } else {
                Verdict::StallAfter(1000)
            }
        });
        let spec = bench.spec();
        let (cancel, progress) = (spec.cancel.clone(), spec.progress.clone());
        let pull = async {
            while progress.snapshot().consumed_bytes < 2 * PART {
                tokio::task::yield_now().await;
            }
            cancel.cancel(is_abort);
        };
        let (result, ()) = tokio::join!(bench.download(spec), pull);
        let error = result.expect_err("canceled");
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::Canceled, "the task is canceled")
        );
        assert_eq!(error.is_resumable(), !is_abort);
        assert_eq!(bench.files().len(), if is_abort { 1 } else { 3 });
        assert_eq!(fs::read(bench.destination()).expect("there"), b"precious");
    }
}

#[tokio::test]
async fn aborting_before_the_first_answer_removes_what_an_earlier_run_left() {
    for is_abort in [false, true] {
        let bench = Bench::new(SIZE);
        bench.interrupted().await;
        let spec = bench.spec();
        spec.cancel.cancel(is_abort);
        let error = bench.download(spec).await.expect_err("canceled");
        assert_eq!(
            (error.kind(), error.is_resumable()),
            (ErrorKind::Canceled, !is_abort)
        );
        assert_eq!(bench.files().len(), if is_abort { 0 } else { 2 });
    }
}

#[tokio::test]
async fn a_request_that_is_used_twice_counts_each_call_for_itself() {
    let bench = Bench::new(SIZE);
    let spec = bench.spec();
    for _ in 0..2 {
        let output = bench.download(spec.clone()).await.expect("nothing goes wrong");
        assert_eq!((output.bytes_fetched, output.requests), (SIZE as u64, 6));
    }
}

#[tokio::test]
async fn an_error_of_the_disk_names_the_object_the_path_and_the_cause() {
    let mut bench = Bench::new(SIZE);
    bench.storage = Arc::new(FaultyStorage::dies_at(12));
    let error = bench.download(bench.spec()).await.expect_err("the disk dies");
    assert_eq!(error.kind(), ErrorKind::Disk);
    let text = error.to_string();
    assert!(
        text.contains("tos://bucket/dir/object.bin") && text.contains("object.bin."),
        "{text}"
    );
    assert!(std::error::Error::source(&error).is_some_and(|cause| cause.to_string() == "injected fault"));
}

#[tokio::test]
async fn dropping_the_future_keeps_what_was_recorded() {
    let bench = Bench::new(SIZE);
    bench.source.follow(|number, _| {
        if number < 3 {
            Verdict::Serve
        } else {
            Verdict::StallAfter(0)
        }
    });
    let watch = async {
        // A journal's header takes two sectors here; what is beyond them are records.
        while !bench.files().iter().any(|name| name.ends_with("tosget-journal"))
            || fs::metadata(bench.journal()).expect("there").len() <= 1024
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = bench.download(bench.spec()) => panic!("it can't end"),
        () = watch => {}
    }
    bench.source.follow(|_, _| Verdict::Serve);
    let output = bench.download(bench.spec()).await.expect("resumes");
    bench.assert_is_the_object();
    assert!(output.bytes_resumed > 0);
}

#[tokio::test]
async fn a_download_that_brought_nothing_leaves_nothing() {
    let bench = Bench::new(SIZE);
    bench.source.follow(|_, _| Verdict::BreakAfter(0));
    let error = bench.download(bench.spec()).await.expect_err("no byte comes");
    assert!(!error.is_resumable());
    assert_eq!(bench.files(), Vec::<String>::new());
    bench.source.follow(|_, _| Verdict::Refuse(404));
    bench.download(bench.spec()).await.expect_err("not there");
    assert_eq!(bench.files(), Vec::<String>::new());
}

#[tokio::test]
async fn without_a_checkpoint_a_failure_leaves_no_temporary_file() {
    let bench = Bench::new(SIZE);
    bench.source.follow(|number, _| {
        if number > 2 {
            Verdict::BreakAfter(9)
        } else {
            Verdict::Serve
        }
    });
    let mut spec = bench.spec();
    spec.checkpoint = CheckpointPlace::Nowhere;
    bench.download(spec).await.expect_err("the source breaks");
    assert_eq!(bench.files(), Vec::<String>::new());
}

/// Kills the storage at its nth call, for every n until a run gets through: whatever was on disk at that moment, the
/// destination is the old file or the object, and the next run succeeds.
#[tokio::test(start_paused = true)]
async fn i7_killed_at_any_storage_call_the_next_run_succeeds() {
    // So that the nth call is the same one in every run.
    crate::offload::inline::want();
    for n in 0.. {
        let mut bench = Bench::new(2 * PART as usize + 999);
        fs::write(bench.destination(), "precious").expect("written");
        let dying = FaultyStorage::dies_at(n);
        bench.storage = Arc::new(dying.clone());
        let result = bench.download(bench.spec()).await;
        assert_old_or_object(&bench, n);
        if !dying.has_failed() {
            result.expect("nothing failed");
            assert!(n > 20, "the storage was used");
            return;
        }
        bench.storage = Arc::new(SystemStorage);
        let output = bench
            .download(bench.spec())
            .await
            .unwrap_or_else(|error| panic!("after call {n}: {error:?}"));
        bench.assert_is_the_object();
        assert_eq!(output.verification, Verification::Crc64);
    }
}

/// The same for a single fault that passes: an error, or the object; and then the next run succeeds.
#[tokio::test(start_paused = true)]
async fn any_single_storage_fault_ends_in_an_error_or_the_object() {
    // So that the nth call is the same one in every run.
    crate::offload::inline::want();
    for (recheck, verdict) in [
        (Recheck::Auto, Verdict::Serve),
        (Recheck::Always, Verdict::Serve),
        (Recheck::Auto, Verdict::Flip(4711)),
    ] {
        for n in 0.. {
            let mut bench = Bench::new(2 * PART as usize + 999);
            bench.source.follow(move |number, _| match number {
                0 => verdict,
                _ => Verdict::Serve,
            });
            fs::write(bench.destination(), "precious").expect("written");
            let failing = FaultyStorage::fails_once_at(n);
            bench.storage = Arc::new(failing.clone());
            let spec = Spec {
                recheck,
                ..bench.spec()
            };
            let result = bench.download(spec).await;
            assert_old_or_object(&bench, n);
            match &result {
                Ok(_) => bench.assert_is_the_object(),
                Err(error) => assert_tells_what_is_kept(&bench, error, n),
            }
            if !failing.has_failed() {
                break;
            }
            bench.storage = Arc::new(SystemStorage);
            bench
                .download(bench.spec())
                .await
                .unwrap_or_else(|error| panic!("after call {n}: {error:?}"));
            bench.assert_is_the_object();
        }
    }
}

/// Names a checkpoint if there is one to go on from, and only then; after an error of the disk nothing of it is believed unread.
fn assert_tells_what_is_kept(bench: &Bench, error: &Error, n: u64) {
    let look = FoundJournal::look(&SystemStorage, &bench.journal()).expect("readable");
    let kept = match &look {
        Look::Found(journal) => journal.claims.covered() > 0 && bench.temporary().exists(),
        _ => false,
    };
    let is_committed = !bench.temporary().exists();
    assert!(
        error.is_resumable() == kept || is_committed,
        "call {n}: kept is {kept}: {error:?}"
    );
    if let (true, Look::Found(journal)) = (kept, look) {
        let state = journal.last_owner.expect("readable").state;
        assert_ne!(state, OwnerState::Running, "call {n}: {error:?}");
    }
}

/// Breaks the connection for good at the nth request, for every n: the next run goes on and fetches what is missing.
#[tokio::test]
async fn i7_cut_off_at_any_request_the_next_run_fetches_only_what_is_missing() {
    for n in 0..6 {
        let bench = Bench::new(SIZE);
        bench.source.follow(move |number, _| {
            if number >= n {
                Verdict::BreakAfter(4_321)
            } else {
                Verdict::Serve
            }
        });
        bench.download(bench.spec()).await.expect_err("cut off");
        bench.source.follow(|_, _| Verdict::Serve);
        let before = bench.source.asked().len();
        let output = bench.download(bench.spec()).await.expect("resumes");
        bench.assert_is_the_object();
        assert_eq!(output.bytes_fetched + output.bytes_resumed, SIZE as u64);
        assert_eq!(bench.asked_since(before), output.bytes_fetched, "request {n}");
        assert!(output.bytes_resumed >= 4_321, "request {n}");
    }
}

/// A crash between rename and removal of the journal: the destination is known for what it is.
#[tokio::test]
async fn a_committed_file_is_not_downloaded_again_because_its_journal_was_left() {
    let mut bench = Bench::new(SIZE);
    let dying = FaultyStorage::dies_at_the_first_removal();
    bench.storage = Arc::new(dying.clone());
    bench
        .download(bench.spec())
        .await
        .expect("a journal that stays behind is no failure");
    assert!(dying.has_failed() && bench.journal().exists());
    bench.storage = Arc::new(SystemStorage);
    let before = bench.source.asked().len();
    let output = bench.download(bench.spec()).await.expect("it is done");
    bench.assert_is_the_object();
    assert_eq!((output.bytes_fetched, output.bytes_resumed), (0, SIZE as u64));
    assert_eq!(
        bench.asked_since(before),
        1,
        "one byte proves that the object is the same"
    );
    assert_eq!(bench.files(), ["object.bin"]);
}

fn assert_old_or_object(bench: &Bench, n: u64) {
    let file = fs::read(bench.destination()).expect("a destination is always there");
    assert!(
        file == b"precious" || file == bench.content,
        "after call {n} the destination shows something else"
    );
}

//! A tebibyte in 209,716 parts: what a part costs does not depend on how many there are, nor on how many are done (invariant
//! I9). Nothing of it is kept anywhere; begun at any place by a journal that says so.

use super::*;
use crate::coverage::{Segment, Standing};
use crate::journal::format::{Identity, Record};
use crate::journal::{Journal, current_owner};
use crate::plan::part_count;
use crate::range::ByteRange;
use crate::testing::void_storage::VoidStorage;
use crate::testing::zero_source::{ZeroSource, crc_of_zeros};

const SIZE: u64 = 1 << 40;
const PART: u64 = 5 << 20;

/// What some parts of the object cost.
#[derive(Debug)]
struct Cost {
    parts: u64,
    writes: u64,
    journal_writes: u64,
    journal_bytes: u64,
    time: Duration,
    /// From the call to the first request after the probe: finding, reading and judging the journal.
    decision: Duration,
}

fn spec(folder: &Path) -> Spec {
    Spec {
        file_path: folder.join("object.bin"),
        part_size: NonZeroU64::new(PART).expect("not zero"),
        tasks: Tasks::exactly(NonZeroUsize::new(8).expect("not zero")),
        ..plain_spec()
    }
}

/// In which order eight tasks may have ended.
const ORDER: [u64; 8] = [3, 0, 5, 1, 7, 2, 6, 4];

/// A checkpoint of an orderly run of eight tasks that had fetched all parts before the `done`th.
fn leave_checkpoint(folder: &Path, storage: &VoidStorage, done: u64) {
    let spec = spec(folder);
    let places = Places::new(storage, &spec.file_path, None, &spec.checkpoint).expect("a good destination");
    let temporary = storage
        .open(&places.temporary, OpenMode::CreateNew)
        .expect("created");
    temporary.set_len(SIZE).expect("any length will do");
    let source = ZeroSource::new(SIZE, |_| {});
    let identity = Identity {
        endpoint: source.endpoint().to_owned(),
        bucket: spec.object.bucket,
        key: spec.object.key,
        version_id: None,
        url: None,
        object: (&source.head().fingerprint()).into(),
        destination: places.identity(),
    };
    let path = places.journal.expect("wanted");
    let owner = current_owner(storage, [7; 16]);
    let shared: Arc<dyn Storage> = Arc::new(storage.clone());
    let created = Journal::create(&shared, &path, &identity, owner, 4711, OpenMode::CreateNew, true);
    let mut journal = created.expect("created").expect("nobody else has it");
    let groups = (0..done.div_ceil(8)).flat_map(|group| ORDER.map(|place| group * 8 + place));
    let records: Vec<Record> = groups.filter(|&part| part < done).map(record).collect();
    journal.append(&records).expect("written");
    journal
        .release(temporary.stat().expect("there"))
        .expect("written");
}

fn record(part: u64) -> Record {
    let range = ByteRange::new(part * PART, (part + 1) * PART).expect("not empty");
    let crc = crc_of_zeros(PART);
    Record::Landed(Segment { range, crc }, Standing::Settled)
}

/// Fetches about `parts` parts after the first `done` ones.
async fn cost_of(parts: u64, done: u64) -> Cost {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let storage = VoidStorage::default();
    leave_checkpoint(folder.path(), &storage, done);
    let spec = spec(folder.path());
    let (cancel, progress) = (spec.cancel.clone(), spec.progress.clone());
    let source = Arc::new(ZeroSource::new(SIZE, move |number| {
        if number == parts {
            cancel.cancel(false);
        }
    }));
    let engine = Engine {
        source: source.clone(),
        storage: Arc::new(storage.clone()),
        in_use: InUse::default(),
        file_work: FileWork::default(),
    };
    let before = storage.writes();
    let began = Instant::now();
    let error = engine.run(spec).await.expect_err("it is canceled");
    let ended = Instant::now();
    assert_eq!(error.kind(), ErrorKind::Canceled, "{error:?}");
    let now = progress.snapshot();
    assert_eq!(now.resumed_bytes, done * PART, "the journal was believed");
    let after = storage.writes();
    let first = source.went_on_at().expect("it was asked");
    Cost {
        parts: now.fetched_bytes / PART,
        writes: after.0 - before.0,
        journal_writes: after.1 - before.1,
        journal_bytes: after.2 - before.2,
        time: ended - first,
        decision: first - began,
    }
}

#[tokio::test]
async fn i9_a_part_of_a_tebibyte_costs_the_same_at_the_beginning_in_the_middle_and_at_the_end() {
    let all = part_count(SIZE, NonZeroU64::new(PART).expect("not zero"));
    assert_eq!(all, 209_716);
    for percent in [0, 1, 50, 99] {
        let cost = cost_of(100, all * percent / 100).await;
        assert!((90..=110).contains(&cost.parts), "{cost:?}");
        // One for each piece that a connection brings at a time, 256 KiB here.
        assert!(cost.writes <= (cost.parts + 8) * 20, "{percent} %: {cost:?}");
        // A record each, and a heart that beats once a second.
        let beats = cost.time.as_secs() + 2;
        assert!(
            cost.journal_writes <= cost.parts + 8 + beats,
            "{percent} %: {cost:?}"
        );
        assert!(
            cost.journal_bytes <= (cost.parts + 8) * 64 + (beats + 1) * 256,
            "{percent} %: {cost:?}"
        );
    }
}

/// Measures rather than tests: `cargo xtask bench huge-object` runs it and shows what it prints.
#[tokio::test]
#[ignore = "a measurement, for an optimised build on a quiet machine"]
async fn what_a_part_of_a_tebibyte_costs() {
    crate::offload::inline::want();
    let all = part_count(SIZE, NonZeroU64::new(PART).expect("not zero"));
    for percent in [0, 1, 50, 99] {
        let cost = cost_of(2000, all * percent / 100).await;
        println!(
            "at {percent:2} %: {:6.1} us a part, {:.1} B of journal a part, {:.1} ms to decide what to resume",
            cost.time.as_secs_f64() * 1e6 / cost.parts as f64,
            cost.journal_bytes as f64 / cost.parts as f64,
            cost.decision.as_secs_f64() * 1e3,
        );
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM"));
    println!("peak memory, all of the above: {}", peak.unwrap_or("unknown"));
}

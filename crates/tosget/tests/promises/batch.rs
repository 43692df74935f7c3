//! Many downloads as one run: shared tasks, results of their own, and nothing begun or fetched that need not be.

use std::collections::BTreeMap;
use std::fs;
use std::iter;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tos_emulator::{FaultRule, Outcome, RequestRecord, Verdict};
use tosget::{
    Batch, BatchResults, CancelHook, DownloadFile, DownloadFileOutput, ErrorKind, Result, Verification,
};

use crate::support::{BUCKET, MIB, World, chain};

const TASKS: usize = 8;

fn small_key(number: usize) -> String {
    format!("small/{number}")
}

fn is_small(request: &RequestRecord) -> bool {
    request
        .key
        .as_deref()
        .is_some_and(|key| key.starts_with("small/"))
}

/// Different for each object, and of different lengths.
fn small_content(number: usize) -> Vec<u8> {
    format!("{number},").repeat(1000).into_bytes()
}

impl World {
    /// `small/0` to `small/COUNT-1`.
    async fn with_small(count: usize) -> Self {
        let world = Self::new().await;
        for number in 0..count {
            world
                .emulator
                .put_object(BUCKET, &small_key(number), small_content(number));
        }
        world
    }

    fn answer_small_ones_after(&self, ms: u64) {
        let rule = FaultRule::new(Verdict::Delay { ms }).method("GET");
        self.emulator.add_fault(rule.key("small/*"));
    }

    /// Where objects of batches go, each below it by its key.
    fn out(&self) -> PathBuf {
        self.folder.path().join("out/")
    }

    fn to_out(&self, key: impl Into<String>) -> DownloadFile {
        DownloadFile::new(BUCKET, key, self.out()).with_part_size(MIB)
    }

    fn small_requests(&self, count: usize) -> Vec<DownloadFile> {
        (0..count).map(|number| self.to_out(small_key(number))).collect()
    }

    fn assert_small_is_there(&self, number: usize) {
        let file = fs::read(self.out().join(small_key(number))).expect("it is there");
        assert!(file == small_content(number), "small object {number} differs");
    }

    /// A write that was under way when its download was dropped ends in its own time.
    async fn wait_until_nothing_is_held(&self) {
        let below = |directory| fs::read_dir(directory).expect("readable");
        for entry in below(self.out()).chain(below(self.out().join("large"))) {
            let path = entry.expect("readable").path();
            while path.is_file() && fs::File::open(&path).expect("readable").try_lock().is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    /// A request of a download that was canceled is over when the emulator notices it.
    async fn wait_until_nothing_is_answered(&self) {
        while self.emulator.stats().in_flight > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn bytes_sent(&self) -> u64 {
        self.emulator.stats().body_bytes_sent
    }
}

/// All results, by index; each index comes once.
async fn all(mut results: BatchResults) -> BTreeMap<usize, Result<DownloadFileOutput>> {
    let mut all = BTreeMap::new();
    while let Some(done) = results.next().await {
        assert!(all.insert(done.index, done.result).is_none(), "a second result");
    }
    all
}

fn verified(result: &Result<DownloadFileOutput>) -> &DownloadFileOutput {
    let output = result.as_ref().unwrap_or_else(|error| panic!("{}", chain(error)));
    assert_eq!(output.verification, Verification::Crc64);
    output
}

#[tokio::test]
async fn small_and_large_objects_come_side_by_side_with_no_more_requests_than_the_batch_may_have() {
    const SMALL: usize = 300;
    const LARGE: u64 = 64 * MIB;
    let world = World::with_small(SMALL).await;
    world.answer_small_ones_after(20);
    world.emulator.set_bandwidth(Some(64 * MIB), Some(8 * MIB));
    // The large ones first, so that it is the small ones who may have to wait.
    let mut requests = Vec::new();
    for (key, seed) in [("large/0", 1), ("large/1", 2)] {
        world.emulator.put_virtual(BUCKET, key, LARGE, seed);
        // What the batch says goes before what its requests say.
        requests.push(world.to_out(key).with_task_num(100));
    }
    requests.extend(world.small_requests(SMALL));
    let batch = Batch::new(requests).with_task_num(TASKS);
    let results = all(world.client().download_batch(batch).expect("a good number")).await;

    assert_eq!(results.len(), SMALL + 2);
    results.values().for_each(|result| {
        verified(result);
    });
    (0..SMALL).for_each(|number| world.assert_small_is_there(number));
    world.assert_is_virtual(&world.out().join("large/0"), 1, LARGE);
    world.assert_is_virtual(&world.out().join("large/1"), 2, LARGE);

    let log = world.gets();
    let of_small = log.iter().filter(|request| is_small(request)).count();
    assert_eq!(of_small, SMALL, "a request each");
    let first = log.iter().position(is_small).expect("asked for");
    let last = log.iter().rposition(is_small).expect("asked for");
    assert!(first < TASKS, "the first small one was request {first}");
    let after = log.len() - 1 - last;
    assert!(
        after >= 32,
        "small ones waited until {after} large parts were left"
    );
    for key in ["large/0", "large/1"] {
        let meanwhile = log[first..last]
            .iter()
            .filter(|request| request.key.as_deref() == Some(key))
            .count();
        assert!(
            meanwhile >= 3,
            "{key} was asked for {meanwhile} parts while small ones came"
        );
    }
    // What the emulator has not noticed to be over may still count.
    let aborted = log
        .iter()
        .filter(|request| request.outcome == Outcome::Aborted)
        .count();
    let most = world.emulator.stats().peak_in_flight;
    assert!(
        most <= (TASKS + aborted) as u64,
        "{most} requests at a time, {aborted} aborted"
    );
}

#[tokio::test]
async fn one_that_fails_stops_no_other_and_every_result_has_the_index_of_its_request() {
    const COUNT: usize = 40;
    let world = World::with_small(COUNT).await;
    // So that they do not end in the order in which they began.
    let late = FaultRule::new(Verdict::Delay { ms: 100 }).method("GET");
    world.emulator.add_fault(late.every(3));
    world.emulator.delete_object(BUCKET, &small_key(7));
    let mut requests = world.small_requests(COUNT);
    requests[20] = world.to_out("../outside");
    let results = all(world.client().download_batch(Batch::new(requests)).expect("good")).await;

    assert_eq!(
        results.keys().copied().collect::<Vec<_>>(),
        Vec::from_iter(0..COUNT)
    );
    for (index, result) in results {
        match (index, result) {
            (7, Err(error)) => {
                let refusal = error.server().expect("the service said no");
                assert_eq!((refusal.status_code, refusal.code.as_str()), (404, "NoSuchKey"));
                assert!(error.to_string().contains("small/7"), "{error}");
            }
            (20, Err(error)) => assert_eq!(error.kind(), ErrorKind::InvalidArgument),
            (index, result) => {
                let path = verified(&result).file_path.clone();
                assert_eq!(path, world.out().join(small_key(index)));
                world.assert_small_is_there(index);
            }
        }
    }
}

#[tokio::test]
async fn a_canceled_batch_begins_nothing_more_and_again_it_fetches_only_what_is_missing() {
    const COUNT: usize = 40;
    const LARGE: u64 = 16 * MIB;
    let world = World::with_small(COUNT).await;
    world.emulator.put_virtual(BUCKET, "large", LARGE, 1);
    world.answer_small_ones_after(20);
    world.emulator.set_bandwidth(None, Some(MIB));
    let requests = || {
        let all = iter::once(world.to_out("large")).chain(world.small_requests(COUNT));
        all.map(|request| request.with_skip_same(true))
            .collect::<Vec<_>>()
    };
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = taken.clone();
    let first_time = requests().into_iter().inspect(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let client = world.builder().max_downloads(4).build().expect("good");
    let hook = CancelHook::new();
    let batch = Batch::new(first_time)
        .with_task_num(3)
        .with_cancel_hook(hook.clone());
    let mut results = client.download_batch(batch).expect("a good number");
    let (mut there, mut canceled) = (0, 0);
    let mut begun = 0;
    while let Some(done) = results.next().await {
        match done.result {
            Ok(_) => there += 1,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Canceled, "{}", chain(&error));
                canceled += 1;
            }
        }
        // The large one has begun by then, and is far from its end.
        if there == 20 && !hook.is_canceled() {
            hook.cancel(false);
            begun = taken.load(Ordering::Relaxed);
        }
    }
    assert_eq!(taken.load(Ordering::Relaxed), begun, "begun after the cancel");
    assert_eq!(there + canceled, begun);
    assert!((1..=4).contains(&canceled), "{canceled} were under way");
    assert!(!world.out().join("large").exists());
    world.wait_until_nothing_is_answered().await;
    let asked_for = world.gets().iter().filter(|request| is_small(request)).count();
    assert!(asked_for < begun, "{asked_for} small ones of {begun} objects");

    world.emulator.set_bandwidth(None, None);
    world.emulator.reset_log();
    let again = Batch::new(requests()).with_task_num(3);
    let results = all(client.download_batch(again).expect("a good number")).await;
    assert_eq!(results.len(), COUNT + 1);
    let outputs: Vec<_> = results.values().map(verified).collect();
    assert!(outputs[0].bytes_resumed > 0, "{:?}", outputs[0]);
    assert_eq!(outputs[0].bytes_fetched + outputs[0].bytes_resumed, LARGE);
    let fetched: u64 = outputs.iter().map(|output| output.bytes_fetched).sum();
    assert_eq!(world.bytes_sent(), fetched);
    let gets = world.gets();
    let of_small = gets.iter().filter(|request| is_small(request)).count();
    assert_eq!(of_small, COUNT - there, "those that were there are not fetched");
    (0..COUNT).for_each(|number| world.assert_small_is_there(number));
    world.assert_is_virtual(&world.out().join("large"), 1, LARGE);
}

#[tokio::test]
async fn results_that_are_dropped_leave_checkpoints_to_go_on_from() {
    const LARGE: u64 = 8 * MIB;
    let world = World::new().await;
    for seed in [1, 2] {
        world
            .emulator
            .put_virtual(BUCKET, &format!("large/{seed}"), LARGE, seed);
    }
    world.emulator.put_object(BUCKET, "small/0", small_content(0));
    world.emulator.set_bandwidth(None, Some(MIB));
    let requests = || ["small/0", "large/1", "large/2"].map(|key| world.to_out(key));
    let client = world.client();
    let batch = Batch::new(requests()).with_task_num(4);
    let mut results = client.download_batch(batch).expect("a good number");
    verified(&results.next().await.expect("the small one").result);
    let is_under_way = |key: &str| {
        let of_it = |request: &RequestRecord| request.key.as_deref() == Some(key);
        let sent: u64 = world
            .gets()
            .iter()
            .filter(|request| of_it(request))
            .map(|request| request.body_bytes)
            .sum();
        // More than what may be on its way for each of the four.
        sent >= 4 * MIB
    };
    while !(is_under_way("large/1") && is_under_way("large/2")) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(results);
    world.wait_until_nothing_is_held().await;

    world.emulator.set_bandwidth(None, None);
    let again = Batch::new(requests()[1..].to_vec()).with_task_num(4);
    let results = all(client.download_batch(again).expect("a good number")).await;
    for (index, result) in &results {
        let output = verified(result);
        assert!(output.bytes_resumed > 0, "{output:?}");
        let seed = *index as u64 + 1;
        world.assert_is_virtual(&world.out().join(format!("large/{seed}")), seed, LARGE);
    }
    assert_eq!(results.len(), 2);
}

#[tokio::test]
async fn an_endless_run_is_taken_no_further_ahead_than_there_is_room() {
    const AT_A_TIME: usize = 5;
    let world = World::with_small(1).await;
    let taken = Arc::new(AtomicUsize::new(0));
    let (counted, out) = (taken.clone(), world.out());
    let requests = iter::repeat_with(move || {
        let number = counted.fetch_add(1, Ordering::Relaxed);
        DownloadFile::new(BUCKET, small_key(0), out.join(number.to_string()))
    });
    let client = world.builder().max_downloads(AT_A_TIME).build().expect("good");
    let mut results = client.download_batch(Batch::new(requests)).expect("good");
    assert_eq!(taken.load(Ordering::Relaxed), 0, "nobody has asked for a result");
    for had in 0..50 {
        verified(&results.next().await.expect("there is no end").result);
        let taken = taken.load(Ordering::Relaxed);
        assert!(taken <= had + AT_A_TIME, "{taken} taken for {had} results");
    }
    assert!(world.emulator.stats().peak_in_flight <= AT_A_TIME as u64);
}

#[tokio::test]
async fn a_number_of_tasks_that_can_not_be_is_refused_before_a_request_is_taken() {
    let world = World::new().await;
    for task_num in [0, 1001, usize::MAX] {
        let requests = iter::repeat_with(|| -> DownloadFile { unreachable!("nothing is taken") });
        let batch = Batch::new(requests).with_task_num(task_num);
        let error = world.client().download_batch(batch).expect_err("no such number");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains("task_num"), "{error}");
    }
    assert_eq!(world.emulator.stats().requests, 0);
}

impl World {
    /// `one` and `two`, at the same path by these spellings, below a directory that is there and has a link to it. The later one
    /// loses, each time.
    async fn assert_the_later_one_loses(&self, one: DownloadFile, two: DownloadFile, expected: &[u8]) {
        for _ in 0..3 {
            let mut requests = self.small_requests(5);
            requests.insert(1, one.clone());
            requests.insert(4, two.clone());
            let mut results = self.client().download_batch(Batch::new(requests)).expect("good");
            let (mut there, mut lost) = (Vec::new(), Vec::new());
            while let Some(done) = results.next().await {
                match done.result {
                    Ok(output) => there.push((done.index, output.file_path)),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{}", chain(&error));
                        assert!(error.to_string().contains("request 1 of the batch"), "{error}");
                        lost.push((done.index, done.path_taken_by));
                    }
                }
            }
            assert_eq!(lost, [(4, Some(1))]);
            let first = there.iter().find(|(index, _)| *index == 1);
            let (_, path) = first.expect("the first one wins");
            assert_eq!(fs::read(path).expect("there"), expected);
        }
    }
}

#[tokio::test]
async fn of_two_spellings_of_one_path_the_later_request_always_loses() {
    let world = World::with_small(5).await;
    world.emulator.put_object(BUCKET, "one", "one");
    world.emulator.put_object(BUCKET, "two", "two");
    let out = world.out();
    fs::create_dir_all(out.join("real")).expect("created");
    #[cfg(unix)]
    std::os::unix::fs::symlink("real", out.join("link")).expect("linked");
    let request = |key: &str, path: &str| DownloadFile::new(BUCKET, key, out.join(path));
    for (one, two) in [
        ("x", "x"),
        ("x", "./x"),
        ("real/../x", "x"),
        ("new/deep/x", "new/other/../deep//x"),
        ("real/x", "link/x"),
        ("link/new/x", "real/new/x"),
        ("link/../y", "y"),
    ] {
        let (one, two) = (request("one", one), request("two", two));
        world.assert_the_later_one_loses(one, two, b"one").await;
    }
    // By its key, and by its name; a file, and a directory.
    let below = DownloadFile::new(BUCKET, "two", out.join("d/"));
    world
        .assert_the_later_one_loses(request("one", "d/two"), below, b"one")
        .await;
    world
        .assert_the_later_one_loses(request("one", "f"), request("two", "f/two"), b"one")
        .await;
    let one = DownloadFile::new(BUCKET, "g/one", out.clone());
    let two = DownloadFile::new(BUCKET, "g", out.clone());
    world.emulator.put_object(BUCKET, "g/one", "one");
    world.assert_the_later_one_loses(one, two, b"one").await;
}

#[tokio::test]
async fn two_versions_buckets_or_files_of_ones_own_are_no_one_path() {
    let world = World::with_small(5).await;
    world.emulator.enable_versioning(BUCKET);
    let version = |content: &str| {
        let put = world.emulator.put_object(BUCKET, "one", content.to_owned());
        put.version_id.expect("it has one")
    };
    let (first, second) = (version("the first"), version("the second"));
    world.emulator.create_bucket("other-bucket");
    world.emulator.put_object("other-bucket", "one", "another");
    let one = || world.to_out("one").with_version_id(first.clone());
    let two = world.to_out("one").with_version_id(second);
    world.assert_the_later_one_loses(one(), two, b"the first").await;
    let two = DownloadFile::new("other-bucket", "one", world.out());
    world.assert_the_later_one_loses(one(), two, b"the first").await;
    // A journal under a name that the caller chose is a file like others.
    let journal = world.out().join("my.journal");
    let with_journal = || one().with_checkpoint_file(journal.clone());
    let two = DownloadFile::new(BUCKET, "one", journal.clone());
    world
        .assert_the_later_one_loses(with_journal(), two, b"the first")
        .await;
    let two = DownloadFile::new(BUCKET, "one", world.out().join("two")).with_checkpoint_file(journal.clone());
    world
        .assert_the_later_one_loses(with_journal(), two, b"the first")
        .await;
    let two = DownloadFile::new(BUCKET, "one", world.out().join("my.journal.aside"));
    world
        .assert_the_later_one_loses(with_journal(), two, b"the first")
        .await;
}

#[tokio::test]
async fn a_request_that_is_there_twice_is_done_once_and_told_twice() {
    const LARGE: u64 = 3 * MIB;
    let world = World::with_small(1).await;
    world.emulator.put_virtual(BUCKET, "large", LARGE, 1);
    let requests = ["large", "small/0", "large", "missing", "large", "missing"];
    let requests = requests.map(|key| world.to_out(key));
    let batch = Batch::new(requests);
    let results = all(world.client().download_batch(batch).expect("good")).await;
    for index in [0, 1, 2, 4] {
        verified(&results[&index]);
    }
    for index in [3, 5] {
        let error = results[&index].as_ref().expect_err("there is none");
        assert_eq!(error.kind(), ErrorKind::Server);
    }
    world.assert_is_virtual(&world.out().join("large"), 1, LARGE);
    let fetched: u64 = [0, 2, 4]
        .map(|index| verified(&results[&index]).bytes_fetched)
        .iter()
        .sum();
    assert_eq!(fetched, LARGE);
}

#[test]
fn of_two_requests_for_one_path_the_later_one_loses_in_blocking_code_as_well() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let world = runtime.block_on(World::with_small(2));
    let client = tosget::blocking::TosClient::new(world.builder()).expect("good");
    let path = world.out().join("x");
    let requests = [0, 1].map(|number| DownloadFile::new(BUCKET, small_key(number), path.clone()));
    let results = client.download_batch(Batch::new(requests)).expect("good");
    let taken: BTreeMap<_, _> = results.map(|done| (done.index, done.path_taken_by)).collect();
    assert_eq!(taken, BTreeMap::from([(0, None), (1, Some(0))]));
    assert_eq!(fs::read(path).expect("there"), small_content(0));
}

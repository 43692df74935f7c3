//! A disk that keeps a call to the file system for ever: whoever waits for a download is not kept with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use tokio::time::sleep;
use tos_emulator::{Emulator, FaultRule, Verdict};

use super::*;
use crate::batch::Batch;
use crate::cancel::CancelHook;
use crate::credentials::Credentials;
use crate::download::DownloadFile;
use crate::error::ErrorKind;
use crate::on_change::OnChange;
use crate::progress::Progress;
use crate::testing::hooked_storage::{Call, HookedStorage};
use crate::testing::object_bytes;

const SIZE: u64 = 12 << 20;
const PART: u64 = 1 << 20;

/// What is promised to take less than this takes half of it.
const A_SECOND: Duration = Duration::from_millis(2_000);

/// A disk that keeps what a test says, until it is freed.
#[derive(Clone, Default)]
struct Disk(Arc<(Mutex<DiskState>, Condvar)>);

#[derive(Default)]
struct DiskState {
    kept: usize,
    is_free: bool,
}

impl Disk {
    /// The system's storage, whose `n`th call that fits never returns, nor any that fits after it.
    fn storage(&self, n: usize, fits: impl Fn(Call, &Path) -> bool + Send + Sync + 'static) -> HookedStorage {
        let (disk, seen) = (self.clone(), Mutex::new(0));
        HookedStorage::new(move |call, path| {
            if !fits(call, path) {
                return Ok(None);
            }
            let now = {
                let mut seen = seen.lock().expect("not poisoned");
                *seen += 1;
                *seen
            };
            if now >= n {
                disk.keep();
            }
            Ok(None)
        })
    }

    fn keep(&self) {
        let (state, changed) = &*self.0;
        let mut state = state.lock().expect("not poisoned");
        state.kept += usize::from(!state.is_free);
        drop(
            changed
                .wait_while(state, |state| !state.is_free)
                .expect("not poisoned"),
        );
    }

    fn kept(&self) -> usize {
        self.0.0.lock().expect("not poisoned").kept
    }

    fn free(&self) {
        self.0.0.lock().expect("not poisoned").is_free = true;
        self.0.1.notify_all();
    }

    async fn has_kept(&self, calls: usize) {
        let began = Instant::now();
        while self.kept() < calls {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "the disk keeps nothing"
            );
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Also where a test fails: threads that are kept would keep it from ending.
impl Drop for Disk {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.free();
        }
    }
}

struct Stage {
    emulator: Emulator,
    folder: tempfile::TempDir,
    disk: Disk,
}

impl Stage {
    fn new() -> Self {
        let emulator = Emulator::builder().spawn().expect("an emulator");
        emulator.create_bucket("bkt");
        emulator.put_object("bkt", "big", object());
        Self {
            emulator,
            folder: tempfile::tempdir().expect("a folder"),
            disk: Disk::default(),
        }
    }

    fn client(&self) -> TosClient {
        self.builder().build().expect("a client")
    }

    fn builder(&self) -> TosClientBuilder {
        let keys = Credentials::new(self.emulator.access_key(), self.emulator.secret_key());
        TosClient::builder()
            .endpoint(self.emulator.endpoint())
            .region(self.emulator.region())
            .credentials(keys)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn request(&self, name: &str) -> DownloadFile {
        DownloadFile::new("bkt", "big", self.path(name)).with_part_size(PART)
    }

    fn assert_is_the_object(&self, name: &str) {
        let file = fs::read(self.path(name)).expect("the destination is there");
        assert!(file == object(), "the destination is not the object");
    }

    /// Interrupts a download, so that there is something to resume that has to be read back.
    async fn begin(&self, name: &str) {
        self.emulator.set_bandwidth(Some(16 << 20), None);
        let (client, progress) = (self.client(), Progress::new());
        let mut download = Box::pin(client.download_file(self.request(name).with_progress(progress.clone())));
        while progress.snapshot().consumed_bytes < SIZE / 4 {
            tokio::select! {
                done = &mut download => panic!("too fast: {done:?}"),
                () = sleep(Duration::from_millis(5)) => {}
            }
        }
        drop(download);
        self.emulator.set_bandwidth(None, None);
    }

    /// The disk answers again, and the same call succeeds.
    async fn recover(&self, name: &str) -> DownloadFileOutput {
        self.disk.free();
        let done = self.client().download_file(self.request(name)).await;
        let done = done.expect("the disk answers");
        self.assert_is_the_object(name);
        done
    }
}

fn object() -> Vec<u8> {
    object_bytes(SIZE as usize)
}

fn is_data(path: &Path) -> bool {
    path.to_string_lossy().ends_with("tosget-part")
}

fn is_journal(path: &Path) -> bool {
    path.to_string_lossy().ends_with("tosget-journal")
}

/// How often something unrelated on this thread has its turn in 200 ms; at best 20 times.
async fn ticks() -> u32 {
    let began = Instant::now();
    let mut ticks = 0;
    while began.elapsed() < Duration::from_millis(200) {
        sleep(Duration::from_millis(10)).await;
        ticks += 1;
    }
    ticks
}

type Fits = fn(Call, &Path) -> bool;

/// A call, from which on that fits, whether on the way of a resumed download, and whether there is a checkpoint then.
const CALLS: &[(&str, usize, Fits, bool, bool)] = &[
    ("the first look", 1, |call, _| call == Call::Stat, false, false),
    (
        "open",
        1,
        |call, path| call == Call::Open && is_journal(path),
        true,
        true,
    ),
    (
        "read the journal",
        1,
        |call, path| call == Call::Read && is_journal(path),
        true,
        true,
    ),
    (
        "read back",
        1,
        |call, path| call == Call::Read && is_data(path),
        true,
        true,
    ),
    (
        "lock",
        1,
        |call, path| call == Call::Lock && is_journal(path),
        true,
        true,
    ),
    (
        "create the data",
        1,
        |call, path| call == Call::Create && is_data(path),
        false,
        // The journal is there before the data.
        true,
    ),
    (
        "create the journal",
        1,
        |call, path| call == Call::Create && is_journal(path),
        false,
        true,
    ),
    (
        "create the directory",
        1,
        |call, _| call == Call::CreateDirectory,
        false,
        false,
    ),
    (
        "allocate",
        1,
        |call, _| matches!(call, Call::Allocate { .. }),
        false,
        true,
    ),
    (
        "write",
        5,
        |call, path| matches!(call, Call::Write { .. }) && is_data(path),
        false,
        true,
    ),
    (
        "record",
        3,
        |call, path| matches!(call, Call::Write { .. }) && is_journal(path),
        false,
        true,
    ),
    (
        "sync",
        1,
        |call, path| call == Call::Sync && is_data(path),
        false,
        true,
    ),
    (
        "look at the open file",
        2,
        |call, path| call == Call::Stat && is_data(path),
        true,
        true,
    ),
    ("rename", 1, |call, _| call == Call::Rename, false, true),
    (
        "sync the directory",
        1,
        |call, _| call == Call::SyncDirectory,
        false,
        true,
    ),
    (
        "remove the journal",
        1,
        |call, path| call == Call::Remove && is_journal(path),
        false,
        true,
    ),
];

#[tokio::test]
async fn whatever_call_a_disk_keeps_the_callers_tasks_go_on_and_cancel_is_answered_within_a_second() {
    for (index, &(what, n, fits, is_resumed, has_checkpoint)) in CALLS.iter().enumerate() {
        let stage = Stage::new();
        if is_resumed {
            stage.begin("out").await;
        }
        let (hook, is_abort) = (CancelHook::new(), index % 2 == 1);
        let client = stage.client().with_storage(stage.disk.storage(n, fits));
        let request = stage.request("out").with_cancel_hook(hook.clone());
        let watching = async {
            stage.disk.has_kept(1).await;
            let ticks = ticks().await;
            hook.cancel(is_abort);
            (ticks, Instant::now())
        };
        let (result, (ticks, canceled_at)) = tokio::join!(client.download_file(request), watching);
        let answered = canceled_at.elapsed();
        // A runtime that is held up has none; a busy machine has some.
        assert!(ticks >= 3, "{what}: {ticks} ticks");
        assert!(answered < A_SECOND, "{what}: {answered:?}");
        let error = result.expect_err("canceled");
        assert_eq!(
            (error.kind(), error.to_string()),
            (ErrorKind::Canceled, "the task is canceled".to_owned()),
            "{what}"
        );
        // A reading or a sync that nobody needs any more is not waited for: then the call ends in order, and an abort leaves nothing.
        let is_told = error.hint().is_some_and(|hint| hint.contains("file system"));
        assert_eq!(
            error.checkpoint().is_some_and(is_journal),
            has_checkpoint && (is_told || !is_abort),
            "{what}: {:?}",
            error.checkpoint()
        );
        drop(client);
        stage.recover("out").await;
    }
}

#[tokio::test]
async fn a_cancel_is_answered_also_when_the_disk_keeps_the_second_pass_of_a_call() {
    let stage = Stage::new();
    let (hook, progress) = (CancelHook::new(), Progress::new());
    let replace = Verdict::ReplaceObject { seed: 2, size: None };
    stage
        .emulator
        .add_fault(FaultRule::new(replace).range_from(SIZE / 2).times(1));
    let passes = progress.clone();
    let client = stage
        .client()
        .with_storage(stage.disk.storage(3, move |call, path| {
            matches!(call, Call::Write { .. }) && is_data(path) && passes.snapshot().restarts > 0
        }));
    let request = stage
        .request("out")
        .with_on_change(OnChange::Restart(1))
        .with_progress(progress)
        .with_cancel_hook(hook.clone());
    let canceling = async {
        stage.disk.has_kept(1).await;
        hook.cancel(false);
        Instant::now()
    };
    let (result, canceled_at) = tokio::join!(client.download_file(request), canceling);
    assert_eq!(result.expect_err("canceled").kind(), ErrorKind::Canceled);
    assert!(canceled_at.elapsed() < A_SECOND, "{:?}", canceled_at.elapsed());
    stage.disk.free();
}

#[tokio::test]
async fn a_download_that_is_dropped_while_the_disk_keeps_a_write_keeps_nobody_and_is_resumed() {
    let stage = Stage::new();
    let client = stage.client().with_storage(stage.disk.storage(20, |call, path| {
        matches!(call, Call::Write { .. }) && is_data(path)
    }));
    let mut download = Box::pin(client.download_file(stage.request("out")));
    tokio::select! {
        result = &mut download => panic!("{result:?}"),
        () = stage.disk.has_kept(1) => {}
    }
    let began = Instant::now();
    drop(download);
    drop(client);
    assert!(began.elapsed() < A_SECOND, "{:?}", began.elapsed());
    assert!(ticks().await >= 10);
    let again = stage.client().download_file(stage.request("out")).await;
    assert_eq!(
        again.expect_err("its lock is not free").kind(),
        ErrorKind::CheckpointHeld
    );
    assert!(stage.recover("out").await.bytes_resumed > 0);
}

#[tokio::test]
async fn a_canceled_download_holds_its_destination_until_the_disk_answers_and_then_leaves_it_in_order() {
    let stage = Stage::new();
    let hook = CancelHook::new();
    let client = stage.client().with_storage(stage.disk.storage(20, |call, path| {
        matches!(call, Call::Write { .. }) && is_data(path)
    }));
    let request = stage.request("out").with_cancel_hook(hook.clone());
    let canceling = async {
        stage.disk.has_kept(1).await;
        hook.cancel(false);
    };
    let (result, ()) = tokio::join!(client.download_file(request), canceling);
    assert_eq!(result.expect_err("canceled").kind(), ErrorKind::Canceled);
    let again = stage.client().download_file(stage.request("out")).await;
    assert_eq!(again.expect_err("it is held").kind(), ErrorKind::CheckpointHeld);
    // What it began it ends, though nobody has the client any more.
    drop(client);
    let progress = Progress::new();
    stage.disk.free();
    let request = stage.request("out").with_progress(progress.clone());
    let done = stage
        .client()
        .download_file(request)
        .await
        .expect("the disk answers");
    stage.assert_is_the_object("out");
    assert!(done.bytes_resumed > 0, "{done:?}");
}

/// A batch of downloads to one disk, and one download to another, with the same client.
struct TwoDisks {
    stage: Stage,
    client: TosClient,
    stuck: BatchResults,
    hook: CancelHook,
    task_num: Option<usize>,
}

impl TwoDisks {
    /// So many downloads to a disk that keeps them from the `n`th call on.
    fn new(downloads: usize, task_num: Option<usize>, n: usize, fits: Fits) -> Self {
        let stage = Stage::new();
        fs::create_dir(stage.path("stuck")).expect("a directory");
        let storage = stage.disk.storage(n, move |call, path| {
            fits(call, path) && path.components().any(|name| name.as_os_str() == "stuck")
        });
        let client = stage.client().with_storage(storage);
        let hook = CancelHook::new();
        let requests: Vec<_> = (0..downloads)
            .map(|number| with_tasks(stage.request(&format!("stuck/{number}")), task_num))
            .collect();
        let batch = Batch::new(requests).with_cancel_hook(hook.clone());
        Self {
            stuck: client.download_batch(batch).expect("a batch"),
            stage,
            client,
            hook,
            task_num,
        }
    }

    async fn keeps(&mut self, calls: usize) {
        tokio::select! {
            result = self.stuck.next() => panic!("{result:?}"),
            () = self.stage.disk.has_kept(calls) => {}
        }
    }

    async fn the_other_flows(&self, what: &str) {
        let request = with_tasks(self.stage.request("out"), self.task_num);
        let done = tokio::time::timeout(Duration::from_secs(20), self.client.download_file(request)).await;
        let done = done.unwrap_or_else(|_| panic!("{what}: it waits for the other disk"));
        done.expect("nothing is wrong with its disk");
        self.stage.assert_is_the_object("out");
    }
}

fn with_tasks(request: DownloadFile, task_num: Option<usize>) -> DownloadFile {
    match task_num {
        Some(number) => request.with_task_num(number),
        None => request,
    }
}

#[tokio::test]
async fn downloads_that_one_disk_keeps_do_not_keep_one_to_another() {
    // More than the client has threads.
    let mut two = TwoDisks::new(8, Some(4), 1, |call, _| matches!(call, Call::Write { .. }));
    two.keeps(8).await;
    two.the_other_flows("task_num").await;
    let canceled_at = Instant::now();
    two.hook.cancel(false);
    while let Some(done) = two.stuck.next().await {
        assert_eq!(done.result.expect_err("canceled").kind(), ErrorKind::Canceled);
    }
    assert!(canceled_at.elapsed() < A_SECOND, "{:?}", canceled_at.elapsed());
    two.stage.disk.free();
}

#[tokio::test]
async fn slots_that_one_disk_keeps_do_not_keep_a_download_to_another_and_all_end_when_it_answers() {
    // Whoever has the slots: tasks, the loop that records, and what comes before both.
    let calls: [(&str, usize, Fits); 4] = [
        ("write", 1, |call, path| {
            matches!(call, Call::Write { .. }) && is_data(path)
        }),
        ("record", 3, |call, path| {
            matches!(call, Call::Write { .. }) && is_journal(path)
        }),
        ("create the journal", 1, |call, path| {
            call == Call::Create && is_journal(path)
        }),
        ("allocate", 1, |call, _| matches!(call, Call::Allocate { .. })),
    ];
    for (what, n, fits) in calls {
        let mut two = TwoDisks::new(3, None, n, fits);
        two.keeps(1).await;
        two.the_other_flows(what).await;
        two.stage.disk.free();
        while let Some(done) = two.stuck.next().await {
            done.result.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        }
        (0..3).for_each(|number| two.stage.assert_is_the_object(&format!("stuck/{number}")));
    }
}

#[tokio::test]
async fn a_batch_goes_on_whose_disk_keeps_the_look_at_one_destination() {
    // Whether the destination is a directory, or what stands in it.
    for destination in ["stuck/file", "stuck/"] {
        let stage = Stage::new();
        fs::create_dir(stage.path("stuck")).expect("a directory");
        let storage = stage.disk.storage(1, |call, path| {
            call == Call::Stat
                && path
                    .parent()
                    .is_some_and(|directory| directory.ends_with("stuck"))
        });
        let client = stage.builder().max_downloads(2).build().expect("a client");
        let requests = ["0", "1", destination, "2", "3"].map(|name| stage.request(name));
        let batch = Batch::new(requests);
        let mut results = client
            .with_storage(storage)
            .download_batch(batch)
            .expect("a batch");
        for _ in 0..4 {
            let done = tokio::time::timeout(Duration::from_secs(20), results.next()).await;
            let done = done.unwrap_or_else(|_| panic!("{destination}: others wait for it"));
            done.expect("it goes on")
                .result
                .expect("nothing is wrong with its disk");
        }
        (0..4).for_each(|number| stage.assert_is_the_object(&number.to_string()));
        stage.disk.free();
        let last = results.next().await.expect("the one that was kept");
        assert_eq!(last.index, 2);
        last.result.expect("the disk answers");
    }
}

#[test]
fn a_blocking_client_answers_a_cancel_and_is_dropped_while_the_disk_keeps_a_write() {
    let stage = Stage::new();
    let storage = stage.disk.storage(20, |call, path| {
        matches!(call, Call::Write { .. }) && is_data(path)
    });
    let client = crate::blocking::TosClient::new(stage.builder())
        .expect("a client")
        .with_storage(storage);
    let hook = CancelHook::new();
    let request = stage.request("out").with_cancel_hook(hook.clone());
    let waiting = std::thread::spawn(move || {
        let result = client.download_file(request);
        let answered = Instant::now();
        drop(client);
        (result, answered, Instant::now())
    });
    while stage.disk.kept() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let canceled_at = Instant::now();
    hook.cancel(false);
    let (result, answered, dropped) = waiting.join().expect("no panic");
    let error = result.expect_err("canceled");
    assert!(
        error.kind() == ErrorKind::Canceled && error.is_resumable(),
        "{error:?}"
    );
    assert!(answered - canceled_at < A_SECOND && dropped - answered < A_SECOND);
    stage.disk.free();
}

#[test]
fn a_caller_without_tokio_is_served_as_well() {
    let stage = Stage::new();
    let client = stage.client();
    let done = std::thread::scope(|scope| {
        let download = client.download_file(stage.request("out"));
        scope.spawn(move || block_on(download)).join().expect("no panic")
    });
    done.expect("downloads");
    stage.assert_is_the_object("out");
}

/// Polls a future on this thread, of which tokio knows nothing.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
            std::task::Poll::Ready(done) => return done,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}

//! Several machines at one destination, on a file system whose locks are granted to everybody and whose writes are seen late.
//!
//! Whatever they do to each other, and in whatever order: the final name shows one whole object, or what it showed before.

use std::path::Path;

use fastrand::Rng;
use tokio::runtime::Builder;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::*;
use crate::offload::inline;
use crate::testing::power_cut::Disk;

const SCHEDULES: u64 = 1_500;

/// What is at the destination before the first call.
const PRECIOUS: &[u8] = b"precious";

/// How often the destination is looked at, besides the end of every call.
const LOOK: Duration = Duration::from_millis(20);

#[test]
fn owners_whose_locks_lie_never_show_anything_but_one_whole_object() {
    if let Ok(seed) = std::env::var("TOSGET_SEED") {
        return run_all([seed.parse().expect("TOSGET_SEED is a number")]);
    }
    run_all(0..SCHEDULES);
}

fn run_all(seeds: impl IntoIterator<Item = u64>) {
    inline::want();
    for seed in seeds {
        let _shown = ShownOnPanic(seed);
        fastrand::seed(seed);
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        runtime.expect("a runtime").block_on(Meeting::new(seed).run());
    }
}

struct ShownOnPanic(u64);

impl Drop for ShownOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this schedule failed; play it again with TOSGET_SEED={}", self.0);
        }
    }
}

/// Two to four machines that want one object at one place.
struct Meeting {
    random: Rng,
    disk: Disk,
    source: Arc<ScriptedSource>,
    contents: Vec<Vec<u8>>,
    owners: u64,
    lag: Duration,
    /// Nothing goes wrong but the locks.
    calm: bool,
}

impl Meeting {
    fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let content = object_bytes(random.usize(1..60_000));
        let source = ScriptedSource::new(Served::new(content.clone(), "etag-0"), random.usize(500..70_000));
        let disk = Disk::new();
        let file = disk.open(destination(), OpenMode::CreateNew).expect("a new disk");
        file.write_at(PRECIOUS, 0).expect("written");
        Self {
            owners: random.u64(2..=4),
            lag: Duration::from_millis(random.u64(..2_500)),
            calm: random.u32(..4) == 0,
            random,
            disk,
            source: Arc::new(source),
            contents: vec![content],
        }
    }

    async fn run(mut self) {
        let pace = self.random.u64(5_000..60_000);
        self.source.follow(move |_, _| Verdict::Pace(pace));
        let calls: Vec<_> = (1..=self.owners)
            .map(|host| tokio::spawn(self.call(host)))
            .collect();
        let first_is_done = if self.calm {
            let results = join_all(calls).await;
            assert!(results.contains(&Some(Ok(()))), "nobody succeeds: {results:?}");
            true
        } else {
            let replaced = self.replace_once();
            let watched = watch(self.disk.clone(), self.contents.clone());
            tokio::select! {
                _ = async { tokio::join!(join_all(calls), replaced) } => true,
                () = watched => false,
            }
        };
        assert!(first_is_done);
        assert_whole(&self.disk, &self.contents);
        // Whatever is left, one that is alone comes to its end.
        self.source.follow(|_, _| Verdict::Serve);
        sleep(Duration::from_secs(120)).await;
        let last = self.download(9, self.spec()).await;
        last.unwrap_or_else(|error| panic!("nothing disturbs this call, and it fails: {error:?}"));
        let file = self.disk.read(destination()).expect("there");
        assert!(
            self.contents.last() == Some(&file),
            "the destination is not the object"
        );
    }

    /// Replaces the object at some time, or not.
    fn replace_once(&mut self) -> impl Future<Output = ()> + use<> {
        let after = Duration::from_millis(self.random.u64(..8_000));
        let replacement = self.random.bool().then(|| {
            let mut content = object_bytes(self.random.usize(1..60_000) + 1);
            content.remove(0);
            content
        });
        self.contents.extend(replacement.clone());
        let source = self.source.clone();
        async move {
            let Some(content) = replacement else { return };
            sleep(after).await;
            source.replace(Served::new(content, "etag-1"));
        }
    }

    /// One machine's call. Whether it succeeded, `None` if it was killed.
    fn call(&mut self, host: u64) -> impl Future<Output = Option<Result<(), String>>> + use<> {
        let begins = Duration::from_millis(match self.random.u32(..3) {
            0 => 0,
            1 => self.random.u64(..50),
            _ => self.random.u64(..9_000),
        });
        let dies = (!self.calm && self.random.u32(..3) == 0).then(|| self.random.u64(..9_000));
        let cut_off = (!self.calm && self.random.u32(..2) == 0)
            .then(|| (self.random.u64(..6_000), self.random.u64(..20_000)));
        let mut spec = self.spec();
        spec.part_size = NonZeroU64::new(self.random.u64(1_000..40_000)).expect("not zero");
        spec.checkpoint = match self.random.u32(..4) {
            0 => CheckpointPlace::Nowhere,
            _ => CheckpointPlace::Beside,
        };
        spec.cancel = CancelHook::new();
        let disk = self.disk.shared(host, self.lag);
        let download = self.download(host, spec);
        async move {
            sleep(begins).await;
            let isolation = async {
                if let Some((after, lasts)) = cut_off {
                    sleep(Duration::from_millis(after)).await;
                    disk.cut_off(Instant::now() + Duration::from_millis(lasts));
                }
                std::future::pending::<()>().await;
            };
            let death = async {
                match dies {
                    Some(after) => sleep(Duration::from_millis(after)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                result = download => Some(result.map(drop).map_err(|error| format!("{error:?}"))),
                () = death => None,
                () = isolation => None,
            }
        }
    }

    fn download(
        &self,
        host: u64,
        spec: Spec,
    ) -> impl Future<Output = Result<DownloadFileOutput, Error>> + use<> {
        let engine = Engine {
            source: self.source.clone(),
            storage: Arc::new(self.disk.shared(host, self.lag)),
            in_use: InUse::default(),
            file_work: FileWork::always_here(true),
        };
        async move { engine.run(spec).await }
    }

    fn spec(&self) -> Spec {
        Spec {
            file_path: destination().to_owned(),
            ..plain_spec()
        }
    }
}

async fn watch(disk: Disk, contents: Vec<Vec<u8>>) {
    loop {
        assert_whole(&disk, &contents);
        sleep(LOOK).await;
    }
}

fn assert_whole(disk: &Disk, contents: &[Vec<u8>]) {
    let file = disk.read(destination()).expect("the destination is always there");
    let is_whole = file == PRECIOUS || contents.contains(&file);
    assert!(
        is_whole,
        "the destination has {} bytes that the object never had",
        file.len()
    );
}

fn destination() -> &'static Path {
    Path::new("/object.bin")
}

async fn join_all(calls: Vec<JoinHandle<Option<Result<(), String>>>>) -> Vec<Option<Result<(), String>>> {
    let mut results = Vec::new();
    for call in calls {
        results.push(call.await.expect("a call does not panic"));
    }
    results
}

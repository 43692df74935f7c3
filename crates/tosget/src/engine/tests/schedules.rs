//! Thousands of random schedules: a network, a disk and a user that do their worst, in an order that a seed decides.
//!
//! Time is paused, chance is seeded, and file work is done on the one thread there is: a seed that fails is printed, and
//! `TOSGET_SEED=… cargo test -p tosget --lib schedules` plays it again, step by step the same. `TOSGET_SCHEDULES=100000` plays more.

use std::path::Path;

use fastrand::Rng;
use tokio::runtime::Builder;

use super::*;
use crate::offload::inline;
use crate::testing::power_cut::Disk;

const SCHEDULES: u64 = 10_000;

/// What is at the destination before the first call, in some schedules.
const PRECIOUS: &[u8] = b"precious";

/// The calls of one schedule before the network and the disk behave.
const MOST_DISTURBED_CALLS: usize = 4;

#[test]
fn ten_thousand_random_schedules_each_end_in_the_object_or_in_an_error_that_the_next_call_mends() {
    if let Ok(seed) = std::env::var("TOSGET_SEED") {
        let seed = seed.parse().expect("TOSGET_SEED is a number");
        return run_all(seed..=seed);
    }
    let schedules = std::env::var("TOSGET_SCHEDULES").map_or(SCHEDULES, |number| {
        number.parse().expect("TOSGET_SCHEDULES is a number")
    });
    std::thread::scope(|scope| {
        for quarter in 0..4 {
            let from = quarter * schedules / 4;
            scope.spawn(move || run_all(from..=(quarter + 1) * schedules / 4 - 1));
        }
    });
}

fn run_all(seeds: std::ops::RangeInclusive<u64>) {
    inline::want();
    for seed in seeds {
        let _shown = ShownOnPanic(seed);
        fastrand::seed(seed);
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        runtime.expect("a runtime").block_on(Schedule::new(seed).run());
    }
}

/// Names the seed if the schedule panics.
struct ShownOnPanic(u64);

impl Drop for ShownOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this schedule failed; play it again with TOSGET_SEED={}", self.0);
        }
    }
}

struct Schedule {
    random: Rng,
    disk: Disk,
    source: Arc<ScriptedSource>,
    /// What is short is done in place, or handed over.
    file_work: FileWork,
    /// Every content that the object ever had; the last one is served.
    contents: Vec<Vec<u8>>,
    /// The disk has lost writes that it had acknowledged, and may report it with any later call.
    lossy: bool,
    /// Bytes may have been altered on the wire where nothing could notice it before the end.
    altered_unnoticed: bool,
}

/// How a call ends, if it does not end by itself.
#[derive(Clone, Copy, Debug)]
enum Disturbance {
    Nothing,
    Cancel {
        after: Duration,
        is_abort: bool,
    },
    /// The process is killed: the future is dropped, and no lock is held any more.
    Kill {
        after: Duration,
    },
    /// The power goes at this call to the disk.
    PowerCut {
        at_call: u64,
    },
}

impl Schedule {
    fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let size = match random.u32(..20) {
            0 => 0,
            1 => random.usize(1..=20),
            2 => random.usize(700_000..2_000_000),
            _ => random.usize(1..60_000),
        };
        let content = object_bytes(size);
        let source = ScriptedSource::new(Served::new(content.clone(), "etag-0"), random.usize(500..70_000));
        let disk = Disk::new();
        if random.bool() {
            let file = disk.open(destination(), OpenMode::CreateNew).expect("a new disk");
            file.write_at(PRECIOUS, 0).expect("written");
            file.sync()
                .and_then(|()| disk.sync_dir(Path::new("/")))
                .expect("durable");
        }
        Self {
            file_work: FileWork::always_here(random.bool()),
            random,
            disk,
            source: Arc::new(source),
            contents: vec![content],
            lossy: false,
            altered_unnoticed: false,
        }
    }

    async fn run(mut self) {
        for _ in 0..self.random.usize(..=MOST_DISTURBED_CALLS) {
            self.disturbed_call().await;
            self.assert_destination_is_whole();
            self.between_calls();
        }
        self.source.follow(|_, _| Verdict::Serve);
        self.disk.drop_what_is_lost();
        let result = self.download(self.spec()).await;
        result.unwrap_or_else(|error| panic!("nothing disturbs this call, and it fails: {error:?}"));
        let file = self.disk.read(destination()).expect("the destination is there");
        assert!(
            file == *self.contents.last().expect("not empty"),
            "the destination is not the object"
        );
        assert_eq!(self.disk.names(), [destination()], "nothing is left behind");
    }

    async fn disturbed_call(&mut self) {
        self.follow_a_random_script();
        let spec = self.random_spec();
        let disturbance = self.random_disturbance();
        if self.random.u32(..5) == 0 {
            self.lossy = true;
            self.disk.lose_writes_from(self.random.u64(..150));
        }
        let result = match disturbance {
            Disturbance::Nothing => Some(self.download(spec).await),
            Disturbance::Cancel { after, is_abort } => {
                let cancel = spec.cancel.clone();
                let pull = async {
                    tokio::time::sleep(after).await;
                    cancel.cancel(is_abort);
                };
                Some(tokio::join!(self.download(spec), pull).0)
            }
            Disturbance::Kill { after } => tokio::time::timeout(after, self.download(spec)).await.ok(),
            Disturbance::PowerCut { at_call } => {
                self.disk.fail_from(at_call);
                let result = self.download(spec).await;
                if self.disk.has_failed() {
                    // What a call without power says is not heard by anybody.
                    None
                } else {
                    Some(result)
                }
            }
        };
        self.disk.keep_writes();
        if let Some(Err(error)) = &result {
            self.assert_is_clear(error, disturbance);
        }
        match disturbance {
            Disturbance::PowerCut { .. } => self.disk.cut(&mut self.random),
            Disturbance::Kill { .. } => {
                // What the kernel had begun it finishes, before anybody can come again.
                tokio::time::sleep(Duration::from_millis(1)).await;
                self.disk.kill();
            }
            Disturbance::Nothing | Disturbance::Cancel { .. } => {}
        }
    }

    /// Files and objects change while nobody looks.
    fn between_calls(&mut self) {
        let own: Vec<PathBuf> = self
            .disk
            .names()
            .into_iter()
            .filter(|name| name != destination())
            .collect();
        if self.random.bool() {
            self.disk.drop_what_is_lost();
        }
        match self.random.u32(..12) {
            0 if !own.is_empty() => {
                let path = &own[self.random.usize(..own.len())];
                let len = self.disk.read(path).map_or(0, |bytes| bytes.len());
                if len > 0 {
                    self.disk.flip(path, self.random.usize(..len), self.random.u8(..));
                }
            }
            1 if !own.is_empty() => {
                let path = &own[self.random.usize(..own.len())];
                self.disk.remove(path).expect("it is there");
            }
            2 if !own.is_empty() => {
                let path = &own[self.random.usize(..own.len())];
                let file = self.disk.open(path, OpenMode::Existing).expect("it is there");
                let len = file.stat().expect("open").len;
                file.set_len(self.random.u64(..=len)).expect("cut");
            }
            3 => {
                let size = self.random.usize(..60_000);
                let mut content = object_bytes(size + 1);
                content.remove(0);
                let etag = format!("etag-{}", self.contents.len());
                self.source.replace(Served::new(content.clone(), &etag));
                self.contents.push(content);
            }
            _ => {}
        }
    }

    fn follow_a_random_script(&mut self) {
        let seed = self.random.u64(..);
        // How bad it is differs from call to call; so does whether the server proves its ranges.
        let badness = self.random.u64(..60);
        let proves_ranges = self.random.bool();
        let may_alter = self.random.u32(..4) == 0;
        self.altered_unnoticed |= may_alter && !proves_ranges;
        self.source.follow(move |number, range| {
            let mut random = Rng::with_seed(seed ^ (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let len = usize::try_from(range.len()).unwrap_or(usize::MAX);
            if random.u64(..100) >= badness {
                return match random.u32(..3) {
                    0 => Verdict::Pace(random.u64(1_000..1_000_000)),
                    _ if proves_ranges => Verdict::ServeWithRangeCrc,
                    _ => Verdict::Serve,
                };
            }
            match random.u32(..14) {
                0..=2 => Verdict::BreakAfter(random.usize(..=len.min(70_000))),
                3 => Verdict::EndAfter(random.usize(..=len.min(70_000))),
                4 => Verdict::StallAfter(random.usize(..=len.min(70_000))),
                5 => Verdict::Refuse(503),
                6 => Verdict::Refuse(500),
                7 => Verdict::Refuse(429),
                8 => Verdict::Refuse(403),
                9 => Verdict::Shift(random.u64(1..100)),
                10 => Verdict::IgnoreRange,
                11 => Verdict::Encode,
                12 if may_alter && proves_ranges => Verdict::FlipUnderRangeCrc,
                12 if may_alter => Verdict::Flip(random.u64(range.start()..range.end())),
                13 if random.u32(..4) == 0 => Verdict::OtherETag,
                _ => Verdict::Pace(random.u64(100..10_000)),
            }
        });
    }

    fn random_spec(&mut self) -> Spec {
        let part_size = match self.random.u32(..10) {
            0 => self.random.u64(1..2_000) + self.contents[0].len() as u64 / 50,
            1 => 1 << 20,
            _ => self.random.u64(1_000..40_000),
        };
        let mut spec = self.spec();
        spec.part_size = NonZeroU64::new(part_size).expect("not zero");
        spec.tasks = exactly(self.random.usize(1..=6));
        spec.recheck = [Recheck::Auto, Recheck::Auto, Recheck::Always][self.random.usize(..3)];
        spec.first_retries = Retries::at_most(self.random.u32(..4));
        spec.max_retries = Retries::at_most(self.random.u32(..6));
        if self.random.u32(..6) == 0 {
            let rate = self.random.u64(1_000..1_000_000);
            spec.limiter = Some(RateLimiter::new(rate, self.random.u64(1..100_000)).expect("not zero"));
        }
        spec
    }

    fn spec(&self) -> Spec {
        Spec {
            object: ObjectId::new("bucket", "dir/object.bin"),
            file_path: destination().to_owned(),
            ..plain_spec()
        }
    }

    fn random_disturbance(&mut self) -> Disturbance {
        let after = Duration::from_millis(match self.random.u32(..3) {
            0 => self.random.u64(..10),
            1 => self.random.u64(..1_000),
            _ => self.random.u64(..60_000),
        });
        match self.random.u32(..8) {
            0..=2 => Disturbance::Nothing,
            3 => Disturbance::Cancel {
                after,
                is_abort: self.random.u32(..3) == 0,
            },
            4 | 5 => Disturbance::Kill { after },
            _ => Disturbance::PowerCut {
                at_call: self.random.u64(..120),
            },
        }
    }

    async fn download(&self, spec: Spec) -> Result<DownloadFileOutput, Error> {
        let engine = Engine {
            source: self.source.clone(),
            storage: Arc::new(self.disk.clone()),
            in_use: InUse::default(),
            file_work: self.file_work.clone(),
        };
        engine.run(spec).await
    }

    /// The destination shows what was there before, or a content that the object had: whole, never a mixture.
    fn assert_destination_is_whole(&self) {
        let Some(file) = self.disk.read(destination()) else {
            return;
        };
        let is_whole = file == PRECIOUS || self.contents.contains(&file);
        assert!(
            is_whole,
            "the destination has {} bytes that the object never had",
            file.len()
        );
    }

    fn assert_is_clear(&self, error: &Error, disturbance: Disturbance) {
        let is_expected = match error.kind() {
            ErrorKind::Network | ErrorKind::Server | ErrorKind::Protocol | ErrorKind::ObjectChanged => true,
            ErrorKind::Canceled => matches!(disturbance, Disturbance::Cancel { .. }),
            ErrorKind::Verification => self.altered_unnoticed,
            ErrorKind::Disk => self.lossy,
            _ => false,
        };
        assert!(is_expected, "{disturbance:?} ends in {error:?}");
    }
}

fn destination() -> &'static Path {
    Path::new("/object.bin")
}

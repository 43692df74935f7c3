//! Links that are not ideal, by the emulator: whether a program finds out by itself how many transfers it takes.

mod ceiling;
mod link;
mod over_time;

pub(crate) use over_time::adaptive_tasks;

use serde_json::json;

use crate::bench::Settings;
use crate::bench::contest::{self, Entry, Schedule};
use crate::bench::emulator::Emulator;
use crate::bench::peers::{BUCKET, KEY, Peers, Source, Tosget, aria2c, curl, s5cmd, tosget};
use crate::bench::report::Report;
use crate::bench::scratch::Scratch;
use crate::bench::served_file::ServedFile;
use crate::bench::shaped::link::{FIGURES, Link, Watched};
use crate::failure::Result;

const MB: u64 = 1_000_000;
const SMALL_KEY: &str = "small.bin";

pub(crate) fn capped_connections(settings: &Settings) -> Result<Report> {
    Scenario {
        name: "capped-connections",
        title: "A link of 400 MB/s whose connections get 20 MB/s each",
        link: CAPPED,
        mib: 4 << 10,
        programs: |peers, source, small, tosgets| {
            let mut curl = curl(small);
            if let Ok(curl) = &mut curl {
                curl.remark += ", of 256 MiB only, since it takes a twentieth of the link";
            }
            let mut entries = tosgets;
            entries.extend([s5cmd(peers, source), aria2c(source, 16), curl]);
            entries
        },
        variants: &[DEFAULTS, TWENTY],
    }
    .measure(settings)
}

pub(crate) fn thin_link(settings: &Settings) -> Result<Report> {
    Scenario {
        name: "thin-link",
        title: "A link of 100 MB/s that one connection fills",
        link: Link {
            total: 100 * MB,
            per_connection: None,
            max_concurrent: None,
            needed: 1,
        },
        mib: 1 << 10,
        programs: |peers, source, _, tosgets| {
            let mut entries = tosgets;
            entries.extend([s5cmd(peers, source), aria2c(source, 16), curl(source)]);
            entries
        },
        variants: &[DEFAULTS, FOUR],
    }
    .measure(settings)
}

pub(crate) fn refusing_server(settings: &Settings) -> Result<Report> {
    Scenario {
        name: "refusing-server",
        title: "A server that answers 503 beyond 16 requests at a time, of 20 MB/s each",
        link: Link {
            total: 400 * MB,
            per_connection: Some(20 * MB),
            max_concurrent: Some(16),
            needed: 16,
        },
        mib: 3 << 10,
        programs: |peers, source, _, tosgets| {
            let mut entries = tosgets;
            entries.extend([s5cmd(peers, source), aria2c(source, 16)]);
            entries
        },
        variants: &[DEFAULTS, SIXTEEN, FORTY],
    }
    .measure(settings)
}

const CAPPED: Link = Link {
    total: 400 * MB,
    per_connection: Some(20 * MB),
    max_concurrent: None,
    needed: 20,
};

type Variant = (&'static str, &'static str, &'static [&'static str]);

const DEFAULTS: Variant = ("tosget", "its defaults", &[]);
const FOUR: Variant = ("tosget, 4 tasks", "told the number", &["--task-num", "4"]);
const SIXTEEN: Variant = ("tosget, 16 tasks", "told the right number", &["--task-num", "16"]);
const TWENTY: Variant = ("tosget, 20 tasks", "told the right number", &["--task-num", "20"]);
const FORTY: Variant = (
    "tosget, 40 tasks",
    "told too high a number",
    &["--task-num", "40"],
);

struct Scenario {
    name: &'static str,
    title: &'static str,
    link: Link,
    mib: u64,
    /// The peers, the object, a smaller one, and ours in all variants.
    programs: fn(&Peers, &Source, &Source, Vec<Entry>) -> Vec<Entry>,
    variants: &'static [Variant],
}

impl Scenario {
    fn measure(&self, settings: &Settings) -> Result<Report> {
        let report = Report::new(self.title, &settings.command);
        settings.build()?;
        let scratch = Scratch::below(&settings.memory_directory())?;
        let peers = Peers::ready(settings, &scratch.home());
        let stage = Stage::set(settings, &scratch, &self.link, settings.object_len(self.mib))?;
        let reached = ceiling::reached(&stage.emulator, &self.link)?;
        println!("{reached}");
        let tosgets = self
            .variants
            .iter()
            .map(|&variant| stage.tosget(settings, variant));
        let entries = (self.programs)(&peers, &stage.source, &stage.small, tosgets.collect());
        let schedule = Schedule {
            warm_ups: 1,
            rounds: settings.rounds,
            destination: &scratch.destination(),
        };
        let arena = Watched::new(&stage.emulator, &self.link);
        let results = contest::hold(entries, &schedule, &arena)?;
        Ok(report
            .with_fact(
                "server",
                "tos-emulator, release build, content computed as it is sent",
            )
            .with_fact("link", self.link.in_words())
            .with_fact("what the emulator itself can do", reached)
            .with_fact("rounds", schedule.in_words())
            .with_fact(
                "check",
                "length and CRC64 of every copy, outside the measured time",
            )
            .with_results(&format!("{}.svg", self.name), results, FIGURES)
            .with_note(link::EXPLANATION))
    }
}

/// The emulator with its objects and limits.
struct Stage {
    emulator: Emulator,
    source: Source,
    small: Source,
}

impl Stage {
    fn set(settings: &Settings, scratch: &Scratch, link: &Link, len: u64) -> Result<Self> {
        let program = settings.workspace.release_program("tos-emulator");
        let emulator = Emulator::start(&program, &scratch.path().join("objects"), BUCKET)?;
        let source = |key: &str, len: u64| {
            let crc64 = emulator.make_object(BUCKET, key, len)?;
            Ok(Source {
                url: emulator.url(),
                key: key.to_owned(),
                file: ServedFile { len, crc64 },
                ca_file: None,
            })
        };
        let (source, small) = (source(KEY, len)?, source(SMALL_KEY, len.min(256 << 20))?);
        emulator.set_bandwidth(Some(link.total), link.per_connection)?;
        if let Some(limit) = link.max_concurrent {
            let verdict = json!({"max_concurrent": {"limit": limit}});
            emulator.set_faults(&json!([{"method": "GET", "verdict": verdict}]))?;
        }
        Ok(Self {
            emulator,
            source,
            small,
        })
    }

    fn tosget(&self, settings: &Settings, (name, remark, options): Variant) -> Entry {
        let program = settings.workspace.release_program("tosget");
        tosget(
            &self.source,
            &Tosget {
                program,
                name,
                remark,
                options,
            },
        )
    }
}

//! One story, drawn by lot before it is played: an object, and what happens to its download run after run.

use std::time::Duration;

use fastrand::Rng;
use serde_json::Value;

use super::content::Content;
use super::fault::{self, Fault, Nature, Server};
use super::odd::OddSystem;
use super::tampering::Tampering;

/// Everything that is chosen; how far a run gets before it is killed is not, since that is a matter of time.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    pub(crate) number: u64,
    pub(crate) object: Content,
    pub(crate) subject: Subject,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) grants_range_crc: bool,
    /// What the disturbed runs run on, if it is not a system like any other.
    pub(crate) odd: Option<OddSystem>,
    pub(crate) acts: Vec<Act>,
    /// Arguments of the last run, which nothing disturbs.
    pub(crate) calm: Vec<String>,
}

/// How the object is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Signed, by bucket and key.
    Name,
    /// By a public URL.
    Url,
}

/// Where the journal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checkpoint {
    Beside,
    File,
    Directory,
    Nowhere,
}

/// One run of the command, and what is done before and after it.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    /// What the object becomes before the run.
    pub(crate) replacement: Option<Content>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) outage: Option<Outage>,
    /// Bytes per second that the server sends in all.
    pub(crate) bandwidth: Option<u64>,
    pub(crate) arguments: Vec<String>,
    pub(crate) ending: Ending,
    /// When a second process is started on the same destination, and with what.
    pub(crate) rival: Option<(Duration, Vec<String>)>,
    /// What is done to our files afterwards.
    pub(crate) tampering: Vec<Tampering>,
}

/// A time in which the service is away, and nothing else is at fault.
#[derive(Clone, Debug)]
pub(crate) struct Outage {
    pub(crate) from: Duration,
    pub(crate) until: Duration,
    pub(crate) rule: Value,
}

/// How a run is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    ByItself,
    Killed(Duration),
    Interrupted(Duration),
    /// A second signal while the first one is being obeyed.
    InterruptedTwice(Duration, Duration),
    Stopped {
        after: Duration,
        time: Duration,
        then: Afterwards,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Afterwards {
    GoesOn,
    IsKilled,
}

/// Runs that are disturbed in one story, at most.
const MOST_ACTS: u8 = 5;

impl Story {
    /// Story `number` of a soak; the same for the same `seed` and `number`, whoever plays it and when.
    pub(crate) fn draw(seed: u64, number: u64) -> Self {
        // Neighbouring numbers must not give neighbouring generators.
        let mut rng = Rng::with_seed(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let rng = &mut rng;
        let object = Content {
            seed: rng.u64(..),
            size: draw_size(rng),
        };
        // Who forbids reading back takes what a disk altered.
        let is_disk_trusted = rng.u8(..5) == 0;
        let odd = (rng.u8(..5) < 2).then(|| OddSystem::draw(rng, is_disk_trusted));
        let setting = Setting {
            key: key(number),
            object,
            server: Server::draw(rng),
            is_disk_trusted,
            is_about_locks: odd.as_ref().is_some_and(OddSystem::is_about_locks),
        };
        let acts = (0..rng.u8(1..=MOST_ACTS))
            .map(|_| Act::draw(rng, &setting))
            .collect();
        Self {
            number,
            object,
            subject: if rng.u8(..3) == 0 {
                Subject::Url
            } else {
                Subject::Name
            },
            checkpoint: [
                Checkpoint::Beside,
                Checkpoint::Beside,
                Checkpoint::Beside,
                Checkpoint::File,
                Checkpoint::Directory,
                Checkpoint::Nowhere,
            ][rng.usize(..6)],
            grants_range_crc: rng.bool(),
            odd,
            acts,
            calm: [sizes(rng), vec!["--json".to_owned()]].concat(),
        }
    }

    pub(crate) fn overwrites_journal(&self) -> bool {
        self.tampering().any(Tampering::overwrites_journal)
    }

    pub(crate) fn tampers_with_journal(&self) -> bool {
        self.tampering().any(Tampering::is_of_journal)
    }

    fn tampering(&self) -> impl Iterator<Item = Tampering> {
        self.acts.iter().flat_map(|act| act.tampering.iter().copied())
    }

    pub(crate) fn key(&self) -> String {
        key(self.number)
    }
}

fn key(number: u64) -> String {
    format!("story-{number}/object")
}

fn draw_size(rng: &mut Rng) -> u64 {
    match rng.u8(..20) {
        0 => 0,
        1 => rng.u64(1..100_000),
        2..=4 => rng.u64(16 << 20..64 << 20),
        _ => rng.u64(1 << 20..16 << 20),
    }
}

/// What all acts of a story have in common.
struct Setting {
    key: String,
    object: Content,
    server: Server,
    is_disk_trusted: bool,
    is_about_locks: bool,
}

impl Act {
    fn draw(rng: &mut Rng, setting: &Setting) -> Self {
        let &Setting {
            ref key,
            object,
            server,
            is_disk_trusted,
            is_about_locks,
        } = setting;
        let outage = (rng.u8(..24) == 0).then(|| Outage::draw(rng, key));
        let faults = match outage {
            None => fault::draw_all(rng, server, key, object),
            Some(_) => Vec::new(),
        };
        let replaces = server.may_replace() && rng.u8(..8) == 0;
        let is_patient = outage.is_some();
        let mut arguments = || arguments(rng, is_disk_trusted, is_patient);
        let (own, rivals) = (arguments(), arguments());
        let rival_comes = rng.u8(..6) < if is_about_locks { 4 } else { 1 };
        let tampering = if is_disk_trusted {
            0
        } else {
            rng.u8(..6).saturating_sub(2)
        };
        Self {
            replacement: replaces.then(|| fault::replacement(rng, object)),
            faults,
            outage,
            bandwidth: (rng.u8(..3) > 0).then(|| (object.size * rng.u64(1..20) / 4).max(1 << 20)),
            arguments: own,
            ending: Ending::draw(rng),
            rival: rival_comes.then(|| (moment(rng), rivals)),
            tampering: (0..tampering).map(|_| Tampering::draw(rng)).collect(),
        }
    }

    /// What the emulator is told.
    pub(crate) fn rules(&self) -> Vec<&Value> {
        self.faults.iter().map(|fault| &fault.rule).collect()
    }

    pub(crate) fn has(&self, natures: &[Nature]) -> bool {
        self.faults.iter().any(|fault| natures.contains(&fault.nature))
    }
}

impl Outage {
    fn draw(rng: &mut Rng, key: &str) -> Self {
        let from = if rng.bool() { Duration::ZERO } else { moment(rng) };
        Self {
            from,
            until: from + Duration::from_secs(4),
            rule: fault::outage(rng, key),
        }
    }
}

impl Ending {
    fn draw(rng: &mut Rng) -> Self {
        match rng.u8(..10) {
            0 | 1 => Self::ByItself,
            2..=5 => Self::Killed(moment(rng)),
            6 => Self::Interrupted(moment(rng)),
            7 => Self::InterruptedTwice(moment(rng), Duration::from_micros(rng.u64(..5000))),
            _ => Self::Stopped {
                after: moment(rng),
                time: moment(rng),
                then: if rng.bool() {
                    Afterwards::GoesOn
                } else {
                    Afterwards::IsKilled
                },
            },
        }
    }
}

/// Short ones are as likely as long ones: much happens at the beginning.
fn moment(rng: &mut Rng) -> Duration {
    Duration::from_micros(1 << rng.u32(12..21)).mul_f64(1.0 + rng.f64())
}

/// Who is patient tries again as long as the command does by itself.
fn arguments(rng: &mut Rng, is_disk_trusted: bool, is_patient: bool) -> Vec<String> {
    let mut arguments = sizes(rng);
    let mut add = |words: &[&str]| arguments.extend(words.iter().map(|&word| word.to_owned()));
    if rng.u8(..4) > 0 {
        add(&["--idle-timeout", ["300ms", "1s", "2s"][rng.usize(..3)]]);
    }
    if !is_patient {
        add(&["--max-retries", ["0", "1", "3", "6"][rng.usize(..4)]]);
    }
    match rng.u8(..4) {
        0 => add(&["--recheck", "always"]),
        1 if is_disk_trusted => add(&["--recheck", "never"]),
        _ => {}
    }
    if rng.u8(..4) == 0 {
        add(&["--limit-rate", ["2MiB", "8MiB", "40MiB"][rng.usize(..3)]]);
    }
    if rng.u8(..3) == 0 {
        add(&["--on-change", "restart:2"]);
    }
    if rng.u8(..4) == 0 {
        add(&["--no-range-crc"]);
    }
    if rng.u8(..4) == 0 {
        add(&["--preserve-mtime"]);
    }
    if rng.u8(..4) > 0 {
        add(&["--json"]);
    }
    arguments
}

/// What may differ from run to run without any trouble at all.
fn sizes(rng: &mut Rng) -> Vec<String> {
    let part_size = ["100KB", "300KiB", "1MiB", "5MB", "20MiB"][rng.usize(..5)];
    let task_num = ["1", "2", "4", "8", "16"][rng.usize(..5)];
    ["--part-size", part_size, "--task-num", task_num]
        .map(str::to_owned)
        .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_tells_the_same_stories_again() {
        let told = |seed| {
            format!(
                "{:?}",
                (1..50)
                    .map(|number| Story::draw(seed, number))
                    .collect::<Vec<_>>()
            )
        };
        assert_eq!(told(7), told(7));
        assert_ne!(told(7), told(8));
    }

    #[test]
    fn what_nothing_could_notice_is_not_asked_for() {
        for story in (1..2000).map(|number| Story::draw(3, number)) {
            let has = |natures: &[Nature]| story.acts.iter().any(|act| act.has(natures));
            assert!(
                !(has(&[Nature::Hiding]) && has(&[Nature::Lying, Nature::Replacing])),
                "{story:?}"
            );
            assert!(
                !(has(&[Nature::Unidentified]) && has(&[Nature::Lying])),
                "{story:?}"
            );
            let forbids = |act: &Act| act.arguments.contains(&"never".to_owned());
            let is_altered = story.acts.iter().any(|act| !act.tampering.is_empty());
            assert!(!(is_altered && story.acts.iter().any(forbids)), "{story:?}");
        }
    }
}

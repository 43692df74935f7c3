//! Which task is far slower than the others, so that another connection should do its work. Pure: time is an argument.
//!
//! A connection can stall or crawl while its siblings fly: a lossy path, a sick server behind a load balancer. An idle
//! timeout finds the stalled ones, late; nothing finds those that crawl. So tasks are compared with each other.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// A task is judged by at least this much time.
const WINDOW: Duration = Duration::from_millis(500);

/// … and by as much time as its siblings need for this many bytes: over less, crumbs decide.
const WORTH_COMPARING: f64 = (256 << 10) as f64;

/// What is remembered of a task; longer windows don't judge.
const MEMORY: Duration = Duration::from_secs(20);

/// A task is a straggler if it brings less than this part of what its siblings bring.
const SLOWNESS: f64 = 8.0;

/// … and by this many times as long as others waited for their first byte: what a server or a long line takes for that is no
/// slowness.
const FIRST_BYTES: u32 = 3;

/// A connection whose rate grows like this from one window to its second half is still starting (TCP's slow start doubles
/// with every round trip).
const STARTING: f64 = 1.25;

/// A connection that brings nothing for this long is asked again on another one, whatever its siblings do. A server that takes longer
/// for its first byte is known by it from then on, and each time a piece is taken away it is given twice the time.
const SILENCE: Duration = Duration::from_secs(3);

/// As many tasks that have ended are remembered, for when there are too few siblings left to compare with.
const ENDED: usize = 16;

/// Siblings needed for a comparison.
const LEAST_SIBLINGS: usize = 2;

/// As many pieces may be taken away in any case, and besides one in [`SHARE`] of those begun: where everything is slow,
/// new connections help no one.
const ALLOWANCE: u64 = 4;
const SHARE: u64 = 4;

/// One task at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sign {
    pub(crate) task: u64,
    /// Bytes received so far.
    pub(crate) received: u64,
    /// It waits for the network, not for the disk, a limiter or a retry.
    pub(crate) waits_for_network: bool,
}

/// Compares tasks.
#[derive(Debug, Default)]
pub(crate) struct Stragglers {
    tracks: BTreeMap<u64, Track>,
    /// Bytes per second of tasks that have ended.
    ended_rates: VecDeque<f64>,
    /// How long tasks waited for their first byte.
    first_bytes: VecDeque<Duration>,
    begun: u64,
    taken_away: u64,
}

#[derive(Debug)]
struct Track {
    began: Duration,
    /// How often its piece was taken away from a task before.
    times: u32,
    has_first_byte: bool,
    /// Oldest first. Empty while something of ours holds the task up.
    samples: VecDeque<(Duration, u64)>,
}

impl Stragglers {
    /// A task began, with a piece that was taken away from others `times` times.
    pub(crate) fn began(&mut self, task: u64, times: u32, now: Duration) {
        self.begun += 1;
        let track = Track {
            began: now,
            times,
            has_first_byte: false,
            samples: VecDeque::from([(now, 0)]),
        };
        self.tracks.insert(task, track);
    }

    /// A task ended, having received so many bytes.
    pub(crate) fn ended(&mut self, task: u64, received: u64, now: Duration) {
        let Some(track) = self.tracks.remove(&task) else {
            return;
        };
        let took = now.saturating_sub(track.began);
        if received > 0 && !took.is_zero() {
            remember(&mut self.ended_rates, received as f64 / took.as_secs_f64());
        }
    }

    /// Looks at all tasks and names those whose piece should be taken away from them.
    pub(crate) fn look(&mut self, now: Duration, signs: &[Sign]) -> Vec<u64> {
        signs.iter().for_each(|sign| self.note(now, *sign));
        let mut chosen = self.silent(now, signs);
        let budget = ALLOWANCE + self.begun / SHARE;
        let left = usize::try_from(budget.saturating_sub(self.taken_away)).unwrap_or(usize::MAX);
        let stragglers = signs.iter().map(|sign| sign.task);
        let stragglers: Vec<u64> = stragglers
            .filter(|task| !chosen.contains(task) && self.is_straggler(*task, now))
            .take(left)
            .collect();
        self.taken_away += stragglers.len() as u64;
        chosen.extend(stragglers);
        chosen
    }

    /// Those that have brought nothing for so long that their connections are taken for dead. How often that can happen to a piece is
    /// bounded by what is remembered. Where everything is silent, one connection is tried, and no other before it has answered.
    fn silent(&self, now: Duration, signs: &[Sign]) -> Vec<u64> {
        let tasks = signs.iter().map(|sign| sign.task);
        let mut silent: Vec<u64> = tasks.filter(|task| self.is_silent(*task, now)).collect();
        let flows = self
            .tracks
            .values()
            .any(|track| track.rate(now, WINDOW) > Some(0.0));
        if !flows {
            let is_tried = |(task, track): (&u64, &Track)| {
                track.times > 0 && !track.has_first_byte && !silent.contains(task)
            };
            let most = usize::from(!self.tracks.iter().any(is_tried));
            silent.truncate(most);
        }
        silent
    }

    fn is_silent(&self, task: u64, now: Duration) -> bool {
        let Some(track) = self.tracks.get(&task) else {
            return false;
        };
        let doubled = 1u32.checked_shl(track.times);
        let patience =
            doubled.and_then(|times| SILENCE.max(self.first_byte() * FIRST_BYTES).checked_mul(times));
        // On a slow line siblings tell how long nothing may come.
        let enough = match self.typical_rate(task, now) {
            Some(typical) => patience
                .zip(self.window(track, typical))
                .map(|(own, theirs)| own.max(theirs)),
            None => patience,
        };
        enough.is_some_and(|enough| enough < MEMORY && track.rate(now, enough) == Some(0.0))
    }

    /// How long a first byte usually takes.
    fn first_byte(&self) -> Duration {
        let median = median(self.first_bytes.iter().map(Duration::as_secs_f64));
        Duration::from_secs_f64(median.unwrap_or_default())
    }

    /// How long a task will need for `bytes` more at the rate of the last moments; `None` where nobody knows.
    pub(crate) fn time_for(&self, task: u64, bytes: u64, now: Duration) -> Option<Duration> {
        let recent = self.tracks.get(&task).and_then(|track| track.rate(now, WINDOW));
        let rate = recent.or_else(|| median(self.ended_rates.iter().copied()))?;
        Duration::try_from_secs_f64(bytes as f64 / rate.max(1.0)).ok()
    }

    fn note(&mut self, now: Duration, sign: Sign) {
        let Some(track) = self.tracks.get_mut(&sign.task) else {
            return;
        };
        if !track.has_first_byte && sign.received > 0 {
            track.has_first_byte = true;
            remember(&mut self.first_bytes, now.saturating_sub(track.began));
        }
        if !sign.waits_for_network {
            track.samples.clear();
        }
        track.samples.push_back((now, sign.received));
        while track
            .samples
            .get(1)
            .is_some_and(|(at, _)| now.saturating_sub(*at) >= MEMORY)
        {
            track.samples.pop_front();
        }
    }

    fn is_straggler(&self, task: u64, now: Duration) -> bool {
        let (Some(track), Some(typical)) = (self.tracks.get(&task), self.typical_rate(task, now)) else {
            return false;
        };
        let Some(window) = self.window(track, typical) else {
            return false;
        };
        let Some(rate) = track.rate(now, window) else {
            return false;
        };
        rate * SLOWNESS < typical && !track.is_starting(now, window, rate)
    }

    /// By how much time the task is judged; `None` if that is longer than anything is remembered.
    fn window(&self, track: &Track, typical: f64) -> Option<Duration> {
        let worth = Duration::try_from_secs_f64(WORTH_COMPARING / typical).ok()?;
        let window = WINDOW.max(worth).max(self.first_byte() * FIRST_BYTES);
        // A piece that is slow wherever it is asked for is left in peace for longer and longer.
        let window = window.checked_mul(1u32.checked_shl(track.times)?)?;
        (window < MEMORY).then_some(window)
    }

    /// Bytes per second of the task's siblings; of those that have ended where too few are left.
    fn typical_rate(&self, task: u64, now: Duration) -> Option<f64> {
        let siblings = self.tracks.iter().filter(|(other, _)| **other != task);
        let rates: Vec<f64> = siblings
            .filter_map(|(_, track)| track.rate(now, WINDOW))
            .collect();
        let typical = if rates.len() >= LEAST_SIBLINGS {
            median(rates.into_iter())
        } else if self.ended_rates.len() >= LEAST_SIBLINGS {
            median(self.ended_rates.iter().copied())
        } else {
            None
        };
        typical.filter(|rate| *rate > 0.0)
    }
}

impl Track {
    /// Bytes per second over the last `window`; `None` if it was not waiting for the network all that time.
    fn rate(&self, now: Duration, window: Duration) -> Option<f64> {
        let since = now.checked_sub(window)?;
        let (from, before) = self.samples.iter().rev().find(|(at, _)| *at <= since)?;
        let (_, received) = self.samples.back()?;
        let elapsed = now.saturating_sub(*from).as_secs_f64();
        Some((received - before) as f64 / elapsed)
    }

    fn is_starting(&self, now: Duration, window: Duration, rate: f64) -> bool {
        rate > 0.0
            && self
                .rate(now, window / 2)
                .is_some_and(|recent| recent > STARTING * rate)
    }
}

fn remember<T>(last: &mut VecDeque<T>, value: T) {
    if last.len() == ENDED {
        last.pop_front();
    }
    last.push_back(value);
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(100);

    /// Tasks from 0 on, each with so many bytes per second, watched for a while. Returns who was named and when.
    fn watch(rates: &[f64], times: u32, until: Duration) -> Vec<(Duration, u64)> {
        let mut stragglers = Stragglers::default();
        for task in 0..rates.len() as u64 {
            stragglers.began(task, times, Duration::ZERO);
        }
        let mut named = Vec::new();
        let mut now = Duration::ZERO;
        while now < until {
            now += TICK;
            let signs: Vec<Sign> = (0..)
                .zip(rates)
                .map(|(task, rate)| Sign {
                    task,
                    received: (rate * now.as_secs_f64()) as u64,
                    waits_for_network: true,
                })
                .collect();
            named.extend(stragglers.look(now, &signs).into_iter().map(|task| (now, task)));
        }
        named
    }

    const NOBODY: [u64; 0] = [];

    fn first(named: &[(Duration, u64)]) -> (Duration, u64) {
        *named.first().expect("somebody was named")
    }

    #[test]
    fn a_connection_that_stalls_or_crawls_is_named_after_half_a_second() {
        for slow in [0.0, 100_000.0] {
            let named = watch(&[10e6, 10e6, slow, 10e6], 0, Duration::from_secs(1));
            assert_eq!(first(&named), (WINDOW, 2));
            assert!(named.iter().all(|(_, task)| *task == 2));
        }
    }

    #[test]
    fn ordinary_differences_name_nobody() {
        let named = watch(&[10e6, 3e6, 2e6, 8e6], 0, Duration::from_secs(15));
        assert_eq!(named, []);
    }

    #[test]
    fn where_everything_stands_still_one_is_asked_again_and_nobody_else_before_it_is_answered() {
        let named = watch(&[0.0; 8], 0, SILENCE);
        assert_eq!(named, [(SILENCE, 0)]);
        let mut stragglers = Stragglers::default();
        for task in 0..7 {
            stragglers.began(task, 0, Duration::ZERO);
        }
        stragglers.began(7, 1, TICK);
        let signs = |received| {
            (0..8).map(move |task| Sign {
                task,
                received: if task == 7 { received } else { 0 },
                waits_for_network: true,
            })
        };
        let silent: Vec<Sign> = signs(0).collect();
        for tick in 1..30 {
            assert_eq!(stragglers.look(TICK * tick, &silent), NOBODY, "{tick}");
        }
        stragglers.ended(7, 0, TICK * 29);
        stragglers.began(7, 1, TICK * 29);
        for tick in 30..35 {
            assert_eq!(stragglers.look(TICK * tick, &silent), NOBODY, "{tick}");
        }
        let answered: Vec<Sign> = signs(1 << 20).collect();
        let named = stragglers.look(TICK * 35, &answered);
        assert_eq!(named, [0, 1, 2, 3, 4, 5, 6], "others get through");
    }

    #[test]
    fn one_that_is_alone_and_silent_is_asked_again_with_more_patience_each_time() {
        for (times, seconds) in [(0, 3), (1, 6), (2, 12)] {
            let named = watch(&[0.0], times, Duration::from_secs(30));
            assert_eq!(first(&named), (Duration::from_secs(seconds), 0));
        }
        assert_eq!(watch(&[0.0], 3, Duration::from_secs(30)), []);
        assert_eq!(watch(&[1.0], 0, Duration::from_secs(30)), [], "a byte is a byte");
    }

    #[test]
    fn a_server_whose_first_bytes_take_long_is_known_by_them() {
        let mut stragglers = Stragglers::default();
        let sign = |task, received| Sign {
            task,
            received,
            waits_for_network: true,
        };
        let second = Duration::from_secs(1);
        stragglers.began(0, 1, Duration::ZERO);
        for tick in 1..50 {
            assert_eq!(stragglers.look(TICK * tick, &[sign(0, 0)]), NOBODY);
        }
        assert_eq!(stragglers.look(second * 5, &[sign(0, 1000)]), NOBODY);
        stragglers.ended(0, 1000, second * 5);
        stragglers.began(1, 0, second * 5);
        for tick in 51..149 {
            assert_eq!(stragglers.look(TICK * tick, &[sign(1, 0)]), NOBODY, "{tick}");
        }
    }

    #[test]
    fn on_a_slow_line_more_time_is_taken_to_judge() {
        let named = watch(&[50e3, 50e3, 0.0, 50e3], 0, Duration::from_secs(10));
        let (at, task) = first(&named);
        assert_eq!(task, 2);
        assert!(at > Duration::from_secs(5), "{at:?}");
    }

    #[test]
    fn a_piece_that_was_taken_away_before_is_given_twice_the_time() {
        for (times, seconds) in [(1, 1), (2, 2), (3, 4)] {
            let named = watch(&[10e6, 0.0, 10e6], times, Duration::from_secs(6));
            assert_eq!(first(&named), (Duration::from_secs(seconds), 1));
        }
    }

    #[test]
    fn the_last_one_is_compared_with_those_that_have_ended() {
        let mut stragglers = Stragglers::default();
        for task in 0..4 {
            stragglers.began(task, 0, Duration::ZERO);
        }
        let sign = |received| Sign {
            task: 3,
            received,
            waits_for_network: true,
        };
        assert_eq!(stragglers.look(TICK, &[sign(1)]), NOBODY);
        for task in 0..3 {
            stragglers.ended(task, 20_000_000, Duration::from_secs(1));
        }
        assert_eq!(
            stragglers.look(Duration::from_secs(1), &[sign(9_000_000)]),
            NOBODY
        );
        let later = stragglers.look(Duration::from_secs(2), &[sign(9_000_001)]);
        assert_eq!(later, [3]);
    }

    #[test]
    fn a_task_that_waits_for_the_disk_or_a_limiter_is_not_named() {
        let mut stragglers = Stragglers::default();
        for task in 0..4 {
            stragglers.began(task, 0, Duration::ZERO);
        }
        for tick in 1..100 {
            let now = TICK * tick;
            let signs = [0, 1, 2, 3].map(|task| Sign {
                task,
                received: if task == 3 { 0 } else { u64::from(tick) << 20 },
                waits_for_network: task != 3,
            });
            assert_eq!(stragglers.look(now, &signs), NOBODY);
        }
    }

    #[test]
    fn a_server_that_takes_its_time_before_the_first_byte_is_not_mistaken() {
        let mut stragglers = Stragglers::default();
        let slow_start = Duration::from_millis(400);
        // Four tasks at a time, each begun a moment after the other, each with 400 ms before its first byte.
        let mut now = Duration::ZERO;
        let mut begun: Vec<(u64, Duration)> = Vec::new();
        let mut next = 0;
        for _ in 0..200 {
            now += TICK;
            begun.retain(|(task, began)| {
                let is_done = now - *began > 3 * slow_start;
                if is_done {
                    stragglers.ended(*task, 8_000_000, now);
                }
                !is_done
            });
            if begun.len() < 4 {
                stragglers.began(next, 0, now);
                begun.push((next, now));
                next += 1;
            }
            let signs: Vec<Sign> = begun
                .iter()
                .map(|(task, began)| Sign {
                    task: *task,
                    received: (10e6 * (now - *began).saturating_sub(slow_start).as_secs_f64()) as u64,
                    waits_for_network: true,
                })
                .collect();
            assert_eq!(stragglers.look(now, &signs), NOBODY, "at {now:?}");
        }
    }

    #[test]
    fn a_connection_that_is_still_starting_on_a_long_line_is_left_alone() {
        let round_trip = Duration::from_millis(200);
        let mut stragglers = Stragglers::default();
        for task in 0..4 {
            stragglers.began(task, 0, Duration::ZERO);
        }
        // Three are at full speed, the fourth doubles what it gets with each round trip.
        let mut now = Duration::ZERO;
        let (mut slow_start, mut burst) = (0, 14_600);
        while now < Duration::from_secs(3) {
            now += TICK;
            if now.as_millis().is_multiple_of(round_trip.as_millis()) && now > round_trip {
                slow_start += burst;
                burst = (2 * burst).min(2_000_000);
            }
            let full = if now > round_trip {
                10_000 * now.as_millis() as u64
            } else {
                0
            };
            let received = [full, full, full, slow_start];
            let signs: Vec<Sign> = (0..)
                .zip(received)
                .map(|(task, received)| Sign {
                    task,
                    received,
                    waits_for_network: true,
                })
                .collect();
            assert_eq!(stragglers.look(now, &signs), NOBODY, "at {now:?}");
        }
    }

    #[test]
    fn no_more_than_a_share_of_all_pieces_is_taken_away() {
        let mut stragglers = Stragglers::default();
        let mut named = 0;
        for task in 0..400 {
            let now = Duration::from_secs(10 * task);
            for sibling in 0..3 {
                stragglers.began(1000 + 3 * task + sibling, 0, now);
            }
            stragglers.began(task, 0, now);
            let signs = |received| {
                let sign = |task, received| Sign {
                    task,
                    received,
                    waits_for_network: true,
                };
                let siblings = (0..3).map(move |sibling| sign(1000 + 3 * task + sibling, received));
                siblings.chain([sign(task, 0)]).collect::<Vec<Sign>>()
            };
            assert_eq!(stragglers.look(now + TICK, &signs(1_000_000)), NOBODY);
            let later = now + Duration::from_secs(2);
            let signs = signs(20_000_000);
            named += stragglers.look(later, &signs).len() as u64;
            for sign in signs {
                stragglers.ended(sign.task, sign.received, later);
            }
        }
        assert!(named <= ALLOWANCE + 1600 / SHARE, "{named}");
        assert!(named > 100, "{named}");
    }
}

//! How many tasks bring the most, found while they are at work and looked for as long as they are. Pure: time is an argument.
//!
//! While more tasks bring more in proportion, their number doubles. Then it is the number that the best rate of a single task
//! makes necessary. From time to time a few more or a few fewer are tried, and the smaller number is kept wherever it brings as
//! much: so the number follows a line that becomes faster or slower. A service that complains has the number it had before,
//! and is asked for more only carefully.

use std::collections::VecDeque;
use std::time::Duration;

use super::cap::Cap;

/// Two tasks hide from each other the time in which one of them waits for an answer. So a line that one connection fills is
/// full, and the least number that is as good as any larger one is found from below.
const FEW: usize = 2;

/// The most tasks that are tried: 64 connections of 20 MB/s, which is slow for a connection inside a region, fill 10 Gbit/s;
/// their buffers take 96 MiB; and a process with the usual 1024 open files stays far below these.
pub(super) const MOST: usize = 64;

/// A number of tasks is judged by at least this much time while it doubles …
const GLANCE: Duration = Duration::from_millis(200);

/// … and by this much from then on, twice.
const WINDOW: Duration = Duration::from_millis(400);

/// New tasks are given this much time to come up to speed before they are judged.
const SETTLING: Duration = Duration::from_millis(100);

/// A trial that does not come about within this time is given up: nobody has work for more tasks, or those that are too many
/// have long pieces to end.
const TRIAL: Duration = Duration::from_secs(10);

/// Tasks that are still at work so long after their number was lowered have long pieces, and are left in peace.
const LONG_STAY: Duration = Duration::from_secs(3);

/// Time between trials: at first, and where trial after trial changes nothing.
const SHORT_REST: Duration = Duration::from_secs(1);
const LONG_REST: Duration = Duration::from_secs(8);

/// More tasks are kept if they bring this part of what they would bring were each as fast as the others …
const WORTH: f64 = 0.3;

/// … or this much more, whichever is less.
const CLEARLY: f64 = 0.10;

/// A step of at least this part of the number that brings nearly as much more is no noise.
const CLEAR_STEP: f64 = 0.2;

/// While their number doubles, tasks that bring less than this part of it are looked at again …
const NEARLY: f64 = 0.8;

/// … as long as they bring this many times as much from look to look.
const RISING: f64 = 1.1;

/// The number needed is rounded up from here: a task too few costs more than one too many.
const ROUNDING: f64 = 0.3;

/// What a request costs besides its bytes, in bytes: so that small objects count.
const REQUEST: u64 = 16 << 10;

/// Rates remembered of the present number.
const RATES: usize = 3;

/// What there is to see at one moment. Bytes, answers and time spent are totals.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Look {
    pub(super) now: Duration,
    /// Bytes received.
    pub(super) received: u64,
    /// Answers that began to come.
    pub(super) answers: u64,
    /// Tasks at work.
    pub(super) at_work: usize,
    /// Time spent by tasks at work.
    pub(super) task_time: Duration,
    /// There is work for more tasks.
    pub(super) is_wanted: bool,
    /// How long an answer is usually waited for.
    pub(super) first_byte: Duration,
}

/// Another number of tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) tasks: usize,
    /// What came with the number before, where it was measured.
    pub(super) bytes_per_second: Option<u64>,
    pub(super) reason: &'static str,
}

/// Looks for the number of tasks that is needed.
#[derive(Clone, Debug)]
pub(super) struct Search {
    allowed: usize,
    /// What the present number brings, the newest last.
    rates: VecDeque<f64>,
    /// Bytes per second alone, of the last window.
    bytes_per_second: Option<u64>,
    trial: Option<Trial>,
    /// Nothing was tried yet.
    is_new: bool,
    way: Way,
    /// By how much the next trial differs, as a divisor of the present number; 1 doubles it.
    divisor: usize,
    /// Trials in a row that changed nothing.
    fruitless: usize,
    /// Time that a task takes for a request, from one to the next.
    cycle: Duration,
    rest: Duration,
    next_trial: Duration,
    /// Nothing is measured before.
    settled: Duration,
    window: Option<Look>,
    cap: Cap,
}

/// Another number is tried than the one that is known.
#[derive(Clone, Copy, Debug)]
struct Trial {
    /// The number before.
    tasks: usize,
    /// What it brought.
    rate: f64,
    /// What the look before told of the new number.
    look_before: Option<f64>,
    deadline: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

/// Trials begin at an eighth more or fewer …
const EIGHTH: usize = 8;

/// … and where they change nothing, every other pair of them is larger: what is little may be lost in noise.
const STEPS: [usize; 4] = [EIGHTH, EIGHTH, EIGHTH / 2, EIGHTH / 2];

impl Search {
    /// Begins with few.
    pub(super) fn new(now: Duration) -> Self {
        Self {
            allowed: FEW,
            rates: VecDeque::new(),
            bytes_per_second: None,
            trial: None,
            is_new: true,
            way: Way::Up,
            divisor: 1,
            fruitless: 0,
            cycle: Duration::ZERO,
            rest: SHORT_REST,
            next_trial: now,
            settled: now + SETTLING,
            window: None,
            cap: Cap::new(MOST),
        }
    }

    /// How many tasks may be at work.
    pub(super) fn tasks(&self) -> usize {
        self.allowed
    }

    /// Has a look. To be called often; most looks tell nothing.
    pub(super) fn look(&mut self, look: &Look) -> Option<Change> {
        if let Some(trial) = self.trial.take_if(|trial| look.now >= trial.deadline) {
            return self.back(
                look,
                trial,
                "no more tasks had work, or too many were still at theirs",
            );
        }
        let rate = self.measured(look)?;
        match self.trial.take() {
            Some(trial) => self.judge(look, trial, rate),
            None => {
                if self.rates.len() == RATES {
                    self.rates.pop_front();
                }
                self.rates.push_back(rate);
                self.try_another(look, rate)
            }
        }
    }

    /// The service refused a request, or slowed it down, because there are too many. `at_work` tasks are at work.
    pub(super) fn overloaded(
        &mut self,
        now: Duration,
        at_work: usize,
        first_byte: Duration,
    ) -> Option<Change> {
        let too_many = self.allowed;
        let severity = self.cap.overloaded(now, too_many, first_byte)?;
        let tasks = match self.trial.take() {
            // That the number before was borne is known.
            Some(trial) if trial.tasks < too_many => trial.tasks,
            _ => severity.reduced(too_many.min(at_work.max(1))),
        };
        self.rates.clear();
        (self.way, self.divisor, self.rest) = (Way::Up, EIGHTH, SHORT_REST);
        self.next_trial = now + SHORT_REST;
        self.set(now, first_byte, tasks, "the service says that it is too much")
    }

    /// The service refuses more connections than those of `borne` tasks.
    pub(super) fn limited(&mut self, now: Duration, borne: usize, first_byte: Duration) -> Option<Change> {
        self.cap.limited(now, borne);
        if borne >= self.allowed {
            return None;
        }
        self.trial = None;
        self.rates.clear();
        (self.way, self.divisor, self.rest) = (Way::Up, EIGHTH, SHORT_REST);
        self.next_trial = now + SHORT_REST;
        self.set(now, first_byte, borne, "the service refuses more connections")
    }

    /// What the present number of tasks brings, when that has been seen for long enough.
    fn measured(&mut self, look: &Look) -> Option<f64> {
        if look.now < self.settled {
            return None;
        }
        let Some(window) = self.window else {
            if look.at_work < self.allowed {
                // Those who are missing will be new; and what gathered in the kernel's buffers while there were none
                // comes all at once.
                self.settle(look.now, look.first_byte);
                return None;
            }
            if look.at_work > self.allowed {
                self.accept_those_who_stay(look);
                return None;
            }
            self.window = Some(*look);
            return None;
        };
        let elapsed = look.now.saturating_sub(window.now);
        if elapsed < self.long_enough(look.first_byte) {
            return None;
        }
        self.window = Some(*look);
        let seconds = elapsed.as_secs_f64();
        let worked = look.task_time.saturating_sub(window.task_time);
        let at_work = worked.as_secs_f64() / seconds;
        let missing = self.allowed as f64 - at_work;
        if missing > (0.04 * self.allowed as f64).max(0.25) {
            self.window = None;
            return None;
        }
        let (bytes, answers) = (look.received - window.received, look.answers - window.answers);
        self.cycle = worked / u32::try_from(answers.max(1)).unwrap_or(u32::MAX);
        self.bytes_per_second = Some((bytes as f64 / seconds) as u64);
        Some((bytes + REQUEST * answers) as f64 / seconds)
    }

    /// How long the present number has to be seen. Where much of a task's time goes into waiting for answers, it is seen for
    /// some requests of each: their waits do not come evenly.
    fn long_enough(&self, first_byte: Duration) -> Duration {
        if self.is_doubling() {
            GLANCE.max(first_byte).max((self.cycle * 2).min(first_byte * 4))
        } else {
            WINDOW
                .max(first_byte * 3)
                .max((self.cycle * 2).min(first_byte * 8))
        }
    }

    /// Tasks whose pieces are long stay for a long time after their number was lowered. They count then.
    fn accept_those_who_stay(&mut self, look: &Look) {
        let most = self.cap.most(look.now);
        if self.trial.is_none() && look.now.saturating_sub(self.settled) >= LONG_STAY && self.allowed < most {
            self.allowed = look.at_work.min(most);
            self.rates.clear();
        }
    }

    /// Begins a trial, if it is time for one.
    fn try_another(&mut self, look: &Look, rate: f64) -> Option<Change> {
        // What gathered in the kernel's buffers before there were tasks comes with the first look, so that one does not count.
        let is_known = self.rates.len() > 1 || self.divisor < EIGHTH / 2 && !self.is_new;
        if look.now < self.next_trial || !is_known {
            return None;
        }
        let step = (self.allowed / self.divisor).max(1);
        let most = self.cap.most(look.now);
        let up = Some((self.allowed + step).min(most)).filter(|up| look.is_wanted && *up > self.allowed);
        let down = Some(self.allowed.saturating_sub(step).max(FEW)).filter(|down| *down < self.allowed);
        let target = match self.way {
            Way::Up => up.or(down.filter(|_| !self.is_doubling())),
            Way::Down => down.or(up),
        };
        let Some(target) = target else {
            self.next_trial = look.now + self.rest;
            return None;
        };
        self.trial = Some(Trial {
            tasks: self.allowed,
            rate: if self.is_new { rate } else { median(&self.rates) },
            look_before: None,
            deadline: look.now + TRIAL + look.first_byte * 8,
        });
        self.is_new = false;
        let reason = if target > self.allowed {
            "trying more"
        } else {
            "trying fewer"
        };
        self.set(look.now, look.first_byte, target, reason)
    }

    /// Decides whether the number that is tried is kept.
    fn judge(&mut self, look: &Look, trial: Trial, rate: f64) -> Option<Change> {
        let last_look = rate;
        let rate = match trial.look_before {
            Some(before) if !self.is_doubling() => (before + rate) / 2.0,
            _ => rate,
        };
        let (fewer, more) = (trial.tasks.min(self.allowed), trial.tasks.max(self.allowed));
        let (with_fewer, with_more) = if trial.tasks < self.allowed {
            (trial.rate, rate)
        } else {
            (rate, trial.rate)
        };
        let in_proportion = (more - fewer) as f64 / fewer as f64;
        let gain = gain(with_fewer, with_more);
        let more_is_better = gain >= (WORTH * in_proportion).min(CLEARLY);
        let needs_another_look = if self.is_doubling() {
            // New connections may still be starting, as long as what comes rises.
            let is_rising = trial.look_before.is_none_or(|before| last_look > RISING * before);
            gain < NEARLY * in_proportion && is_rising
        } else {
            let is_change = more_is_better == (self.allowed == more);
            let is_clear = in_proportion >= CLEAR_STEP && gain >= NEARLY * in_proportion;
            is_change && !is_clear && trial.look_before.is_none()
        };
        if needs_another_look {
            self.trial = Some(Trial {
                look_before: Some(last_look),
                ..trial
            });
            return None;
        }
        let needed = if more_is_better {
            let needed = (fewer as f64 * (1.0 + gain) - ROUNDING).ceil() as usize;
            needed.clamp(fewer + 1, more)
        } else {
            fewer
        };
        let before = trial.tasks;
        let tried = self.allowed;
        if tried > before && more_is_better {
            self.cap.borne(needed);
        }
        if needed == tried {
            return self.go_on(look, tried > before, rate);
        }
        let was_doubling = self.is_doubling();
        if needed == before {
            self.fruitless += 1;
            self.rest = (self.rest * 3 / 2).min(LONG_REST);
            self.rates = VecDeque::from([trial.rate]);
        } else {
            self.fruitless = 0;
            self.rest = SHORT_REST;
            self.rates.clear();
        }
        self.next_trial = look.now + self.rest;
        self.way = if tried > before { Way::Down } else { Way::Up };
        // They brought nearly as much more as there were more of them, or there was no time for each to show what it can do:
        // a line that is not full looks like that, where what comes varies from look to look.
        let is_few = was_doubling && needed < EIGHTH;
        let is_doubtful = needed > before && (gain > in_proportion / 2.0 || is_few);
        if is_doubtful {
            self.way = Way::Up;
        }
        self.divisor = match self.way {
            Way::Up if was_doubling && is_doubtful => 2,
            Way::Up if is_doubtful => self.divisor,
            Way::Up => STEPS[self.fruitless % STEPS.len()],
            // Too few cost more than too many.
            Way::Down => EIGHTH,
        };
        self.set(look.now, look.first_byte, needed, "as many as are needed")
    }

    /// The number that was tried is kept: goes on the same way, in larger steps.
    fn go_on(&mut self, look: &Look, is_up: bool, rate: f64) -> Option<Change> {
        let largest = if is_up { 1 } else { 2 };
        self.divisor = (self.divisor / 2).max(largest);
        self.rates = VecDeque::from([rate]);
        self.fruitless = 0;
        self.rest = SHORT_REST;
        self.way = if is_up { Way::Up } else { Way::Down };
        self.next_trial = look.now;
        if is_up { self.try_another(look, rate) } else { None }
    }

    /// Ends a trial that told nothing.
    fn back(&mut self, look: &Look, trial: Trial, reason: &'static str) -> Option<Change> {
        self.rates = VecDeque::from([trial.rate]);
        self.next_trial = look.now + self.rest;
        self.divisor = EIGHTH;
        self.way = if self.allowed > trial.tasks {
            Way::Down
        } else {
            Way::Up
        };
        self.set(look.now, look.first_byte, trial.tasks, reason)
    }

    fn set(
        &mut self,
        now: Duration,
        first_byte: Duration,
        tasks: usize,
        reason: &'static str,
    ) -> Option<Change> {
        self.allowed = tasks;
        self.settle(now, first_byte);
        Some(Change {
            tasks,
            bytes_per_second: self.bytes_per_second,
            reason,
        })
    }

    /// Measures nothing before tasks have come up to speed.
    pub(super) fn settle(&mut self, now: Duration, first_byte: Duration) {
        self.window = None;
        self.settled = now + SETTLING.max(first_byte * 3 / 2);
    }

    fn is_doubling(&self) -> bool {
        self.divisor == 1
    }
}

/// How much more the larger number brings, as a part of what the smaller one does.
fn gain(with_fewer: f64, with_more: f64) -> f64 {
    if with_fewer > 0.0 {
        with_more / with_fewer - 1.0
    } else if with_more > 0.0 {
        f64::INFINITY
    } else {
        0.0
    }
}

fn median(rates: &VecDeque<f64>) -> f64 {
    let mut sorted: Vec<f64> = rates.iter().copied().collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
#[path = "simulation.rs"]
mod simulation;

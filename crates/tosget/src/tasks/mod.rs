//! How many tasks are at work at a time, over all downloads that share the number: handed out as slots.
//!
//! A download that has no task yet goes before those that want more of them, so large objects and many small ones mix and none
//! is starved. Who waits is woken by the slot that comes free, first come, first served; nobody polls.

mod allowance;
mod cap;
mod search;

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::error::attempt::AttemptError;

use allowance::Allowance;
use search::{Change, Look, Search};

/// Waits for first bytes that are remembered.
const FIRST_BYTES: usize = 15;

/// Bytes that came no longer ago than this say that the service answers.
const FLOWING: Duration = Duration::from_secs(1);

/// Whoever waits for the service is told so again after this long.
const TELL_AGAIN: Duration = Duration::from_secs(15);

/// What was found out before a pause as long as this one is not worth anything.
const LONG_PAUSE: Duration = Duration::from_secs(60);

/// The tasks of one or many downloads. Clones share them.
#[derive(Clone)]
pub(crate) struct Tasks(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Bytes received by all tasks.
    received: AtomicU64,
    /// When the last of them came, in milliseconds after `began`.
    received_at: AtomicU64,
    began: Instant,
    /// When the user was last told that somebody waits for the service.
    told: Mutex<Option<Instant>>,
}

struct State {
    number: Number,
    at_work: usize,
    /// Time spent by tasks at work, up to `counted`.
    task_time: Duration,
    counted: Duration,
    answers: u64,
    first_bytes: VecDeque<Duration>,
    first_byte: Duration,
    /// Downloads without a task.
    without: VecDeque<oneshot::Sender<Slot>>,
    /// Downloads that have some, and want one more.
    wanting: VecDeque<oneshot::Sender<Slot>>,
}

enum Number {
    /// As many as were asked for.
    Exactly(Allowance),
    Searched(Box<Search>),
}

/// The right to have one task at work, until it is dropped.
pub(crate) struct Slot(Tasks);

/// A place among those who wait for a slot; given up when dropped.
#[derive(Debug)]
pub(crate) struct Place(oneshot::Receiver<Slot>);

impl Tasks {
    /// This many, and fewer only while the service says that it is too much.
    pub(crate) fn exactly(number: NonZeroUsize) -> Self {
        Self::of(Number::Exactly(Allowance::new(number)))
    }

    /// As many as are needed, found while they are at work.
    pub(crate) fn automatic() -> Self {
        Self::of(Number::Searched(Box::new(Search::new(Duration::ZERO))))
    }

    fn of(number: Number) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State::new(number)),
            received: AtomicU64::new(0),
            received_at: AtomicU64::new(0),
            began: Instant::now(),
            told: Mutex::new(None),
        }))
    }

    /// A slot for a download that has none, as soon as there is one. Cancel safe: who drops the future loses its place.
    pub(crate) async fn slot(&self) -> Slot {
        match self.ask(0) {
            Ok(slot) => slot,
            Err(mut place) => place.granted().await,
        }
    }

    /// One slot more for a download that has `mine`, if there is one at once. Downloads that have none go first.
    pub(crate) fn try_more(&self, mine: usize) -> Option<Slot> {
        self.with(|state, _| state.try_take(mine))
            .then(|| Slot(self.clone()))
    }

    /// The same; or else a place among those who wait.
    pub(crate) fn ask(&self, mine: usize) -> Result<Slot, Place> {
        let place = self.with(|state, _| {
            if state.try_take(mine) {
                return None;
            }
            let (sender, receiver) = oneshot::channel();
            let queue = if mine == 0 {
                &mut state.without
            } else {
                &mut state.wanting
            };
            queue.push_back(sender);
            Some(Place(receiver))
        });
        place.map_or_else(|| Ok(Slot(self.clone())), Err)
    }

    /// So many bytes came.
    pub(crate) fn received(&self, bytes: usize) {
        self.0.received.fetch_add(bytes as u64, Ordering::Relaxed);
        self.0.received_at.store(self.milliseconds(), Ordering::Relaxed);
    }

    /// Whether bytes came to any task just now.
    pub(crate) fn flows(&self) -> bool {
        let ago = self
            .milliseconds()
            .saturating_sub(self.0.received_at.load(Ordering::Relaxed));
        self.0.received.load(Ordering::Relaxed) > 0 && Duration::from_millis(ago) < FLOWING
    }

    /// Tells the user that the service is waited for, why, and for how much longer: not more often than it helps, and not while
    /// bytes come to others.
    pub(crate) fn tell_of_wait(&self, error: &AttemptError, left: Duration) {
        let mut told = self.0.told.lock().unwrap_or_else(PoisonError::into_inner);
        if self.flows() || told.is_some_and(|at| at.elapsed() < TELL_AGAIN) {
            return;
        }
        *told = Some(Instant::now());
        tracing::warn!(target: "tosget::wait", left_s = left.as_secs(), error = %error.chain(), "waiting for the service");
    }

    fn milliseconds(&self) -> u64 {
        u64::try_from(self.0.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// An answer began to come after so long.
    pub(crate) fn answered(&self, after: Duration) {
        self.with(|state, _| state.answered(after));
    }

    /// The service refused a request, or slowed it down, because there are too many.
    pub(crate) fn overloaded(&self) {
        let change = self.with(|state, now| {
            let (at_work, first_byte) = (state.at_work, state.first_byte);
            state.number.overloaded(now, at_work, first_byte)
        });
        if let Some(change) = change {
            change.tell();
        }
    }

    /// The service refuses one more connection than those of the tasks at work, while these bring bytes. Of the slots, `mine` are
    /// those of the refused.
    pub(crate) fn one_too_many(&self, mine: usize) {
        let change = self.with(|state, now| {
            let borne = state.at_work.saturating_sub(mine).max(1);
            let first_byte = state.first_byte;
            state.number.limited(now, borne, first_byte)
        });
        if let Some(change) = change {
            change.tell();
        }
    }

    /// Looks how much comes. Slots that are handed out and given back do so as well; so this is only needed where none are.
    pub(crate) fn look(&self) {
        self.with(|_, _| ());
    }

    /// Whether a download waits that has no task.
    pub(crate) fn is_anybody_without(&self) -> bool {
        is_waiting(&mut self.state().without)
    }

    /// How long answers take to begin, as a rule.
    pub(crate) fn first_byte(&self) -> Duration {
        self.state().first_byte
    }

    /// How many tasks may be at work by now.
    pub(crate) fn allowed(&self) -> usize {
        self.state().number.tasks()
    }

    /// Whether more tasks are at work than may be.
    pub(crate) fn are_too_many(&self) -> bool {
        let state = self.state();
        state.at_work > state.number.tasks()
    }

    /// Does something to the state, looks what comes of it, and hands out what has come free.
    fn with<T>(&self, act: impl FnOnce(&mut State, Duration) -> T) -> T {
        let (result, change, granted) = {
            let mut state = self.state();
            let now = self.0.began.elapsed();
            state.count(now);
            let result = act(&mut state, now);
            // Who gets a slot now may well want another one.
            let is_wanted = state.is_wanted();
            let mut granted = state.grant();
            let change = state.look(now, self.0.received.load(Ordering::Relaxed), is_wanted);
            if change.is_some() {
                granted.append(&mut state.grant());
            }
            (result, change, granted)
        };
        if let Some(change) = change {
            change.tell();
        }
        for waiting in granted {
            // Who has gone away meanwhile gives the slot back by dropping it.
            let _ = waiting.send(Slot(self.clone()));
        }
        result
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way through a change.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn new(number: Number) -> Self {
        Self {
            number,
            at_work: 0,
            task_time: Duration::ZERO,
            counted: Duration::ZERO,
            answers: 0,
            first_bytes: VecDeque::new(),
            first_byte: Duration::ZERO,
            without: VecDeque::new(),
            wanting: VecDeque::new(),
        }
    }

    /// Brings the time that was worked up to date.
    fn count(&mut self, now: Duration) {
        let since = now.saturating_sub(self.counted);
        if self.at_work == 0 && since >= LONG_PAUSE {
            self.number.forget(now);
        }
        self.task_time += since * u32::try_from(self.at_work).unwrap_or(u32::MAX);
        self.counted = now;
    }

    /// Whether anybody waits for a slot.
    fn is_wanted(&mut self) -> bool {
        is_waiting(&mut self.without) || is_waiting(&mut self.wanting)
    }

    fn look(&mut self, now: Duration, received: u64, is_wanted: bool) -> Option<Change> {
        let look = Look {
            now,
            received,
            answers: self.answers,
            at_work: self.at_work,
            task_time: self.task_time,
            is_wanted,
            first_byte: self.first_byte,
        };
        self.number.look(&look)
    }

    /// Takes a slot, if there is one for a download that has `mine`.
    fn try_take(&mut self, mine: usize) -> bool {
        let has_turn = !is_waiting(&mut self.without) && (mine == 0 || !is_waiting(&mut self.wanting));
        let is_taken = has_turn && self.at_work < self.number.tasks();
        self.at_work += usize::from(is_taken);
        is_taken
    }

    /// Takes slots for those who wait, as many as there are.
    fn grant(&mut self) -> Vec<oneshot::Sender<Slot>> {
        let mut granted = Vec::new();
        while self.at_work < self.number.tasks() && self.is_wanted() {
            granted.extend(self.without.pop_front().or_else(|| self.wanting.pop_front()));
            self.at_work += 1;
        }
        granted
    }

    fn answered(&mut self, after: Duration) {
        self.answers += 1;
        if self.first_bytes.len() == FIRST_BYTES {
            self.first_bytes.pop_front();
        }
        self.first_bytes.push_back(after);
        let mut sorted: Vec<Duration> = self.first_bytes.iter().copied().collect();
        sorted.sort_unstable();
        self.first_byte = sorted[sorted.len() / 2];
    }
}

/// Whether anybody is in the queue who has not gone away.
fn is_waiting(queue: &mut VecDeque<oneshot::Sender<Slot>>) -> bool {
    while queue.front().is_some_and(oneshot::Sender::is_closed) {
        queue.pop_front();
    }
    !queue.is_empty()
}

impl Number {
    fn tasks(&self) -> usize {
        match self {
            Self::Exactly(allowance) => allowance.tasks(),
            Self::Searched(search) => search.tasks(),
        }
    }

    fn look(&mut self, look: &Look) -> Option<Change> {
        match self {
            Self::Exactly(allowance) => allowance.look(look.now),
            Self::Searched(search) => search.look(look),
        }
    }

    fn overloaded(&mut self, now: Duration, at_work: usize, first_byte: Duration) -> Option<Change> {
        match self {
            Self::Exactly(allowance) => allowance.overloaded(at_work, now),
            Self::Searched(search) => search.overloaded(now, at_work, first_byte),
        }
    }

    fn limited(&mut self, now: Duration, borne: usize, first_byte: Duration) -> Option<Change> {
        match self {
            Self::Exactly(allowance) => allowance.limited(borne, now),
            Self::Searched(search) => search.limited(now, borne, first_byte),
        }
    }

    fn forget(&mut self, now: Duration) {
        if let Self::Searched(search) = self {
            **search = Search::new(now);
        }
    }
}

impl Change {
    fn tell(self) {
        let Self {
            tasks,
            bytes_per_second,
            reason,
        } = self;
        tracing::debug!(target: "tosget::download", tasks, bytes_per_second, reason, "the number of tasks changed");
    }
}

impl Place {
    /// Waits for the slot. Cancel safe: the place is kept.
    pub(crate) async fn granted(&mut self) -> Slot {
        (&mut self.0)
            .await
            .expect("who hands out slots lives as long as their users")
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.with(|state, _| state.at_work -= 1);
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").finish_non_exhaustive()
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Tasks")
            .field("allowed", &state.number.tasks())
            .field("at_work", &state.at_work)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

//! How many tasks are at work at a time, over all downloads that share the number: handed out as slots.
//!
//! A download that has no task yet goes before those that want more of them, so large objects and many small ones mix and none
//! is starved. A waiter is woken by the slot that comes free, first come, first served.
//!
//! A disk may keep a download for ever, with its slots. Where the number is searched for, such slots leave room for downloads that
//! have none.

mod allowance;
mod cap;
mod files;
mod search;
mod suspicion;

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::error::attempt::AttemptError;

use allowance::Allowance;
use files::{AtDisk, Files};
use search::{Change, Look, Search};
use suspicion::Suspected;

pub(crate) use suspicion::Suspicion;

/// Waits for first bytes that are remembered.
const FIRST_BYTES: usize = 15;

/// Bytes that came no longer ago than this say that the service answers.
const FLOWING: Duration = Duration::from_secs(1);

/// Whoever waits for the service is told so again after this long.
const TELL_AGAIN: Duration = Duration::from_secs(15);

/// A download without a task looks again for a slot after this long: nobody tells when a disk begins to keep those who have slots.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What was found out before a pause as long as this one is not worth anything.
const LONG_PAUSE: Duration = Duration::from_secs(60);

/// The tasks of one or many downloads. Clones share them, and are the same download's.
#[derive(Clone)]
pub(crate) struct Tasks {
    shared: Arc<Shared>,
    files: Arc<Files>,
}

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
    suspected: Option<Suspected>,
    /// For each task at work, the files of its download.
    at_work: Vec<Arc<Files>>,
    /// Time spent by tasks at work, up to `counted`.
    task_time: Duration,
    counted: Duration,
    answers: u64,
    first_bytes: VecDeque<Duration>,
    first_byte: Duration,
    /// Downloads without a task.
    without: VecDeque<Waiting>,
    /// Downloads that have some, and want one more.
    wanting: VecDeque<Waiting>,
}

struct Waiting {
    sender: oneshot::Sender<Slot>,
    files: Arc<Files>,
}

#[derive(Clone)]
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
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(number)),
            received: AtomicU64::new(0),
            received_at: AtomicU64::new(0),
            began: Instant::now(),
            told: Mutex::new(None),
        });
        shared.of_download(Arc::default())
    }

    /// The same tasks, for another download.
    pub(crate) fn of_another_download(&self) -> Self {
        self.shared.of_download(Arc::default())
    }

    /// Counts file work of this download as under way until the result is dropped. All that is done with slots in hand is to be
    /// counted.
    pub(crate) fn at_disk(&self) -> AtDisk {
        AtDisk::begin(self)
    }

    /// A slot for a download that has none, as soon as there is one. Cancel safe: who drops the future loses its place.
    pub(crate) async fn slot(&self) -> Slot {
        let mut place = match self.ask(0) {
            Ok(slot) => return slot,
            Err(place) => place,
        };
        loop {
            match timeout(LOOK_AGAIN, place.granted()).await {
                Ok(slot) => return slot,
                Err(_elapsed) => self.look(),
            }
        }
    }

    /// One slot more for a download that has `mine`, if there is one at once. Downloads that have none go first.
    pub(crate) fn try_more(&self, mine: usize) -> Option<Slot> {
        self.with(|state, now| state.try_take(mine, &self.files, now))
            .then(|| Slot(self.clone()))
    }

    /// The same; or else a place among those who wait.
    pub(crate) fn ask(&self, mine: usize) -> Result<Slot, Place> {
        let place = self.with(|state, now| {
            if state.try_take(mine, &self.files, now) {
                return None;
            }
            let (sender, receiver) = oneshot::channel();
            let queue = if mine == 0 {
                &mut state.without
            } else {
                &mut state.wanting
            };
            let files = self.files.clone();
            queue.push_back(Waiting { sender, files });
            Some(Place(receiver))
        });
        place.map_or_else(|| Ok(Slot(self.clone())), Err)
    }

    /// So many bytes came.
    pub(crate) fn received(&self, bytes: usize) {
        let shared = &self.shared;
        shared.received.fetch_add(bytes as u64, Ordering::Relaxed);
        shared.received_at.store(shared.milliseconds(), Ordering::Relaxed);
    }

    /// Whether bytes came to any task just now.
    pub(crate) fn flows(&self) -> bool {
        let shared = &self.shared;
        let ago = shared
            .milliseconds()
            .saturating_sub(shared.received_at.load(Ordering::Relaxed));
        shared.received.load(Ordering::Relaxed) > 0 && Duration::from_millis(ago) < FLOWING
    }

    /// Tells the user that the service is waited for, why, and for how much longer: not more often than it helps, and not while
    /// bytes come to others.
    pub(crate) fn tell_of_wait(&self, error: &AttemptError, left: Duration) {
        let mut told = self.shared.told.lock().unwrap_or_else(PoisonError::into_inner);
        if self.flows() || told.is_some_and(|at| at.elapsed() < TELL_AGAIN) {
            return;
        }
        *told = Some(Instant::now());
        tracing::warn!(target: "tosget::wait", left_s = left.as_secs(), error = %error.chain(), "waiting for the service");
    }

    /// An answer began to come after so long.
    pub(crate) fn answered(&self, after: Duration) {
        self.with(|state, _| state.answered(after));
    }

    /// The service refused a request, or slowed it down, because there are too many.
    pub(crate) fn overloaded(&self) {
        let change = self.with(|state, now| {
            let (at_work, first_byte) = (state.at_work.len(), state.first_byte);
            state.confirm();
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
            state.confirm();
            state.limit(mine, now)
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
        state.counted(self.shared.began.elapsed()) > state.number.tasks()
    }

    /// Does something to the state, looks what comes of it, and hands out what has come free.
    fn with<T>(&self, act: impl FnOnce(&mut State, Duration) -> T) -> T {
        let (result, change, granted) = {
            let mut state = self.state();
            let now = self.shared.began.elapsed();
            state.count(now);
            let result = act(&mut state, now);
            // Who gets a slot now may well want another one.
            let is_wanted = state.is_wanted();
            let mut granted = state.grant(now);
            let change = state.look(now, self.shared.received.load(Ordering::Relaxed), is_wanted);
            if change.is_some() {
                granted.append(&mut state.grant(now));
            }
            (result, change, granted)
        };
        if let Some(change) = change {
            change.tell();
        }
        for waiting in granted {
            // Who has gone away meanwhile gives the slot back by dropping it.
            let _ = waiting.sender.send(Slot(self.shared.of_download(waiting.files)));
        }
        result
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way through a change.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn of_download(self: &Arc<Self>, files: Arc<Files>) -> Tasks {
        let shared = self.clone();
        Tasks { shared, files }
    }

    fn milliseconds(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl State {
    fn new(number: Number) -> Self {
        Self {
            number,
            suspected: None,
            at_work: Vec::new(),
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
        if self.at_work.is_empty() && since >= LONG_PAUSE {
            self.number.forget(now);
        }
        self.task_time += since * u32::try_from(self.at_work.len()).unwrap_or(u32::MAX);
        self.counted = now;
    }

    fn limit(&mut self, mine: usize, now: Duration) -> Option<Change> {
        let borne = self.at_work.len().saturating_sub(mine).max(1);
        self.number.limited(now, borne, self.first_byte)
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
            at_work: self.at_work.len(),
            task_time: self.task_time,
            is_wanted,
            first_byte: self.first_byte,
        };
        self.number.look(&look)
    }

    /// Takes a slot, if there is one for a download that has `mine`.
    fn try_take(&mut self, mine: usize, files: &Arc<Files>, now: Duration) -> bool {
        let has_turn = !is_waiting(&mut self.without) && (mine == 0 || !is_waiting(&mut self.wanting));
        let is_taken = has_turn && self.has_room(mine == 0, now);
        if is_taken {
            self.at_work.push(files.clone());
        }
        is_taken
    }

    /// Takes slots for those who wait, as many as there are.
    fn grant(&mut self, now: Duration) -> Vec<Waiting> {
        let mut granted = Vec::new();
        while let Some(next) = self.next(now) {
            self.at_work.push(next.files.clone());
            granted.push(next);
        }
        granted
    }

    /// Who gets a slot now, if there is one.
    fn next(&mut self, now: Duration) -> Option<Waiting> {
        let is_first = is_waiting(&mut self.without);
        if !self.has_room(is_first, now) || !self.is_wanted() {
            return None;
        }
        self.without.pop_front().or_else(|| self.wanting.pop_front())
    }

    /// Whether one more task may be at work. A download whose first one it `is_first` finds room beside those that a disk keeps; if
    /// others did as well, the kept one itself would take more and more.
    fn has_room(&self, is_first: bool, now: Duration) -> bool {
        let tasks = self.number.tasks();
        self.at_work.len() < tasks || is_first && self.counted(now) < tasks
    }

    /// The tasks at work. Those that a disk keeps count only where the number was asked for.
    fn counted(&self, now: Duration) -> usize {
        match self.number {
            Number::Exactly(_) => self.at_work.len(),
            Number::Searched(_) => self.at_work.iter().filter(|files| !files.are_stuck(now)).count(),
        }
    }

    fn release(&mut self, files: &Arc<Files>) {
        let of_download = self
            .at_work
            .iter()
            .position(|at_work| Arc::ptr_eq(at_work, files));
        self.at_work
            .swap_remove(of_download.expect("a slot is given back once"));
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
fn is_waiting(queue: &mut VecDeque<Waiting>) -> bool {
    while queue.front().is_some_and(|waiting| waiting.sender.is_closed()) {
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

    /// Goes on with a number of before.
    fn resume(&mut self, now: Duration, first_byte: Duration) -> Change {
        if let Self::Searched(search) = self {
            search.settle(now, first_byte);
        }
        Change {
            tasks: self.tasks(),
            bytes_per_second: None,
            reason: "what looked like a limit on connections was none",
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
        self.0.with(|state, _| state.release(&self.0.files));
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
            .field("at_work", &state.at_work.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

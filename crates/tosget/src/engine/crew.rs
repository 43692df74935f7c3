//! The tasks of one download: begun, watched, sent home. Which range each has is known here and nowhere else.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::probe::Opened;
use crate::checksum::Crc64;
use crate::plan::{Piece, Plan};
use crate::range::ByteRange;
use crate::retry::is_denial;
use crate::source::RangeResponse;
use crate::stragglers::{Sign, Stragglers};
use crate::tasks::{Place, Slot};
use crate::transfer::{Course, Doing, TaskError, Transfer, Tries};

/// Tasks are compared with each other this often.
pub(super) const LOOK: Duration = Duration::from_millis(100);

/// Halves of what is left of a piece are no smaller: a request for less costs more than it saves.
const LEAST_HALF: u64 = 128 << 10;

/// Work that is done sooner than this, or in so many times that an answer takes to begin, is not shared out.
const WORTH_SHARING: Duration = Duration::from_millis(250);
const WORTH_ANSWERS: u32 = 4;

/// So many times a download may use its last slot again while others wait for their first one.
const PIECES_IN_A_ROW: u32 = 4;

/// Keeps tasks at work on what a plan says is missing.
#[derive(Debug)]
pub(super) struct Crew {
    transfer: Arc<Transfer>,
    plan: Plan,
    /// Pieces that were taken away from tasks. They go before the plan.
    returned: VecDeque<Work>,
    tasks: JoinSet<(u64, Result<Crc64, TaskError>)>,
    /// How often its last slot was used again.
    kept: u32,
    at_work: BTreeMap<u64, Worker>,
    /// For the next task.
    slot: Option<Slot>,
    /// Where this crew waits for a slot.
    place: Option<Place>,
    stragglers: Stragglers,
    stop: CancellationToken,
    next_task: u64,
    began: Instant,
}

/// A piece to begin.
#[derive(Debug)]
struct Work {
    piece: Piece,
    /// How often it was taken away from a task.
    times: u32,
    pause: Option<Pause>,
}

/// A piece is not asked for before `until`, whoever asks.
#[derive(Debug)]
struct Pause {
    until: Instant,
    tries: Tries,
}

impl Pause {
    fn is_over(&self) -> bool {
        self.until <= Instant::now()
    }
}

impl Work {
    fn new(piece: Piece) -> Self {
        Self {
            piece,
            times: 0,
            pause: None,
        }
    }

    fn may_begin(&self) -> bool {
        self.pause.as_ref().is_none_or(Pause::is_over)
    }
}

#[derive(Debug)]
struct Worker {
    piece: Piece,
    course: Course,
    times: u32,
    slot: Slot,
    /// Set when an attempt failed.
    pause: Option<Pause>,
    /// Its piece was taken away; what it leaves is another's.
    is_sent_home: bool,
}

/// What a crew has to tell.
#[derive(Debug)]
pub(super) enum News {
    Ended(Ended),
    /// One more task may begin.
    Slot,
}

/// A task that has ended: for which piece, and how.
#[derive(Debug)]
pub(super) struct Ended {
    /// What it fetched, or was to fetch.
    pub(super) piece: Piece,
    pub(super) result: Result<Crc64, TaskError>,
}

impl Crew {
    /// Nobody is at work yet.
    pub(super) fn new(transfer: Transfer, plan: Plan) -> Self {
        Self {
            transfer: Arc::new(transfer),
            plan,
            returned: VecDeque::new(),
            tasks: JoinSet::new(),
            kept: 0,
            at_work: BTreeMap::new(),
            slot: None,
            place: None,
            stragglers: Stragglers::default(),
            stop: CancellationToken::new(),
            next_task: 0,
            began: Instant::now(),
        }
    }

    /// Begins pieces until as many tasks are at work as may be. The first one may have its answer already.
    pub(super) fn keep_busy(&mut self, opened: &mut Option<Opened>) {
        while self.may_begin() {
            let (answer, slot) = opened.take().map_or(
                (None, None),
                |Opened {
                     range,
                     response,
                     slot,
                 }| (Some((range, response)), Some(slot)),
            );
            let Some(slot) = slot.or_else(|| self.next_slot()) else {
                return;
            };
            let Some(work) = self.next_work() else {
                return;
            };
            let response = answer
                .filter(|(range, _)| *range == work.piece.range)
                .map(|(_, response)| response);
            self.begin(work, response, slot);
        }
        (self.slot, self.place) = (None, None);
    }

    /// Whether something is left that may be asked for by now.
    fn may_begin(&self) -> bool {
        !self.plan.is_empty() || self.returned.iter().any(Work::may_begin)
    }

    fn next_work(&mut self) -> Option<Work> {
        let returned = self.returned.iter().position(Work::may_begin);
        returned
            .and_then(|index| self.returned.remove(index))
            .or_else(|| self.plan.take().map(Work::new))
    }

    /// A slot for one more task; without one, this crew waits in its place.
    fn next_slot(&mut self) -> Option<Slot> {
        if let Some(slot) = self.slot.take() {
            return Some(slot);
        }
        if self.place.is_none() {
            match self.transfer.tasks.ask(self.at_work.len()) {
                Ok(slot) => return Some(slot),
                Err(place) => self.place = Some(place),
            }
        }
        None
    }

    /// Sends stragglers home, whose pieces others get; and shares out the work of the slowest where there is nothing else
    /// left to do.
    pub(super) fn look(&mut self) {
        self.transfer.tasks.look();
        let now = self.began.elapsed();
        let signs: Vec<Sign> = self
            .at_work
            .iter()
            .map(|(task, worker)| worker.sign(*task))
            .collect();
        for task in self.stragglers.look(now, &signs) {
            self.note_limit(task);
            if let Some(worker) = self.at_work.get_mut(&task) {
                tracing::info!(
                    target: "tosget::download",
                    part = worker.piece.part_number,
                    "far slower than its siblings, asking again on another connection"
                );
                worker.is_sent_home = true;
                worker.course.stop();
            }
        }
        while self.has_nothing_left() && self.share_out(now) {}
    }

    /// Where siblings get through, a piece that was asked for on two connections and got no byte by either was not unlucky: they are one
    /// connection too many.
    fn note_limit(&self, task: u64) {
        let worker = &self.at_work[&task];
        if worker.times > 0 && worker.course.outlook().received == 0 && self.flows_besides(worker.piece) {
            self.transfer.tasks.one_too_many(1);
        }
    }

    /// The next task to end, or the slot that was waited for; for ever if there is neither. Cancel safe.
    pub(super) async fn news(&mut self) -> News {
        tokio::select! {
            biased;
            Some(joined) = self.tasks.join_next() => News::Ended(self.ended(joined)),
            slot = granted(&mut self.place) => {
                (self.slot, self.place) = (Some(slot), None);
                News::Slot
            }
        }
    }

    fn ended(&mut self, joined: Result<(u64, Result<Crc64, TaskError>), JoinError>) -> Ended {
        let (task, mut result) = unwrap_panic(joined);
        let worker = self.at_work.remove(&task).expect("only tasks at work end");
        let outlook = worker.course.outlook();
        self.stragglers
            .ended(task, outlook.received, self.began.elapsed());
        if let (Err(TaskError::Stopped), true, Some(rest)) = (
            &result,
            worker.is_sent_home && !self.is_told_to_stop(),
            worker.course.rest(),
        ) {
            self.returned.push_back(Work {
                piece: worker.piece.of(rest),
                times: worker.times + 1,
                pause: worker.pause.filter(|pause| !pause.is_over()),
            });
        }
        if let Err(TaskError::Attempt { range, error, .. }) = &result
            && is_denial(error)
            && self.takes_back_denied(worker.piece.of(*range))
        {
            result = Err(TaskError::Stopped);
        }
        if self.at_work.is_empty() && self.slot.is_none() {
            self.keep_or_pass_on(worker.slot);
        }
        let done = ByteRange::new(worker.piece.range.start(), outlook.end).unwrap_or(worker.piece.range);
        Ended {
            piece: worker.piece.of(done),
            result,
        }
    }

    /// Takes back what is left of a piece whose task was denied it while siblings are at work: it may be a limit on connections. If it
    /// is none, the last of them is denied as well. The task's slot is still its own.
    fn takes_back_denied(&mut self, rest: Piece) -> bool {
        let is_alone = self.at_work.values().all(|worker| worker.is_sent_home);
        if self.is_told_to_stop() || is_alone {
            return false;
        }
        tracing::info!(
            target: "tosget::download",
            part = rest.part_number,
            range = %rest.range,
            "denied while siblings are at work, going on with fewer connections"
        );
        self.transfer.progress.retried();
        self.transfer.tasks.one_too_many(1);
        self.returned.push_back(Work::new(rest));
        true
    }

    /// A download that has something left keeps its last slot for some pieces more, rather than wait for another one behind all
    /// others; but not for ever, while there are others that have none.
    fn keep_or_pass_on(&mut self, last: Slot) {
        let tasks = &self.transfer.tasks;
        let is_its_turn_over = self.kept == PIECES_IN_A_ROW && tasks.is_anybody_without();
        if tasks.are_too_many() || is_its_turn_over {
            // Behind those without, and not among those that want more.
            (self.place, self.kept) = (None, 0);
            return;
        }
        self.kept = (self.kept + 1).min(PIECES_IN_A_ROW);
        self.slot = Some(last);
    }

    /// Tells all tasks to write what they have received, report it and end.
    pub(super) fn stop(&mut self) {
        self.stop.cancel();
        (self.slot, self.place) = (None, None);
    }

    /// A piece is not to be asked for before `wait` is over, whichever task has it then.
    pub(super) fn waits(&mut self, piece: Piece, wait: Duration, tries: Tries) {
        if let Some(worker) = self.at_work.values_mut().find(|worker| worker.piece == piece) {
            let until = Instant::now() + wait;
            worker.pause = Some(Pause { until, tries });
        }
    }

    /// The service refused to give a piece, because there are too many requests. If there still are, its task does not wait
    /// to ask again: another one will, later.
    pub(super) fn refused(&mut self, piece: Piece) {
        self.transfer.tasks.overloaded();
        if self.transfer.tasks.are_too_many()
            && let Some(worker) = self.at_work.values_mut().find(|worker| worker.piece == piece)
        {
            worker.is_sent_home = true;
            worker.course.stop();
        }
    }

    /// No answer came for a piece. Where siblings get through it is a limit on connections: its task leaves, and no new one begins
    /// before one of the others has ended.
    pub(super) fn refused_among_siblings(&mut self, piece: Piece) {
        if !self.flows_besides(piece) {
            return;
        }
        let refused = self.at_work.values_mut().find(|worker| worker.piece == piece);
        if let Some(worker) = refused.filter(|worker| !worker.is_sent_home) {
            worker.is_sent_home = true;
            worker.course.stop();
            self.transfer.tasks.one_too_many(1);
        }
    }

    /// Whether bytes came to anybody who is at work on another piece.
    fn flows_besides(&self, piece: Piece) -> bool {
        let siblings = self.at_work.values().filter(|worker| worker.piece != piece);
        siblings
            .filter(|worker| !worker.is_sent_home)
            .any(|worker| worker.course.outlook().received > 0)
    }

    /// Takes back what turned out to be missing after all.
    pub(super) fn put_back(&mut self, range: ByteRange) {
        self.plan.put_back(range);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.at_work.is_empty()
    }

    pub(super) fn at_work(&self) -> usize {
        self.at_work.len()
    }

    /// Whether nothing is left to begin.
    pub(super) fn has_nothing_left(&self) -> bool {
        self.plan.is_empty() && self.returned.is_empty()
    }

    fn is_told_to_stop(&self) -> bool {
        self.stop.is_cancelled()
    }

    fn begin(&mut self, work: Work, response: Option<RangeResponse>, slot: Slot) {
        let Work { piece, times, pause } = work;
        let tries = pause.map_or_else(|| Tries::new(self.transfer.limits.retries), |pause| pause.tries);
        let task = self.next_task;
        self.next_task += 1;
        let course = Course::new(piece.range, self.stop.child_token());
        self.stragglers.began(task, times, self.began.elapsed());
        let worker = Worker {
            piece,
            course: course.clone(),
            times,
            slot,
            pause: None,
            is_sent_home: false,
        };
        self.at_work.insert(task, worker);
        let transfer = self.transfer.clone();
        self.tasks.spawn(
            async move { (task, transfer.fetch(piece, &course, response, tries).await) }.in_current_span(),
        );
    }

    /// Gives half of what the slowest task still has to fetch to a new one. Returns whether it was worth it.
    fn share_out(&mut self, now: Duration) -> bool {
        let slowest = self
            .at_work
            .iter()
            .filter(|(_, worker)| !worker.is_sent_home && !worker.is_in_pause())
            .filter_map(|(task, worker)| {
                let left = worker.course.rest()?.len();
                Some((self.stragglers.time_for(*task, left, now)?, *task))
            })
            .max();
        let Some((time, task)) = slowest else { return false };
        if time < WORTH_SHARING.max(self.transfer.tasks.first_byte() * WORTH_ANSWERS) {
            return false;
        }
        let Some(slot) = self.transfer.tasks.try_more(self.at_work.len()) else {
            return false;
        };
        let worker = &self.at_work[&task];
        let Some(half) = worker.course.halve(LEAST_HALF) else {
            return false;
        };
        let piece = worker.piece.of(half);
        tracing::debug!(target: "tosget::download", part = piece.part_number, range = %half, "sharing out what the slowest task has left");
        self.begin(Work::new(piece), None, slot);
        true
    }
}

impl Worker {
    fn is_in_pause(&self) -> bool {
        self.pause.as_ref().is_some_and(|pause| !pause.is_over())
    }

    fn sign(&self, task: u64) -> Sign {
        let outlook = self.course.outlook();
        Sign {
            task,
            received: outlook.received,
            // Who was sent home is not sent again.
            waits_for_network: outlook.doing == Doing::Network && !self.is_sent_home,
        }
    }
}

impl Piece {
    /// A piece of the same part.
    fn of(self, range: ByteRange) -> Self {
        Self { range, ..self }
    }
}

/// The slot that is waited for; for ever if none is.
async fn granted(place: &mut Option<Place>) -> Slot {
    match place {
        Some(place) => place.granted().await,
        None => std::future::pending().await,
    }
}

/// A panic in a task is a bug of ours: it goes on where it would have gone without the task.
fn unwrap_panic<T>(joined: Result<T, JoinError>) -> T {
    joined.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

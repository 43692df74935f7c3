//! The tasks of one download: begun, watched, sent home. Which range each has is known here and nowhere else.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::allowance::Allowance;
use crate::checksum::Crc64;
use crate::plan::{Piece, Plan};
use crate::range::ByteRange;
use crate::source::RangeResponse;
use crate::stragglers::{Sign, Stragglers};
use crate::transfer::{Course, Doing, TaskError, Transfer};

/// Tasks are compared with each other this often.
pub(super) const LOOK: Duration = Duration::from_millis(100);

/// Halves of what is left of a piece are no smaller: a request for less costs more than it saves.
const LEAST_HALF: u64 = 128 << 10;

/// Work that is done sooner than this is not shared out.
const WORTH_SHARING: Duration = Duration::from_secs(1);

/// Keeps tasks at work on what a plan says is missing.
#[derive(Debug)]
pub(super) struct Crew {
    transfer: Arc<Transfer>,
    plan: Plan,
    /// Pieces that were taken away from tasks, and how often. They go before the plan.
    returned: VecDeque<(Piece, u32)>,
    tasks: JoinSet<(u64, Result<Crc64, TaskError>)>,
    at_work: BTreeMap<u64, Worker>,
    allowance: Allowance,
    stragglers: Stragglers,
    stop: CancellationToken,
    next_task: u64,
    began: Instant,
}

#[derive(Debug)]
struct Worker {
    piece: Piece,
    course: Course,
    times: u32,
    /// Its piece was taken away; what it leaves is another's.
    is_sent_home: bool,
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
    pub(super) fn new(transfer: Transfer, plan: Plan, allowance: Allowance) -> Self {
        Self {
            transfer: Arc::new(transfer),
            plan,
            returned: VecDeque::new(),
            tasks: JoinSet::new(),
            at_work: BTreeMap::new(),
            allowance,
            stragglers: Stragglers::default(),
            stop: CancellationToken::new(),
            next_task: 0,
            began: Instant::now(),
        }
    }

    /// Begins pieces until as many tasks are at work as may be. The first one may have its answer already.
    pub(super) fn keep_busy(&mut self, opened: &mut Option<(ByteRange, RangeResponse)>) {
        while self.at_work.len() < self.allowance.tasks(self.began.elapsed()) {
            let returned = self.returned.pop_front();
            let Some((piece, times)) = returned.or_else(|| self.plan.take().map(|piece| (piece, 0))) else {
                break;
            };
            let response = opened
                .take()
                .filter(|(range, _)| *range == piece.range)
                .map(|(_, response)| response);
            self.begin(piece, times, response);
        }
    }

    /// Sends stragglers home, whose pieces others get; and shares out the work of the slowest where there is nothing else
    /// left to do.
    pub(super) fn look(&mut self) {
        let now = self.began.elapsed();
        let signs: Vec<Sign> = self
            .at_work
            .iter()
            .map(|(task, worker)| worker.sign(*task))
            .collect();
        for task in self.stragglers.look(now, &signs) {
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
        while self.returned.is_empty()
            && self.plan.is_empty()
            && self.at_work.len() < self.allowance.tasks(now)
            && self.share_out(now)
        {}
    }

    /// The next task to end; for ever if none is at work. Cancel safe.
    pub(super) async fn ended(&mut self) -> Ended {
        let Some(joined) = self.tasks.join_next().await else {
            return std::future::pending().await;
        };
        let (task, result) = unwrap_panic(joined);
        let worker = self.at_work.remove(&task).expect("only tasks at work end");
        let outlook = worker.course.outlook();
        self.stragglers
            .ended(task, outlook.received, self.began.elapsed());
        if let (Err(TaskError::Stopped), true, Some(rest)) = (
            &result,
            worker.is_sent_home && !self.is_told_to_stop(),
            worker.course.rest(),
        ) {
            self.returned.push_back((worker.piece.of(rest), worker.times + 1));
        }
        let done = ByteRange::new(worker.piece.range.start(), outlook.end).unwrap_or(worker.piece.range);
        Ended {
            piece: worker.piece.of(done),
            result,
        }
    }

    /// Tells all tasks to write what they have received, report it and end.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// The service says that there are too many requests.
    pub(super) fn overloaded(&mut self) {
        self.allowance
            .overloaded(self.at_work.len(), self.began.elapsed());
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

    fn begin(&mut self, piece: Piece, times: u32, response: Option<RangeResponse>) {
        let task = self.next_task;
        self.next_task += 1;
        let course = Course::new(piece.range, self.stop.child_token());
        self.stragglers.began(task, times, self.began.elapsed());
        let worker = Worker {
            piece,
            course: course.clone(),
            times,
            is_sent_home: false,
        };
        self.at_work.insert(task, worker);
        let transfer = self.transfer.clone();
        self.tasks
            .spawn(async move { (task, transfer.fetch(piece, &course, response).await) }.in_current_span());
    }

    /// Gives half of what the slowest task still has to fetch to a new one. Returns whether it was worth it.
    fn share_out(&mut self, now: Duration) -> bool {
        let slowest = self
            .at_work
            .iter()
            .filter(|(_, worker)| !worker.is_sent_home)
            .filter_map(|(task, worker)| {
                let left = worker.course.rest()?.len();
                Some((self.stragglers.time_for(*task, left, now)?, *task))
            })
            .max();
        let Some((time, task)) = slowest else { return false };
        if time < WORTH_SHARING {
            return false;
        }
        let worker = &self.at_work[&task];
        let Some(half) = worker.course.halve(LEAST_HALF) else {
            return false;
        };
        let piece = worker.piece.of(half);
        tracing::debug!(target: "tosget::download", part = piece.part_number, range = %half, "sharing out what the slowest task has left");
        self.begin(piece, 0, None);
        true
    }
}

impl Worker {
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

/// A panic in a task is a bug of ours: it goes on where it would have gone without the task.
fn unwrap_panic<T>(joined: Result<T, JoinError>) -> T {
    joined.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

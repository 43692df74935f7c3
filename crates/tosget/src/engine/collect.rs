//! The heart of a download: keeps tasks at work until every byte is there, and records what they report.
//!
//! One loop owns the plan, the coverage and the journal; tasks own nothing but the piece they are at. So there is no
//! lock, and what is recorded is what the coverage holds, in the order in which it happened.

use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::earlier::{BEAT, held};
use super::prepare::Session;
use super::recheck::{Rechecked, Rechecking};
use super::{Spec, canceled};
use crate::checksum::Crc64;
use crate::coverage::Standing;
use crate::error::attempt::AttemptError;
use crate::error::{Error, ErrorKind};
use crate::events::{DownloadEventType, DownloadPart, Narrator};
use crate::journal::Ownership;
use crate::journal::format::Record;
use crate::plan::{Piece, Plan};
use crate::range::ByteRange;
use crate::source::RangeResponse;
use crate::transfer::{Limits, Report, TaskError, Transfer};

/// A task reports at least every so many bytes, so a kill costs it no more than that.
const REPORT_EVERY: u64 = 512 << 10;

/// … unless the object is so large that its journal would grow beyond this many records.
const MOST_REPORTS: u64 = 1 << 16;

/// Reports that may wait to be recorded before tasks have to wait for the journal.
const REPORTS_WAITING: usize = 256;

impl Session {
    /// Fetches what is missing and reads back what is doubtful. On failure everything that landed is recorded and
    /// the checkpoint is left in order.
    pub(super) async fn collect(
        mut self: Box<Self>,
        spec: &Spec,
        narrator: &Narrator,
    ) -> Result<Box<Self>, Error> {
        let mut collecting = Collecting::new(&mut self, spec, narrator);
        collecting.tell_start();
        let failure = collecting.run().await;
        let unread = !collecting.rechecking.is_done();
        match failure {
            None => {
                narrator.transfer_succeeded();
                Ok(self)
            }
            Some(failure) => Err(self.give_up(spec, failure, unread).await),
        }
    }
}

struct Collecting<'a> {
    session: &'a mut Session,
    spec: &'a Spec,
    narrator: &'a Narrator,
    transfer: Arc<Transfer>,
    reports: mpsc::Receiver<Report>,
    plan: Plan,
    tasks: JoinSet<(Piece, Result<Crc64, TaskError>)>,
    rechecking: Rechecking,
    rechecking_bytes: u64,
    rechecked: Rechecks,
    /// The first thing that went wrong; from then on nothing new is begun.
    failure: Option<Error>,
}

impl<'a> Collecting<'a> {
    fn new(session: &'a mut Session, spec: &'a Spec, narrator: &'a Narrator) -> Self {
        let size = session.pin.fingerprint.size;
        let (tell, reports) = mpsc::channel(REPORTS_WAITING);
        let transfer = Transfer {
            source: session.engine.source.clone(),
            object: spec.object.clone(),
            terms: spec.terms.clone(),
            pin: session.pin.clone(),
            temporary: session.scratch.file.clone(),
            progress: spec.progress.clone(),
            limits: Limits {
                idle: spec.idle,
                max_retries: spec.max_retries,
                report_every: REPORT_EVERY.max(size / MOST_REPORTS),
            },
            limiter: spec.limiter.clone(),
            reports: tell,
            stop: CancellationToken::new(),
        };
        let mut spoken_for = session.coverage.clone();
        session
            .doubtful
            .iter()
            .for_each(|&claim| spoken_for.insert(claim, Standing::Settled));
        let plan = Plan::new(spoken_for.gaps(size), spec.part_size);
        let doubtful = std::mem::take(&mut session.doubtful);
        let rechecking_bytes = doubtful.iter().map(|claim| claim.range.len()).sum();
        spec.progress.rechecking(rechecking_bytes);
        Self {
            spec,
            narrator,
            plan,
            reports,
            tasks: JoinSet::new(),
            rechecking: Rechecking::start(session.scratch.file.clone(), doubtful),
            rechecking_bytes,
            rechecked: Rechecks::default(),
            transfer: Arc::new(transfer),
            failure: None,
            session,
        }
    }

    /// Returns what went wrong, if anything did.
    async fn run(&mut self) -> Option<Error> {
        let mut heart = interval(BEAT);
        heart.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(REPORTS_WAITING);
        let mut opened = self.session.opened.take();
        loop {
            self.keep_busy(self.spec.task_num, &mut opened);
            if self.tasks.is_empty() && (self.failure.is_some() || self.is_complete()) {
                break;
            }
            tokio::select! {
                biased;
                () = self.spec.cancel.canceled(), if self.failure.is_none() => self.fail(canceled()),
                _ = self.reports.recv_many(&mut batch, REPORTS_WAITING) => self.record(&mut batch).await,
                Some(ended) = self.tasks.join_next() => self.task_ended(ended, &mut batch).await,
                verdict = self.rechecking.next(), if self.failure.is_none() => self.rechecked(verdict).await,
                _ = heart.tick() => self.beat().await,
            }
        }
        self.spec.progress.running(0);
        self.failure.take()
    }

    fn is_complete(&self) -> bool {
        self.plan.is_empty() && self.rechecking.is_done()
    }

    /// Begins pieces until `task_num` tasks are at work. The first one may have its answer already.
    fn keep_busy(&mut self, task_num: NonZeroUsize, opened: &mut Option<(ByteRange, RangeResponse)>) {
        while self.failure.is_none() && self.tasks.len() < task_num.get() {
            let Some(piece) = self.plan.take() else { break };
            let response = opened
                .take()
                .filter(|(range, _)| *range == piece.range)
                .map(|(_, response)| response);
            self.begin(piece, response);
        }
        self.spec.progress.running(self.tasks.len());
    }

    fn begin(&mut self, piece: Piece, response: Option<RangeResponse>) {
        let transfer = self.transfer.clone();
        self.tasks
            .spawn(async move { (piece, transfer.fetch(piece, response).await) });
    }

    /// Stops all work because of `failure`, unless something else had failed before.
    fn fail(&mut self, failure: Error) {
        self.failure.get_or_insert(failure);
        self.transfer.stop.cancel();
    }

    async fn task_ended(
        &mut self,
        ended: Result<(Piece, Result<Crc64, TaskError>), JoinError>,
        batch: &mut Vec<Report>,
    ) {
        let (piece, result) =
            ended.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()));
        // What it reported is recorded before anybody is told that it has ended.
        while let Ok(report) = self.reports.try_recv() {
            batch.push(report);
        }
        self.record(batch).await;
        let failure = match result {
            Ok(crc) => {
                let part = DownloadPart::new(piece, Some(crc));
                return self
                    .narrator
                    .tell_part(DownloadEventType::DownloadPartSucceed, part, None);
            }
            Err(TaskError::Stopped) => {
                let part = DownloadPart::new(piece, None);
                let why = self.failure.as_ref();
                return self
                    .narrator
                    .tell_part(DownloadEventType::DownloadPartAborted, part, why);
            }
            Err(TaskError::Disk(error)) => error,
            Err(TaskError::Attempt {
                range,
                attempts,
                error,
            }) => self.attempt_error(range, attempts, error),
        };
        let part = DownloadPart::new(piece, None);
        self.narrator
            .tell_part(DownloadEventType::DownloadPartFailed, part, Some(&failure));
        self.fail(failure);
    }

    fn attempt_error(&self, range: ByteRange, attempts: u32, error: AttemptError) -> Error {
        let endpoint = self.session.engine.source.endpoint();
        let doing = format!("read bytes {range} of {} from {endpoint}", self.spec.object);
        Error::from_attempt(&doing, attempts, error)
    }

    /// Tells with how much the transfer begins.
    fn tell_start(&self) {
        let bytes = self.session.coverage.covered() + self.rechecking_bytes;
        if let Some(reason) = &self.session.set_aside {
            let reason = reason.clone();
            self.narrator
                .tell(DownloadEventType::CheckpointSetAside { reason });
        }
        self.narrator.tell(DownloadEventType::CreateTempFileSucceed);
        if bytes > 0 {
            self.narrator.tell(DownloadEventType::Resumed {
                bytes,
                doubtful_bytes: self.rechecking_bytes,
            });
        }
        self.narrator
            .transfer_started(bytes, self.session.pin.fingerprint.size);
    }

    async fn record(&mut self, batch: &mut Vec<Report>) {
        let records = batch.drain(..).filter_map(|report| self.note(report)).collect();
        if let Err(error) = self.session.recorder.record(records).await {
            self.fail(error);
        }
    }

    /// Brings the coverage up to date, and says what the journal has to remember.
    fn note(&mut self, report: Report) -> Option<Record> {
        let coverage = &mut self.session.coverage;
        match report {
            Report::Landed(landed) => {
                coverage.insert(landed.segment(), landed.standing());
                Some(Record::Landed(landed.segment(), landed.standing()))
            }
            Report::Settled(range) => {
                coverage.settle(range);
                Some(Record::Settled(range))
            }
            // The task fetches it again by itself.
            Report::TakenBack(range) => {
                coverage.forget(range);
                Some(Record::Forgotten(range))
            }
            Report::Retrying {
                piece,
                missing,
                attempts,
                wait,
                error,
            } => {
                let part = DownloadPart::new(piece, None);
                let error = self.attempt_error(missing, attempts, error);
                self.narrator
                    .tell_part(DownloadEventType::AttemptRetried { wait }, part, Some(&error));
                None
            }
        }
    }

    async fn rechecked(&mut self, verdict: Result<Rechecked, Error>) {
        let Rechecked { claim, good } = match verdict {
            Ok(rechecked) => rechecked,
            Err(error) => return self.fail(error),
        };
        self.rechecking_bytes -= claim.range.len();
        self.spec.progress.rechecking(self.rechecking_bytes);
        self.rechecked.count(claim.range.len(), good);
        if self.rechecking.is_done() {
            self.narrator.tell(self.rechecked.event());
        }
        if good {
            self.session.coverage.insert(claim, Standing::Settled);
            self.spec.progress.resumed(claim.range.len());
            return;
        }
        tracing::warn!(range = %claim.range, "bytes of the earlier run were altered, fetching them again");
        self.plan.put_back(claim.range);
        if let Err(error) = self
            .session
            .recorder
            .record(vec![Record::Forgotten(claim.range)])
            .await
        {
            self.fail(error);
        }
    }

    async fn beat(&mut self) {
        match self.session.recorder.beat().await {
            Ok(Ownership::Ours) => {}
            Ok(Ownership::TakenBy(other)) => {
                // The checkpoint is theirs now: nothing of it may be touched any more.
                self.session.recorder.close();
                self.fail(held(&self.session.places, Some(&other.to_string())));
            }
            Err(error) => self.fail(error),
        }
    }
}

/// What came of reading back.
#[derive(Debug, Default)]
struct Rechecks {
    good_bytes: u64,
    bad_bytes: u64,
}

impl Rechecks {
    fn count(&mut self, bytes: u64, good: bool) {
        *(if good {
            &mut self.good_bytes
        } else {
            &mut self.bad_bytes
        }) += bytes;
    }

    fn event(&self) -> DownloadEventType {
        DownloadEventType::Rechecked {
            good_bytes: self.good_bytes,
            bad_bytes: self.bad_bytes,
        }
    }
}

impl Session {
    /// Leaves the checkpoint so that the next run can go on, or removes it where that was asked for.
    async fn give_up(mut self: Box<Self>, spec: &Spec, failure: Error, unread: bool) -> Error {
        let lost = failure.kind() == ErrorKind::CheckpointHeld;
        let aborted = failure.kind() == ErrorKind::Canceled && spec.cancel.is_abort();
        let worthless = self.coverage.covered() == 0 && !unread;
        let Some(journal) = self.recorder.path() else {
            // Without a journal the temporary file goes with `self`; if the checkpoint was taken over, it stays.
            self.scratch.keep = lost;
            return failure;
        };
        if aborted || worthless {
            self.recorder.close();
            self.scratch.keep = false;
            let storage = self.engine.storage.clone();
            let removed = super::blocking(move || {
                drop(self);
                storage
                    .remove(&journal)
                    .map_err(|error| Error::disk("remove the checkpoint", &journal, error))
            });
            if let Err(error) = removed.await {
                tracing::warn!(%error, "a checkpoint was left behind");
            }
            return failure;
        }
        // Claims that nobody has read back must not look as if somebody had.
        let seal = if unread {
            None
        } else {
            self.scratch.file.stat().ok()
        };
        if let Err(error) = self.recorder.release(seal).await {
            tracing::warn!(%error, "the checkpoint could not be closed in order; it will be read back");
        }
        failure.with_checkpoint(journal)
    }
}

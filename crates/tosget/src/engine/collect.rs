//! The heart of a download: keeps tasks at work until every byte is there, and records what they report.
//!
//! One loop owns the coverage, the journal and the crew of tasks; a task owns nothing but the piece it is at. So what is
//! recorded is what the coverage holds, in the order in which it happened.

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::crew::{Crew, Ended, LOOK, News};
use super::earlier::held;
use super::prepare::Session;
use super::recheck::{Rechecked, Rechecking};
use super::{Spec, canceled};
use crate::coverage::Standing;
use crate::error::attempt::AttemptError;
use crate::error::{Error, ErrorKind, Shown};
use crate::events::{DownloadEventType, DownloadPart, Narrator};
use crate::journal::format::{Owner, Record};
use crate::plan::Plan;
use crate::range::ByteRange;
use crate::retry::{is_overload, may_be_a_limit};
use crate::transfer::{Limits, Report, TaskError, Transfer};

/// A task reports at least every so many bytes, so a kill costs it no more than that.
const REPORT_EVERY: u64 = 512 << 10;

/// … unless the object is so large that its journal would grow beyond this many records.
const MOST_REPORTS: u64 = 1 << 16;

/// Reports that may wait to be recorded before tasks have to wait for the journal.
const REPORTS_WAITING: usize = 256;

impl Session {
    /// Tells with how much the transfer begins, and brings the rest.
    pub(super) async fn collect(
        self: Box<Self>,
        spec: &Spec,
        narrator: &Narrator,
    ) -> Result<Box<Self>, Error> {
        self.tell_start(spec, narrator);
        self.fill_gaps(spec, narrator).await
    }

    /// Fetches what is missing and reads back what is doubtful. On failure everything that landed is recorded and
    /// the checkpoint is left in order.
    pub(super) async fn fill_gaps(
        mut self: Box<Self>,
        spec: &Spec,
        narrator: &Narrator,
    ) -> Result<Box<Self>, Error> {
        let mut collecting = Collecting::new(&mut self, spec, narrator);
        let failure = collecting.run().await;
        let unread = !collecting.rechecking.is_done();
        match failure {
            None => Ok(self),
            Some(failure) => Err(self.give_up(spec, failure, unread).await),
        }
    }

    /// What all requests of this download share. Tasks tell `reports` what landed.
    pub(super) fn transfer(&self, spec: &Spec, reports: mpsc::Sender<Report>) -> Transfer {
        Transfer {
            source: self.engine.source.clone(),
            object: spec.object.clone(),
            terms: spec.terms.clone(),
            pin: self.pin.clone(),
            temporary: self.scratch.file.clone(),
            progress: spec.progress.clone(),
            limits: Limits {
                idle: spec.idle,
                retries: spec.max_retries,
                report_every: REPORT_EVERY.max(self.pin.fingerprint.size / MOST_REPORTS),
            },
            limiter: spec.limiter.clone(),
            tasks: spec.tasks.clone(),
            writes: self.engine.file_work.writes.clone(),
            reports,
        }
    }

    pub(super) fn tell_start(&self, spec: &Spec, narrator: &Narrator) {
        let doubtful_bytes = self.doubtful.iter().map(|claim| claim.range.len()).sum();
        let bytes = self.coverage.covered() + doubtful_bytes;
        if let Some(reason) = &self.set_aside {
            let reason = reason.clone();
            narrator.tell(DownloadEventType::CheckpointSetAside { reason });
        }
        narrator.tell(DownloadEventType::CreateTempFileSucceed);
        if bytes > 0 {
            narrator.tell(DownloadEventType::Resumed {
                bytes,
                doubtful_bytes,
            });
        }
        let has_length = self.pin.fingerprint.size > 0 || spec.one_answer.is_none();
        if has_length {
            narrator.transfer_started(bytes, self.pin.fingerprint.size);
        }
    }
}

struct Collecting<'a> {
    session: &'a mut Session,
    spec: &'a Spec,
    narrator: &'a Narrator,
    crew: Crew,
    reports: mpsc::Receiver<Report>,
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
        let transfer = session.transfer(spec, tell);
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
            crew: Crew::new(transfer, plan),
            reports,
            rechecking: Rechecking::start(session.scratch.file.clone(), doubtful),
            rechecking_bytes,
            rechecked: Rechecks::default(),
            failure: None,
            session,
        }
    }

    /// Returns what went wrong, if anything did.
    async fn run(&mut self) -> Option<Error> {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(REPORTS_WAITING);
        let mut opened = self.session.opened.take();
        loop {
            if self.failure.is_none() {
                self.crew.keep_busy(&mut opened);
            }
            self.spec.progress.running(self.crew.at_work());
            if self.crew.is_idle() && (self.failure.is_some() || self.is_complete()) {
                break;
            }
            tokio::select! {
                biased;
                () = self.spec.cancel.canceled(), if self.failure.is_none() => self.fail(canceled()),
                _ = self.reports.recv_many(&mut batch, REPORTS_WAITING) => self.record(&mut batch).await,
                news = self.crew.news() => match news {
                    News::Ended(ended) => self.task_ended(ended, &mut batch).await,
                    News::Slot => {}
                },
                verdict = self.rechecking.next(), if self.failure.is_none() => self.rechecked(verdict).await,
                other = self.session.recorder.taken(), if self.failure.is_none() => self.taken(&other),
                _ = looks.tick(), if self.failure.is_none() => self.crew.look(),
            }
        }
        self.spec.progress.running(0);
        self.failure.take()
    }

    fn is_complete(&self) -> bool {
        self.crew.has_nothing_left() && self.rechecking.is_done()
    }

    /// Stops all work because of `failure`, unless something else had failed before.
    fn fail(&mut self, failure: Error) {
        self.failure.get_or_insert(failure);
        self.crew.stop();
    }

    async fn task_ended(&mut self, Ended { piece, result }: Ended, batch: &mut Vec<Report>) {
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
            // Another task goes on with its piece.
            Err(TaskError::Stopped) if self.failure.is_none() => return,
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

    async fn record(&mut self, batch: &mut Vec<Report>) {
        let records = batch.drain(..).filter_map(|report| self.note(report)).collect();
        self.write(records).await;
    }

    async fn write(&mut self, records: Vec<Record>) {
        let _at_disk = self.spec.tasks.at_disk();
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
                tries,
                wait,
                error,
            } => {
                let (attempts, failures) = (tries.attempts, tries.patience.failures());
                self.crew.waits(piece, wait, tries);
                if is_overload(&error) {
                    self.crew.refused(piece);
                } else if may_be_a_limit(&error, failures) {
                    self.crew.refused_among_siblings(piece);
                }
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
            if self.session.looks_again {
                self.spec.progress.holds_more(claim.range.len());
            } else {
                self.spec.progress.resumed(claim.range.len());
            }
            return;
        }
        tracing::warn!(target: "tosget::checkpoint", range = %claim.range, "bytes that were written read back otherwise, fetching them again");
        self.crew.put_back(claim.range);
        self.write(vec![Record::Forgotten(claim.range)]).await;
    }

    /// The checkpoint is somebody else's now: nothing of it may be touched any more.
    fn taken(&mut self, by: &Owner) {
        self.fail(held(&self.session.places, Some(&by.to_string())));
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
    pub(super) async fn give_up(mut self: Box<Self>, spec: &Spec, failure: Error, unread: bool) -> Error {
        let failure = self.leave(spec, failure, unread).await;
        // To remove and to close files may take a disk long, and no thread of the runtime's shall wait for it.
        drop(self.opened.take());
        super::blocking(move || drop(self)).await;
        failure
    }

    async fn leave(&mut self, spec: &Spec, failure: Error, unread: bool) -> Error {
        let lost = failure.kind() == ErrorKind::CheckpointHeld;
        let aborted = failure.kind() == ErrorKind::Canceled && spec.cancel.is_abort();
        let worthless = self.recorder.is_empty() || self.coverage.covered() == 0 && !unread;
        let (Some(journal), false) = (self.recorder.path(), lost) else {
            // Without a journal the temporary file goes with `self`; if the checkpoint was taken over, what is there is not ours.
            self.scratch.keep = lost;
            return failure;
        };
        if aborted || worthless {
            self.scratch.keep = false;
            let (storage, mut recorder) = (self.engine.storage.clone(), std::mem::take(&mut self.recorder));
            super::blocking(move || recorder.remove(&*storage)).await;
            return failure;
        }
        // Claims that nobody has read back must not look as if somebody had. That the disk failed has to be told in any case.
        let is_told = !unread || failure.kind() == ErrorKind::Disk;
        if is_told && !self.seal(spec, &failure).await {
            return failure;
        }
        tracing::info!(
            target: "tosget::checkpoint",
            bytes = self.coverage.covered(),
            journal = %Shown(&journal),
            "checkpoint kept"
        );
        failure.with_checkpoint(journal)
    }
}

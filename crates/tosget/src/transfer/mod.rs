//! One task's work: bring one piece of the object into the temporary file, whatever it takes.
//!
//! An attempt is one exchange with the server; a task makes attempts until its piece is complete, each for what is
//! still missing. What landed is reported upwards; this layer knows neither the journal nor the plan.

mod attempt;
mod course;
mod intake;
mod task;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

pub(crate) use course::{Course, Doing};
pub(crate) use task::Tries;

use crate::coverage::{Segment, Standing};
use crate::error::Error;
use crate::error::attempt::AttemptError;
use crate::limiter::RateLimiter;
use crate::object::ObjectId;
use crate::plan::Piece;
use crate::progress::Progress;
use crate::range::ByteRange;
use crate::retry::Retries;
use crate::short_work::ShortWork;
use crate::source::Source;
use crate::tasks::Tasks;
use crate::temporary::TemporaryFile;
use crate::terms::Terms;
use crate::verify::Pin;

/// All that the tasks of one download share.
#[derive(Debug)]
pub(crate) struct Transfer {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) object: ObjectId,
    pub(crate) terms: Arc<Terms>,
    pub(crate) pin: Pin,
    pub(crate) temporary: TemporaryFile,
    pub(crate) progress: Progress,
    pub(crate) limits: Limits,
    /// Lets bytes in; without one they come as they like.
    pub(crate) limiter: Option<RateLimiter>,
    /// Told how much comes, and what the service says to it.
    pub(crate) tasks: Tasks,
    /// Does the writes.
    pub(crate) writes: ShortWork,
    /// Where tasks tell what landed.
    pub(crate) reports: mpsc::Sender<Report>,
}

/// The numbers that tasks go by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Longest time without a byte of a body.
    pub(crate) idle: Duration,
    /// What a task bears in a row without progress.
    pub(crate) retries: Retries,
    /// A segment is reported when it has this many bytes: what a kill can cost a task.
    pub(crate) report_every: u64,
}

/// What a task has to tell, in the order in which it happened.
#[derive(Debug)]
pub(crate) enum Report {
    Landed(Landed),
    /// The server's CRC64 has proven all provisional segments in this range.
    Settled(ByteRange),
    /// The server's CRC64 has disproven all provisional segments in this range: they have to be fetched again.
    TakenBack(ByteRange),
    /// An attempt failed, and the next one comes after `wait`.
    Retrying {
        piece: Piece,
        missing: ByteRange,
        tries: Tries,
        wait: Duration,
        error: AttemptError,
    },
}

/// Proof that the temporary file took all bytes of a segment (invariant I2). Only this module makes one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Landed {
    segment: Segment,
    standing: Standing,
}

impl Landed {
    pub(crate) fn segment(&self) -> Segment {
        self.segment
    }

    pub(crate) fn standing(&self) -> Standing {
        self.standing
    }
}

/// Why a task ended before its piece was complete. What had landed was reported.
#[derive(Debug)]
pub(crate) enum TaskError {
    /// Its last attempt failed for good.
    Attempt {
        range: ByteRange,
        attempts: u32,
        error: AttemptError,
    },
    /// The temporary file could not be written.
    Disk(Error),
    /// It was told to stop.
    Stopped,
}

//! From the pieces that a body yields to writes. Knows the file and the offsets, not the network.
//!
//! Where writes are short, which they are as long as the page cache takes them, a piece is written as it comes: it is in the
//! processor's cache, and its buffer is free for the next one. Where the disk makes its writers wait, pieces are collected and handed
//! over to a blocking thread, and collecting goes on while that one writes.
//!
//! At most one write is under way and one is being collected, so an intake holds at most twice [`WRITE_LEN`] and one
//! piece of body, whatever the size of its range (invariant I9).

use bytes::{Bytes, BytesMut};

use super::Transfer;
use crate::checksum::RunningCrc64;
use crate::coverage::Segment;
use crate::error::Error;
use crate::range::ByteRange;
use crate::short_work::{Begun, ShortWork};
use crate::tasks::Tasks;
use crate::temporary::TemporaryFile;

/// Bytes that are collected before they are handed over.
const WRITE_LEN: usize = 512 << 10;

/// Shorter pieces are copied together: a slow connection's crumbs would each pin a buffer and cost a system call.
const COPY_BELOW: usize = 64 << 10;

/// So many bytes of crumbs are written at once where writes are short.
const CRUMBS_LEN: usize = 256 << 10;

/// Collects and writes the bytes of one range, front to back.
#[derive(Debug)]
pub(super) struct Intake {
    temporary: TemporaryFile,
    writes: ShortWork,
    tasks: Tasks,
    report_every: u64,
    /// Collected, not yet handed over.
    pieces: Vec<Bytes>,
    crumbs: BytesMut,
    collected: usize,
    /// Offset of the first collected byte that no write was begun for.
    write_from: u64,
    writing: Option<Writing>,
    /// Start and CRC of what was received and does not belong to a segment yet. The CRC is taken as the bytes come,
    /// while they are in the processor's cache.
    segment_start: u64,
    crc: RunningCrc64,
    /// Bytes before this offset are in the kernel.
    landed: u64,
}

/// A write under way.
#[derive(Debug)]
struct Writing {
    begun: Begun<Result<(), Error>>,
    len: u64,
    /// The segment that is complete with this write.
    completes: Option<Segment>,
}

impl Intake {
    /// For a range that begins at `start`.
    pub(super) fn new(transfer: &Transfer, start: u64) -> Self {
        Self {
            temporary: transfer.temporary.clone(),
            writes: transfer.writes.clone(),
            tasks: transfer.tasks.clone(),
            report_every: transfer.limits.report_every,
            pieces: Vec::new(),
            crumbs: BytesMut::new(),
            collected: 0,
            write_from: start,
            writing: None,
            segment_start: start,
            crc: RunningCrc64::new(),
            landed: start,
        }
    }

    /// Takes the next piece.
    pub(super) fn push(&mut self, piece: Bytes) {
        self.crc.update(&piece);
        self.collected += piece.len();
        if piece.len() < COPY_BELOW {
            self.crumbs.extend_from_slice(&piece);
        } else {
            self.sweep_crumbs();
            self.pieces.push(piece);
        }
    }

    /// Begins to write what is collected if that is enough for a write, and none is under way.
    pub(super) fn write_if_due(&mut self) {
        let is_due = if self.writes.is_done_here() {
            !self.pieces.is_empty() || self.collected >= CRUMBS_LEN
        } else {
            self.is_full()
        };
        if is_due {
            self.begin_write(false);
        }
    }

    /// Begins to write what is collected, unless that is nothing or a write is under way. `last` makes it the end of a segment
    /// in any case.
    pub(super) fn begin_write(&mut self, last: bool) {
        if self.is_writing() || self.collected == 0 {
            return;
        }
        self.sweep_crumbs();
        let (pieces, temporary) = (std::mem::take(&mut self.pieces), self.temporary.clone());
        let (offset, len) = (self.write_from, self.collected as u64);
        self.write_from += len;
        self.collected = 0;
        let is_due = last || self.write_from - self.segment_start >= self.report_every;
        let completes = if is_due { self.take_segment() } else { None };
        let at_disk = self.tasks.at_disk();
        let begun = self.writes.begin_in_row(self.temporary.row(), move |writes| {
            let _at_disk = at_disk;
            // Who waits for another write is not made to wait by the disk.
            temporary.in_turn(|| writes.timed(|| temporary.write(&pieces, offset)))?;
            if temporary.is_to_be_forgotten(len) {
                writes.timed(|| temporary.forget());
            }
            Ok(())
        });
        self.writing = Some(Writing {
            begun,
            len,
            completes,
        });
    }

    /// Waits for the write under way; for ever if there is none. Returns the bytes that landed and, if it is complete,
    /// the segment they belong to. Cancel safe.
    pub(super) async fn written(&mut self) -> Result<(u64, Option<Segment>), Error> {
        let Some(writing) = &mut self.writing else {
            return std::future::pending().await;
        };
        let result = (&mut writing.begun).await;
        let Some(Writing { len, completes, .. }) = self.writing.take() else {
            unreachable!("nobody else takes the write")
        };
        result?;
        self.landed += len;
        Ok((len, completes))
    }

    /// What has been received since the last segment, all of it landed or about to.
    pub(super) fn take_segment(&mut self) -> Option<Segment> {
        let range = ByteRange::new(self.segment_start, self.next_offset())?;
        self.segment_start = range.end();
        let crc = std::mem::replace(&mut self.crc, RunningCrc64::new());
        Some(Segment {
            range,
            crc: crc.finish(),
        })
    }

    /// Offset of the next byte to come.
    pub(super) fn next_offset(&self) -> u64 {
        self.write_from + self.collected as u64
    }

    /// Bytes before this offset are in the temporary file.
    pub(super) fn landed(&self) -> u64 {
        self.landed
    }

    /// Whether no more is to be collected before a write has begun.
    pub(super) fn is_full(&self) -> bool {
        self.collected >= WRITE_LEN
    }

    /// Whether a write is under way.
    pub(super) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    fn sweep_crumbs(&mut self) {
        if !self.crumbs.is_empty() {
            self.pieces.push(self.crumbs.split().freeze());
        }
    }
}

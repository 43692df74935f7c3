//! From the pieces that a body yields to large writes: collects, hands over to a blocking thread, and goes on
//! collecting while that one writes. Knows the file and the offsets, not the network.
//!
//! At most one write is under way and one is being collected, so an intake holds at most twice [`WRITE_LEN`] and one
//! piece of body, whatever the size of its range (invariant I9).

use bytes::{Bytes, BytesMut};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::checksum::RunningCrc64;
use crate::coverage::{Segment, Standing};
use crate::error::Error;
use crate::range::ByteRange;
use crate::temporary::TemporaryFile;

/// Bytes that are collected before they are written.
pub(super) const WRITE_LEN: usize = 512 << 10;

/// Shorter pieces are copied together: a slow connection's crumbs would each pin a buffer and cost a system call.
const COPY_BELOW: usize = 64 << 10;

/// Collects and writes the bytes of one range, front to back.
#[derive(Debug)]
pub(super) struct Intake {
    temporary: TemporaryFile,
    standing: Standing,
    report_every: u64,
    /// Collected, not yet handed over.
    pieces: Vec<Bytes>,
    crumbs: BytesMut,
    collected: usize,
    /// Offset of the first collected byte that no write was begun for.
    write_from: u64,
    writing: Option<JoinHandle<Result<Written, Error>>>,
    /// Bytes before this offset are in the kernel.
    landed: u64,
    /// Start and CRC of what has landed and was not reported. The CRC travels with the write under way.
    segment_start: u64,
    crc: Option<RunningCrc64>,
}

#[derive(Debug)]
struct Written {
    len: u64,
    crc: RunningCrc64,
}

impl Intake {
    pub(super) fn new(temporary: TemporaryFile, start: u64, standing: Standing, report_every: u64) -> Self {
        Self {
            temporary,
            standing,
            report_every,
            pieces: Vec::new(),
            crumbs: BytesMut::new(),
            collected: 0,
            write_from: start,
            writing: None,
            landed: start,
            segment_start: start,
            crc: Some(RunningCrc64::new()),
        }
    }

    /// Offset of the next byte to come.
    pub(super) fn next_offset(&self) -> u64 {
        self.write_from + self.collected as u64
    }

    /// Bytes before this offset are in the temporary file.
    pub(super) fn landed(&self) -> u64 {
        self.landed
    }

    /// Takes the next piece.
    pub(super) fn push(&mut self, piece: Bytes) {
        self.collected += piece.len();
        if piece.len() < COPY_BELOW {
            self.crumbs.extend_from_slice(&piece);
        } else {
            self.sweep_crumbs();
            self.pieces.push(piece);
        }
    }

    /// Whether enough is collected for a write.
    pub(super) fn is_full(&self) -> bool {
        self.collected >= WRITE_LEN
    }

    /// Whether a write is under way.
    pub(super) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Hands what is collected to a blocking thread. Not to be called while a write is under way.
    pub(super) fn begin_write(&mut self) {
        debug_assert!(!self.is_writing(), "one write at a time");
        self.sweep_crumbs();
        let pieces = std::mem::take(&mut self.pieces);
        let (temporary, offset, len) = (self.temporary.clone(), self.write_from, self.collected as u64);
        let mut crc = self
            .crc
            .take()
            .expect("the CRC is here while no write is under way");
        self.write_from += len;
        self.collected = 0;
        self.writing = Some(spawn_blocking(move || {
            temporary.write(&pieces, offset, &mut crc)?;
            Ok(Written { len, crc })
        }));
    }

    /// Waits for the write under way; for ever if there is none. Returns the bytes that landed and, if it is time,
    /// the segment to report. Cancel safe.
    pub(super) async fn written(&mut self) -> Result<(u64, Option<Segment>), Error> {
        let Some(writing) = &mut self.writing else {
            return std::future::pending().await;
        };
        let result = writing.await;
        self.writing = None;
        let written = result.expect("a write neither panics nor is aborted")?;
        self.landed += written.len;
        self.crc = Some(written.crc);
        let due = self.landed - self.segment_start >= self.report_every;
        Ok((written.len, if due { self.take_segment() } else { None }))
    }

    /// What has landed and was not reported yet.
    pub(super) fn take_segment(&mut self) -> Option<Segment> {
        let range = ByteRange::new(self.segment_start, self.landed)?;
        let crc = self
            .crc
            .replace(RunningCrc64::new())
            .expect("the CRC is here while no write is under way");
        self.segment_start = self.landed;
        Some(Segment {
            range,
            crc: crc.finish(),
        })
    }

    pub(super) fn has_collected(&self) -> bool {
        self.collected > 0
    }

    pub(super) fn standing(&self) -> Standing {
        self.standing
    }

    fn sweep_crumbs(&mut self) {
        if !self.crumbs.is_empty() {
            self.pieces.push(self.crumbs.split().freeze());
        }
    }
}

//! What a download tells while it runs: the events that TOS users know, and some that the official SDKs do not have.

mod listeners;
mod queue;
mod stream;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use listeners::{Listeners, Narrator};
pub use stream::DownloadEvents;

use crate::checksum::Crc64;
use crate::error::Error;
use crate::plan::Piece;

/// Something that happened in a download.
///
/// In each call, in this order:
///
/// 1. `CheckpointSetAside`, if there was a checkpoint that could not be used;
/// 2. `CreateTempFileSucceed` or `CreateTempFileFailed`;
/// 3. `Resumed`, if bytes of an earlier call are used;
/// 4. for each part, in the order in which it happens: `AttemptRetried` any number of times, then
///    `DownloadPartSucceed`, `DownloadPartFailed` or `DownloadPartAborted`; among them `Rechecked`, at most once;
/// 5. `Mending`, if the result is not the object, followed by more of 4;
/// 6. `RenameTempFileSucceed` or `RenameTempFileFailed` as the last one, if all parts succeeded.
///
/// `Rechecked` comes once more in a mending, and at the end with [`Recheck::Always`](crate::Recheck::Always). `ObjectChanged` comes in place of 6 or, if another part failed before, of
/// nothing; a download that starts over then begins with 1. A call that is refused before it knows the object (wrong key,
/// no network) has no events, save `CreateTempFileFailed` where another download holds the temporary file; neither has one
/// for a key that stands for a directory.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DownloadEvent {
    /// What happened.
    pub event_type: DownloadEventType,
    /// Why, for the types that tell of a failure or a retry.
    pub error: Option<Error>,
    /// The object's bucket; empty where a URL was asked for.
    pub bucket: Arc<str>,
    /// The object's key; of a URL its path, decoded.
    pub key: Arc<str>,
    /// The version that was asked for.
    pub version_id: Option<Arc<str>>,
    /// The destination, absolute.
    pub file_path: Arc<Path>,
    /// The checkpoint's journal; `None` if the download keeps no checkpoint. An object of at most one part has none on
    /// disk.
    pub checkpoint_file: Option<Arc<Path>>,
    /// The temporary file, absolute.
    pub temp_file_path: Arc<Path>,
    /// The part, for the types that are about one.
    pub download_part: Option<DownloadPart>,
}

/// What can happen. [`value`](Self::value) is the official SDKs' number.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DownloadEventType {
    /// 1: The temporary file is open; on every call, also where an earlier one had created it.
    CreateTempFileSucceed,
    /// 2: The temporary file or the journal could not be created, opened or locked.
    CreateTempFileFailed,
    /// 3: What was missing of a part is in the temporary file and recorded.
    DownloadPartSucceed,
    /// 4: A part failed for good, and so does the call.
    DownloadPartFailed,
    /// 5: A part that was under way was stopped, because the call was canceled or another part failed.
    DownloadPartAborted,
    /// 6: The destination is the object.
    RenameTempFileSucceed,
    /// 7: The temporary file could not become the destination: it is not the object, or the disk failed.
    RenameTempFileFailed,
    /// 101: Bytes of an earlier call are used.
    Resumed {
        /// Bytes that are believed to be there.
        bytes: u64,
        /// Of these, bytes that are read back before they are believed; `Rechecked` tells what came of it.
        doubtful_bytes: u64,
    },
    /// 102: Bytes that had been written, by an earlier call or by this one, were read back.
    Rechecked {
        /// Bytes that were as remembered.
        good_bytes: u64,
        /// Bytes that were not, and are fetched again.
        bad_bytes: u64,
    },
    /// 103: An attempt failed and is made again.
    AttemptRetried {
        /// … after this time.
        wait: Duration,
    },
    /// 104: A checkpoint was there and could not be used; the download starts afresh.
    CheckpointSetAside {
        /// Why.
        reason: String,
    },
    /// 105: The object is not the one that the download began with.
    ObjectChanged,
    /// 106: The listener was so slow that events of single parts were dropped.
    EventsMissed {
        /// How many.
        count: u64,
    },
    /// 107: All bytes are there, and their CRC64 is not the object's: what is wrong is looked for and fetched again.
    Mending,
}

/// A part, or what was missing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DownloadPart {
    /// The part's number, from 1. With another part size, parts have other numbers.
    pub part_number: u64,
    /// First byte that this call had to fetch of it.
    pub range_start: u64,
    /// The byte after the last one. A part of which an earlier call left several pieces has an event for each.
    pub range_end: u64,
    /// CRC-64/XZ of these bytes, once they are there.
    pub hash_crc64ecma: Option<u64>,
}

impl DownloadEventType {
    /// The number that TOS users know: 1 to 7 as in the official SDKs, from 101 on tosget's own.
    pub fn value(&self) -> u32 {
        match self {
            Self::CreateTempFileSucceed => 1,
            Self::CreateTempFileFailed => 2,
            Self::DownloadPartSucceed => 3,
            Self::DownloadPartFailed => 4,
            Self::DownloadPartAborted => 5,
            Self::RenameTempFileSucceed => 6,
            Self::RenameTempFileFailed => 7,
            Self::Resumed { .. } => 101,
            Self::Rechecked { .. } => 102,
            Self::AttemptRetried { .. } => 103,
            Self::CheckpointSetAside { .. } => 104,
            Self::ObjectChanged => 105,
            Self::EventsMissed { .. } => 106,
            Self::Mending => 107,
        }
    }

    /// Whether there can be any number of them in one call.
    fn is_one_of_many(&self) -> bool {
        matches!(self, Self::DownloadPartSucceed | Self::AttemptRetried { .. })
    }
}

impl DownloadPart {
    pub(crate) fn new(piece: Piece, crc: Option<Crc64>) -> Self {
        Self {
            part_number: piece.part_number,
            range_start: piece.range.start(),
            range_end: piece.range.end(),
            hash_crc64ecma: crc.map(|crc| crc.0),
        }
    }

    /// Number of bytes.
    pub fn size(&self) -> u64 {
        self.range_end - self.range_start
    }
}

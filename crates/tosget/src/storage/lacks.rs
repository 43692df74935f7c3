//! What a file system can't do, and a download does without: that is said, once.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// So often in a row a call is made again that a signal interrupted.
const MOST_INTERRUPTIONS: usize = 1000;

/// Something that not every file system has.
#[derive(Debug)]
pub(super) struct Feature {
    what: &'static str,
    is_missed: AtomicBool,
}

pub(super) static DIRECTORY_SYNC: Feature =
    Feature::new("a directory can't be synced: after a power cut a file may lack its name");
pub(super) static FILE_SYNC: Feature =
    Feature::new("a file can't be synced: after a power cut it may lack bytes");
pub(super) static LOCKS: Feature =
    Feature::new("files can't be locked: other downloads are told by the journal alone");
pub(super) static RESERVATION: Feature =
    Feature::new("space can't be reserved: the disk may turn out to be full on the way");
pub(super) static LENGTH: Feature =
    Feature::new("a file can't be given its length: it grows with what is written");
pub(super) static INODES: Feature =
    Feature::new("one file has several inode numbers: it is known by its length and times");

impl Feature {
    const fn new(what: &'static str) -> Self {
        Self {
            what,
            is_missed: AtomicBool::new(false),
        }
    }

    /// Does without it where that is what the error says.
    pub(super) fn or_without(&self, result: io::Result<()>) -> io::Result<()> {
        match result {
            Err(error) if is_lacking(&error) => {
                self.miss(&error);
                Ok(())
            }
            result => result,
        }
    }

    /// Says that it is missing, the first time.
    pub(super) fn miss(&self, why: &dyn std::fmt::Display) {
        if !self.is_missed.swap(true, Ordering::Relaxed) {
            tracing::info!(target: "tosget::checkpoint", why = %why, "the file system lacks something: {}", self.what);
        }
    }
}

/// Whether an error says that the file system can't do what was asked for, rather than that it failed.
#[cfg(unix)]
pub(super) fn is_lacking(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(
        Errno::from_io_error(error),
        Some(Errno::OPNOTSUPP | Errno::NOTTY | Errno::NOSYS | Errno::INVAL)
    )
}

#[cfg(not(unix))]
pub(super) fn is_lacking(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
}

/// Whether an error says that this process may not, rather than that the file system failed.
pub(super) fn is_forbidden(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

/// Makes a call again that a signal interrupted before it did anything.
pub(super) fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for _ in 0..MOST_INTERRUPTIONS {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
    call()
}

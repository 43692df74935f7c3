//! What the system refuses because a process, or the whole system, has enough of it: told from other failures, so that nobody blames
//! the endpoint or the disk for it.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use thiserror::Error;

/// What there is not enough of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shortage {
    /// Descriptors of this process.
    Descriptors,
    /// Open files of the whole system.
    OpenFiles,
    /// Local ports for connections.
    Ports,
    /// Memory of the kernel, or address space of this process.
    Memory,
    /// Inodes of a file system: the files that it has room for.
    Inodes,
    /// The largest file that this process may write.
    FileSize,
}

/// What a full file system's error does not say: that it is full of files, and not of bytes.
#[derive(Debug, Error)]
#[error("no inode is left on the file system")]
pub(crate) struct NoInode;

impl Shortage {
    /// What an error, or one of its causes, says that there is not enough of.
    pub(crate) fn of(error: &(dyn StdError + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if error.is::<NoInode>() {
                return Some(Self::Inodes);
            }
            if let Some(shortage) = error.downcast_ref::<io::Error>().and_then(Self::of_io) {
                return Some(shortage);
            }
            next = error.source();
        }
        None
    }

    pub(crate) fn of_io(error: &io::Error) -> Option<Self> {
        match error.kind() {
            io::ErrorKind::AddrNotAvailable => return Some(Self::Ports),
            io::ErrorKind::OutOfMemory => return Some(Self::Memory),
            io::ErrorKind::FileTooLarge => return Some(Self::FileSize),
            _ => {}
        }
        // An I/O error that wraps another one has no number of its own.
        match error.raw_os_error() {
            Some(number) => Self::of_number(number),
            None => error.get_ref().and_then(|inner| Self::of(inner)),
        }
    }

    #[cfg(unix)]
    fn of_number(number: i32) -> Option<Self> {
        use rustix::io::Errno;
        match Errno::from_raw_os_error(number) {
            Errno::MFILE => Some(Self::Descriptors),
            Errno::NFILE => Some(Self::OpenFiles),
            Errno::NOBUFS => Some(Self::Memory),
            _ => None,
        }
    }

    #[cfg(not(unix))]
    fn of_number(number: i32) -> Option<Self> {
        match number {
            // ERROR_TOO_MANY_OPEN_FILES, WSAEMFILE.
            4 | 10024 => Some(Self::Descriptors),
            // WSAENOBUFS.
            10055 => Some(Self::Memory),
            _ => None,
        }
    }

    /// Whether it may be over when something of ours has been closed, or after a while.
    pub(crate) fn may_pass(self) -> bool {
        self != Self::FileSize
    }

    /// How long to wait for it to be over where nothing of ours is going to be closed.
    pub(crate) fn patience(self) -> Duration {
        Duration::from_secs(match self {
            // Only a download of ours is sure to make room.
            Self::FileSize | Self::Inodes => 0,
            // Somebody else in this process has to close some.
            Self::Descriptors => 3,
            Self::OpenFiles | Self::Memory => 20,
            // The system keeps a port for 60 s after its connection was closed.
            Self::Ports => 75,
        })
    }

    /// The limit, and what to do about it.
    pub(crate) fn hint(self) -> &'static str {
        match self {
            Self::Descriptors => {
                "this process has as many files and connections open as its limit allows: raise the limit of open files (ulimit -n)"
            }
            Self::OpenFiles => {
                "the whole system has as many files open as its limit allows: end other programs, or raise fs.file-max"
            }
            Self::Ports => {
                "this machine has no local port left for a connection: end other connections, or widen the range of local ports \
                 (net.ipv4.ip_local_port_range)"
            }
            Self::Memory => {
                "the system grants no more memory: end other programs, or raise the limit of this process (ulimit -v, or that of its \
                 container)"
            }
            Self::Inodes => {
                "the file system has as many files as it has room for (df -i): remove some, or choose another one"
            }
            Self::FileSize => {
                "the object is larger than a file may be: raise the limit of file sizes (ulimit -f), or choose a file system for larger \
                 files"
            }
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn a_shortage_is_found_below_what_wraps_it() {
        let emfile = || io::Error::from(Errno::MFILE);
        let wrapped = io::Error::other(io::Error::other(emfile()));
        assert_eq!(Shortage::of(&emfile()), Some(Shortage::Descriptors));
        assert_eq!(Shortage::of(&wrapped), Some(Shortage::Descriptors));
        assert_eq!(Shortage::of(&io::Error::other("no")), None);
    }

    #[test]
    fn each_number_has_its_shortage_and_others_have_none() {
        for (errno, shortage) in [
            (Errno::NFILE, Some(Shortage::OpenFiles)),
            (Errno::ADDRNOTAVAIL, Some(Shortage::Ports)),
            (Errno::NOBUFS, Some(Shortage::Memory)),
            (Errno::NOMEM, Some(Shortage::Memory)),
            (Errno::FBIG, Some(Shortage::FileSize)),
            (Errno::CONNREFUSED, None),
            (Errno::NOSPC, None),
            (Errno::IO, None),
        ] {
            assert_eq!(Shortage::of_io(&errno.into()), shortage, "{errno:?}");
        }
    }
}

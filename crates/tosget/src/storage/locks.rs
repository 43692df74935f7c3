//! Whether locks can be relied on, directory by directory: tried out once, and remembered.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Directories that are remembered. Beyond that all are tried again: one costs two `open` and two `flock`.
const MOST_REMEMBERED: usize = 4096;

static KNOWN: Mutex<Option<HashMap<PathBuf, bool>>> = Mutex::new(None);

pub(super) fn are_proof(directory: &Path) -> bool {
    let remembered = known(|known| known.get(directory).copied());
    if let Some(are_proof) = remembered {
        return are_proof;
    }
    // What can't be tried now may be tried later: nothing is remembered.
    let Ok(are_proof) = try_out(existing(directory)) else {
        return false;
    };
    known(|known| {
        if known.len() >= MOST_REMEMBERED {
            known.clear();
        }
        known.insert(directory.to_owned(), are_proof);
    });
    are_proof
}

/// Not to be held during a call to the file system: one that never returns would keep every download of the process.
fn known<T>(look: impl FnOnce(&mut HashMap<PathBuf, bool>) -> T) -> T {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    look(known.get_or_insert_default())
}

/// The directory, or the nearest one above it that there is.
fn existing(directory: &Path) -> &Path {
    let found = directory.ancestors().find(|above| above.is_dir());
    found.unwrap_or_else(|| Path::new("."))
}

/// Takes the lock of a directory twice. Where the second one is granted as well, locks mean nothing.
fn try_out(directory: &Path) -> io::Result<bool> {
    let (first, second) = (File::open(directory)?, File::open(directory)?);
    Ok(is_local(&first)? && (is_refused(first.try_lock())? || is_refused(second.try_lock())?))
}

/// Another program that tries it out at this moment proves as much as we do.
fn is_refused(locked: Result<(), TryLockError>) -> io::Result<bool> {
    match locked {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        // No locks: nothing is proven by them.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => Err(error),
        Err(TryLockError::Error(_)) => Ok(false),
    }
}

/// Whether no other machine can have the file system: then this kernel knows all its locks. The numbers are those of
/// linux/magic.h and of the file systems' own sources. What is not in the list is taken for a network file system.
#[cfg(target_os = "linux")]
fn is_local(directory: &File) -> io::Result<bool> {
    const LOCAL: [u64; 17] = [
        0xEF53,      // ext2, ext3, ext4
        0x5846_5342, // XFS
        0x9123_683E, // Btrfs
        0x0102_1994, // tmpfs
        0x8584_58F6, // ramfs
        0xF2F5_2010, // F2FS
        0x2FC1_2FC1, // ZFS
        0xCA45_1A4E, // bcachefs
        0x794C_7630, // overlayfs, whose upper layer is a local file system
        0x3153_464A, // JFS
        0x5265_4973, // ReiserFS
        0x3434,      // NILFS
        0x2405_1905, // UBIFS
        0x2011_BAB0, // exFAT
        0x4D44,      // FAT
        0x7366_746E, // NTFS
        0xF15F,      // eCryptfs
    ];
    let kind = rustix::fs::fstatfs(directory)?.f_type as u64;
    Ok(LOCAL.contains(&(kind & 0xFFFF_FFFF)))
}

/// Elsewhere the locks are asked, and nothing else.
#[cfg(not(target_os = "linux"))]
fn is_local(_directory: &File) -> io::Result<bool> {
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_of_a_local_directory_are_proof_also_before_it_is_made() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        assert!(are_proof(folder.path()));
        assert!(are_proof(&folder.path().join("not/yet/there")));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_system_that_is_not_known_to_be_local_proves_nothing() {
        assert!(!try_out(Path::new("/proc")).expect("it can be opened"));
    }
}

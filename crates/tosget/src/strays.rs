//! Temporary files that no run looks for: where locks prove nothing each call has names of its own, and one that was killed without a
//! journal leaves a file that nothing refers to. They are removed when they are old, by whoever downloads to their directory later.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::error::Shown;
use crate::storage::{FileKind, Storage};

/// The end of their names, behind a token of 16 digits.
pub(crate) const STRAY: &str = ".once.tosget-part";

/// Nobody waits for the next byte as long as this.
const OLD: Duration = Duration::from_secs(24 * 3600);

/// Directories that are remembered, so that one with a million files is listed once.
const MOST_REMEMBERED: usize = 4096;

static LISTED: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);

/// Removes the old ones in a directory, once in a process. The time is the file system's: `now_ns` is that of a file just written there.
pub(crate) fn remove(storage: &dyn Storage, directory: &Path, now_ns: i64) {
    if !is_first_time(directory) {
        return;
    }
    let names = storage.list(directory).unwrap_or_default();
    for name in names.into_iter().filter(|name| is_stray(name)) {
        let path = directory.join(name);
        let Ok(Some(stat)) = storage.stat(&path) else {
            continue;
        };
        let age = u128::try_from(now_ns.saturating_sub(stat.modified_ns)).unwrap_or(0);
        if stat.kind != FileKind::File || age < OLD.as_nanos() {
            continue;
        }
        let removed = storage.remove(&path);
        tracing::info!(target: "tosget::checkpoint", path = %Shown(&path), ?removed, "a temporary file that nobody goes on with");
    }
}

fn is_first_time(directory: &Path) -> bool {
    let mut listed = LISTED.lock().unwrap_or_else(PoisonError::into_inner);
    let listed = listed.get_or_insert_default();
    if listed.len() >= MOST_REMEMBERED {
        listed.clear();
    }
    listed.insert(directory.to_owned())
}

fn is_stray(name: &OsStr) -> bool {
    let token = |name: &str| {
        let (start, token) = name.strip_suffix(STRAY)?.rsplit_once('.')?;
        let is_token = token.len() == 16 && token.bytes().all(|byte| byte.is_ascii_hexdigit());
        Some(start.starts_with('.') && is_token)
    };
    name.to_str().and_then(token).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stray_is_known_by_its_name() {
        let is_known = |name: &str| is_stray(OsStr::new(name));
        assert!(is_known(
            ".out.0123456789abcdef.fedcba9876543210.once.tosget-part"
        ));
        for other in [
            "out.fedcba9876543210.once.tosget-part",
            ".out.0123456789abcdef.fedcba9876543210.tosget-part",
            ".out.0123456789abcdef.tosget-part",
            ".out.once.tosget-part",
            ".once.tosget-part",
        ] {
            assert!(!is_known(other), "{other}");
        }
    }
}

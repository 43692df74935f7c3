//! How many files and connections this process may still open.

use std::fs;

/// What is left for others than connections and downloads: the runtime's own, a name server, certificates.
const SPARE: usize = 8;

/// How many of `wanted` things that take `each` descriptors there is room for; at least one.
pub(crate) fn room_for(wanted: usize, each: usize) -> usize {
    match free() {
        Some(free) => wanted.min(free.saturating_sub(SPARE) / each).max(1),
        None => wanted,
    }
}

/// `None` where there is no limit, or the system does not tell.
#[cfg(unix)]
fn free() -> Option<usize> {
    use rustix::process::{Resource, getrlimit};
    let limit = usize::try_from(getrlimit(Resource::Nofile).current?).ok()?;
    // One of them is that of this look.
    let open = fs::read_dir("/dev/fd").map_or(limit, |files| files.count() - 1);
    Some(limit.saturating_sub(open))
}

#[cfg(not(unix))]
fn free() -> Option<usize> {
    None
}

//! How much this process may still have of what its limits are about: files and connections that are open, and address space.
//!
//! What is known beforehand is not found out by failing: a process that gets no memory is ended by it.

use std::fs;
use std::io;

#[cfg(unix)]
use crate::error::shortage::Shortage;

/// Descriptors that are left for others than connections and downloads: the runtime's own, a name server, certificates.
const SPARE_DESCRIPTORS: usize = 8;

/// Address space that is left for the same.
const SPARE_MEMORY: u64 = 16 << 20;

/// Address space that a thread takes: its stack, and what the C library sets aside for its allocations.
const THREAD: u64 = 160 << 20;

/// Descriptors that a runtime takes, and that should be left besides.
const RUNTIME: usize = 4 + 14;

/// What one of many things takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needs {
    pub(crate) descriptors: usize,
    /// Bytes of address space.
    pub(crate) memory: u64,
}

/// Makes sure that there are descriptors for a runtime: tokio panics where there are none for its signals.
#[cfg(unix)]
pub(crate) fn spare_descriptors() -> io::Result<()> {
    use std::os::fd::AsFd;
    /// Two for polling, three for signals, one to be woken by, and one more for whatever is opened meanwhile.
    const NEEDED: usize = 7;
    let stderr = io::stderr();
    let taken = (0..NEEDED).map(|_| stderr.as_fd().try_clone_to_owned());
    match taken.collect::<io::Result<Vec<_>>>() {
        // Somebody closed stderr: nothing is known then.
        Err(error) if Shortage::of_io(&error).is_none() => Ok(()),
        taken => taken.map(drop),
    }
}

#[cfg(not(unix))]
pub(crate) fn spare_descriptors() -> io::Result<()> {
    Ok(())
}

/// How many of `wanted` things there is room for; at least one.
pub(crate) fn room_for(wanted: usize, each: Needs) -> usize {
    let by_descriptors =
        free_descriptors().map(|free| free.saturating_sub(SPARE_DESCRIPTORS) / each.descriptors);
    wanted
        .min(by_descriptors.unwrap_or(wanted))
        .min(room_in_memory(wanted, each.memory))
        .max(1)
}

/// Whether there is room for so many more threads.
pub(crate) fn is_room_for_threads(count: usize) -> bool {
    room_in_memory(count, THREAD) == count
}

/// Whether there is room for a runtime that could be done without.
pub(crate) fn is_room_for_runtime() -> bool {
    free_descriptors().is_none_or(|free| free >= RUNTIME)
}

/// How many of `wanted` things there is address space for.
fn room_in_memory(wanted: usize, each: u64) -> usize {
    let free = free_memory().map(|free| free.saturating_sub(SPARE_MEMORY) / each);
    free.and_then(|room| usize::try_from(room).ok())
        .map_or(wanted, |room| room.min(wanted))
}

/// `None` where there is no limit, or the system does not tell.
#[cfg(unix)]
fn free_descriptors() -> Option<usize> {
    use rustix::process::{Resource, getrlimit};
    let limit = usize::try_from(getrlimit(Resource::Nofile).current?).ok()?;
    // One of them is that of this look.
    let open = fs::read_dir("/dev/fd").map_or(limit, |files| files.count() - 1);
    Some(limit.saturating_sub(open))
}

/// Bytes of address space; `None` likewise.
#[cfg(unix)]
fn free_memory() -> Option<u64> {
    use rustix::process::{Resource, getrlimit};
    let limits = [Resource::As, Resource::Data].map(|resource| getrlimit(resource).current);
    let limit = limits.into_iter().flatten().min()?;
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let used = status.lines().find_map(|line| line.strip_prefix("VmSize:"))?;
    let kilobytes: u64 = used.trim().trim_end_matches(" kB").parse().ok()?;
    Some(limit.saturating_sub(kilobytes << 10))
}

#[cfg(not(unix))]
fn free_descriptors() -> Option<usize> {
    None
}

#[cfg(not(unix))]
fn free_memory() -> Option<u64> {
    None
}

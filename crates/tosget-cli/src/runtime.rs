//! The runtime of a command, and what the process needs before it can have one.
//!
//! It runs on the main thread alone: the library brings threads of its own, and does without where the system grants none.

use std::io;

use tokio::runtime::{Builder, Runtime};

use crate::failure::Failure;

/// Makes the runtime. What the system refuses is an error here, and no panic later.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    let made = spare_descriptors()
        .and_then(|()| spare_memory())
        .and_then(|()| Builder::new_current_thread().enable_all().build());
    let runtime = made.map_err(|error| Failure::of_the_system("could not start", &error))?;
    let _entered = runtime.enter();
    outlive_file_size_limit();
    Ok(runtime)
}

/// Makes sure that there are descriptors for the runtime: tokio panics where there are none for its signals.
#[cfg(unix)]
fn spare_descriptors() -> io::Result<()> {
    use std::os::fd::AsFd;
    /// Two for polling, three for signals, one to be woken by, and one more for whatever is opened meanwhile.
    const NEEDED: usize = 7;
    let stderr = io::stderr();
    let taken = (0..NEEDED).map(|_| stderr.as_fd().try_clone_to_owned());
    taken.collect::<io::Result<Vec<_>>>().map(drop)
}

#[cfg(not(unix))]
fn spare_descriptors() -> io::Result<()> {
    Ok(())
}

/// Makes sure that there is address space for a download: a process that gets none where it needs some is ended by it.
fn spare_memory() -> io::Result<()> {
    const NEEDED: usize = 24 << 20;
    let refused = |_| io::Error::from(io::ErrorKind::OutOfMemory);
    Vec::<u8>::new().try_reserve_exact(NEEDED).map_err(refused)
}

/// A signal that is listened to does not kill: a write beyond the limit of file sizes is an error then, which can be told.
#[cfg(unix)]
fn outlive_file_size_limit() {
    use tokio::signal::unix::{SignalKind, signal};
    // Where it can't be listened to, things are as they were.
    let _ = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()));
}

#[cfg(not(unix))]
fn outlive_file_size_limit() {}

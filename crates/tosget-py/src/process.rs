//! What belongs to one process. Threads and connections do not survive a fork: a child must neither use what its parent
//! had nor let go of it, since a lock may have been held by a thread that is not there any more. So it gets its own.

use std::future::pending;
use std::io;
use std::mem;
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pyo3::Python;
use tokio::runtime::{Builder, Handle, Runtime};

/// A value of the process that made it: no other one can reach it, and no other one drops it.
#[derive(Debug)]
pub(crate) struct Owned<T> {
    process: u32,
    value: Option<T>,
}

impl<T> Owned<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            process: process::id(),
            value: Some(value),
        }
    }

    /// The value; nothing in a child of the process that made it.
    pub(crate) fn get(&self) -> Option<&T> {
        self.value.as_ref().filter(|_| self.process == process::id())
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        if self.process != process::id() {
            mem::forget(self.value.take());
        }
    }
}

/// Something that each process makes for itself when it first needs it.
///
/// *Invariant:* its lock is taken only by who holds the interpreter's lock, and not kept beyond that. A fork happens under
/// the interpreter's lock, too, so a child never finds it taken.
#[derive(Debug)]
pub(crate) struct PerProcess<T> {
    slot: Mutex<Option<Owned<T>>>,
}

impl<T: Clone> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        Self {
            slot: Mutex::new(None),
        }
    }

    /// This process's own, made with the interpreter's lock released if it is not there.
    pub(crate) fn get_or_make<E>(
        &self,
        py: Python<'_>,
        make: impl FnOnce() -> Result<T, E> + Send,
    ) -> Result<T, E>
    where
        T: Send,
        E: Send,
    {
        if let Some(there) = self.get(py) {
            return Ok(there);
        }
        let made = py.detach(make)?;
        // Another thread may have been faster; all go on with what is there.
        Ok(self.get(py).unwrap_or_else(|| self.set(py, made)))
    }

    fn get(&self, _: Python<'_>) -> Option<T> {
        let slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        slot.as_ref().and_then(|owned| owned.get().cloned())
    }

    fn set(&self, _: Python<'_>, value: T) -> T {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = Some(Owned::new(value.clone()));
        value
    }
}

/// All clients of a process share its threads.
static RUNTIME: PerProcess<Arc<Runtime>> = PerProcess::new();

/// Where this process's calls wait for their clients, which have threads of their own; started at the first call, and there until the
/// process ends.
pub(crate) fn runtime(py: Python<'_>) -> io::Result<Handle> {
    let runtime = RUNTIME.get_or_make(py, || {
        let runtime = Arc::new(Builder::new_current_thread().enable_all().build()?);
        let driven = runtime.clone();
        // A thread of our own: tokio panics where it can't start one.
        let driver = thread::Builder::new().name("tosget".to_owned());
        driver.spawn(move || driven.block_on(pending::<()>()))?;
        io::Result::Ok(runtime)
    })?;
    Ok(runtime.handle().clone())
}

/// How many threads of ours are in the interpreter, or on their way.
static BUSY: AtomicUsize = AtomicUsize::new(0);

/// Somebody that the interpreter's end waits for. It takes a thread that comes back into it away, in the middle of our frames, and that
/// aborts the process.
pub(crate) struct Busy(());

impl Busy {
    pub(crate) fn begin() -> Self {
        BUSY.fetch_add(1, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        BUSY.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Waits until no thread of ours is in the interpreter, or the patience is at its end.
pub(crate) fn wait_until_idle(patience: Duration) {
    let end = Instant::now() + patience;
    while BUSY.load(Ordering::SeqCst) > 0 && Instant::now() < end {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Does work that waits for the interpreter or for the user's code, away from the runtime's threads; where the system refuses a thread,
/// right here.
pub(crate) fn aside(work: impl FnOnce() + Send + 'static) {
    let busy = Busy::begin();
    let work = move || {
        work();
        drop(busy);
    };
    let work = Arc::new(Mutex::new(Some(work)));
    let take = |work: &Mutex<Option<_>>| work.lock().unwrap_or_else(PoisonError::into_inner).take();
    let theirs = work.clone();
    let thread = thread::Builder::new().name("tosget-python".to_owned());
    let started = thread.spawn(move || {
        if let Some(work) = take(&theirs) {
            work();
        }
    });
    if started.is_err()
        && let Some(work) = take(&work)
    {
        work();
    }
}

//! The threads of a client. Its calls run on them, and a caller only waits for the result.
//!
//! A disk may keep a call to the file system for ever: a hard NFS mount, a frozen file system. It then keeps a thread of ours, never
//! one of the caller's.

use std::fmt;
use std::fs;
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::{JoinError, JoinHandle};
use tracing::Instrument;

use crate::room::{is_room_for_runtime, is_room_for_threads};

/// More threads bring nothing: one processor copies and checks over 1 GB/s.
const MOST_FILE_WORK: usize = 4;

const NAME: &str = "tosget";

/// The threads of one client, started by its first call. Clones share them. They end with the last clone, and nobody waits for that.
#[derive(Clone, Default)]
pub(crate) struct Threads(Arc<Mutex<Option<Unawaited>>>);

/// A runtime that is dropped without waiting: a thread may be in a call to the file system that never returns.
#[derive(Debug)]
pub(crate) struct Unawaited(Option<Runtime>);

impl Unawaited {
    pub(crate) fn new(runtime: Runtime) -> Self {
        Self(Some(runtime))
    }
}

impl Deref for Unawaited {
    type Target = Runtime;

    fn deref(&self) -> &Runtime {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl Drop for Unawaited {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// How many pieces of file work the threads do at a time. There is one thread more, so network and timers always have one, however
/// many the disk keeps.
pub(crate) fn room_for_file_work() -> usize {
    let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    processors.min(MOST_FILE_WORK)
}

impl Threads {
    /// Does some work. Dropping the future stops it at its next wait. Where the system grants no threads, the caller's runtime does it.
    pub(crate) async fn run<F>(&self, work: F) -> F::Output
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        match self.handle() {
            Some(handle) => self.begin(&handle, work).done().await,
            None => work.await,
        }
    }

    /// Begins some work. It keeps the threads until it ends.
    pub(crate) fn begin<F>(&self, handle: &Handle, work: F) -> Work<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let threads = self.clone();
        let work = async move {
            let done = work.await;
            drop(threads);
            done
        };
        Work(Some(handle.spawn(work.in_current_span())))
    }

    /// Where work is begun; `None` where the system grants no threads.
    pub(crate) fn handle(&self) -> Option<Handle> {
        let mut started = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if started.is_none() {
            *started = start().map(Unawaited::new);
        }
        started.as_ref().map(|runtime| runtime.handle().clone())
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads").finish_non_exhaustive()
    }
}

/// Work on a client's threads. Dropping it stops the work at its next wait.
#[derive(Debug)]
pub(crate) struct Work<T>(Option<JoinHandle<T>>);

impl<T> Work<T> {
    /// Waits for its end. Cancel safe.
    pub(crate) async fn done(&mut self) -> T {
        let work = self.0.as_mut().expect("it was not left alone");
        work.await.unwrap_or_else(|error| go_on_unwinding(error))
    }

    /// Waits for it no longer. It goes on until it ends by itself.
    pub(crate) fn leave(mut self) {
        self.0 = None;
    }
}

impl<T> Drop for Work<T> {
    fn drop(&mut self) {
        if let Some(work) = &self.0 {
            work.abort();
        }
    }
}

/// A panic in the work is a bug of ours: it goes on where it would have gone without the threads.
fn go_on_unwinding<T>(error: JoinError) -> T {
    resume_unwind(error.into_panic())
}

/// Waits, by a timer of `handle`: the caller's runtime may have none.
pub(crate) async fn sleep(handle: &Handle, time: Duration) {
    let sleeping = handle.spawn(async move { tokio::time::sleep(time).await });
    // It ends early only with the runtime.
    let _ = sleeping.await;
}

fn start() -> Option<Runtime> {
    let threads = room_for_file_work() + 1;
    if !(is_room_for_runtime() && is_room_for_threads(threads) && are_granted(threads)) {
        return None;
    }
    // tokio panics where the system refuses a thread after all.
    let built = catch_unwind(AssertUnwindSafe(|| {
        Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name(NAME)
            .enable_all()
            .build()
    }));
    built.ok()?.ok()
}

/// Whether the system has so many threads to spare. They are there at the same time, and only for a moment.
fn are_granted(threads: usize) -> bool {
    let before = threads_of_this_process();
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let held = Arc::new(Mutex::new(held));
    let started: Vec<_> = (0..threads)
        .map_while(|_| {
            let held = held.clone();
            let builder = thread::Builder::new().name(NAME.to_owned());
            builder
                .spawn(move || drop(held.lock().map(|held| held.recv())))
                .ok()
        })
        .collect();
    drop(hold);
    let granted = started.len();
    started.into_iter().for_each(|thread| drop(thread.join()));
    wait_until_gone(before);
    granted == threads
}

/// The system counts a thread for a moment longer than it takes to join it.
fn wait_until_gone(before: Option<usize>) {
    const PATIENCE: u32 = 100;
    for _ in 0..PATIENCE {
        if threads_of_this_process() <= before {
            return;
        }
        thread::sleep(Duration::from_micros(200));
    }
}

/// `None` where the system does not tell.
fn threads_of_this_process() -> Option<usize> {
    Some(fs::read_dir("/proc/self/task").ok()?.count())
}

//! Work that may block, away from the threads that must not: on threads of our own, started when they are needed.
//!
//! tokio's are no help where the system refuses threads: it panics if it has none for such work, and if it has only its workers, the work
//! waits for ever. Here work waits for a thread that has other work, and where there is none at all it is done by who asks for it.
//!
//! A disk may keep for ever whatever thread asks it. So names are resolved on other threads, and what is done [in a row](Row) takes one
//! thread, however much of it waits.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::process;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::room::is_room_for_threads;

/// Threads for file work. A hundred downloads that a disk keeps have three each: a write, a record, a sign of life.
const MOST_FOR_FILES: usize = 512;

/// Threads that resolve names: a name server that does not answer keeps them for seconds.
const MOST_FOR_NAMES: usize = 64;

/// How long a thread waits for more work before it ends.
const IDLE: Duration = Duration::from_secs(10);

/// Enough for the deepest that is done here: the system's resolver with its plug-ins.
const STACK: usize = 1 << 20;

type Job = Box<dyn FnOnce() + Send>;

/// Runs work on files where it may block. The work goes on if this is dropped.
pub(crate) fn offload<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Offloaded<T> {
    let (job, result) = told(work);
    begin(&FILES, job);
    result
}

/// Runs the system's resolver where it may block, and no disk is waited for.
pub(crate) fn offload_resolver<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Offloaded<T> {
    let (job, result) = told(work);
    begin(&NAMES, job);
    result
}

fn told<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> (Job, Offloaded<T>) {
    let (tell, result) = oneshot::channel();
    let job = Box::new(move || {
        // Whoever asked may have gone away.
        let _ = tell.send(catch_unwind(AssertUnwindSafe(work)));
    });
    (job, Offloaded(result))
}

#[cfg(not(test))]
fn begin(threads: &'static Threads, job: Job) {
    threads.of_this_process().begin(job);
}

/// tokio's threads, since a paused clock waits for them.
#[cfg(test)]
fn begin(_: &'static Threads, job: Job) {
    if inline::is_wanted() {
        tokio::spawn(async { job() });
    } else {
        tokio::task::spawn_blocking(job);
    }
}

/// The result of work that was offloaded; it panics if the work did.
pub(crate) struct Offloaded<T>(oneshot::Receiver<thread::Result<T>>);

impl<T> Future for Offloaded<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let told = ready!(Pin::new(&mut self.0).poll(context)).expect("work that was begun is done");
        Poll::Ready(told.unwrap_or_else(|panic| resume_unwind(panic)))
    }
}

impl<T> fmt::Debug for Offloaded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offloaded").finish_non_exhaustive()
    }
}

/// Work on files of which one piece is done after the other. Clones are the same row.
#[derive(Clone, Default)]
pub(crate) struct Row(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// A thread has the row until it finds nothing in it.
    has_thread: bool,
}

impl Row {
    /// Runs work after what was put into the row before. The work goes on if this is dropped.
    pub(crate) fn offload<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Offloaded<T> {
        let (job, result) = told(work);
        if self.put(job) {
            let thread = RowThread(Some(self.clone()));
            begin(&FILES, Box::new(move || thread.work()));
        }
        result
    }

    /// Whether the row needs a thread for it.
    fn put(&self, job: Job) -> bool {
        let mut waiting = self.waiting();
        waiting.jobs.push_back(job);
        !std::mem::replace(&mut waiting.has_thread, true)
    }

    fn next(&self) -> Option<Job> {
        let mut waiting = self.waiting();
        let job = waiting.jobs.pop_front();
        waiting.has_thread = job.is_some();
        job
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing in here panics half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a thread does for a row. If none ever does, as when a runtime ends before it could, what waits in the row is dropped: it may
/// hold the row itself, and a lock.
struct RowThread(Option<Row>);

impl RowThread {
    fn work(mut self) {
        let row = self.0.take().expect("it was not dropped");
        while let Some(job) = row.next() {
            job();
        }
    }
}

impl Drop for RowThread {
    fn drop(&mut self) {
        let Some(row) = self.0.take() else { return };
        let left = {
            let mut waiting = row.waiting();
            waiting.has_thread = false;
            std::mem::take(&mut waiting.jobs)
        };
        drop(left);
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row").finish_non_exhaustive()
    }
}

/// The threads of one kind that a process has.
struct Threads {
    name: &'static str,
    most: usize,
    /// … and which process that is.
    pool: Mutex<Option<(u32, Arc<Pool>)>>,
}

static FILES: Threads = Threads::new("tosget-files", MOST_FOR_FILES);
static NAMES: Threads = Threads::new("tosget-names", MOST_FOR_NAMES);

impl Threads {
    const fn new(name: &'static str, most: usize) -> Self {
        Self {
            name,
            most,
            pool: Mutex::new(None),
        }
    }

    /// A child of a fork has none of its parent's threads, and gets a pool of its own.
    #[cfg_attr(test, expect(dead_code, reason = "tests have pools of their own"))]
    fn of_this_process(&self) -> Arc<Pool> {
        // Held for moments only; but a fork may have happened in such a moment, and then it is never given back.
        let Ok(mut pool) = self.pool.try_lock() else {
            return Pool::new(self.name, self.most);
        };
        let process = process::id();
        match &*pool {
            Some((owner, pool)) if *owner == process => pool.clone(),
            _ => {
                let fresh = Pool::new(self.name, self.most);
                // Whatever another process left is not ours to touch.
                std::mem::forget(pool.replace((process, fresh.clone())));
                fresh
            }
        }
    }
}

/// Threads, and what there is for them to do.
struct Pool {
    name: &'static str,
    most: usize,
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    /// Of these, those that wait for work.
    idle: usize,
}

/// What a job that was put into the queue needs.
enum Needs {
    Nothing,
    AThread,
}

impl Pool {
    fn new(name: &'static str, most: usize) -> Arc<Self> {
        Arc::new(Self {
            name,
            most,
            state: Mutex::default(),
            more: Condvar::new(),
        })
    }

    fn begin(self: &Arc<Self>, job: Job) {
        if matches!(self.put(job), Needs::AThread) && !self.start_thread() {
            self.do_what_nobody_does();
        }
    }

    fn put(&self, job: Job) -> Needs {
        let mut state = self.state();
        state.jobs.push_back(job);
        if state.idle >= state.jobs.len() {
            drop(state);
            self.more.notify_one();
            return Needs::Nothing;
        }
        if state.threads == self.most {
            return Needs::Nothing;
        }
        state.threads += 1;
        Needs::AThread
    }

    /// Whether the thread that was counted could be started.
    fn start_thread(self: &Arc<Self>) -> bool {
        if !is_room_for_threads(1) {
            return false;
        }
        let pool = self.clone();
        let thread = thread::Builder::new().name(self.name.to_owned());
        let started = thread.stack_size(STACK).spawn(move || pool.work());
        started.is_ok()
    }

    /// The system refuses threads. Where there is one, it does the work in time; where there is none, it is done here.
    fn do_what_nobody_does(&self) {
        let mut state = self.state();
        state.threads -= 1;
        while state.threads == 0
            && let Some(job) = state.jobs.pop_front()
        {
            drop(state);
            job();
            state = self.state();
        }
    }

    fn work(&self) {
        while let Some(job) = self.next_job() {
            job();
        }
    }

    /// `None` when there was none for long; the thread is not counted any more then.
    fn next_job(&self) -> Option<Job> {
        let mut state = self.state();
        if state.jobs.is_empty() {
            state.idle += 1;
            let waited = self
                .more
                .wait_timeout_while(state, IDLE, |state| state.jobs.is_empty());
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.idle -= 1;
        }
        let job = state.jobs.pop_front();
        state.threads -= usize::from(job.is_none());
        job
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tests that want the same order of events in every run do file work on the one thread that they have.
#[cfg(test)]
pub(crate) mod inline {
    use std::cell::Cell;

    thread_local! {
        static WANTED: Cell<bool> = const { Cell::new(false) };
    }

    pub(crate) fn is_wanted() -> bool {
        WANTED.get()
    }

    /// From now on for this thread.
    pub(crate) fn want() {
        WANTED.set(true);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn pool() -> Arc<Pool> {
        Pool::new("test", MOST_FOR_FILES)
    }

    #[test]
    fn work_that_blocks_keeps_no_other_work_waiting() {
        let pool = pool();
        let (release, held) = channel::<()>();
        let (tell, told) = channel();
        pool.begin(Box::new(move || {
            let _ = held.recv();
        }));
        for number in 0..20 {
            let tell = tell.clone();
            pool.begin(Box::new(move || tell.send(number).expect("heard")));
        }
        let mut done: Vec<i32> = told.iter().take(20).collect();
        done.sort_unstable();
        assert_eq!(done, (0..20).collect::<Vec<_>>());
        drop(release);
    }

    #[test]
    fn threads_are_used_again() {
        let pool = pool();
        let (tell, told) = channel();
        for _ in 0..50 {
            let tell = tell.clone();
            pool.begin(Box::new(move || tell.send(()).expect("heard")));
            told.recv().expect("done");
            while pool.state().idle == 0 {
                thread::yield_now();
            }
        }
        assert_eq!(pool.state().threads, 1);
    }

    #[test]
    fn where_no_thread_can_be_had_work_is_done_by_who_asks_for_it() {
        let pool = pool();
        let here = thread::current().id();
        let (tell, told) = channel();
        assert!(matches!(
            pool.put(Box::new(move || tell
                .send(thread::current().id())
                .expect("heard"))),
            Needs::AThread
        ));
        pool.do_what_nobody_does();
        assert_eq!(told.try_recv(), Ok(here));
        assert_eq!(pool.state().threads, 0);
    }

    #[test]
    fn where_there_is_one_thread_it_does_the_work_in_time() {
        let pool = pool();
        pool.state().threads = 1;
        let (tell, told) = channel();
        pool.put(Box::new(move || tell.send(()).expect("heard")));
        pool.do_what_nobody_does();
        assert!(told.try_recv().is_err(), "not by who asks");
        pool.next_job().expect("it is there")();
        assert_eq!(told.try_recv(), Ok(()));
    }

    /// As many writes as there are tasks may wait for one file: were it a thread for each, other files had none.
    #[test]
    fn a_row_whose_first_piece_is_kept_takes_one_thread_however_much_waits() {
        let (pool, row) = (pool(), Row::default());
        let (release, held) = channel::<()>();
        let (tell, told) = channel();
        let put = |job: Job| {
            if row.put(job) {
                let thread = RowThread(Some(row.clone()));
                pool.begin(Box::new(move || thread.work()));
            }
        };
        put(Box::new(move || {
            let _ = held.recv();
        }));
        for number in 0..MOST_FOR_FILES {
            let tell = tell.clone();
            put(Box::new(move || tell.send(number).expect("heard")));
        }
        assert_eq!(pool.state().threads, 1);
        assert!(told.try_recv().is_err(), "they wait for the first");
        drop(release);
        assert!(
            told.iter().take(MOST_FOR_FILES).eq(0..MOST_FOR_FILES),
            "in their order"
        );
    }

    #[test]
    fn what_waits_in_a_row_that_never_gets_a_thread_is_dropped() {
        let (row, held) = (Row::default(), Arc::new(()));
        let job = held.clone();
        assert!(row.put(Box::new(move || drop(job))));
        drop(RowThread(Some(row.clone())));
        assert_eq!(Arc::strong_count(&held), 1);
        assert!(row.put(Box::new(|| ())), "the next one gets a thread");
    }

    #[tokio::test]
    async fn a_row_gets_a_thread_again_after_it_was_empty_and_after_a_panic() {
        let row = Row::default();
        assert_eq!(row.offload(|| 1).await, 1);
        let panics = tokio::spawn(row.offload(|| panic!("a bug")));
        panics.await.expect_err("it panics");
        assert_eq!(row.offload(|| 2).await, 2);
    }

    #[tokio::test]
    #[should_panic(expected = "a bug")]
    async fn a_panic_reaches_who_waits() {
        offload(|| panic!("a bug")).await;
    }
}

//! File work that is short as a rule: done right here as long as that is so, and away from the runtime's threads when it is not.
//!
//! To hand a piece over to another thread and to be woken by its result costs as much as most pieces do: a write to the page
//! cache is a copy, as reading from a socket is one. On a disk that makes its callers wait, a runtime's thread waits once or twice, and
//! then no more.
//!
//! What makes a piece long is waiting, not computing: where other programs want the processors as well, every thread is kept from them for
//! milliseconds now and then, and one more thread would only be one more of them.

use std::ffi::c_long;
use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tracing::Span;

use crate::offload::{Offloaded, Row};

/// Pieces that wait for longer than this, on an average, are done elsewhere. To hand one over costs some tens of microseconds.
const LONG: Duration = Duration::from_micros(500);

/// One piece counts for no more than this, so that a few dozen short ones are enough to forget it.
const MOST_FOR_ONE: Duration = Duration::from_millis(20);

/// So many pieces make two thirds of the average or so.
const REMEMBERED: u64 = 16;

/// The kinds of file work that a client does many of. Each has its own average: a disk may take writes at once, and let every sync wait.
#[derive(Clone, Debug, Default)]
pub(crate) struct FileWork {
    /// Looking a destination up; a small object's file as a whole, from creating to naming it.
    pub(crate) small_files: ShortWork,
    /// What a task writes into the temporary file.
    pub(crate) writes: ShortWork,
    /// The journal's records.
    pub(crate) records: ShortWork,
}

impl FileWork {
    /// At most `room` pieces, of all kinds together, are done at a time by those who ask for them: a disk may keep each of their
    /// threads for ever.
    pub(crate) fn within(room: usize) -> Self {
        let room = Room(Arc::new(AtomicUsize::new(room)));
        let kind = || ShortWork {
            room: Some(room.clone()),
            ..ShortWork::default()
        };
        Self {
            small_files: kind(),
            writes: kind(),
            records: kind(),
        }
    }
}

/// Knows whether pieces of one kind are short. Clones know the same.
#[derive(Clone)]
pub(crate) struct ShortWork {
    /// How long a piece takes that waits, and nothing for one that does not; in nanoseconds, wherever it is done.
    average: Arc<AtomicU64>,
    /// Pieces are handed over from this average on.
    long: Duration,
    /// And where no more of them may be done here.
    room: Option<Room>,
}

/// Who may do a piece of work where it is asked for.
#[derive(Clone)]
struct Room(Arc<AtomicUsize>);

/// Gives its place back when dropped.
struct Entered<'a>(&'a AtomicUsize);

impl Room {
    /// A place, if one is free.
    fn enter(&self) -> Option<Entered<'_>> {
        let less = |free: usize| free.checked_sub(1);
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        taken.ok().map(|_| Entered(&self.0))
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Default for ShortWork {
    /// Pieces are short until they are not.
    fn default() -> Self {
        Self {
            average: Arc::default(),
            long: LONG,
            room: None,
        }
    }
}

impl ShortWork {
    /// Whether a piece that is begun now is done here.
    pub(crate) fn is_done_here(&self) -> bool {
        Duration::from_nanos(self.average.load(Ordering::Relaxed)) < self.long
    }

    /// Does a piece of work, in the span of whoever asks for it, before this returns if that is short; else begins it. Once begun it
    /// is done, even if nobody waits for it any more.
    pub(crate) fn begin<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Begun<T> {
        self.begin_in_row(&Row::default(), |known| known.timed(work))
    }

    /// The same for work that is done in a row where it is done elsewhere, and of which only a part is to be counted: that which it
    /// [times](Self::timed) itself.
    pub(crate) fn begin_in_row<T: Send + 'static>(
        &self,
        row: &Row,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Begun<T> {
        if self.is_done_here() {
            let entered = self.room.as_ref().map(Room::enter);
            if !matches!(entered, Some(None)) {
                return Begun::Done(Some(work(self)));
            }
        }
        let (span, known) = (Span::current(), self.clone());
        Begun::Away(row.offload(move || span.in_scope(|| work(&known))))
    }

    /// Does a piece of work here or elsewhere, and waits for it.
    pub(crate) async fn run<T: Send + Unpin + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        if self.is_done_here() {
            let_others_go_first().await;
        }
        self.begin(work).await
    }

    /// Does a piece of work, and takes its time into account.
    pub(crate) fn timed<T>(&self, work: impl FnOnce() -> T) -> T {
        let (began, waits) = (Instant::now(), waits_of_this_thread());
        let done = work();
        // One that never waited was short, however long another program had the processor meanwhile: elsewhere it would not
        // have been shorter.
        let has_waited = waits.is_none() || waits != waits_of_this_thread();
        self.took(if has_waited {
            began.elapsed()
        } else {
            Duration::ZERO
        });
        done
    }

    fn took(&self, time: Duration) {
        let nanoseconds = time.min(MOST_FOR_ONE).as_nanos() as u64;
        // Two at the same time may lose one: it is an average.
        let average = self.average.load(Ordering::Relaxed);
        let average = (average * (REMEMBERED - 1) + nanoseconds) / REMEMBERED;
        self.average.store(average, Ordering::Relaxed);
    }
}

/// tokio keeps the task that was woken last for the thread that woke it, and those that [`yield_now`](tokio::task::yield_now) puts off for
/// theirs. A disk may keep the thread, so such a task goes first; this one waits where any thread may take it.
async fn let_others_go_first() {
    let mut has_waited = false;
    poll_fn(|context| {
        if mem::replace(&mut has_waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// How often this thread has let go of the processor by itself, to wait for something; `None` where the system does not tell.
#[cfg(target_os = "linux")]
fn waits_of_this_thread() -> Option<c_long> {
    use nix::sys::resource::{UsageWho, getrusage};
    let usage = getrusage(UsageWho::RUSAGE_THREAD).ok()?;
    Some(usage.voluntary_context_switches())
}

#[cfg(not(target_os = "linux"))]
fn waits_of_this_thread() -> Option<c_long> {
    None
}

/// For tests that want the same order of events in every run, however long anything takes.
#[cfg(test)]
impl FileWork {
    pub(crate) fn always_here(here: bool) -> Self {
        let kind = ShortWork {
            average: Arc::default(),
            long: if here { Duration::MAX } else { Duration::ZERO },
            room: None,
        };
        Self {
            small_files: kind.clone(),
            writes: kind.clone(),
            records: kind,
        }
    }
}

impl fmt::Debug for ShortWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShortWork")
            .field("is_done_here", &self.is_done_here())
            .finish_non_exhaustive()
    }
}

/// A piece of work that was begun; a future of its result, to be polled until it is there.
#[derive(Debug)]
pub(crate) enum Begun<T> {
    /// Empty once it was taken.
    Done(Option<T>),
    Away(Offloaded<T>),
}

impl<T: Unpin> Future for Begun<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        Poll::Ready(match self.get_mut() {
            Self::Done(result) => result.take().expect("a result is taken once"),
            Self::Away(work) => ready!(Pin::new(work).poll(context)),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    async fn is_done_here(work: &ShortWork) -> bool {
        let here = thread::current().id();
        work.run(|| thread::current().id()).await == here
    }

    #[tokio::test]
    async fn short_pieces_are_done_here_and_after_long_ones_the_next_is_not() {
        let work = ShortWork::default();
        assert!(is_done_here(&work).await);
        work.took(MILLISECOND * 3);
        assert!(
            is_done_here(&work).await,
            "the system may have let another program run"
        );
        (0..3).for_each(|_| work.took(MILLISECOND * 3));
        assert!(!is_done_here(&work).await);
    }

    /// With more programs at work than processors, each is kept from one for milliseconds now and then.
    #[cfg(target_os = "linux")]
    #[test]
    fn what_does_not_wait_is_short_however_long_it_takes() {
        let work = ShortWork::default();
        for _ in 0..20 {
            let began = Instant::now();
            work.timed(|| while began.elapsed() < MILLISECOND * 3 {});
        }
        assert!(work.is_done_here());
    }

    #[test]
    fn what_waits_is_long() {
        let work = ShortWork::default();
        (0..10).for_each(|_| work.timed(|| thread::sleep(MILLISECOND * 2)));
        assert!(!work.is_done_here());
    }

    #[test]
    fn one_that_makes_its_caller_wait_long_is_enough() {
        let work = ShortWork::default();
        work.took(MILLISECOND * 200);
        assert!(!work.is_done_here());
    }

    #[test]
    fn pieces_are_done_here_again_when_those_done_elsewhere_have_become_short() {
        let work = ShortWork::default();
        (0..1000).for_each(|_| work.took(MILLISECOND * 200));
        let until_here = (1..).find(|_| {
            work.took(LONG / 4);
            work.is_done_here()
        });
        assert!((10..100).contains(&until_here.expect("sooner or later")));
    }

    #[test]
    fn what_is_done_elsewhere_counts_as_well() {
        let work = ShortWork::default();
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        (0..100).for_each(|_| work.took(MILLISECOND * 2));
        let until_here = (0..1000).position(|_| {
            runtime.block_on(work.run(|| ()));
            work.is_done_here()
        });
        assert!(until_here.is_some());
    }
}

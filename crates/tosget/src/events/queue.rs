//! The way from a download to who listens to it: it never waits for the listener, and it does not grow without bound.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::{DownloadEvent, DownloadEventType};

/// Events that may wait: as many as a multipart upload has parts, so that who listens at the end misses nothing.
const MOST_WAITING: usize = 10_000;

/// A queue of events and other things with one reader, which waits for what comes on a thread or in a task.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<T>,
    missed: u64,
    is_closed: bool,
    waker: Option<Waker>,
}

/// What a reader on a thread found.
#[derive(Debug)]
pub(super) enum Next<T> {
    Told(T),
    /// Nothing in the time given.
    Nothing,
    /// Nothing, and nothing more will come.
    Closed,
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        let state = State {
            waiting: VecDeque::new(),
            missed: 0,
            is_closed: false,
            waker: None,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// Appends an event, unless the reader is so far behind that it has to miss one of a single part.
    pub(super) fn push_event(&self, event: DownloadEvent)
    where
        T: From<DownloadEvent>,
    {
        let mut state = self.state();
        if state.waiting.len() >= MOST_WAITING && event.event_type.is_one_of_many() {
            state.missed += 1;
            return;
        }
        if state.missed > 0 {
            let count = std::mem::take(&mut state.missed);
            let missed = DownloadEvent {
                event_type: DownloadEventType::EventsMissed { count },
                error: None,
                download_part: None,
                ..event.clone()
            };
            state.waiting.push_back(missed.into());
        }
        state.waiting.push_back(event.into());
        self.wake(state);
    }

    /// Appends something else, of which there are few.
    pub(super) fn push(&self, told: T) {
        let mut state = self.state();
        state.waiting.push_back(told);
        self.wake(state);
    }

    /// Says that nothing more will come.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        self.wake(state);
    }

    /// Takes the next one, waiting for it on this thread for at most `patience`.
    pub(super) fn next_within(&self, patience: Duration) -> Next<T> {
        let state = self.state();
        let is_quiet = |state: &mut State<T>| state.waiting.is_empty() && !state.is_closed;
        let waited = self.changed.wait_timeout_while(state, patience, is_quiet);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match state.waiting.pop_front() {
            Some(told) => Next::Told(told),
            None if state.is_closed => Next::Closed,
            None => Next::Nothing,
        }
    }

    /// Takes the next one; `None` when nothing more will come.
    pub(super) fn poll_next(&self, context: &Context<'_>) -> Poll<Option<T>> {
        let mut state = self.state();
        match state.waiting.pop_front() {
            Some(told) => Poll::Ready(Some(told)),
            None if state.is_closed => Poll::Ready(None),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    fn wake(&self, mut state: MutexGuard<'_, State<T>>) {
        let waker = state.waker.take();
        drop(state);
        self.changed.notify_one();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // Nothing in here panics half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn event(event_type: DownloadEventType) -> DownloadEvent {
        DownloadEvent {
            event_type,
            error: None,
            bucket: "b".into(),
            key: "k".into(),
            version_id: None,
            file_path: Path::new("/f").into(),
            checkpoint_file: None,
            temp_file_path: Path::new("/t").into(),
            download_part: None,
        }
    }

    fn drain(queue: &Queue<DownloadEvent>) -> Vec<DownloadEventType> {
        let mut drained = Vec::new();
        while let Next::Told(event) = queue.next_within(Duration::ZERO) {
            drained.push(event.event_type);
        }
        drained
    }

    #[test]
    fn a_reader_that_is_too_slow_misses_parts_and_is_told_so_but_never_misses_the_end() {
        let queue = Queue::new();
        for _ in 0..MOST_WAITING + 7 {
            queue.push_event(event(DownloadEventType::DownloadPartSucceed));
        }
        queue.push_event(event(DownloadEventType::RenameTempFileSucceed));
        queue.close();
        let told = drain(&queue);
        assert_eq!(told.len(), MOST_WAITING + 2);
        assert_eq!(
            told[MOST_WAITING..],
            [
                DownloadEventType::EventsMissed { count: 7 },
                DownloadEventType::RenameTempFileSucceed
            ]
        );
        assert!(matches!(queue.next_within(Duration::ZERO), Next::Closed));
    }

    #[test]
    fn what_was_missed_is_told_where_it_is_missing() {
        let queue = Queue::new();
        for _ in 0..MOST_WAITING + 2 {
            queue.push_event(event(DownloadEventType::DownloadPartSucceed));
        }
        drain(&queue);
        queue.push_event(event(DownloadEventType::DownloadPartSucceed));
        assert_eq!(
            drain(&queue),
            [
                DownloadEventType::EventsMissed { count: 2 },
                DownloadEventType::DownloadPartSucceed
            ]
        );
    }

    #[test]
    fn a_reader_on_another_thread_is_woken() {
        let queue: Queue<DownloadEvent> = Queue::new();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| match queue.next_within(Duration::from_secs(600)) {
                Next::Told(event) => event.event_type,
                other => panic!("not an event: {other:?}"),
            });
            queue.push_event(event(DownloadEventType::ObjectChanged));
            assert_eq!(reader.join().expect("no panic"), DownloadEventType::ObjectChanged);
        });
    }
}

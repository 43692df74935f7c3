//! File work that is short as a rule: done right here as long as that is so, and away from the runtime's threads when it is not.
//!
//! To hand a piece over to another thread and to be woken by its result costs more than most pieces do, when a thousand small
//! objects go to a disk that does not wait for anything. On one that does, a runtime's thread waits once, and then no more.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::Span;

use crate::offload::offload;

/// Pieces that take longer, on an average, wait for something.
const LONG: Duration = Duration::from_micros(300);

/// One piece counts for no more than this: the system may have let another program run meanwhile.
const MOST_FOR_ONE: Duration = Duration::from_millis(1);

/// So many pieces make half of the average or so.
const REMEMBERED: u32 = 8;

/// Once they take long, they are handed over for this time; twice the time if one that is tried here then takes long again, and
/// so on.
const FIRST_TIME: Duration = Duration::from_millis(50);
const LONGEST_TIME: Duration = Duration::from_secs(10);

/// Knows whether pieces are short. Clones know the same.
#[derive(Clone)]
pub(crate) struct ShortWork(Arc<Mutex<State>>);

struct State {
    handed_over_until: Option<Instant>,
    next_time: Duration,
    average: Duration,
}

impl State {
    fn new() -> Self {
        Self {
            handed_over_until: None,
            next_time: FIRST_TIME,
            average: Duration::ZERO,
        }
    }
}

impl ShortWork {
    /// Pieces are short until they are not.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(State::new())))
    }

    /// Does a piece of work, in the span of whoever asks for it. Once begun it is done, even if nobody waits for it any more.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        if !self.is_done_here(Instant::now()) {
            let span = Span::current();
            let done = offload(move || span.in_scope(work)).await;
            return done.expect("file work neither panics nor is aborted");
        }
        let began = Instant::now();
        let done = work();
        self.took(began.elapsed(), began);
        done
    }

    /// Whether to do it here. While one is tried, others are not.
    fn is_done_here(&self, now: Instant) -> bool {
        let mut state = self.state();
        match state.handed_over_until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                state.handed_over_until = Some(now + state.next_time);
                true
            }
        }
    }

    fn took(&self, time: Duration, began: Instant) {
        let mut state = self.state();
        let is_tried = state.handed_over_until.is_some();
        if is_tried && time <= LONG {
            *state = State::new();
            return;
        }
        state.average = (state.average * (REMEMBERED - 1) + time.min(MOST_FOR_ONE)) / REMEMBERED;
        if is_tried || state.average > LONG {
            state.handed_over_until = Some(began + time + state.next_time);
            state.next_time = (state.next_time * 2).min(LONGEST_TIME);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ShortWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShortWork").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    /// As many as it takes to be believed.
    fn take_long(work: &ShortWork, now: Instant) {
        (0..REMEMBERED).for_each(|_| work.took(MILLISECOND, now));
    }

    #[tokio::test]
    async fn short_pieces_are_done_here_and_after_long_ones_the_next_is_not() {
        let work = ShortWork::new();
        let here = thread::current().id();
        assert_eq!(work.run(|| thread::current().id()).await, here);
        work.took(MILLISECOND * 100, Instant::now());
        assert_eq!(
            work.run(|| thread::current().id()).await,
            here,
            "one alone says nothing"
        );
        take_long(&work, Instant::now());
        assert_ne!(work.run(|| thread::current().id()).await, here);
    }

    #[test]
    fn after_a_while_one_is_tried_and_tells_how_it_goes_on() {
        let work = ShortWork::new();
        let begin = Instant::now();
        assert!(work.is_done_here(begin));
        take_long(&work, begin);
        let mut now = begin + LONGEST_TIME;
        assert!(work.is_done_here(now), "one is tried");
        assert!(!work.is_done_here(now), "and no other meanwhile");
        for _ in 0..20 {
            work.took(MILLISECOND, now);
            assert!(!work.is_done_here(now + FIRST_TIME), "longer than at first");
            now += LONGEST_TIME + MILLISECOND;
            assert!(work.is_done_here(now), "but not for ever");
        }
        work.took(LONG, now);
        assert!(work.is_done_here(now) && work.is_done_here(now));
    }
}

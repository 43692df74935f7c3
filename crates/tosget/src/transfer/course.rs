//! How far a task is and how far it has to go: shared by the task and the loop that watches over it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::range::ByteRange;

/// The course of one task. Clones are views of the same course.
#[derive(Clone, Debug)]
pub(crate) struct Course(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    stop: CancellationToken,
}

/// Invariant: `position <= end`; and bytes from `end` on are another task's.
#[derive(Clone, Copy, Debug)]
struct State {
    position: u64,
    end: u64,
    received: u64,
    doing: Doing,
}

/// What a task is busy with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// It waits for the server: for the head of an answer, or for more of a body.
    Network,
    /// It waits for something of ours: the disk, a rate limiter, the time until a retry.
    Ours,
}

/// A task as it looks from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outlook {
    /// All bytes before this one are received.
    pub(crate) position: u64,
    /// Where its work ends.
    pub(crate) end: u64,
    /// Bytes received in all attempts.
    pub(crate) received: u64,
    pub(crate) doing: Doing,
}

impl Course {
    /// The course of a task for `range`, which is stopped by `stop`.
    pub(crate) fn new(range: ByteRange, stop: CancellationToken) -> Self {
        let state = State {
            position: range.start(),
            end: range.end(),
            received: 0,
            doing: Doing::Network,
        };
        Self(Arc::new(Shared {
            state: Mutex::new(state),
            stop,
        }))
    }

    /// Tells the task to write what it has received, report it and end.
    pub(crate) fn stop(&self) {
        self.0.stop.cancel();
    }

    /// Completes when the task is told to stop.
    pub(super) async fn stopped(&self) {
        self.0.stop.cancelled().await;
    }

    /// What is left to receive; `None` when nothing is.
    pub(crate) fn rest(&self) -> Option<ByteRange> {
        let state = self.state();
        ByteRange::new(state.position, state.end)
    }

    pub(crate) fn outlook(&self) -> Outlook {
        let State {
            position,
            end,
            received,
            doing,
        } = *self.state();
        Outlook {
            position,
            end,
            received,
            doing,
        }
    }

    /// Takes the second half of what is left away from the task, if that is at least `least` bytes.
    pub(crate) fn halve(&self, least: u64) -> Option<ByteRange> {
        let mut state = self.state();
        let middle = state.position + (state.end - state.position).div_ceil(2);
        let second = ByteRange::new(middle, state.end).filter(|half| half.len() >= least)?;
        state.end = middle;
        Some(second)
    }

    /// Notes that `len` bytes came, and returns how many of them are the task's own.
    pub(super) fn receive(&self, len: usize) -> usize {
        let mut state = self.state();
        let room = state.end - state.position;
        let own = usize::try_from(room).map_or(len, |room| len.min(room));
        state.position += own as u64;
        state.received += own as u64;
        own
    }

    /// Notes where the next attempt begins; after a range was disproved, that is further back.
    pub(super) fn go_on_from(&self, position: u64) {
        let mut state = self.state();
        state.position = position.min(state.end);
    }

    pub(super) fn set_doing(&self, doing: Doing) {
        self.state().doing = doing;
    }

    /// Where the task's work ends by now.
    pub(crate) fn end(&self) -> u64 {
        self.state().end
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way through a change.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(start: u64, end: u64) -> Course {
        let range = ByteRange::new(start, end).expect("not empty");
        Course::new(range, CancellationToken::new())
    }

    #[test]
    fn the_half_that_is_taken_away_is_not_received() {
        let course = course(100, 200);
        assert_eq!(course.receive(20), 20);
        let half = course.halve(1).expect("enough is left");
        assert_eq!((half.start(), half.end()), (160, 200));
        assert_eq!(course.receive(100), 40, "what is beyond the new end is another's");
        assert_eq!(course.rest(), None);
        assert_eq!(course.halve(1), None, "nothing is left to halve");
    }

    #[test]
    fn the_last_byte_is_never_taken_away() {
        let course = course(5, 6);
        assert_eq!(course.halve(1), None);
        assert_eq!(course.receive(1), 1);
    }

    #[test]
    fn too_little_is_not_halved() {
        let course = course(0, 100);
        assert_eq!(course.halve(51), None);
        assert_eq!(course.halve(50).map(ByteRange::len), Some(50));
    }

    #[test]
    fn a_range_that_was_disproved_is_received_again() {
        let course = course(0, 100);
        course.receive(100);
        course.go_on_from(0);
        assert_eq!(course.rest().map(ByteRange::len), Some(100));
        course.receive(60);
        assert_eq!(course.outlook().received, 160);
    }
}

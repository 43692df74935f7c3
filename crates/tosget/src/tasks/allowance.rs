//! Exactly as many tasks as were asked for, and fewer only while the service says that it is too much. Pure: time is an
//! argument.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::search::Change;

/// One overload is told by many tasks at once; it counts once.
const ONE_OVERLOAD: Duration = Duration::from_secs(1);

/// After this long without another complaint, one more task is tried.
const ONE_MORE: Duration = Duration::from_secs(2);

/// Halves the number of tasks when the service is overloaded, and feels its way back up.
#[derive(Clone, Debug)]
pub(super) struct Allowance {
    most: usize,
    now: usize,
    /// When the number changed last.
    changed: Option<Duration>,
}

impl Allowance {
    /// `most` tasks, until somebody complains.
    pub(super) fn new(most: NonZeroUsize) -> Self {
        Self {
            most: most.get(),
            now: most.get(),
            changed: None,
        }
    }

    /// How many tasks may be at work.
    pub(super) fn tasks(&self) -> usize {
        self.now
    }

    /// The service refused a request, or slowed it down, because there are too many. `at_work` tasks are at work.
    pub(super) fn overloaded(&mut self, at_work: usize, now: Duration) -> Option<Change> {
        let is_news = self
            .changed
            .is_none_or(|at| now.saturating_sub(at) >= ONE_OVERLOAD);
        is_news.then(|| {
            let half = (self.now.min(at_work) / 2).max(1);
            self.set(half, now, "the service says that it is too much")
        })
    }

    /// The service refuses more connections than those of `borne` tasks.
    pub(super) fn limited(&mut self, borne: usize, now: Duration) -> Option<Change> {
        let is_news = borne < self.now;
        let change = self.set(borne.min(self.now), now, "the service refuses more connections");
        is_news.then_some(change)
    }

    /// One more, if it is time for it.
    pub(super) fn look(&mut self, now: Duration) -> Option<Change> {
        let at = self.changed.filter(|_| self.now < self.most)?;
        (now.saturating_sub(at) >= ONE_MORE)
            .then(|| self.set(self.now + 1, now, "the service bore the number before"))
    }

    fn set(&mut self, tasks: usize, now: Duration, reason: &'static str) -> Change {
        self.now = tasks;
        self.changed = Some(now);
        Change {
            tasks,
            bytes_per_second: None,
            reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn allowance(most: usize) -> Allowance {
        Allowance::new(NonZeroUsize::new(most).expect("not zero"))
    }

    #[test]
    fn it_is_halved_once_however_many_complain_at_once() {
        let mut allowance = allowance(16);
        for _ in 0..16 {
            allowance.overloaded(16, SECOND);
        }
        assert_eq!(allowance.tasks(), 8);
        allowance.overloaded(8, SECOND + ONE_OVERLOAD);
        assert_eq!(allowance.tasks(), 4);
    }

    #[test]
    fn it_never_falls_below_one_and_grows_back_to_where_it_was() {
        let mut allowance = allowance(3);
        for second in 0..5 {
            allowance.overloaded(3, SECOND * second);
        }
        assert_eq!(allowance.tasks(), 1);
        let look = |second| {
            allowance.look(SECOND * second);
            allowance.tasks()
        };
        let grown: Vec<usize> = (6..20).map(look).collect();
        assert_eq!(grown[..6], [2, 2, 3, 3, 3, 3]);
        assert_eq!(grown.last(), Some(&3));
    }

    #[test]
    fn where_more_connections_are_refused_those_that_are_borne_go_on_and_one_more_is_tried_later() {
        let mut allowance = allowance(16);
        allowance.limited(5, SECOND);
        allowance.limited(4, SECOND);
        allowance.limited(9, SECOND);
        assert_eq!(allowance.tasks(), 4);
        allowance.look(SECOND + ONE_MORE);
        assert_eq!(allowance.tasks(), 5);
        allowance.limited(4, SECOND * 4);
        assert_eq!(allowance.tasks(), 4);
    }

    #[test]
    fn what_is_halved_is_what_is_at_work() {
        let mut allowance = allowance(1000);
        allowance.overloaded(10, SECOND);
        assert_eq!(allowance.tasks(), 5);
    }
}

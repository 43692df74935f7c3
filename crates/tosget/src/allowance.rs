//! How many tasks may be at work while the service says that it is too much. Pure: time is an argument.

use std::num::NonZeroUsize;
use std::time::Duration;

/// One overload is told by many tasks at once; it counts once.
const ONE_OVERLOAD: Duration = Duration::from_secs(1);

/// After this long without another complaint, one more task is tried.
const ONE_MORE: Duration = Duration::from_secs(2);

/// Halves the number of tasks when the service is overloaded, and feels its way back up.
#[derive(Debug)]
pub(crate) struct Allowance {
    most: NonZeroUsize,
    now: NonZeroUsize,
    /// When the number changed last.
    changed: Option<Duration>,
}

impl Allowance {
    /// `most` tasks, until somebody complains.
    pub(crate) fn new(most: NonZeroUsize) -> Self {
        Self {
            most,
            now: most,
            changed: None,
        }
    }

    /// The service refused a request, or slowed it down, because there are too many. `tasks` are at work.
    pub(crate) fn overloaded(&mut self, tasks: usize, now: Duration) {
        let is_news = self
            .changed
            .is_none_or(|at| now.saturating_sub(at) >= ONE_OVERLOAD);
        if is_news {
            let half = self.now.get().min(tasks) / 2;
            self.now = NonZeroUsize::new(half).unwrap_or(NonZeroUsize::MIN);
            self.changed = Some(now);
        }
    }

    /// How many tasks may be at work.
    pub(crate) fn tasks(&mut self, now: Duration) -> usize {
        if let Some(at) = self.changed
            && self.now < self.most
            && now.saturating_sub(at) >= ONE_MORE
        {
            self.now = self.now.saturating_add(1);
            self.changed = Some(now);
        }
        self.now.get()
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
        assert_eq!(allowance.tasks(SECOND), 8);
        allowance.overloaded(8, SECOND + ONE_OVERLOAD);
        assert_eq!(allowance.tasks(SECOND + ONE_OVERLOAD), 4);
    }

    #[test]
    fn it_never_falls_below_one_and_grows_back_to_where_it_was() {
        let mut allowance = allowance(3);
        for second in 0..5 {
            allowance.overloaded(3, SECOND * second);
        }
        assert_eq!(allowance.tasks(SECOND * 5), 1);
        let grown: Vec<usize> = (6..20).map(|second| allowance.tasks(SECOND * second)).collect();
        assert_eq!(grown[..6], [2, 2, 3, 3, 3, 3]);
        assert_eq!(grown.last(), Some(&3));
    }

    #[test]
    fn what_is_halved_is_what_is_at_work() {
        let mut allowance = allowance(1000);
        allowance.overloaded(10, SECOND);
        assert_eq!(allowance.tasks(SECOND), 5);
    }
}

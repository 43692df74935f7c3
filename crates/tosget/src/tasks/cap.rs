//! The largest number of tasks that may be tried: what the service complained of is not tried again soon. Pure.

use std::time::Duration;

/// One overload is told by many tasks at once; it counts once.
const ONE_OVERLOAD: Duration = Duration::from_secs(1);

/// A number that was borne for this long was not far too large.
const PEACE: Duration = Duration::from_secs(5);

/// What was too much is tried again after this long; each time it is too much again, after twice as long, up to the limit.
const WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Remembers what was too much.
#[derive(Clone, Debug)]
pub(super) struct Cap {
    ceiling: usize,
    /// The most that was borne, as far as it is known; `ceiling` if nobody complained.
    most: usize,
    next_try: Duration,
    wait: Duration,
    complained: Option<Duration>,
}

/// How much fewer tasks there should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    /// After a time of peace: a little.
    Slight,
    Severe,
}

impl Severity {
    /// The number that is tried in place of `tasks`.
    pub(super) fn reduced(self, tasks: usize) -> usize {
        let reduced = match self {
            Self::Slight => tasks - (tasks / 8).max(1).min(tasks),
            Self::Severe => tasks / 2,
        };
        reduced.max(1)
    }
}

impl Cap {
    /// Up to `ceiling` tasks, until somebody complains.
    pub(super) fn new(ceiling: usize) -> Self {
        Self {
            ceiling,
            most: ceiling,
            next_try: Duration::ZERO,
            wait: WAIT,
            complained: None,
        }
    }

    /// The service complains of `tasks` tasks. `None` if that is not news.
    pub(super) fn overloaded(
        &mut self,
        now: Duration,
        tasks: usize,
        first_byte: Duration,
    ) -> Option<Severity> {
        let since = self.complained.map(|at| now.saturating_sub(at));
        if since.is_some_and(|since| since < ONE_OVERLOAD.max(first_byte * 2)) {
            return None;
        }
        self.complained = Some(now);
        self.most = tasks.saturating_sub(1).clamp(1, self.ceiling);
        self.next_try = now + self.wait;
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        Some(match since {
            Some(since) if since < PEACE => Severity::Severe,
            _ => Severity::Slight,
        })
    }

    /// The service refuses more connections than those of `tasks` tasks. Several that are refused at once count once.
    pub(super) fn limited(&mut self, now: Duration, tasks: usize) {
        self.most = tasks.clamp(1, self.most);
        if self
            .complained
            .is_some_and(|at| now.saturating_sub(at) < ONE_OVERLOAD)
        {
            return;
        }
        self.complained = Some(now);
        self.next_try = now + self.wait;
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
    }

    /// So many tasks were borne.
    pub(super) fn borne(&mut self, tasks: usize) {
        if tasks > self.most {
            self.most = tasks;
            self.wait = WAIT;
        }
    }

    /// The most tasks that may be tried.
    pub(super) fn most(&self, now: Duration) -> usize {
        let more = if now < self.next_try {
            0
        } else {
            (self.most / 8).max(1)
        };
        (self.most + more).min(self.ceiling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn one_overload_is_heard_once_however_many_complain() {
        let mut cap = Cap::new(64);
        assert!(cap.overloaded(SECOND, 16, Duration::ZERO).is_some());
        assert!(cap.overloaded(SECOND, 16, Duration::ZERO).is_none());
        assert!(cap.overloaded(SECOND * 2, 16, Duration::ZERO).is_some());
    }

    #[test]
    fn connections_that_are_refused_are_tried_again_later() {
        let mut cap = Cap::new(64);
        cap.limited(SECOND, 6);
        cap.limited(SECOND, 4);
        cap.limited(SECOND, 9);
        assert_eq!((cap.most(SECOND), cap.most(SECOND + WAIT)), (4, 5));
    }

    #[test]
    fn what_was_too_much_is_tried_again_later_and_later() {
        let mut cap = Cap::new(64);
        cap.overloaded(SECOND, 17, Duration::ZERO);
        assert_eq!((cap.most(SECOND), cap.most(SECOND + WAIT)), (16, 18));
        let again = SECOND + WAIT;
        cap.overloaded(again, 18, Duration::ZERO);
        assert_eq!((cap.most(again + WAIT), cap.most(again + 2 * WAIT)), (17, 19));
    }

    #[test]
    fn a_complaint_in_peace_costs_little_and_one_that_follows_costs_half() {
        let mut cap = Cap::new(64);
        let first = cap
            .overloaded(SECOND, 16, Duration::ZERO)
            .map(|severity| severity.reduced(16));
        let then = cap
            .overloaded(SECOND * 3, 14, Duration::ZERO)
            .map(|severity| severity.reduced(14));
        let later = cap
            .overloaded(SECOND * 30, 14, Duration::ZERO)
            .map(|severity| severity.reduced(14));
        assert_eq!((first, then, later), (Some(14), Some(7), Some(13)));
        assert_eq!(Severity::Severe.reduced(1), 1);
        assert_eq!(Severity::Slight.reduced(1), 1);
    }
}

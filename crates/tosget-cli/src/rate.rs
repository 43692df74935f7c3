//! How fast it goes now: the average over the last seconds.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Long enough that parts beginning and ending don't show, short enough that a change does.
const WINDOW: Duration = Duration::from_secs(5);

/// An average over less is a guess.
const LEAST: Duration = Duration::from_millis(400);

/// What was counted in the last seconds.
#[derive(Debug, Default)]
pub(crate) struct RateWindow {
    /// Oldest first; the first one is as old as the window or older, once that much time has passed.
    samples: VecDeque<(Instant, u64)>,
}

impl RateWindow {
    /// At `now`, the counter stood at `bytes`.
    pub(crate) fn note(&mut self, now: Instant, bytes: u64) {
        self.samples.push_back((now, bytes));
        while self
            .samples
            .get(1)
            .is_some_and(|(time, _)| now.duration_since(*time) >= WINDOW)
        {
            self.samples.pop_front();
        }
    }

    /// Bytes per second; `None` while it is too early to tell.
    pub(crate) fn bytes_per_second(&self) -> Option<f64> {
        let ((began, first), (now, last)) = (self.samples.front()?, self.samples.back()?);
        let time = now.duration_since(*began);
        (time >= LEAST).then(|| last.saturating_sub(*first) as f64 / time.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_seconds_count() {
        let began = Instant::now();
        let at = |tenths: u64| began + Duration::from_millis(100 * tenths);
        let mut window = RateWindow::default();
        assert_eq!(window.bytes_per_second(), None);
        window.note(at(0), 1_000_000);
        window.note(at(1), 1_000_100);
        assert_eq!(window.bytes_per_second(), None);
        for tenth in 2..=100 {
            window.note(at(tenth), 1_000_000 + 100 * tenth);
        }
        assert_eq!(window.bytes_per_second(), Some(1000.0));
        for tenth in 101..=200 {
            window.note(at(tenth), 1_010_000);
        }
        assert_eq!(window.bytes_per_second(), Some(0.0));
        assert!(window.samples.len() <= 52, "{}", window.samples.len());
    }
}

//! A shaped link, and what the server sees of a program on it.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::bench::contest::{Arena, Contestant, Figure};
use crate::bench::emulator::{Emulator, Stats};
use crate::bench::figures::Order;
use crate::bench::measured::Run;
use crate::failure::Result;

const SHARE: &str = "share of the best, %";
const LATER_SHARE: &str = "from 3 s on, %";
const MOST: &str = "most requests at a time";
const SETTLED: &str = "at a time from 3 s on";
const REQUESTS: &str = "requests";
const REFUSED: &str = "refused";

pub(crate) const FIGURES: &[&str] = &[SHARE, LATER_SHARE, MOST, SETTLED, REQUESTS, REFUSED];

pub(crate) const EXPLANATION: &str = "\
The share is that of the best this link can give, over the whole run from the start of the process to its end; from 3 s on, by the \
bytes that the server sent. Requests at a time are those whose answer is under way, as the server counts them ten times a second; \
what is settled at is the median of these counts from 3 s on.";

/// By then a program should have found out.
const SETTLED_AFTER: f64 = 3.0;

/// Limits in bytes per second.
pub(crate) struct Link {
    pub(crate) total: u64,
    pub(crate) per_connection: Option<u64>,
    /// Requests at a time, beyond which the answer is 503.
    pub(crate) max_concurrent: Option<u64>,
    /// How many connections it takes to fill it.
    pub(crate) needed: u32,
}

impl Link {
    /// Bytes per second that a perfect client gets.
    pub(crate) fn best(&self) -> u64 {
        let connections = self
            .per_connection
            .map(|each| each.saturating_mul(u64::from(self.needed)));
        connections.map_or(self.total, |together| together.min(self.total))
    }

    pub(crate) fn in_words(&self) -> String {
        let mb = |bytes: u64| bytes / 1_000_000;
        let mut words = format!("{} MB/s", mb(self.total));
        if let Some(each) = self.per_connection {
            words += &format!(", {} MB/s for each connection", mb(each));
        }
        if let Some(limit) = self.max_concurrent {
            words += &format!(", 503 beyond {limit} requests at a time");
        }
        words += &format!(
            "; at best {} MB/s by {} connection(s)",
            mb(self.best()),
            self.needed
        );
        words
    }
}

/// What the server had counted after so many seconds.
pub(crate) type Moment = (f64, Stats);

/// The emulator's view of the run that goes on.
pub(crate) struct Watched<'a> {
    emulator: &'a Emulator,
    link: &'a Link,
    moments: Mutex<Vec<Moment>>,
}

impl<'a> Watched<'a> {
    pub(crate) fn new(emulator: &'a Emulator, link: &'a Link) -> Self {
        Self {
            emulator,
            link,
            moments: Mutex::default(),
        }
    }

    pub(crate) fn moments(&self) -> MutexGuard<'_, Vec<Moment>> {
        self.moments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Arena for Watched<'_> {
    fn prepare(&self) -> Result<()> {
        self.moments().clear();
        self.emulator.forget_requests()
    }

    fn is_watching(&self) -> bool {
        true
    }

    fn look(&self, _: u32, elapsed: Duration) {
        if let Ok(stats) = self.emulator.stats() {
            self.moments().push((elapsed.as_secs_f64(), stats));
        }
    }

    fn figures(&self, _: &Contestant, destination: &Path, run: &Run) -> Result<Vec<Figure>> {
        let best = self.link.best() as f64;
        let len = destination.metadata().map_or(0, |file| file.len());
        let stats = self.emulator.stats()?;
        let (requests, refused) = self.emulator.requests()?;
        let share = 100.0 * len as f64 / run.sample.wall.as_secs_f64() / best;
        let mut figures = vec![(SHARE, share), (MOST, stats.peak_in_flight as f64)];
        figures.extend([(REQUESTS, requests as f64), (REFUSED, refused as f64)]);
        let moments = self.moments();
        figures.extend(later_speed(&moments).map(|speed| (LATER_SHARE, 100.0 * speed / best)));
        figures.extend(settled_at(&moments).map(|number| (SETTLED, number)));
        Ok(figures)
    }
}

/// Bytes per second between the third second and the moment at which all had been sent; none of a shorter run.
fn later_speed(moments: &[Moment]) -> Option<f64> {
    let all = moments.last()?.1.body_bytes_sent;
    let (end, _) = moments.iter().find(|moment| moment.1.body_bytes_sent == all)?;
    let (start, first) = moments.iter().find(|moment| moment.0 >= SETTLED_AFTER)?;
    let seconds = end - start;
    (seconds >= 1.0).then(|| (all - first.body_bytes_sent) as f64 / seconds)
}

/// The median of the requests at a time, without the last second, in which there is less and less to do.
fn settled_at(moments: &[Moment]) -> Option<f64> {
    let all = moments.last()?.1.body_bytes_sent;
    let (end, _) = moments.iter().find(|moment| moment.1.body_bytes_sent == all)?;
    let between = moments
        .iter()
        .filter(|moment| moment.0 >= SETTLED_AFTER && moment.0 < end - 1.0);
    Order::of(between.map(|moment| moment.1.in_flight as f64).collect()).map(|order| order.median)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments() -> Vec<Moment> {
        let stats = |tenths: u64| Stats {
            body_bytes_sent: tenths.min(80) * 10,
            in_flight: if tenths < 30 { 1 } else { 20 },
            ..Stats::default()
        };
        (0..100)
            .map(|tenths| (tenths as f64 / 10.0, stats(tenths)))
            .collect()
    }

    #[test]
    fn the_later_speed_ends_with_the_last_byte() {
        let speed = later_speed(&moments()).expect("it is long enough");
        assert!((speed - 100.0).abs() < 0.1, "{speed}");
        assert!(later_speed(&moments()[..35]).is_none());
    }

    #[test]
    fn what_is_settled_at_is_seen_after_the_third_second() {
        assert_eq!(settled_at(&moments()), Some(20.0));
    }

    #[test]
    fn the_best_is_what_all_connections_get_together() {
        let link = Link {
            total: 400,
            per_connection: Some(20),
            max_concurrent: Some(16),
            needed: 16,
        };
        assert_eq!(link.best(), 320);
        assert_eq!(
            Link {
                per_connection: None,
                ..link
            }
            .best(),
            400
        );
    }
}

//! Limits of so many bytes per second, kept in small slices so that a slow transfer is an even one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::unfold;
use tokio::time::{Instant, sleep_until};

use crate::content::ByteStream;

/// Time that was not used may be made up for, this much at most: timers are only so exact.
const MAX_CREDIT: Duration = Duration::from_millis(50);
/// Shorter waits are added to the next one.
const SHORTEST_WAIT: Duration = Duration::from_millis(2);
const LARGEST_SLICE: u64 = 256 * 1024;

/// A limit that can be changed at any time. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limit {
    /// Bytes per second; 0 for no limit.
    rate: Arc<AtomicU64>,
    /// When everything that was let through so far will have had its time.
    busy_until: Arc<Mutex<Option<Instant>>>,
}

impl Limit {
    pub(crate) fn new(rate: Option<u64>) -> Self {
        let limit = Self::default();
        limit.set(rate);
        limit
    }

    pub(crate) fn set(&self, rate: Option<u64>) {
        self.rate.store(rate.unwrap_or(0), Ordering::Relaxed);
    }

    pub(crate) fn rate(&self) -> Option<u64> {
        Some(self.rate.load(Ordering::Relaxed)).filter(|&rate| rate > 0)
    }

    /// The same rate, counted apart: a limit for one connection among many.
    pub(crate) fn counted_apart(&self) -> Self {
        Self {
            rate: Arc::clone(&self.rate),
            busy_until: Arc::default(),
        }
    }

    /// A hundredth of a second's worth.
    fn slice_len(&self) -> u64 {
        self.rate()
            .map_or(u64::MAX, |rate| (rate / 100).clamp(1, LARGEST_SLICE))
    }

    /// Returns when `bytes` more may go.
    pub(crate) async fn take(&self, bytes: u64) {
        let Some(rate) = self.rate() else { return };
        let now = Instant::now();
        let free = {
            let mut busy_until = self.busy_until.lock().unwrap_or_else(PoisonError::into_inner);
            let earliest = now.checked_sub(MAX_CREDIT).unwrap_or(now);
            let start = busy_until.unwrap_or(now).max(earliest);
            let free = start + Duration::from_secs_f64(bytes as f64 / rate as f64);
            *busy_until = Some(free);
            free
        };
        if free > now + SHORTEST_WAIT {
            sleep_until(free).await;
        }
    }
}

/// Lets a body through no faster than all of `limits` allow.
pub(crate) fn throttle(body: ByteStream, limits: Vec<Limit>) -> ByteStream {
    let state = (body, Bytes::new(), limits);
    Box::pin(unfold(state, |(mut body, mut held, limits)| async move {
        if held.is_empty() {
            match body.next().await? {
                Ok(piece) => held = piece,
                Err(error) => return Some((Err(error), (body, held, limits))),
            }
        }
        let slice_len = limits.iter().map(Limit::slice_len).min().unwrap_or(u64::MAX);
        let slice = held.split_to(held.len().min(usize::try_from(slice_len).unwrap_or(usize::MAX)));
        for limit in &limits {
            limit.take(slice.len() as u64).await;
        }
        Some((Ok(slice), (body, held, limits)))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream::iter;

    fn body(len: usize) -> ByteStream {
        Box::pin(iter([Ok(Bytes::from(vec![7; len]))]))
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_takes_its_time_and_stays_whole() {
        let start = Instant::now();
        let pieces: Vec<_> = throttle(body(5000), vec![Limit::new(Some(1000))]).collect().await;
        let sizes: Vec<_> = pieces
            .into_iter()
            .map(|piece| piece.expect("no error").len())
            .collect();
        assert_eq!(sizes.iter().sum::<usize>(), 5000);
        assert!(sizes.iter().all(|&len| len <= 10), "smooth: {sizes:?}");
        let took = start.elapsed().as_secs_f64();
        assert!((4.9..5.1).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn clones_share_a_limit_and_apart_ones_do_not() {
        let limit = Limit::new(Some(1000));
        for (second, expected) in [(limit.clone(), 2.0), (limit.counted_apart(), 1.0)] {
            let start = Instant::now();
            let both = [limit.counted_apart(), second];
            let first = if expected > 1.5 {
                both[1].clone()
            } else {
                both[0].clone()
            };
            let (a, b) = (
                throttle(body(1000), vec![first]),
                throttle(body(1000), vec![both[1].clone()]),
            );
            tokio::join!(a.count(), b.count());
            let took = start.elapsed().as_secs_f64();
            assert!(
                (expected - 0.1..expected + 0.1).contains(&took),
                "{took} instead of {expected}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_nothing_waits_or_is_cut() {
        let start = Instant::now();
        let pieces: Vec<_> = throttle(body(1 << 20), vec![Limit::new(None)]).collect().await;
        assert_eq!((pieces.len(), start.elapsed()), (1, Duration::ZERO));
    }
}

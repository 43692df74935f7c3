//! How fast bytes may come: a token bucket that any number of downloads share.

mod bucket;

use std::fmt;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::error::{Error, Result};
use bucket::TokenBucket;

/// The most bytes that are let in at once: a connection's turn stays short, so that all get on.
const CHUNK: u64 = 64 << 10;

/// … and no more than what comes in this part of a second, so that a slow rate still flows.
const TURNS_PER_SECOND: u64 = 8;

/// Limits how fast bytes are taken in, over all downloads that were given a clone of it.
///
/// A token bucket: `rate` bytes per second on average, and bursts of up to `capacity` bytes after a pause. It begins
/// full. Over any time, at most `rate` × time + `capacity` bytes reach the files. Bytes that a connection has received
/// ahead are held back in memory (one buffer per task, up to some hundred KiB) and in the kernel's receive buffers; then
/// TCP slows the server down.
///
/// Waiting blocks no thread, and a download that waits is canceled at once. A time without tokens is not taken for a
/// stalled connection; but at a few KiB per second a *server* may lose patience with a connection, which then costs a
/// retry.
///
/// ```
/// use tosget::{DownloadFile, RateLimiter};
///
/// # fn main() -> tosget::Result<()> {
/// let limiter = RateLimiter::new(5 << 20, 10 << 20)?;
/// let one = DownloadFile::new("my-bucket", "one.bin", "one.bin").with_rate_limiter(limiter.clone());
/// let two = DownloadFile::new("my-bucket", "two.bin", "two.bin").with_rate_limiter(limiter.clone());
/// // Later, while both are running:
/// limiter.set_rate(20 << 20)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RateLimiter(Arc<Shared>);

struct Shared {
    bucket: Mutex<TokenBucket>,
    /// Who holds it waits for tokens; the others wait for it, first come, first served.
    turn: tokio::sync::Mutex<()>,
    /// Rate or capacity changed: who waits has to reckon anew.
    changed: Notify,
    began: Instant,
}

impl RateLimiter {
    /// `rate` in bytes per second, `capacity` in bytes; neither may be 0.
    ///
    /// Where the capacity is less than what comes in some milliseconds, the rate may not be reached, because timers
    /// are no finer.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) if one of them is 0.
    pub fn new(rate: u64, capacity: u64) -> Result<Self> {
        let bucket = TokenBucket::new(
            not_zero("rate", rate)?,
            not_zero("capacity", capacity)?,
            Duration::ZERO,
        );
        Ok(Self(Arc::new(Shared {
            bucket: Mutex::new(bucket),
            turn: tokio::sync::Mutex::new(()),
            changed: Notify::new(),
            began: Instant::now(),
        })))
    }

    /// Changes the rate, in bytes per second, from now on; also for who is waiting.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) if it is 0.
    pub fn set_rate(&self, rate: u64) -> Result<()> {
        let rate = not_zero("rate", rate)?;
        self.bucket().set_rate(rate, self.now());
        self.0.changed.notify_waiters();
        Ok(())
    }

    /// Changes the capacity, in bytes, from now on; also for who is waiting.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) if it is 0.
    pub fn set_capacity(&self, capacity: u64) -> Result<()> {
        let capacity = not_zero("capacity", capacity)?;
        self.bucket().set_capacity(capacity, self.now());
        self.0.changed.notify_waiters();
        Ok(())
    }

    /// Bytes per second.
    pub fn rate(&self) -> u64 {
        self.bucket().rate().get()
    }

    /// Bytes of a burst.
    pub fn capacity(&self) -> u64 {
        self.bucket().capacity().get()
    }

    /// Waits until some of `len` bytes, at least 1, may be taken in, and tells how many. Cancel safe: nothing is taken
    /// unless it is told; who drops the future loses its turn.
    pub(crate) async fn admit(&self, len: usize) -> usize {
        let _turn = self.0.turn.lock().await;
        loop {
            // Registered before the look at the bucket, so that no change in between is missed.
            let changed = self.0.changed.notified();
            let wait = match self.try_admit(len) {
                Ok(admitted) => return admitted,
                Err(wait) => wait,
            };
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn try_admit(&self, len: usize) -> Result<usize, Duration> {
        let now = self.now();
        let mut bucket = self.bucket();
        let turn = (bucket.rate().get() / TURNS_PER_SECOND).clamp(1, CHUNK);
        let most = turn.min(bucket.capacity().get());
        let admitted = usize::try_from(most).map_or(len, |most| len.min(most));
        bucket.take(admitted as u64, now).map(|()| admitted)
    }

    fn now(&self) -> Duration {
        self.0.began.elapsed()
    }

    fn bucket(&self) -> MutexGuard<'_, TokenBucket> {
        // Its arithmetic does not panic, so there is no half-made change behind a poisoned lock.
        self.0.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter")
            .field("rate", &self.rate())
            .field("capacity", &self.capacity())
            .finish()
    }
}

fn not_zero(name: &str, number: u64) -> Result<NonZeroU64> {
    NonZeroU64::new(number).ok_or_else(|| {
        Error::invalid_argument(format!(
            "the {name} of a rate limiter is 0: nothing would ever come"
        ))
    })
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;
    use tokio::time::{advance, timeout};

    use super::*;
    use crate::error::ErrorKind;

    /// Takes `len` bytes in and notes when each piece was let in.
    async fn take(limiter: RateLimiter, mut len: usize) -> Vec<(Duration, usize)> {
        let mut log = Vec::new();
        while len > 0 {
            let admitted = limiter.admit(len).await;
            log.push((limiter.now(), admitted));
            len -= admitted;
        }
        log
    }

    #[test]
    fn zero_is_refused() {
        for made in [RateLimiter::new(0, 1), RateLimiter::new(1, 0)] {
            let error = made.expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        }
        let limiter = RateLimiter::new(1, 1).expect("good numbers");
        assert!(limiter.set_rate(0).is_err() && limiter.set_capacity(0).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn all_who_share_it_stay_within_rate_times_time_plus_capacity_over_any_ten_seconds() {
        const RATE: usize = 100_000;
        const CAPACITY: usize = 30_000;
        let limiter = RateLimiter::new(RATE as u64, CAPACITY as u64).expect("good numbers");
        let mut takers: JoinSet<_> = (0..7).map(|_| take(limiter.clone(), 500_000)).collect();
        let mut log = Vec::new();
        while let Some(taken) = takers.join_next().await {
            log.extend(taken.expect("no panic"));
        }
        log.sort_unstable();
        for (first, (from, _)) in log.iter().enumerate() {
            let window = log[first..]
                .iter()
                .take_while(|(at, _)| *at < *from + Duration::from_secs(10));
            let bytes: usize = window.map(|(_, bytes)| bytes).sum();
            assert!(
                bytes <= 10 * RATE + CAPACITY,
                "{bytes} bytes in the 10 s from {from:?}"
            );
        }
        // And it is no slower than it should be: timers are a millisecond late at most.
        let (end, _) = log.last().expect("something was taken");
        let least = (7 * 500_000 - CAPACITY) as f64 / RATE as f64;
        assert!(
            (least..least * 1.1).contains(&end.as_secs_f64()),
            "{end:?}, should be {least} s"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_share_it_get_the_same() {
        let limiter = RateLimiter::new(8_000, 1_000).expect("good numbers");
        let takers: JoinSet<_> = (0..4).map(|_| take(limiter.clone(), 100_000)).collect();
        let ends = takers
            .join_all()
            .await
            .into_iter()
            .map(|log| log.last().expect("not empty").0);
        let (first, last) = (ends.clone().min().expect("four"), ends.max().expect("four"));
        assert!(last - first < Duration::from_secs(1), "{first:?} and {last:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_rate_holds_for_who_is_waiting() {
        let limiter = RateLimiter::new(1, 1).expect("good numbers");
        limiter.admit(1).await;
        let waiting = tokio::spawn(take(limiter.clone(), 1_000));
        advance(Duration::from_secs(10)).await;
        limiter.set_rate(1_000_000).expect("good number");
        limiter.set_capacity(1_000_000).expect("good number");
        let log = timeout(Duration::from_secs(1), waiting)
            .await
            .expect("in time")
            .expect("no panic");
        assert_eq!(log.iter().map(|(_, bytes)| bytes).sum::<usize>(), 1_000);
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_waiting_takes_nothing() {
        let limiter = RateLimiter::new(1_000, 1_000).expect("good numbers");
        assert_eq!(take(limiter.clone(), 1_000).await.len(), 8);
        for _ in 0..50 {
            assert!(
                timeout(Duration::from_micros(10), limiter.admit(100))
                    .await
                    .is_err()
            );
        }
        // The second that this takes is what was taken before, and no more.
        let began = limiter.now();
        take(limiter.clone(), 1_000).await;
        assert!(limiter.now() - began <= Duration::from_millis(1_010));
    }
}

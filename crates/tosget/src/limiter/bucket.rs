//! The arithmetic of a token bucket. Pure: the time is an argument.

use std::num::NonZeroU64;
use std::time::Duration;

/// Levels are kept in billionths of a byte, so that a rate in bytes per second times a time in nanoseconds is exact.
const PER_BYTE: u128 = 1_000_000_000;

/// Holds at most `capacity` bytes' worth of tokens and gains `rate` of them per second.
#[derive(Debug)]
pub(super) struct TokenBucket {
    rate: NonZeroU64,
    capacity: NonZeroU64,
    /// Invariant: at most `capacity` bytes.
    level: u128,
    /// When the level was that.
    at: Duration,
}

impl TokenBucket {
    /// A full bucket.
    pub(super) fn new(rate: NonZeroU64, capacity: NonZeroU64, now: Duration) -> Self {
        Self {
            rate,
            capacity,
            level: u128::from(capacity.get()) * PER_BYTE,
            at: now,
        }
    }

    /// Takes tokens for `bytes`, or tells how long it takes until they are there. More than the capacity are
    /// never there, so no more are waited for.
    pub(super) fn take(&mut self, bytes: u64, now: Duration) -> Result<(), Duration> {
        self.refill(now);
        let wanted = u128::from(bytes.min(self.capacity.get())) * PER_BYTE;
        match self.level.checked_sub(wanted) {
            Some(rest) => {
                self.level = rest;
                Ok(())
            }
            None => Err(self.time_for(wanted - self.level)),
        }
    }

    pub(super) fn set_rate(&mut self, rate: NonZeroU64, now: Duration) {
        self.refill(now);
        self.rate = rate;
    }

    pub(super) fn set_capacity(&mut self, capacity: NonZeroU64, now: Duration) {
        self.refill(now);
        self.capacity = capacity;
        self.level = self.level.min(self.full());
    }

    pub(super) fn rate(&self) -> NonZeroU64 {
        self.rate
    }

    pub(super) fn capacity(&self) -> NonZeroU64 {
        self.capacity
    }

    fn refill(&mut self, now: Duration) {
        let elapsed = now.saturating_sub(self.at);
        let gained = elapsed.as_nanos().saturating_mul(self.rate.get().into());
        self.level = self.level.saturating_add(gained).min(self.full());
        self.at = self.at.max(now);
    }

    fn full(&self) -> u128 {
        u128::from(self.capacity.get()) * PER_BYTE
    }

    fn time_for(&self, tokens: u128) -> Duration {
        let nanos = tokens.div_ceil(self.rate.get().into());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bucket(rate: u64, capacity: u64) -> TokenBucket {
        let [rate, capacity] = [rate, capacity].map(|number| NonZeroU64::new(number).expect("not zero"));
        TokenBucket::new(rate, capacity, Duration::ZERO)
    }

    #[test]
    fn it_starts_full_and_never_holds_more() {
        let mut bucket = bucket(10, 100);
        assert_eq!(bucket.take(100, Duration::from_secs(3600)), Ok(()));
        assert_eq!(
            bucket.take(1, Duration::from_secs(3600)),
            Err(Duration::from_millis(100))
        );
    }

    #[test]
    fn what_is_waited_for_is_there_then() {
        let mut bucket = bucket(3, 10);
        assert_eq!(bucket.take(10, Duration::ZERO), Ok(()));
        let wait = bucket.take(7, Duration::ZERO).expect_err("the bucket is empty");
        assert!(bucket.take(7, wait - Duration::from_nanos(1)).is_err());
        assert_eq!(bucket.take(7, wait), Ok(()));
    }

    #[test]
    fn more_than_the_capacity_is_not_waited_for() {
        let mut bucket = bucket(1, 10);
        assert_eq!(bucket.take(u64::MAX, Duration::ZERO), Ok(()));
        assert_eq!(
            bucket.take(u64::MAX, Duration::ZERO),
            Err(Duration::from_secs(10))
        );
    }

    #[test]
    fn extreme_numbers_do_not_overflow() {
        let mut fast = bucket(u64::MAX, u64::MAX);
        assert_eq!(fast.take(u64::MAX, Duration::ZERO), Ok(()));
        assert_eq!(fast.take(u64::MAX, Duration::MAX), Ok(()));
        let mut slow = bucket(1, u64::MAX);
        assert_eq!(slow.take(u64::MAX, Duration::ZERO), Ok(()));
        assert_eq!(
            slow.take(u64::MAX, Duration::ZERO),
            Err(Duration::from_nanos(u64::MAX))
        );
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_twice() {
        let mut bucket = bucket(10, 10);
        assert_eq!(bucket.take(10, Duration::from_secs(5)), Ok(()));
        assert!(bucket.take(1, Duration::from_secs(4)).is_err());
        assert!(bucket.take(1, Duration::from_secs(5)).is_err());
    }

    proptest! {
        #[test]
        fn over_any_window_no_more_is_taken_than_rate_times_time_plus_capacity(
            rate in 1u64..5_000, capacity in 1u64..5_000,
            steps in prop::collection::vec((0u64..2_000_000_000, 1u64..3_000, prop::option::of(1u64..5_000)), 1..60)
        ) {
            let mut bucket = bucket(rate, capacity);
            let (mut now, mut rate) = (Duration::ZERO, rate);
            // What was taken, and what the rates of the time before it allow.
            let mut taken: Vec<(f64, u64)> = Vec::new();
            let mut allowed = 0.0;
            for (nanos, bytes, new_rate) in steps {
                let step = Duration::from_nanos(nanos);
                now += step;
                allowed += rate as f64 * step.as_secs_f64();
                if bucket.take(bytes, now).is_ok() {
                    taken.push((allowed, bytes.min(capacity)));
                }
                if let Some(new_rate) = new_rate {
                    bucket.set_rate(NonZeroU64::new(new_rate).expect("not zero"), now);
                    rate = new_rate;
                }
            }
            for (first, (from, _)) in taken.iter().enumerate() {
                let mut sum = 0;
                for (to, bytes) in &taken[first..] {
                    sum += bytes;
                    prop_assert!(sum as f64 <= capacity as f64 + (to - from) + 1e-3);
                }
            }
        }
    }
}

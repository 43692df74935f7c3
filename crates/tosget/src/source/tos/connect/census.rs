//! How many connections are open, and how many requests wait for one.
//!
//! A connection that has just been used comes back to the pool a moment after its body has ended. Who asks meanwhile finds none,
//! and the pool would have a new one made: more than may be open at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// So long a connection that has been used may take to come back to the pool, on a busy machine.
const RETURN: Duration = Duration::from_millis(50);

/// Time between two looks whether it is back.
const LOOK: Duration = Duration::from_millis(2);

/// Counts for one client. Clones count the same.
#[derive(Clone, Debug)]
pub(super) struct Census {
    most: usize,
    open: Arc<AtomicUsize>,
    wanted: Arc<AtomicUsize>,
}

/// One more, until it is dropped.
#[derive(Debug)]
pub(super) struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Census {
    /// Of connections of which `most` may be open at a time.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            open: Arc::default(),
            wanted: Arc::default(),
        }
    }

    /// A request waits for a connection until this is dropped.
    pub(super) fn want(&self) -> Counted {
        self.wanted.fetch_add(1, Ordering::AcqRel);
        Counted(self.wanted.clone())
    }

    /// Leave to open a connection, to be kept as long as it is open. `None` if nobody wants it any more: the pool had one.
    ///
    /// Where as many are open as may be, and none of them comes back, they are idle ones to other hosts: one more is opened
    /// then, and they are closed when their time is over.
    pub(super) async fn leave_to_open(&self) -> Option<Counted> {
        let began = Instant::now();
        loop {
            if let Some(counted) = self.try_open() {
                return Some(counted);
            }
            let waited = began.elapsed();
            // The first look is too early to tell: where the pool tries a request again, on a new connection because the server has
            // closed the old one, that one may not be gone yet.
            if waited >= LOOK && self.wanted.load(Ordering::Acquire) == 0 {
                return None;
            }
            if waited >= RETURN {
                self.open.fetch_add(1, Ordering::AcqRel);
                return Some(Counted(self.open.clone()));
            }
            sleep(LOOK).await;
        }
    }

    fn try_open(&self) -> Option<Counted> {
        let more = |open| (open < self.most).then_some(open + 1);
        let counted = self.open.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        counted.ok().map(|_| Counted(self.open.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn as_many_are_opened_as_may_be() {
        let census = Census::new(2);
        let _wanted = census.want();
        let first = census.leave_to_open().await.expect("one of two");
        let _second = census.leave_to_open().await.expect("two of two");
        let began = Instant::now();
        let waiting = tokio::spawn({
            let census = census.clone();
            async move { census.leave_to_open().await.is_some() }
        });
        sleep(RETURN / 5).await;
        drop(first);
        assert!(waiting.await.expect("no panic"));
        assert!(began.elapsed() < RETURN / 2, "as soon as one is closed");
    }

    #[tokio::test(start_paused = true)]
    async fn none_is_opened_once_the_pool_had_one() {
        let census = Census::new(1);
        let wanted = census.want();
        let _first = census.leave_to_open().await.expect("the only one");
        let waiting = tokio::spawn({
            let census = census.clone();
            async move { census.leave_to_open().await.is_some() }
        });
        sleep(RETURN / 5).await;
        drop(wanted);
        assert!(!waiting.await.expect("no panic"));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_just_being_closed_makes_room_though_nobody_seems_to_wait() {
        let census = Census::new(1);
        let closing = census.leave_to_open().await.expect("the only one");
        let waiting = tokio::spawn({
            let census = census.clone();
            async move { census.leave_to_open().await.is_some() }
        });
        tokio::task::yield_now().await;
        drop(closing);
        assert!(waiting.await.expect("no panic"));
    }

    #[tokio::test(start_paused = true)]
    async fn idle_ones_to_other_hosts_keep_nobody_waiting_for_long() {
        let census = Census::new(1);
        let _wanted = census.want();
        let _idle = census.leave_to_open().await.expect("the only one");
        let began = Instant::now();
        assert!(census.leave_to_open().await.is_some());
        assert!((RETURN..RETURN * 2).contains(&began.elapsed()));
    }
}

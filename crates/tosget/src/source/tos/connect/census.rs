//! How many connections are open, and how many requests there are for them.
//!
//! A connection that has just been used comes back to the pool a moment after its body has ended, and one that is given up is closed a
//! moment later. Who asks meanwhile finds none, and the pool would have a new one made: more than there are requests, and
//! perhaps more than may be open at a time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long a used connection may take to come back to the pool, or to be closed, on a busy machine.
const RETURN: Duration = Duration::from_millis(200);

/// Time between two looks whether it is back.
const LOOK: Duration = Duration::from_millis(2);

/// Counts for one client. Clones count the same.
#[derive(Clone, Debug)]
pub(super) struct Census {
    most: usize,
    hosts: Arc<Mutex<HashMap<String, Host>>>,
    wanted: Arc<AtomicUsize>,
}

/// The counts of one host and port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Host {
    /// Connections.
    open: usize,
    /// Requests that were begun, and whose answers have not been read to their ends.
    requests: usize,
}

/// A request that waits for a connection, until this is dropped.
#[derive(Debug)]
pub(super) struct Wanted(Arc<AtomicUsize>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// One connection or request more, until it is dropped.
#[derive(Debug)]
pub(super) struct Counted {
    census: Census,
    host: String,
    what: fn(&mut Host) -> &mut usize,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut hosts = self.census.hosts();
        let Some(host) = hosts.get_mut(&self.host) else {
            return;
        };
        *(self.what)(host) -= 1;
        if *host == Host::default() {
            hosts.remove(&self.host);
        }
    }
}

impl Census {
    /// Of connections of which `most` may be open at a time.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            hosts: Arc::default(),
            wanted: Arc::default(),
        }
    }

    /// A request waits for a connection until this is dropped.
    pub(super) fn want(&self) -> Wanted {
        self.wanted.fetch_add(1, Ordering::AcqRel);
        Wanted(self.wanted.clone())
    }

    /// A request to this host is under way until this is dropped.
    pub(super) fn request(&self, host: &str) -> Counted {
        self.count(&mut self.hosts(), host, |host| &mut host.requests)
    }

    /// Leave to open a connection, to be kept as long as it is open. `None` if nobody wants it any more: the pool had one.
    ///
    /// Where there are as many as there are requests to the host, one of them is about to come back or to be closed. Where as many are
    /// open as may be, and none of them comes back, they are idle ones to other hosts: one more is opened then, and they are closed
    /// when their time is over.
    pub(super) async fn leave_to_open(&self, host: &str) -> Option<Counted> {
        let began = Instant::now();
        loop {
            let is_over = began.elapsed() >= RETURN;
            if is_over && self.wanted.load(Ordering::Acquire) == 0 {
                return None;
            }
            // Before, it is too early to tell that nobody wants it: where the pool tries a request again, because the server has closed
            // the old connection, that one may not be gone yet.
            if let Some(counted) = self.open(host, is_over) {
                return Some(counted);
            }
            sleep(LOOK).await;
        }
    }

    fn open(&self, host: &str, in_any_case: bool) -> Option<Counted> {
        let mut hosts = self.hosts();
        let all: usize = hosts.values().map(|host| host.open).sum();
        let here = hosts.get(host).copied().unwrap_or_default();
        let may_open = all < self.most && here.open < here.requests;
        (may_open || in_any_case).then(|| self.count(&mut hosts, host, |host| &mut host.open))
    }

    fn count(
        &self,
        hosts: &mut HashMap<String, Host>,
        host: &str,
        what: fn(&mut Host) -> &mut usize,
    ) -> Counted {
        *what(hosts.entry(host.to_owned()).or_default()) += 1;
        Counted {
            census: self.clone(),
            host: host.to_owned(),
            what,
        }
    }

    fn hosts(&self) -> MutexGuard<'_, HashMap<String, Host>> {
        // Nothing in here panics half-way through a change.
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Census {
        fn requests(&self, count: usize) -> Vec<Counted> {
            (0..count).map(|_| self.request("h:1")).collect()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_opened_than_there_are_requests() {
        let census = Census::new(100);
        let (_wanted, _requests) = (census.want(), census.requests(2));
        let _first = census.leave_to_open("h:1").await.expect("one of two");
        let second = census.leave_to_open("h:1").await.expect("two of two");
        let began = Instant::now();
        let waiting = tokio::spawn({
            let census = census.clone();
            async move { census.leave_to_open("h:1").await.is_some() }
        });
        sleep(RETURN / 5).await;
        drop(second);
        assert!(waiting.await.expect("no panic"));
        assert!(began.elapsed() < RETURN / 2, "as soon as one is closed");
        // Those to another host have nothing to do with it.
        let _request = census.request("i:1");
        let began = Instant::now();
        assert!(census.leave_to_open("i:1").await.is_some() && began.elapsed() < LOOK);
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_are_opened_as_may_be() {
        let census = Census::new(2);
        let (_wanted, _requests) = (census.want(), census.requests(9));
        let first = census.leave_to_open("h:1").await.expect("one of two");
        let _second = census.leave_to_open("h:1").await.expect("two of two");
        let began = Instant::now();
        let waiting = tokio::spawn({
            let census = census.clone();
            async move { census.leave_to_open("h:1").await.is_some() }
        });
        sleep(RETURN / 5).await;
        drop(first);
        assert!(waiting.await.expect("no panic"));
        assert!(began.elapsed() < RETURN / 2, "as soon as one is closed");
    }

    #[tokio::test(start_paused = true)]
    async fn none_is_opened_once_the_pool_had_one() {
        let census = Census::new(1);
        let (wanted, _requests) = (census.want(), census.requests(9));
        let _first = census.leave_to_open("h:1").await.expect("the only one");
        let waiting = tokio::spawn({
            let census = census.clone();
            async move { census.leave_to_open("h:1").await.is_some() }
        });
        sleep(RETURN / 5).await;
        drop(wanted);
        assert!(!waiting.await.expect("no panic"));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_just_being_closed_makes_room_though_nobody_seems_to_wait() {
        let census = Census::new(1);
        let _requests = census.requests(9);
        let closing = census.leave_to_open("h:1").await.expect("the only one");
        let waiting = tokio::spawn({
            let census = census.clone();
            async move { census.leave_to_open("h:1").await.is_some() }
        });
        tokio::task::yield_now().await;
        drop(closing);
        assert!(waiting.await.expect("no panic"));
    }

    #[tokio::test(start_paused = true)]
    async fn idle_ones_to_other_hosts_keep_nobody_waiting_for_long() {
        let census = Census::new(1);
        let (_wanted, _requests) = (census.want(), census.requests(9));
        let _idle = census.leave_to_open("h:1").await.expect("the only one");
        let began = Instant::now();
        assert!(census.leave_to_open("h:1").await.is_some());
        assert!((RETURN..RETURN * 2).contains(&began.elapsed()));
    }
}

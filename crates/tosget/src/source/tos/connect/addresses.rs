//! Which of a name's addresses is asked for the next connection. Pure: time is an argument.
//!
//! Connections are spread over all addresses, and one that did not answer is left for a while, so that it costs its wait once and not
//! for each connection.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// An address that did not answer is tried again after this long, or when there is no other.
const REST: Duration = Duration::from_secs(60);

/// What one client knows of addresses. Clones know the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Addresses {
    turn: Arc<AtomicUsize>,
    /// Those that did not answer, and when.
    failed: Arc<Mutex<HashMap<SocketAddr, Instant>>>,
}

impl Addresses {
    /// The order in which to try these: each connection begins with another one, and those that failed lately come last.
    pub(super) fn in_order(&self, mut found: Vec<SocketAddr>, now: Instant) -> Vec<SocketAddr> {
        let failed = self.failed();
        let is_resting = |address: &SocketAddr| {
            let at = failed.get(address);
            at.is_some_and(|at| now.saturating_duration_since(*at) < REST)
        };
        found.sort_by_key(is_resting);
        let good = found.iter().filter(|address| !is_resting(address)).count();
        if good > 1 {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            found[..good].rotate_left(turn % good);
        }
        found
    }

    /// Nothing came from this address within the time of the others.
    pub(super) fn is_silent(&self, address: SocketAddr, now: Instant) {
        self.failed().insert(address, now);
    }

    /// No connection to this address came about.
    pub(super) fn failed_with(&self, address: SocketAddr, error: &io::Error, now: Instant) {
        if is_of_the_address(error) {
            self.is_silent(address, now);
        }
    }

    /// A connection to this address came about.
    pub(super) fn answered(&self, address: SocketAddr) {
        self.failed().remove(&address);
    }

    fn failed(&self) -> MutexGuard<'_, HashMap<SocketAddr, Instant>> {
        // Nothing in here panics half-way through a change.
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether another address may do. A system that has no more sockets is no address's fault.
fn is_of_the_address(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::TimedOut
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::PermissionDenied
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Vec<SocketAddr> {
        (1..=3).map(|n| SocketAddr::from(([10, 0, 0, n], 80))).collect()
    }

    fn firsts(addresses: &Addresses, now: Instant) -> Vec<u8> {
        let first = |_| match addresses.in_order(three(), now)[0] {
            SocketAddr::V4(address) => address.ip().octets()[3],
            SocketAddr::V6(_) => unreachable!("there is none"),
        };
        (0..6).map(first).collect()
    }

    #[test]
    fn connections_are_spread_over_all_addresses() {
        assert_eq!(firsts(&Addresses::default(), Instant::now()), [1, 2, 3, 1, 2, 3]);
    }

    #[test]
    fn one_that_failed_comes_last_until_it_is_forgotten_or_answers() {
        let (addresses, now) = (Addresses::default(), Instant::now());
        let bad = three()[1];
        addresses.is_silent(bad, now);
        assert!(!firsts(&addresses, now).contains(&2));
        assert_eq!(addresses.in_order(three(), now)[2], bad, "better than none");
        assert!(firsts(&addresses, now + REST).contains(&2));
        addresses.answered(bad);
        assert!(firsts(&addresses, now).contains(&2));
    }

    #[test]
    fn want_of_sockets_is_no_fault_of_an_address() {
        let (addresses, now) = (Addresses::default(), Instant::now());
        for number in [23, 24, 99, 105] {
            let error = io::Error::from_raw_os_error(number);
            addresses.failed_with(three()[0], &error, now);
        }
        assert!(firsts(&addresses, now).contains(&1));
        addresses.failed_with(three()[0], &ErrorKind::ConnectionRefused.into(), now);
        assert!(!firsts(&addresses, now).contains(&1));
    }
}

//! A TCP connection to a name: its addresses raced against each other, each with a head start before the next.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper_util::client::legacy::connect::dns::Name;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower_service::Service;

use super::addresses::Addresses;
use super::dns::Resolver;

/// How long an address may take before the next one is tried beside it (RFC 8305 has 250 ms).
const HEAD_START: Duration = Duration::from_millis(300);

/// A connection that takes longer than this between TCP and the end of its handshake speaks against its address.
const SLOW: Duration = Duration::from_secs(1);

/// Dials for one client. Clones know the same addresses.
#[derive(Clone, Debug)]
pub(super) struct Dialer {
    resolver: Resolver,
    addresses: Addresses,
}

/// A connection that is not known to be good yet. Dropped without a word after a while, its address is taken for a bad one.
#[derive(Debug)]
pub(super) struct Trial {
    addresses: Addresses,
    address: SocketAddr,
    began: Instant,
}

impl Trial {
    /// The peer speaks.
    pub(super) fn succeeded(self) {
        self.addresses.answered(self.address);
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if self.began.elapsed() >= SLOW {
            self.addresses.is_silent(self.address, Instant::now());
        }
    }
}

impl Dialer {
    pub(super) fn new(resolver: Resolver) -> Self {
        Self {
            resolver,
            addresses: Addresses::default(),
        }
    }

    /// Connects to whichever address of `host` answers first. Dropping the future closes what is half open.
    pub(super) async fn dial(&mut self, host: &str, port: u16) -> io::Result<(TcpStream, Trial)> {
        let name: Name = host
            .parse()
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "no host name"))?;
        let found = self.resolver.call(name).await?;
        let found = found.map(|found| SocketAddr::new(found.ip(), port)).collect();
        self.race(found).await
    }

    async fn race(&self, found: Vec<SocketAddr>) -> io::Result<(TcpStream, Trial)> {
        let mut waiting = self.addresses.in_order(found, Instant::now()).into_iter();
        let mut racing = JoinSet::new();
        // In the order in which they began.
        let mut under_way: Vec<SocketAddr> = Vec::new();
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        loop {
            if let Some(address) = waiting.next() {
                under_way.push(address);
                racing.spawn(async move { (address, TcpStream::connect(address).await) });
            }
            let joined = tokio::select! {
                joined = racing.join_next() => joined,
                () = sleep(HEAD_START), if waiting.len() > 0 => continue,
            };
            let Some(joined) = joined else {
                return Err(failure);
            };
            match joined.expect("connecting neither panics nor is aborted") {
                (address, Ok(tcp)) => {
                    // Those that began before it had more time.
                    let earlier = under_way.iter().take_while(|began| **began != address);
                    earlier.for_each(|silent| self.addresses.is_silent(*silent, Instant::now()));
                    tcp.set_nodelay(true)?;
                    return Ok((tcp, self.trial(address)));
                }
                (address, Err(error)) => {
                    self.addresses.failed_with(address, &error, Instant::now());
                    under_way.retain(|began| *began != address);
                    failure = error;
                }
            }
        }
    }

    fn trial(&self, address: SocketAddr) -> Trial {
        Trial {
            addresses: self.addresses.clone(),
            address,
            began: Instant::now(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::net::{IpAddr, Ipv4Addr};

    use tokio::net::{TcpListener, TcpSocket};
    use tokio::time::timeout;

    use super::*;

    fn ip(n: u8) -> IpAddr {
        Ipv4Addr::new(127, 0, 0, n).into()
    }

    /// Addresses on one free port: those of `alive` listen. The others refuse.
    async fn listening(alive: &[u8]) -> (u16, Vec<TcpListener>) {
        let first = TcpListener::bind((ip(alive[0]), 0)).await.expect("a port");
        let port = first.local_addr().expect("an address").port();
        let mut listeners = vec![first];
        for n in &alive[1..] {
            listeners.push(TcpListener::bind((ip(*n), port)).await.expect("the same port"));
        }
        (port, listeners)
    }

    /// An address that answers nothing: its queue is full.
    async fn deaf(n: u8, port: u16) -> (TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((ip(n), port).into()).expect("the same port");
        let listener = socket.listen(1).expect("listens");
        let mut queue = Vec::new();
        let limit = Duration::from_millis(100);
        while let Ok(Ok(one)) = timeout(limit, TcpStream::connect((ip(n), port))).await {
            queue.push(one);
        }
        (listener, queue)
    }

    async fn dial(dialer: &mut Dialer, port: u16) -> u8 {
        let (tcp, trial) = dialer.dial("name.test", port).await.expect("somebody listens");
        trial.succeeded();
        match tcp.peer_addr().expect("connected").ip() {
            IpAddr::V4(ip) => ip.octets()[3],
            IpAddr::V6(_) => unreachable!("there is none"),
        }
    }

    #[tokio::test]
    async fn connections_go_to_all_addresses_that_answer() {
        let (port, _listeners) = listening(&[1, 2, 3]).await;
        let mut dialer = Dialer::new(Resolver::fixed(vec![ip(1), ip(2), ip(3), ip(4)]));
        let mut counts = HashMap::new();
        for _ in 0..30 {
            *counts.entry(dial(&mut dialer, port).await).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 3, "{counts:?}");
        assert!(counts.values().all(|count| *count >= 8), "{counts:?}");
    }

    #[tokio::test]
    async fn a_dead_address_costs_its_wait_once() {
        let (port, _listeners) = listening(&[1, 3]).await;
        let _deaf = deaf(2, port).await;
        let mut dialer = Dialer::new(Resolver::fixed(vec![ip(2), ip(1), ip(3)]));
        let began = Instant::now();
        for _ in 0..20 {
            assert_ne!(dial(&mut dialer, port).await, 2);
        }
        let took = began.elapsed();
        assert!(took >= HEAD_START && took < HEAD_START * 5, "{took:?}");
    }

    #[tokio::test]
    async fn where_no_address_answers_the_last_failure_is_told() {
        let (port, listeners) = listening(&[1]).await;
        drop(listeners);
        let mut dialer = Dialer::new(Resolver::fixed(vec![ip(1), ip(2)]));
        let error = dialer.dial("name.test", port).await.expect_err("nobody listens");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let mut nowhere = Dialer::new(Resolver::fixed(Vec::new()));
        let error = nowhere.dial("name.test", port).await.expect_err("no address");
        assert!(error.to_string().contains("no address"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_behind_which_nobody_speaks_comes_last() {
        let dialer = Dialer::new(Resolver::fixed(Vec::new()));
        let (one, two) = (SocketAddr::new(ip(1), 1), SocketAddr::new(ip(2), 1));
        let quick = dialer.trial(one);
        drop(quick);
        let slow = dialer.trial(two);
        sleep(SLOW).await;
        drop(slow);
        for _ in 0..4 {
            assert_eq!(dialer.addresses.in_order(vec![one, two], Instant::now())[0], one);
        }
    }
}

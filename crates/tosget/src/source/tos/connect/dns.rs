//! Names to addresses, by the system's resolver.

use std::future::ready;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;
use std::vec;

use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;

use crate::error::shortage::Shortage;
use crate::offload::offload_resolver;

/// The system's resolver, which also takes an IPv6 address in the brackets that a URL puts around it.
#[derive(Clone, Debug)]
pub(super) struct Resolver {
    /// The addresses of any name, for tests.
    #[cfg(test)]
    fixed: Option<Vec<std::net::IpAddr>>,
}

impl Resolver {
    pub(super) fn new() -> Self {
        Self {
            #[cfg(test)]
            fixed: None,
        }
    }

    /// Any name has these addresses.
    #[cfg(test)]
    pub(super) fn fixed(addresses: Vec<std::net::IpAddr>) -> Self {
        Self {
            fixed: Some(addresses),
        }
    }
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        #[cfg(test)]
        if let Some(fixed) = &self.fixed {
            let addresses: Vec<_> = fixed.iter().map(|ip| SocketAddr::new(*ip, 0)).collect();
            return Box::pin(ready(Ok(addresses.into_iter())));
        }
        if let Some(address) = bracketed(name.as_str()) {
            // The dialer puts the port in.
            let addresses = vec![SocketAddr::from((address, 0))];
            return Box::pin(ready(Ok(addresses.into_iter())));
        }
        let began = Instant::now();
        let host = name.to_string();
        Box::pin(async move {
            let addresses = offload_resolver(move || resolve(name.as_str())).await?;
            tracing::trace!(
                target: "tosget::connection",
                %host,
                addresses = addresses.len(),
                elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
                "resolved"
            );
            Ok(addresses.into_iter())
        })
    }
}

/// Asks the system's resolver, which has no words for a shortage: where it can open no file and no socket, it calls the name
/// unknown.
fn resolve(name: &str) -> io::Result<Vec<SocketAddr>> {
    match (name, 0).to_socket_addrs() {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => Err(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
            .err()
            .filter(|error| Shortage::of_io(error).is_some())
            .unwrap_or(error)),
    }
}

fn bracketed(name: &str) -> Option<Ipv6Addr> {
    name.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_ipv6_address_needs_no_resolver() {
        let name = "[::1]".parse().expect("a name");
        let found: Vec<_> = Resolver::new().call(name).await.expect("an address").collect();
        assert_eq!(found, ["[::1]:0".parse::<SocketAddr>().expect("an address")]);
        assert_eq!(bracketed("localhost"), None);
        assert_eq!(bracketed("[x]"), None);
    }
}

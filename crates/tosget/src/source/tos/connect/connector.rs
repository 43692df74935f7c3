//! New connections: name resolution, TCP, the proxy's tunnel and TLS, all within one time limit.

use std::error::Error as StdError;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::Uri;
use http::uri::Scheme;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::Settings;
use super::census::Census;
use super::dns::Resolver;
use super::failure::ConnectFailure;
use super::proxy::Proxy;
use super::stream::Stream;
use super::tls::Tls;

const TARGET: &str = "tosget::connection";

/// Opens connections for the pool.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    tcp: HttpConnector<Resolver>,
    tls: Arc<Tls>,
    proxy: Option<Arc<Proxy>>,
    limit: Duration,
    census: Census,
}

impl Connector {
    pub(super) fn new(settings: Settings, census: Census) -> Self {
        let limit = settings.timeouts.connect;
        let mut tcp = HttpConnector::new_with_resolver(Resolver);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        // Shared out among a name's addresses, so that a dead one leaves time for the others.
        tcp.set_connect_timeout(Some(limit));
        Self {
            tcp,
            tls: settings.tls,
            proxy: settings.proxy.map(Arc::new),
            limit,
            census,
        }
    }

    /// Opens a connection, and tells the log.
    async fn open(self, target: Uri) -> Result<Stream, ConnectFailure> {
        let began = Instant::now();
        let host = authority(&target);
        let opened = self.connect(target).await;
        let elapsed_ms = milliseconds(began.elapsed());
        match &opened {
            Ok(stream) => tracing::trace!(
                target: TARGET,
                connection = stream.number().id(),
                %host,
                peer = stream.peer().ok().map(tracing::field::display),
                elapsed_ms,
                "opened"
            ),
            Err(error) => tracing::trace!(target: TARGET, %host, elapsed_ms, %error, "not opened"),
        }
        opened
    }

    async fn connect(mut self, target: Uri) -> Result<Stream, ConnectFailure> {
        let secure = target.scheme() == Some(&Scheme::HTTPS);
        let Some(proxy) = self.proxy.clone() else {
            let tcp = self.dial(&target).await?;
            return if secure {
                self.secure(tcp, &target).await
            } else {
                Ok(Stream::plain(tcp))
            };
        };
        let mut tcp = self.dial(proxy.uri()).await?;
        if !secure {
            return Ok(Stream::through_proxy(tcp));
        }
        let tunnel = proxy.tunnel(&mut tcp, &authority(&target)).await;
        tunnel.map_err(|error| ConnectFailure::connect(&authority(proxy.uri()), error))?;
        self.secure(tcp, &target).await
    }

    async fn dial(&mut self, peer: &Uri) -> Result<TcpStream, ConnectFailure> {
        let began = Instant::now();
        match self.tcp.call(peer.clone()).await {
            Ok(tcp) => {
                let elapsed_ms = milliseconds(began.elapsed());
                tracing::trace!(target: TARGET, host = %authority(peer), elapsed_ms, "TCP is there");
                Ok(tcp.into_inner())
            }
            Err(error) if timed_out(&error) => Err(ConnectFailure::Timeout(self.limit)),
            Err(error) => Err(ConnectFailure::connect(&authority(peer), error)),
        }
    }

    async fn secure(&self, tcp: TcpStream, peer: &Uri) -> Result<Stream, ConnectFailure> {
        let name = authority(peer);
        let config = self
            .tls
            .config()
            .map_err(|error| ConnectFailure::connect(&name, error))?;
        let server = server_name(peer).map_err(|error| ConnectFailure::connect(&name, error))?;
        let began = Instant::now();
        let tls = TlsConnector::from(config).connect(server, tcp).await;
        let tls = tls.map_err(|error| ConnectFailure::handshake(&name, error))?;
        tracing::trace!(
            target: TARGET,
            host = %name,
            elapsed_ms = milliseconds(began.elapsed()),
            version = tls.get_ref().1.protocol_version().map(tracing::field::debug),
            "TLS is there"
        );
        Ok(Stream::tls(tls))
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = ConnectFailure;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectFailure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectFailure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let limit = connector.limit;
            let Some(counted) = connector.census.leave_to_open().await else {
                // Nobody is told: who wanted it has another one.
                let reason = "a connection came back meanwhile";
                return Err(ConnectFailure::connect(&authority(&target), reason));
            };
            match timeout(limit, connector.open(target)).await {
                Ok(stream) => stream.map(|stream| TokioIo::new(stream.counted(counted))),
                Err(_) => Err(ConnectFailure::Timeout(limit)),
            }
        })
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// `host:port`, with the port always.
fn authority(uri: &Uri) -> String {
    let default = if uri.scheme() == Some(&Scheme::HTTPS) {
        443
    } else {
        80
    };
    format!(
        "{}:{}",
        uri.host().unwrap_or_default(),
        uri.port_u16().unwrap_or(default)
    )
}

fn server_name(uri: &Uri) -> Result<ServerName<'static>, rustls::pki_types::InvalidDnsNameError> {
    let host = uri.host().unwrap_or_default();
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    ServerName::try_from(bare.unwrap_or(host).to_owned())
}

/// The TCP connector's own limit ran out. (A time-out that the kernel reports is another thing: it has a number.)
fn timed_out(error: &(dyn StdError + 'static)) -> bool {
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return io.kind() == io::ErrorKind::TimedOut && io.raw_os_error().is_none();
        }
        next = error.source();
    }
    false
}

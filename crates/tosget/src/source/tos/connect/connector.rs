//! New connections: name resolution, TCP, the proxy's tunnel and TLS, all within one time limit.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::Uri;
use http::uri::Scheme;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::Settings;
use super::census::Census;
use super::dialer::{Dialer, Trial};
use super::dns::Resolver;
use super::failure::ConnectFailure;
use super::proxy::Proxy;
use super::stream::Stream;
use super::tls::Tls;

const TARGET: &str = "tosget::connection";

/// Opens connections for the pool.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    dialer: Dialer,
    tls: Arc<Tls>,
    proxy: Option<Arc<Proxy>>,
    limit: Duration,
    census: Census,
}

impl Connector {
    pub(super) fn new(settings: Settings, census: Census) -> Self {
        Self {
            dialer: Dialer::new(Resolver::new()),
            tls: settings.tls,
            proxy: settings.proxy.map(Arc::new),
            limit: settings.timeouts.connect,
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
            let (tcp, trial) = self.dial(&target).await?;
            let stream = if secure {
                self.secure(tcp, &target).await?
            } else {
                Stream::plain(tcp)
            };
            trial.succeeded();
            return Ok(stream);
        };
        let (mut tcp, trial) = self.dial(proxy.uri()).await?;
        if !secure {
            trial.succeeded();
            return Ok(Stream::through_proxy(tcp));
        }
        let tunnel = proxy.tunnel(&mut tcp, &authority(&target)).await;
        tunnel.map_err(|error| ConnectFailure::tunnel(&authority(proxy.uri()), error))?;
        trial.succeeded();
        self.secure(tcp, &target).await
    }

    async fn dial(&mut self, peer: &Uri) -> Result<(TcpStream, Trial), ConnectFailure> {
        let began = Instant::now();
        let host = peer.host().unwrap_or_default();
        match self.dialer.dial(host, port(peer)).await {
            Ok(dialed) => {
                let elapsed_ms = milliseconds(began.elapsed());
                tracing::trace!(target: TARGET, host = %authority(peer), elapsed_ms, "TCP is there");
                Ok(dialed)
            }
            Err(error) => Err(ConnectFailure::connect(&authority(peer), error)),
        }
    }

    async fn secure(&self, tcp: TcpStream, peer: &Uri) -> Result<Stream, ConnectFailure> {
        let name = authority(peer);
        let loaded = self
            .tls
            .load()
            .map_err(|error| ConnectFailure::tls(&name, error))?;
        let server = server_name(peer).map_err(|error| ConnectFailure::tls(&name, error))?;
        let began = Instant::now();
        let tls = TlsConnector::from(loaded.config.clone())
            .connect(server, tcp)
            .await;
        let tls = tls.map_err(|error| ConnectFailure::handshake(&name, error, loaded.note.as_deref()))?;
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
            let Some(counted) = connector.census.leave_to_open(&authority(&target)).await else {
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
pub(super) fn authority(uri: &Uri) -> String {
    format!("{}:{}", uri.host().unwrap_or_default(), port(uri))
}

fn port(uri: &Uri) -> u16 {
    let is_https = uri.scheme() == Some(&Scheme::HTTPS);
    uri.port_u16().unwrap_or(if is_https { 443 } else { 80 })
}

fn server_name(uri: &Uri) -> Result<ServerName<'static>, rustls::pki_types::InvalidDnsNameError> {
    let host = uri.host().unwrap_or_default();
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    ServerName::try_from(bare.unwrap_or(host).to_owned())
}

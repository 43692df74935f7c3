//! One HTTP/1.1 exchange up to the head of its answer: pooled connections, time limits, errors told apart.
//!
//! HTTP/1.1 only: with it, every concurrent range has a TCP connection of its own, and that is what parallel
//! downloads are for.

mod addresses;
mod authorities;
mod census;
mod connection;
mod connector;
mod dialer;
mod dns;
mod failure;
mod proxy;
mod stream;
mod tls;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::PROXY_AUTHORIZATION;
use http::uri::Scheme;
use http::{HeaderValue, Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::sleep;

use crate::error::attempt::AttemptError;
use crate::source::Timeouts;
use crate::turns::{Scarcity, Turn, Turns};
use census::{Census, Counted, Wanted};
use connector::{Connector, authority};

pub(crate) use connection::ConnectionUse;
pub(crate) use proxy::{Proxy, ProxyUrlError};
pub(crate) use tls::{Tls, TlsError, TlsSettings};

/// How long an idle connection is kept; the official SDKs keep theirs as long.
const POOL_IDLE: Duration = Duration::from_secs(60);

/// How to reach the peer.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) timeouts: Timeouts,
    /// Exchanges at the same time, each with its own connection; more of them wait.
    pub(crate) max_connections: usize,
    pub(crate) tls: Arc<Tls>,
    pub(crate) proxy: Option<Proxy>,
}

/// Sends requests over pooled connections.
pub(super) struct HttpClient {
    pool: Client<Connector, Empty<Bytes>>,
    turns: Turns,
    census: Census,
    /// Reads the requests to plain HTTP endpoints; inside a tunnel it reads none.
    proxy: Option<Proxy>,
}

/// An answer's head, with the body to come and the right to the connection it comes on.
pub(super) struct Exchange {
    pub(super) response: Response<Incoming>,
    pub(super) permit: Permit,
}

/// The right to a connection, until the answer that comes on it has been read.
#[derive(Debug)]
pub(super) struct Permit {
    _turn: Turn,
    _request: Counted,
}

impl HttpClient {
    /// What requests show to a proxy that reads them. Secret.
    pub(super) fn proxy_authorization(&self) -> Option<HeaderValue> {
        self.proxy.as_ref().and_then(Proxy::authorization)
    }

    pub(super) fn new(settings: Settings) -> Self {
        let turns = Turns::new(settings.max_connections);
        let census = Census::new(turns.count());
        Self {
            proxy: settings.proxy.clone(),
            pool: Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(POOL_IDLE)
                .pool_max_idle_per_host(turns.count())
                .build(Connector::new(settings, census.clone())),
            census,
            turns,
        }
    }

    /// Returns when the answer's head is there, which may take as long as `limit` once there is a connection. Dropping the future closes
    /// the connection.
    ///
    /// Where this machine has nothing left to open a connection with, those that are open are waited for, and there are fewer for a
    /// while.
    pub(super) async fn send(
        &self,
        mut request: Request<Empty<Bytes>>,
        limit: Duration,
    ) -> Result<Exchange, AttemptError> {
        self.authorize_to_proxy(&mut request);
        let mut scarcity = Scarcity::default();
        let mut turn = self.turns.take().await;
        let counted = self.census.request(&authority(request.uri()));
        loop {
            let error = match self.try_send(request.clone(), limit).await {
                Ok(response) => {
                    turn.went_well();
                    let permit = Permit {
                        _turn: turn,
                        _request: counted,
                    };
                    return Ok(Exchange { response, permit });
                }
                Err(error) => error,
            };
            let Some(shortage) = error.shortage() else {
                return Err(error);
            };
            tracing::debug!(target: "tosget::connection", error = %error.chain(), "waiting for connections to be closed");
            turn = turn.after(shortage, &mut scarcity).await.ok_or(error)?;
        }
    }

    async fn try_send(
        &self,
        mut request: Request<Empty<Bytes>>,
        limit: Duration,
    ) -> Result<Response<Incoming>, AttemptError> {
        let peer = request
            .uri()
            .authority()
            .map(ToString::to_string)
            .unwrap_or_default();
        let proxy = self.reading_proxy(&request);
        let connection = capture_connection(&mut request);
        tokio::select! {
            answer = self.pool.request(request) => {
                let answer = answer.map_err(|error| failure::classify(error, peer))?;
                proxy.map_or(Ok(()), |proxy| proxy.check(answer.status()))?;
                Ok(answer)
            }
            () = silence(connection, self.census.want(), limit) => Err(AttemptError::Timeout {
                waiting_for: "answer",
                limit,
            }),
        }
    }

    fn authorize_to_proxy(&self, request: &mut Request<Empty<Bytes>>) {
        if let Some(authorization) = self.reading_proxy(request).and_then(Proxy::authorization) {
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization);
        }
    }

    /// The proxy, if it reads this request.
    fn reading_proxy(&self, request: &Request<Empty<Bytes>>) -> Option<&Proxy> {
        let is_plain = request.uri().scheme() == Some(&Scheme::HTTP);
        self.proxy.as_ref().filter(|_| is_plain)
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

/// Ends when a connection has been there for `limit`. Until then it is wanted, and the connector's own limit holds.
async fn silence(mut connection: CaptureConnection, wanted: Wanted, limit: Duration) {
    drop(connection.wait_for_connection_metadata().await);
    drop(wanted);
    sleep(limit).await;
}

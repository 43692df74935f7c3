//! Accepting connections and serving them until they, or the emulator, end.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use super::socket::{Connection, Socket, Stream};
use crate::exchange::Session;
use crate::service::Service;

/// What was written goes to the peer before a connection is reset: a reset drops what the kernel still holds.
const DRAIN: Duration = Duration::from_millis(50);
/// After an accept that failed, mostly for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(10);

/// Serves until `stop` changes or its sender is gone, then drops all connections.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    service: Arc<Service>,
    mut stop: watch::Receiver<bool>,
) {
    let next_id = AtomicU64::new(1);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stop.changed() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((tcp, _peer)) => {
                    let connection = Arc::new(Connection::new(next_id.fetch_add(1, Ordering::Relaxed)));
                    connections.spawn(serve_connection(tcp, tls.clone(), Arc::clone(&service), connection));
                }
                Err(_) => sleep(PAUSE).await,
            },
        }
    }
    connections.shutdown().await;
}

async fn serve_connection(
    tcp: TcpStream,
    tls: Option<TlsAcceptor>,
    service: Arc<Service>,
    connection: Arc<Connection>,
) {
    let _open = service.log.open_connection();
    // Without it small answers wait for acknowledgements; a socket that cannot be set up fails soon enough.
    let _ = tcp.set_nodelay(true);
    let stream = match tls {
        None => Stream::Plain(tcp),
        Some(acceptor) => match acceptor.accept(tcp).await {
            Ok(stream) => Stream::Tls(Box::new(stream)),
            Err(_) => return,
        },
    };
    let socket = Socket::new(stream, Arc::clone(&connection));
    let bandwidth = service.connection_bandwidth.counted_apart();
    let session = Session {
        service,
        connection: Arc::clone(&connection),
        bandwidth,
    };
    let answer = service_fn(move |request| {
        let session = session.clone();
        async move { Ok::<_, Infallible>(session.answer(request).await) }
    });
    let serving = http1::Builder::new().serve_connection(TokioIo::new(socket), answer);
    tokio::pin!(serving);
    tokio::select! {
        // A connection that breaks is the client's doing, or a fault's.
        _ = serving.as_mut() => {}
        _ = connection.ended() => {
            sleep(DRAIN).await;
            connection.abort_exchange();
        }
    }
}

//! An accepted socket: counts what it takes, and can be ended from outside, politely or not.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::server::TlsStream;

use crate::log::Underway;

/// How a connection is made to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// TCP RST.
    Reset,
    /// TCP FIN.
    Close,
}

/// A connection as the code that answers its requests sees it.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: u64,
    written: AtomicU64,
    ending: Mutex<Option<(Ending, When)>>,
    due: Notify,
    exchange: Mutex<Option<Arc<Underway>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Now,
    /// As soon as the socket has taken everything written so far.
    Flushed,
}

impl Connection {
    pub(crate) fn new(id: u64) -> Self {
        Self {
            id,
            written: AtomicU64::new(0),
            ending: Mutex::new(None),
            due: Notify::new(),
            exchange: Mutex::new(None),
        }
    }

    /// Remembers the exchange that goes on now; there is one at a time.
    pub(crate) fn begin(&self, exchange: Arc<Underway>) {
        *self.exchange.lock().unwrap_or_else(PoisonError::into_inner) = Some(exchange);
    }

    /// Ends the exchange that goes on, so that the log has its end before the peer can see it.
    pub(crate) fn abort_exchange(&self) {
        if let Some(exchange) = self
            .exchange
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            exchange.abort(self.written());
        }
    }

    /// Bytes that the socket took so far (with TLS, before encryption).
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    pub(crate) fn end_now(&self, ending: Ending) {
        self.set(ending, When::Now);
        self.due.notify_one();
    }

    /// Ends the connection once hyper has flushed; the caller has to let it, by returning `Pending`.
    pub(crate) fn end_when_flushed(&self, ending: Ending) {
        self.set(ending, When::Flushed);
    }

    /// Waits until the connection is to be ended.
    pub(crate) async fn ended(&self) -> Ending {
        loop {
            if let Some((ending, When::Now)) = self.ending() {
                return ending;
            }
            self.due.notified().await;
        }
    }

    fn flushed(&self) {
        if let Some((ending, When::Flushed)) = self.ending() {
            self.end_now(ending);
        }
    }

    fn ending(&self) -> Option<(Ending, When)> {
        *self.ending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, ending: Ending, when: When) {
        *self.ending.lock().unwrap_or_else(PoisonError::into_inner) = Some((ending, when));
    }
}

/// What hyper reads from and writes to.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: Stream,
    connection: Arc<Connection>,
}

#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Socket {
    pub(crate) fn new(stream: Stream, connection: Arc<Connection>) -> Self {
        Self { stream, connection }
    }

    fn count(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(len)) = written {
            self.connection.written.fetch_add(len as u64, Ordering::Relaxed);
        }
        written
    }
}

impl Drop for Socket {
    /// With a linger time of zero, closing sends RST and drops what was not sent yet.
    fn drop(&mut self) {
        if matches!(self.connection.ending(), Some((Ending::Reset, _))) {
            let tcp = match &self.stream {
                Stream::Plain(tcp) => tcp,
                Stream::Tls(tls) => tls.get_ref().0,
            };
            // A socket that is gone already needs no reset.
            let _ = tcp.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        };
        self.count(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        };
        self.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        };
        if flushed.is_ready() {
            self.connection.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

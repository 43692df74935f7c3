//! The bytes of one connection, plain or under TLS.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::census::Counted;
use super::connection::ConnectionUse;

/// One connection.
#[derive(Debug)]
pub(super) struct Stream {
    io: Io,
    through_proxy: bool,
    number: ConnectionUse,
    _counted: Option<Counted>,
}

#[derive(Debug)]
enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub(super) fn plain(tcp: TcpStream) -> Self {
        Self::new(Io::Plain(tcp))
    }

    /// To a proxy that reads the requests: they name their target in full.
    pub(super) fn through_proxy(tcp: TcpStream) -> Self {
        Self {
            through_proxy: true,
            ..Self::plain(tcp)
        }
    }

    pub(super) fn tls(tls: TlsStream<TcpStream>) -> Self {
        Self::new(Io::Tls(Box::new(tls)))
    }

    /// Counts as open as long as it is.
    pub(super) fn counted(self, counted: Counted) -> Self {
        Self {
            _counted: Some(counted),
            ..self
        }
    }

    pub(super) fn number(&self) -> &ConnectionUse {
        &self.number
    }

    /// Who is at the other end: the server, or a proxy.
    pub(super) fn peer(&self) -> io::Result<SocketAddr> {
        match &self.io {
            Io::Plain(tcp) => tcp.peer_addr(),
            Io::Tls(tls) => tls.get_ref().0.peer_addr(),
        }
    }

    fn new(io: Io) -> Self {
        Self {
            io,
            through_proxy: false,
            number: ConnectionUse::new(),
            _counted: None,
        }
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
            .proxy(self.through_proxy)
            .extra(self.number.clone())
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        #[cfg(test)]
        crate::testing::socket_reads::count();
        match &mut self.get_mut().io {
            Io::Plain(tcp) => Pin::new(tcp).poll_read(context, buffer),
            Io::Tls(tls) => Pin::new(tls).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().io {
            Io::Plain(tcp) => Pin::new(tcp).poll_write(context, bytes),
            Io::Tls(tls) => Pin::new(tls).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain(tcp) => Pin::new(tcp).poll_flush(context),
            Io::Tls(tls) => Pin::new(tls).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain(tcp) => Pin::new(tcp).poll_shutdown(context),
            Io::Tls(tls) => Pin::new(tls).poll_shutdown(context),
        }
    }
}

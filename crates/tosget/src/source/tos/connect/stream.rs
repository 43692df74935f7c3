//! The bytes of one connection, plain or under TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// One connection.
#[derive(Debug)]
pub(super) enum Stream {
    Plain { tcp: TcpStream, through_proxy: bool },
    Tls(Box<Gathered<TlsStream<BufReader<TcpStream>>>>),
}

impl Stream {
    pub(super) fn plain(tcp: TcpStream) -> Self {
        Self::Plain {
            tcp,
            through_proxy: false,
        }
    }

    /// To a proxy that reads the requests: they name their target in full.
    pub(super) fn through_proxy(tcp: TcpStream) -> Self {
        Self::Plain {
            tcp,
            through_proxy: true,
        }
    }

    pub(super) fn tls(tls: TlsStream<BufReader<TcpStream>>) -> Self {
        Self::Tls(Box::new(Gathered {
            inner: tls,
            error: None,
        }))
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        let through_proxy = matches!(
            self,
            Self::Plain {
                through_proxy: true,
                ..
            }
        );
        Connected::new().proxy(through_proxy)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain { tcp, .. } => Pin::new(tcp).poll_read(context, buffer),
            Self::Tls(tls) => tls.poll_gather(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain { tcp, .. } => Pin::new(tcp).poll_write(context, bytes),
            Self::Tls(tls) => Pin::new(&mut tls.inner).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain { tcp, .. } => Pin::new(tcp).poll_flush(context),
            Self::Tls(tls) => Pin::new(&mut tls.inner).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain { tcp, .. } => Pin::new(tcp).poll_shutdown(context),
            Self::Tls(tls) => Pin::new(&mut tls.inner).poll_shutdown(context),
        }
    }
}

/// Reads until the buffer is full or nothing more is there.
///
/// A TLS stream gives one record at a time, 16 KiB at most; each read would become a frame of the body and a wake-up
/// of the task that reads it.
#[derive(Debug)]
pub(super) struct Gathered<S> {
    inner: S,
    /// What ended the last read after some bytes had come; told by the next one.
    error: Option<io::Error>,
}

impl<S: AsyncRead + Unpin> Gathered<S> {
    fn poll_gather(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = self.error.take() {
            return Poll::Ready(Err(error));
        }
        let start = buffer.filled().len();
        while buffer.remaining() > 0 {
            let before = buffer.filled().len();
            let read = Pin::new(&mut self.inner).poll_read(context, buffer);
            let gathered = before > start;
            match read {
                Poll::Ready(Ok(())) if buffer.filled().len() > before => {}
                Poll::Ready(Err(error)) if gathered => {
                    self.error = Some(error);
                    break;
                }
                Poll::Pending if gathered => break,
                other => return other,
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Gives what the script says, one step per read.
    struct Scripted(Vec<Poll<io::Result<&'static [u8]>>>);

    impl AsyncRead for Scripted {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            self.0.remove(0).map_ok(|bytes| buffer.put_slice(bytes))
        }
    }

    fn read(stream: &mut Gathered<Scripted>, capacity: usize) -> Poll<io::Result<Vec<u8>>> {
        let mut bytes = vec![0; capacity];
        let mut buffer = ReadBuf::new(&mut bytes);
        stream
            .poll_gather(&mut Context::from_waker(Waker::noop()), &mut buffer)
            .map_ok(|()| buffer.filled().to_vec())
    }

    fn gathered(script: Vec<Poll<io::Result<&'static [u8]>>>) -> Gathered<Scripted> {
        Gathered {
            inner: Scripted(script),
            error: None,
        }
    }

    #[test]
    fn records_are_gathered_until_nothing_more_is_there() {
        let ready = |bytes: &'static [u8]| Poll::Ready(Ok(bytes));
        let mut stream = gathered(vec![
            ready(b"ab"),
            ready(b"cd"),
            Poll::Pending,
            Poll::Pending,
            ready(b""),
        ]);
        assert!(matches!(read(&mut stream, 9), Poll::Ready(Ok(bytes)) if bytes == b"abcd"));
        assert!(read(&mut stream, 9).is_pending());
        assert!(matches!(read(&mut stream, 9), Poll::Ready(Ok(bytes)) if bytes.is_empty()));
    }

    #[test]
    fn a_full_buffer_ends_the_gathering() {
        let mut stream = gathered(vec![Poll::Ready(Ok(b"abcd"))]);
        assert!(matches!(read(&mut stream, 4), Poll::Ready(Ok(bytes)) if bytes == b"abcd"));
    }

    #[test]
    fn an_error_after_some_bytes_is_told_by_the_next_read() {
        let broken = Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        let mut stream = gathered(vec![Poll::Ready(Ok(b"ab")), broken]);
        assert!(matches!(read(&mut stream, 9), Poll::Ready(Ok(bytes)) if bytes == b"ab"));
        assert!(matches!(read(&mut stream, 9), Poll::Ready(Err(_))));
    }
}

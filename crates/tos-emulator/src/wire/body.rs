//! The body that hyper sends: counted piece by piece, so that the log tells what went out.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::content::ByteStream;
use crate::faults::book::Strike;
use crate::log::Exchange;

/// A response body of a known length. Whoever drops it ends the exchange, whether complete or not.
pub(crate) struct WireBody {
    stream: Option<ByteStream>,
    left: u64,
    exchange: Option<Exchange>,
    /// Held until the response is over: rules count what is in flight.
    _strikes: Vec<Strike>,
}

impl WireBody {
    pub(crate) fn new(
        stream: Option<ByteStream>,
        len: u64,
        exchange: Option<Exchange>,
        strikes: Vec<Strike>,
    ) -> Self {
        if len == 0
            && let Some(exchange) = &exchange
        {
            exchange.finish();
        }
        Self {
            stream: stream.filter(|_| len > 0),
            left: len,
            exchange,
            _strikes: strikes,
        }
    }
}

impl Body for WireBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(None);
        };
        let Some(piece) = ready!(stream.as_mut().poll_next(context)) else {
            return Poll::Ready(None);
        };
        let piece = piece?;
        self.left = self.left.saturating_sub(piece.len() as u64);
        if let Some(exchange) = &self.exchange {
            exchange.hand_over(piece.len() as u64);
            // Before the last piece is on the wire: whoever has read it all finds the exchange finished.
            if self.left == 0 {
                exchange.finish();
            }
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_none()
    }

    /// Known only when empty: the length of the others is in the `Content-Length` header, which a fault may falsify.
    fn size_hint(&self) -> SizeHint {
        if self.stream.is_none() {
            SizeHint::with_exact(0)
        } else {
            SizeHint::default()
        }
    }
}

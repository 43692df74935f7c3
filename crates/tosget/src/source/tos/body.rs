//! A body as it comes off the connection, any framing undone.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use tokio::sync::OwnedSemaphorePermit;

use super::raw_trailer::RawTrailer;
use crate::error::attempt::AttemptError;
use crate::source::Body;

/// The body of one answer, which holds its connection until it is dropped.
#[derive(Debug)]
pub(super) struct TosBody {
    incoming: Incoming,
    trailer: Option<RawTrailer>,
    _permit: OwnedSemaphorePermit,
}

impl TosBody {
    /// `framed_payload` is the payload's length where a trailer with its CRC follows.
    pub(super) fn new(incoming: Incoming, framed_payload: Option<u64>, permit: OwnedSemaphorePermit) -> Self {
        Self {
            incoming,
            trailer: framed_payload.map(RawTrailer::new),
            _permit: permit,
        }
    }

    fn unframe(&mut self, piece: Bytes) -> Result<Bytes, AttemptError> {
        match &mut self.trailer {
            Some(trailer) => Ok(trailer.push(piece)?),
            None => Ok(piece),
        }
    }

    fn end(&mut self) -> Option<Result<Bytes, AttemptError>> {
        let fault = self.trailer.as_mut()?.finish().err()?;
        Some(Err(fault.into()))
    }
}

impl Body for TosBody {
    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, AttemptError>>> {
        loop {
            let piece = match ready!(Pin::new(&mut self.incoming).poll_frame(context)) {
                None => return Poll::Ready(self.end()),
                Some(Err(error)) => {
                    let source = Box::new(error);
                    return Poll::Ready(Some(Err(AttemptError::Broken { source })));
                }
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            };
            match self.unframe(piece) {
                Ok(payload) if payload.is_empty() => {}
                result => return Poll::Ready(Some(result)),
            }
        }
    }

    fn range_crc64(&self) -> Option<u64> {
        self.trailer.as_ref()?.crc64()
    }
}

//! A body as it comes off the connection, any framing undone.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body as _, Incoming};

use super::connect::Permit;
use super::raw_trailer::RawTrailer;
use super::request_log::RequestLog;
use crate::error::attempt::{AttemptError, ResponseFault};
use crate::source::Body;

/// The body of one answer, which holds its connection until it is dropped.
#[derive(Debug)]
pub(super) struct TosBody {
    incoming: Incoming,
    framing: Option<Framing>,
    _permit: Permit,
    log: RequestLog,
    is_done: bool,
}

impl TosBody {
    pub(super) fn new(incoming: Incoming, framing: Option<Framing>, permit: Permit, log: RequestLog) -> Self {
        Self {
            incoming,
            framing,
            _permit: permit,
            log,
            is_done: false,
        }
    }

    fn unframe(&mut self, piece: Bytes) -> Result<Bytes, AttemptError> {
        match &mut self.framing {
            Some(framing) => framing.told(|trailer| trailer.push(piece)),
            None => Ok(piece),
        }
    }

    fn end(&mut self) -> Option<Result<Bytes, AttemptError>> {
        self.is_done = true;
        let fault = self.framing.as_mut()?.told(RawTrailer::finish).err()?;
        Some(Err(fault))
    }
}

impl Drop for TosBody {
    fn drop(&mut self) {
        if self.is_done {
            self.log.done();
        } else {
            self.log.let_go();
        }
    }
}

/// The framing of a body that a CRC follows.
#[derive(Debug)]
pub(super) struct Framing {
    pub(super) trailer: RawTrailer,
    /// Cleared at the first fault, so that the next attempt asks for plain bytes: a server may frame in a way of its
    /// own, and the object's own CRC64 still proves the whole.
    pub(super) range_crc: Arc<AtomicBool>,
}

impl Framing {
    fn told<T>(
        &mut self,
        step: impl FnOnce(&mut RawTrailer) -> Result<T, ResponseFault>,
    ) -> Result<T, AttemptError> {
        step(&mut self.trailer).map_err(|fault| {
            tracing::debug!(target: "tosget::request", %fault, "the server's range CRC can't be read: not asking for it any more");
            self.range_crc.store(false, Ordering::Relaxed);
            fault.into()
        })
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
            self.log.received(piece.len());
            match self.unframe(piece) {
                Ok(payload) if payload.is_empty() => {}
                result => return Poll::Ready(Some(result)),
            }
        }
    }

    fn range_crc64(&self) -> Option<u64> {
        self.framing.as_ref()?.trailer.crc64()
    }
}

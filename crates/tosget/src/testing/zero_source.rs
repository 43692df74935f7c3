//! An object of any size that holds zeros, served without copying any.

use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;

use crate::checksum::Crc64;
use crate::error::attempt::AttemptError;
use crate::object::{ETag, HeadObjectOutput};
use crate::range::{ByteRange, ContentRange};
use crate::response::ResponseHead;
use crate::source::{Body, BoxFuture, HeadRequest, RangeRequest, RangeResponse, Source};

/// Pieces of a body, as large as those of a fast connection.
const PIECE_LEN: usize = 256 << 10;

/// Serves the zeros, and calls `asked` at each request with its number, from 0.
pub(crate) struct ZeroSource {
    size: u64,
    piece: Bytes,
    asked: Box<dyn Fn(u64) + Send + Sync>,
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    requests: u64,
    second: Option<Instant>,
}

impl ZeroSource {
    pub(crate) fn new(size: u64, asked: impl Fn(u64) + Send + Sync + 'static) -> Self {
        Self {
            size,
            piece: vec![0; PIECE_LEN].into(),
            asked: Box::new(asked),
            log: Mutex::default(),
        }
    }

    /// When the second request came, the first one after the probe.
    pub(crate) fn went_on_at(&self) -> Option<Instant> {
        self.log.lock().expect("not poisoned").second
    }

    pub(crate) fn head(&self) -> ResponseHead {
        ResponseHead {
            status: 200,
            etag: Some(ETag::quoted("zeros")),
            object: HeadObjectOutput {
                content_length: self.size,
                etag: Some("zeros".to_owned()),
                hash_crc64ecma: Some(crc_of_zeros(self.size).0),
                ..Default::default()
            },
            ..Default::default()
        }
    }
}

/// Joined from doubled halves: nobody computes it of a tebibyte.
pub(crate) fn crc_of_zeros(len: u64) -> Crc64 {
    match len {
        0 => Crc64::EMPTY,
        1 => Crc64::of(&[0]),
        _ => {
            let half = crc_of_zeros(len / 2);
            let even = half.then(half, len / 2);
            if len.is_multiple_of(2) {
                even
            } else {
                even.then(Crc64::of(&[0]), 1)
            }
        }
    }
}

impl std::fmt::Debug for ZeroSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ZeroSource")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl Source for ZeroSource {
    fn endpoint(&self) -> &str {
        "zeros"
    }

    fn head<'a>(&'a self, _: HeadRequest<'a>) -> BoxFuture<'a, Result<ResponseHead, AttemptError>> {
        Box::pin(async { Ok(self.head()) })
    }

    fn get<'a>(&'a self, request: RangeRequest<'a>) -> BoxFuture<'a, Result<RangeResponse, AttemptError>> {
        let number = {
            let mut log = self.log.lock().expect("not poisoned");
            log.requests += 1;
            if log.requests == 2 {
                log.second = Some(Instant::now());
            }
            log.requests - 1
        };
        (self.asked)(number);
        let range = ByteRange::new(request.range.start(), request.range.end().min(self.size));
        let range = range.expect("nobody asks for what lies beyond the end");
        let mut head = self.head();
        head.status = 206;
        head.content_range = Some(ContentRange::Satisfied {
            range,
            total: self.size,
        });
        head.payload_length = Some(range.len());
        let body = Box::new(Zeros {
            piece: self.piece.clone(),
            left: range.len(),
        });
        Box::pin(async { Ok(RangeResponse { head, body }) })
    }
}

#[derive(Debug)]
struct Zeros {
    piece: Bytes,
    left: u64,
}

impl Body for Zeros {
    fn poll_data(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, AttemptError>>> {
        let len = self.left.min(self.piece.len() as u64);
        self.left -= len;
        Poll::Ready((len > 0).then(|| Ok(self.piece.slice(..len as usize))))
    }
}

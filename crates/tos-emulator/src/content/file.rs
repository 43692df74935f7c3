//! Bytes from disk: positional reads on a blocking thread, one buffer ahead of the socket.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use futures_util::stream::try_unfold;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::store::blob::Blob;

/// Large enough that the hop to a blocking thread is cheap, small enough to stay in the processor's cache.
const CHUNK_LEN: usize = 256 * 1024;
/// One being read, one being sent, and some that hyper still holds in its queue.
const SPARES: usize = 4;

/// The bytes of `blobs`, laid end to end, in the half-open `range`.
pub(super) fn stream(
    blobs: &[Arc<Blob>],
    range: Range<u64>,
) -> impl Stream<Item = io::Result<Bytes>> + use<> {
    let ahead = Reader::new(blobs, range).read_ahead();
    try_unfold(ahead, |ahead| async {
        let Some(ahead) = ahead else { return Ok(None) };
        let (mut reader, chunk) = ahead.await.map_err(io::Error::other)??;
        reader.spares.push_back(chunk.clone());
        Ok(Some((chunk, reader.read_ahead())))
    })
}

type Ahead = Option<JoinHandle<io::Result<(Reader, Bytes)>>>;

/// What is left to read.
struct Reader {
    pieces: VecDeque<Piece>,
    /// Buffers given out; the front one is used again once nobody else holds it.
    spares: VecDeque<Bytes>,
}

/// A range of one blob.
struct Piece {
    blob: Arc<Blob>,
    range: Range<u64>,
    file: Option<File>,
}

impl Reader {
    fn new(blobs: &[Arc<Blob>], range: Range<u64>) -> Self {
        let mut pieces = VecDeque::new();
        let mut start = 0;
        for blob in blobs {
            let end = start + blob.len;
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                pieces.push_back(Piece {
                    blob: Arc::clone(blob),
                    range: from - start..to - start,
                    file: None,
                });
            }
            start = end;
        }
        Self {
            pieces,
            spares: VecDeque::new(),
        }
    }

    /// Starts reading the next chunk, if there is one.
    fn read_ahead(mut self) -> Ahead {
        (!self.pieces.is_empty()).then(|| {
            spawn_blocking(move || {
                let chunk = self.read()?;
                Ok((self, chunk))
            })
        })
    }

    fn read(&mut self) -> io::Result<Bytes> {
        let mut buffer = self.buffer();
        let Some(piece) = self.pieces.front_mut() else {
            return Ok(Bytes::new());
        };
        let len = (piece.range.end - piece.range.start).min(CHUNK_LEN as u64) as usize;
        buffer.resize(len, 0);
        let file = match &mut piece.file {
            Some(file) => file,
            none => none.insert(piece.blob.open()?),
        };
        file.read_exact_at(&mut buffer, piece.range.start)?;
        piece.range.start += len as u64;
        if piece.range.is_empty() {
            self.pieces.pop_front();
        }
        Ok(buffer.freeze())
    }

    /// A buffer that was sent and let go, so that its memory is warm, or a new one.
    fn buffer(&mut self) -> BytesMut {
        let oldest = if self.spares.len() >= SPARES {
            self.spares.pop_front()
        } else {
            None
        };
        oldest
            .and_then(|bytes| bytes.try_into_mut().ok())
            .unwrap_or_default()
    }
}

//! An object's bytes as a stream, for any range of it.

mod file;
mod generated;
pub(crate) mod range_crc;

use std::io;
use std::ops::Range;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;

pub(crate) use self::generated::GeneratedBlocks;
use crate::store::object::{Content, Object};

/// Pieces of a body, in order.
pub(crate) type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// The bytes of `object` in the half-open `range`, which must lie within it. A link has none; see
/// [`resolve`](crate::store::Store::resolve).
pub(crate) fn stream(object: &Object, range: Range<u64>, generated: &GeneratedBlocks) -> ByteStream {
    match &object.content {
        Content::Blobs(blobs) => Box::pin(file::stream(blobs, range)),
        Content::Virtual { seed } => Box::pin(generated::stream(generated.content(*seed), range)),
        Content::Link(_) => Box::pin(futures_util::stream::empty()),
    }
}

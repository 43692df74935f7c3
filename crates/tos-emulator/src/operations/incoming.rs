//! Taking in request bodies: objects to disk while they are hashed, JSON to memory, both checked against the digests
//! that the request names.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::header::EXPECT;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use md5::{Digest, Md5};
use serde::de::DeserializeOwned;
use sha2::Sha256;
use tokio::task::spawn_blocking;

use super::{Call, traffic_limit};
use crate::error::TosError;
use crate::request::Request;
use crate::signature::canonical::{UNSIGNED_PAYLOAD, hex};
use crate::store::blob::{BlobWriter, WrittenBlob};
use crate::wire::bandwidth::Limit;

/// Pieces are written together up to this size: a hop to a blocking thread for each small one would be slow.
const BATCH_LEN: usize = 512 * 1024;
const MAX_JSON_LEN: usize = 8 << 20;
/// A client with more to send than this learns from a closed connection that it was refused.
const MAX_DRAINED_LEN: usize = 64 << 20;

/// The digests that a body has to have.
struct Expected {
    md5: Option<[u8; 16]>,
    sha256: Option<String>,
}

impl Expected {
    fn of(request: &Request) -> Result<Self, TosError> {
        let md5 = request.header("content-md5").map(|text| {
            let bytes = STANDARD
                .decode(text)
                .ok()
                .and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
            bytes.ok_or_else(|| {
                TosError::bad_request("InvalidDigest", "The Content-MD5 you specified is not valid.")
            })
        });
        let named = request
            .header("x-tos-content-sha256")
            .filter(|value| *value != UNSIGNED_PAYLOAD);
        Ok(Self {
            md5: md5.transpose()?,
            sha256: named.map(str::to_ascii_lowercase),
        })
    }

    fn check(&self, md5: [u8; 16], sha256: Option<&str>) -> Result<(), TosError> {
        if self.md5.is_some_and(|expected| expected != md5) {
            return Err(TosError::bad_request(
                "BadDigest",
                "The Content-MD5 you specified did not match what we received.",
            ));
        }
        if self.sha256.is_some() && self.sha256.as_deref() != sha256 {
            return Err(TosError::bad_request(
                "ContentSHA256Mismatch",
                "The provided x-tos-content-sha256 does not match what was computed.",
            ));
        }
        Ok(())
    }
}

/// Writes the request's body to disk, no faster than the request wants it to be read.
pub(super) async fn to_blob(call: &mut Call) -> Result<WrittenBlob, TosError> {
    let expected = Expected::of(&call.request)?;
    let limit = Limit::new(traffic_limit::bytes_per_second(&call.request)?);
    let mut blob = BatchedBlob::new(call.service.store.blob_writer(expected.sha256.is_some())?);
    while let Some(frame) = call.body.frame().await {
        let Ok(piece) = frame.map_err(|error| incomplete(&error))?.into_data() else {
            continue;
        };
        limit.take(piece.len() as u64).await;
        blob = blob.add(&piece).await?;
    }
    let written = blob.finish().await?;
    expected.check(written.md5, written.sha256.as_deref())?;
    Ok(written)
}

/// A blob that is written on threads that may block, many small pieces at a time.
pub(super) struct BatchedBlob {
    writer: BlobWriter,
    batch: BytesMut,
}

impl BatchedBlob {
    pub(super) fn new(writer: BlobWriter) -> Self {
        Self {
            writer,
            batch: BytesMut::new(),
        }
    }

    pub(super) async fn add(mut self, piece: &[u8]) -> Result<Self, TosError> {
        self.batch.extend_from_slice(piece);
        if self.batch.len() >= BATCH_LEN {
            self = self.write().await?;
        }
        Ok(self)
    }

    pub(super) async fn finish(self) -> Result<WrittenBlob, TosError> {
        Ok(self.write().await?.writer.finish())
    }

    async fn write(mut self) -> Result<Self, TosError> {
        let written = spawn_blocking(move || {
            self.writer.write(&self.batch)?;
            self.batch.clear();
            Ok::<_, std::io::Error>(self)
        });
        Ok(written
            .await
            .map_err(|error| TosError::internal(error.to_string()))??)
    }
}

/// Reads the request's body as JSON.
pub(super) async fn json<T: DeserializeOwned>(call: &mut Call) -> Result<T, TosError> {
    let expected = Expected::of(&call.request)?;
    let text = collect(&mut call.body, MAX_JSON_LEN).await?;
    expected.check(Md5::digest(&text).into(), Some(&hex(&Sha256::digest(&text))))?;
    serde_json::from_slice(&text).map_err(|error| {
        TosError::bad_request(
            "MalformedBody",
            format!("The JSON you provided was not well-formed: {error}"),
        )
    })
}

/// All of a body that is not longer than `limit`.
pub(crate) async fn collect(body: &mut Incoming, limit: usize) -> Result<BytesMut, TosError> {
    let mut text = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(|error| incomplete(&error))?.into_data() else {
            continue;
        };
        text.extend_from_slice(&piece);
        if text.len() > limit {
            return Err(TosError::bad_request("EntityTooLarge", "The body is too large."));
        }
    }
    Ok(text)
}

/// Reads on to the body's end, for a client that listens only once it has sent all. One that waits for `100 Continue`
/// has not begun.
pub(crate) async fn drain(request: &Request, body: &mut Incoming) {
    if request.headers.contains_key(EXPECT) {
        return;
    }
    let mut left = MAX_DRAINED_LEN;
    while left > 0
        && let Some(Ok(frame)) = body.frame().await
    {
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
    }
}

fn incomplete(error: &hyper::Error) -> TosError {
    TosError::bad_request(
        "IncompleteBody",
        format!("The body could not be read to its end: {error}"),
    )
}

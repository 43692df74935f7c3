//! The head of a server's answer to a read, as values. Whether it is the answer that was asked for is decided in
//! [`crate::verify`].

use std::time::Duration;

use crate::object::{ETag, Fingerprint, HeadObjectOutput};
use crate::range::ContentRange;

/// What the status line and headers of a successful (2xx) answer said.
#[derive(Clone, Debug, Default)]
pub(crate) struct ResponseHead {
    /// 200 or 206; other statuses became an error before this.
    pub(crate) status: u16,
    /// `Content-Range`, parsed; `None` when it is absent.
    pub(crate) content_range: Option<ContentRange>,
    /// A `Content-Range` that could not be read, kept for the error message.
    pub(crate) unreadable_content_range: Option<String>,
    /// Payload bytes in this body: `X-Tos-Raw-Content-Length` where the body is framed for a range CRC,
    /// else `Content-Length`. `None` for a chunked body.
    pub(crate) payload_length: Option<u64>,
    /// The body ends when the connection does, however that came about.
    pub(crate) ends_with_connection: bool,
    /// The content coding that this *transfer* has, without `tos-raw-trailer`, which the body has already undone.
    pub(crate) content_encoding: Option<String>,
    /// The body is followed by the server's CRC64 of exactly this range.
    pub(crate) range_crc_granted: bool,
    /// `x-tos-qos-delay-time` was positive: the service slowed this request down.
    pub(crate) throttled: bool,
    /// The object's ETag as the server wrote it.
    pub(crate) etag: Option<ETag>,
    /// What the headers tell about the object. On 206, `content_length` is the total of `Content-Range`.
    pub(crate) object: HeadObjectOutput,
}

impl ResponseHead {
    /// Whether the answer is known to be of an object, by the service's word or by anything that identifies one.
    pub(crate) fn is_of_an_object(&self) -> bool {
        self.content_range.is_some()
            || self.etag.is_some()
            || self.object.last_modified.is_some()
            || self.object.request_id.is_some()
            || self.object.hash_crc64ecma.is_some()
    }

    /// What makes this the same object as another read's.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let object = &self.object;
        Fingerprint {
            size: object.content_length,
            etag: self.etag.clone(),
            crc64: object.hash_crc64ecma.map(crate::checksum::Crc64),
            version_id: object.version_id.clone(),
            last_modified: object.last_modified.and_then(epoch_seconds),
        }
    }
}

fn epoch_seconds(time: std::time::SystemTime) -> Option<i64> {
    match time.duration_since(std::time::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).ok(),
        Err(before) => i64::try_from(Duration::as_secs(&before.duration()))
            .ok()
            .map(|seconds| -seconds),
    }
}

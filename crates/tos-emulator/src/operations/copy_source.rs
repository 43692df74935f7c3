//! The object that a copy is made of: named, found, and allowed to be copied.

use std::ops::Range;

use super::encryption::{self, COPY_SOURCE_KEY};
use super::{COPY_SOURCE, Call};
use crate::error::TosError;
use crate::reply::Reply;
use crate::request::conditions;
use crate::request::encoding::decode_text;
use crate::request::query::Query;
use crate::request::range::ByteRange;
use crate::store::object::{Content, Kind};
use crate::store::objects::Found;

/// What the request names: `bucket/key` or `/bucket/key`, with the key percent-encoded, and `?versionId=…`.
struct SourceName {
    bucket: String,
    key: String,
    version_id: Option<String>,
}

impl SourceName {
    fn parse(header: &str) -> Option<Self> {
        let (path, query) = header.split_once('?').unwrap_or((header, ""));
        let (bucket, key) = path.strip_prefix('/').unwrap_or(path).split_once('/')?;
        let key = decode_text(key).filter(|key| !key.is_empty())?;
        Some(Self {
            bucket: decode_text(bucket)?,
            key,
            version_id: Query::parse(query)?.non_empty("versionId").map(str::to_owned),
        })
    }
}

/// The source of a copy, once everything that the request asks of it holds. Of a link, the copy is a link.
pub(super) fn find(call: &Call) -> Result<Found, TosError> {
    let name = call.request.header(COPY_SOURCE).and_then(SourceName::parse);
    let name = name.ok_or_else(|| {
        TosError::invalid_argument("x-tos-copy-source must be a bucket and a percent-encoded key.")
    })?;
    let store = &call.service.store;
    let found = store.find(&name.bucket, &name.key, name.version_id.as_deref())?;
    let (headers, object) = (&call.request.headers, &found.object);
    encryption::check_key(headers, &COPY_SOURCE_KEY, object.attributes.encryption.as_ref())?;
    let etag = object.etag.as_deref();
    conditions::check(headers, &conditions::COPY_SOURCE, etag, found.modified)
        .map_err(|_| TosError::precondition_failed())?;
    object.check_restored(call.service.clock.now())?;
    if object.kind() == Kind::Appendable {
        return Err(TosError::bad_request(
            "InvalidRequest",
            "Appendable objects cannot be copied.",
        ));
    }
    Ok(found)
}

/// The bytes of the source that the request wants for its part; all of them when it names none.
pub(super) fn range(call: &Call, found: &Found) -> Result<Range<u64>, TosError> {
    let object = &found.object;
    if matches!(object.content, Content::Link(_)) {
        return Err(TosError::bad_request(
            "InvalidRequest",
            "A symbolic link has no bytes to make a part of.",
        ));
    }
    let Some(header) = call.request.header("x-tos-copy-source-range") else {
        return Ok(0..object.size);
    };
    // Only `bytes=a-b` within the object: an upload must not be shorter than its maker thinks.
    match ByteRange::parse(header) {
        Some(ByteRange::Closed { first, last }) if last < object.size => Ok(first..last + 1),
        _ => Err(TosError::invalid_argument(
            "x-tos-copy-source-range must be bytes=first-last, within the source.",
        )),
    }
}

/// The version that was copied, where there are versions.
pub(super) fn tell(reply: Reply, found: &Found) -> Reply {
    reply.with_some("x-tos-copy-source-version-id", found.version_id.as_deref())
}

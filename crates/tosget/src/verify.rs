//! Whether an answer is the one that was asked for, and whether what was collected is the object. Pure.

use crate::checksum::Crc64;
use crate::coverage::Coverage;
use crate::error::attempt::ResponseFault;
use crate::object::Fingerprint;
use crate::range::{ByteRange, ContentRange};
use crate::response::ResponseHead;

/// What every answer after the probe must still be.
#[derive(Clone, Debug)]
pub(crate) struct Pin {
    pub(crate) fingerprint: Fingerprint,
    /// `Content-Encoding` as stored with the object. Any other one was applied on the way.
    pub(crate) content_encoding: Option<String>,
}

impl Pin {
    /// Pins the object that the probe found.
    pub(crate) fn new(head: &ResponseHead) -> Self {
        Self {
            fingerprint: head.fingerprint(),
            content_encoding: head.content_encoding.clone(),
        }
    }

    /// Holds a later answer against the pin (invariant I5): nothing of its body may be written if this fails.
    pub(crate) fn check(&self, asked: ByteRange, head: &ResponseHead) -> Result<(), ResponseFault> {
        let range = answered_range(asked, head)?;
        same_object(&self.fingerprint, &head.fingerprint())?;
        if head.content_encoding != self.content_encoding {
            return Err(ResponseFault::Encoded(
                head.content_encoding.clone().unwrap_or_default(),
            ));
        }
        match range {
            Some(range) if range == asked => Ok(()),
            other => Err(wrong_range(asked, other)),
        }
    }
}

/// The range that an answer's body carries: what was asked for, cut at the object's end. `None`: the object is empty.
///
/// Status 200 will do only where it cannot be mistaken: the whole object was asked for anyhow. Where it tells no length, that is
/// [`ByteRange::ALL`].
pub(crate) fn answered_range(
    asked: ByteRange,
    head: &ResponseHead,
) -> Result<Option<ByteRange>, ResponseFault> {
    match head.status {
        206 => partial_range(asked, head).map(Some),
        200 => whole_range(asked, head),
        status => Err(ResponseFault::Status(status)),
    }
}

fn partial_range(asked: ByteRange, head: &ResponseHead) -> Result<ByteRange, ResponseFault> {
    if let Some(text) = &head.unreadable_content_range {
        return Err(ResponseFault::UnreadableContentRange(text.clone()));
    }
    let Some(ContentRange::Satisfied { range, total }) = head.content_range else {
        return Err(ResponseFault::NoContentRange);
    };
    if range.start() != asked.start() || range.end() != asked.end().min(total) {
        return Err(wrong_range(asked, Some(range)));
    }
    check_length(head, range.len())?;
    Ok(range)
}

fn whole_range(asked: ByteRange, head: &ResponseHead) -> Result<Option<ByteRange>, ResponseFault> {
    let Some(size) = head.payload_length else {
        return whole_of_unknown_length(asked, head).map(Some);
    };
    if asked.start() != 0 || size > asked.end() || size != head.object.content_length {
        return Err(ResponseFault::RangeIgnored);
    }
    Ok(ByteRange::new(0, size))
}

/// Only who asks for everything can take it. An encoding that is not the object's would show in nothing but a CRC64.
fn whole_of_unknown_length(asked: ByteRange, head: &ResponseHead) -> Result<ByteRange, ResponseFault> {
    match &head.content_encoding {
        _ if asked != ByteRange::ALL => Err(ResponseFault::NoLength),
        Some(encoding) if head.object.hash_crc64ecma.is_none() => {
            Err(ResponseFault::Encoded(encoding.clone()))
        }
        _ => Ok(ByteRange::ALL),
    }
}

fn check_length(head: &ResponseHead, asked: u64) -> Result<(), ResponseFault> {
    match (head.payload_length, &head.content_encoding) {
        (Some(sent), _) if sent == asked => Ok(()),
        (_, Some(encoding)) => Err(ResponseFault::Encoded(encoding.clone())),
        (Some(sent), None) => Err(ResponseFault::WrongLength { asked, sent }),
        // A chunked body: it is counted as it comes.
        (None, None) => Ok(()),
    }
}

fn wrong_range(asked: ByteRange, sent: Option<ByteRange>) -> ResponseFault {
    let sent = sent.map_or_else(|| "nothing".to_owned(), |range| range.to_string());
    ResponseFault::WrongRange {
        asked: asked.to_string(),
        sent,
    }
}

/// Whether two reads were of the same object; the fault names the first thing that differs.
///
/// Something that one side does not tell can't differ, save what pins the object: once seen, it has to be there.
pub(crate) fn same_object(before: &Fingerprint, now: &Fingerprint) -> Result<(), ResponseFault> {
    let changed = |what, before: String, now: String| Err(ResponseFault::Changed { what, before, now });
    let has_strong_etag = before.etag.as_ref().is_some_and(|etag| !etag.is_weak());
    if before.size != now.size && has_strong_etag && before.etag == now.etag {
        let (before, now) = (before.size, now.size);
        return Err(ResponseFault::OtherTotal { before, now });
    }
    if before.size != now.size {
        return changed("size", before.size.to_string(), now.size.to_string());
    }
    if before.etag != now.etag && (before.etag.is_some() || before.crc64.is_none()) {
        let text = |fingerprint: &Fingerprint| {
            fingerprint
                .etag
                .as_ref()
                .map_or_else(|| "absent".to_owned(), |etag| format!("{etag:?}"))
        };
        return changed("ETag", text(before), text(now));
    }
    if let (Some(a), Some(b)) = (before.crc64, now.crc64)
        && a != b
    {
        return changed("CRC64", a.to_string(), b.to_string());
    }
    if let (Some(a), Some(b)) = (&before.version_id, &now.version_id)
        && a != b
    {
        return changed("version", a.clone(), b.clone());
    }
    if let (false, Some(a)) = (has_strong_etag, before.last_modified)
        && now.last_modified.map_or(before.crc64.is_none(), |b| a != b)
    {
        let text = now
            .last_modified
            .map_or_else(|| "absent".to_owned(), |b| b.to_string());
        return changed("modification time", a.to_string(), text);
    }
    Ok(())
}

/// By what the content of a finished file was proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verification {
    /// The CRC64 of all bytes equals the server's CRC64 of the object.
    Crc64,
    /// The server gave no CRC64, or checking was switched off: size, ranges and identity were checked, content was not.
    SizeOnly,
}

/// Proof that the temporary file holds the whole object. Only [`verify`] makes one, and only it can be committed.
#[derive(Debug)]
pub(crate) struct Verified {
    by: Verification,
    size: u64,
    crc: Crc64,
}

impl Verified {
    pub(crate) fn by(&self) -> Verification {
        self.by
    }

    /// Bytes of the whole content.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// CRC64 of the whole content.
    pub(crate) fn crc(&self) -> Crc64 {
        self.crc
    }
}

/// Why the collected bytes are not the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotTheObject {
    #[error("only {covered} of {size} bytes are there")]
    Incomplete { covered: u64, size: u64 },
    #[error("the CRC64 of the content is {content}, the object's is {object}")]
    WrongCrc { content: Crc64, object: Crc64 },
}

/// Holds what was collected against the object. A CRC of 0 is a value like any other.
pub(crate) fn verify(
    coverage: &Coverage,
    object: &Fingerprint,
    enable_crc: bool,
) -> Result<Verified, NotTheObject> {
    let Some(content) = coverage.whole(object.size) else {
        return Err(NotTheObject::Incomplete {
            covered: coverage.covered(),
            size: object.size,
        });
    };
    let verified = |by| Verified {
        by,
        size: object.size,
        crc: content,
    };
    match object.crc64.filter(|_| enable_crc) {
        Some(object) if object == content => Ok(verified(Verification::Crc64)),
        Some(object) => Err(NotTheObject::WrongCrc { content, object }),
        None => Ok(verified(Verification::SizeOnly)),
    }
}

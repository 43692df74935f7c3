//! What can go wrong with a request.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What happens to a request that a [`FaultRule`](super::FaultRule) strikes.
///
/// Offsets and lengths are in bytes, durations in milliseconds, bandwidths in bytes per second. Bytes of the body are
/// counted from the start of the response's body; a fault that comes after so many of them needs a longer body to strike. As JSON: `{"reset_after": {"bytes": 1000}}`, `"reset_before_head"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Verdict {
    /// Wait before the request is looked at.
    Delay {
        /// How long.
        ms: u64,
    },
    /// Answer with an error instead of doing what was asked.
    Status(CannedAnswer),
    /// Answer with a redirect.
    Redirect {
        /// The status, such as 302 or 307.
        status: u16,
        /// The `Location` header.
        location: String,
    },
    /// Reset the connection (TCP RST) before the status line.
    ResetBeforeHead,
    /// Close the connection (TCP FIN) before the status line.
    CloseBeforeHead,
    /// Say nothing before the status line.
    StallBeforeHead {
        /// For how long; none for ever, until the client closes.
        #[serde(default)]
        ms: Option<u64>,
    },
    /// Send this much of the body, then reset the connection (TCP RST).
    ResetAfter {
        /// How much of the body.
        bytes: u64,
    },
    /// Send this much of the body, then close the connection (TCP FIN), so that the body is truncated.
    CloseAfter {
        /// How much of the body.
        bytes: u64,
    },
    /// Send this much of the body, then nothing.
    StallAfter {
        /// How much of the body.
        bytes: u64,
        /// For how long; none for ever, until the client closes.
        #[serde(default)]
        ms: Option<u64>,
    },
    /// Send bodies no faster than this.
    Bandwidth {
        /// For each struck response.
        #[serde(default)]
        per_connection: Option<u64>,
        /// For all struck responses together.
        #[serde(default)]
        total: Option<u64>,
    },
    /// Send another `Content-Range` than is true.
    WrongContentRange {
        /// Added to first and last offset.
        #[serde(default)]
        shift: i64,
        /// Instead of the object's size.
        #[serde(default)]
        total: Option<u64>,
    },
    /// Take no notice of `Range`: 200 with the whole object.
    IgnoreRange,
    /// Turn over all bits of one byte, wherever a response carries it.
    FlipByte {
        /// The byte's offset in the object.
        offset: u64,
    },
    /// Overwrite the object just before the request is looked at, so that `If-Match` with its former ETag gives 412.
    /// Striking again with the same seed and size changes nothing more.
    ReplaceObject {
        /// The new content is that of [`virtual_content`](crate::virtual_content) with this seed.
        #[serde(default)]
        seed: u64,
        /// The new size; none for the former one.
        #[serde(default)]
        size: Option<u64>,
    },
    /// Send another ETag, in this response only.
    OtherEtag {
        /// Without quotes.
        etag: String,
    },
    /// Send no ETag.
    HideEtag,
    /// Send the ETag without its quotes.
    UnquotedEtag,
    /// Send the ETag as a weak one.
    WeakEtag,
    /// Send no `Content-Length`: the body comes in chunks.
    HideLength,
    /// Send no `x-tos-hash-crc64ecma`.
    HideCrc,
    /// Send a wrong `x-tos-hash-crc64ecma`.
    WrongCrc,
    /// Send a wrong CRC64 in the trailer of a range, where one is granted.
    WrongRangeCrc,
    /// Say that the body has this content coding, though it has not.
    ContentEncoding {
        /// The header's value.
        value: String,
    },
    /// Say that the request was slowed down.
    QosDelay {
        /// The value of `x-tos-qos-delay-time`.
        value: String,
    },
    /// Set a header to a value.
    SetHeader {
        /// The header's name.
        name: String,
        /// The header's value.
        value: String,
    },
    /// Leave a header out.
    RemoveHeader {
        /// The header's name.
        name: String,
    },
    /// Send a header (`x-padding`) whose value has this length.
    HugeHeader {
        /// The value's length.
        bytes: usize,
    },
    /// Send this many bytes more than the range has; `Content-Length` tells of them, `Content-Range` does not.
    ExtraBytes {
        /// How many.
        bytes: u64,
    },
    /// Answer 503 while this many struck requests are being answered already.
    MaxConcurrent {
        /// The largest number at a time.
        limit: usize,
    },
    /// While this many struck requests are being answered already, do that to the next one.
    Beyond {
        /// The largest number at a time.
        limit: usize,
        /// What happens to the others.
        verdict: Box<Verdict>,
    },
    /// Answer 200 with a web page, as a captive portal does: without any header of the service.
    Portal {
        /// The page.
        html: String,
    },
}

/// An answer that does not come from the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CannedAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The error code in the JSON body.
    #[serde(default)]
    pub code: String,
    /// The message in the JSON body.
    #[serde(default)]
    pub message: String,
    /// The error number, in the JSON body and in `x-tos-ec`.
    #[serde(default)]
    pub ec: Option<String>,
    /// More headers, such as `Retry-After`.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body.
    #[serde(default)]
    pub body: CannedBody,
}

/// The body of a [`CannedAnswer`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CannedBody {
    /// A JSON error as the service sends it.
    #[default]
    Json,
    /// None at all.
    Empty,
    /// An HTML page, as a proxy in between would send it.
    Html(String),
    /// This text, as `text/plain`.
    Text(String),
    /// This many bytes of filler.
    Filler(u64),
}

impl Verdict {
    /// An answer with this status, and a JSON body with this code.
    pub fn status(status: u16, code: impl Into<String>) -> Self {
        Self::Status(CannedAnswer {
            status,
            code: code.into(),
            ..CannedAnswer::default()
        })
    }

    /// An answer 503 `ServiceUnavailable` with `Retry-After` in seconds.
    pub fn unavailable(retry_after_seconds: u64) -> Self {
        Self::Status(CannedAnswer {
            status: 503,
            code: "ServiceUnavailable".into(),
            message: "Please reduce your request rate.".into(),
            headers: BTreeMap::from([("Retry-After".into(), retry_after_seconds.to_string())]),
            ..CannedAnswer::default()
        })
    }

    /// The verdict's name, as in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Delay { .. } => "delay",
            Self::Status(_) => "status",
            Self::Redirect { .. } => "redirect",
            Self::ResetBeforeHead => "reset_before_head",
            Self::CloseBeforeHead => "close_before_head",
            Self::StallBeforeHead { .. } => "stall_before_head",
            Self::ResetAfter { .. } => "reset_after",
            Self::CloseAfter { .. } => "close_after",
            Self::StallAfter { .. } => "stall_after",
            Self::Bandwidth { .. } => "bandwidth",
            Self::WrongContentRange { .. } => "wrong_content_range",
            Self::IgnoreRange => "ignore_range",
            Self::FlipByte { .. } => "flip_byte",
            Self::ReplaceObject { .. } => "replace_object",
            Self::OtherEtag { .. } => "other_etag",
            Self::HideEtag => "hide_etag",
            Self::UnquotedEtag => "unquoted_etag",
            Self::WeakEtag => "weak_etag",
            Self::HideLength => "hide_length",
            Self::HideCrc => "hide_crc",
            Self::WrongCrc => "wrong_crc",
            Self::WrongRangeCrc => "wrong_range_crc",
            Self::ContentEncoding { .. } => "content_encoding",
            Self::QosDelay { .. } => "qos_delay",
            Self::SetHeader { .. } => "set_header",
            Self::RemoveHeader { .. } => "remove_header",
            Self::HugeHeader { .. } => "huge_header",
            Self::ExtraBytes { .. } => "extra_bytes",
            Self::MaxConcurrent { .. } => "max_concurrent",
            Self::Beyond { .. } => "beyond",
            Self::Portal { .. } => "portal",
        }
    }
}

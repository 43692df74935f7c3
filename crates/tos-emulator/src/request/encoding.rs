//! Percent-encoding, one pass each way: the alphabet of the signature and the decoding of paths.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

/// What stays as it is in a query: `A-Z a-z 0-9 - _ . ~`.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');
/// In a path the slash stays too.
const PATH: &AsciiSet = &QUERY.remove(b'/');

pub(crate) fn encode_query(text: &str) -> String {
    percent_encode(text.as_bytes(), QUERY).to_string()
}

pub(crate) fn encode_path(bytes: &[u8]) -> String {
    percent_encode(bytes, PATH).to_string()
}

/// The bytes that a raw path stands for; a plus is a plus.
pub(crate) fn decode(raw: &str) -> Cow<'_, [u8]> {
    percent_decode_str(raw).into()
}

/// The text that a raw path stands for, or none when it is not UTF-8.
pub(crate) fn decode_text(raw: &str) -> Option<String> {
    String::from_utf8(decode(raw).into_owned()).ok()
}

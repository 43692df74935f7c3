//! Percent-encoding as TOS signs it: one pass over the UTF-8 bytes, upper-case hex, no form encoding.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode, utf8_percent_encode};

/// Everything but `A-Z a-z 0-9 - _ . ~`.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A path keeps its slashes too.
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// A path, with `/` as it is. Nothing is normalised: `.`, `..` and empty segments stay.
pub(crate) fn encode_path(path: &str) -> String {
    utf8_percent_encode(path, PATH).to_string()
}

/// A name or value of a query, `/` encoded.
pub(crate) fn encode_query(text: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(text, QUERY)
}

/// One segment of a path, which need not be UTF-8; `/` encoded.
pub(crate) fn encode_segment(segment: &[u8]) -> String {
    percent_encode(segment, QUERY).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreserved_characters_stay_and_everything_else_is_encoded_once() {
        assert_eq!(encode_path("aZ09-_.~/"), "aZ09-_.~/");
        assert_eq!(encode_path("a b+%2F?#&="), "a%20b%2B%252F%3F%23%26%3D");
        assert_eq!(encode_path("中\u{1}"), "%E4%B8%AD%01");
        assert_eq!(encode_query("a/b").to_string(), "a%2Fb");
    }

    #[test]
    fn dot_segments_and_empty_segments_survive() {
        assert_eq!(encode_path("/a//b/./../c/"), "/a//b/./../c/");
    }
}

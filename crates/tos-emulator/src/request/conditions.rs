//! `If-Match` and its kin: whether a read may go ahead.

use http::HeaderMap;
use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};

use crate::clock::Timestamp;
use crate::error::TosError;

/// Checks the conditions of a GET or HEAD against the object's ETag (without quotes, if it has one) and time, in the order that
/// RFC 9110 13.2.2 gives. ETags may come with or without quotes: the Python SDK strips them.
pub(crate) fn check(headers: &HeaderMap, etag: Option<&str>, modified: Timestamp) -> Result<(), TosError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let time = |name| text(name).and_then(Timestamp::parse_http);
    if let Some(wanted) = text(IF_MATCH) {
        if !matches(wanted, etag) {
            return Err(TosError::precondition_failed());
        }
    } else if time(IF_UNMODIFIED_SINCE).is_some_and(|limit| modified.seconds() > limit.seconds()) {
        return Err(TosError::precondition_failed());
    }
    if let Some(unwanted) = text(IF_NONE_MATCH) {
        if matches(unwanted, etag) {
            return Err(TosError::not_modified());
        }
    } else if time(IF_MODIFIED_SINCE).is_some_and(|limit| modified.seconds() <= limit.seconds()) {
        return Err(TosError::not_modified());
    }
    Ok(())
}

/// Whether a list of ETags, or an asterisk, has the object's.
pub(crate) fn matches(list: &str, etag: Option<&str>) -> bool {
    list.split(',')
        .map(str::trim)
        .any(|item| item == "*" || Some(unquoted(item)) == etag)
}

/// An ETag without the quotes that it may have.
pub(crate) fn unquoted(etag: &str) -> &str {
    etag.trim().trim_start_matches("W/").trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(headers: &[(&'static str, &'static str)]) -> u16 {
        let headers = headers.iter().map(|(name, value)| {
            (
                name.parse::<http::HeaderName>().expect("a name"),
                value.parse::<http::HeaderValue>().expect("a value"),
            )
        });
        let modified = Timestamp::parse_basic("20240102T030405Z").expect("a time");
        check(&headers.collect(), Some("abc"), modified).map_or_else(|error| error.status.as_u16(), |()| 200)
    }

    #[test]
    fn etags_match_with_and_without_quotes() {
        for value in ["abc", "\"abc\"", "*", "\"x\", \"abc\""] {
            assert_eq!(status(&[("if-match", value)]), 200, "{value}");
            assert_eq!(status(&[("if-none-match", value)]), 304, "{value}");
        }
        assert_eq!(status(&[("if-match", "\"abcd\"")]), 412);
        assert_eq!(status(&[("if-none-match", "abcd")]), 200);
    }

    #[test]
    fn times_are_compared_by_the_second() {
        let (same, before) = ("Tue, 02 Jan 2024 03:04:05 GMT", "Tue, 02 Jan 2024 03:04:04 GMT");
        assert_eq!(status(&[("if-unmodified-since", same)]), 200);
        assert_eq!(status(&[("if-unmodified-since", before)]), 412);
        assert_eq!(status(&[("if-modified-since", same)]), 304);
        assert_eq!(status(&[("if-modified-since", before)]), 200);
    }

    #[test]
    fn an_etag_condition_outweighs_its_time_condition() {
        let before = "Tue, 02 Jan 2024 03:04:04 GMT";
        assert_eq!(
            status(&[("if-match", "abc"), ("if-unmodified-since", before)]),
            200
        );
        assert_eq!(
            status(&[
                ("if-none-match", "x"),
                ("if-modified-since", "Tue, 02 Jan 2024 03:04:05 GMT")
            ]),
            200
        );
    }
}

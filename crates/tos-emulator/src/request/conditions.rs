//! `If-Match` and its kin: whether a read may go ahead.

use http::HeaderMap;

use crate::clock::Timestamp;
use crate::error::TosError;

/// The headers that conditions come in.
pub(crate) struct Names {
    if_match: &'static str,
    if_unmodified_since: &'static str,
    if_none_match: &'static str,
    if_modified_since: &'static str,
}

/// Conditions on the object that the request is about.
pub(crate) const OWN: Names = Names {
    if_match: "if-match",
    if_unmodified_since: "if-unmodified-since",
    if_none_match: "if-none-match",
    if_modified_since: "if-modified-since",
};

/// Conditions on the object that is copied.
pub(crate) const COPY_SOURCE: Names = Names {
    if_match: "x-tos-copy-source-if-match",
    if_unmodified_since: "x-tos-copy-source-if-unmodified-since",
    if_none_match: "x-tos-copy-source-if-none-match",
    if_modified_since: "x-tos-copy-source-if-modified-since",
};

/// A condition that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unmet {
    /// The object is not the one that was meant.
    Changed,
    /// The client has this object already.
    Unchanged,
}

impl Unmet {
    /// What a GET or HEAD is answered.
    pub(crate) fn of_read(self) -> TosError {
        match self {
            Self::Changed => TosError::precondition_failed(),
            Self::Unchanged => TosError::not_modified(),
        }
    }
}

/// Checks the conditions in `headers` against the object's ETag (without quotes, if it has one) and time, in the order
/// that RFC 9110 13.2.2 gives. ETags may come with or without quotes: the Python SDK strips them.
pub(crate) fn check(
    headers: &HeaderMap,
    names: &Names,
    etag: Option<&str>,
    modified: Timestamp,
) -> Result<(), Unmet> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let time = |name| text(name).and_then(Timestamp::parse_http);
    if let Some(wanted) = text(names.if_match) {
        if !matches(wanted, etag) {
            return Err(Unmet::Changed);
        }
    } else if time(names.if_unmodified_since).is_some_and(|limit| modified.seconds() > limit.seconds()) {
        return Err(Unmet::Changed);
    }
    if let Some(unwanted) = text(names.if_none_match) {
        if matches(unwanted, etag) {
            return Err(Unmet::Unchanged);
        }
    } else if time(names.if_modified_since).is_some_and(|limit| modified.seconds() <= limit.seconds()) {
        return Err(Unmet::Unchanged);
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
        let checked = check(&headers.collect(), &OWN, Some("abc"), modified);
        checked.map_or_else(|unmet| unmet.of_read().status.as_u16(), |()| 200)
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

//! What a caller demands of an object before it is read: `If-Match` and its kin.
//!
//! They go out with the first request of a call. The object that answers is held from then on by its own ETag, so there is
//! nothing to demand of later requests.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result};
use crate::object::{ETag, Printable};

/// HTTP's dates have four digits for the year.
const END_OF_YEAR_9999: u64 = 253_402_300_800;

/// The conditions of a call; all of those that are set have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Conditions {
    if_match: Option<ETag>,
    if_none_match: Option<ETag>,
    if_modified_since: Option<HttpDate>,
    if_unmodified_since: Option<HttpDate>,
}

/// The same, as a caller said them.
#[derive(Clone, Debug, Default)]
pub(crate) struct AskedConditions {
    pub(crate) if_match: Option<String>,
    pub(crate) if_none_match: Option<String>,
    pub(crate) if_modified_since: Option<SystemTime>,
    pub(crate) if_unmodified_since: Option<SystemTime>,
}

impl AskedConditions {
    pub(crate) fn check(self) -> Result<Conditions> {
        Ok(Conditions {
            if_match: etag("if_match", self.if_match)?,
            if_none_match: etag("if_none_match", self.if_none_match)?,
            if_modified_since: date("if_modified_since", self.if_modified_since)?,
            if_unmodified_since: date("if_unmodified_since", self.if_unmodified_since)?,
        })
    }
}

impl Conditions {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether only one state of the object will do.
    pub(crate) fn names_one_object(&self) -> bool {
        self.if_match.is_some()
    }

    /// Names and values of the headers, as HTTP writes them.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&'static str, String)> {
        [
            ("if-match", header(self.if_match.as_ref())),
            ("if-none-match", header(self.if_none_match.as_ref())),
            (
                "if-modified-since",
                self.if_modified_since.map(|date| date.to_string()),
            ),
            (
                "if-unmodified-since",
                self.if_unmodified_since.map(|date| date.to_string()),
            ),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }

    /// What an answer with this status says does not hold; `None` where it says nothing about conditions.
    ///
    /// Where two conditions lead to the same status, the answer does not tell which one it was.
    pub(crate) fn unmet(&self, status: u16) -> Option<String> {
        let (etag, date) = match status {
            412 => (
                self.if_match.as_ref().map(|etag| named("if_match", etag)),
                self.if_unmodified_since
                    .map(|date| format!("if_unmodified_since {date}")),
            ),
            304 => (
                self.if_none_match
                    .as_ref()
                    .map(|etag| named("if_none_match", etag)),
                self.if_modified_since
                    .map(|date| format!("if_modified_since {date}")),
            ),
            _ => return None,
        };
        let names: Vec<_> = [etag, date].into_iter().flatten().collect();
        (!names.is_empty()).then(|| format!("the condition {} does not hold", names.join(" or ")))
    }
}

fn header(etag: Option<&ETag>) -> Option<String> {
    etag.map(|etag| etag.to_header().to_owned())
}

fn named(condition: &str, etag: &ETag) -> String {
    format!("{condition} {}", etag.to_header())
}

/// One ETag. Empty means the same as not set, as with a version.
fn etag(condition: &str, asked: Option<String>) -> Result<Option<ETag>> {
    let Some(text) = asked.filter(|text| !text.trim().is_empty()) else {
        return Ok(None);
    };
    // RFC 9110 section 8.8.3; what lies beyond ASCII can't be sent unambiguously.
    let legal = |etag: &ETag| {
        etag.as_str()
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'"')
    };
    match ETag::parse(&text).filter(legal) {
        Some(etag) if etag.as_str() != "*" && !etag.is_weak() => Ok(Some(ETag::quoted(etag.as_str()))),
        _ => Err(Error::invalid_argument(format!(
            "{condition} is {}: it must be one ETag, with or without quotes (no list, no *, no weak one)",
            Printable(&text)
        ))),
    }
}

fn date(condition: &str, asked: Option<SystemTime>) -> Result<Option<HttpDate>> {
    let Some(time) = asked else { return Ok(None) };
    HttpDate::new(time)
        .map(Some)
        .ok_or_else(|| Error::invalid_argument(format!("{condition} must lie in the years 1970 to 9999")))
}

/// A point in time as HTTP's headers can carry it: whole seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HttpDate(u64);

impl HttpDate {
    /// Drops fractions of a second, as `Last-Modified` does. `None` outside the calendar of HTTP.
    pub(crate) fn new(time: SystemTime) -> Option<Self> {
        Self::from_epoch(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
    }

    pub(crate) fn from_epoch(seconds: u64) -> Option<Self> {
        (seconds < END_OF_YEAR_9999).then_some(Self(seconds))
    }
}

impl fmt::Display for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = UNIX_EPOCH + Duration::from_secs(self.0);
        f.write_str(&httpdate::fmt_http_date(time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(if_match: &str) -> Result<Conditions> {
        AskedConditions {
            if_match: Some(if_match.to_owned()),
            ..AskedConditions::default()
        }
        .check()
    }

    #[test]
    fn an_etag_goes_out_in_quotes_however_it_was_given() {
        for text in ["abc-2", "\"abc-2\"", "  \"abc-2\" "] {
            let conditions = asked(text).expect("an ETag");
            let headers: Vec<_> = conditions.headers().collect();
            assert_eq!(headers, [("if-match", "\"abc-2\"".to_owned())], "{text}");
        }
        assert!(asked("").expect("as good as not set").is_empty());
    }

    #[test]
    fn what_is_not_one_etag_is_refused() {
        for text in [
            "*",
            "\"a\", \"b\"",
            "W/\"a\"",
            "\"a",
            "a b",
            "a\r\nb",
            "ä",
            "\"\"",
        ] {
            let error = asked(text).expect_err(text);
            assert!(error.to_string().starts_with("if_match is "), "{error}");
        }
    }

    #[test]
    fn a_time_is_cut_to_the_second_and_must_be_one_that_http_can_write() {
        let at = |time| {
            AskedConditions {
                if_modified_since: Some(time),
                ..AskedConditions::default()
            }
            .check()
        };
        let conditions = at(UNIX_EPOCH + Duration::from_millis(1_704_164_645_999)).expect("a time");
        let headers: Vec<_> = conditions.headers().collect();
        assert_eq!(
            headers,
            [("if-modified-since", "Tue, 02 Jan 2024 03:04:05 GMT".to_owned())]
        );
        for time in [
            UNIX_EPOCH - Duration::from_secs(1),
            UNIX_EPOCH + Duration::from_secs(END_OF_YEAR_9999),
        ] {
            at(time).expect_err("HTTP can't write it");
        }
    }

    #[test]
    fn a_status_names_the_conditions_that_can_have_led_to_it() {
        let conditions = AskedConditions {
            if_match: Some("a".into()),
            if_none_match: Some("b".into()),
            if_modified_since: None,
            if_unmodified_since: Some(UNIX_EPOCH),
        };
        let conditions = conditions.check().expect("good");
        assert_eq!(
            conditions.unmet(412).as_deref(),
            Some(
                "the condition if_match \"a\" or if_unmodified_since Thu, 01 Jan 1970 00:00:00 GMT does not hold"
            )
        );
        assert_eq!(
            conditions.unmet(304).as_deref(),
            Some("the condition if_none_match \"b\" does not hold")
        );
        assert_eq!(conditions.unmet(404), None);
        assert_eq!(asked("a").expect("good").unmet(304), None);
    }
}

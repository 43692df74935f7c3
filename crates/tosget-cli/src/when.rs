//! Points in time as people give them: a date, or a file that was last written then.

use std::fs;
use std::str::FromStr;
use std::time::SystemTime;

use crate::timestamp::parse_rfc3339;

/// What is accepted, for whoever typed something else.
const FORMS: &str = "write 2025-01-02T03:04:05Z (or +08:00 for Z), \"Thu, 02 Jan 2025 03:04:05 GMT\", \
                     or a file, whose modification time is taken";

/// A point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct When(pub(crate) SystemTime);

impl FromStr for When {
    type Err = String;

    /// A date goes before a file of the same name, as with `curl --time-cond`.
    fn from_str(text: &str) -> Result<Self, String> {
        let date = parse_rfc3339(text).or_else(|| httpdate::parse_http_date(text).ok());
        if let Some(time) = date {
            return Ok(Self(time));
        }
        fs::metadata(text)
            .and_then(|metadata| metadata.modified())
            .map(Self)
            .map_err(|_| format!("neither a date nor a file that is there: {FORMS}"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_date_or_a_file_is_a_point_in_time() {
        let expected = Ok(When(UNIX_EPOCH + Duration::from_secs(1_735_787_045)));
        assert_eq!("2025-01-02T03:04:05Z".parse(), expected);
        assert_eq!("Thu, 02 Jan 2025 03:04:05 GMT".parse(), expected);
        let file = tempfile::NamedTempFile::new().expect("a file");
        let When(SystemTime { .. }) = file.path().to_str().expect("UTF-8").parse().expect("it is there");
        let refusal = "yesterday".parse::<When>().expect_err("neither");
        assert!(refusal.contains("2025-01-02T03:04:05Z"), "{refusal}");
    }
}

//! The time of a signature, in the one form that TOS reads: `20240102T030405Z`.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// A moment in UTC, to the second.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Timestamp(String);

impl Timestamp {
    /// A clock before 1970 counts as 1970: the server refuses either, and says what time it is.
    pub(crate) fn new(time: SystemTime) -> Self {
        let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let (year, month, day) = civil_date(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        Self(format!(
            "{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z"
        ))
    }

    /// `20240102T030405Z`.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// `20240102`.
    pub(crate) fn day(&self) -> &str {
        self.0.split('T').next().unwrap_or_default()
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Year, month and day of a count of days since 1970-01-01 in the Gregorian calendar.
///
/// Howard Hinnant's `civil_from_days`: years begin in March, so that the leap day is a year's last.
fn civil_date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::new(UNIX_EPOCH + Duration::from_secs(seconds))
    }

    #[test]
    fn known_moments_are_written_in_utc() {
        assert_eq!(at(0).as_str(), "19700101T000000Z");
        assert_eq!(at(1_704_164_645).as_str(), "20240102T030405Z");
        assert_eq!(at(1_709_164_800).as_str(), "20240229T000000Z");
        assert_eq!(at(951_782_400).as_str(), "20000229T000000Z");
        assert_eq!(at(1_704_164_645).day(), "20240102");
    }

    proptest! {
        /// `httpdate` counts days in its own way.
        #[test]
        fn any_moment_agrees_with_its_http_date(seconds in 0u64..253_402_300_800) {
            let stamp = at(seconds);
            let http = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
            let (day, year, time) = (&http[5..7], &http[12..16], http[17..25].replace(':', ""));
            prop_assert_eq!(&stamp.as_str()[..4], year);
            prop_assert_eq!(&stamp.as_str()[6..8], day);
            prop_assert_eq!(&stamp.as_str()[9..15], time);
        }
    }
}

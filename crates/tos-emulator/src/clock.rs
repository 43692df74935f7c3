//! What time it is here: the machine's, plus an offset that a test may set to simulate a skewed clock.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// The emulator's clock.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    offset_seconds: AtomicI64,
}

impl Clock {
    pub(crate) fn set_offset(&self, seconds: i64) {
        self.offset_seconds.store(seconds, Ordering::Relaxed);
    }

    pub(crate) fn offset(&self) -> i64 {
        self.offset_seconds.load(Ordering::Relaxed)
    }

    pub(crate) fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let offset = self.offset().saturating_mul(1000);
        Timestamp::from_millis((since_epoch.as_millis() as i64).saturating_add(offset))
    }
}

/// The last moment of the year 9999: later ones cannot be written as an HTTP date.
const MAX_MILLIS: i64 = 253_402_300_799_999;

/// A moment, in milliseconds since 1970 UTC; from 1970 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Timestamp(i64);

impl Timestamp {
    pub(crate) fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(0, MAX_MILLIS))
    }

    /// `20240102T030405Z`, the form of `x-tos-date`.
    pub(crate) fn parse_basic(text: &str) -> Option<Self> {
        let digits = text.strip_suffix('Z')?;
        let (day, time) = digits.split_once('T')?;
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if day.len() != 8 || time.len() != 6 || !all_digits(day) || !all_digits(time) {
            return None;
        }
        let number = |text: &str| text.parse::<i64>().ok();
        let (year, month, date) = (number(&day[..4])?, number(&day[4..6])?, number(&day[6..])?);
        let (hour, minute, second) = (number(&time[..2])?, number(&time[2..4])?, number(&time[4..])?);
        if !(1..=12).contains(&month) || !(1..=31).contains(&date) || hour > 23 || minute > 59 || second > 60
        {
            return None;
        }
        let seconds = days_from_civil(year, month, date) * 86_400 + hour * 3600 + minute * 60 + second;
        Some(Self::from_millis(seconds * 1000))
    }

    /// An HTTP date, as in `If-Modified-Since`.
    pub(crate) fn parse_http(text: &str) -> Option<Self> {
        let time = httpdate::parse_http_date(text).ok()?;
        let since_epoch = time.duration_since(UNIX_EPOCH).ok()?;
        Some(Self::from_millis(since_epoch.as_millis() as i64))
    }

    pub(crate) fn millis(self) -> i64 {
        self.0
    }

    pub(crate) fn seconds(self) -> i64 {
        self.0 / 1000
    }

    pub(crate) fn plus_seconds(self, seconds: i64) -> Self {
        Self::from_millis(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// `Wed, 01 Jan 2024 00:00:00 GMT`.
    pub(crate) fn http(self) -> String {
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(self.0 as u64))
    }

    /// `2024-01-02T03:04:05.000Z`; the Python SDK insists on the fraction.
    pub(crate) fn iso(self) -> String {
        let (year, month, day) = civil_from_days(self.seconds() / 86_400);
        let second_of_day = self.seconds() % 86_400;
        let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
        let millis = self.0 % 1000;
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

/// Days since 1970-01-01 in the Gregorian calendar (Howard Hinnant's `days_from_civil`).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_basic_form_reads_as_the_iso_form_shows() {
        let time = Timestamp::parse_basic("20240229T235958Z").expect("a valid time");
        assert_eq!(time.iso(), "2024-02-29T23:59:58.000Z");
        assert_eq!(time.http(), "Thu, 29 Feb 2024 23:59:58 GMT");
        assert_eq!(Timestamp::parse_http(&time.http()), Some(time));
    }

    #[test]
    fn no_offset_leads_out_of_the_calendar() {
        let clock = Clock::default();
        for (offset, year) in [(i64::MIN, "1970"), (i64::MAX, "9999")] {
            clock.set_offset(offset);
            assert!(clock.now().iso().starts_with(year) && clock.now().http().contains(year));
        }
    }

    #[test]
    fn malformed_times_are_none() {
        for text in [
            "",
            "20240102T030405",
            "2024-01-02T03:04:05Z",
            "20241302T030405Z",
            "2024010éT030405Z",
        ] {
            assert_eq!(Timestamp::parse_basic(text), None, "{text}");
        }
    }
}

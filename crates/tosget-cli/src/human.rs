//! Amounts as people read them. Sizes are in powers of 1024, and say so.

use std::time::Duration;

const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// Such as `512 MiB`, `241.1 MiB`, `1.25 GiB`, `17 B`.
pub(crate) fn bytes(count: u64) -> String {
    let unit = unit_of(count);
    let number = in_unit(count, unit);
    let number = if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        number
    };
    format!("{number} {}", UNITS[unit])
}

/// Such as `241.1/512.0 MiB`: both in the unit of `total`, and as wide from beginning to end as it can be.
pub(crate) fn bytes_of(count: u64, total: u64) -> String {
    let unit = unit_of(total);
    let (count, total) = (in_unit(count, unit), in_unit(total, unit));
    format!("{count:>width$}/{total} {}", UNITS[unit], width = total.len())
}

/// Such as `98.4 MiB/s`.
pub(crate) fn rate(bytes_per_second: f64) -> String {
    // A rate is never negative; what lies beyond u64 is cut off, which is fine.
    let whole = bytes_per_second as u64;
    let unit = unit_of(whole);
    format!("{} {}/s", in_unit(whole, unit), UNITS[unit])
}

/// Such as `536,870,912`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// Such as `0.8s`, `42s`, `3m05s`, `2h07m`, `4d03h`.
pub(crate) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1}s", duration.as_secs_f64()),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// Time left, which nobody knows to a tenth of a second.
pub(crate) fn span_left(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..10 => format!("{}s", seconds + 1),
        _ => span(duration),
    }
}

/// `2 retries`, `1 retry`.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// The largest unit of which there is at least one, as it will be shown: 1023.99 MiB are 1 GiB.
fn unit_of(count: u64) -> usize {
    let mut unit = 0;
    while unit + 1 < UNITS.len() && scaled(count, unit) >= 1023.95 {
        unit += 1;
    }
    unit
}

fn in_unit(count: u64, unit: usize) -> String {
    let decimals = match unit {
        0 => 0,
        1 | 2 => 1,
        _ => 2,
    };
    format!("{:.decimals$}", scaled(count, unit))
}

fn scaled(count: u64, unit: usize) -> f64 {
    count as f64 / (1_u64 << (10 * unit)) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        for (count, expected) in [
            (0, "0 B"),
            (1000, "1000 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (512 << 20, "512 MiB"),
            (252_800_000, "241.1 MiB"),
            ((1 << 30) - 1, "1 GiB"),
            (5 << 28, "1.25 GiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(bytes(count), expected, "{count}");
        }
        assert_eq!(bytes_of(252_800_000, 512 << 20), "241.1/512.0 MiB");
        assert_eq!(bytes_of(0, 4 << 30), "0.00/4.00 GiB");
        assert_eq!(bytes_of(1 << 20, 512 << 20), "  1.0/512.0 MiB");
        assert_eq!(rate(103_200_000.7), "98.4 MiB/s");
        assert_eq!(grouped(536_870_912), "536,870,912");
        assert_eq!(grouped(999), "999");
    }

    #[test]
    fn spans_read_well() {
        for (seconds, expected) in [
            (0.84, "0.8s"),
            (42.0, "42s"),
            (185.0, "3m05s"),
            (7620.0, "2h07m"),
            (356_400.0, "4d03h"),
        ] {
            assert_eq!(span(Duration::from_secs_f64(seconds)), expected);
        }
        assert_eq!(span_left(Duration::from_millis(300)), "1s");
        assert_eq!(span_left(Duration::from_secs(61)), "1m01s");
    }
}

//! Sizes as people type them: `20MiB`, `5MB`, `1.5GiB`, `1048576`.

use std::str::FromStr;

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

/// What is accepted, for whoever typed something else.
const FORMS: &str = "write bytes (1048576) or a number with a unit: KB, MB, GB, TB (powers of 1000), \
                     KiB, MiB, GiB, TiB (powers of 1024)";

/// Digits after the point beyond these say nothing about bytes below a TiB.
const MOST_DECIMALS: usize = 12;

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let digits = trimmed.trim_end_matches(|character: char| character.is_ascii_alphabetic());
        let unit = unit(&trimmed[digits.len()..]).map_err(|reason| format!("{reason}: {FORMS}"))?;
        let bytes = times(digits.trim_end(), unit).ok_or_else(|| format!("not a size: {FORMS}"))?;
        let bytes = u64::try_from(bytes).map_err(|_| format!("too large: at most {} bytes", u64::MAX))?;
        Ok(Self(bytes))
    }
}

fn unit(name: &str) -> Result<u128, String> {
    let unit = match name.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1000,
        "mb" => 1000_u128.pow(2),
        "gb" => 1000_u128.pow(3),
        "tb" => 1000_u128.pow(4),
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        "k" | "m" | "g" | "t" => {
            return Err(format!(
                "{name} may mean {0}B or {0}iB",
                name.to_ascii_uppercase()
            ));
        }
        _ => return Err(format!("there is no unit {name}")),
    };
    Ok(unit)
}

/// `number` times `unit`, rounded down; `None` if it is not a number.
fn times(number: &str, unit: u128) -> Option<u128> {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(decimals) || decimals.len() > MOST_DECIMALS {
        return None;
    }
    // More digits than a u128 has are too large in any case.
    let whole: u128 = whole.parse().unwrap_or(u128::MAX);
    let scale = 10_u128.pow(u32::try_from(decimals.len()).ok()?);
    let fraction = decimals.parse::<u128>().ok()? * unit / scale;
    Some(whole.saturating_mul(unit).saturating_add(fraction))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Result<u64, String> {
        text.parse().map(|Size(bytes)| bytes)
    }

    #[test]
    fn sizes_are_read_as_they_are_written() {
        for (text, expected) in [
            ("0", 0),
            ("1048576", 1 << 20),
            ("7B", 7),
            ("20MiB", 20 << 20),
            ("20 mib", 20 << 20),
            ("5MB", 5_000_000),
            ("1kb", 1000),
            ("1.5GiB", 3 << 29),
            ("0.1KiB", 102),
            ("2TiB", 2 << 40),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused_with_the_accepted_forms() {
        for text in [
            "", "MiB", "x", "-1", "1e9", "1.", ".5GiB", "1.2.3MB", "5 M B", "1XB", "٣",
        ] {
            let refusal = bytes(text).expect_err(text);
            assert!(
                refusal.contains("KiB") && refusal.contains("1048576"),
                "{text}: {refusal}"
            );
        }
        let refusal = bytes("64m").expect_err("ambiguous");
        assert!(refusal.starts_with("m may mean MB or MiB"), "{refusal}");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for text in ["18446744073709551616", "16777216TiB", &"9".repeat(60)] {
            assert!(bytes(text).expect_err(text).starts_with("too large"), "{text}");
        }
    }
}

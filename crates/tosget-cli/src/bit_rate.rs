//! Rates in bits per second, as the service counts its traffic limit. The unit has to be said: elsewhere rates are in bytes.

use std::str::FromStr;

use crate::size::Size;

/// What is accepted, for whoever typed something else.
const FORMS: &str = "write bits with their unit (800kbit/s, 10Mbit/s) or bytes with theirs (100KB/s, 1MiB/s)";

/// A number of bits per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BitRate(pub(crate) u64);

impl FromStr for BitRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rate = text.trim();
        let rate = rate.strip_suffix("/s").unwrap_or(rate);
        let bits = match rate.strip_suffix("bit") {
            Some(bits) => amount(&format!("{bits}B")),
            // A small b is a bit to some and a byte to others.
            None if rate.ends_with('B') => amount(rate).and_then(|bytes| bytes.checked_mul(8)),
            None => None,
        };
        bits.map(Self).ok_or_else(|| format!("not a rate: {FORMS}"))
    }
}

fn amount(text: &str) -> Option<u64> {
    text.parse().ok().map(|Size(amount)| amount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_and_bytes_are_told_apart_by_their_unit() {
        for (text, bits) in [
            ("245760bit/s", 245_760),
            ("800kbit/s", 800_000),
            ("10Mbit", 10_000_000),
            ("1.5 Mbit/s", 1_500_000),
            ("1Mibit/s", 1 << 20),
            ("100KB/s", 800_000),
            ("1MiB/s", 8 << 20),
            ("30720B", 245_760),
        ] {
            assert_eq!(text.parse(), Ok(BitRate(bits)), "{text}");
        }
        for text in [
            "245760",
            "10M",
            "10Mb",
            "10Mbps",
            "bit/s",
            "",
            "-1kbit",
            "99999999999999TB",
        ] {
            let refusal = text.parse::<BitRate>().expect_err(text);
            assert!(refusal.contains("kbit/s"), "{refusal}");
        }
    }
}

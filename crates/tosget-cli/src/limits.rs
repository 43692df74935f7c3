//! How fast a download may be: the flags, and what they mean together.

use std::str::FromStr;

use clap::Args;
use tosget::RateLimiter;

use crate::bit_rate::BitRate;
use crate::failure::Failure;
use crate::size::Size;

/// Without `--limit-burst`, a burst is what comes in this part of a second …
const BURSTS_PER_SECOND: u64 = 4;

/// … but no less than what one read may bring.
const LEAST_BURST: u64 = 64 << 10;

/// Flags that limit a download's rate.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitArgs {
    /// Bytes per second on average, all parts together, such as 5MiB
    #[arg(long, value_name = "RATE")]
    pub(crate) limit_rate: Option<Rate>,

    /// Bytes that may come at once after a pause [default: what comes in 1/4 s, at least 64KiB]
    #[arg(long, value_name = "SIZE", requires = "limit_rate")]
    pub(crate) limit_burst: Option<Size>,

    /// Ask the server to send no faster on each connection, such as 10Mbit/s or 1MiB/s: the unit tells bits from bytes;
    /// 245760bit/s to 100MiB/s
    #[arg(long, value_name = "RATE")]
    pub(crate) traffic_limit: Option<BitRate>,
}

/// A number of bytes per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate(pub(crate) u64);

impl FromStr for Rate {
    type Err = String;

    /// A size; people write it with "/s" behind as well.
    fn from_str(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let per_second = trimmed.strip_suffix("/s").unwrap_or(trimmed);
        match per_second.parse()? {
            Size(0) => Err("0 would let nothing through".to_owned()),
            Size(bytes) => Ok(Self(bytes)),
        }
    }
}

impl LimitArgs {
    /// The limiter that is asked for, if any is.
    pub(crate) fn limiter(&self) -> Result<Option<RateLimiter>, Failure> {
        let Some(Rate(rate)) = self.limit_rate else {
            return Ok(None);
        };
        let burst = match self.limit_burst {
            Some(Size(burst)) => burst,
            None => (rate / BURSTS_PER_SECOND).max(LEAST_BURST),
        };
        RateLimiter::new(rate, burst)
            .map(Some)
            .map_err(|error| Failure::usage(format!("--limit-burst: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_size_with_or_without_per_second() {
        assert_eq!("5MiB".parse(), Ok(Rate(5 << 20)));
        assert_eq!(" 5 MB/s".parse(), Ok(Rate(5_000_000)));
        assert_eq!("1024".parse(), Ok(Rate(1024)));
        for wrong in ["0", "0KB/s", "fast", "5M", "", "/s", "5MiB/m"] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_burst_is_a_quarter_of_a_second_unless_it_is_given() {
        let limiter = |rate, burst| {
            let args = LimitArgs {
                limit_rate: Some(Rate(rate)),
                limit_burst: burst,
                traffic_limit: None,
            };
            args.limiter().expect("good numbers").expect("a limiter")
        };
        assert_eq!(limiter(8 << 20, None).capacity(), 2 << 20);
        assert_eq!(limiter(1000, None).capacity(), 64 << 10);
        assert_eq!(limiter(1000, Some(Size(5))).capacity(), 5);
    }
}

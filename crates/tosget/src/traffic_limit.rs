//! How fast the server is asked to send.

use crate::error::{Error, Result};

/// What the service takes, in bits per second: 30 KiB/s to 100 MiB/s. Outside of it, it answers 400 with EC 0005-00000004.
const LEAST: u64 = 245_760;
const MOST: u64 = 838_860_800;

/// Bits per second and connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TrafficLimit(u64);

impl TrafficLimit {
    pub(crate) fn new(bits_per_second: u64) -> Result<Self> {
        if (LEAST..=MOST).contains(&bits_per_second) {
            return Ok(Self(bits_per_second));
        }
        Err(Error::invalid_argument(format!(
            "traffic_limit is {bits_per_second} bits per second: it must be {LEAST} (30 KiB/s) to {MOST} (100 MiB/s)"
        )))
    }

    pub(crate) fn bits_per_second(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_services_limits_are_ours() {
        for (bits, good) in [
            (0, false),
            (LEAST - 1, false),
            (LEAST, true),
            (MOST, true),
            (MOST + 1, false),
        ] {
            assert_eq!(TrafficLimit::new(bits).is_ok(), good, "{bits}");
        }
    }
}

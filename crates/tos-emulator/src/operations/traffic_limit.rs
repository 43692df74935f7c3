//! `x-tos-traffic-limit`: how fast the client wants one body to go, in bits per second.

use std::ops::RangeInclusive;

use crate::error::TosError;
use crate::request::Request;

const NAME: &str = "x-tos-traffic-limit";
/// In bits per second: 30 KiB/s to 100 MiB/s.
const ALLOWED: RangeInclusive<u64> = 245_760..=838_860_800;

/// The limit that a request sets for its body or its response's, in bytes per second. Presigned URLs have it in the
/// query.
pub(super) fn bytes_per_second(request: &Request) -> Result<Option<u64>, TosError> {
    let Some(text) = request.header(NAME).or_else(|| request.query.non_empty(NAME)) else {
        return Ok(None);
    };
    let bits = text.parse().ok().filter(|bits| ALLOWED.contains(bits));
    let bits = bits.ok_or_else(|| {
        TosError::invalid_argument("The traffic limit must be 245760 to 838860800 bits per second.")
            .with_ec("0005-00000004")
    })?;
    Ok(Some(bits / 8))
}

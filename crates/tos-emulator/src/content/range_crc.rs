//! The range CRC64 trailer: the payload, then a header line with the CRC64 of exactly this range.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::unfold;

use super::ByteStream;
use crate::crc64::RunningCrc64;

/// The value of `x-tos-trailer` that asks for it.
pub(crate) const ASKED_TRAILER: &str = "x-tos-hash-range-crc64ecma";
/// The content coding that asks for it and shows that it was granted.
pub(crate) const CODING: &str = "tos-raw-trailer";

/// The trailer's length; it does not depend on the CRC.
pub(crate) fn trailer_len() -> u64 {
    trailer(0).len() as u64
}

fn trailer(crc: u64) -> Bytes {
    format!(
        "\r\nx-tos-hash-crc64ecma:{}\r\n\r\n",
        STANDARD.encode(crc.to_be_bytes())
    )
    .into()
}

/// Appends the trailer to a payload. `spoil` makes its CRC a wrong one.
pub(crate) fn append(payload: ByteStream, spoil: bool) -> ByteStream {
    let state = Some((payload, RunningCrc64::new()));
    Box::pin(unfold(state, move |state| async move {
        let (mut payload, mut crc) = state?;
        match payload.next().await {
            Some(Ok(piece)) => {
                crc.update(&piece);
                Some((Ok::<_, io::Error>(piece), Some((payload, crc))))
            }
            Some(Err(error)) => Some((Err(error), None)),
            None => Some((Ok(trailer(crc.value() ^ u64::from(spoil))), None)),
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trailer_carries_the_check_value() {
        let trailer = trailer(0x995d_c9bb_df19_39fa);
        assert_eq!(trailer, "\r\nx-tos-hash-crc64ecma:mV3Ju98ZOfo=\r\n\r\n");
        assert_eq!(trailer.len() as u64, trailer_len());
    }
}

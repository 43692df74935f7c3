//! The framing of a body that the server's CRC64 of its range follows, undone without I/O.
//!
//! `payload CRLF (name ":" value CRLF)* CRLF`. The payload's length comes from a header; the trailer is text of a
//! few lines. It is no chunked encoding.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::error::attempt::ResponseFault;

/// A trailer has one line of about 35 bytes; this leaves room for what may come.
const MAX_TRAILER_BYTES: usize = 4 * 1024;

const MALFORMED: ResponseFault = ResponseFault::BadHeader("range CRC trailer");

/// Splits a body into payload and trailer, piece by piece.
#[derive(Debug)]
pub(super) struct RawTrailer {
    payload_left: u64,
    trailer: Vec<u8>,
    crc64: Option<u64>,
}

impl RawTrailer {
    pub(super) fn new(payload_length: u64) -> Self {
        Self {
            payload_left: payload_length,
            trailer: Vec::new(),
            crc64: None,
        }
    }

    /// Takes the next piece of the body and gives back the payload in it, which may be empty.
    pub(super) fn push(&mut self, mut piece: Bytes) -> Result<Bytes, ResponseFault> {
        let length = usize::try_from(self.payload_left)
            .unwrap_or(usize::MAX)
            .min(piece.len());
        let payload = piece.split_to(length);
        self.payload_left -= length as u64;
        self.collect(&piece)?;
        Ok(payload)
    }

    /// Takes the body's end. One that comes within the payload is no fault of the framing: who reads it counts.
    pub(super) fn finish(&mut self) -> Result<(), ResponseFault> {
        if self.payload_left == 0 {
            self.crc64 = read_crc64(&self.trailer)?;
        }
        Ok(())
    }

    /// The server's CRC64 of the payload, once the body has ended.
    pub(super) fn crc64(&self) -> Option<u64> {
        self.crc64
    }

    fn collect(&mut self, piece: &[u8]) -> Result<(), ResponseFault> {
        if self.trailer.len() + piece.len() > MAX_TRAILER_BYTES {
            return Err(self.overrun(piece));
        }
        self.trailer.extend_from_slice(piece);
        let begun = self.trailer.len().min(2);
        if self.trailer[..begun] != b"\r\n"[..begun] {
            return Err(ResponseFault::TooManyBytes);
        }
        Ok(())
    }

    /// Too much after the payload is a trailer that does not end, if it began as one.
    fn overrun(&self, piece: &[u8]) -> ResponseFault {
        let begins = self.trailer.iter().chain(piece).take(2).eq(b"\r\n");
        if begins {
            MALFORMED
        } else {
            ResponseFault::TooManyBytes
        }
    }
}

/// The one line that matters, among lines that each hold a colon. `None` where the server left it out.
fn read_crc64(trailer: &[u8]) -> Result<Option<u64>, ResponseFault> {
    let text = std::str::from_utf8(trailer).map_err(|_| MALFORMED)?;
    let lines = text
        .strip_prefix("\r\n")
        .and_then(|text| text.strip_suffix("\r\n"))
        .ok_or(MALFORMED)?;
    let mut crc64 = None;
    for line in lines.split_terminator("\r\n") {
        let (name, value) = line.split_once(':').ok_or(MALFORMED)?;
        if is_crc64(name.trim()) {
            crc64 = Some(decode_crc64(value.trim())?);
        }
    }
    Ok(crc64)
}

/// The name as it is asked for, and as the answer is known to have it.
fn is_crc64(name: &str) -> bool {
    ["x-tos-hash-crc64ecma", "x-tos-hash-range-crc64ecma"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

fn decode_crc64(value: &str) -> Result<u64, ResponseFault> {
    let bytes = STANDARD.decode(value).map_err(|_| MALFORMED)?;
    Ok(u64::from_be_bytes(bytes.try_into().map_err(|_| MALFORMED)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(payload: &[u8], trailer: &str) -> Vec<u8> {
        [payload, b"\r\n", trailer.as_bytes(), b"\r\n"].concat()
    }

    fn crc_line(crc64: u64) -> String {
        format!(
            "x-tos-hash-crc64ecma:{}\r\n",
            STANDARD.encode(crc64.to_be_bytes())
        )
    }

    /// Feeds `body` in pieces of the given sizes, over and over.
    fn decode(
        payload_length: u64,
        body: &[u8],
        sizes: &[usize],
    ) -> Result<(Vec<u8>, Option<u64>), ResponseFault> {
        let mut decoder = RawTrailer::new(payload_length);
        let (mut payload, mut rest) = (Vec::new(), body);
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*size).min(rest.len()));
            payload.extend_from_slice(&decoder.push(Bytes::copy_from_slice(piece))?);
            rest = after;
        }
        decoder.finish()?;
        Ok((payload, decoder.crc64()))
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_payload_and_its_crc(
            payload in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), any::<u8>()], 0..200),
            crc64: u64,
            sizes in proptest::collection::vec(1usize..40, 1..6),
        ) {
            let body = frame(&payload, &crc_line(crc64));
            let decoded = decode(payload.len() as u64, &body, &sizes);
            prop_assert_eq!(decoded, Ok((payload, Some(crc64))));
        }

        #[test]
        fn a_body_cut_anywhere_never_yields_a_crc(
            payload in proptest::collection::vec(any::<u8>(), 0..50),
            cut_bytes in 3usize..60,
        ) {
            let body = frame(&payload, &crc_line(7));
            let cut = body.len().saturating_sub(cut_bytes);
            if let Ok((_, crc64)) = decode(payload.len() as u64, &body[..cut], &[9]) {
                prop_assert_eq!(crc64, None);
            }
        }

        #[test]
        fn no_trailer_makes_it_panic(trailer: Vec<u8>, sizes in proptest::collection::vec(1usize..9, 1..3)) {
            let _ = decode(0, &trailer, &sizes);
        }
    }

    #[test]
    fn other_lines_are_skipped_and_the_crc_may_be_missing() {
        let body = frame(b"ab", &format!("x-tos-other: 1\r\n{}", crc_line(5)));
        assert_eq!(decode(2, &body, &[1]), Ok((b"ab".to_vec(), Some(5))));
        assert_eq!(decode(2, &frame(b"ab", ""), &[3]), Ok((b"ab".to_vec(), None)));
        let body = frame(b"", "X-Tos-Hash-Range-CRC64ECMA: AAAAAAAAAAc=\r\n");
        assert_eq!(decode(0, &body, &[64]), Ok((Vec::new(), Some(7))));
    }

    #[test]
    fn a_payload_longer_than_announced_is_refused() {
        let body = frame(b"abc", &crc_line(5));
        assert_eq!(decode(2, &body, &[1]), Err(ResponseFault::TooManyBytes));
        assert_eq!(
            decode(2, &vec![b'x'; 99_999], &[70_000]),
            Err(ResponseFault::TooManyBytes)
        );
    }

    #[test]
    fn a_malformed_trailer_is_refused() {
        for trailer in [
            "x-tos-hash-crc64ecma:AAAAAAAAAA==\r\n",
            "x-tos-hash-crc64ecma:12345\r\n",
            "x-tos-hash-crc64ecma:\r\n",
            "x-tos-hash-crc64ecma\r\n",
            "\r\n",
            "\u{1}",
        ] {
            assert_eq!(
                decode(1, &frame(b"a", trailer), &[5]),
                Err(MALFORMED),
                "{trailer:?}"
            );
        }
        assert_eq!(decode(1, b"a", &[5]), Err(MALFORMED));
        assert_eq!(decode(1, b"a\r\nx:\xff\r\n\r\n", &[5]), Err(MALFORMED));
        let endless = frame(b"a", &"x:y\r\n".repeat(2000));
        assert_eq!(decode(1, &endless, &[1000]), Err(MALFORMED));
    }

    #[test]
    fn an_end_within_the_payload_is_left_to_who_counts() {
        assert_eq!(decode(9, b"abc", &[2]), Ok((b"abc".to_vec(), None)));
    }
}

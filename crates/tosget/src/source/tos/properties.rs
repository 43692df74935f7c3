//! What must hold for any answer; see [`crate::properties`].

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::response::Parts;
use http::{HeaderName, HeaderValue, Response};

use super::raw_trailer::RawTrailer;
use super::secrets::Secrets;
use super::{answer, refusal};
use crate::error::attempt::ResponseFault;
use crate::properties::Tape;

/// Headers whose values are read.
const HEADERS: [&str; 22] = [
    "content-encoding",
    "content-length",
    "content-range",
    "date",
    "etag",
    "expires",
    "last-modified",
    "location",
    "retry-after",
    "x-tos-delete-marker",
    "x-tos-ec",
    "x-tos-hash-crc64ecma",
    "x-tos-id-2",
    "x-tos-meta-%e5%bc%a0",
    "x-tos-qos-delay-time",
    "x-tos-raw-content-length",
    "x-tos-request-id",
    "x-tos-restore",
    "x-tos-restore-expiry-days",
    "x-tos-symlink-target-size",
    "x-tos-tagging-count",
    "x-tos-version-id",
];

/// The longest text that is kept of an error's body, and of a redirect's target with the words around it.
const LONGEST_MESSAGE: usize = 2000 + 1 + 200 + 100;

/// The bytes are an error's headers and body: they become an error that is short, and whose text is one printable line.
pub fn error_body(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    let parts = parts(&mut tape);
    let now = UNIX_EPOCH + Duration::from_secs(tape.below(1 << 40));
    let error = refusal::read(
        &parts,
        tape.rest(),
        "https://b.h.test/k".to_owned(),
        now,
        &Secrets::default(),
    );
    assert!(
        error.message.chars().count() <= LONGEST_MESSAGE,
        "{}",
        error.message.len()
    );
    let text = error.to_string();
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!text.contains(steers), "{text:?}");
    let _ = refusal::is_about_time(&error);
}

/// The bytes are the headers of a success: they are read or refused.
pub fn answer_head(bytes: &[u8]) {
    let parts = parts(&mut Tape::new(bytes));
    for read in [answer::read_get, answer::read_head] {
        if let Ok(head) = read(&parts) {
            let fingerprint = head.fingerprint();
            assert_eq!(fingerprint.size, head.object.content_length);
            // One that can't be read must not count as one that is not there.
            let has_range = parts.headers.contains_key("content-range");
            assert_eq!(
                has_range,
                head.content_range.is_some() || head.unreadable_content_range.is_some()
            );
        }
    }
}

fn parts(tape: &mut Tape<'_>) -> Parts {
    let status = 100 + tape.below(900) as u16;
    let mut response = Response::builder().status(status).body(()).expect("a response");
    for _ in 0..tape.byte() % 8 {
        let name = HEADERS[usize::from(tape.byte()) % HEADERS.len()];
        // What no server can send no client sees.
        if let Ok(value) = HeaderValue::from_bytes(tape.some_bytes()) {
            response
                .headers_mut()
                .append(HeaderName::from_static(name), value);
        }
    }
    response.into_parts().0
}

/// The bytes are a body that a trailer follows, as they stand and in a frame: however it is cut into pieces, and wherever
/// it ends, only payload comes out, no more than was announced, and a CRC64 only from a whole trailer.
pub fn range_trailer(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    let (announced, sizes) = (tape.number(), tape.some_bytes());
    let (crc64, cut) = (tape.number(), tape.number());
    let body = tape.rest();

    let decoded = decode(announced, body, sizes);
    assert_eq!(
        decoded,
        decode(announced, body, &[]),
        "the pieces are of no account"
    );
    if let Ok((payload, _)) = &decoded {
        let len = usize::try_from(announced).unwrap_or(usize::MAX).min(body.len());
        assert_eq!(payload, &body[..len]);
    }

    let line = format!(
        "\r\nx-tos-hash-crc64ecma:{}\r\n\r\n",
        STANDARD.encode(crc64.to_be_bytes())
    );
    let framed = [body, line.as_bytes()].concat();
    assert_eq!(
        decode(body.len() as u64, &framed, sizes),
        Ok((body.to_vec(), Some(crc64)))
    );
    let cut = &framed[..(cut % framed.len() as u64) as usize];
    if let Ok((payload, found)) = decode(body.len() as u64, cut, sizes) {
        assert_eq!(payload, &cut[..body.len().min(cut.len())]);
        // The blank line at the end is no part of the frame that the CRC needs.
        assert!(found.is_none() || (found == Some(crc64) && cut.len() + 2 >= framed.len()));
    }
}

/// The payload that is let through, and the CRC64, when the body comes in pieces of these sizes over and over; in one
/// piece if there are none.
fn decode(announced: u64, body: &[u8], sizes: &[u8]) -> Result<(Vec<u8>, Option<u64>), ResponseFault> {
    let mut decoder = RawTrailer::new(announced);
    let (mut payload, mut rest) = (Vec::new(), body);
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = sizes.next().map_or(rest.len(), |&size| usize::from(size).max(1));
        let (piece, after) = rest.split_at(size.min(rest.len()));
        let let_through = decoder.push(Bytes::copy_from_slice(piece))?;
        payload.extend_from_slice(&let_through);
        assert!(payload.len() as u64 <= announced);
        rest = after;
    }
    decoder.finish()?;
    Ok((payload, decoder.crc64()))
}

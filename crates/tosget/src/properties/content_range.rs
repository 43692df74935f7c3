//! `Content-Range` is compared as numbers.

use crate::properties::Tape;
use crate::range::{ByteRange, ContentRange};

/// The bytes are a header's value: it is refused, or means numbers that hold together, and these are the header's own.
/// They are also taken as numbers, which are read back however many zeros lead them.
pub fn content_range(bytes: &[u8]) {
    let header = String::from_utf8_lossy(bytes);
    if let Some(parsed) = ContentRange::parse(&header) {
        assert_eq!(without_leading_zeros(&header), written(parsed), "{header:?}");
    }
    let mut tape = Tape::new(bytes);
    let (start, len, rest) = (tape.number(), tape.number(), tape.number());
    let zeros = "0".repeat(usize::from(tape.byte() % 30));
    let Some((range, total)) = ByteRange::new(start, start.saturating_add(len))
        .and_then(|range| Some((range, range.end().checked_add(rest)?)))
    else {
        return;
    };
    let header = format!(
        "bytes {zeros}{}-{zeros}{}/{zeros}{total}",
        range.start(),
        range.end() - 1
    );
    let parsed = ContentRange::parse(&header);
    assert_eq!(
        parsed,
        Some(ContentRange::Satisfied { range, total }),
        "{header:?}"
    );
}

fn written(parsed: ContentRange) -> String {
    match parsed {
        ContentRange::Satisfied { range, total } => {
            assert!(range.start() < range.end() && range.end() <= total);
            format!("bytes {}-{}/{total}", range.start(), range.end() - 1)
        }
        ContentRange::Unsatisfied { total } => format!("bytes */{total}"),
    }
}

/// Leaves one zero of a number that is zero.
fn without_leading_zeros(header: &str) -> String {
    let mut kept = String::new();
    for (index, character) in header.char_indices() {
        let begins = !kept.ends_with(|last: char| last.is_ascii_digit());
        let goes_on = header[index + character.len_utf8()..].starts_with(|next: char| next.is_ascii_digit());
        if !(character == '0' && begins && goes_on) {
            kept.push(character);
        }
    }
    kept
}

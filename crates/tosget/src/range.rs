//! Byte ranges of an object: half-open, never empty where the type says so, and the one HTTP header that
//! speaks of them. What is planned, fetched or recorded is decided elsewhere.

use std::fmt;

/// A half-open range of bytes `[start, end)` of one object.
///
/// *Invariant:* `start < end`; an empty range is not a range.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ByteRange {
    start: u64,
    end: u64,
}

impl ByteRange {
    /// All bytes, however many there are.
    pub(crate) const ALL: Self = Self {
        start: 0,
        end: u64::MAX,
    };

    /// The range `[start, end)`, or `None` where that would be empty or inverted.
    pub(crate) fn new(start: u64, end: u64) -> Option<Self> {
        (start < end).then_some(Self { start, end })
    }

    pub(crate) fn start(self) -> u64 {
        self.start
    }

    /// One past the last byte.
    pub(crate) fn end(self) -> u64 {
        self.end
    }

    /// Length in bytes, at least 1.
    pub(crate) fn len(self) -> u64 {
        self.end - self.start
    }

    /// What is left of this range from `offset` on; `None` when nothing is.
    pub(crate) fn from(self, offset: u64) -> Option<Self> {
        Self::new(self.start.max(offset), self.end)
    }

    /// The value of a `Range` request header: inclusive ends, as RFC 9110 section 14.1.2 has them.
    pub(crate) fn to_header(self) -> String {
        match self.end {
            u64::MAX => format!("bytes={}-", self.start),
            end => format!("bytes={}-{}", self.start, end - 1),
        }
    }
}

impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {})", self.start, self.end)
    }
}

impl fmt::Debug for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A `Content-Range` header as values, so that nobody compares it as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContentRange {
    /// `bytes a-b/total`: the body is this range of an object of `total` bytes.
    Satisfied { range: ByteRange, total: u64 },
    /// `bytes */total`: nothing to send (on 416), the object has `total` bytes.
    Unsatisfied { total: u64 },
}

impl ContentRange {
    /// Reads the header as RFC 9110 section 14.4 writes it. `None` for anything that does not hold together:
    /// another unit, an unknown total (`*`), an inverted range, an end beyond the total, a sign, a blank.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let (range, total) = header.strip_prefix("bytes ")?.split_once('/')?;
        let total = parse_decimal(total)?;
        if range == "*" {
            return Some(Self::Unsatisfied { total });
        }
        let (first, last) = range.split_once('-')?;
        let range = ByteRange::new(parse_decimal(first)?, parse_decimal(last)?.checked_add(1)?)?;
        (range.end() <= total).then_some(Self::Satisfied { range, total })
    }
}

/// Digits only: `u64::from_str` would also take a leading `+`.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_range_does_not_construct() {
        assert_eq!(ByteRange::new(5, 5), None);
        assert_eq!(ByteRange::new(6, 5), None);
        assert_eq!(ByteRange::new(0, 1).map(ByteRange::len), Some(1));
    }

    #[test]
    fn the_request_header_has_inclusive_ends() {
        let range = ByteRange::new(1024, 2048).expect("not empty");
        assert_eq!(range.to_header(), "bytes=1024-2047");
        assert_eq!(ByteRange::ALL.to_header(), "bytes=0-");
    }

    #[test]
    fn content_range_is_read_as_numbers() {
        let range = ByteRange::new(1024, 2048).expect("not empty");
        let parsed = ContentRange::parse("bytes 1024-2047/4096");
        assert_eq!(parsed, Some(ContentRange::Satisfied { range, total: 4096 }));
        // The substring trap: 1024-2047 stands in 11024-20479.
        assert_ne!(ContentRange::parse("bytes 11024-20479/40960"), parsed);
        assert_eq!(
            ContentRange::parse("bytes */0"),
            Some(ContentRange::Unsatisfied { total: 0 })
        );
    }

    #[test]
    fn a_content_range_that_does_not_hold_together_is_refused() {
        for header in [
            "",
            "bytes",
            "bytes 0-1",
            "bytes 0-1/*",
            "bytes 2-1/4",
            "bytes 0-4/4",
            "bytes +0-1/4",
            "bytes 0-1/4 ",
            "bytes  0-1/4",
            "items 0-1/4",
            "bytes 0-18446744073709551615/18446744073709551615",
            "bytes 0-99999999999999999999/4",
        ] {
            assert_eq!(ContentRange::parse(header), None, "{header:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(header in "\\PC*") {
            if let Some(ContentRange::Satisfied { range, total }) = ContentRange::parse(&header) {
                prop_assert!(range.start() < range.end() && range.end() <= total);
            }
        }

        #[test]
        fn what_a_server_writes_is_read_back(start in 0u64..1000, len in 1u64..1000, rest in 0u64..1000) {
            let range = ByteRange::new(start, start + len).expect("len is at least 1");
            let total = range.end() + rest;
            let header = format!("bytes {}-{}/{}", start, range.end() - 1, total);
            prop_assert_eq!(ContentRange::parse(&header), Some(ContentRange::Satisfied { range, total }));
        }
    }
}

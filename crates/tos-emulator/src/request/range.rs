//! The `Range` header: what was asked for, and what it means for an object of a given size.

use std::ops::Range;

/// One byte range as asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteRange {
    /// `bytes=first-last`, both included.
    Closed { first: u64, last: u64 },
    /// `bytes=first-`.
    Open { first: u64 },
    /// `bytes=-len`: the last `len` bytes.
    Suffix { len: u64 },
}

/// No byte of the object is in the range: 416.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unsatisfiable;

impl ByteRange {
    /// None for what is not one byte range; HTTP lets a server ignore such a header.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let (first, last) = header.trim().strip_prefix("bytes=")?.split_once('-')?;
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => Some(Self::Closed { first, last }),
            (Some(first), None) if last.trim().is_empty() => Some(Self::Open { first }),
            (None, Some(len)) if first.trim().is_empty() => Some(Self::Suffix { len }),
            _ => None,
        }
    }

    /// The half-open range within an object of `size` bytes; an end beyond the object is clamped.
    pub(crate) fn within(self, size: u64) -> Result<Range<u64>, Unsatisfiable> {
        let range = match self {
            Self::Closed { first, last } => first..last.saturating_add(1).min(size),
            Self::Open { first } => first..size,
            Self::Suffix { len } => size.saturating_sub(len)..size,
        };
        if range.start < range.end {
            Ok(range)
        } else {
            Err(Unsatisfiable)
        }
    }
}

fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(header: &str, size: u64) -> Option<Result<Range<u64>, Unsatisfiable>> {
        ByteRange::parse(header).map(|range| range.within(size))
    }

    #[test]
    fn satisfiable_ranges_are_clamped() {
        for (header, expected) in [
            ("bytes=0-0", 0..1),
            ("bytes=2-5", 2..6),
            ("bytes=2-500", 2..10),
            ("bytes=9-18446744073709551615", 9..10),
            ("bytes=3-", 3..10),
            ("bytes=-4", 6..10),
            ("bytes=-40", 0..10),
        ] {
            assert_eq!(within(header, 10), Some(Ok(expected)), "{header}");
        }
    }

    #[test]
    fn ranges_beyond_the_object_are_unsatisfiable() {
        for header in ["bytes=10-", "bytes=10-20", "bytes=-0"] {
            assert_eq!(within(header, 10), Some(Err(Unsatisfiable)), "{header}");
        }
        assert_eq!(within("bytes=0-", 0), Some(Err(Unsatisfiable)));
    }

    #[test]
    fn what_is_not_one_range_is_none() {
        for header in [
            "",
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=0-1,3-4",
            "bytes=a-b",
            "octets=0-1",
            "bytes=+1-2",
        ] {
            assert_eq!(ByteRange::parse(header), None, "{header}");
        }
    }
}

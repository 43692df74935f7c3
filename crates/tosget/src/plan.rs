//! What is still to be fetched, cut into pieces along the parts' boundaries. Pure: sizes in, ranges out.
//!
//! Parts only say where to cut. What has been fetched is known in bytes (see [`crate::coverage`]), so a download
//! that is taken up with another part size plans the same missing bytes, only cut elsewhere.

use std::collections::VecDeque;
use std::num::NonZeroU64;

use crate::range::ByteRange;

/// A piece of work for one task: all that is missing, in a row, of one part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The part it belongs to, from 1.
    pub(crate) part_number: u64,
    pub(crate) range: ByteRange,
}

/// The pieces that no task has taken yet.
///
/// Its size does not depend on the number of parts, only on the number of gaps.
#[derive(Debug)]
pub(crate) struct Plan {
    gaps: VecDeque<ByteRange>,
    part_size: NonZeroU64,
}

impl Plan {
    /// Plans to fetch `gaps`, front to back.
    pub(crate) fn new(gaps: impl IntoIterator<Item = ByteRange>, part_size: NonZeroU64) -> Self {
        Self {
            gaps: gaps.into_iter().collect(),
            part_size,
        }
    }

    /// Takes the next piece.
    pub(crate) fn take(&mut self) -> Option<Piece> {
        let gap = self.gaps.pop_front()?;
        let part_index = gap.start() / self.part_size;
        let part_end = (part_index + 1).saturating_mul(self.part_size.get());
        if let Some(rest) = gap.from(part_end) {
            self.gaps.push_front(rest);
        }
        let range = ByteRange::new(gap.start(), gap.end().min(part_end))?;
        Some(Piece {
            part_number: part_index + 1,
            range,
        })
    }

    /// Puts back what turned out to be missing after all; it is taken next.
    pub(crate) fn put_back(&mut self, range: ByteRange) {
        self.gaps.push_front(range);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.gaps.is_empty()
    }
}

/// Number of parts of an object of `size` bytes.
pub(crate) fn part_count(size: u64, part_size: NonZeroU64) -> u64 {
    size.div_ceil(part_size.get())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(start: u64, end: u64) -> ByteRange {
        ByteRange::new(start, end).expect("not empty")
    }

    fn plan(gaps: &[ByteRange], part_size: u64) -> Plan {
        Plan::new(
            gaps.iter().copied(),
            NonZeroU64::new(part_size).expect("not zero"),
        )
    }

    #[test]
    fn a_gap_is_cut_at_the_boundaries_of_parts() {
        let mut plan = plan(&[range(5, 25)], 10);
        assert_eq!(
            plan.take(),
            Some(Piece {
                part_number: 1,
                range: range(5, 10)
            })
        );
        assert_eq!(
            plan.take(),
            Some(Piece {
                part_number: 2,
                range: range(10, 20)
            })
        );
        assert_eq!(
            plan.take(),
            Some(Piece {
                part_number: 3,
                range: range(20, 25)
            })
        );
        assert_eq!(plan.take(), None);
    }

    #[test]
    fn what_is_put_back_is_taken_next() {
        let mut plan = plan(&[range(0, 10), range(50, 60)], 100);
        assert_eq!(plan.take().map(|piece| piece.range), Some(range(0, 10)));
        plan.put_back(range(3, 10));
        assert_eq!(plan.take().map(|piece| piece.range), Some(range(3, 10)));
    }

    #[test]
    fn a_part_size_beyond_the_object_does_not_overflow() {
        let mut plan = plan(&[range(7, u64::MAX)], u64::MAX);
        assert_eq!(
            plan.take(),
            Some(Piece {
                part_number: 1,
                range: range(7, u64::MAX)
            })
        );
        assert!(plan.is_empty());
    }

    proptest! {
        #[test]
        fn every_missing_byte_is_planned_once_and_within_its_part(
            start in 0u64..1000, len in 1u64..1000, part_size in 1u64..300
        ) {
            let mut plan = plan(&[range(start, start + len)], part_size);
            let mut at = start;
            while let Some(piece) = plan.take() {
                prop_assert_eq!(piece.range.start(), at);
                prop_assert_eq!(piece.range.start() / part_size + 1, piece.part_number);
                prop_assert_eq!((piece.range.end() - 1) / part_size + 1, piece.part_number);
                at = piece.range.end();
            }
            prop_assert_eq!(at, start + len);
        }
    }
}

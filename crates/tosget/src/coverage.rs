//! Which bytes of the object the temporary file holds, as an ordered set of segments.
//!
//! Neighbours are joined by combining their CRCs, so that a finished download is one segment and the set stays
//! as small as the number of places where work goes on. Nothing here knows a file or a journal.

use std::collections::BTreeMap;

use crate::checksum::Crc64;
use crate::range::ByteRange;

/// Bytes that are in the temporary file, and their CRC64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) range: ByteRange,
    pub(crate) crc: Crc64,
}

/// How sure it is that a segment stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing speaks against these bytes; they may be joined with their neighbours.
    Settled,
    /// The server's CRC64 of the range is still to come: kept apart, so that it can be taken back.
    Provisional,
}

/// An ordered set of segments that do not overlap.
#[derive(Clone, Debug)]
pub(crate) struct Coverage {
    /// By start. *Invariant:* entries do not overlap; the key is less than `end`.
    entries: BTreeMap<u64, Entry>,
    covered: u64,
    join_limit: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    end: u64,
    crc: Crc64,
    standing: Standing,
}

impl Entry {
    /// Whether this one, which begins at `start`, and the one that begins where it ends can be one.
    fn joins(&self, start: u64, right: &Self, limit: u64) -> bool {
        let settled = self.standing == Standing::Settled && right.standing == Standing::Settled;
        settled && right.end - start <= limit
    }
}

impl Default for Coverage {
    fn default() -> Self {
        Self::new()
    }
}

impl Coverage {
    /// An empty set that joins neighbours without limit.
    pub(crate) fn new() -> Self {
        Self::with_join_limit(u64::MAX)
    }

    /// An empty set whose joined segments get no longer than `join_limit` bytes, so that what can be checked
    /// against the file, or lost to a bad byte, stays small.
    pub(crate) fn with_join_limit(join_limit: u64) -> Self {
        Self {
            entries: BTreeMap::new(),
            covered: 0,
            join_limit,
        }
    }

    /// Adds a segment. What overlaps it was overwritten by these bytes and is dropped whole: what is left of it
    /// has no CRC any more and has to be fetched again.
    pub(crate) fn insert(&mut self, segment: Segment, standing: Standing) {
        let entry = Entry {
            end: segment.range.end(),
            crc: segment.crc,
            standing,
        };
        let range = segment.range;
        if !self.add_between(range, entry) {
            self.forget(range);
            self.add_between(range, entry);
        }
    }

    /// Adds what overlaps nothing, and joins it with its neighbours; false if it overlaps something. A journal of a large object
    /// is hundreds of thousands of these: three lookups at most for each.
    fn add_between(&mut self, range: ByteRange, entry: Entry) -> bool {
        let (start, limit) = (range.start(), self.join_limit);
        // The last one that begins before this one's end: if that one ends in time, all do.
        let mut joined = start;
        match self.entries.range_mut(..range.end()).next_back() {
            Some((_, left)) if left.end > start => return false,
            Some((&left_start, left)) if left.end == start && left.joins(left_start, &entry, limit) => {
                left.crc = left.crc.then(entry.crc, range.len());
                left.end = entry.end;
                joined = left_start;
            }
            _ => {
                self.entries.insert(start, entry);
            }
        }
        self.covered += range.len();
        self.join_with_next(joined);
        true
    }

    /// Makes provisional segments inside `range` settled.
    pub(crate) fn settle(&mut self, range: ByteRange) {
        let starts: Vec<u64> = self
            .entries
            .range(range.start()..range.end())
            .filter(|(_, entry)| entry.standing == Standing::Provisional && entry.end <= range.end())
            .map(|(&start, _)| start)
            .collect();
        for start in starts {
            // An earlier turn of this loop may have joined this entry to its left neighbour only if it was settled.
            if let Some(entry) = self.entries.get_mut(&start) {
                entry.standing = Standing::Settled;
                self.join_around(start);
            }
        }
    }

    /// Drops every segment that shares a byte with `range`, and returns the ranges that are gaps now.
    pub(crate) fn forget(&mut self, range: ByteRange) -> Vec<ByteRange> {
        let first = self
            .entries
            .range(..range.start())
            .next_back()
            .filter(|(_, entry)| entry.end > range.start());
        let from = first.map_or(range.start(), |(&start, _)| start);
        let starts: Vec<u64> = self
            .entries
            .range(from..range.end())
            .map(|(&start, _)| start)
            .collect();
        let mut forgotten = Vec::with_capacity(starts.len());
        for start in starts {
            if let Some(entry) = self.entries.remove(&start) {
                self.covered -= entry.end - start;
                forgotten.extend(ByteRange::new(start, entry.end));
            }
        }
        forgotten
    }

    /// Bytes held.
    pub(crate) fn covered(&self) -> u64 {
        self.covered
    }

    /// The segments in order.
    pub(crate) fn segments(&self) -> impl Iterator<Item = Segment> + '_ {
        self.entries.iter().filter_map(|(&start, entry)| {
            Some(Segment {
                range: ByteRange::new(start, entry.end)?,
                crc: entry.crc,
            })
        })
    }

    /// What is missing of `[0, size)`, in order.
    pub(crate) fn gaps(&self, size: u64) -> impl Iterator<Item = ByteRange> + '_ {
        let ends = std::iter::once(0).chain(self.entries.values().map(|entry| entry.end));
        let starts = self.entries.keys().copied().chain(std::iter::once(size));
        ends.zip(starts)
            .filter_map(move |(end, start)| ByteRange::new(end, start.min(size)))
    }

    /// The CRC64 of the whole object, if every byte of `[0, size)` is here and settled, and nothing else.
    pub(crate) fn whole(&self, size: u64) -> Option<Crc64> {
        if size == 0 {
            return self.entries.is_empty().then_some(Crc64::EMPTY);
        }
        let mut segments = self.entries.iter();
        let (&start, entry) = segments.next()?;
        let alone = segments.next().is_none();
        (alone && start == 0 && entry.end == size && entry.standing == Standing::Settled).then_some(entry.crc)
    }

    fn join_around(&mut self, start: u64) {
        let left = self.entries.range(..start).next_back().map(|(&left, _)| left);
        let start = match left {
            Some(left) if self.join_with_next(left) => left,
            _ => start,
        };
        self.join_with_next(start);
    }

    /// Joins the entry at `start` with the one that begins where it ends. True if it did.
    fn join_with_next(&mut self, start: u64) -> bool {
        let Some(&left) = self.entries.get(&start) else {
            return false;
        };
        let Some(&right) = self.entries.get(&left.end) else {
            return false;
        };
        if !left.joins(start, &right, self.join_limit) {
            return false;
        }
        let crc = left.crc.then(right.crc, right.end - left.end);
        self.entries.remove(&left.end);
        self.entries.insert(
            start,
            Entry {
                end: right.end,
                crc,
                standing: Standing::Settled,
            },
        );
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The object that all these tests speak of: a ramp modulo a prime, so that a shifted piece shows.
    fn object(size: u64) -> Vec<u8> {
        (0..size).map(|i| (i % 251) as u8).collect()
    }

    fn segment(object: &[u8], start: u64, end: u64) -> Segment {
        let range = ByteRange::new(start, end).expect("not empty");
        Segment {
            range,
            crc: Crc64::of(&object[start as usize..end as usize]),
        }
    }

    fn gaps(coverage: &Coverage, size: u64) -> Vec<(u64, u64)> {
        coverage.gaps(size).map(|gap| (gap.start(), gap.end())).collect()
    }

    #[test]
    fn pieces_that_land_in_any_order_become_one_segment_with_the_objects_crc() {
        let object = object(1000);
        let mut coverage = Coverage::new();
        for (start, end) in [(300, 600), (0, 100), (600, 1000), (100, 300)] {
            coverage.insert(segment(&object, start, end), Standing::Settled);
        }
        assert_eq!(coverage.whole(1000), Some(Crc64::of(&object)));
        assert_eq!(gaps(&coverage, 1000), []);
    }

    #[test]
    fn an_empty_object_is_whole_without_a_segment() {
        assert_eq!(Coverage::new().whole(0), Some(Crc64::EMPTY));
        assert_eq!(Coverage::new().whole(1), None);
    }

    #[test]
    fn a_provisional_segment_can_be_taken_back_without_its_neighbours() {
        let object = object(1000);
        let mut coverage = Coverage::new();
        coverage.insert(segment(&object, 0, 400), Standing::Settled);
        coverage.insert(segment(&object, 400, 500), Standing::Provisional);
        coverage.insert(segment(&object, 500, 600), Standing::Provisional);
        coverage.insert(segment(&object, 600, 1000), Standing::Settled);
        assert_eq!(coverage.whole(1000), None);
        coverage.forget(ByteRange::new(400, 600).expect("not empty"));
        assert_eq!(gaps(&coverage, 1000), [(400, 600)]);
        coverage.insert(segment(&object, 400, 600), Standing::Provisional);
        coverage.settle(ByteRange::new(400, 600).expect("not empty"));
        assert_eq!(coverage.whole(1000), Some(Crc64::of(&object)));
    }

    #[test]
    fn what_was_overwritten_in_part_is_gone_as_a_whole() {
        let object = object(1000);
        let pieces = [(100, 200), (300, 400), (500, 600)];
        let cases = [
            ((120, 180), vec![(120, 180), (300, 400), (500, 600)]),
            ((150, 200), vec![(150, 200), (300, 400), (500, 600)]),
            ((150, 250), vec![(150, 250), (300, 400), (500, 600)]),
            ((300, 310), vec![(100, 200), (300, 310), (500, 600)]),
            ((150, 350), vec![(150, 350), (500, 600)]),
            ((0, 1000), vec![(0, 1000)]),
            ((200, 300), vec![(100, 400), (500, 600)]),
        ];
        for ((start, end), expected) in cases {
            let mut coverage = Coverage::new();
            for (start, end) in pieces {
                coverage.insert(segment(&object, start, end), Standing::Settled);
            }
            coverage.insert(segment(&object, start, end), Standing::Settled);
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(start, end)| segment(&object, start, end))
                .collect();
            assert_eq!(coverage.segments().collect::<Vec<_>>(), expected);
            let len: u64 = expected.iter().map(|segment| segment.range.len()).sum();
            assert_eq!(coverage.covered(), len);
        }
    }

    #[test]
    fn joined_segments_stay_within_the_limit() {
        let object = object(1000);
        let mut coverage = Coverage::with_join_limit(250);
        for start in (0..1000).step_by(100) {
            coverage.insert(segment(&object, start, start + 100), Standing::Settled);
        }
        assert!(coverage.segments().all(|segment| segment.range.len() <= 250));
        assert_eq!(coverage.covered(), 1000);
    }

    /// A tebibyte in parts of 5 MiB, sixteen of them in flight and landing in any order.
    #[test]
    fn i9_the_set_is_as_small_as_the_work_in_flight_whatever_the_number_of_parts() {
        const PART: u64 = 5 << 20;
        const SIZE: u64 = 1 << 40;
        let mut coverage = Coverage::new();
        let mut random = fastrand::Rng::with_seed(1);
        let (mut in_flight, mut next) = (Vec::new(), 0);
        loop {
            while in_flight.len() < 16 && next < SIZE {
                in_flight.push(ByteRange::new(next, SIZE.min(next + PART)).expect("not empty"));
                next += PART;
            }
            if in_flight.is_empty() {
                break;
            }
            let range = in_flight.swap_remove(random.usize(..in_flight.len()));
            coverage.insert(
                Segment {
                    range,
                    crc: Crc64::EMPTY,
                },
                Standing::Settled,
            );
            assert!(coverage.segments().count() <= 17);
        }
        assert!(coverage.whole(SIZE).is_some());
    }

    proptest! {
        /// Against the simplest model there is: one flag a byte.
        #[test]
        fn coverage_agrees_with_a_flag_per_byte(
            steps in proptest::collection::vec((0u64..64, 1u64..16, 0u8..3), 0..40)
        ) {
            const SIZE: u64 = 64;
            let object = object(SIZE + 16);
            let mut coverage = Coverage::new();
            let mut flags = [false; 80];
            for (start, len, action) in steps {
                let range = ByteRange::new(start, start + len).expect("len is at least 1");
                for gone in coverage.forget(range) {
                    flags[gone.start() as usize..gone.end() as usize].fill(false);
                }
                prop_assert!(flags[start as usize..(start + len) as usize].iter().all(|flag| !flag));
                if action > 0 {
                    let standing = if action == 1 { Standing::Settled } else { Standing::Provisional };
                    coverage.insert(segment(&object, start, start + len), standing);
                    flags[start as usize..(start + len) as usize].fill(true);
                    coverage.settle(range);
                }
                prop_assert_eq!(coverage.covered() as usize, flags.iter().filter(|flag| **flag).count());
                for held in coverage.segments() {
                    let bytes = &object[held.range.start() as usize..held.range.end() as usize];
                    prop_assert_eq!(held.crc, Crc64::of(bytes));
                }
                let missing: u64 = coverage.gaps(SIZE).map(ByteRange::len).sum();
                prop_assert_eq!(missing as usize, flags[..SIZE as usize].iter().filter(|flag| !**flag).count());
            }
        }
    }
}

//! How many tests passed and failed, read from what `cargo test` and `pytest` print at their ends.

use std::fmt;

/// Tests counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Tally {
    /// Takes in a line of output; most lines say nothing about counts.
    pub(crate) fn see(&mut self, line: &str) {
        let line = without_colours(line);
        let counts = line
            .strip_prefix("test result: ")
            .or_else(|| pytest_counts(&line));
        for count in counts.unwrap_or_default().split([';', ',', '.']) {
            self.add(count.trim());
        }
    }

    /// `3 passed`: a number and what it is a number of.
    fn add(&mut self, count: &str) {
        let mut words = count.split(' ');
        let (Some(Ok(number)), Some(what)) = (words.next().map(str::parse::<u64>), words.next()) else {
            return;
        };
        match what {
            "passed" | "xpassed" => self.passed += number,
            "failed" | "error" | "errors" => self.failed += number,
            "ignored" | "skipped" | "xfailed" => self.skipped += number,
            _ => {}
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

/// The counts in `3 passed, 1 failed in 0.12s`, which stands between equals signs unless pytest is told to be quiet.
fn pytest_counts(line: &str) -> Option<&str> {
    let (counts, duration) = line.trim_matches(['=', ' ']).split_once(" in ")?;
    let is_duration = duration.starts_with(is_digit) && duration.split(' ').next()?.ends_with('s');
    (is_duration && counts.starts_with(is_digit)).then_some(counts)
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

fn without_colours(line: &str) -> String {
    let mut pieces = line.split("\u{1b}[");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| {
        text + piece.split_once('m').map_or(piece, |(_, rest)| rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally_of(lines: &[&str]) -> String {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.see(line));
        tally.to_string()
    }

    #[test]
    fn cargo_test_is_counted_binary_by_binary() {
        let lines = [
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.10s",
            "test a ... ok",
            "test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1.00s",
        ];
        assert_eq!(tally_of(&lines), "14 passed, 3 failed, 1 skipped");
    }

    #[test]
    fn pytest_is_counted_at_its_end() {
        let lines = [
            "test_a.py ..F                                                [100%]",
            "======= 1 failed, 2 passed, 4 skipped, 1 warning, 1 error in 62.31s (0:01:02) =======",
        ];
        assert_eq!(tally_of(&lines), "2 passed, 2 failed, 4 skipped");
    }

    #[test]
    fn colours_and_quiet_change_nothing() {
        let lines = ["\u{1b}[32m\u{1b}[1m5 passed\u{1b}[0m\u{1b}[32m in 0.02s\u{1b}[0m"];
        assert_eq!(tally_of(&lines), "5 passed, 0 failed, 0 skipped");
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_eq!(
            tally_of(&["3 passed the post", "1 kill in all"]),
            "0 passed, 0 failed, 0 skipped"
        );
    }
}

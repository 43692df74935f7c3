//! What a soak counted and found, as Markdown.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::run::{Ended, How};
use super::story::Story;

/// Everything that is counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) stories: u64,
    pub(crate) runs: u64,
    pub(crate) rivals: u64,
    pub(crate) replaced: u64,
    pub(crate) outages: u64,
    /// Calls that odd systems answered; of those that the kernel refused for them nobody knows.
    pub(crate) odd_answers: u64,
    pub(crate) patience_lost: u64,
    pub(crate) bytes_verified: u64,
    pub(crate) bytes_resumed: u64,
    odd: BTreeMap<String, u64>,
    /// Files of runs that died where locks prove nothing.
    pub(crate) stray_files: u64,
    strikes: BTreeMap<String, u64>,
    tampering: BTreeMap<String, u64>,
    endings: BTreeMap<String, u64>,
    ends: BTreeMap<How, u64>,
    pub(crate) findings: Vec<Finding>,
}

/// Something that must not happen.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) trouble: Trouble,
    pub(crate) story: Story,
    pub(crate) text: String,
    pub(crate) runs: Vec<Ended>,
    /// Left as it was, for whoever looks into it.
    pub(crate) directory: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    WrongFile,
    Exit,
    Hang,
    LeftOver,
    Output,
}

impl Trouble {
    const ALL: [(Self, &'static str); 5] = [
        (Self::WrongFile, "wrong files"),
        (Self::Exit, "unexplained exits"),
        (Self::Hang, "hangs"),
        (Self::LeftOver, "left-over files"),
        (Self::Output, "panics and control characters in what was said"),
    ];
}

impl Tally {
    pub(crate) fn of_one_story() -> Self {
        Self {
            stories: 1,
            ..Self::default()
        }
    }

    pub(crate) fn count_strike(&mut self, verdict: &str) {
        count(&mut self.strikes, verdict.to_owned(), 1);
    }

    pub(crate) fn count_odd(&mut self, kind: &str) {
        count(&mut self.odd, kind.to_owned(), 1);
    }

    pub(crate) fn count_tampering(&mut self, name: String) {
        count(&mut self.tampering, name, 1);
    }

    pub(crate) fn count_ending(&mut self, name: &str) {
        count(&mut self.endings, name.to_owned(), 1);
    }

    pub(crate) fn count_end(&mut self, run: &Ended) {
        count(&mut self.ends, run.how, 1);
        self.bytes_resumed += run.number("bytes_resumed");
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.stories += other.stories;
        self.runs += other.runs;
        self.rivals += other.rivals;
        self.replaced += other.replaced;
        self.outages += other.outages;
        self.odd_answers += other.odd_answers;
        self.stray_files += other.stray_files;
        self.patience_lost += other.patience_lost;
        self.bytes_verified += other.bytes_verified;
        self.bytes_resumed += other.bytes_resumed;
        add_all(&mut self.odd, other.odd);
        add_all(&mut self.strikes, other.strikes);
        add_all(&mut self.tampering, other.tampering);
        add_all(&mut self.endings, other.endings);
        add_all(&mut self.ends, other.ends);
        self.findings.extend(other.findings);
    }

    fn found(&self, trouble: Trouble) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.trouble == trouble)
            .count()
    }
}

fn count<K: Ord>(counts: &mut BTreeMap<K, u64>, what: K, times: u64) {
    *counts.entry(what).or_default() += times;
}

fn add_all<K: Ord>(counts: &mut BTreeMap<K, u64>, others: BTreeMap<K, u64>) {
    others
        .into_iter()
        .for_each(|(what, times)| count(counts, what, times));
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what | how many |\n|---|---|")?;
        let mut row = |what: &str, count: &dyn fmt::Display| writeln!(f, "| {what} | {count} |");
        row("stories, each ending in an undisturbed run", &self.stories)?;
        row("runs of `tosget get`", &self.runs)?;
        row("how the disturbed ones were ended", &listed(&self.endings))?;
        row("interrupted for being slow under faults", &self.patience_lost)?;
        row("second processes at the same destination", &self.rivals)?;
        row("how runs ended", &listed(&self.ends))?;
        row("faults injected", &self.strikes.values().sum::<u64>())?;
        row("by verdict", &listed(&self.strikes))?;
        row("outages of four seconds", &self.outages)?;
        row("runs on an odd system", &self.odd.values().sum::<u64>())?;
        row("by what it does", &listed(&self.odd))?;
        row("calls that it answered", &self.odd_answers)?;
        row(
            "files left by runs that were killed where locks prove nothing",
            &self.stray_files,
        )?;
        row("objects replaced between runs", &self.replaced)?;
        row("checkpoints tampered with", &self.tampering.values().sum::<u64>())?;
        row("how", &listed(&self.tampering))?;
        row("bytes verified", &self.bytes_verified)?;
        row("bytes gone on from checkpoints", &self.bytes_resumed)?;
        for (trouble, name) in Trouble::ALL {
            row(&format!("**{name}**"), &format!("**{}**", self.found(trouble)))?;
        }
        Ok(())
    }
}

fn listed<K: fmt::Display>(counts: &BTreeMap<K, u64>) -> String {
    let all: Vec<_> = counts
        .iter()
        .map(|(what, times)| format!("{what} {times}"))
        .collect();
    all.join(", ")
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit {code}:"),
            Self::Signal(signal) => write!(f, "signal {signal}:"),
            Self::NotAtAll => f.write_str("not at all:"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            trouble, story, text, ..
        } = self;
        writeln!(f, "\nstory {}: {trouble:?}: {text}", story.number)?;
        for run in &self.runs {
            writeln!(f, "  $ {}\n  {} {}", run.typed, run.how, run.stdout.trim_end())?;
            for line in run.stderr.lines() {
                writeln!(f, "  | {}", line.escape_debug())?;
            }
        }
        writeln!(f, "  left in {}", self.directory.display())?;
        writeln!(f, "  {story:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallies_add_up_and_name_what_must_not_happen() {
        let mut sum = Tally::default();
        for _ in 0..2 {
            let mut tally = Tally::of_one_story();
            tally.bytes_verified = 5;
            tally.count_strike("reset_after");
            sum.add(tally);
        }
        let text = sum.to_string();
        assert!(text.contains("| by verdict | reset_after 2 |\n"), "{text}");
        assert!(text.contains("| bytes verified | 10 |\n"), "{text}");
        assert!(text.contains("| **wrong files** | **0** |\n"), "{text}");
    }
}

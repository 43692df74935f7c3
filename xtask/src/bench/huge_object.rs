//! A tebibyte in 209,716 parts: whether a part costs the same wherever in it the download is. No disk holds it; a test of the
//! library goes through some of it, between a source of zeros and a storage that keeps nothing, and prints what that costs.

use std::process::Command;

use crate::bench::Settings;
use crate::bench::figures::{Order, short};
use crate::bench::report::{Report, range, table};
use crate::command;
use crate::failure::{Failure, Result};
use crate::workspace::cargo;

/// The test's name, which begins with its module's.
const TEST: &str = "engine::tests::huge::what";

/// Where in the object a part must cost the same.
const PLACES: [u32; 3] = [1, 50, 99];
/// More is not "the same": a cost that grew with the number of parts would be many times as large.
const MOST_TIMES: f64 = 1.5;
const MOST_JOURNAL_BYTES: f64 = 64.0;
const MOST_DECISION_MS: f64 = 200.0;
const MOST_MEMORY_MIB: f64 = 64.0;

pub(crate) fn measure(settings: &Settings) -> Result<Report> {
    let title = "Parts of 5 MiB of an object of 1 TiB";
    let report = Report::new(title, &settings.command);
    let mut rounds = Vec::new();
    for _ in 0..settings.rounds {
        let said = command::output_of(&mut test(settings))?;
        rounds
            .push(Round::parse(&said).ok_or_else(|| {
                Failure::new(format!("cargo test {TEST} printed no such figures:\n{said}"))
            })?);
    }
    let figures = Figures::of(&rounds)
        .ok_or_else(|| Failure::new(format!("cargo test {TEST} printed other places each time")))?;
    Ok(report
        .with_table(figures.places_table())
        .with_table(figures.bars_table())
        .with_note(
            "Medians, with the least and the most behind them. \"at\" is how much of the object an earlier run had fetched; then \
             2000 parts are fetched. A part's time is everything between the source and the storage: planning, CRC64, records, \
             and making 5 MiB of zeros. The decision is everything from the call to the first request after it knows what to \
             resume: finding, reading and judging the journal. Memory is the whole test's, which also makes the journals.",
        )
        .with_fact("rounds", settings.rounds.to_string())
        .with_ran(format!("`{}`", command::as_typed(&test(settings)))))
}

fn test(settings: &Settings) -> Command {
    let mut test = cargo();
    test.current_dir(settings.workspace.root())
        .args(["test", "--release", "--locked", "-p", "tosget", "--lib", TEST])
        .args(["--", "--ignored", "--nocapture"]);
    test
}

/// What the test printed, once.
#[derive(Debug, PartialEq)]
struct Round {
    places: Vec<Place>,
    memory_mib: f64,
}

/// What parts cost where so many percent of the object had been fetched.
#[derive(Debug, PartialEq)]
struct Place {
    percent: u32,
    part_us: f64,
    journal_bytes: f64,
    decision_ms: f64,
}

impl Round {
    fn parse(text: &str) -> Option<Self> {
        let places: Vec<Place> = text.lines().filter_map(Place::parse).collect();
        let memory = text.lines().find_map(|line| line.split_once("VmHWM:"))?.1;
        let kib: f64 = memory.split_whitespace().next()?.parse().ok()?;
        let is_there = |percent| places.iter().any(|place| place.percent == percent);
        PLACES.into_iter().all(is_there).then_some(Self {
            places,
            memory_mib: kib / 1024.0,
        })
    }
}

impl Place {
    /// `at 50 %:   30.1 us a part, 41.0 B of journal a part, 12.3 ms to decide what to resume`.
    fn parse(line: &str) -> Option<Self> {
        // The test's own name may stand before it.
        let (_, rest) = line.split_once("at ")?;
        let (percent, rest) = rest.split_once(" %:")?;
        let mut numbers = rest.split(", ").map(|part| {
            let number = part.split_whitespace().next();
            number.and_then(|number| number.parse().ok())
        });
        Some(Self {
            percent: percent.trim().parse().ok()?,
            part_us: numbers.next()??,
            journal_bytes: numbers.next()??,
            decision_ms: numbers.next()??,
        })
    }
}

/// All rounds together.
struct Figures {
    places: Vec<(u32, [Order; 3])>,
    memory_mib: Order,
}

impl Figures {
    fn of(rounds: &[Round]) -> Option<Self> {
        let place = |percent: u32| {
            let here: Vec<&Place> = rounds
                .iter()
                .filter_map(|round| round.places.iter().find(|place| place.percent == percent))
                .collect();
            let order =
                |figure: fn(&Place) -> f64| Order::of(here.iter().map(|place| figure(place)).collect());
            let figures = [
                order(|place| place.part_us)?,
                order(|place| place.journal_bytes)?,
                order(|place| place.decision_ms)?,
            ];
            (here.len() == rounds.len()).then_some((percent, figures))
        };
        let percents = rounds.first()?.places.iter().map(|place| place.percent);
        Some(Self {
            places: percents.map(place).collect::<Option<_>>()?,
            memory_mib: Order::of(rounds.iter().map(|round| round.memory_mib).collect())?,
        })
    }

    fn places_table(&self) -> String {
        let head = [
            "at",
            "µs a part",
            "B of journal a part",
            "ms to decide what to resume",
        ];
        let row = |(percent, figures): &(u32, [Order; 3])| {
            let figures = figures.iter().map(|order| range(*order));
            [format!("{percent} %")].into_iter().chain(figures).collect()
        };
        let rows: Vec<Vec<String>> = self.places.iter().map(row).collect();
        table(&head, &rows)
    }

    fn bars_table(&self) -> String {
        let part_us = self
            .places
            .iter()
            .filter(|(percent, _)| PLACES.contains(percent))
            .map(|(_, figures)| figures[0].median);
        let (least, most) = part_us.fold((f64::INFINITY, 0.0_f64), |(least, most), cost| {
            (least.min(cost), most.max(cost))
        });
        let worst = |figure: usize| {
            let all = self.places.iter().map(|(_, figures)| figures[figure].max);
            all.fold(0.0, f64::max)
        };
        let rows = [
            (
                "a part costs the same at 1 %, 50 % and 99 %: most by least",
                most / least,
                MOST_TIMES,
            ),
            ("journal, B a part", worst(1), MOST_JOURNAL_BYTES),
            ("decision what to resume, ms", worst(2), MOST_DECISION_MS),
            ("memory, MiB", self.memory_mib.max, MOST_MEMORY_MIB),
        ];
        let rows: Vec<Vec<String>> = rows
            .into_iter()
            .map(|(what, worst, bar)| {
                let is_held = if worst <= bar { "yes" } else { "**no**" };
                vec![what.to_owned(), short(bar), short(worst), is_held.to_owned()]
            })
            .collect();
        table(&["bar", "at most", "measured, at worst", "held"], &rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\nrunning 1 test\n\
        at  0 %:   600.0 us a part, 41.0 B of journal a part, 0.3 ms to decide what to resume\n\
        at  1 %:   500.0 us a part, 41.0 B of journal a part, 1.5 ms to decide what to resume\n\
        at 50 %:   510.5 us a part, 42.0 B of journal a part, 30.0 ms to decide what to resume\n\
        at 99 %:   600.0 us a part, 41.0 B of journal a part, 250.0 ms to decide what to resume\n\
        peak memory, all of the above: VmHWM:\t   51200 kB\n\
        test engine::tests::huge::what_a_part_of_a_tebibyte_costs ... ok\n";

    #[test]
    fn what_the_test_prints_is_read() {
        let round = Round::parse(SAID).expect("all of it is there");
        assert_eq!((round.places.len(), round.memory_mib), (4, 50.0));
        let half = Place {
            percent: 50,
            part_us: 510.5,
            journal_bytes: 42.0,
            decision_ms: 30.0,
        };
        assert_eq!(round.places[2], half);
        assert_eq!(Round::parse(&SAID.replace("at 99", "at 98")), None);
        assert_eq!(Round::parse(&SAID.replace("VmHWM", "unknown")), None);
    }

    #[test]
    fn a_bar_that_is_not_held_is_told() {
        let round = || Round::parse(SAID).expect("all of it is there");
        let figures = Figures::of(&[round(), round()]).expect("the same places");
        let (places, bars) = (figures.places_table(), figures.bars_table());
        assert!(places.contains("| 99 % | 600 | 41.0 | 250 |"), "{places}");
        for row in [
            "most by least | 1.50 | 1.20 | yes |",
            "| journal, B a part | 64.0 | 42.0 | yes |",
            "| decision what to resume, ms | 200 | 250 | **no** |",
            "| memory, MiB | 64.0 | 50.0 | yes |",
        ] {
            assert!(bars.contains(row), "{row} in {bars}");
        }
    }
}

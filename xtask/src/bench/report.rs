//! A result as a page of Markdown: figures first, then what is needed to doubt or repeat them.

use std::fmt::Write;

use crate::bench::contest::{Sample, Series};
use crate::bench::machine;

pub(crate) struct Report {
    title: String,
    command: String,
    /// Name and value of everything the figures depend on.
    facts: Vec<(&'static str, String)>,
    /// The first is what the others are compared with.
    series: Vec<Series>,
}

impl Report {
    /// Describes the machine as it is now, so make it before the measurements.
    pub(crate) fn new(title: impl Into<String>, command: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            command: command.into(),
            facts: vec![
                ("date", machine::today()),
                ("commit", machine::commit()),
                ("processor", machine::processor()),
                ("memory", machine::memory()),
                ("kernel", machine::kernel()),
                ("load before", machine::load()),
            ],
            series: Vec::new(),
        }
    }

    pub(crate) fn with_fact(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.facts.push((name, value.into()));
        self
    }

    pub(crate) fn with_series(mut self, series: Vec<Series>) -> Self {
        self.series = series;
        self
    }

    pub(crate) fn to_markdown(&self) -> String {
        let mut page = format!("# {}\n\nMade by `{}`.\n\n", self.title, self.command.trim_end());
        page += &self.figures();
        page += "\nWall and CPU time in seconds (CPU: user and system of the program, not of the server); peak is ";
        page += "the resident memory at its highest; the spread is (max - min) / median.\n\n";
        for (name, value) in &self.facts {
            let _ = writeln!(page, "- {name}: {value}");
        }
        page += "\n## What ran\n\n";
        for series in &self.series {
            let _ = writeln!(page, "- {}, {}: `{}`", series.name, series.remark, series.typed);
        }
        page
    }

    fn figures(&self) -> String {
        let mut table = "| program | | wall median | min | max | spread | CPU median | min | max | peak MiB \
                         | wall ratio | CPU ratio |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n"
            .to_owned();
        let Some(base) = self.series.first().map(Summary::of) else {
            return table;
        };
        for series in &self.series {
            let Summary { wall, cpu, peak_mib } = Summary::of(series);
            let _ = writeln!(
                table,
                "| {} | {} | {:.2} | {:.2} | {:.2} | {:.0} % | {:.2} | {:.2} | {:.2} | {peak_mib:.0} | {:.2} | {:.2} |",
                series.name,
                series.remark,
                wall.median,
                wall.min,
                wall.max,
                wall.spread_percent(),
                cpu.median,
                cpu.min,
                cpu.max,
                wall.median / base.wall.median,
                cpu.median / base.cpu.median,
            );
        }
        table
    }
}

/// One series in the figures that are reported.
struct Summary {
    wall: Order,
    cpu: Order,
    peak_mib: f64,
}

impl Summary {
    fn of(series: &Series) -> Self {
        let each = |figure: fn(&Sample) -> f64| Order::of(series.samples.iter().map(figure).collect());
        Self {
            wall: each(|sample| sample.wall.as_secs_f64()),
            cpu: each(|sample| sample.cpu.as_secs_f64()),
            peak_mib: each(|sample| sample.peak_rss_bytes as f64 / f64::from(1 << 20)).max,
        }
    }
}

/// Where some numbers lie.
struct Order {
    median: f64,
    min: f64,
    max: f64,
}

impl Order {
    /// `numbers` has at least one.
    fn of(mut numbers: Vec<f64>) -> Self {
        numbers.sort_by(f64::total_cmp);
        let (low, high) = (numbers[(numbers.len() - 1) / 2], numbers[numbers.len() / 2]);
        Self {
            median: f64::midpoint(low, high),
            min: numbers[0],
            max: numbers[numbers.len() - 1],
        }
    }

    fn spread_percent(&self) -> f64 {
        100.0 * (self.max - self.min) / self.median
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn series(name: &'static str, wall_secs: &[u64]) -> Series {
        let sample = |&secs: &u64| Sample {
            wall: Duration::from_secs(secs),
            cpu: Duration::from_secs(2 * secs),
            peak_rss_bytes: secs << 20,
        };
        Series {
            name,
            remark: "unverified",
            typed: format!("{name} -o x"),
            samples: wall_secs.iter().map(sample).collect(),
        }
    }

    #[test]
    fn ratios_are_to_the_first_series() {
        let series = vec![series("one", &[3, 1, 2]), series("two", &[4, 4, 8, 2])];
        let page = Report::new("Title", "xtask ").with_series(series).to_markdown();
        assert!(page.contains(
            "| one | unverified | 2.00 | 1.00 | 3.00 | 100 % | 4.00 | 2.00 | 6.00 | 3 | 1.00 | 1.00 |"
        ));
        assert!(page.contains(
            "| two | unverified | 4.00 | 2.00 | 8.00 | 150 % | 8.00 | 4.00 | 16.00 | 8 | 2.00 | 2.00 |"
        ));
    }
}

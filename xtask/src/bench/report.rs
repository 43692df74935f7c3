//! A result as a page of Markdown with its charts: figures first, then what is needed to doubt or repeat them.

use std::fmt::Write;

use crate::bench::chart::{Bar, Chart, Panel};
use crate::bench::contest::{Absent, Results, Series};
use crate::bench::figures::{Order, short};
use crate::bench::machine;

pub(crate) struct Report {
    title: String,
    command: String,
    /// Name and value of everything the figures depend on.
    facts: Vec<(&'static str, String)>,
    tables: Vec<String>,
    /// File names and contents of charts.
    charts: Vec<(String, String)>,
    notes: Vec<String>,
    ran: Vec<String>,
    absent: Vec<Absent>,
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
            tables: Vec::new(),
            charts: Vec::new(),
            notes: Vec::new(),
            ran: Vec::new(),
            absent: Vec::new(),
        }
    }

    pub(crate) fn with_fact(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.facts.push((name, value.into()));
        self
    }

    /// A sentence below the figures.
    pub(crate) fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    pub(crate) fn with_chart(mut self, file: impl Into<String>, svg: String) -> Self {
        self.charts.push((file.into(), svg));
        self
    }

    pub(crate) fn with_table(mut self, table: String) -> Self {
        self.tables.push(table);
        self
    }

    /// Wall and CPU time and memory of all, compared with the first; a table of the arena's `figures`, if there are any; and a
    /// chart of them all, named `file`.
    pub(crate) fn with_results(mut self, file: &str, results: Results, figures: &[&'static str]) -> Self {
        let Results { series, absent } = results;
        self.tables.push(costs(&series));
        if !figures.is_empty() {
            self.tables.push(further(&series, figures));
        }
        let mut panels: Vec<Panel> = figures
            .iter()
            .map(|name| panel(name, &series, |one| one.figure(name)))
            .collect();
        panels.push(panel(
            "wall time, seconds (less is better)",
            &series,
            Series::wall,
        ));
        panels.push(panel(
            "CPU time of the client, seconds (less is better)",
            &series,
            Series::cpu,
        ));
        panels.push(panel(
            "peak memory, MiB (less is better)",
            &series,
            Series::peak_mib,
        ));
        let chart = Chart {
            title: self.title.clone(),
            panels,
        };
        self.notes.push(
            "Wall and CPU time in seconds (CPU: user and system of the program and its children, not of the server; of it kernel: the median of \
             the system time alone); peak is the resident memory at its highest; the spread is (max - min) / median; ratios are to the first line."
                .to_owned(),
        );
        self.with_chart(file, chart.to_svg())
            .with_programs(&series, absent)
    }

    /// What ran and what did not.
    pub(crate) fn with_programs(mut self, series: &[Series], absent: Vec<Absent>) -> Self {
        self.ran.extend(series.iter().map(|series| {
            let Series {
                name,
                version,
                remark,
                checks,
                typed,
                ..
            } = series;
            format!("{name} ({version}), {remark}; checks {checks}: `{typed}`")
        }));
        self.absent.extend(absent);
        self
    }

    /// A line on a program that ran outside a contest.
    pub(crate) fn with_ran(mut self, line: impl Into<String>) -> Self {
        self.ran.push(line.into());
        self
    }

    pub(crate) fn charts(&self) -> &[(String, String)] {
        &self.charts
    }

    pub(crate) fn to_markdown(&self) -> String {
        let mut page = format!("# {}\n\nMade by `{}`.\n\n", self.title, self.command.trim_end());
        for (file, _) in &self.charts {
            let _ = writeln!(page, "![{}]({file})\n", self.title);
        }
        for table in &self.tables {
            let _ = writeln!(page, "{table}");
        }
        for note in &self.notes {
            let _ = writeln!(page, "{note}\n");
        }
        if !self.absent.is_empty() {
            page += "## Not measured\n\n";
            for Absent { name, reason } in &self.absent {
                let _ = writeln!(page, "- {name}: {reason}");
            }
            page.push('\n');
        }
        page += "## Machine\n\n";
        for (name, value) in &self.facts {
            let _ = writeln!(page, "- {name}: {value}");
        }
        page += "\n## What ran\n\n";
        for line in &self.ran {
            let _ = writeln!(page, "- {line}");
        }
        page
    }
}

/// A table of Markdown, in which columns of numbers are flush right.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let is_number = |cell: &String| cell.starts_with(|first: char| first.is_ascii_digit() || first == '-');
    let edge = |column| match rows.first().and_then(|row: &Vec<String>| row.get(column)) {
        Some(cell) if is_number(cell) => "---:|",
        _ => "---|",
    };
    let edges: String = (0..head.len()).map(edge).collect();
    let mut table = format!("| {} |\n|{edges}\n", head.join(" | "));
    for row in rows {
        let _ = writeln!(table, "| {} |", row.join(" | "));
    }
    table
}

fn costs(series: &[Series]) -> String {
    let head = [
        "program",
        "checks",
        "wall median",
        "min",
        "max",
        "spread",
        "CPU median",
        "min",
        "max",
        "of it kernel",
        "peak MiB",
        "wall ratio",
        "CPU ratio",
    ];
    let base = series
        .first()
        .and_then(|first| Some((first.wall()?, first.cpu()?)));
    let row = |one: &Series| {
        let (wall, cpu, kernel, peak) = (one.wall()?, one.cpu()?, one.kernel()?, one.peak_mib()?);
        let (base_wall, base_cpu) = base?;
        let ratio = |part: Order, whole: Order| format!("{:.2}", part.median / whole.median);
        Some(vec![
            one.name.clone(),
            one.checks.to_owned(),
            format!("{:.2}", wall.median),
            format!("{:.2}", wall.min),
            format!("{:.2}", wall.max),
            format!("{:.0} %", wall.spread_percent()),
            format!("{:.2}", cpu.median),
            format!("{:.2}", cpu.min),
            format!("{:.2}", cpu.max),
            format!("{:.2}", kernel.median),
            format!("{:.0}", peak.max),
            ratio(wall, base_wall),
            ratio(cpu, base_cpu),
        ])
    };
    let rows: Vec<Vec<String>> = series.iter().filter_map(row).collect();
    table(&head, &rows)
}

/// Medians, with the smallest and the largest behind them where they differ.
fn further(series: &[Series], figures: &[&'static str]) -> String {
    let head: Vec<&str> = ["program"].into_iter().chain(figures.iter().copied()).collect();
    let row = |one: &Series| {
        let numbers = figures
            .iter()
            .map(|name| one.figure(name).map_or_else(|| "-".to_owned(), range));
        [one.name.clone()].into_iter().chain(numbers).collect()
    };
    let rows: Vec<Vec<String>> = series.iter().map(row).collect();
    table(&head, &rows)
}

pub(crate) fn range(order: Order) -> String {
    let Order { median, min, max } = order;
    let [median, min, max] = [median, min, max].map(short);
    if min == max {
        median
    } else {
        format!("{median} ({min}–{max})")
    }
}

pub(crate) fn panel(name: &str, series: &[Series], figure: impl Fn(&Series) -> Option<Order>) -> Panel {
    let bar = |one: &Series| {
        Some(Bar {
            label: one.name.clone(),
            order: figure(one)?,
            is_ours: one.is_ours,
        })
    };
    Panel {
        name: name.to_owned(),
        bars: series.iter().filter_map(bar).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bench::measured::Sample;

    fn series(name: &str, wall_secs: &[u64]) -> Series {
        let sample = |&secs: &u64| Sample {
            wall: Duration::from_secs(secs),
            cpu: Duration::from_secs(2 * secs),
            kernel: Duration::from_secs(secs),
            peak_rss_bytes: secs << 20,
        };
        Series {
            name: name.to_owned(),
            version: "1".to_owned(),
            remark: "plain".to_owned(),
            checks: "nothing",
            is_ours: false,
            typed: format!("{name} -o x"),
            samples: wall_secs.iter().map(sample).collect(),
            figures: wall_secs
                .iter()
                .map(|&secs| vec![("requests", secs as f64)])
                .collect(),
        }
    }

    #[test]
    fn ratios_are_to_the_first_series() {
        let results = Results {
            series: vec![series("one", &[3, 1, 2]), series("two", &[4, 4, 8, 2])],
            absent: vec![Absent {
                name: "three".to_owned(),
                reason: "not here".to_owned(),
            }],
        };
        let report = Report::new("Title", "xtask ").with_results("x.svg", results, &["requests"]);
        let page = report.to_markdown();
        for line in [
            "| one | nothing | 2.00 | 1.00 | 3.00 | 100 % | 4.00 | 2.00 | 6.00 | 2.00 | 3 | 1.00 | 1.00 |",
            "| two | nothing | 4.00 | 2.00 | 8.00 | 150 % | 8.00 | 4.00 | 16.00 | 4.00 | 8 | 2.00 | 2.00 |",
            "| one | 2.00 (1.00–3.00) |",
            "- three: not here",
            "![Title](x.svg)",
        ] {
            assert!(page.contains(line), "{line} in {page}");
        }
    }
}

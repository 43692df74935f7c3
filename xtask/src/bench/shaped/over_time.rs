//! One run over time: the number of tasks that tosget takes, and what comes of it.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::bench::Settings;
use crate::bench::contest::Arena;
use crate::bench::measured;
use crate::bench::plot::{Plot, PlotLine, PlotPanel};
use crate::bench::report::{Report, table};
use crate::bench::scratch::Scratch;
use crate::bench::shaped::link::{Moment, Watched};
use crate::bench::shaped::{CAPPED, DEFAULTS, Stage, ceiling};
use crate::command;
use crate::failure::{About, Failure, Result};

const OBJECT_MIB: u64 = 6 << 10;
/// What the log says when the number changes.
const CHANGED: &str = "the number of tasks changed";
const SECONDS_A_DAY: f64 = 86400.0;

pub(crate) fn adaptive_tasks(settings: &Settings) -> Result<Report> {
    let title = "Tasks and throughput of one run, connections capped at 20 MB/s";
    let report = Report::new(title, &settings.command);
    settings.build()?;
    let scratch = Scratch::below(&settings.memory_directory())?;
    let stage = Stage::set(settings, &scratch, &CAPPED, settings.object_len(OBJECT_MIB))?;
    let reached = ceiling::reached(&stage.emulator, &CAPPED)?;
    let tosget = stage
        .tosget(settings, DEFAULTS)
        .map_err(|absent| Failure::new(absent.reason))?;
    let destination = scratch.destination();
    let mut command = (tosget.command)(&destination);
    command.arg("-vv");
    let typed = command::as_typed(&command);
    let arena = Watched::new(&stage.emulator, &CAPPED);
    arena.prepare()?;
    let start = SystemTime::now();
    let look = |process: u32, elapsed: Duration| arena.look(process, elapsed);
    let run = measured::run("tosget", &mut command, Some(&look))?;
    (tosget.check)(&destination)?;
    fs::remove_file(&destination).about(destination.display())?;
    let changes = changes(&run.stderr, start);
    let moments = arena.moments();
    let rows: Vec<Vec<String>> = changes
        .iter()
        .map(|(seconds, tasks)| vec![format!("{seconds:.2}"), tasks.to_string()])
        .collect();
    let note = if changes.is_empty() {
        "This tosget tells of no change of its number of tasks, so the plot has the server's view alone."
    } else {
        "The plot has tosget's own number of tasks by its log, and the requests under way as the server counts them."
    };
    let report = if rows.is_empty() {
        report
    } else {
        report.with_table(table(&["seconds", "tasks"], &rows))
    };
    Ok(report
        .with_ran(format!("{} ({}): `{typed}`", tosget.name, tosget.version))
        .with_fact("link", CAPPED.in_words())
        .with_fact("what the emulator itself can do", reached)
        .with_fact("wall time", format!("{:.2} s", run.sample.wall.as_secs_f64()))
        .with_note(note)
        .with_chart("adaptive-tasks.svg", plot(title, &moments, &changes).to_svg()))
}

fn plot(title: &str, moments: &[Moment], changes: &[(f64, f64)]) -> Plot {
    let speeds = moments.windows(3).filter_map(|three| {
        let [(start, first), _, (end, last)] = three else {
            return None;
        };
        let bytes = last.body_bytes_sent.saturating_sub(first.body_bytes_sent);
        (end > start).then(|| ((start + end) / 2.0, bytes as f64 / 1e6 / (end - start)))
    });
    let in_flight = moments
        .iter()
        .map(|(seconds, stats)| (*seconds, stats.in_flight as f64));
    let mut tasks = vec![PlotLine {
        label: "requests under way at the server".to_owned(),
        points: in_flight.collect(),
        in_steps: true,
        is_ours: false,
    }];
    if let (Some(&(_, last)), Some(&(end, _))) = (changes.last(), moments.last()) {
        let points = changes.iter().copied().chain([(end, last)]).collect();
        tasks.insert(
            0,
            PlotLine {
                label: "tasks".to_owned(),
                points,
                in_steps: true,
                is_ours: true,
            },
        );
    }
    Plot {
        title: title.to_owned(),
        panels: vec![
            PlotPanel {
                name: "throughput, MB/s".to_owned(),
                lines: vec![PlotLine {
                    label: "sent by the server".to_owned(),
                    points: speeds.collect(),
                    in_steps: false,
                    is_ours: true,
                }],
                level: Some((CAPPED.best() as f64 / 1e6, "the link".to_owned())),
            },
            PlotPanel {
                name: "at a time".to_owned(),
                lines: tasks,
                level: Some((f64::from(CAPPED.needed), "needed".to_owned())),
            },
        ],
    }
}

/// Seconds after `start`, and the number of tasks from then on.
fn changes(log: &str, start: SystemTime) -> Vec<(f64, f64)> {
    let start = start.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() % SECONDS_A_DAY;
    let change = |line: &str| {
        let tasks = line
            .split(" tasks=")
            .nth(1)?
            .split_whitespace()
            .next()?
            .parse()
            .ok()?;
        // A run may begin before midnight and end after it.
        Some(((time_of_day(line)? - start).rem_euclid(SECONDS_A_DAY), tasks))
    };
    log.lines()
        .filter(|line| line.contains(CHANGED))
        .filter_map(change)
        .collect()
}

/// The seconds since midnight of a line that begins with a time like `2026-11-22T16:01:02.345678Z`.
fn time_of_day(line: &str) -> Option<f64> {
    let time = line.split('T').nth(1)?.split('Z').next()?;
    let mut parts = time.split(':').map(str::parse::<f64>);
    let (hours, minutes, seconds) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    Some(3600.0 * hours + 60.0 * minutes + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_read_from_the_log_even_past_midnight() {
        let log = "2026-11-22T23:59:59.500000Z DEBUG download: the number of tasks changed tasks=4 bytes_per_second=1\n\
                   2026-11-23T00:00:01.250000Z DEBUG download: the number of tasks changed bytes_per_second=2 tasks=8\n\
                   2026-11-23T00:00:01.250000Z DEBUG download: something else tasks=9\n";
        let start = UNIX_EPOCH + Duration::from_secs(86399);
        assert_eq!(changes(log, start), [(0.5, 4.0), (2.25, 8.0)]);
    }
}

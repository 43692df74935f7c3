//! One moment of a download as one line of text, for any width. Pure.
//!
//! The line is ASCII: East Asian terminals show many other signs in two columns, and then it would wrap.

use std::time::Duration;

use tosget::ProgressSnapshot;

use crate::human;

/// Narrower, and a bar says nothing.
const LEAST_BAR: usize = 10;
const LARGEST_BAR: usize = 40;

/// Columns to leave free: the terminal itself writes `^C` behind the line.
const MARGIN: usize = 3;

/// Below this width single blanks have to do between fields.
const NARROW: usize = 60;

/// Nobody waits so long: the rate is not what it will be.
const LONGEST_LEFT: f64 = 100.0 * 86_400.0;

/// What is known at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) now: ProgressSnapshot,
    /// Bytes fetched per second; `None` while it is too early to tell.
    pub(crate) rate: Option<f64>,
    /// The user has interrupted.
    pub(crate) stopping: bool,
}

/// The line for a terminal of so many columns; always shorter than that, so that it never wraps.
pub(crate) fn progress_line(moment: &Moment, columns: usize) -> String {
    let is_narrow = columns < NARROW;
    let gap = if is_narrow { 1 } else { 2 };
    let mut fields = moment.fields(!is_narrow);
    // Each field comes with a gap, but for the first one.
    let mut free = columns.saturating_sub(MARGIN) + gap;
    let mut by_importance: Vec<&mut Field> = fields.iter_mut().collect();
    by_importance.sort_by_key(|field| field.importance);
    for field in by_importance {
        let width = field.text.len() + gap;
        field.is_shown = !field.text.is_empty() && width <= free;
        if field.is_shown {
            free -= width;
        }
    }
    if let Some(bar) = fields.iter_mut().find(|field| field.is_bar && field.is_shown) {
        bar.text = moment.bar((LEAST_BAR + free).min(LARGEST_BAR));
    }
    let shown: Vec<String> = fields
        .into_iter()
        .filter(|field| field.is_shown)
        .map(|field| field.text)
        .collect();
    shown.join(&" ".repeat(gap)).trim_end().to_owned()
}

struct Field {
    text: String,
    /// Of the fields that don't all fit, those with the lowest number are shown.
    importance: u8,
    is_bar: bool,
    is_shown: bool,
}

impl Moment {
    /// From left to right. Where there is room, fields keep their width, so that the line does not fidget.
    fn fields(&self, has_room: bool) -> Vec<Field> {
        let field = |importance, text| Field {
            text,
            importance,
            is_bar: false,
            is_shown: false,
        };
        if self.stopping {
            return vec![
                field(0, "stopping".to_owned()),
                field(1, "(Ctrl-C again: at once)".to_owned()),
            ];
        }
        if self.now.total_bytes == 0 {
            return vec![field(0, "asking the server".to_owned()), field(1, self.retries())];
        }
        let bar = Field {
            is_bar: true,
            ..field(6, self.bar(LEAST_BAR))
        };
        vec![
            field(0, format!("{:>3}%", self.percent())),
            bar,
            field(1, human::bytes_of(self.now.consumed_bytes, self.now.total_bytes)),
            field(
                2,
                format!("{:>width$}", self.speed(), width = if has_room { 10 } else { 0 }),
            ),
            field(
                3,
                format!("{:<width$}", self.left(), width = if has_room { 8 } else { 0 }),
            ),
            field(4, self.retries()),
            field(5, self.rechecking()),
            field(7, self.resumed()),
            field(8, self.tasks()),
        ]
    }

    /// Rounded down: 100 % is when everything is there.
    fn percent(&self) -> u64 {
        percent(self.now.consumed_bytes, self.now.total_bytes)
    }

    /// `=` for what an earlier run had fetched, `#` for what this one did.
    fn bar(&self, width: usize) -> String {
        let cells = width.saturating_sub(2);
        let cells_of = |bytes: u64| {
            let share = u128::from(bytes) * cells as u128 / u128::from(self.now.total_bytes.max(1));
            usize::try_from(share).unwrap_or(cells).min(cells)
        };
        let filled = cells_of(self.now.consumed_bytes);
        let resumed = cells_of(self.now.resumed_bytes).min(filled);
        format!(
            "[{}{}{}]",
            "=".repeat(resumed),
            "#".repeat(filled - resumed),
            ".".repeat(cells - filled)
        )
    }

    fn is_fetched(&self) -> bool {
        self.now.consumed_bytes == self.now.total_bytes && self.now.running_tasks == 0
    }

    fn speed(&self) -> String {
        match self.rate {
            // Syncing a large file to disk may take a while.
            _ if self.is_fetched() => "saving".to_owned(),
            Some(rate) => human::rate(rate),
            None => String::new(),
        }
    }

    fn left(&self) -> String {
        let now = &self.now;
        let missing = now
            .total_bytes
            .saturating_sub(now.consumed_bytes + now.rechecking_bytes);
        match self.rate {
            _ if missing == 0 || now.running_tasks == 0 => String::new(),
            None => String::new(),
            Some(0.0) => "stalled".to_owned(),
            Some(rate) => {
                let seconds = (missing as f64 / rate).min(LONGEST_LEFT);
                format!("{} left", human::span_left(Duration::from_secs_f64(seconds)))
            }
        }
    }

    fn retries(&self) -> String {
        match self.now.retries {
            0 => String::new(),
            retries => human::count(retries, "retry", "retries"),
        }
    }

    fn rechecking(&self) -> String {
        match self.now.rechecking_bytes {
            0 => String::new(),
            bytes => format!("rechecking {}", human::bytes(bytes)),
        }
    }

    fn resumed(&self) -> String {
        match self.now.resumed_bytes {
            0 => String::new(),
            bytes => format!("{}% resumed", percent(bytes, self.now.total_bytes)),
        }
    }

    fn tasks(&self) -> String {
        match u64::from(self.now.running_tasks) {
            0 => String::new(),
            tasks => human::count(tasks, "task", "tasks"),
        }
    }
}

fn percent(part: u64, whole: u64) -> u64 {
    u64::try_from(u128::from(part) * 100 / u128::from(whole.max(1))).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(change: impl Fn(&mut ProgressSnapshot)) -> Moment {
        let mut now = ProgressSnapshot::default();
        now.total_bytes = 512 << 20;
        now.consumed_bytes = 256 << 20;
        now.resumed_bytes = 128 << 20;
        now.fetched_bytes = 128 << 20;
        now.running_tasks = 8;
        change(&mut now);
        Moment {
            now,
            rate: Some(f64::from(64 << 20)),
            stopping: false,
        }
    }

    #[test]
    fn a_wide_terminal_shows_everything() {
        assert_eq!(
            progress_line(&moment(|now| now.retries = 2), 100),
            " 50%  [====####.........]  256.0/512.0 MiB  64.0 MiB/s  5s left   2 retries  25% resumed  8 tasks"
        );
    }

    #[test]
    fn a_narrow_terminal_shows_what_matters() {
        assert_eq!(
            progress_line(&moment(|_| {}), 60),
            " 50%  [==###.....]  256.0/512.0 MiB  64.0 MiB/s  5s left"
        );
        assert_eq!(
            progress_line(&moment(|_| {}), 42),
            " 50% 256.0/512.0 MiB 64.0 MiB/s 5s left"
        );
        assert_eq!(progress_line(&moment(|_| {}), 10), " 50%");
    }

    #[test]
    fn it_never_wraps_whatever_the_width() {
        let moments = [
            moment(|_| {}),
            moment(|now| now.retries = 1_000_000),
            moment(|now| now.rechecking_bytes = 12_345_678),
            moment(|now| now.consumed_bytes = now.total_bytes),
            moment(|now| *now = ProgressSnapshot::default()),
            Moment {
                stopping: true,
                ..moment(|_| {})
            },
        ];
        for columns in 0..200 {
            for moment in &moments {
                let line = progress_line(moment, columns);
                assert!(
                    line.is_ascii() && line.len() <= columns.saturating_sub(MARGIN),
                    "{columns}: {line}"
                );
            }
        }
    }

    #[test]
    fn what_is_being_read_back_does_not_count_as_missing() {
        let rechecking = moment(|now| {
            now.consumed_bytes = 0;
            now.resumed_bytes = 0;
            now.rechecking_bytes = 448 << 20;
        });
        let line = progress_line(&rechecking, 100);
        assert!(
            line.contains("  0%") && line.contains("2s left") && line.contains("rechecking 448 MiB"),
            "{line}"
        );
    }

    #[test]
    fn a_standstill_is_called_so() {
        let stalled = Moment {
            rate: Some(0.0),
            ..moment(|_| {})
        };
        assert!(progress_line(&stalled, 100).contains("0 B/s  stalled"));
    }

    #[test]
    fn the_sync_at_the_end_does_not_look_like_a_hang() {
        let saving = moment(|now| {
            now.consumed_bytes = now.total_bytes;
            now.running_tasks = 0;
        });
        let line = progress_line(&saving, 100);
        assert!(
            line.contains("100%") && line.contains("saving") && !line.contains("left"),
            "{line}"
        );
    }
}

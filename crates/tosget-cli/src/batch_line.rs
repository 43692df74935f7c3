//! One moment of a run of many downloads as one line of text, for any width. Pure, and ASCII, as
//! [`progress_line`](crate::progress_line) is.

use crate::human;

/// Columns to leave free: the terminal itself writes `^C` behind the line.
const MARGIN: usize = 3;

/// What is known at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchMoment {
    pub(crate) objects: u64,
    /// Done or failed.
    pub(crate) ended: u64,
    pub(crate) failed: u64,
    pub(crate) fetched_bytes: u64,
    pub(crate) retries: u64,
    pub(crate) tasks: u64,
    /// Bytes fetched per second; `None` while it is too early to tell.
    pub(crate) rate: Option<f64>,
    /// The user has interrupted.
    pub(crate) stopping: bool,
}

/// The line for a terminal of so many columns. Where it is narrow, what comes last is left out.
pub(crate) fn batch_line(moment: &BatchMoment, columns: usize) -> String {
    let mut line = String::new();
    for field in moment.fields().into_iter().filter(|field| !field.is_empty()) {
        let gap = if line.is_empty() { "" } else { "  " };
        if line.len() + gap.len() + field.len() > columns.saturating_sub(MARGIN) {
            break;
        }
        line.push_str(gap);
        line.push_str(&field);
    }
    line
}

impl BatchMoment {
    /// The most telling first.
    fn fields(&self) -> Vec<String> {
        if self.stopping {
            return vec!["stopping".to_owned(), "(Ctrl-C again: at once)".to_owned()];
        }
        let counted = |count: u64, one: &str, many: &str| match count {
            0 => String::new(),
            count => human::count(count, one, many),
        };
        let total = human::grouped(self.objects);
        vec![
            format!(
                "{:>width$}/{total} objects",
                human::grouped(self.ended),
                width = total.len()
            ),
            match self.failed {
                0 => String::new(),
                failed => format!("{} failed", human::grouped(failed)),
            },
            human::bytes(self.fetched_bytes),
            self.rate.map_or_else(String::new, human::rate),
            counted(self.retries, "retry", "retries"),
            counted(self.tasks, "task", "tasks"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: BatchMoment = BatchMoment {
        objects: 5000,
        ended: 123,
        failed: 2,
        fetched_bytes: 3 << 20,
        retries: 1,
        tasks: 12,
        rate: Some(2_097_152.0),
        stopping: false,
    };

    #[test]
    fn a_wide_terminal_shows_everything() {
        assert_eq!(
            batch_line(&MOMENT, 100),
            "  123/5,000 objects  2 failed  3 MiB  2.0 MiB/s  1 retry  12 tasks"
        );
    }

    #[test]
    fn it_never_wraps_and_shows_what_matters_first() {
        assert_eq!(batch_line(&MOMENT, 25), "  123/5,000 objects");
        let stopping = BatchMoment {
            stopping: true,
            ..MOMENT
        };
        for columns in 0..120 {
            for moment in [MOMENT, stopping] {
                let line = batch_line(&moment, columns);
                assert!(
                    line.is_ascii() && line.len() <= columns.saturating_sub(MARGIN),
                    "{line}"
                );
            }
        }
    }
}

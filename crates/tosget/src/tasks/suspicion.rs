//! A denial that nobody can tell from a limit on connections: there are fewer tasks until it is known.
//!
//! An object that is forbidden is denied as well, however few ask. A batch in which some are would end with one task if each took
//! one away for good.

use std::fmt;
use std::time::Duration;

use super::{Change, Number, State, Tasks};

/// A denial of which nobody knows yet whether it comes from a limit. It did, unless it is dismissed.
pub(crate) struct Suspicion {
    tasks: Tasks,
    is_dismissed: bool,
}

/// What to go back to if all denials that are open were no limit.
pub(super) struct Suspected {
    before: Number,
    open: usize,
    is_limit: bool,
}

impl Tasks {
    /// The service may refuse one more connection than those of the tasks at work: no more are tried until it is known.
    pub(crate) fn suspect(&self) -> Suspicion {
        let change = self.with(|state, now| {
            match &mut state.suspected {
                Some(suspected) => suspected.open += 1,
                None => {
                    state.suspected = Some(Suspected {
                        before: state.number.clone(),
                        open: 1,
                        is_limit: false,
                    });
                }
            }
            state.limit(0, now)
        });
        if let Some(change) = change {
            change.tell();
        }
        Suspicion {
            tasks: self.clone(),
            is_dismissed: false,
        }
    }
}

impl Suspicion {
    /// It was no limit.
    pub(crate) fn dismiss(mut self) {
        self.is_dismissed = true;
    }
}

impl Drop for Suspicion {
    fn drop(&mut self) {
        let is_limit = !self.is_dismissed;
        let change = self.tasks.with(|state, now| state.judge(is_limit, now));
        if let Some(change) = change {
            change.tell();
        }
    }
}

impl State {
    /// There is another reason for the number that there is now.
    pub(super) fn confirm(&mut self) {
        if let Some(suspected) = &mut self.suspected {
            suspected.is_limit = true;
        }
    }

    fn judge(&mut self, is_limit: bool, now: Duration) -> Option<Change> {
        let suspected = self.suspected.as_mut().expect("open until it is judged");
        suspected.open -= 1;
        suspected.is_limit |= is_limit;
        let suspected = self.suspected.take_if(|suspected| suspected.open == 0)?;
        if suspected.is_limit || suspected.before.tasks() <= self.number.tasks() {
            return None;
        }
        self.number = suspected.before;
        Some(self.number.resume(now, self.first_byte))
    }
}

impl fmt::Debug for Suspicion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suspicion").finish_non_exhaustive()
    }
}

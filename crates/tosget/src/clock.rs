//! The wall clock, as a seam: requests are signed with it, and tests bring their own.

use std::fmt;
use std::time::SystemTime;

/// Tells the time of day.
pub(crate) trait Clock: Send + Sync + fmt::Debug {
    fn now(&self) -> SystemTime;
}

/// The system's clock. It may jump: durations are measured with another one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

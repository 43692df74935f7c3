//! Faults: rules that pick requests, and verdicts on what happens to them.

pub(crate) mod book;
mod glob;
pub(crate) mod plan;
mod rule;
mod verdict;

pub use self::rule::FaultRule;
pub(crate) use self::rule::Sighting;
pub use self::verdict::{CannedAnswer, CannedBody, Verdict};

//! The rules in force, and how often each has struck.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::rule::{FaultRule, Sighting};
use super::verdict::Verdict;
use crate::wire::bandwidth::Limit;

/// All rules in force.
#[derive(Debug, Default)]
pub(crate) struct FaultBook {
    rules: Mutex<Vec<ActiveRule>>,
}

#[derive(Debug)]
struct ActiveRule {
    rule: FaultRule,
    seen: u64,
    struck: u64,
    random: fastrand::Rng,
    shared: Arc<Shared>,
}

/// What the struck requests of one rule have in common.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) bandwidth: Limit,
    in_flight: AtomicUsize,
}

/// A verdict on one request.
#[derive(Debug)]
pub(crate) struct Strike {
    pub(crate) verdict: Verdict,
    pub(crate) shared: Arc<Shared>,
    /// How many requests that the rule struck are in flight, this one included.
    pub(crate) in_flight: usize,
}

impl FaultBook {
    pub(crate) fn add(&self, rule: FaultRule) {
        let shared = Arc::new(Shared::default());
        if let Verdict::Bandwidth { total, .. } = rule.verdict {
            shared.bandwidth.set(total);
        }
        let random = fastrand::Rng::with_seed(rule.seed);
        self.lock().push(ActiveRule {
            rule,
            seen: 0,
            struck: 0,
            random,
            shared,
        });
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    pub(crate) fn rules(&self) -> Vec<FaultRule> {
        self.lock().iter().map(|active| active.rule.clone()).collect()
    }

    /// The verdicts on a request, in the order of the rules. Each call counts as one request seen.
    pub(crate) fn judge(&self, request: &Sighting<'_>) -> Vec<Strike> {
        self.lock()
            .iter_mut()
            .filter(|active| active.rule.is_about(request))
            .filter_map(ActiveRule::strike)
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<ActiveRule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ActiveRule {
    fn strike(&mut self) -> Option<Strike> {
        self.seen += 1;
        let since_first = self.seen.checked_sub(self.rule.nth)?;
        let due = since_first.is_multiple_of(self.rule.every.max(1));
        if !due || self.rule.times.is_some_and(|times| self.struck >= times) {
            return None;
        }
        if self
            .rule
            .probability
            .is_some_and(|probability| self.random.f64() >= probability)
        {
            return None;
        }
        self.struck += 1;
        let in_flight = self.shared.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        let verdict = match &self.rule.verdict {
            Verdict::Beyond { limit, verdict } if in_flight > *limit => verdict,
            verdict => verdict,
        };
        Some(Strike {
            verdict: verdict.clone(),
            shared: Arc::clone(&self.shared),
            in_flight,
        })
    }
}

impl Drop for Strike {
    fn drop(&mut self) {
        self.shared.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: Sighting<'_> = Sighting {
        method: "GET",
        bucket: Some("b"),
        key: Some("dir/k"),
        operation: "GetObject",
        range: (100, 200),
    };

    /// Which of the first twelve requests the rule strikes.
    fn struck(rule: FaultRule) -> Vec<u64> {
        let book = FaultBook::default();
        book.add(rule);
        (1..=12).filter(|_| !book.judge(&GET).is_empty()).collect()
    }

    fn rule() -> FaultRule {
        FaultRule::new(Verdict::HideCrc)
    }

    #[test]
    fn which_requests_are_struck_is_counted_from_one() {
        assert_eq!(struck(rule()), (1..=12).collect::<Vec<_>>());
        assert_eq!(struck(rule().nth(11)), [11, 12]);
        assert_eq!(struck(rule().nth(2).times(3)), [2, 3, 4]);
        assert_eq!(struck(rule().nth(2).every(4)), [2, 6, 10]);
        assert_eq!(struck(rule().every(5).times(2)), [1, 6]);
        assert_eq!(struck(rule().probability(0.0, 1)), Vec::<u64>::new());
        let half = struck(rule().probability(0.5, 1));
        assert!(
            !half.is_empty() && half.len() < 12 && half == struck(rule().probability(0.5, 1)),
            "{half:?}"
        );
    }

    #[test]
    fn matchers_narrow_a_rule_down() {
        for about in [
            rule().method("get"),
            rule().bucket("?").key("dir/*"),
            rule().operation("GetObject"),
            rule().range_covers(100),
            rule().range_covers(199),
            rule().range_from(100),
        ] {
            assert!(about.is_about(&GET), "{about:?}");
        }
        for other in [
            rule().method("PUT"),
            rule().bucket("c"),
            rule().key("k"),
            rule().operation("HeadObject"),
            rule().range_covers(99),
            rule().range_covers(200),
            rule().range_from(101),
        ] {
            assert!(!other.is_about(&GET), "{other:?}");
        }
    }

    #[test]
    fn requests_in_flight_are_counted_per_rule() {
        let book = FaultBook::default();
        book.add(FaultRule::new(Verdict::MaxConcurrent { limit: 1 }));
        let first = book.judge(&GET);
        assert_eq!(first[0].in_flight, 1);
        assert_eq!(book.judge(&GET)[0].in_flight, 2);
        drop(first);
        assert_eq!(book.judge(&GET)[0].in_flight, 1);
    }
}

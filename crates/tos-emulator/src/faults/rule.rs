//! A fault rule: which requests it is about, which of those it strikes, and what then happens.

use serde::{Deserialize, Serialize};

use super::glob;
use super::verdict::Verdict;

/// Strikes matching requests with a [`Verdict`].
///
/// Without any matcher a rule is about every request; the setters narrow it down. Of the requests that it is about, it
/// strikes all unless [`nth`](Self::nth), [`times`](Self::times), [`every`](Self::every) or
/// [`probability`](Self::probability) say otherwise. Several rules may strike one request: their effects add up, and the
/// first one that answers in the server's place wins.
///
/// As JSON: `{"method": "GET", "key": "models/*", "nth": 2, "times": 1, "verdict": {"reset_after": {"bytes": 1000}}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// The HTTP method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The bucket; `*` and `?` are wild.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// The key; `*` (slashes too) and `?` are wild.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The operation's name, such as `GetObject`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Only reads whose range has this offset in it; a read without `Range` has them all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range_covers: Option<u64>,
    /// Only reads whose range starts at this offset or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range_from: Option<u64>,
    /// The first matching request to strike, counted from 1.
    #[serde(default = "first")]
    pub nth: u64,
    /// How many requests to strike at most; none for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Strike the first, and then each time after that many matching requests.
    #[serde(default = "first")]
    pub every: u64,
    /// Strike with this probability, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// The seed for `probability`.
    #[serde(default)]
    pub seed: u64,
    /// What happens.
    pub verdict: Verdict,
}

fn first() -> u64 {
    1
}

/// What a rule can see of a request.
#[derive(Clone, Debug)]
pub(crate) struct Sighting<'a> {
    pub(crate) method: &'a str,
    pub(crate) bucket: Option<&'a str>,
    pub(crate) key: Option<&'a str>,
    pub(crate) operation: &'a str,
    /// First offset and exclusive end of what is read; an end that depends on the object is `u64::MAX`.
    pub(crate) range: (u64, u64),
}

impl FaultRule {
    /// A rule that strikes every request.
    pub fn new(verdict: Verdict) -> Self {
        Self {
            method: None,
            bucket: None,
            key: None,
            operation: None,
            range_covers: None,
            range_from: None,
            nth: 1,
            times: None,
            every: 1,
            probability: None,
            seed: 0,
            verdict,
        }
    }

    /// Only requests with this HTTP method.
    pub fn method(mut self, method: impl Into<String>) -> Self {
        self.method = Some(method.into());
        self
    }

    /// Only requests about this bucket; `*` and `?` are wild.
    pub fn bucket(mut self, bucket: impl Into<String>) -> Self {
        self.bucket = Some(bucket.into());
        self
    }

    /// Only requests about this key; `*` (slashes too) and `?` are wild.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Only this operation, such as `GetObject`.
    pub fn operation(mut self, operation: impl Into<String>) -> Self {
        self.operation = Some(operation.into());
        self
    }

    /// Only reads whose range has `offset` in it; a read without `Range` has them all.
    pub fn range_covers(mut self, offset: u64) -> Self {
        self.range_covers = Some(offset);
        self
    }

    /// Only reads whose range starts at `offset` or later.
    pub fn range_from(mut self, offset: u64) -> Self {
        self.range_from = Some(offset);
        self
    }

    /// From the `n`th matching request on, counted from 1.
    pub fn nth(mut self, n: u64) -> Self {
        self.nth = n;
        self
    }

    /// At most `count` times.
    pub fn times(mut self, count: u64) -> Self {
        self.times = Some(count);
        self
    }

    /// Every `n`th matching request, beginning with the one that [`nth`](Self::nth) names.
    pub fn every(mut self, n: u64) -> Self {
        self.every = n;
        self
    }

    /// With this probability (0 to 1), drawn from a generator that starts at `seed`.
    pub fn probability(mut self, probability: f64, seed: u64) -> Self {
        self.probability = Some(probability);
        self.seed = seed;
        self
    }

    /// Whether the rule is about this request, whatever it then strikes.
    pub(crate) fn is_about(&self, request: &Sighting<'_>) -> bool {
        let named = |wanted: &Option<String>, actual: Option<&str>| match wanted {
            None => true,
            Some(pattern) => actual.is_some_and(|actual| glob::matches(pattern, actual)),
        };
        let (start, end) = request.range;
        self.method
            .as_ref()
            .is_none_or(|method| method.eq_ignore_ascii_case(request.method))
            && self
                .operation
                .as_ref()
                .is_none_or(|operation| operation == request.operation)
            && named(&self.bucket, request.bucket)
            && named(&self.key, request.key)
            && self
                .range_covers
                .is_none_or(|offset| (start..end).contains(&offset))
            && self.range_from.is_none_or(|offset| start >= offset)
    }
}

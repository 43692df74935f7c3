//! Whether a failed attempt is worth another one, and after how long. Pure: chance is an argument.

use std::time::Duration;

use crate::error::TosServerError;
use crate::error::attempt::{AttemptError, ResponseFault};

/// First ceiling of the back-off; it doubles with every failure in a row.
const BASE: Duration = Duration::from_millis(200);

/// No back-off of our own gets longer than this.
const CEILING: Duration = Duration::from_secs(15);

/// A server that asks for more patience than this gets none: the caller should know, and can come back later.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(120);

/// The service's code for a clock that is off; signing again with the server's time helps.
const CLOCK_SKEWED: &str = "RequestTimeTooSkewed";

/// Codes that a fresh set of credentials cures: they are asked for anew at each attempt.
const EXPIRED: [&str; 2] = ["ExpiredToken", "InvalidSecurityToken"];

/// A transient failure that the service reports as 400; its Go and Java SDKs retry it as well.
const TRANSIENT_400: &str = "0005-00000044";

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Try again after this long.
    RetryAfter(Duration),
    /// The same request would fail again, or has failed often enough.
    GiveUp,
}

/// Counts the failures of one piece of work since it last moved.
#[derive(Clone, Debug)]
pub(crate) struct Patience {
    max_retries: u32,
    failures: u32,
}

impl Patience {
    /// Patience for `max_retries` failures in a row without a byte of progress.
    pub(crate) fn new(max_retries: u32) -> Self {
        Self {
            max_retries,
            failures: 0,
        }
    }

    /// Bytes arrived: the count starts again.
    pub(crate) fn progressed(&mut self) {
        self.failures = 0;
    }

    /// Failures in a row so far.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// Decides about a failure. `chance` in `[0, 1)` picks the point of the back-off ("full jitter": anything from
    /// zero to the ceiling, so that many tasks that failed together do not come back together).
    pub(crate) fn after(&mut self, error: &AttemptError, chance: f64) -> Decision {
        let asked = server_error(error)
            .and_then(|server| server.retry_after)
            .unwrap_or_default();
        if !is_transient(error) || self.failures >= self.max_retries || asked > LONGEST_RETRY_AFTER {
            self.failures += 1;
            return Decision::GiveUp;
        }
        let ceiling = BASE
            .saturating_mul(1u32.checked_shl(self.failures).unwrap_or(u32::MAX))
            .min(CEILING);
        self.failures += 1;
        Decision::RetryAfter(asked + ceiling.mul_f64(chance.clamp(0.0, 1.0)))
    }
}

/// Whether the service refused because there are too many requests, or too much is asked of it.
pub(crate) fn is_overload(error: &AttemptError) -> bool {
    server_error(error).is_some_and(|server| matches!(server.status_code, 429 | 503))
}

/// Whether the same request may succeed later.
pub(crate) fn is_transient(error: &AttemptError) -> bool {
    match error {
        AttemptError::Connect { .. }
        | AttemptError::Timeout { .. }
        | AttemptError::Broken { .. }
        | AttemptError::ShortBody { .. }
        | AttemptError::Credentials { .. } => true,
        // Its source has waited for it already.
        AttemptError::Shortage { .. } => false,
        AttemptError::Tls { .. } | AttemptError::Request(_) | AttemptError::UrlRefused { .. } => false,
        AttemptError::Server(server) => is_transient_refusal(server),
        // A wrong answer often comes from one bad proxy or cache among many; a changed object stays changed.
        AttemptError::Response(fault) => !matches!(
            fault,
            ResponseFault::Changed { .. }
                | ResponseFault::Indistinguishable
                | ResponseFault::OwnValidatorRefused(_)
                | ResponseFault::NoLength
        ),
    }
}

fn is_transient_refusal(server: &TosServerError) -> bool {
    match server.status_code {
        408 | 429 | 500.. => true,
        400 => server.ec == TRANSIENT_400,
        403 => server.code == CLOCK_SKEWED || EXPIRED.contains(&server.code.as_str()),
        _ => false,
    }
}

fn server_error(error: &AttemptError) -> Option<&TosServerError> {
    match error {
        AttemptError::Server(server) => Some(server),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status_code: u16) -> AttemptError {
        AttemptError::Server(Box::new(TosServerError {
            status_code,
            ..Default::default()
        }))
    }

    #[test]
    fn statuses_that_may_pass_are_retried_and_others_are_final() {
        for status in [408, 429, 500, 502, 503, 504] {
            assert!(is_transient(&refusal(status)), "{status}");
        }
        for status in [304, 400, 401, 403, 404, 405, 409, 412, 416] {
            assert!(!is_transient(&refusal(status)), "{status}");
        }
    }

    #[test]
    fn a_changed_object_is_final_but_a_wrong_range_is_not() {
        let changed = ResponseFault::Changed {
            what: "ETag",
            before: "a".into(),
            now: "b".into(),
        };
        assert!(!is_transient(&changed.into()));
        assert!(is_transient(&ResponseFault::RangeIgnored.into()));
    }

    #[test]
    fn progress_resets_the_count() {
        let mut patience = Patience::new(2);
        for _ in 0..10 {
            assert_ne!(patience.after(&refusal(503), 0.5), Decision::GiveUp);
            patience.progressed();
        }
        assert_ne!(patience.after(&refusal(503), 0.5), Decision::GiveUp);
        assert_ne!(patience.after(&refusal(503), 0.5), Decision::GiveUp);
        assert_eq!(patience.after(&refusal(503), 0.5), Decision::GiveUp);
    }

    #[test]
    fn the_back_off_doubles_to_its_ceiling_and_is_jittered_down_to_zero() {
        let mut patience = Patience::new(u32::MAX);
        let full: Vec<u128> = (0..9)
            .map(|_| match patience.after(&refusal(500), 1.0) {
                Decision::RetryAfter(wait) => wait.as_millis(),
                Decision::GiveUp => panic!("has patience left"),
            })
            .collect();
        assert_eq!(full, [200, 400, 800, 1600, 3200, 6400, 12800, 15000, 15000]);
        assert_eq!(
            Patience::new(1).after(&refusal(500), 0.0),
            Decision::RetryAfter(Duration::ZERO)
        );
    }

    #[test]
    fn retry_after_is_the_least_wait_and_an_absurd_one_ends_it() {
        let asking = |seconds| {
            AttemptError::Server(Box::new(TosServerError {
                status_code: 503,
                retry_after: Some(Duration::from_secs(seconds)),
                ..Default::default()
            }))
        };
        let Decision::RetryAfter(wait) = Patience::new(3).after(&asking(7), 0.5) else {
            panic!("may be retried")
        };
        assert!(wait >= Duration::from_secs(7), "{wait:?}");
        assert_eq!(Patience::new(3).after(&asking(86_400), 0.5), Decision::GiveUp);
    }
}

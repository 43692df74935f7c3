//! Whether a failed attempt is worth another one, and after how long. Pure: chance is an argument.

use std::time::Duration;

use crate::error::TosServerError;
use crate::error::attempt::{AttemptError, ResponseFault};

/// First ceiling of the back-off; it doubles with every failure in a row.
const BASE: Duration = Duration::from_millis(200);

/// No back-off of our own gets longer than this.
const CEILING: Duration = Duration::from_secs(15);

/// How long an outage is borne where nobody says: a server that restarts, or a name server, is back by then.
pub(crate) const RETRY_FOR: Duration = Duration::from_secs(300);

/// How long failures are borne that rather come from a mistake than from an outage. A credentials provider that hangs is given up
/// after this.
const DOUBTFUL_FOR: Duration = Duration::from_secs(60);

/// Bytes that count as progress. A server that sends a byte and resets would be asked for ever otherwise.
const PROGRESS: u64 = 64 << 10;

/// A connection that is reset or refused so often in a row while siblings get through meets a limit, and not an accident.
const REFUSALS: u32 = 3;

/// A denial while siblings get through is not believed so often, since it may be a limit on connections.
const DENIALS: u32 = 2;

/// A user is told of an outage that lasts this long.
const NOTICEABLE: Duration = Duration::from_secs(1);

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

/// How much is borne in a row without progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retries {
    /// How long an outage is borne.
    pub(crate) time: Duration,
    /// The most retries of any kind; `None` for as many as fit into `time`.
    pub(crate) count: Option<u32>,
    /// The most retries of a failure that rather comes from a mistake, where `count` says nothing.
    pub(crate) doubtful: u32,
}

impl Retries {
    /// The number to announce with the `attempt`th request: the service only logs it.
    pub(crate) fn announced(&self, attempt: u32) -> u32 {
        self.count.unwrap_or(self.doubtful).max(attempt.saturating_sub(1))
    }

    /// At most `count` retries, whatever it is that fails.
    #[cfg(test)]
    pub(crate) fn at_most(count: u32) -> Self {
        Self {
            time: RETRY_FOR,
            count: Some(count),
            doubtful: count,
        }
    }
}

/// Counts the failures of one piece of work since it last moved, and the time they took.
#[derive(Clone, Debug)]
pub(crate) struct Patience {
    retries: Retries,
    /// Failures since the last byte.
    failures: u32,
    /// Failures, and bytes won among them, since the last progress worth the name.
    setbacks: u32,
    won: u64,
    /// Time spent on attempts that failed and on back-off since then.
    spent: Duration,
    /// Failures since the last byte that rather come from a mistake, and the time that was spent on them.
    doubts: u32,
    doubted: Duration,
    denials: u32,
}

impl Patience {
    /// Patience for a new piece of work.
    pub(crate) fn new(retries: Retries) -> Self {
        Self {
            retries,
            failures: 0,
            setbacks: 0,
            won: 0,
            spent: Duration::ZERO,
            doubts: 0,
            doubted: Duration::ZERO,
            denials: 0,
        }
    }

    /// Bytes arrived: the count of failures starts again. Time and back-off start again once they are more than crumbs.
    pub(crate) fn progressed(&mut self, bytes: u64) {
        (self.failures, self.doubts) = (0, 0);
        self.won = self.won.saturating_add(bytes);
        if self.won >= PROGRESS {
            *self = Self::new(self.retries);
        }
    }

    /// Failures in a row so far.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// How much longer an outage is borne, once it has lasted long enough to tell the user.
    pub(crate) fn noticeable(&self) -> Option<Duration> {
        (self.spent >= NOTICEABLE).then(|| self.retries.time.saturating_sub(self.spent))
    }

    /// Decides about a denial while others get through: it may be a limit on connections, until it is repeated.
    pub(crate) fn after_denial(&mut self, took: Duration, chance: f64) -> Decision {
        self.decide(Nature::Denial, BASE, took, chance)
    }

    /// Decides about a failure of an attempt that took so long. `chance` in `[0, 1)` picks the point of the back-off ("full jitter":
    /// anything from zero to the ceiling, so that many tasks that failed together do not come back together).
    ///
    /// The last attempt is made when the time is over, and is not cut off. A server that asks for more patience than is left gets
    /// none: the caller should know, and can come back later.
    pub(crate) fn after(&mut self, error: &AttemptError, took: Duration, chance: f64) -> Decision {
        let asked = server_error(error)
            .and_then(|server| server.retry_after)
            .unwrap_or_default();
        self.decide(nature(error), asked, took, chance)
    }

    /// Decides about an answer that brought bytes, of which none can be kept: all of it is to come again. How long it went well does not
    /// count, but how often does, or it would be asked for ever.
    pub(crate) fn after_pass(&mut self, error: &AttemptError, chance: f64) -> Decision {
        let nature = match nature(error) {
            Nature::Outage => Nature::Doubtful,
            other => other,
        };
        self.decide(nature, Duration::ZERO, Duration::ZERO, chance)
    }

    /// Whether the same may be asked again once nothing has come for `limit`, sooner than this is a failure.
    pub(crate) fn bears_haste(&self, limit: Duration) -> bool {
        self.spent + limit < self.retries.time
    }

    /// The same is asked again so, after as long.
    pub(crate) fn hurried(&mut self, took: Duration) {
        self.spent = self.spent.saturating_add(took);
    }

    fn decide(&mut self, nature: Nature, asked: Duration, took: Duration, chance: f64) -> Decision {
        self.spend(nature, took);
        let ceiling = BASE
            .saturating_mul(1u32.checked_shl(self.setbacks).unwrap_or(u32::MAX))
            .min(CEILING);
        let (count, left) = self.left(nature);
        self.failures = self.failures.saturating_add(1);
        self.setbacks = self.setbacks.saturating_add(1);
        self.doubts += u32::from(nature == Nature::Doubtful);
        self.denials += u32::from(nature == Nature::Denial);
        if count == 0 || left.is_zero() || asked > left {
            return Decision::GiveUp;
        }
        let wait = (asked + ceiling.mul_f64(chance.clamp(0.0, 1.0))).min(left);
        self.spend(nature, wait);
        Decision::RetryAfter(wait)
    }

    fn spend(&mut self, nature: Nature, time: Duration) {
        self.spent = self.spent.saturating_add(time);
        if nature == Nature::Doubtful {
            self.doubted = self.doubted.saturating_add(time);
        }
    }

    /// How many more failures of this kind are borne in a row, and for how much longer.
    fn left(&self, nature: Nature) -> (u32, Duration) {
        let Retries {
            time,
            count,
            doubtful,
        } = self.retries;
        let of_any_kind = count.map_or(u32::MAX, |count| count.saturating_sub(self.failures));
        let left = time.saturating_sub(self.spent);
        match nature {
            Nature::Mistake => (0, left),
            // An outage before it took nothing away from these.
            Nature::Doubtful => (
                count.map_or(doubtful.saturating_sub(self.doubts), |_| of_any_kind),
                left.min(DOUBTFUL_FOR.saturating_sub(self.doubted)),
            ),
            Nature::Denial => (DENIALS.saturating_sub(self.denials).min(of_any_kind), left),
            Nature::Outage => (of_any_kind, left),
        }
    }
}

/// What a failure most likely comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nature {
    /// The same request fails again.
    Mistake,
    /// It may pass, and rather does not.
    Doubtful,
    /// Nobody knows whether the object or one connection more is denied.
    Denial,
    /// A server, a name server or a line that is away for a while.
    Outage,
}

/// Whether the service refused because there are too many requests, or too much is asked of it.
pub(crate) fn is_overload(error: &AttemptError) -> bool {
    server_error(error).is_some_and(|server| matches!(server.status_code, 429 | 503))
}

/// Whether the server, or something before it, refuses the request for good by its status: or else the connection, if siblings get
/// through meanwhile.
pub(crate) fn is_denial(error: &AttemptError) -> bool {
    match error {
        AttemptError::Server(server) | AttemptError::UrlRefused { server, .. } => {
            matches!(server.status_code, 401 | 403) && !is_transient(error)
        }
        AttemptError::Response(ResponseFault::Unproven { status, .. }) => matches!(status, 401 | 403),
        _ => false,
    }
}

/// Whether a connection that brought nothing, `failures` times in a row, is one too many, if siblings get through meanwhile.
pub(crate) fn may_be_a_limit(error: &AttemptError, failures: u32) -> bool {
    match error {
        AttemptError::Timeout { .. } => failures > 0,
        AttemptError::Connect { .. } | AttemptError::Broken { .. } => failures >= REFUSALS,
        AttemptError::Response(ResponseFault::Unproven { .. }) => failures > 0 && is_denial(error),
        _ => false,
    }
}

/// Whether nothing says that a denial is the service's own word about this object.
pub(crate) fn is_anybodys(error: &AttemptError) -> bool {
    match error {
        AttemptError::Server(server) | AttemptError::UrlRefused { server, .. } => {
            server.request_id.is_empty()
        }
        AttemptError::Response(ResponseFault::Unproven { .. }) => true,
        _ => false,
    }
}

/// Whether the same request may succeed later.
pub(crate) fn is_transient(error: &AttemptError) -> bool {
    nature(error) != Nature::Mistake
}

/// Whether it may pass without anybody doing anything about it: keys that have expired, or a clock that is off, do not.
pub(crate) fn passes_by_itself(error: &AttemptError) -> bool {
    match error {
        AttemptError::Server(server) if is_about_keys_or_clock(server) => false,
        _ => is_transient(error),
    }
}

fn nature(error: &AttemptError) -> Nature {
    match error {
        AttemptError::Connect { .. }
        | AttemptError::Timeout { .. }
        | AttemptError::Broken { .. }
        | AttemptError::ShortBody { .. } => Nature::Outage,
        AttemptError::Credentials { .. } => Nature::Doubtful,
        // Its source has waited for it already.
        AttemptError::Shortage { .. }
        | AttemptError::ProxyRefused { .. }
        | AttemptError::Tls { .. }
        | AttemptError::Request(_)
        | AttemptError::UrlRefused { .. } => Nature::Mistake,
        AttemptError::Server(server) => nature_of_refusal(server),
        AttemptError::Response(
            ResponseFault::Changed { .. }
            | ResponseFault::Indistinguishable
            | ResponseFault::OwnValidatorRefused(_)
            | ResponseFault::NoLength
            | ResponseFault::Unidentified(_),
        ) => Nature::Mistake,
        // A wrong answer often comes from one bad proxy or cache among many; a changed object stays changed.
        AttemptError::Response(_) => Nature::Doubtful,
    }
}

fn nature_of_refusal(server: &TosServerError) -> Nature {
    match server.status_code {
        408 | 429 | 500.. => Nature::Outage,
        400 if server.ec == TRANSIENT_400 => Nature::Doubtful,
        _ if is_about_keys_or_clock(server) => Nature::Doubtful,
        _ => Nature::Mistake,
    }
}

fn is_about_keys_or_clock(server: &TosServerError) -> bool {
    server.status_code == 403 && (server.code == CLOCK_SKEWED || EXPIRED.contains(&server.code.as_str()))
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

    fn after(patience: &mut Patience, status: u16, chance: f64) -> Decision {
        patience.after(&refusal(status), Duration::ZERO, chance)
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
    fn keys_that_have_expired_are_asked_about_again_but_time_does_not_mend_them() {
        for code in ["ExpiredToken", "InvalidSecurityToken", "RequestTimeTooSkewed"] {
            let error = AttemptError::Server(Box::new(TosServerError {
                status_code: 403,
                code: code.into(),
                ..Default::default()
            }));
            assert!(is_transient(&error) && !passes_by_itself(&error), "{code}");
        }
        assert!(passes_by_itself(&refusal(503)) && !passes_by_itself(&refusal(404)));
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
        let mut patience = Patience::new(Retries::at_most(2));
        for _ in 0..10 {
            assert_ne!(after(&mut patience, 503, 0.5), Decision::GiveUp);
            patience.progressed(1);
        }
        assert_ne!(after(&mut patience, 503, 0.5), Decision::GiveUp);
        assert_ne!(after(&mut patience, 503, 0.5), Decision::GiveUp);
        assert_eq!(after(&mut patience, 503, 0.5), Decision::GiveUp);
    }

    const BY_TIME: Retries = Retries {
        time: RETRY_FOR,
        count: None,
        doubtful: 3,
    };

    /// Attempts that fail so, until there is no patience left; and the time they took, each `took` and its back-off.
    fn attempts(retries: Retries, error: &AttemptError, took: Duration, won: u64) -> (u32, Duration) {
        let mut patience = Patience::new(retries);
        let (mut attempts, mut time) = (0, Duration::ZERO);
        loop {
            attempts += 1;
            time += took;
            if won > 0 {
                patience.progressed(won);
            }
            match patience.after(error, took, 0.5) {
                Decision::RetryAfter(wait) => time += wait,
                Decision::GiveUp => return (attempts, time),
            }
            assert!(attempts < 100_000, "it has an end");
        }
    }

    #[test]
    fn an_outage_is_borne_for_a_time_and_a_mistake_not_at_all() {
        let second = Duration::from_secs(1);
        let (many, time) = attempts(BY_TIME, &refusal(503), Duration::ZERO, 0);
        assert!(many > 20 && time == RETRY_FOR, "{many} attempts in {time:?}");
        let short = Retries {
            time: second * 4,
            ..BY_TIME
        };
        assert_eq!(attempts(short, &refusal(429), Duration::ZERO, 0).1, second * 4);
        // The last attempt is not cut off.
        assert_eq!(attempts(short, &refusal(500), second * 30, 0), (1, second * 30));
        assert_eq!(attempts(BY_TIME, &refusal(403), second, 0), (1, second));
        let never = Retries {
            time: Duration::ZERO,
            ..BY_TIME
        };
        assert_eq!(attempts(never, &refusal(503), Duration::ZERO, 0).0, 1);
    }

    #[test]
    fn what_is_rather_a_mistake_is_tried_a_few_times_and_one_that_hangs_not_for_long() {
        let credentials = AttemptError::Credentials { source: "no".into() };
        assert_eq!(attempts(BY_TIME, &credentials, Duration::ZERO, 0).0, 4);
        let hanging = Duration::from_secs(30);
        let patient = Retries {
            doubtful: 10,
            ..BY_TIME
        };
        let (many, time) = attempts(patient, &credentials, hanging, 0);
        assert!(
            many <= 3 && time <= Duration::from_secs(100),
            "{many} in {time:?}"
        );
    }

    #[test]
    fn an_outage_leaves_a_wrong_answer_its_own_retries_and_its_own_time() {
        let mut patience = Patience::new(BY_TIME);
        for _ in 0..10 {
            let decision = patience.after(&refusal(503), Duration::from_secs(9), 0.0);
            assert_ne!(decision, Decision::GiveUp);
        }
        let ignored = ResponseFault::RangeIgnored.into();
        for _ in 0..3 {
            let decision = patience.after(&ignored, Duration::from_secs(9), 0.0);
            assert_ne!(decision, Decision::GiveUp);
        }
        assert_eq!(patience.after(&ignored, Duration::ZERO, 0.0), Decision::GiveUp);
    }

    #[test]
    fn passes_of_which_nothing_is_kept_are_counted_and_not_timed() {
        let broken = AttemptError::Broken {
            source: "reset".into(),
        };
        for retries in [BY_TIME, Retries::at_most(3)] {
            let mut patience = Patience::new(retries);
            let passes = (1..100).find(|_| patience.after_pass(&broken, 0.5) == Decision::GiveUp);
            assert_eq!(passes, Some(4));
        }
    }

    #[test]
    fn a_byte_at_a_time_has_an_end_and_more_than_crumbs_have_none() {
        let broken = AttemptError::Broken {
            source: "reset".into(),
        };
        let (many, time) = attempts(BY_TIME, &broken, Duration::ZERO, 1);
        assert!(many < 100 && time == RETRY_FOR, "{many} attempts in {time:?}");
        let mut patience = Patience::new(Retries::at_most(0));
        for _ in 0..10_000 {
            patience.progressed(PROGRESS);
            assert!(patience.setbacks == 0 && patience.spent.is_zero());
        }
    }

    #[test]
    fn the_back_off_doubles_to_its_ceiling_and_is_jittered_down_to_zero() {
        let mut patience = Patience::new(Retries::at_most(u32::MAX));
        let full: Vec<u128> = (0..9)
            .map(|_| match after(&mut patience, 500, 1.0) {
                Decision::RetryAfter(wait) => wait.as_millis(),
                Decision::GiveUp => panic!("has patience left"),
            })
            .collect();
        assert_eq!(full, [200, 400, 800, 1600, 3200, 6400, 12800, 15000, 15000]);
        assert_eq!(
            after(&mut Patience::new(Retries::at_most(1)), 500, 0.0),
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
        let Decision::RetryAfter(wait) = Patience::new(BY_TIME).after(&asking(7), Duration::ZERO, 0.5) else {
            panic!("may be retried")
        };
        assert!(wait >= Duration::from_secs(7), "{wait:?}");
        for too_long in [301, 86_400] {
            let mut patience = Patience::new(BY_TIME);
            assert_eq!(
                patience.after(&asking(too_long), Duration::ZERO, 0.5),
                Decision::GiveUp
            );
        }
    }
}

//! Archived objects, which have to be restored before they can be read. Restoring takes hours by the emulator's clock,
//! which a test sets ahead, or it ends when the test says so.

use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::attributes::Attributes;
use super::object::Object;
use crate::clock::Timestamp;
use crate::error::TosError;

const ARCHIVE_CLASSES: &[&str] = &["ARCHIVE", "COLD_ARCHIVE", "DEEP_COLD_ARCHIVE"];
const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The restoration of one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Restore {
    pub(crate) requested: Timestamp,
    pub(crate) tier: Tier,
    /// How long the object stays readable once it is restored.
    pub(crate) days: u32,
    ready: Timestamp,
}

/// How urgent a restoration is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Tier {
    Expedited,
    #[default]
    Standard,
    Bulk,
}

/// How far a restoration has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Ongoing,
    /// The object can be read until this time.
    Done(Timestamp),
    /// The object is archived again.
    Expired,
}

/// What asking for a restoration did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Started,
    Prolonged,
}

impl Restore {
    fn start(now: Timestamp, days: u32, tier: Tier) -> Self {
        Self {
            requested: now,
            tier,
            days,
            ready: now.plus_seconds(tier.seconds()),
        }
    }

    pub(crate) fn progress(&self, now: Timestamp) -> Progress {
        let expiry = self.ready.plus_seconds(i64::from(self.days) * DAY);
        if now < self.ready {
            Progress::Ongoing
        } else if now < expiry {
            Progress::Done(expiry)
        } else {
            Progress::Expired
        }
    }
}

impl Tier {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Expedited => "Expedited",
            Self::Standard => "Standard",
            Self::Bulk => "Bulk",
        }
    }

    /// About what the service promises.
    fn seconds(self) -> i64 {
        match self {
            Self::Expedited => 5 * MINUTE,
            Self::Standard => 5 * HOUR,
            Self::Bulk => 12 * HOUR,
        }
    }
}

impl Attributes {
    fn is_archived(&self) -> bool {
        ARCHIVE_CLASSES.contains(&self.storage_class.as_str())
    }
}

impl Object {
    /// Starts restoring an archived object, or keeps a restored one for `days` from now.
    pub(crate) fn restore(&mut self, now: Timestamp, days: u32, tier: Tier) -> Result<Asked, TosError> {
        if !self.attributes.is_archived() {
            return Err(TosError::forbidden(
                "InvalidObjectState",
                "Only archived objects can be restored.",
            ));
        }
        match self.restore_progress(now) {
            Some(Progress::Ongoing) => Err(TosError::new(
                StatusCode::CONFLICT,
                "RestoreAlreadyInProgress",
                "The object is being restored already.",
            )),
            Some(Progress::Done(_)) => {
                let prolonged = Restore {
                    ready: now,
                    ..Restore::start(now, days, tier)
                };
                self.restore = Some(prolonged);
                Ok(Asked::Prolonged)
            }
            Some(Progress::Expired) | None => {
                self.restore = Some(Restore::start(now, days, tier));
                Ok(Asked::Started)
            }
        }
    }

    /// Ends an ongoing restoration at once.
    pub(crate) fn finish_restore(&mut self, now: Timestamp) -> Result<(), TosError> {
        match &mut self.restore {
            Some(restore) if restore.progress(now) == Progress::Ongoing => {
                restore.ready = now;
                Ok(())
            }
            _ => Err(TosError::invalid_argument("the object is not being restored")),
        }
    }

    /// None when nobody asked for one.
    pub(crate) fn restore_progress(&self, now: Timestamp) -> Option<Progress> {
        self.restore.as_ref().map(|restore| restore.progress(now))
    }

    /// Refuses what cannot be done with an archived object.
    pub(crate) fn check_restored(&self, now: Timestamp) -> Result<(), TosError> {
        if self.attributes.is_archived() && !matches!(self.restore_progress(now), Some(Progress::Done(_))) {
            return Err(TosError::forbidden(
                "InvalidObjectState",
                "The operation is not valid for the object's storage class: it has to be restored first.",
            ));
        }
        Ok(())
    }
}

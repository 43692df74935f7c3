//! Flags about which state of an object will do, and what they mean for a download and for a question.

use std::str::FromStr;

use clap::Args;
use tosget::{DownloadFile, HeadObject, OnChange};

use crate::when::When;

/// Restarts where none are numbered: an object that is replaced more often is being written all the time.
const DEFAULT_RESTARTS: u32 = 3;

/// Flags that make the answer depend on the object's state.
#[derive(Debug, Args)]
#[command(next_help_heading = "Conditions")]
pub(crate) struct ConditionArgs {
    /// Only the object with this ETag; otherwise exit code 3
    #[arg(long, value_name = "ETAG")]
    pub(crate) if_match: Option<String>,

    /// Only if the object has another ETag than this; otherwise exit code 3
    #[arg(long, value_name = "ETAG")]
    pub(crate) if_none_match: Option<String>,

    /// Only if the object was written after WHEN: a date such as 2025-01-02T03:04:05Z, or a local file, whose modification
    /// time is taken; otherwise exit code 3
    #[arg(long, value_name = "WHEN")]
    pub(crate) if_modified_since: Option<When>,

    /// Only if the object was not written after WHEN; otherwise exit code 3
    #[arg(long, value_name = "WHEN")]
    pub(crate) if_unmodified_since: Option<When>,
}

impl ConditionArgs {
    /// Binds a download to them.
    pub(crate) fn of_download(self, mut request: DownloadFile) -> DownloadFile {
        request = request
            .with_if_match(self.if_match.unwrap_or_default())
            .with_if_none_match(self.if_none_match.unwrap_or_default());
        if let Some(When(time)) = self.if_modified_since {
            request = request.with_if_modified_since(time);
        }
        if let Some(When(time)) = self.if_unmodified_since {
            request = request.with_if_unmodified_since(time);
        }
        request
    }

    /// Binds a question to them.
    pub(crate) fn of_question(self, mut request: HeadObject) -> HeadObject {
        request = request
            .with_if_match(self.if_match.unwrap_or_default())
            .with_if_none_match(self.if_none_match.unwrap_or_default());
        if let Some(When(time)) = self.if_modified_since {
            request = request.with_if_modified_since(time);
        }
        if let Some(When(time)) = self.if_unmodified_since {
            request = request.with_if_unmodified_since(time);
        }
        request
    }
}

/// What `--on-change` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OnChangeArg(pub(crate) OnChange);

impl FromStr for OnChangeArg {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let times = match text {
            "fail" => return Ok(Self(OnChange::Fail)),
            "restart" => Some(DEFAULT_RESTARTS),
            _ => text.strip_prefix("restart:").and_then(|times| times.parse().ok()),
        };
        match times {
            Some(times) if times > 0 => Ok(Self(OnChange::Restart(times))),
            _ => Err("write fail, restart or restart:N, N being how often at most"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_fails_or_restarts_so_often() {
        assert_eq!("fail".parse(), Ok(OnChangeArg(OnChange::Fail)));
        assert_eq!("restart".parse(), Ok(OnChangeArg(OnChange::Restart(3))));
        assert_eq!("restart:7".parse(), Ok(OnChangeArg(OnChange::Restart(7))));
        for wrong in ["", "restart:", "restart:0", "restart:-1", "restarts", "Fail", "7"] {
            wrong.parse::<OnChangeArg>().expect_err(wrong);
        }
    }
}

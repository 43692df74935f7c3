//! What the service answers when it refuses: the fields its users know from every TOS SDK.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::object::Printable;

/// The server's refusal: status, error code and the ids that its support asks for.
///
/// Empty text means that the server did not say (an answer to HEAD has no body, so no code and message).
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TosServerError {
    /// HTTP status.
    pub status_code: u16,
    /// Error code, such as `NoSuchKey`.
    pub code: String,
    /// The server's words.
    pub message: String,
    /// Id of the request (`x-tos-request-id`).
    pub request_id: String,
    /// Id of the host that answered (`HostId` in the body, else `x-tos-id-2`).
    pub host_id: String,
    /// Fine-grained error number, such as `0017-00000003` (`x-tos-ec`).
    pub ec: String,
    /// What the server says was asked for (`Resource` in the body).
    pub resource: String,
    /// What was asked for is a delete marker (`x-tos-delete-marker`): the object was deleted in a bucket with versions, and
    /// older ones may still be there.
    pub delete_marker: bool,
    /// URL that was asked for, without the query of a presigned URL.
    pub request_url: String,
    /// How long the server asked to wait (`Retry-After`, in either form).
    pub retry_after: Option<Duration>,
    /// The server's clock minus ours, in seconds, where it sent a `Date`.
    pub clock_offset: Option<i64>,
    /// All headers of the answer: names in lower case, lines of the same name joined by a comma.
    pub headers: BTreeMap<String, String>,
}

/// Without the values of headers: whoever answered may have put anything there.
impl fmt::Debug for TosServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TosServerError")
            .field("status_code", &self.status_code)
            .field("code", &self.code)
            .field("message", &self.message)
            .field("request_id", &self.request_id)
            .field("host_id", &self.host_id)
            .field("ec", &self.ec)
            .field("resource", &self.resource)
            .field("delete_marker", &self.delete_marker)
            .field("request_url", &self.request_url)
            .field("retry_after", &self.retry_after)
            .field("clock_offset", &self.clock_offset)
            .field("headers", &self.headers.keys())
            .finish()
    }
}

impl fmt::Display for TosServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server answered {}", self.status_code)?;
        if !self.code.is_empty() {
            write!(f, " {}", Printable(&self.code))?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", Printable(self.message.trim_end_matches('.')))?;
        }
        if self.delete_marker {
            f.write_str(match self.status_code {
                405 => "; the version is a delete marker",
                _ => "; the current version is a delete marker",
            })?;
        }
        let ids = [("request id", &self.request_id), ("EC", &self.ec)];
        let mut told = ids.iter().filter(|(_, id)| !id.is_empty());
        if let Some((name, id)) = told.next() {
            write!(f, " ({name} {}", Printable(id))?;
            for (name, id) in told {
                write!(f, ", {name} {}", Printable(id))?;
            }
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl Error for TosServerError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_names_status_code_request_id_and_ec() {
        let error = TosServerError {
            status_code: 404,
            code: "NoSuchKey".into(),
            message: "The specified key does not exist.".into(),
            request_id: "abc".into(),
            ec: "0017-00000003".into(),
            ..Default::default()
        };
        assert_eq!(
            error.to_string(),
            "the server answered 404 NoSuchKey: The specified key does not exist (request id abc, EC 0017-00000003)"
        );
    }

    #[test]
    fn an_answer_without_a_body_still_reads_as_a_sentence() {
        let error = TosServerError {
            status_code: 503,
            ..Default::default()
        };
        assert_eq!(error.to_string(), "the server answered 503");
    }
}

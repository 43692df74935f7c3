//! Conditions on what is read, the same for a download and for a question.

use std::time::SystemTime;

use super::{DownloadFile, HeadObject};

/// # Conditions
///
/// They are sent with the first request of the call, and all that are set have to hold. One that does not is the server's
/// refusal, with status 412 (`if_match`, `if_unmodified_since`) or 304 (`if_none_match`, `if_modified_since`):
/// [`ErrorKind::Server`](crate::ErrorKind::Server), with a message that names the condition. Whatever was there before stays
/// as it was, a checkpoint included.
///
/// The requests that follow are bound to the object that met the conditions, by its ETag. A download that goes on from an
/// earlier call sends them anew, so they are those of this call and not of the earlier one.
impl DownloadFile {
    /// Only the object with this ETag, given with or without quotes (default: any). Empty means the same as not set.
    ///
    /// A checkpoint of an object with another ETag is not gone on with: if the object with this one is there, the download
    /// starts afresh. See also [`with_on_change`](Self::with_on_change): an object that was asked for by its ETag is never
    /// exchanged for another one.
    pub fn with_if_match(mut self, etag: impl Into<String>) -> Self {
        self.conditions.if_match = Some(etag.into());
        self
    }

    /// Only if the object's ETag is another one than this, given with or without quotes (default: whatever it is). Empty means
    /// the same as not set.
    pub fn with_if_none_match(mut self, etag: impl Into<String>) -> Self {
        self.conditions.if_none_match = Some(etag.into());
        self
    }

    /// Only if the object was written after this time, to the second (default: whenever it was). As HTTP has it, the server
    /// looks at it only where there is no `if_none_match`.
    pub fn with_if_modified_since(mut self, time: SystemTime) -> Self {
        self.conditions.if_modified_since = Some(time);
        self
    }

    /// Only if the object was not written after this time, to the second (default: whenever it was). As HTTP has it, the
    /// server looks at it only where there is no `if_match`.
    pub fn with_if_unmodified_since(mut self, time: SystemTime) -> Self {
        self.conditions.if_unmodified_since = Some(time);
        self
    }
}

/// # Conditions
///
/// As for [`DownloadFile`]: one that does not hold is the server's refusal, status 412 or 304.
impl HeadObject {
    /// As [`DownloadFile::with_if_match`].
    pub fn with_if_match(mut self, etag: impl Into<String>) -> Self {
        self.conditions.if_match = Some(etag.into());
        self
    }

    /// As [`DownloadFile::with_if_none_match`].
    pub fn with_if_none_match(mut self, etag: impl Into<String>) -> Self {
        self.conditions.if_none_match = Some(etag.into());
        self
    }

    /// As [`DownloadFile::with_if_modified_since`].
    pub fn with_if_modified_since(mut self, time: SystemTime) -> Self {
        self.conditions.if_modified_since = Some(time);
        self
    }

    /// As [`DownloadFile::with_if_unmodified_since`].
    pub fn with_if_unmodified_since(mut self, time: SystemTime) -> Self {
        self.conditions.if_unmodified_since = Some(time);
        self
    }
}

//! Symbolic links between objects: a name for what is under another one, whatever that is at the time.

use serde::{Deserialize, Serialize};

use super::Store;
use super::object::Content;
use super::objects::Found;
use crate::clock::Timestamp;
use crate::error::TosError;

/// What a link points to, whether it is there or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LinkTarget {
    pub(crate) bucket: String,
    pub(crate) key: String,
}

/// An object as a read sees it: its bytes may be another one's.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    pub(crate) own: Found,
    /// What the object points to, if it is a link.
    pub(crate) target: Option<Found>,
}

impl Store {
    /// The object under `key`, or its version `version_id`, and what it points to. A link to a link leads nowhere.
    pub(crate) fn resolve(
        &self,
        bucket: &str,
        key: &str,
        version_id: Option<&str>,
    ) -> Result<Resolved, TosError> {
        let own = self.find(bucket, key, version_id)?;
        let target = match &own.object.content {
            Content::Link(target) => Some(self.follow(target)?),
            Content::Blobs(_) | Content::Virtual { .. } => None,
        };
        Ok(Resolved { own, target })
    }

    fn follow(&self, link: &LinkTarget) -> Result<Found, TosError> {
        let target = self.find(&link.bucket, &link.key, None)?;
        match target.object.content {
            Content::Link(_) => Err(TosError::bad_request(
                "InvalidTargetType",
                "The symbolic link points to a symbolic link.",
            )),
            Content::Blobs(_) | Content::Virtual { .. } => Ok(target),
        }
    }
}

impl Resolved {
    /// The object whose bytes, ETag, CRC64 and storage class a read sees.
    pub(crate) fn content(&self) -> &Found {
        self.target.as_ref().unwrap_or(&self.own)
    }

    /// When the link or what it points to was modified last.
    pub(crate) fn modified(&self) -> Timestamp {
        self.own.modified.max(self.content().modified)
    }
}

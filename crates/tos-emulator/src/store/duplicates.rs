//! The same bytes for another object: what copying and renaming are made of.

use std::io;
use std::sync::Arc;

use super::Store;
use super::object::{Content, NULL_VERSION, Object};
use super::objects::find;
use crate::clock::Timestamp;
use crate::error::TosError;

impl Store {
    /// `content` once more. Each object has files of its own, so that each can be deleted for itself; but as links to
    /// the same bytes, so that it takes neither time nor space.
    pub(crate) fn duplicate(&self, content: &Content) -> io::Result<Content> {
        Ok(match content {
            Content::Blobs(blobs) => {
                let links = blobs.iter().map(|blob| self.blobs.duplicate(blob).map(Arc::new));
                Content::Blobs(links.collect::<io::Result<_>>()?)
            }
            Content::Virtual { seed } => Content::Virtual { seed: *seed },
            Content::Link(target) => Content::Link(target.clone()),
        })
    }

    /// Moves an object from `key` to `new_key`, where the bucket allows it.
    pub(crate) fn rename(
        &self,
        bucket_name: &str,
        key: &str,
        new_key: &str,
        now: Timestamp,
        forbid_overwrite: bool,
    ) -> Result<(), TosError> {
        let mut buckets = self.write();
        let bucket = buckets
            .get_mut(bucket_name)
            .ok_or_else(TosError::no_such_bucket)?;
        if !bucket.settings.rename_enabled || bucket.settings.versioning.is_some() {
            return Err(TosError::bad_request(
                "InvalidRequest",
                "Renaming is not enabled for the bucket, or the bucket has versioning.",
            ));
        }
        if key == new_key {
            return Err(TosError::invalid_argument("The new name is the old one."));
        }
        let found = find(bucket, key, None)?;
        found.object.check_restored(now)?;
        let renamed = Object {
            content: self.duplicate(&found.object.content)?,
            ..Object::clone(&found.object)
        };
        self.put_into(
            (bucket_name, &mut *bucket),
            new_key,
            renamed,
            now,
            forbid_overwrite,
        )?;
        self.remove_version(bucket_name, bucket, key, NULL_VERSION)?;
        Ok(())
    }
}

//! Buckets, objects and uploads: an index in memory, everything on disk, every change written before it shows.
//!
//! All calls block (briefly: metadata is small), so the operations make changes on blocking threads.

pub(crate) mod append;
pub(crate) mod attributes;
pub(crate) mod blob;
pub(crate) mod bucket;
mod duplicates;
pub(crate) mod layout;
pub(crate) mod links;
mod load;
pub(crate) mod object;
pub(crate) mod objects;
pub(crate) mod restore;
pub(crate) mod upload;
mod uploads;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use http::StatusCode;

use self::blob::{BlobDirectory, BlobWriter};
use self::bucket::{Bucket, BucketSettings, Versioning};
use self::layout::{Layout, is_bucket_name, write_json};
use crate::error::TosError;

/// Everything that is stored.
#[derive(Debug)]
pub(crate) struct Store {
    layout: Layout,
    blobs: BlobDirectory,
    buckets: RwLock<BTreeMap<String, Bucket>>,
    next_id: AtomicU64,
}

impl Store {
    /// Opens the store below `root`, with what an earlier run left there.
    pub(crate) fn open(root: PathBuf) -> io::Result<Self> {
        let layout = Layout::new(root);
        let blobs = BlobDirectory::open(layout.blobs())?;
        let buckets = load::load(&layout, &blobs)?;
        Ok(Self {
            layout,
            blobs,
            buckets: RwLock::new(buckets),
            next_id: AtomicU64::new(fastrand::u64(..)),
        })
    }

    /// A new file for uploaded bytes.
    pub(crate) fn blob_writer(&self, with_sha256: bool) -> io::Result<BlobWriter> {
        self.blobs.writer(with_sha256)
    }

    pub(crate) fn create_bucket(&self, name: &str, settings: BucketSettings) -> Result<(), TosError> {
        if !is_bucket_name(name) {
            return Err(TosError::bad_request(
                "InvalidBucketName",
                "The specified bucket is not valid.",
            ));
        }
        let mut buckets = self.write();
        if buckets.contains_key(name) {
            return Err(TosError::new(
                StatusCode::CONFLICT,
                "BucketAlreadyOwnedByYou",
                "The bucket you tried to create already exists, and you own it.",
            ));
        }
        write_json(&self.layout.settings(name), &settings)?;
        buckets.insert(name.to_owned(), Bucket::new(settings));
        Ok(())
    }

    pub(crate) fn delete_bucket(&self, name: &str) -> Result<(), TosError> {
        let mut buckets = self.write();
        let bucket = buckets.get(name).ok_or_else(TosError::no_such_bucket)?;
        if !bucket.is_empty() {
            return Err(TosError::new(
                StatusCode::CONFLICT,
                "BucketNotEmpty",
                "The bucket you tried to delete is not empty.",
            ));
        }
        fs::remove_dir_all(self.layout.bucket(name))?;
        buckets.remove(name);
        Ok(())
    }

    /// Names and settings of all buckets, by name.
    pub(crate) fn buckets(&self) -> Vec<(String, BucketSettings)> {
        self.read()
            .iter()
            .map(|(name, bucket)| (name.clone(), bucket.settings.clone()))
            .collect()
    }

    pub(crate) fn bucket_settings(&self, name: &str) -> Result<BucketSettings, TosError> {
        self.with_bucket(name, |bucket| bucket.settings.clone())
    }

    pub(crate) fn set_versioning(&self, name: &str, versioning: Versioning) -> Result<(), TosError> {
        self.change_settings(name, |settings| settings.versioning = Some(versioning))
    }

    /// Lets objects be renamed, or forbids it. Renaming and versioning exclude each other.
    pub(crate) fn set_rename(&self, name: &str, enabled: bool) -> Result<(), TosError> {
        if enabled && self.bucket_settings(name)?.versioning.is_some() {
            return Err(TosError::bad_request(
                "InvalidRequest",
                "Objects of a bucket with versioning cannot be renamed.",
            ));
        }
        self.change_settings(name, |settings| settings.rename_enabled = enabled)
    }

    pub(crate) fn set_public_read(&self, name: &str) -> Result<(), TosError> {
        self.change_settings(name, |settings| settings.public_read = true)
    }

    /// Reads a bucket under the lock; `look` should be quick.
    pub(crate) fn with_bucket<T>(&self, name: &str, look: impl FnOnce(&Bucket) -> T) -> Result<T, TosError> {
        self.read()
            .get(name)
            .map(look)
            .ok_or_else(TosError::no_such_bucket)
    }

    fn change_settings(&self, name: &str, change: impl FnOnce(&mut BucketSettings)) -> Result<(), TosError> {
        let mut buckets = self.write();
        let bucket = buckets.get_mut(name).ok_or_else(TosError::no_such_bucket)?;
        let mut settings = bucket.settings.clone();
        change(&mut settings);
        write_json(&self.layout.settings(name), &settings)?;
        bucket.settings = settings;
        Ok(())
    }

    /// An id that was not given out before.
    fn fresh_id(&self) -> String {
        format!(
            "{:016x}{:016x}",
            self.next_id.fetch_add(1, Ordering::Relaxed),
            fastrand::u64(..)
        )
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, Bucket>> {
        self.buckets.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Bucket>> {
        self.buckets.write().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Reading, writing and deleting objects, with the rules of versioning.

use std::fs;
use std::sync::Arc;

use http::StatusCode;

use super::Store;
use super::bucket::{Bucket, Versioning};
use super::layout::write_json;
use super::object::{NULL_VERSION, Object, Version, Versions};
use crate::clock::Timestamp;
use crate::error::TosError;

/// An object as found, with what a response says about its version.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) object: Arc<Object>,
    pub(crate) modified: Timestamp,
    /// Only when versioning is or was on.
    pub(crate) version_id: Option<String>,
}

/// What a deletion did.
#[derive(Debug, Default)]
pub(crate) struct Deleted {
    /// The version removed, or the delete marker made.
    pub(crate) version_id: Option<String>,
    /// Whether a delete marker was made or removed.
    pub(crate) delete_marker: bool,
}

/// The longest key in bytes of UTF-8.
const MAX_KEY_LEN: usize = 1024;

impl Store {
    /// The object under `key`, or its version `version_id`.
    pub(crate) fn find(&self, bucket: &str, key: &str, version_id: Option<&str>) -> Result<Found, TosError> {
        self.with_bucket(bucket, |bucket| find(bucket, key, version_id))?
    }

    /// Makes `object` the newest version of `key`.
    pub(crate) fn put(
        &self,
        bucket_name: &str,
        key: &str,
        object: Object,
        now: Timestamp,
        forbid_overwrite: bool,
    ) -> Result<Found, TosError> {
        check_key(key)?;
        let mut buckets = self.write();
        let bucket = buckets
            .get_mut(bucket_name)
            .ok_or_else(TosError::no_such_bucket)?;
        self.put_into((bucket_name, bucket), key, object, now, forbid_overwrite)
    }

    /// [`put`](Self::put) for those who hold the lock.
    pub(super) fn put_into(
        &self,
        (bucket_name, bucket): (&str, &mut Bucket),
        key: &str,
        object: Object,
        now: Timestamp,
        forbid_overwrite: bool,
    ) -> Result<Found, TosError> {
        if forbid_overwrite && find(bucket, key, None).is_ok() {
            return Err(TosError::new(
                StatusCode::CONFLICT,
                "ObjectAlreadyExists",
                "The object already exists and must not be overwritten.",
            )
            .with_ec("0017-00000004"));
        }
        let object = Arc::new(object);
        let version = self.new_version(bucket, Some(Arc::clone(&object)), now);
        let version_id = bucket.settings.versioning.map(|_| version.id.clone());
        self.add_version(bucket_name, bucket, key, version)?;
        object.content.keep();
        Ok(Found {
            object,
            modified: now,
            version_id,
        })
    }

    /// Changes the newest version of `key`, or its version `version_id`, in place: it keeps its id.
    pub(crate) fn change_object<T>(
        &self,
        bucket_name: &str,
        key: &str,
        version_id: Option<&str>,
        change: impl FnOnce(&mut Object, &mut Timestamp) -> Result<T, TosError>,
    ) -> Result<(Found, T), TosError> {
        let mut buckets = self.write();
        let bucket = buckets
            .get_mut(bucket_name)
            .ok_or_else(TosError::no_such_bucket)?;
        self.change_in((bucket_name, bucket), key, version_id, change)
    }

    /// [`change_object`](Self::change_object) for those who hold the lock.
    pub(super) fn change_in<T>(
        &self,
        (name, bucket): (&str, &mut Bucket),
        key: &str,
        version_id: Option<&str>,
        change: impl FnOnce(&mut Object, &mut Timestamp) -> Result<T, TosError>,
    ) -> Result<(Found, T), TosError> {
        let found = find(bucket, key, version_id)?;
        let mut versions = bucket.keys.get(key).cloned().unwrap_or_default();
        let is_it = |version: &&mut Version| {
            version
                .object
                .as_ref()
                .is_some_and(|it| Arc::ptr_eq(it, &found.object))
        };
        let version = versions
            .0
            .iter_mut()
            .find(is_it)
            .ok_or_else(TosError::no_such_key)?;
        let (mut object, mut modified) = (Object::clone(&found.object), found.modified);
        let outcome = change(&mut object, &mut modified)?;
        let object = Arc::new(object);
        (version.object, version.modified) = (Some(Arc::clone(&object)), modified);

        write_json(&self.layout.key(name, key), &versions.record(key))?;
        bucket.keys.insert(key.to_owned(), versions);
        // In this order, since both mostly have the same bytes.
        found.object.content.discard();
        object.content.keep();
        let changed = Found {
            object,
            modified,
            version_id: found.version_id,
        };
        Ok((changed, outcome))
    }

    /// Deletes `key`, or for good its version `version_id`. What is not there is deleted all the same.
    pub(crate) fn delete(
        &self,
        bucket_name: &str,
        key: &str,
        version_id: Option<&str>,
        now: Timestamp,
    ) -> Result<Deleted, TosError> {
        let mut buckets = self.write();
        let bucket = buckets
            .get_mut(bucket_name)
            .ok_or_else(TosError::no_such_bucket)?;
        match (version_id, bucket.settings.versioning) {
            (Some(id), _) => self.remove_version(bucket_name, bucket, key, id),
            (None, None) => self
                .remove_version(bucket_name, bucket, key, NULL_VERSION)
                .map(|_| Deleted::default()),
            (None, Some(_)) => {
                let marker = self.new_version(bucket, None, now);
                let version_id = Some(marker.id.clone());
                self.add_version(bucket_name, bucket, key, marker)?;
                Ok(Deleted {
                    version_id,
                    delete_marker: true,
                })
            }
        }
    }

    fn new_version(&self, bucket: &Bucket, object: Option<Arc<Object>>, modified: Timestamp) -> Version {
        let id = match bucket.settings.versioning {
            Some(Versioning::Enabled) => self.fresh_id(),
            Some(Versioning::Suspended) | None => NULL_VERSION.to_owned(),
        };
        Version { id, modified, object }
    }

    /// A version with the same id (the null one) gives way to the new one.
    fn add_version(
        &self,
        name: &str,
        bucket: &mut Bucket,
        key: &str,
        version: Version,
    ) -> Result<(), TosError> {
        let mut versions = bucket.keys.get(key).cloned().unwrap_or_default();
        let replaced = take(&mut versions, &version.id);
        versions.0.push(version);
        write_json(&self.layout.key(name, key), &versions.record(key))?;
        bucket.keys.insert(key.to_owned(), versions);
        if let Some(replaced) = replaced {
            replaced.discard();
        }
        Ok(())
    }

    pub(super) fn remove_version(
        &self,
        name: &str,
        bucket: &mut Bucket,
        key: &str,
        id: &str,
    ) -> Result<Deleted, TosError> {
        let mut versions = bucket.keys.get(key).cloned().unwrap_or_default();
        let Some(removed) = take(&mut versions, id) else {
            return Ok(Deleted {
                version_id: Some(id.to_owned()),
                delete_marker: false,
            });
        };
        let path = self.layout.key(name, key);
        if versions.0.is_empty() {
            fs::remove_file(path)?;
            bucket.keys.remove(key);
        } else {
            write_json(&path, &versions.record(key))?;
            bucket.keys.insert(key.to_owned(), versions);
        }
        removed.discard();
        Ok(Deleted {
            version_id: Some(removed.id.clone()),
            delete_marker: removed.object.is_none(),
        })
    }
}

pub(crate) fn check_key(key: &str) -> Result<(), TosError> {
    if key.len() <= MAX_KEY_LEN {
        return Ok(());
    }
    Err(TosError::bad_request("KeyTooLong", "Your key is too long.").with_ec("0017-00000002"))
}

pub(super) fn find(bucket: &Bucket, key: &str, version_id: Option<&str>) -> Result<Found, TosError> {
    let versions = bucket.keys.get(key);
    let version = match version_id {
        None => versions
            .and_then(Versions::latest)
            .ok_or_else(TosError::no_such_key)?,
        Some(id) => versions
            .and_then(|versions| versions.find(id))
            .ok_or_else(TosError::no_such_version)?,
    };
    let Some(object) = &version.object else {
        return Err(is_delete_marker(version, version_id.is_some()));
    };
    Ok(Found {
        object: Arc::clone(object),
        modified: version.modified,
        version_id: bucket.settings.versioning.map(|_| version.id.clone()),
    })
}

/// 404 when the marker merely hides the object, 405 when it was asked for by its id.
fn is_delete_marker(marker: &Version, by_id: bool) -> TosError {
    let error = if by_id {
        TosError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "MethodNotAllowed",
            "The specified method is not allowed against a delete marker.",
        )
    } else {
        TosError::no_such_key()
    };
    error
        .with_header("x-tos-delete-marker", "true")
        .with_header("x-tos-version-id", &marker.id)
}

fn take(versions: &mut Versions, id: &str) -> Option<Version> {
    let index = versions.0.iter().position(|version| version.id == id)?;
    Some(versions.0.remove(index))
}

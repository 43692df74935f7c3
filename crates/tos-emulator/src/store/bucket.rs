//! A bucket: its settings, its keys, its unfinished uploads.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::object::Versions;
use super::upload::Upload;
use crate::clock::Timestamp;

/// What is known of a bucket besides its contents.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BucketSettings {
    pub(crate) created: Timestamp,
    pub(crate) public_read: bool,
    pub(crate) versioning: Option<Versioning>,
    pub(crate) storage_class: String,
    pub(crate) az_redundancy: String,
    #[serde(default)]
    pub(crate) rename_enabled: bool,
}

/// The state of a bucket's versioning, once it was ever set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Versioning {
    Enabled,
    Suspended,
}

/// A bucket in memory.
#[derive(Debug)]
pub(crate) struct Bucket {
    pub(crate) settings: BucketSettings,
    /// In the byte order of the keys, which is the order of listings.
    pub(crate) keys: BTreeMap<String, Versions>,
    pub(crate) uploads: BTreeMap<String, Upload>,
}

impl BucketSettings {
    pub(crate) fn new(created: Timestamp) -> Self {
        Self {
            created,
            public_read: false,
            versioning: None,
            storage_class: "STANDARD".to_owned(),
            az_redundancy: "single-az".to_owned(),
            rename_enabled: false,
        }
    }
}

impl Bucket {
    pub(crate) fn new(settings: BucketSettings) -> Self {
        Self {
            settings,
            keys: BTreeMap::new(),
            uploads: BTreeMap::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.uploads.is_empty()
    }
}

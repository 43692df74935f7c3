//! What is said about an object when it is written, besides its bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The class of what names no other.
pub(crate) const STANDARD: &str = "STANDARD";

/// The attributes of an object, or of one in the making.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attributes {
    /// Standard and `x-tos-meta-` headers by lower-case name; values as Latin-1, so that any byte survives.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) storage_class: String,
    #[serde(default)]
    pub(crate) tags: Vec<Tag>,
    #[serde(default)]
    pub(crate) encryption: Option<Encryption>,
}

/// A label of an object, as it is written on the wire and on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Tag {
    pub(crate) key: String,
    pub(crate) value: String,
}

/// How an object is said to be encrypted. The bytes on the emulator's disk are always plain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Encryption {
    /// With the customer's key (SSE-C), of which only the MD5 is kept, in base64.
    Customer { key_md5: String },
    /// With the service's keys (SSE-TOS, SSE-KMS): the words of the request are given back.
    Service {
        algorithm: String,
        kms_key_id: Option<String>,
    },
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            headers: BTreeMap::new(),
            storage_class: STANDARD.to_owned(),
            tags: Vec::new(),
            encryption: None,
        }
    }
}

//! An unfinished multipart upload.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::attributes::Attributes;
use super::blob::Blob;
use super::object::BlobRecord;
use crate::clock::Timestamp;

/// What was said when the upload was created, and the parts so far.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub(crate) start: UploadStart,
    pub(crate) parts: BTreeMap<u16, Part>,
}

/// The file that an upload begins with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct UploadStart {
    pub(crate) key: String,
    pub(crate) initiated: Timestamp,
    #[serde(flatten)]
    pub(crate) attributes: Attributes,
    pub(crate) forbid_overwrite: bool,
}

/// One uploaded part.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) md5: [u8; 16],
    pub(crate) crc64: u64,
    pub(crate) modified: Timestamp,
    pub(crate) blob: Arc<Blob>,
}

/// A part as metadata names it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PartRecord {
    pub(crate) number: u16,
    pub(crate) md5: [u8; 16],
    pub(crate) crc64: u64,
    pub(crate) modified: Timestamp,
    pub(crate) blob: BlobRecord,
}

impl Part {
    /// Without quotes.
    pub(crate) fn etag(&self) -> String {
        crate::signature::canonical::hex(&self.md5)
    }

    pub(crate) fn quoted_etag(&self) -> String {
        format!("\"{}\"", self.etag())
    }

    pub(crate) fn record(&self, number: u16) -> PartRecord {
        PartRecord {
            number,
            md5: self.md5,
            crc64: self.crc64,
            modified: self.modified,
            blob: self.blob.record(),
        }
    }
}

//! What is stored under a key: versions, each an object or a delete marker.

use std::sync::Arc;

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use super::attributes::Attributes;
use super::blob::{Blob, BlobDirectory, WrittenBlob};
use super::links::LinkTarget;
use super::restore::Restore;
use crate::clock::Timestamp;
use crate::crc64;
use crate::signature::canonical::hex;

/// The id of a version written while versioning was not on.
pub(crate) const NULL_VERSION: &str = "null";

/// All versions of a key, the newest last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Versions(pub(crate) Vec<Version>);

/// One version of a key.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) id: String,
    pub(crate) modified: Timestamp,
    /// None for a delete marker.
    pub(crate) object: Option<Arc<Object>>,
}

/// An object's bytes and attributes. `C` is where the bytes are: in memory [`Content`], in metadata [`ContentRecord`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Object<C = Content> {
    pub(crate) size: u64,
    /// Without quotes. An object has one unless it is appendable.
    pub(crate) etag: Option<String>,
    pub(crate) crc64: u64,
    #[serde(flatten)]
    pub(crate) attributes: Attributes,
    #[serde(default)]
    pub(crate) restore: Option<Restore>,
    pub(crate) content: C,
}

/// How an object came about, which is what may be done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Appendable,
    Symlink,
}

/// Where an object's bytes come from.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// Files, one after the other.
    Blobs(Vec<Arc<Blob>>),
    /// Generated; see [`crate::virtual_content`].
    Virtual { seed: u64 },
    /// None of its own: a read gets those of the target.
    Link(LinkTarget),
}

/// [`Content`] as metadata names it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ContentRecord {
    Blobs(Vec<BlobRecord>),
    Virtual { seed: u64 },
    Link(LinkTarget),
}

/// A blob as metadata names it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BlobRecord {
    pub(crate) name: String,
    pub(crate) len: u64,
}

/// The file that holds a key's versions.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeyRecord {
    pub(crate) key: String,
    pub(crate) versions: Vec<VersionRecord>,
}

/// A version as metadata names it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct VersionRecord {
    id: String,
    modified: Timestamp,
    object: Option<Object<ContentRecord>>,
}

impl Kind {
    /// The word for it in headers and listings.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Appendable => "Appendable",
            Self::Symlink => "Symlink",
        }
    }
}

impl Versions {
    pub(crate) fn latest(&self) -> Option<&Version> {
        self.0.last()
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Version> {
        self.0.iter().find(|version| version.id == id)
    }

    pub(crate) fn record(&self, key: &str) -> KeyRecord {
        KeyRecord {
            key: key.to_owned(),
            versions: self.0.iter().map(Version::record).collect(),
        }
    }
}

impl Version {
    fn record(&self) -> VersionRecord {
        VersionRecord {
            id: self.id.clone(),
            modified: self.modified,
            object: self
                .object
                .as_ref()
                .map(|object| object.with_content(object.content.record())),
        }
    }

    /// Lets go of the version's bytes; they go with their last reader.
    pub(crate) fn discard(&self) {
        if let Some(object) = &self.object {
            object.content.discard();
        }
    }
}

impl VersionRecord {
    pub(crate) fn load(self, blobs: &BlobDirectory) -> Version {
        let object = self
            .object
            .map(|object| Arc::new(object.with_content(object.content.clone().load(blobs))));
        Version {
            id: self.id,
            modified: self.modified,
            object,
        }
    }
}

impl<C> Object<C> {
    fn with_content<D>(&self, content: D) -> Object<D> {
        Object {
            size: self.size,
            etag: self.etag.clone(),
            crc64: self.crc64,
            attributes: self.attributes.clone(),
            restore: self.restore.clone(),
            content,
        }
    }
}

impl Content {
    pub(crate) fn record(&self) -> ContentRecord {
        match self {
            Self::Blobs(blobs) => ContentRecord::Blobs(blobs.iter().map(|blob| blob.record()).collect()),
            Self::Virtual { seed } => ContentRecord::Virtual { seed: *seed },
            Self::Link(target) => ContentRecord::Link(target.clone()),
        }
    }

    pub(crate) fn keep(&self) {
        self.blobs().for_each(Blob::keep);
    }

    pub(crate) fn discard(&self) {
        self.blobs().for_each(Blob::discard);
    }

    fn blobs(&self) -> impl Iterator<Item = &Blob> {
        let blobs = match self {
            Self::Blobs(blobs) => blobs.as_slice(),
            Self::Virtual { .. } | Self::Link(_) => &[],
        };
        blobs.iter().map(Arc::as_ref)
    }
}

impl ContentRecord {
    pub(crate) fn load(self, blobs: &BlobDirectory) -> Content {
        match self {
            Self::Blobs(records) => Content::Blobs(
                records
                    .into_iter()
                    .map(|record| blobs.existing(record.name, record.len))
                    .collect(),
            ),
            Self::Virtual { seed } => Content::Virtual { seed },
            Self::Link(target) => Content::Link(target),
        }
    }
}

impl Blob {
    pub(crate) fn record(&self) -> BlobRecord {
        BlobRecord {
            name: self.name.clone(),
            len: self.len,
        }
    }
}

impl Object {
    /// An object of bytes that were written in one go.
    pub(crate) fn written(written: WrittenBlob, attributes: Attributes) -> Self {
        Self {
            size: written.blob.len,
            etag: Some(hex(&written.md5)),
            crc64: written.crc64,
            attributes,
            restore: None,
            content: Content::Blobs(vec![written.blob]),
        }
    }

    /// An object that begins with these bytes and may grow.
    pub(crate) fn appendable(written: WrittenBlob, attributes: Attributes) -> Self {
        Self {
            etag: None,
            ..Self::written(written, attributes)
        }
    }

    /// A link, whose own size is that of the name it holds.
    pub(crate) fn link(target: LinkTarget, attributes: Attributes) -> Self {
        let name = target.key.as_bytes();
        Self {
            size: name.len() as u64,
            etag: Some(hex(&Md5::digest(name))),
            crc64: crc64::crc64(name),
            attributes,
            restore: None,
            content: Content::Link(target),
        }
    }

    /// Lengthens an appendable object.
    pub(crate) fn append(&mut self, written: WrittenBlob) {
        self.crc64 = crc64::join(self.crc64, written.crc64, written.blob.len);
        self.size += written.blob.len;
        if let Content::Blobs(blobs) = &mut self.content {
            blobs.push(written.blob);
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match (&self.content, &self.etag) {
            (Content::Link(_), _) => Kind::Symlink,
            (_, Some(_)) => Kind::Normal,
            (_, None) => Kind::Appendable,
        }
    }

    /// The ETag as headers and listings show it.
    pub(crate) fn quoted_etag(&self) -> Option<String> {
        self.etag.as_ref().map(|etag| format!("\"{etag}\""))
    }

    pub(crate) fn is_virtual(&self, seed: u64, size: u64) -> bool {
        matches!(self.content, Content::Virtual { seed: own } if own == seed) && self.size == size
    }
}

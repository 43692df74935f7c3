//! The names of things on disk, and their atomic writing.
//!
//! ```text
//! ROOT/blobs/<id>                                 bytes
//! ROOT/buckets/<bucket>/bucket.json               settings
//! ROOT/buckets/<bucket>/keys/<hh>/<hash>.json     a key and its versions; hash = SHA-256 of the key
//! ROOT/buckets/<bucket>/uploads/<id>/upload.json  a multipart upload
//! ROOT/buckets/<bucket>/uploads/<id>/<n>.json     its part n
//! ```
//! No name from outside becomes a file name, but for bucket names, which [`is_bucket_name`] limits.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::signature::canonical::hex;

/// The paths below the root directory.
#[derive(Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    pub(crate) fn buckets(&self) -> PathBuf {
        self.root.join("buckets")
    }

    pub(crate) fn bucket(&self, bucket: &str) -> PathBuf {
        self.buckets().join(bucket)
    }

    pub(crate) fn settings(&self, bucket: &str) -> PathBuf {
        self.bucket(bucket).join("bucket.json")
    }

    pub(crate) fn keys(&self, bucket: &str) -> PathBuf {
        self.bucket(bucket).join("keys")
    }

    pub(crate) fn key(&self, bucket: &str, key: &str) -> PathBuf {
        let hash = hex(&Sha256::digest(key.as_bytes()));
        self.keys(bucket).join(&hash[..2]).join(format!("{hash}.json"))
    }

    pub(crate) fn uploads(&self, bucket: &str) -> PathBuf {
        self.bucket(bucket).join("uploads")
    }

    pub(crate) fn upload(&self, bucket: &str, id: &str) -> PathBuf {
        self.uploads(bucket).join(id)
    }

    pub(crate) fn upload_start(&self, bucket: &str, id: &str) -> PathBuf {
        self.upload(bucket, id).join("upload.json")
    }

    pub(crate) fn part(&self, bucket: &str, id: &str, number: u16) -> PathBuf {
        self.upload(bucket, id).join(format!("{number}.json"))
    }
}

/// What may be a directory name: 1 to 63 of `a-z 0-9 -`. The service asks for 3 at least; that is for the wire to say.
pub(crate) fn is_bucket_name(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// Writes a JSON file that is there wholly or not at all.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(&temporary, serde_json::to_vec(value)?)?;
    fs::rename(&temporary, path)
}

pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// The paths in a directory, none when it does not exist.
pub(crate) fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(directory) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

//! Reading everything back at the start.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::io;
use std::path::Path;

use super::blob::BlobDirectory;
use super::bucket::Bucket;
use super::layout::{Layout, entries, is_bucket_name, read_json};
use super::object::{Content, KeyRecord, Versions};
use super::upload::{Part, PartRecord, Upload};

/// All buckets below the root. Blobs that nothing names are removed.
pub(super) fn load(layout: &Layout, blobs: &BlobDirectory) -> io::Result<BTreeMap<String, Bucket>> {
    let mut buckets = BTreeMap::new();
    for path in entries(&layout.buckets())? {
        let name = path
            .file_name()
            .and_then(OsStr::to_str)
            .filter(|name| is_bucket_name(name));
        if let Some(name) = name
            && layout.settings(name).exists()
        {
            buckets.insert(name.to_owned(), load_bucket(layout, blobs, name)?);
        }
    }
    let wanted: HashSet<&str> = buckets.values().flat_map(blob_names).collect();
    blobs.remove_all_but(|name| wanted.contains(name))?;
    Ok(buckets)
}

fn load_bucket(layout: &Layout, blobs: &BlobDirectory, name: &str) -> io::Result<Bucket> {
    let mut bucket = Bucket::new(read_json(&layout.settings(name))?);
    for directory in entries(&layout.keys(name))? {
        for path in entries(&directory)?.iter().filter(|path| is_json(path)) {
            let record: KeyRecord = read_json(path)?;
            let versions = record
                .versions
                .into_iter()
                .map(|version| version.load(blobs))
                .collect();
            bucket.keys.insert(record.key, Versions(versions));
        }
    }
    for directory in entries(&layout.uploads(name))? {
        if let Some(id) = directory.file_name().and_then(OsStr::to_str)
            && layout.upload_start(name, id).exists()
        {
            bucket
                .uploads
                .insert(id.to_owned(), load_upload(layout, blobs, name, id)?);
        }
    }
    Ok(bucket)
}

fn load_upload(layout: &Layout, blobs: &BlobDirectory, bucket: &str, id: &str) -> io::Result<Upload> {
    let mut upload = Upload {
        start: read_json(&layout.upload_start(bucket, id))?,
        parts: BTreeMap::new(),
    };
    for path in entries(&layout.upload(bucket, id))? {
        if is_json(&path) && path.file_stem() != Some(OsStr::new("upload")) {
            let record: PartRecord = read_json(&path)?;
            let blob = blobs.existing(record.blob.name, record.blob.len);
            let part = Part {
                md5: record.md5,
                crc64: record.crc64,
                modified: record.modified,
                blob,
            };
            upload.parts.insert(record.number, part);
        }
    }
    Ok(upload)
}

fn is_json(path: &Path) -> bool {
    path.extension() == Some(OsStr::new("json"))
}

fn blob_names(bucket: &Bucket) -> Vec<&str> {
    let mut names = Vec::new();
    let objects = bucket
        .keys
        .values()
        .flat_map(|versions| &versions.0)
        .filter_map(|version| version.object.as_ref());
    for object in objects {
        if let Content::Blobs(blobs) = &object.content {
            names.extend(blobs.iter().map(|blob| blob.name.as_str()));
        }
    }
    let parts = bucket.uploads.values().flat_map(|upload| upload.parts.values());
    names.extend(parts.map(|part| part.blob.name.as_str()));
    names
}

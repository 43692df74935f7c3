//! Multipart uploads: created, filled part by part, completed or aborted.

use std::fs;

use md5::{Digest, Md5};

use super::Store;
use super::bucket::Bucket;
use super::layout::write_json;
use super::object::{Content, Object};
use super::objects::{Found, check_key};
use super::upload::{Part, Upload, UploadStart};
use crate::clock::Timestamp;
use crate::crc64;
use crate::error::TosError;
use crate::signature::canonical::hex;

impl Store {
    pub(crate) fn create_upload(&self, bucket_name: &str, start: UploadStart) -> Result<String, TosError> {
        check_key(&start.key)?;
        let mut buckets = self.write();
        let bucket = buckets
            .get_mut(bucket_name)
            .ok_or_else(TosError::no_such_bucket)?;
        let id = self.fresh_id();
        write_json(&self.layout.upload_start(bucket_name, &id), &start)?;
        bucket.uploads.insert(
            id.clone(),
            Upload {
                start,
                parts: Default::default(),
            },
        );
        Ok(id)
    }

    /// The upload as it is now; its key must be `key`.
    pub(crate) fn upload(&self, bucket: &str, key: &str, id: &str) -> Result<Upload, TosError> {
        let upload = self.with_bucket(bucket, |bucket| bucket.uploads.get(id).cloned())?;
        upload
            .filter(|upload| upload.start.key == key)
            .ok_or_else(TosError::no_such_upload)
    }

    /// Adds a part; one with the same number gives way.
    pub(crate) fn put_part(
        &self,
        bucket_name: &str,
        key: &str,
        id: &str,
        number: u16,
        part: Part,
    ) -> Result<(), TosError> {
        let mut buckets = self.write();
        let bucket = buckets
            .get_mut(bucket_name)
            .ok_or_else(TosError::no_such_bucket)?;
        let upload = bucket
            .uploads
            .get_mut(id)
            .filter(|upload| upload.start.key == key);
        let upload = upload.ok_or_else(TosError::no_such_upload)?;
        write_json(&self.layout.part(bucket_name, id, number), &part.record(number))?;
        part.blob.keep();
        if let Some(replaced) = upload.parts.insert(number, part) {
            replaced.blob.discard();
        }
        Ok(())
    }

    /// Makes the object out of the parts with the given numbers, in that order, and drops the others.
    pub(crate) fn complete_upload(
        &self,
        bucket_name: &str,
        key: &str,
        id: &str,
        numbers: &[u16],
        now: Timestamp,
    ) -> Result<Found, TosError> {
        let mut buckets = self.write();
        let bucket = buckets
            .get_mut(bucket_name)
            .ok_or_else(TosError::no_such_bucket)?;
        let upload = bucket
            .uploads
            .get(id)
            .filter(|upload| upload.start.key == key)
            .cloned();
        let upload = upload.ok_or_else(TosError::no_such_upload)?;
        let parts: Option<Vec<&Part>> = numbers.iter().map(|number| upload.parts.get(number)).collect();
        let parts = parts
            .ok_or_else(|| TosError::bad_request("InvalidPart", "A part of the list was not uploaded."))?;
        let object = assemble(&upload.start, &parts);
        let found = self.put_into(
            (bucket_name, bucket),
            key,
            object,
            now,
            upload.start.forbid_overwrite,
        )?;
        self.forget_upload((bucket_name, bucket), id)?;
        let unused = upload
            .parts
            .iter()
            .filter(|(number, _)| !numbers.contains(number));
        unused.for_each(|(_, part)| part.blob.discard());
        Ok(found)
    }

    pub(crate) fn abort_upload(&self, bucket_name: &str, key: &str, id: &str) -> Result<(), TosError> {
        let mut buckets = self.write();
        let bucket = buckets
            .get_mut(bucket_name)
            .ok_or_else(TosError::no_such_bucket)?;
        let upload = bucket
            .uploads
            .get(id)
            .filter(|upload| upload.start.key == key)
            .cloned();
        let upload = upload.ok_or_else(TosError::no_such_upload)?;
        self.forget_upload((bucket_name, bucket), id)?;
        upload.parts.values().for_each(|part| part.blob.discard());
        Ok(())
    }

    fn forget_upload(&self, (name, bucket): (&str, &mut Bucket), id: &str) -> Result<(), TosError> {
        fs::remove_dir_all(self.layout.upload(name, id))?;
        bucket.uploads.remove(id);
        Ok(())
    }
}

/// The bytes are not copied: the object is the parts' blobs in a row.
fn assemble(start: &UploadStart, parts: &[&Part]) -> Object {
    let mut digests = Md5::new();
    let (mut crc64, mut size) = (0, 0);
    for part in parts {
        digests.update(part.md5);
        crc64 = crc64::join(crc64, part.crc64, part.blob.len);
        size += part.blob.len;
    }
    Object {
        size,
        etag: Some(format!("{}-{}", hex(&digests.finalize()), parts.len())),
        crc64,
        attributes: start.attributes.clone(),
        restore: None,
        content: Content::Blobs(parts.iter().map(|part| part.blob.clone()).collect()),
    }
}

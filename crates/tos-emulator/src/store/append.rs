//! Appendable objects: made and lengthened piece by piece.

use http::StatusCode;

use super::Store;
use super::attributes::Attributes;
use super::blob::WrittenBlob;
use super::object::{Kind, Object};
use super::objects::{Found, check_key, find};
use crate::clock::Timestamp;
use crate::error::TosError;

/// Bytes for the end of an object.
#[derive(Debug)]
pub(crate) struct Appendix {
    /// Where they belong: the object's length so far.
    pub(crate) offset: u64,
    pub(crate) written: WrittenBlob,
    /// For the object that the first piece makes; later ones change nothing.
    pub(crate) attributes: Attributes,
}

impl Store {
    /// Appends to the object under `key`, or makes one.
    pub(crate) fn append(
        &self,
        bucket_name: &str,
        key: &str,
        appendix: Appendix,
        now: Timestamp,
    ) -> Result<Found, TosError> {
        check_key(key)?;
        let mut buckets = self.write();
        let bucket = buckets
            .get_mut(bucket_name)
            .ok_or_else(TosError::no_such_bucket)?;
        if bucket.settings.versioning.is_some() {
            return Err(TosError::bad_request(
                "InvalidRequest",
                "Nothing can be appended in a bucket with versioning.",
            ));
        }
        let existing = find(bucket, key, None).ok();
        appendix.check(existing.as_ref())?;
        match existing {
            None => {
                let object = Object::appendable(appendix.written, appendix.attributes);
                self.put_into((bucket_name, bucket), key, object, now, false)
            }
            Some(_) => {
                let appended = self.change_in((bucket_name, bucket), key, None, |object, modified| {
                    object.append(appendix.written);
                    *modified = now;
                    Ok(())
                });
                appended.map(|(found, ())| found)
            }
        }
    }
}

impl Appendix {
    /// What is refused has the service's numbers; its words for them are not known.
    fn check(&self, existing: Option<&Found>) -> Result<(), TosError> {
        if existing.is_some_and(|found| found.object.kind() != Kind::Appendable) {
            let message = "The object was not made by appending.";
            return Err(conflict("ObjectNotAppendable", message).with_ec("0017-00000209"));
        }
        let len = existing.map_or(0, |found| found.object.size);
        if self.offset != len {
            let message = format!("The offset is not the object's length, which is {len}.");
            return Err(conflict("AppendOffsetNotMatched", message).with_ec("0017-00000208"));
        }
        Ok(())
    }
}

fn conflict(code: &'static str, message: impl Into<std::borrow::Cow<'static, str>>) -> TosError {
    TosError::new(StatusCode::CONFLICT, code, message)
}

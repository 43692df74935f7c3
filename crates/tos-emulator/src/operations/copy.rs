//! CopyObject and UploadPartCopy.

use futures_util::StreamExt;
use http::Method;
use serde_json::{Value, json};

use super::incoming::BatchedBlob;
use super::{COPY_SOURCE, Call, Route, Target, attributes, copy_source, encryption, multipart, put};
use crate::clock::Timestamp;
use crate::content;
use crate::error::TosError;
use crate::reply::Reply;
use crate::store::attributes::Attributes;
use crate::store::object::Object;
use crate::store::objects::{Found, check_key};

pub(super) const ROUTES: &[Route] = &[
    Route {
        name: "CopyObject",
        method: Method::PUT,
        target: Target::Object,
        requires: &[COPY_SOURCE],
        public: false,
        run: |call| Box::pin(copy_object(call)),
    },
    Route {
        name: "UploadPartCopy",
        method: Method::PUT,
        target: Target::Object,
        requires: &["partNumber", "uploadId", COPY_SOURCE],
        public: false,
        run: |call| Box::pin(upload_part_copy(call)),
    },
];

/// The copy has the source's ETag and CRC64: they belong to the bytes.
async fn copy_object(call: &mut Call) -> Result<Reply, TosError> {
    check_key(call.key())?;
    call.service.store.bucket_settings(call.bucket())?;
    put::check_conditions(call)?;
    let source = copy_source::find(call)?;
    let attributes = attributes_of_copy(call, &source)?;
    let (bucket, key) = (call.bucket().to_owned(), call.key().to_owned());
    let (now, forbid_overwrite) = (call.service.clock.now(), put::forbids_overwrite(&call.request));
    let original = source.object.clone();
    let found = call
        .change(move |store| {
            let copy = Object {
                content: store.duplicate(&original.content)?,
                attributes,
                restore: None,
                ..Object::clone(&original)
            };
            store.put(&bucket, &key, copy, now, forbid_overwrite)
        })
        .await?;
    let reply = Reply::json(&copied(found.object.quoted_etag().as_deref(), found.modified))
        .with("x-tos-hash-crc64ecma", &found.object.crc64.to_string())
        .with_some("x-tos-version-id", found.version_id.as_deref());
    let reply = copy_source::tell(reply, &source);
    Ok(encryption::echo(
        reply,
        found.object.attributes.encryption.as_ref(),
    ))
}

/// Headers and tags are the source's unless the request replaces them; class and encryption are the request's.
fn attributes_of_copy(call: &Call, source: &Found) -> Result<Attributes, TosError> {
    let replaces = |directive| {
        let value = call.request.header(directive).unwrap_or("COPY");
        match value.to_ascii_uppercase().as_str() {
            "REPLACE" => Ok(true),
            "COPY" => Ok(false),
            _ => Err(TosError::invalid_argument(format!(
                "{directive} must be COPY or REPLACE."
            ))),
        }
    };
    let mut attributes = attributes::of(&call.request.headers)?;
    if !replaces("x-tos-metadata-directive")? {
        attributes.headers = source.object.attributes.headers.clone();
    }
    if !replaces("x-tos-tagging-directive")? {
        attributes.tags = source.object.attributes.tags.clone();
    }
    Ok(attributes)
}

async fn upload_part_copy(call: &mut Call) -> Result<Reply, TosError> {
    let number = multipart::part_number(call)?;
    let encryption = multipart::upload(call)?.start.attributes.encryption;
    encryption::check_key(&call.request.headers, &encryption::OWN_KEY, encryption.as_ref())?;
    let source = copy_source::find(call)?;
    let range = copy_source::range(call, &source)?;

    let mut blob = BatchedBlob::new(call.service.store.blob_writer(false)?);
    let mut bytes = content::stream(&source.object, range, &call.service.generated);
    while let Some(piece) = bytes.next().await {
        blob = blob.add(&piece?).await?;
    }
    let part = multipart::put_part(call, number, blob.finish().await?).await?;
    let reply = Reply::json(&copied(Some(&part.quoted_etag()), part.modified));
    Ok(encryption::echo(
        copy_source::tell(reply, &source),
        encryption.as_ref(),
    ))
}

fn copied(etag: Option<&str>, modified: Timestamp) -> Value {
    json!({ "ETag": etag, "LastModified": modified.iso() })
}

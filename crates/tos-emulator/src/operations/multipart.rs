//! Multipart uploads.

use std::collections::BTreeSet;

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::buckets::OWNER_ID;
use super::{Call, Route, Target, attributes, encryption, incoming, put};
use crate::error::TosError;
use crate::reply::Reply;
use crate::request::conditions::unquoted;
use crate::store::blob::WrittenBlob;
use crate::store::upload::{Part, Upload, UploadStart};

pub(super) const ROUTES: &[Route] = &[
    Route {
        name: "CreateMultipartUpload",
        method: Method::POST,
        target: Target::Object,
        requires: &["uploads"],
        public: false,
        run: |call| Box::pin(create(call)),
    },
    Route {
        name: "UploadPart",
        method: Method::PUT,
        target: Target::Object,
        requires: &["partNumber", "uploadId"],
        public: false,
        run: |call| Box::pin(upload_part(call)),
    },
    Route {
        name: "CompleteMultipartUpload",
        method: Method::POST,
        target: Target::Object,
        requires: &["uploadId"],
        public: false,
        run: |call| Box::pin(complete(call)),
    },
    Route {
        name: "AbortMultipartUpload",
        method: Method::DELETE,
        target: Target::Object,
        requires: &["uploadId"],
        public: false,
        run: |call| Box::pin(abort(call)),
    },
    Route {
        name: "ListParts",
        method: Method::GET,
        target: Target::Object,
        requires: &["uploadId"],
        public: false,
        run: |call| Box::pin(async move { list_parts(call) }),
    },
];

const MAX_PART_NUMBER: u16 = 10_000;
/// All parts but the last must have at least this size.
const MIN_PART_LEN: u64 = 5 << 20;

async fn create(call: &mut Call) -> Result<Reply, TosError> {
    let (bucket, key) = (call.bucket().to_owned(), call.key().to_owned());
    let start = UploadStart {
        key: key.clone(),
        initiated: call.service.clock.now(),
        attributes: attributes::of(&call.request.headers)?,
        forbid_overwrite: put::forbids_overwrite(&call.request),
    };
    let encryption = start.attributes.encryption.clone();
    let name = bucket.clone();
    let id = call
        .change(move |store| store.create_upload(&name, start))
        .await?;
    let reply = Reply::json(&json!({ "Bucket": bucket, "Key": key, "UploadId": id }));
    Ok(encryption::echo(reply, encryption.as_ref()))
}

async fn upload_part(call: &mut Call) -> Result<Reply, TosError> {
    let number = part_number(call)?;
    let encryption = upload(call)?.start.attributes.encryption;
    encryption::check_key(&call.request.headers, &encryption::OWN_KEY, encryption.as_ref())?;
    let written = incoming::to_blob(call).await?;
    let part = put_part(call, number, written).await?;
    let reply = Reply::ok()
        .with("etag", &part.quoted_etag())
        .with("x-tos-hash-crc64ecma", &part.crc64.to_string());
    Ok(encryption::echo(reply, encryption.as_ref()))
}

/// Makes a part of the upload that the request names.
pub(super) async fn put_part(call: &Call, number: u16, written: WrittenBlob) -> Result<Part, TosError> {
    let part = Part {
        md5: written.md5,
        crc64: written.crc64,
        modified: call.service.clock.now(),
        blob: written.blob,
    };
    let (bucket, key, id) = (
        call.bucket().to_owned(),
        call.key().to_owned(),
        upload_id(call).to_owned(),
    );
    let stored = part.clone();
    call.change(move |store| store.put_part(&bucket, &key, &id, number, stored))
        .await?;
    Ok(part)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CompleteBody {
    parts: Vec<CompletePart>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CompletePart {
    part_number: u16,
    #[serde(rename = "ETag")]
    etag: Option<String>,
}

async fn complete(call: &mut Call) -> Result<Reply, TosError> {
    let upload = upload(call)?;
    let all = call
        .request
        .header("x-tos-complete-all")
        .is_some_and(|value| value.eq_ignore_ascii_case("yes"));
    let numbers = if all {
        upload.parts.keys().copied().collect()
    } else {
        let body: CompleteBody = incoming::json(call).await?;
        check_parts(&upload, &body.parts)?
    };
    check_sizes(&upload, &numbers)?;
    put::check_conditions(call)?;
    let completed: Vec<_> = numbers
        .iter()
        .filter_map(|number| Some((*number, upload.parts.get(number)?)))
        .collect();
    let completed: Vec<_> = completed
        .into_iter()
        .map(|(number, part)| json!({ "PartNumber": number, "ETag": part.quoted_etag() }))
        .collect();

    let (bucket, key, id) = (
        call.bucket().to_owned(),
        call.key().to_owned(),
        upload_id(call).to_owned(),
    );
    let now = call.service.clock.now();
    let found = call
        .change(move |store| store.complete_upload(&bucket, &key, &id, &numbers, now))
        .await?;
    let mut answer = json!({
        "Bucket": call.bucket(),
        "Key": call.key(),
        "ETag": found.object.quoted_etag(),
        "Location": format!("http://{}{}", call.request.host, call.request.raw_path),
    });
    if let Some(version_id) = &found.version_id {
        answer["VersionID"] = version_id.as_str().into();
    }
    if all {
        answer["CompletedParts"] = completed.into();
    }
    let reply = Reply::json(&answer)
        .with("x-tos-hash-crc64ecma", &found.object.crc64.to_string())
        .with_some("x-tos-version-id", found.version_id.as_deref());
    Ok(encryption::echo(
        reply,
        found.object.attributes.encryption.as_ref(),
    ))
}

/// The numbers of the parts that the request lists, in order, once each has the ETag that the request says. The list
/// itself may be in any order: the Python SDK sends it as the parts were done.
fn check_parts(upload: &Upload, listed: &[CompletePart]) -> Result<Vec<u16>, TosError> {
    for listed in listed {
        let wanted = listed.etag.as_deref().map(unquoted);
        let part = upload.parts.get(&listed.part_number);
        if part.is_none_or(|part| wanted.is_some_and(|wanted| wanted != part.etag())) {
            let message = format!(
                "Part {} was not uploaded, or its ETag is another.",
                listed.part_number
            );
            return Err(TosError::bad_request("InvalidPart", message));
        }
    }
    let numbers: BTreeSet<u16> = listed.iter().map(|part| part.part_number).collect();
    if numbers.len() < listed.len() {
        return Err(TosError::bad_request(
            "InvalidPart",
            "The list names a part twice.",
        ));
    }
    Ok(numbers.into_iter().collect())
}

fn check_sizes(upload: &Upload, numbers: &[u16]) -> Result<(), TosError> {
    let Some((_last, others)) = numbers.split_last() else {
        return Err(TosError::bad_request("MalformedBody", "The upload has no parts."));
    };
    let too_small = |number: &&u16| {
        upload
            .parts
            .get(number)
            .is_some_and(|part| part.blob.len < MIN_PART_LEN)
    };
    match others.iter().find(too_small) {
        None => Ok(()),
        Some(number) => Err(TosError::bad_request(
            "EntityTooSmall",
            format!("Part {number} is smaller than 5 MiB, and not the last one."),
        )),
    }
}

async fn abort(call: &mut Call) -> Result<Reply, TosError> {
    let (bucket, key, id) = (
        call.bucket().to_owned(),
        call.key().to_owned(),
        upload_id(call).to_owned(),
    );
    call.change(move |store| store.abort_upload(&bucket, &key, &id))
        .await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn list_parts(call: &Call) -> Result<Reply, TosError> {
    let upload = upload(call)?;
    let number = |name: &'static str, default: u16| match call.request.query.non_empty(name) {
        None => Ok(default),
        Some(text) => text
            .parse::<u16>()
            .map_err(|_| TosError::invalid_argument(format!("{name} is not a number in range"))),
    };
    let (marker, max) = (
        number("part-number-marker", 0)?,
        number("max-parts", 1000)?.min(1000),
    );
    let after: Vec<_> = upload.parts.range(marker.saturating_add(1)..).collect();
    let page = &after[..after.len().min(max.into())];
    let parts: Vec<Value> = page
        .iter()
        .map(|(number, part)| {
            json!({
                "PartNumber": number,
                "ETag": part.quoted_etag(),
                "Size": part.blob.len,
                "LastModified": part.modified.iso(),
                "HashCrc64ecma": part.crc64.to_string(),
            })
        })
        .collect();
    Ok(Reply::json(&json!({
        "Bucket": call.bucket(),
        "Key": call.key(),
        "UploadId": upload_id(call),
        "PartNumberMarker": marker,
        "NextPartNumberMarker": page.last().map_or(0, |(number, _)| **number),
        "MaxParts": max,
        "IsTruncated": page.len() < after.len(),
        "StorageClass": upload.start.attributes.storage_class,
        "Owner": { "ID": OWNER_ID, "DisplayName": OWNER_ID },
        "Parts": parts,
    })))
}

pub(super) fn upload(call: &Call) -> Result<Upload, TosError> {
    call.service
        .store
        .upload(call.bucket(), call.key(), upload_id(call))
}

fn upload_id(call: &Call) -> &str {
    call.request.query.get("uploadId").unwrap_or_default()
}

pub(super) fn part_number(call: &Call) -> Result<u16, TosError> {
    let number = call
        .request
        .query
        .get("partNumber")
        .and_then(|text| text.parse().ok());
    number
        .filter(|number| (1..=MAX_PART_NUMBER).contains(number))
        .ok_or_else(|| TosError::invalid_argument("Part number must be an integer from 1 to 10000."))
}

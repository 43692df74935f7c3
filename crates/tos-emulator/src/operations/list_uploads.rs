//! ListMultipartUploads.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};

use super::list_page::{Entry, Listing, Start, UPLOADS, owner};
use super::{Call, Route, Target};
use crate::error::TosError;
use crate::reply::Reply;
use crate::store::bucket::Bucket;
use crate::store::upload::Upload;

pub(super) const ROUTES: &[Route] = &[Route {
    name: "ListMultipartUploads",
    method: Method::GET,
    target: Target::Bucket,
    requires: &["uploads"],
    public: false,
    run: |call| Box::pin(async move { list_uploads(call) }),
}];

/// An upload and its id.
type Listed<'a> = (&'a str, &'a Upload);

fn list_uploads(call: &Call) -> Result<Reply, TosError> {
    let query = &call.request.query;
    let listing = Listing::parse(query, &UPLOADS)?;
    let key_marker = query.non_empty("key-marker");
    // Without a key there is nothing that it could be an id in.
    let id_marker = query
        .non_empty("upload-id-marker")
        .filter(|_| key_marker.is_some());
    let start = match (key_marker, id_marker) {
        (Some(key), Some(_)) => Start::At(key),
        _ => Start::after(key_marker),
    };
    call.service.store.with_bucket(call.bucket(), |bucket| {
        let by_key = by_key(bucket);
        let page = listing.page(&by_key, start, |key, uploads| match id_marker {
            Some(marker) if Some(key) == key_marker => after(uploads, marker),
            _ => uploads.clone(),
        });
        let (mut uploads, mut prefixes) = (Vec::new(), Vec::new());
        for entry in &page.entries {
            match entry {
                Entry::Prefix(prefix) => prefixes.push(listing.prefix_entry(prefix)),
                Entry::Key(key, (id, upload)) => uploads.push(upload_entry(&listing, key, id, upload)),
            }
        }
        let mut answer = listing.answer(call.bucket(), page.truncated, prefixes);
        answer.insert(
            "KeyMarker".into(),
            listing.name(key_marker.unwrap_or_default()).into(),
        );
        answer.insert("UploadIdMarker".into(), id_marker.unwrap_or_default().into());
        answer.insert("Uploads".into(), uploads.into());
        if page.truncated {
            answer.insert(
                "NextKeyMarker".into(),
                listing.name(page.last_name().unwrap_or_default()).into(),
            );
            if let Some(Entry::Key(_, (id, _))) = page.entries.last() {
                answer.insert("NextUploadIdMarker".into(), (*id).into());
            }
        }
        Reply::json(&answer)
    })
}

/// The uploads of each key, in the order in which they were begun.
fn by_key(bucket: &Bucket) -> BTreeMap<&str, Vec<Listed<'_>>> {
    let mut by_key = BTreeMap::<&str, Vec<Listed<'_>>>::new();
    for (id, upload) in &bucket.uploads {
        by_key.entry(&upload.start.key).or_default().push((id, upload));
    }
    for uploads in by_key.values_mut() {
        uploads.sort_by_key(|(id, upload)| (upload.start.initiated, *id));
    }
    by_key
}

fn after<'a>(uploads: &[Listed<'a>], marker: &str) -> Vec<Listed<'a>> {
    match uploads.iter().position(|(id, _)| *id == marker) {
        Some(index) => uploads[index + 1..].to_vec(),
        None => Vec::new(),
    }
}

fn upload_entry(listing: &Listing<'_>, key: &str, id: &str, upload: &Upload) -> Value {
    json!({
        "Key": listing.name(key),
        "UploadId": id,
        "Initiated": upload.start.initiated.iso(),
        "StorageClass": upload.start.attributes.storage_class,
        "Owner": owner(),
    })
}

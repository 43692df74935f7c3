//! ListObjects (version 1) and ListObjectsType2.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use http::Method;
use serde_json::{Value, json};

use super::list_page::{Entry, Listing, OBJECTS, Page, Start, visible};
use super::{Call, Route, Target};
use crate::error::TosError;
use crate::reply::Reply;
use crate::store::object::{Object, Version};

pub(super) const ROUTES: &[Route] = &[
    Route {
        name: "ListObjects",
        method: Method::GET,
        target: Target::Bucket,
        requires: &[],
        public: true,
        run: |call| Box::pin(async move { list_objects(call) }),
    },
    Route {
        name: "ListObjectsType2",
        method: Method::GET,
        target: Target::Bucket,
        requires: &["list-type"],
        public: true,
        run: |call| Box::pin(async move { list_objects_type2(call) }),
    },
];

type ObjectPage<'a> = Page<'a, (&'a Version, &'a Object)>;

fn list_objects(call: &Call) -> Result<Reply, TosError> {
    let query = &call.request.query;
    let listing = Listing::parse(query, &OBJECTS)?;
    let marker = query.non_empty("marker");
    call.service.store.with_bucket(call.bucket(), |bucket| {
        let page = listing.page(&bucket.keys, Start::after(marker), visible);
        let (contents, prefixes) = entries(&listing, &page, false);
        let mut answer = listing.answer(call.bucket(), page.truncated, prefixes);
        answer.insert("Contents".into(), contents.into());
        answer.insert("Marker".into(), listing.name(marker.unwrap_or_default()).into());
        if page.truncated {
            answer.insert(
                "NextMarker".into(),
                listing.name(page.last_name().unwrap_or_default()).into(),
            );
        }
        Reply::json(&answer)
    })
}

fn list_objects_type2(call: &Call) -> Result<Reply, TosError> {
    let query = &call.request.query;
    let listing = Listing::parse(query, &OBJECTS)?;
    let token = query.non_empty("continuation-token");
    let start_after = query.non_empty("start-after");
    let after = token
        .map(decode_token)
        .transpose()?
        .or(start_after.map(str::to_owned));
    let with_metadata = query.get("fetch-meta") == Some("true");
    call.service.store.with_bucket(call.bucket(), |bucket| {
        let page = listing.page(&bucket.keys, Start::after(after.as_deref()), visible);
        let (contents, prefixes) = entries(&listing, &page, with_metadata);
        let mut answer = listing.answer(call.bucket(), page.truncated, prefixes);
        answer.insert("KeyCount".into(), page.entries.len().into());
        answer.insert("Contents".into(), contents.into());
        if let Some(start_after) = start_after {
            answer.insert("StartAfter".into(), listing.name(start_after).into());
        }
        if let Some(token) = token {
            answer.insert("ContinuationToken".into(), token.into());
        }
        if page.truncated {
            let next = URL_SAFE.encode(page.last_name().unwrap_or_default());
            answer.insert("NextContinuationToken".into(), next.into());
        }
        Reply::json(&answer)
    })
}

fn entries(listing: &Listing<'_>, page: &ObjectPage<'_>, with_metadata: bool) -> (Vec<Value>, Vec<Value>) {
    let (mut contents, mut prefixes) = (Vec::new(), Vec::new());
    for entry in &page.entries {
        match entry {
            Entry::Prefix(prefix) => prefixes.push(listing.prefix_entry(prefix)),
            Entry::Key(key, (version, object)) => {
                let mut entry = listing.object_entry(key, object, version.modified);
                if with_metadata {
                    entry["UserMeta"] = user_metadata(object).into();
                }
                contents.push(entry);
            }
        }
    }
    (contents, prefixes)
}

fn user_metadata(object: &Object) -> Vec<Value> {
    let metadata = object
        .attributes
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix("x-tos-meta-")?, value)));
    metadata
        .map(|(name, value)| json!({ "Key": name, "Value": value }))
        .collect()
}

fn decode_token(token: &str) -> Result<String, TosError> {
    let name = URL_SAFE
        .decode(token)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    name.ok_or_else(|| TosError::invalid_argument("The continuation token is not one of ours."))
}

//! PutObjectTagging, GetObjectTagging and DeleteObjectTagging, and the tags that a PUT brings along.

use std::collections::HashSet;

use http::{HeaderMap, Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::{Call, Route, Target, incoming};
use crate::error::TosError;
use crate::reply::Reply;
use crate::request::query::Query;
use crate::store::attributes::Tag;

pub(super) const ROUTES: &[Route] = &[
    Route {
        name: "PutObjectTagging",
        method: Method::PUT,
        target: Target::Object,
        requires: &["tagging"],
        public: false,
        run: |call| Box::pin(put_tagging(call)),
    },
    Route {
        name: "GetObjectTagging",
        method: Method::GET,
        target: Target::Object,
        requires: &["tagging"],
        public: false,
        run: |call| Box::pin(async move { get_tagging(call) }),
    },
    Route {
        name: "DeleteObjectTagging",
        method: Method::DELETE,
        target: Target::Object,
        requires: &["tagging"],
        public: false,
        run: |call| Box::pin(delete_tagging(call)),
    },
];

const MAX_TAGS: usize = 10;
/// In characters.
const MAX_KEY_LEN: usize = 128;
const MAX_VALUE_LEN: usize = 256;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tagging {
    tag_set: TagSet,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TagSet {
    tags: Vec<Tag>,
}

async fn put_tagging(call: &mut Call) -> Result<Reply, TosError> {
    let body: Tagging = incoming::json(call).await?;
    let tags = checked(body.tag_set.tags)?;
    set_tags(call, tags, StatusCode::OK).await
}

async fn delete_tagging(call: &mut Call) -> Result<Reply, TosError> {
    set_tags(call, Vec::new(), StatusCode::NO_CONTENT).await
}

async fn set_tags(call: &Call, tags: Vec<Tag>, status: StatusCode) -> Result<Reply, TosError> {
    let (found, ()) = call
        .change_object(move |object, _| {
            object.attributes.tags = tags;
            Ok(())
        })
        .await?;
    Ok(Reply::empty(status).with_some("x-tos-version-id", found.version_id.as_deref()))
}

fn get_tagging(call: &Call) -> Result<Reply, TosError> {
    let version_id = call.request.query.non_empty("versionId");
    let found = call.service.store.find(call.bucket(), call.key(), version_id)?;
    let tags = found.object.attributes.tags.clone();
    Ok(Reply::json(&Tagging {
        tag_set: TagSet { tags },
    })
    .with_some("x-tos-version-id", found.version_id.as_deref()))
}

/// The tags in the header of a PUT, which is encoded as a query is: `key=value&key2=value2`.
pub(super) fn in_header(headers: &HeaderMap) -> Result<Vec<Tag>, TosError> {
    let Some(header) = headers.get("x-tos-tagging") else {
        return Ok(Vec::new());
    };
    let query = header.to_str().ok().and_then(Query::parse);
    let query =
        query.ok_or_else(|| TosError::invalid_argument("x-tos-tagging is not encoded as a query."))?;
    let tags = query.iter().map(|(key, value)| Tag {
        key: key.to_owned(),
        value: value.to_owned(),
    });
    checked(tags.collect())
}

fn checked(tags: Vec<Tag>) -> Result<Vec<Tag>, TosError> {
    let lengths_fit = |tag: &Tag| {
        (1..=MAX_KEY_LEN).contains(&tag.key.chars().count()) && tag.value.chars().count() <= MAX_VALUE_LEN
    };
    let keys: HashSet<&str> = tags.iter().map(|tag| tag.key.as_str()).collect();
    if tags.len() > MAX_TAGS || keys.len() < tags.len() || !tags.iter().all(lengths_fit) {
        return Err(TosError::bad_request(
            "InvalidTag",
            "An object has 10 tags at most, with keys that differ, of 1 to 128 characters, and values of 256 at most.",
        ));
    }
    Ok(tags)
}

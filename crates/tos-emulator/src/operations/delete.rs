//! DeleteObject and DeleteMultiObjects.

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Call, Route, Target, incoming};
use crate::clock::Timestamp;
use crate::error::TosError;
use crate::reply::Reply;
use crate::store::Store;

pub(super) const ROUTES: &[Route] = &[
    Route {
        name: "DeleteObject",
        method: Method::DELETE,
        target: Target::Object,
        requires: &[],
        public: false,
        run: |call| Box::pin(delete_object(call)),
    },
    Route {
        name: "DeleteMultiObjects",
        method: Method::POST,
        target: Target::Bucket,
        requires: &["delete"],
        public: false,
        run: |call| Box::pin(delete_multi_objects(call)),
    },
];

const MAX_OBJECTS: usize = 1000;

async fn delete_object(call: &mut Call) -> Result<Reply, TosError> {
    let (bucket, key) = (call.bucket().to_owned(), call.key().to_owned());
    let version_id = call.request.query.non_empty("versionId").map(str::to_owned);
    let now = call.service.clock.now();
    let deleted = call
        .change(move |store| store.delete(&bucket, &key, version_id.as_deref(), now))
        .await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT)
        .with_some("x-tos-version-id", deleted.version_id.as_deref())
        .with_some("x-tos-delete-marker", deleted.delete_marker.then_some("true")))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeleteBody {
    objects: Vec<Doomed>,
    #[serde(default)]
    quiet: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Doomed {
    key: String,
    #[serde(default)]
    version_id: Option<String>,
}

async fn delete_multi_objects(call: &mut Call) -> Result<Reply, TosError> {
    let body: DeleteBody = incoming::json(call).await?;
    if body.objects.is_empty() || body.objects.len() > MAX_OBJECTS {
        return Err(TosError::bad_request(
            "MalformedBody",
            "The list must have 1 to 1000 objects.",
        ));
    }
    let (bucket, now) = (call.bucket().to_owned(), call.service.clock.now());
    call.service.store.bucket_settings(&bucket)?;
    call.change(move |store| Ok(delete_each(store, &bucket, &body, now)))
        .await
}

fn delete_each(store: &Store, bucket: &str, body: &DeleteBody, now: Timestamp) -> Reply {
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    for doomed in &body.objects {
        let version_id = doomed.version_id.as_deref().filter(|id| !id.is_empty());
        match store.delete(bucket, &doomed.key, version_id, now) {
            Ok(done) => {
                let mut entry = json!({ "Key": doomed.key });
                put_some(&mut entry, "VersionId", version_id);
                if done.delete_marker {
                    entry["DeleteMarker"] = true.into();
                    put_some(&mut entry, "DeleteMarkerVersionId", done.version_id.as_deref());
                }
                deleted.push(entry);
            }
            Err(error) => {
                let mut entry = json!({ "Key": doomed.key, "Code": error.code, "Message": error.message });
                put_some(&mut entry, "VersionId", version_id);
                errors.push(entry);
            }
        }
    }
    if body.quiet {
        deleted.clear();
    }
    Reply::json(&json!({ "Deleted": deleted, "Error": errors }))
}

fn put_some(entry: &mut Value, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        entry[name] = value.into();
    }
}

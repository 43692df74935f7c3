//! SetObjectMeta, and GetFileStatus, which shows the little that is known of every object.

use http::Method;
use serde_json::json;

use super::{Call, Route, Target, stored_headers};
use crate::error::TosError;
use crate::reply::Reply;

pub(super) const ROUTES: &[Route] = &[
    Route {
        name: "SetObjectMeta",
        method: Method::POST,
        target: Target::Object,
        requires: &["metadata"],
        public: false,
        run: |call| Box::pin(set_metadata(call)),
    },
    Route {
        name: "GetFileStatus",
        method: Method::GET,
        target: Target::Object,
        requires: &["stat"],
        public: true,
        run: |call| Box::pin(async move { file_status(call) }),
    },
];

/// Replaces all metadata by the request's. The bytes stay, and so does the time of their modification.
async fn set_metadata(call: &mut Call) -> Result<Reply, TosError> {
    let wanted = stored_headers::collect(&call.request.headers);
    let now = call.service.clock.now();
    let (found, ()) = call
        .change_object(move |object, _| {
            object.check_restored(now)?;
            stored_headers::replace_metadata(&mut object.attributes.headers, wanted);
            Ok(())
        })
        .await?;
    Ok(Reply::ok().with_some("x-tos-version-id", found.version_id.as_deref()))
}

fn file_status(call: &Call) -> Result<Reply, TosError> {
    let version_id = call.request.query.non_empty("versionId");
    let found = call.service.store.find(call.bucket(), call.key(), version_id)?;
    let object = &found.object;
    let mut status = json!({
        "Key": call.key(),
        "Size": object.size,
        "LastModified": found.modified.iso(),
        "CRC64": object.crc64.to_string(),
        "Type": object.kind().name(),
    });
    if let Some(etag) = object.quoted_etag() {
        status["ETag"] = etag.into();
    }
    Ok(Reply::json(&status).with_some("x-tos-version-id", found.version_id.as_deref()))
}

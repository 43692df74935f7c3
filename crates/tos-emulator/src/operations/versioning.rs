//! Whether a bucket keeps versions.

use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::{Call, Route, Target, incoming};
use crate::error::TosError;
use crate::reply::Reply;
use crate::store::bucket::Versioning;

pub(super) const ROUTES: &[Route] = &[
    Route {
        name: "PutBucketVersioning",
        method: Method::PUT,
        target: Target::Bucket,
        requires: &["versioning"],
        public: false,
        run: |call| Box::pin(put_versioning(call)),
    },
    Route {
        name: "GetBucketVersioning",
        method: Method::GET,
        target: Target::Bucket,
        requires: &["versioning"],
        public: false,
        run: |call| Box::pin(async move { get_versioning(call) }),
    },
];

#[derive(Deserialize)]
struct VersioningBody {
    #[serde(rename = "Status")]
    status: Versioning,
}

async fn put_versioning(call: &mut Call) -> Result<Reply, TosError> {
    let body: VersioningBody = incoming::json(call).await?;
    let bucket = call.bucket().to_owned();
    call.change(move |store| store.set_versioning(&bucket, body.status))
        .await?;
    Ok(Reply::ok())
}

fn get_versioning(call: &Call) -> Result<Reply, TosError> {
    let settings = call.service.store.bucket_settings(call.bucket())?;
    Ok(Reply::json(
        &settings
            .versioning
            .map_or(json!({}), |versioning| json!({ "Status": versioning })),
    ))
}

//! RenameObject, and the switch of a bucket without which it is refused.

use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::{Call, Route, Target, incoming, put};
use crate::error::TosError;
use crate::reply::Reply;

pub(super) const ROUTES: &[Route] = &[
    Route {
        name: "RenameObject",
        method: Method::PUT,
        target: Target::Object,
        requires: &["rename", "name"],
        public: false,
        run: |call| Box::pin(rename_object(call)),
    },
    Route {
        name: "PutBucketRename",
        method: Method::PUT,
        target: Target::Bucket,
        requires: &["rename"],
        public: false,
        run: |call| Box::pin(put_bucket_rename(call)),
    },
    Route {
        name: "GetBucketRename",
        method: Method::GET,
        target: Target::Bucket,
        requires: &["rename"],
        public: false,
        run: |call| Box::pin(async move { get_bucket_rename(call) }),
    },
    Route {
        name: "DeleteBucketRename",
        method: Method::DELETE,
        target: Target::Bucket,
        requires: &["rename"],
        public: false,
        run: |call| Box::pin(switch(call, false, StatusCode::NO_CONTENT)),
    },
];

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RenameSwitch {
    rename_enable: bool,
}

async fn rename_object(call: &mut Call) -> Result<Reply, TosError> {
    let new_key = call.request.query.non_empty("name").map(str::to_owned);
    let new_key = new_key.ok_or_else(|| TosError::invalid_argument("The new name must not be empty."))?;
    let (bucket, key) = (call.bucket().to_owned(), call.key().to_owned());
    let (now, forbid_overwrite) = (call.service.clock.now(), put::forbids_overwrite(&call.request));
    call.change(move |store| store.rename(&bucket, &key, &new_key, now, forbid_overwrite))
        .await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

async fn put_bucket_rename(call: &mut Call) -> Result<Reply, TosError> {
    let wanted: RenameSwitch = incoming::json(call).await?;
    switch(call, wanted.rename_enable, StatusCode::OK).await
}

async fn switch(call: &Call, enabled: bool, status: StatusCode) -> Result<Reply, TosError> {
    let bucket = call.bucket().to_owned();
    call.change(move |store| store.set_rename(&bucket, enabled))
        .await?;
    Ok(Reply::empty(status))
}

fn get_bucket_rename(call: &Call) -> Result<Reply, TosError> {
    let settings = call.service.store.bucket_settings(call.bucket())?;
    Ok(Reply::json(&RenameSwitch {
        rename_enable: settings.rename_enabled,
    }))
}

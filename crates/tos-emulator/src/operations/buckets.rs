//! Creating, inspecting, listing and deleting buckets.

use http::{Method, StatusCode};
use serde_json::json;

use super::{Call, Route, Target};
use crate::error::TosError;
use crate::reply::Reply;
use crate::store::bucket::BucketSettings;

pub(super) const ROUTES: &[Route] = &[
    Route {
        name: "ListBuckets",
        method: Method::GET,
        target: Target::Service,
        requires: &[],
        public: false,
        run: |call| Box::pin(async move { Ok(list_buckets(call)) }),
    },
    Route {
        name: "CreateBucket",
        method: Method::PUT,
        target: Target::Bucket,
        requires: &[],
        public: false,
        run: |call| Box::pin(create_bucket(call)),
    },
    Route {
        name: "HeadBucket",
        method: Method::HEAD,
        target: Target::Bucket,
        requires: &[],
        public: false,
        run: |call| Box::pin(async move { head_bucket(call) }),
    },
    Route {
        name: "DeleteBucket",
        method: Method::DELETE,
        target: Target::Bucket,
        requires: &[],
        public: false,
        run: |call| Box::pin(delete_bucket(call)),
    },
    Route {
        name: "GetBucketLocation",
        method: Method::GET,
        target: Target::Bucket,
        requires: &["location"],
        public: false,
        run: |call| Box::pin(async move { get_location(call) }),
    },
];

/// The account that everything belongs to.
pub(super) const OWNER_ID: &str = "2100000001";

fn list_buckets(call: &Call) -> Reply {
    let service = &call.service;
    let buckets = service.store.buckets().into_iter().map(|(name, settings)| {
        json!({
            "Name": name,
            "Location": service.region(),
            "CreationDate": settings.created.iso(),
            "ExtranetEndpoint": extranet_endpoint(call),
            "IntranetEndpoint": intranet_endpoint(call),
            "ProjectName": "default",
            "BucketType": "fns",
        })
    });
    Reply::json(&json!({ "Buckets": buckets.collect::<Vec<_>>(), "Owner": { "ID": OWNER_ID } }))
}

async fn create_bucket(call: &mut Call) -> Result<Reply, TosError> {
    let header = |name, default: &str| call.request.header(name).unwrap_or(default).to_owned();
    let acl = header("x-tos-acl", "private");
    let settings = BucketSettings {
        public_read: acl.starts_with("public-read"),
        storage_class: header("x-tos-storage-class", "STANDARD"),
        az_redundancy: header("x-tos-az-redundancy", "single-az"),
        ..BucketSettings::new(call.service.clock.now())
    };
    let name = call.bucket().to_owned();
    if name.len() < 3 {
        return Err(TosError::bad_request(
            "InvalidBucketName",
            "The length of a bucket name must be 3 to 63.",
        ));
    }
    let location = format!("/{name}");
    call.change(move |store| store.create_bucket(&name, settings))
        .await?;
    Ok(Reply::ok().with("location", &location))
}

fn head_bucket(call: &Call) -> Result<Reply, TosError> {
    let settings = call.service.store.bucket_settings(call.bucket())?;
    Ok(Reply::ok()
        .with("x-tos-bucket-region", call.service.region())
        .with("x-tos-storage-class", &settings.storage_class)
        .with("x-tos-az-redundancy", &settings.az_redundancy)
        .with("x-tos-bucket-type", "fns")
        .with("x-tos-project-name", "default"))
}

async fn delete_bucket(call: &mut Call) -> Result<Reply, TosError> {
    let name = call.bucket().to_owned();
    call.change(move |store| store.delete_bucket(&name)).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn get_location(call: &Call) -> Result<Reply, TosError> {
    call.service.store.bucket_settings(call.bucket())?;
    Ok(Reply::json(&json!({
        "Region": call.service.region(),
        "ExtranetEndpoint": extranet_endpoint(call),
        "IntranetEndpoint": intranet_endpoint(call),
    })))
}

fn extranet_endpoint(call: &Call) -> String {
    format!("tos-{}.volces.com", call.service.region())
}

fn intranet_endpoint(call: &Call) -> String {
    format!("tos-{}.ivolces.com", call.service.region())
}

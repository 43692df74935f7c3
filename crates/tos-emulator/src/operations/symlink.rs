//! PutSymlink and GetSymlink.

use http::Method;

use super::{Call, Route, Target, attributes, put};
use crate::error::TosError;
use crate::reply::Reply;
use crate::request::encoding::{decode_text, encode_path};
use crate::store::links::LinkTarget;
use crate::store::object::{Content, Object};

pub(super) const ROUTES: &[Route] = &[
    Route {
        name: "PutSymlink",
        method: Method::PUT,
        target: Target::Object,
        requires: &["symlink"],
        public: false,
        run: |call| Box::pin(put_symlink(call)),
    },
    Route {
        name: "GetSymlink",
        method: Method::GET,
        target: Target::Object,
        requires: &["symlink"],
        public: true,
        run: |call| Box::pin(async move { get_symlink(call) }),
    },
];

const TARGET_HEADER: &str = "x-tos-symlink-target";
const BUCKET_HEADER: &str = "x-tos-symlink-bucket";

async fn put_symlink(call: &mut Call) -> Result<Reply, TosError> {
    let link = Object::link(target(call)?, attributes::of(&call.request.headers)?);
    let (bucket, key) = (call.bucket().to_owned(), call.key().to_owned());
    let (now, forbid_overwrite) = (call.service.clock.now(), put::forbids_overwrite(&call.request));
    let found = call
        .change(move |store| store.put(&bucket, &key, link, now, forbid_overwrite))
        .await?;
    Ok(Reply::ok()
        .with_some("etag", found.object.quoted_etag().as_deref())
        .with_some("x-tos-version-id", found.version_id.as_deref()))
}

/// Where the link leads; whether there is something does not matter yet.
fn target(call: &Call) -> Result<LinkTarget, TosError> {
    let key = call.request.header(TARGET_HEADER).and_then(decode_text);
    let key = key.filter(|key| !key.is_empty()).ok_or_else(|| {
        TosError::invalid_argument("A symbolic link needs x-tos-symlink-target, percent-encoded.")
    })?;
    let bucket = call.request.header(BUCKET_HEADER).unwrap_or(call.bucket());
    Ok(LinkTarget {
        bucket: bucket.to_owned(),
        key,
    })
}

fn get_symlink(call: &Call) -> Result<Reply, TosError> {
    let version_id = call.request.query.non_empty("versionId");
    let found = call.service.store.find(call.bucket(), call.key(), version_id)?;
    let Content::Link(target) = &found.object.content else {
        return Err(TosError::bad_request(
            "NotSymlink",
            "The object is not a symbolic link.",
        ));
    };
    Ok(Reply::ok()
        .with_some("etag", found.object.quoted_etag().as_deref())
        .with("last-modified", &found.modified.http())
        .with(TARGET_HEADER, &encode_path(target.key.as_bytes()))
        .with(BUCKET_HEADER, &target.bucket)
        .with_some("x-tos-version-id", found.version_id.as_deref()))
}

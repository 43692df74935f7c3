//! PutObject.

use http::Method;

use super::{Call, Route, Target, attributes, encryption, incoming};
use crate::error::TosError;
use crate::reply::Reply;
use crate::request::Request;
use crate::request::conditions;
use crate::store::object::Object;
use crate::store::objects::check_key;

pub(super) const ROUTES: &[Route] = &[Route {
    name: "PutObject",
    method: Method::PUT,
    target: Target::Object,
    requires: &[],
    public: false,
    run: |call| Box::pin(put_object(call)),
}];

async fn put_object(call: &mut Call) -> Result<Reply, TosError> {
    check_key(call.key())?;
    call.service.store.bucket_settings(call.bucket())?;
    check_conditions(call)?;
    let attributes = attributes::of(&call.request.headers)?;
    let object = Object::written(incoming::to_blob(call).await?, attributes);
    let (bucket, key) = (call.bucket().to_owned(), call.key().to_owned());
    let (now, forbid_overwrite) = (call.service.clock.now(), forbids_overwrite(&call.request));
    let found = call
        .change(move |store| store.put(&bucket, &key, object, now, forbid_overwrite))
        .await?;
    let reply = Reply::ok()
        .with_some("etag", found.object.quoted_etag().as_deref())
        .with("x-tos-hash-crc64ecma", &found.object.crc64.to_string())
        .with_some("x-tos-version-id", found.version_id.as_deref());
    Ok(encryption::echo(
        reply,
        found.object.attributes.encryption.as_ref(),
    ))
}

/// The object must be there with the ETag, or must not be there with it, that the request says. Clients that must not
/// overwrite anything say `If-None-Match: *`.
pub(super) fn check_conditions(call: &Call) -> Result<(), TosError> {
    let either = |name, alias| call.request.header(name).or_else(|| call.request.header(alias));
    let wanted = either("x-tos-if-match", "if-match");
    let unwanted = either("x-tos-if-none-match", "if-none-match");
    if wanted.is_none() && unwanted.is_none() {
        return Ok(());
    }
    let found = call.service.store.find(call.bucket(), call.key(), None);
    let is_there_with = |etags| {
        let object = found.as_ref().ok().map(|found| &found.object);
        object.is_some_and(|object| conditions::matches(etags, object.etag.as_deref()))
    };
    if wanted.is_some_and(|etags| !is_there_with(etags)) || unwanted.is_some_and(is_there_with) {
        return Err(TosError::precondition_failed());
    }
    Ok(())
}

pub(super) fn forbids_overwrite(request: &Request) -> bool {
    request
        .header("x-tos-forbid-overwrite")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

//! AppendObject.

use http::Method;

use super::{Call, Route, Target, attributes, incoming};
use crate::error::TosError;
use crate::reply::Reply;
use crate::store::append::Appendix;
use crate::store::objects::check_key;

pub(super) const ROUTES: &[Route] = &[Route {
    name: "AppendObject",
    method: Method::POST,
    target: Target::Object,
    requires: &["append"],
    public: false,
    run: |call| Box::pin(append_object(call)),
}];

async fn append_object(call: &mut Call) -> Result<Reply, TosError> {
    check_key(call.key())?;
    call.service.store.bucket_settings(call.bucket())?;
    let offset = offset(call)?;
    let attributes = attributes::of(&call.request.headers)?;
    if attributes.encryption.is_some() {
        return Err(TosError::invalid_argument(
            "Appendable objects cannot be encrypted.",
        ));
    }
    let appendix = Appendix {
        offset,
        written: incoming::to_blob(call).await?,
        attributes,
    };
    let (bucket, key) = (call.bucket().to_owned(), call.key().to_owned());
    let now = call.service.clock.now();
    let found = call
        .change(move |store| store.append(&bucket, &key, appendix, now))
        .await?;
    Ok(Reply::ok()
        .with("x-tos-next-append-offset", &found.object.size.to_string())
        .with("x-tos-hash-crc64ecma", &found.object.crc64.to_string()))
}

fn offset(call: &Call) -> Result<u64, TosError> {
    let offset = call
        .request
        .query
        .get("offset")
        .and_then(|text| text.parse().ok());
    offset.ok_or_else(|| TosError::invalid_argument("The offset must be a number of bytes."))
}

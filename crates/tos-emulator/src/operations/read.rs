//! GetObject and HeadObject.

use std::ops::Range;

use http::{Method, StatusCode};

use super::{Call, Route, Target, encryption, restore, stored_headers, traffic_limit};
use crate::content::range_crc::{ASKED_TRAILER, CODING};
use crate::error::TosError;
use crate::reply::{ObjectBody, Reply, ReplyBody};
use crate::request::Request;
use crate::request::conditions::{self, Unmet};
use crate::request::range::ByteRange;
use crate::signature::Caller;
use crate::store::links::Resolved;
use crate::store::object::{Content, Kind, Object};

pub(super) const ROUTES: &[Route] = &[
    Route {
        name: "GetObject",
        method: Method::GET,
        target: Target::Object,
        requires: &[],
        public: true,
        run: |call| Box::pin(async move { get_object(call) }),
    },
    Route {
        name: "HeadObject",
        method: Method::HEAD,
        target: Target::Object,
        requires: &[],
        public: true,
        run: |call| Box::pin(async move { head_object(call) }),
    },
];

fn get_object(call: &Call) -> Result<Reply, TosError> {
    let found = resolve(call)?;
    found.content().object.check_restored(call.service.clock.now())?;
    let size = found.content().object.size;
    let asked = call.request.header("range").and_then(ByteRange::parse);
    let Some(asked) = asked else {
        return with_body(call, &found, 0..size, head(call, &found));
    };
    let range = asked.within(size).map_err(|_| {
        TosError::new(
            StatusCode::RANGE_NOT_SATISFIABLE,
            "InvalidRange",
            "The requested range is not satisfiable.",
        )
        .with_header("content-range", &format!("bytes */{size}"))
    })?;
    let mut reply = head(call, &found).with("content-range", &content_range(&range, size));
    reply.status = StatusCode::PARTIAL_CONTENT;
    with_body(call, &found, range, reply)
}

/// HEAD takes no notice of `Range`. The length it tells of a link is the link's own.
fn head_object(call: &Call) -> Result<Reply, TosError> {
    let found = resolve(call)?;
    Ok(head(call, &found).with_body(ReplyBody::Announced(found.own.object.size)))
}

fn resolve(call: &Call) -> Result<Resolved, TosError> {
    let version_id = call.request.query.non_empty("versionId");
    let found = call
        .service
        .store
        .resolve(call.bucket(), call.key(), version_id)?;
    check_access(call, &found)?;
    let content = found.content();
    encryption::check_read(&call.request.headers, &content.object)?;
    let etag = content.object.etag.as_deref();
    conditions::check(&call.request.headers, &conditions::OWN, etag, found.modified())
        .map_err(Unmet::of_read)?;
    Ok(found)
}

/// Who may read a link must also be allowed to read its target.
fn check_access(call: &Call, found: &Resolved) -> Result<(), TosError> {
    match &found.own.object.content {
        Content::Link(target) if call.caller == Caller::Anonymous => {
            let settings = call.service.store.bucket_settings(&target.bucket)?;
            settings
                .public_read
                .then_some(())
                .ok_or_else(TosError::access_denied)
        }
        _ => Ok(()),
    }
}

/// Size, ETag, CRC64, storage class, restoration and encryption are those of the content; all else is a link's own.
fn head(call: &Call, found: &Resolved) -> Reply {
    let (own, content) = (&found.own.object, &found.content().object);
    let mut reply = Reply::ok();
    stored_headers::apply(&mut reply, &own.attributes.headers, &call.request.query);
    let target_size = found.target.as_ref().map(|target| target.object.size.to_string());
    let reply = reply
        .with_some("etag", content.quoted_etag().as_deref())
        .with("last-modified", &found.modified().http())
        .with("accept-ranges", "bytes")
        .with("x-tos-hash-crc64ecma", &content.crc64.to_string())
        .with("x-tos-storage-class", &content.attributes.storage_class)
        .with_some("x-tos-object-type", object_type(own.kind()))
        .with_some("x-tos-symlink-target-size", target_size.as_deref())
        .with_some("x-tos-tagging-count", tagging_count(own).as_deref())
        .with_some("x-tos-version-id", found.own.version_id.as_deref());
    let reply = restore::tell(reply, content, call.service.clock.now());
    encryption::echo(reply, content.attributes.encryption.as_ref())
}

/// Objects of the normal kind do not mention it.
fn object_type(kind: Kind) -> Option<&'static str> {
    (kind != Kind::Normal).then(|| kind.name())
}

fn tagging_count(object: &Object) -> Option<String> {
    let count = object.attributes.tags.len();
    (count > 0).then(|| count.to_string())
}

fn with_body(call: &Call, found: &Resolved, range: Range<u64>, mut reply: Reply) -> Result<Reply, TosError> {
    let ranged = reply.status == StatusCode::PARTIAL_CONTENT;
    let range_crc = ranged && call.service.grants_range_crc() && asks_for_range_crc(&call.request);
    if range_crc {
        let own = reply
            .headers
            .get("content-encoding")
            .and_then(|value| value.to_str().ok());
        let coding = own.map_or(CODING.to_owned(), |own| format!("{CODING},{own}"));
        let payload_len = (range.end - range.start).to_string();
        reply = reply
            .with("content-encoding", &coding)
            .with("x-tos-raw-content-length", &payload_len);
    }
    Ok(reply.with_body(ReplyBody::Object(ObjectBody {
        object: found.content().object.clone(),
        range,
        range_crc,
        bytes_per_second: traffic_limit::bytes_per_second(&call.request)?,
    })))
}

fn asks_for_range_crc(request: &Request) -> bool {
    let names = |header, word: &str| {
        let value = request.header(header).unwrap_or_default();
        value
            .split(',')
            .any(|item| item.trim().eq_ignore_ascii_case(word))
    };
    names("x-tos-trailer", ASKED_TRAILER)
        && names("accept-encoding", CODING)
        && !request.query.has("response-content-encoding")
}

fn content_range(range: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end - 1)
}

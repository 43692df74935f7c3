//! What holds the answers of one object together, and what is done where a server refuses to be held.

use std::time::{Duration, SystemTime};

use crate::error::attempt::{AttemptError, ResponseFault};
use crate::object::{Fingerprint, ObjectId};
use crate::range::ByteRange;
use crate::response::ResponseHead;
use crate::source::{RangeRequest, RangeResponse};
use crate::verify::{answered_range, same_object};

/// A modification time tells contents apart only if it was over when it was told (RFC 9110 section 8.8.2.2).
const SETTLED_AFTER: Duration = Duration::from_secs(1);

/// Refuses to ask for more of what nothing tells apart.
pub(super) fn check_request(request: &RangeRequest<'_>) -> Result<(), ResponseFault> {
    match request.pin {
        Some(pin) if !pin.tells_contents_apart() => Err(ResponseFault::Indistinguishable),
        _ => Ok(()),
    }
}

/// Refuses the first answer of several if the next ones could be from another content.
pub(super) fn check_answer(
    request: &RangeRequest<'_>,
    head: &ResponseHead,
    date: Option<SystemTime>,
) -> Result<(), ResponseFault> {
    if request.pin.is_some() || is_pinnable(request.range, head, date) {
        Ok(())
    } else {
        Err(ResponseFault::Indistinguishable)
    }
}

/// Whether a later answer could be told to be from the same content; where all of it comes at once, none is needed.
fn is_pinnable(asked: ByteRange, head: &ResponseHead, date: Option<SystemTime>) -> bool {
    let object = &head.object;
    let settled = |modified| date.is_some_and(|date| modified + SETTLED_AFTER <= date);
    let is_all = |range: ByteRange| {
        range == ByteRange::ALL || range.start() == 0 && range.end() == object.content_length
    };
    head.fingerprint().is_identified()
        || object.last_modified.is_some_and(settled)
        || match answered_range(asked, head) {
            Ok(range) => range.is_none_or(is_all),
            // It is refused for what it is.
            Err(_) => true,
        }
}

/// Whether the server says that the object is not the one that the request is pinned to.
pub(super) fn is_refused(request: &RangeRequest<'_>, error: &AttemptError) -> bool {
    request.pin.is_some() && matches!(error, AttemptError::Server(server) if server.status_code == 412)
}

/// The object of a request, with the version that it is pinned to.
pub(super) fn object_of(request: &RangeRequest<'_>) -> ObjectId {
    let pinned = request.pin.and_then(|pin| pin.version_id.clone());
    let object = request.object.clone();
    let version = object.version_id.clone().or(pinned);
    object.with_version(version)
}

/// The same request without a condition.
pub(super) fn unpinned<'a>(request: RangeRequest<'a>, object: &'a ObjectId) -> RangeRequest<'a> {
    RangeRequest {
        object,
        pin: None,
        ..request
    }
}

/// What to make of a refusal, given the answer to the same request without a condition.
///
/// If that is of the same object, the server refuses the very validator that it gives. A weak ETag must not match, so there its
/// answer is as good as any: that it is of the same object is seen in it.
pub(super) fn judge_refusal(
    pin: &Fingerprint,
    refusal: AttemptError,
    answer: Result<RangeResponse, AttemptError>,
) -> Result<RangeResponse, AttemptError> {
    let Ok(response) = answer else { return Err(refusal) };
    if same_object(pin, &response.head.fingerprint()).is_err() {
        return Err(refusal);
    }
    match &pin.etag {
        Some(etag) if etag.is_weak() => Ok(response),
        Some(etag) => Err(ResponseFault::OwnValidatorRefused(format!("ETag {etag:?}")).into()),
        None => Err(ResponseFault::OwnValidatorRefused("modification time".to_owned()).into()),
    }
}

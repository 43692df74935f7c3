//! What holds the answers of one object together, and what is done where a server refuses to be held.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use crate::error::TosServerError;
use crate::error::attempt::{AttemptError, ResponseFault};
use crate::object::{Fingerprint, ObjectId};
use crate::range::ByteRange;
use crate::response::ResponseHead;
use crate::source::{RangeRequest, RangeResponse};
use crate::verify::{answered_range, same_object};

/// A modification time tells contents apart only if it was over when it was told (RFC 9110 section 8.8.2.2).
const SETTLED_AFTER: Duration = Duration::from_secs(1);

/// Asks for one range, once.
pub(super) trait GetOnce: Sync {
    fn get_once(
        &self,
        request: RangeRequest<'_>,
    ) -> impl Future<Output = Result<RangeResponse, AttemptError>> + Send;
}

/// Asks for ranges of one object each, and knows how a server takes that.
#[derive(Debug, Default)]
pub(super) struct Pinning {
    /// It does not match a weak ETag, as it must not: it is not asked to any more.
    refuses_weak_tags: AtomicBool,
}

impl Pinning {
    /// Asks for a range of the object that the request is pinned to. Where the server says that there is no such object, or no such
    /// range of it, the same is asked without a condition, and the answer looked at.
    pub(super) async fn get(
        &self,
        request: RangeRequest<'_>,
        source: &impl GetOnce,
    ) -> Result<RangeResponse, AttemptError> {
        let Some(pin) = request.pin else {
            return source.get_once(request).await;
        };
        check_pin(pin)?;
        let knows = self.refuses_weak_tags.load(Ordering::Relaxed);
        let tagless = knows.then(|| without_weak_tag(pin)).flatten();
        let pinned = RangeRequest {
            pin: Some(tagless.as_ref().unwrap_or(pin)),
            ..request
        };
        let refusal = match source.get_once(pinned).await {
            Err(AttemptError::Server(server)) if matches!(server.status_code, 412 | 416) => server,
            result => return result,
        };
        let object = object_of(&request);
        let answer = source.get_once(unpinned(request, &object)).await;
        let is_unmet = refusal.status_code == 412;
        let response = judge_refusal(pin, refusal, answer)?;
        if is_unmet {
            self.refuses_weak_tags.store(true, Ordering::Relaxed);
        }
        Ok(response)
    }
}

/// Refuses to ask for more of what nothing tells apart.
fn check_pin(pin: &Fingerprint) -> Result<(), ResponseFault> {
    if pin.tells_contents_apart() {
        Ok(())
    } else {
        Err(ResponseFault::Indistinguishable)
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

/// What to send of a pin where a weak ETag is not matched. The answers are held against all of it.
fn without_weak_tag(pin: &Fingerprint) -> Option<Fingerprint> {
    pin.etag.as_ref().filter(|etag| etag.is_weak())?;
    Some(Fingerprint {
        etag: None,
        ..pin.clone()
    })
}

/// The object of a request, with the version that it is pinned to.
fn object_of(request: &RangeRequest<'_>) -> ObjectId {
    let pinned = request.pin.and_then(|pin| pin.version_id.clone());
    let object = request.object.clone();
    let version = object.version_id.clone().or(pinned);
    object.with_version(version)
}

/// The same request without a condition.
fn unpinned<'a>(request: RangeRequest<'a>, object: &'a ObjectId) -> RangeRequest<'a> {
    RangeRequest {
        object,
        pin: None,
        ..request
    }
}

/// What to make of a refusal, given the answer to the same request without a condition.
///
/// If that is of the same object, the server refuses the very validator that it gives, or bytes that it has. A weak ETag must not match,
/// and a range that is refused once may be one cache's mistake: there the answer is as good as any, since it shows what it is of.
///
/// Where that request fails for a reason of its own, nothing is known of the object.
fn judge_refusal(
    pin: &Fingerprint,
    refusal: Box<TosServerError>,
    answer: Result<RangeResponse, AttemptError>,
) -> Result<RangeResponse, AttemptError> {
    let response = match answer {
        Ok(response) => response,
        Err(AttemptError::Server(server)) if is_of_a_missing_object(server.status_code) => {
            return Err(AttemptError::Server(refusal));
        }
        Err(AttemptError::Response(ResponseFault::Indistinguishable)) => {
            return Err(AttemptError::Server(refusal));
        }
        Err(error) => return Err(error),
    };
    if same_object(pin, &response.head.fingerprint()).is_err() {
        return Err(AttemptError::Server(refusal));
    }
    match &pin.etag {
        _ if refusal.status_code == 416 => Ok(response),
        Some(etag) if etag.is_weak() => Ok(response),
        Some(etag) => Err(ResponseFault::OwnValidatorRefused(format!("ETag {etag:?}")).into()),
        None => Err(ResponseFault::OwnValidatorRefused("modification time".to_owned()).into()),
    }
}

/// Whether a refusal of this status says that the object, or what was asked for of it, is not there.
fn is_of_a_missing_object(status: u16) -> bool {
    matches!(status, 404 | 405 | 410 | 412 | 416)
}

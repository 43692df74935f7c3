//! The first request: it tells what the object is, and its body is already the first piece of it.
//!
//! It is a ranged GET, not a HEAD: the error answer to a HEAD has no body, so the server's code and words would be
//! lost to the user.

use std::num::NonZeroU64;

use super::earlier::{Earlier, Resumable};
use super::{Engine, Spec};
use crate::error::Error;
use crate::error::attempt::{AttemptError, ResponseFault};
use crate::object::Fingerprint;
use crate::range::ByteRange;
use crate::response::ResponseHead;
use crate::retry::{Decision, Patience};
use crate::source::{Attempt, RangeRequest, RangeResponse};
use crate::verify::{Pin, answered_range};

/// What the probe found.
#[derive(Debug)]
pub(super) struct Probed {
    pub(super) head: ResponseHead,
    pub(super) pin: Pin,
    /// Whether the object is the one that the earlier run fetched from; if not, why its checkpoint is of no use.
    pub(super) earlier_fits: Result<bool, String>,
    /// The body that has begun to come, and the range it is for.
    pub(super) opened: Option<(ByteRange, RangeResponse)>,
}

/// Makes the first request, a first piece that is missing.
pub(super) async fn probe(engine: &Engine, spec: &Spec, earlier: &Earlier) -> Result<Probed, Error> {
    let why_not = match earlier.resumable(spec) {
        Ok(Some(resumable)) => match probe_pinned(engine, spec, &resumable).await? {
            Ok(probed) => return Ok(probed),
            Err(changed) => Err(changed),
        },
        Ok(None) => Ok(false),
        Err(reason) => Err(reason),
    };
    probe_fresh(engine, spec, why_not).await
}

/// HEAD, for what needs no bytes. Where it is refused, a GET tells why.
pub(super) async fn head(engine: &Engine, spec: &Spec) -> Result<ResponseHead, Error> {
    let mut patience = Patience::new(spec.first_retries);
    loop {
        let attempt = Attempt {
            number: patience.failures() + 1,
            max_retries: spec.first_retries,
        };
        spec.progress.requested();
        match engine.source.head(&spec.object, attempt).await {
            Ok(head) => return Ok(head),
            Err(AttemptError::Server(server)) if server.status_code < 500 && server.code.is_empty() => {
                let range = ByteRange::new(0, 1).expect("not empty");
                return match ask(engine, spec, range, None).await {
                    Ok(response) => Ok(response.head),
                    Err((attempts, error)) => Err(failed(engine, spec, attempts, error)),
                };
            }
            Err(error) => wait_or_fail(engine, spec, &mut patience, error).await?,
        }
    }
}

/// Goes on with an earlier run's object. The inner error says why that object is not there any more.
async fn probe_pinned(
    engine: &Engine,
    spec: &Spec,
    resumable: &Resumable<'_>,
) -> Result<Result<Probed, String>, Error> {
    let pinned = &resumable.fingerprint;
    let first_gap = resumable.claims.gaps(pinned.size).next();
    // Where nothing is missing, one byte still has to prove that the object is the same.
    let range = first_gap.map_or(ByteRange::new(0, 1).expect("not empty"), |gap| {
        first_piece(gap, spec.part_size)
    });
    let response = match ask(engine, spec, range, Some(pinned)).await {
        Ok(response) => response,
        // 416: the object became so short that the range lies beyond it, and the server looked at that first.
        Err((_, AttemptError::Server(server))) if matches!(server.status_code, 412 | 416) => {
            return Ok(Err("the object was replaced since".to_owned()));
        }
        Err((_, AttemptError::Response(fault @ ResponseFault::Changed { .. }))) => {
            return Ok(Err(fault.to_string()));
        }
        Err((attempts, error)) => return Err(failed(engine, spec, attempts, error)),
    };
    let pin = Pin::new(&response.head);
    let pin = Pin {
        fingerprint: merged(pinned, &pin.fingerprint),
        ..pin
    };
    let head = response.head.clone();
    let opened = first_gap.is_some().then_some((range, response));
    Ok(Ok(Probed {
        head,
        pin,
        earlier_fits: Ok(true),
        opened,
    }))
}

async fn probe_fresh(
    engine: &Engine,
    spec: &Spec,
    earlier_fits: Result<bool, String>,
) -> Result<Probed, Error> {
    let asked = ByteRange::new(0, spec.part_size.get()).expect("a part is not empty");
    let response = match ask(engine, spec, asked, None).await {
        Ok(response) => response,
        // No range of an empty object can be satisfied. HEAD says whether that is so.
        Err((_, AttemptError::Server(server))) if server.status_code == 416 => {
            let head = head(engine, spec).await?;
            if head.object.content_length > 0 {
                return Err(failed(engine, spec, 1, AttemptError::Server(server)));
            }
            return Ok(Probed {
                pin: Pin::new(&head),
                head,
                earlier_fits,
                opened: None,
            });
        }
        Err((attempts, error)) => return Err(failed(engine, spec, attempts, error)),
    };
    let head = response.head.clone();
    let range = answered_range(asked, &head).expect("ask checked the answer");
    Ok(Probed {
        pin: Pin::new(&head),
        head,
        earlier_fits,
        opened: range.map(|range| (range, response)),
    })
}

/// One GET with the patience that a first contact gets; the answer is checked. An error comes with its attempts.
async fn ask(
    engine: &Engine,
    spec: &Spec,
    range: ByteRange,
    pin: Option<&Fingerprint>,
) -> Result<RangeResponse, (u32, AttemptError)> {
    let mut patience = Patience::new(spec.first_retries);
    let mut attempts = 0;
    loop {
        attempts += 1;
        let attempt = Attempt {
            number: attempts,
            max_retries: spec.first_retries,
        };
        let request = RangeRequest {
            object: &spec.object,
            range,
            pin,
            attempt,
        };
        spec.progress.requested();
        let error = match engine.source.get(request).await {
            Ok(response) => match check(range, pin, &response.head) {
                Ok(()) => return Ok(response),
                Err(fault) => fault.into(),
            },
            Err(error) => error,
        };
        match patience.after(&error, fastrand::f64()) {
            Decision::GiveUp => return Err((attempts, error)),
            Decision::RetryAfter(wait) => pause(spec, wait, &error).await,
        }
    }
}

fn check(asked: ByteRange, pin: Option<&Fingerprint>, head: &ResponseHead) -> Result<(), ResponseFault> {
    let answered = answered_range(asked, head)?;
    let Some(pin) = pin else { return Ok(()) };
    crate::verify::same_object(pin, &head.fingerprint())?;
    if answered == Some(asked) {
        Ok(())
    } else {
        Err(ResponseFault::RangeIgnored)
    }
}

async fn pause(spec: &Spec, wait: std::time::Duration, error: &AttemptError) {
    tracing::debug!(object = %spec.object, ?wait, %error, "first request failed, trying again");
    spec.progress.retried();
    tokio::time::sleep(wait).await;
}

async fn wait_or_fail(
    engine: &Engine,
    spec: &Spec,
    patience: &mut Patience,
    error: AttemptError,
) -> Result<(), Error> {
    match patience.after(&error, fastrand::f64()) {
        Decision::GiveUp => Err(failed(engine, spec, patience.failures(), error)),
        Decision::RetryAfter(wait) => {
            pause(spec, wait, &error).await;
            Ok(())
        }
    }
}

fn failed(engine: &Engine, spec: &Spec, attempts: u32, error: AttemptError) -> Error {
    Error::from_attempt(
        &format!("read {} from {}", spec.object, engine.source.endpoint()),
        attempts,
        error,
    )
}

fn first_piece(gap: ByteRange, part_size: NonZeroU64) -> ByteRange {
    let mut plan = crate::plan::Plan::new([gap], part_size);
    plan.take().map_or(gap, |piece| piece.range)
}

/// What two reads of the same object know together.
fn merged(before: &Fingerprint, now: &Fingerprint) -> Fingerprint {
    Fingerprint {
        size: now.size,
        etag: now.etag.clone().or_else(|| before.etag.clone()),
        crc64: now.crc64.or(before.crc64),
        version_id: now.version_id.clone().or_else(|| before.version_id.clone()),
        last_modified: now.last_modified.or(before.last_modified),
    }
}

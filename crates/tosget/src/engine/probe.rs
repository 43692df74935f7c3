//! The first request: it tells what the object is, and its body is already the first piece of it.
//!
//! It is a ranged GET, not a HEAD: the error answer to a HEAD has no body, so the server's code and words would be
//! lost to the user.

use std::num::NonZeroU64;

use super::earlier::{Earlier, Resumable};
use super::question::Question;
use super::{Engine, Spec};
use crate::error::Error;
use crate::error::attempt::{AttemptError, ResponseFault};
use crate::object::{Fingerprint, Printable};
use crate::plan::Plan;
use crate::range::ByteRange;
use crate::response::ResponseHead;
use crate::source::RangeResponse;
use crate::tasks::Slot;
use crate::verify::{Pin, answered_range, same_object};

/// What the probe found.
#[derive(Debug)]
pub(super) struct Probed {
    pub(super) head: ResponseHead,
    pub(super) pin: Pin,
    pub(super) earlier: EarlierFits,
    pub(super) opened: Option<Opened>,
}

/// A body that has begun to come.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) range: ByteRange,
    pub(super) response: RangeResponse,
    /// It is the first task's already.
    pub(super) slot: Slot,
}

impl Probed {
    /// Whether all of a larger object came to a question for its first part: what breaks off can't be gone on with.
    pub(super) fn ignores_ranges(&self) -> bool {
        self.opened.is_some() && self.head.status == 200
    }

    /// Keeps what an earlier run fetched of the object that was found, whatever spoke against it. Where to go on is not known yet.
    fn of_the_same_object(self, pinned: &Fingerprint) -> Self {
        let found = &self.pin.fingerprint;
        // A version that is not told of any more may be what is gone.
        let tells_version = pinned.version_id.is_none() || found.version_id.is_some();
        if !tells_version || same_object(pinned, found).is_err() {
            return self;
        }
        Self {
            pin: Pin {
                fingerprint: merged(pinned, &self.pin.fingerprint),
                ..self.pin
            },
            earlier: EarlierFits::SameObject,
            opened: None,
            ..self
        }
    }

    /// Tells the log what was found.
    pub(super) fn tell(&self) {
        let Fingerprint {
            size,
            etag,
            crc64,
            version_id,
            ..
        } = &self.pin.fingerprint;
        tracing::info!(
            target: super::TARGET,
            size,
            etag = etag.as_ref().map(tracing::field::debug),
            crc64 = crc64.map(tracing::field::display),
            version_id = version_id.as_deref().map(|version| tracing::field::display(Printable(version))),
            request_id = self.head.object.request_id.as_deref().map(|id| tracing::field::display(Printable(id))),
            "object found"
        );
    }
}

/// Whether the object is the one that the earlier run fetched from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EarlierFits {
    /// There was no earlier run.
    Nothing,
    SameObject,
    /// What was left is of no use, and why.
    Useless(String),
}

/// Makes the first request, for a first piece that is missing.
pub(super) async fn probe(engine: &Engine, spec: &Spec, earlier: &Earlier) -> Result<Probed, Error> {
    let question = engine.question(spec);
    if let Some(reason) = spec.one_answer {
        let fits = match earlier.is_nothing() {
            true => EarlierFits::Nothing,
            false => EarlierFits::Useless(reason.to_owned()),
        };
        return probe_fresh(&question, ByteRange::ALL, fits).await;
    }
    let fits = match earlier.resumable(spec) {
        Ok(None) => EarlierFits::Nothing,
        Err(reason) => EarlierFits::Useless(reason),
        Ok(Some(resumable)) => match probe_pinned(&question, spec.part_size, &resumable).await? {
            Ok(probed) => return Ok(probed),
            Err(changed) => EarlierFits::Useless(changed),
        },
    };
    let first_part = ByteRange::new(0, spec.part_size.get()).expect("a part is not empty");
    let probed = probe_fresh(&question, first_part, fits).await?;
    Ok(match earlier.resumable(spec) {
        Ok(Some(resumable)) => probed.of_the_same_object(&resumable.fingerprint),
        _ => probed,
    })
}

/// Goes on with an earlier run's object. The inner error says why that object is not there any more.
///
/// Where the caller has conditions, they go out in place of the pin, so that a refusal is an answer to them and to nothing
/// else; what the answer tells of the object shows as well whether it is the same.
async fn probe_pinned(
    question: &Question<'_>,
    part_size: NonZeroU64,
    resumable: &Resumable<'_>,
) -> Result<Result<Probed, String>, Error> {
    let pinned = &resumable.fingerprint;
    let missing = Plan::new(resumable.claims.gaps(pinned.size), part_size).take();
    // Where nothing is missing, one byte still has to prove that the object is the same.
    let range = missing.map_or_else(|| ByteRange::new(0, 1).expect("not empty"), |piece| piece.range);
    let (response, slot) = match question.get(range, Some(pinned)).await {
        Ok(answered) => answered,
        // 416: the object became so short that the range lies beyond it, and the server looked at that first. The next question tells
        // whether it is so.
        Err((_, AttemptError::Server(server)))
            if server.status_code == 416 || server.status_code == 412 && question.conditions.is_empty() =>
        {
            return Ok(Err("the object was replaced since".to_owned()));
        }
        Err((
            _,
            AttemptError::Response(
                fault @ (ResponseFault::Changed { .. } | ResponseFault::OtherTotal { .. }),
            ),
        )) => {
            return Ok(Err(fault.to_string()));
        }
        // The caller wants whatever version is the current one. Whether there is one, the next question tells.
        Err((_, AttemptError::Server(server)))
            if server.status_code == 404 && question.asks_for_version_of(pinned) =>
        {
            return Ok(Err(
                "the version that was begun with is not there any more".to_owned()
            ));
        }
        Err(unanswered) => return Err(question.failed(unanswered).await),
    };
    let head = response.head.clone();
    let pin = Pin::new(&head);
    let pin = Pin {
        fingerprint: merged(pinned, &pin.fingerprint),
        ..pin
    };
    let opened = missing.map(|_| Opened {
        range,
        response,
        slot,
    });
    Ok(Ok(Probed {
        head,
        pin,
        earlier: EarlierFits::SameObject,
        opened,
    }))
}

async fn probe_fresh(
    question: &Question<'_>,
    asked: ByteRange,
    earlier: EarlierFits,
) -> Result<Probed, Error> {
    let (response, slot) = match question.get(asked, None).await {
        Ok(answered) => answered,
        // No range of an empty object can be satisfied. HEAD says whether that is so.
        Err((attempts, AttemptError::Server(server))) if server.status_code == 416 => {
            let head = question.head().await?;
            if head.object.content_length > 0 {
                let fault = ResponseFault::Status(server.status_code);
                return Err(question.failed((attempts, fault.into())).await);
            }
            return Ok(Probed {
                pin: Pin::new(&head),
                head,
                earlier,
                opened: None,
            });
        }
        Err(unanswered) => return Err(question.failed(unanswered).await),
    };
    let head = response.head.clone();
    let range = answered_range(asked, &head).expect("the answer was checked");
    Ok(Probed {
        pin: Pin::new(&head),
        head,
        earlier,
        opened: range.map(|range| Opened {
            range,
            response,
            slot,
        }),
    })
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

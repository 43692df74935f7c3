//! RestoreObject, and what reads tell about restorations.

use http::{Method, StatusCode};
use serde::Deserialize;

use super::{Call, Route, Target, incoming};
use crate::clock::Timestamp;
use crate::error::TosError;
use crate::reply::Reply;
use crate::store::object::Object;
use crate::store::restore::{Asked, Progress, Tier};

pub(super) const ROUTES: &[Route] = &[Route {
    name: "RestoreObject",
    method: Method::POST,
    target: Target::Object,
    requires: &["restore"],
    public: false,
    run: |call| Box::pin(restore_object(call)),
}];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RestoreBody {
    days: u32,
    #[serde(default)]
    restore_job_parameters: JobParameters,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct JobParameters {
    #[serde(default)]
    tier: Tier,
}

async fn restore_object(call: &mut Call) -> Result<Reply, TosError> {
    let body: RestoreBody = incoming::json(call).await?;
    if body.days == 0 {
        return Err(TosError::invalid_argument("Days must be 1 at least."));
    }
    let tier = body.restore_job_parameters.tier;
    let now = call.service.clock.now();
    let (_, asked) = call
        .change_object(move |object, _| object.restore(now, body.days, tier))
        .await?;
    Ok(Reply::empty(match asked {
        Asked::Started => StatusCode::ACCEPTED,
        Asked::Prolonged => StatusCode::OK,
    }))
}

/// Says in an answer how far the object's restoration has come, if there is one.
pub(super) fn tell(reply: Reply, object: &Object, now: Timestamp) -> Reply {
    let Some(restore) = &object.restore else {
        return reply;
    };
    let state = match restore.progress(now) {
        Progress::Ongoing => "ongoing-request=\"true\"".to_owned(),
        Progress::Done(expiry) => {
            format!("ongoing-request=\"false\", expiry-date=\"{}\"", expiry.http())
        }
        Progress::Expired => return reply,
    };
    reply
        .with("x-tos-restore", &state)
        .with("x-tos-restore-request-date", &restore.requested.http())
        .with("x-tos-restore-expiry-days", &restore.days.to_string())
        .with("x-tos-restore-tier", restore.tier.name())
}

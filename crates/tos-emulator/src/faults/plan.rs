//! The verdicts on one request, put into effect: before it is looked at, on its head, on its body.

use std::future::pending;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, ETAG, HeaderName, HeaderValue, LOCATION, RANGE, SERVER};
use http::{HeaderMap, Method, StatusCode};
use tokio::time::sleep;

use super::book::Strike;
use super::verdict::{CannedAnswer, CannedBody, Verdict};
use crate::content::ByteStream;
use crate::error::TosError;
use crate::reply::{Reply, ReplyBody};
use crate::request::Request;
use crate::service::Service;
use crate::store::object::Content;
use crate::wire::bandwidth::Limit;
use crate::wire::sabotage::{self, Mishap};
use crate::wire::socket::{Connection, Ending};

const CRC_HEADER: HeaderName = HeaderName::from_static("x-tos-hash-crc64ecma");

/// All verdicts on a request.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    strikes: Vec<Strike>,
}

/// An answer in the server's place.
pub(crate) enum Instead {
    Reply(Reply),
    Error(TosError),
}

impl Plan {
    pub(crate) fn new(strikes: Vec<Strike>) -> Self {
        Self { strikes }
    }

    /// Of those that struck: where there is room for one request more, nothing happens to it.
    pub(crate) fn names(&self) -> Vec<String> {
        self.verdicts()
            .filter(|verdict| !matches!(verdict, Verdict::Beyond { .. }))
            .map(|verdict| verdict.name().to_owned())
            .collect()
    }

    /// What happens before the request is looked at. It may take for ever, until the connection is gone.
    pub(crate) async fn before(
        &self,
        service: &Service,
        request: &Request,
        connection: &Connection,
    ) -> Option<Instead> {
        for strike in &self.strikes {
            match &strike.verdict {
                Verdict::Delay { ms } | Verdict::StallBeforeHead { ms: Some(ms) } => {
                    sleep(Duration::from_millis(*ms)).await;
                }
                Verdict::StallBeforeHead { ms: None } => pending().await,
                Verdict::ResetBeforeHead => end(connection, Ending::Reset).await,
                Verdict::CloseBeforeHead => end(connection, Ending::Close).await,
                Verdict::ReplaceObject { seed, size } => replace(service, request, *seed, *size),
                Verdict::Status(answer) => return Some(answer.instead(&request.method)),
                Verdict::Redirect { status, location } => return Some(redirect(*status, location)),
                Verdict::Portal { html } => {
                    return Some(Instead::Reply(with_text(
                        Reply::ok(),
                        "text/html; charset=utf-8",
                        html,
                    )));
                }
                Verdict::MaxConcurrent { limit } if strike.in_flight > *limit => return Some(too_many()),
                _ => {}
            }
        }
        None
    }

    /// Falsifies the request, once its signature was verified.
    pub(crate) fn misread(&self, request: &mut Request) {
        if self
            .verdicts()
            .any(|verdict| matches!(verdict, Verdict::IgnoreRange))
        {
            request.headers.remove(RANGE);
        }
    }

    /// Falsifies the head of the answer.
    pub(crate) fn alter(&self, reply: &mut Reply) {
        for verdict in self.verdicts() {
            match verdict {
                Verdict::WrongContentRange { shift, total } => shift_content_range(reply, *shift, *total),
                Verdict::OtherEtag { etag } => reply.set(ETAG, &format!("\"{etag}\"")),
                Verdict::HideEtag => drop(reply.headers.remove(ETAG)),
                Verdict::UnquotedEtag => rewrite_etag(reply, |etag| etag.trim_matches('"').to_owned()),
                Verdict::WeakEtag => rewrite_etag(reply, |etag| format!("W/{etag}")),
                Verdict::HideCrc => drop(reply.headers.remove(CRC_HEADER)),
                Verdict::WrongCrc => spoil_crc(reply),
                Verdict::ContentEncoding { value } => set(reply, "content-encoding", value),
                Verdict::QosDelay { value } => set(reply, "x-tos-qos-delay-time", value),
                Verdict::SetHeader { name, value } => set(reply, name, value),
                Verdict::RemoveHeader { name } => drop(reply.headers.remove(name.as_str())),
                Verdict::HugeHeader { bytes } => set(reply, "x-padding", &"x".repeat(*bytes)),
                _ => {}
            }
        }
    }

    /// Falsifies what every answer has, once it is ready for the wire.
    pub(crate) fn alter_at_last(&self, headers: &mut HeaderMap) {
        for verdict in self.verdicts() {
            match verdict {
                Verdict::HideLength => drop(headers.remove(CONTENT_LENGTH)),
                Verdict::Portal { .. } => remove_those_of_the_service(headers),
                _ => {}
            }
        }
    }

    pub(crate) fn spoils_range_crc(&self) -> bool {
        self.verdicts()
            .any(|verdict| matches!(verdict, Verdict::WrongRangeCrc))
    }

    /// How many bytes the body is too long by.
    pub(crate) fn extra_bytes(&self) -> u64 {
        let extra = self.verdicts().map(|verdict| {
            if let Verdict::ExtraBytes { bytes } = verdict {
                *bytes
            } else {
                0
            }
        });
        extra.fold(0, u64::saturating_add)
    }

    /// The limits that struck bodies keep to.
    pub(crate) fn limits(&self) -> Vec<Limit> {
        let mut limits = Vec::new();
        for strike in &self.strikes {
            if let Verdict::Bandwidth { per_connection, .. } = strike.verdict {
                limits.extend([strike.shared.bandwidth.clone(), Limit::new(per_connection)]);
            }
        }
        limits
    }

    /// Falsifies a body that begins with the bytes of the object's `range`.
    pub(crate) fn spoil(&self, mut body: ByteStream, range: &Range<u64>) -> ByteStream {
        for verdict in self.verdicts() {
            if let Verdict::FlipByte { offset } = verdict
                && range.contains(offset)
            {
                body = sabotage::flip(body, offset - range.start);
            }
        }
        body
    }

    /// Interrupts the body on its way.
    pub(crate) fn interrupt(&self, mut body: ByteStream, connection: &Arc<Connection>) -> ByteStream {
        for verdict in self.verdicts() {
            let end = |ending| Mishap::End(Arc::clone(connection), ending);
            let (bytes, mishap) = match verdict {
                Verdict::ResetAfter { bytes } => (bytes, end(Ending::Reset)),
                Verdict::CloseAfter { bytes } => (bytes, end(Ending::Close)),
                Verdict::StallAfter { bytes, ms } => (bytes, Mishap::Stall(ms.map(Duration::from_millis))),
                _ => continue,
            };
            body = sabotage::interrupt(body, *bytes, mishap);
        }
        body
    }

    /// What rules count as in flight, to be held until the response is over.
    pub(crate) fn into_strikes(self) -> Vec<Strike> {
        self.strikes
    }

    fn verdicts(&self) -> impl Iterator<Item = &Verdict> {
        self.strikes.iter().map(|strike| &strike.verdict)
    }
}

impl CannedAnswer {
    fn instead(&self, method: &Method) -> Instead {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut reply = Reply::empty(status);
        for (name, value) in &self.headers {
            set(&mut reply, name, value);
        }
        if let Some(ec) = &self.ec {
            set(&mut reply, "x-tos-ec", ec);
        }
        if *method == Method::HEAD {
            return Instead::Reply(reply);
        }
        Instead::Reply(match &self.body {
            CannedBody::Empty => reply,
            CannedBody::Html(text) => with_text(reply, "text/html; charset=utf-8", text),
            CannedBody::Text(text) => with_text(reply, "text/plain; charset=utf-8", text),
            CannedBody::Filler(len) => reply.with_body(ReplyBody::Filler(*len)),
            CannedBody::Json => {
                return Instead::Error(TosError {
                    status,
                    code: self.code.clone().into(),
                    message: self.message.clone().into(),
                    ec: self.ec.clone().map(Into::into),
                    headers: Box::new(reply.headers),
                });
            }
        })
    }
}

async fn end(connection: &Connection, ending: Ending) {
    connection.end_now(ending);
    pending::<()>().await;
}

/// A request without an object, or for one that is not there, replaces nothing. Of a link, what it points to is replaced.
fn replace(service: &Service, request: &Request, seed: u64, size: Option<u64>) {
    let (Some(bucket), Some(key)) = (&request.address.bucket, &request.address.key) else {
        return;
    };
    let Ok(found) = service.store.resolve(bucket, key, None) else {
        return;
    };
    let (bucket, key) = match &found.own.object.content {
        Content::Link(target) => (&target.bucket, &target.key),
        Content::Blobs(_) | Content::Virtual { .. } => (bucket, key),
    };
    let object = &found.content().object;
    let size = size.unwrap_or(object.size);
    if !object.is_virtual(seed, size) {
        // A store that fails here fails for the request itself, too, which will tell.
        let _ = service.put_virtual(bucket, key, size, seed);
    }
}

fn redirect(status: u16, location: &str) -> Instead {
    let mut reply = Reply::empty(StatusCode::from_u16(status).unwrap_or(StatusCode::FOUND));
    reply.set(LOCATION, location);
    Instead::Reply(reply)
}

fn too_many() -> Instead {
    Instead::Error(TosError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "ServiceUnavailable",
        "Too many requests are being answered already.",
    ))
}

fn with_text(reply: Reply, content_type: &str, text: &str) -> Reply {
    reply
        .with_body(ReplyBody::Bytes(text.to_owned().into()))
        .with("content-type", content_type)
}

/// Names and values that cannot stand in a header are left out.
fn set(reply: &mut Reply, name: &str, value: &str) {
    if let Ok(name) = HeaderName::try_from(name) {
        reply.set(name, value);
    }
}

fn rewrite_etag(reply: &mut Reply, rewrite: impl Fn(&str) -> String) {
    let etag = reply.headers.get(ETAG).and_then(|etag| etag.to_str().ok());
    if let Some(etag) = etag.map(rewrite) {
        reply.set(ETAG, &etag);
    }
}

fn remove_those_of_the_service(headers: &mut HeaderMap) {
    let names: Vec<_> = headers.keys().cloned().collect();
    for name in names {
        if name == SERVER || name.as_str().starts_with("x-tos-") {
            headers.remove(name);
        }
    }
}

fn spoil_crc(reply: &mut Reply) {
    let crc = reply
        .headers
        .get(CRC_HEADER)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if let Some(crc) = crc {
        reply.headers.insert(CRC_HEADER, HeaderValue::from(crc ^ 1));
    }
}

fn shift_content_range(reply: &mut Reply, shift: i64, total: Option<u64>) {
    let ReplyBody::Object(body) = &reply.body else {
        return;
    };
    if reply.status == StatusCode::PARTIAL_CONTENT {
        let first = body.range.start.saturating_add_signed(shift);
        let last = (body.range.end - 1).saturating_add_signed(shift);
        let text = format!("bytes {first}-{last}/{}", total.unwrap_or(body.object.size));
        reply.set(http::header::CONTENT_RANGE, &text);
    }
}

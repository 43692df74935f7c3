//! One request from its arrival to its answer: addressed, logged, struck by faults, verified, carried out, answered.

use std::sync::Arc;

use http::header::{CONTENT_LENGTH, DATE, HeaderName, HeaderValue, SERVER};
use http::{HeaderMap, Method, StatusCode};
use hyper::body::Incoming;

use crate::content::{self, ByteStream, range_crc};
use crate::control;
use crate::error::TosError;
use crate::faults::Sighting;
use crate::faults::plan::{Instead, Plan};
use crate::log::{Exchange, RequestRecord};
use crate::operations::incoming::drain;
use crate::operations::{self, Call, Route};
use crate::reply::{Reply, ReplyBody};
use crate::request::Request;
use crate::request::range::ByteRange;
use crate::service::Service;
use crate::signature::Caller;
use crate::signature::canonical::hex;
use crate::wire::bandwidth::{Limit, throttle};
use crate::wire::body::WireBody;
use crate::wire::sabotage;
use crate::wire::socket::Connection;

/// What the requests of one connection have in common.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) service: Arc<Service>,
    pub(crate) connection: Arc<Connection>,
    pub(crate) bandwidth: Limit,
}

impl Session {
    /// Answers a request. Dropped before it is done, it leaves an aborted exchange in the log.
    pub(crate) async fn answer(self, http: http::Request<Incoming>) -> http::Response<WireBody> {
        let (request, body, unreadable) = Request::parse(http, &self.service.addressing);
        if control::is_meant(&request, &self.service) {
            return self.respond(
                control::answer(&self.service, &request, body).await,
                Plan::default(),
                None,
            );
        }
        let route = operations::route(&request);
        let operation = route.as_ref().map_or("Unknown", |route| route.name);
        let request_id = self.service.request_id();
        let exchange = self.begin(&request, operation, &request_id);
        let plan = Plan::new(self.service.faults.judge(&self.sighting(&request, operation)));
        exchange.struck_by(plan.names());

        let host_id = hex(request_id.as_bytes());
        let instead = plan.before(&self.service, &request, &self.connection).await;
        let mut call = Call {
            service: Arc::clone(&self.service),
            request,
            body,
            caller: Caller::Anonymous,
        };
        let done = match instead {
            Some(Instead::Reply(reply)) => Ok(reply),
            Some(Instead::Error(error)) => Err(error),
            None => match unreadable {
                Some(error) => Err(error),
                None => self.carry_out(&mut call, route, &plan).await,
            },
        };
        drain(&call.request, &mut call.body).await;
        let head = call.request;
        let mut reply = done.unwrap_or_else(|error| Reply::error(&error, &head, &request_id, &host_id));
        reply = reply
            .with("x-tos-request-id", &request_id)
            .with("x-tos-id-2", &host_id);
        plan.alter(&mut reply);
        if head.method == Method::HEAD && !matches!(reply.body, ReplyBody::Announced(_)) {
            reply.body = ReplyBody::Empty;
        }
        self.respond(reply, plan, Some(exchange))
    }

    async fn carry_out(
        &self,
        call: &mut Call,
        route: Result<&'static Route, TosError>,
        plan: &Plan,
    ) -> Result<Reply, TosError> {
        call.caller = self
            .service
            .verifier
            .verify(&call.request, self.service.clock.now())?;
        let route = route?;
        if call.caller == Caller::Anonymous {
            self.admit_anyone(&call.request, route)?;
        }
        plan.misread(&mut call.request);
        (route.run)(call).await
    }

    fn admit_anyone(&self, request: &Request, route: &Route) -> Result<(), TosError> {
        let bucket = request.address.bucket.as_deref().filter(|_| route.public);
        match bucket.map(|bucket| self.service.store.bucket_settings(bucket)) {
            Some(Ok(settings)) if settings.public_read => Ok(()),
            Some(Err(error)) => Err(error),
            _ => Err(TosError::access_denied()),
        }
    }

    fn begin(&self, request: &Request, operation: &str, request_id: &str) -> Exchange {
        let header = |name| request.header(name).map(str::to_owned);
        let record = RequestRecord {
            time_ms: self.service.clock.now().millis(),
            connection: self.connection.id,
            method: request.method.to_string(),
            host: request.host.clone(),
            path: request.raw_path.clone(),
            query: request.raw_query.clone(),
            bucket: request.address.bucket.clone(),
            key: request.address.key.clone(),
            operation: operation.to_owned(),
            range: header("range"),
            if_match: header("if-match"),
            user_agent: header("user-agent"),
            retry_count: header("x-sdk-retry-count"),
            headers: loggable(request),
            request_id: request_id.to_owned(),
            ..RequestRecord::default()
        };
        self.service.log.begin(record, Arc::clone(&self.connection))
    }

    fn sighting<'a>(&self, request: &'a Request, operation: &'a str) -> Sighting<'a> {
        let (bucket, key) = (request.address.bucket.as_deref(), request.address.key.as_deref());
        let size = || {
            let found = self
                .service
                .store
                .resolve(bucket?, key?, request.query.non_empty("versionId"));
            Some(found.ok()?.content().object.size)
        };
        let range = match request.header("range").and_then(ByteRange::parse) {
            None => (0, u64::MAX),
            Some(ByteRange::Closed { first, last }) => (first, last.saturating_add(1)),
            Some(ByteRange::Open { first }) => (first, u64::MAX),
            Some(ByteRange::Suffix { len }) => (size().unwrap_or(u64::MAX).saturating_sub(len), u64::MAX),
        };
        Sighting {
            method: request.method.as_str(),
            bucket,
            key,
            operation,
            range,
        }
    }

    /// Makes an answer ready for the wire. Without an exchange it is neither logged nor slowed down.
    fn respond(&self, mut reply: Reply, plan: Plan, exchange: Option<Exchange>) -> http::Response<WireBody> {
        let now = self.service.clock.now();
        reply.set(DATE, &now.http());
        reply.set(SERVER, "TosServer");
        reply.set(
            HeaderName::from_static("x-tos-server-time"),
            &now.seconds().to_string(),
        );

        let (stream, len) = self.body(reply.body, &plan);
        let announced = if reply.status == StatusCode::NOT_MODIFIED || reply.status == StatusCode::NO_CONTENT
        {
            None
        } else {
            Some(len)
        };
        if let Some(len) = announced {
            reply.headers.insert(CONTENT_LENGTH, HeaderValue::from(len));
        }
        plan.alter_at_last(&mut reply.headers);
        let sent_len = if stream.is_some() { len } else { 0 };
        if let Some(exchange) = &exchange {
            exchange.answer(reply.status.as_u16(), head_len(reply.status, &reply.headers));
        }
        let stream = stream.filter(|_| sent_len > 0).map(|stream| {
            let stream = if exchange.is_some() {
                self.slowed(stream, &plan)
            } else {
                stream
            };
            plan.interrupt(stream, &self.connection)
        });
        let body = WireBody::new(stream, sent_len, exchange, plan.into_strikes());
        let mut response = http::Response::new(body);
        *response.status_mut() = reply.status;
        *response.headers_mut() = reply.headers;
        response
    }

    /// The body's bytes and their number; a number without bytes is that of a HEAD.
    fn body(&self, body: ReplyBody, plan: &Plan) -> (Option<ByteStream>, u64) {
        match body {
            ReplyBody::Empty => (None, 0),
            ReplyBody::Announced(len) => (None, len),
            ReplyBody::Filler(len) => (Some(sabotage::filler(len)), len),
            ReplyBody::Bytes(bytes) => {
                let len = bytes.len() as u64;
                (Some(Box::pin(futures_util::stream::iter([Ok(bytes)]))), len)
            }
            ReplyBody::Object(body) => {
                let mut len = body.range.end - body.range.start;
                let mut stream = content::stream(&body.object, body.range.clone(), &self.service.generated);
                if body.range_crc {
                    stream = range_crc::append(stream, plan.spoils_range_crc());
                    len += range_crc::trailer_len();
                }
                if body.bytes_per_second.is_some() {
                    stream = throttle(stream, vec![Limit::new(body.bytes_per_second)]);
                }
                stream = plan.spoil(stream, &body.range);
                let extra = plan.extra_bytes();
                if extra > 0 {
                    stream = sabotage::extend(stream, extra);
                }
                (Some(stream), len.saturating_add(extra))
            }
        }
    }

    fn slowed(&self, stream: ByteStream, plan: &Plan) -> ByteStream {
        let mut limits = plan.limits();
        limits.extend([self.service.total_bandwidth.clone(), self.bandwidth.clone()]);
        throttle(stream, limits)
    }
}

/// The bytes that status line and headers take, as hyper writes them.
fn head_len(status: StatusCode, headers: &HeaderMap) -> u64 {
    let reason = status.canonical_reason().unwrap_or("<none>");
    let status_line = "HTTP/1.1 200 \r\n".len() + reason.len();
    let headers: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    (status_line + headers + 2) as u64
}

/// The headers without what must not be kept.
fn loggable(request: &Request) -> Vec<(String, String)> {
    let secret =
        |name: &str| name == "authorization" || name.ends_with("-customer-key") || name.ends_with("-token");
    let shown = request.headers.iter().map(|(name, value)| {
        let value = if secret(name.as_str()) {
            "…".into()
        } else {
            String::from_utf8_lossy(value.as_bytes())
        };
        (name.as_str().to_owned(), value.into_owned())
    });
    shown.collect()
}

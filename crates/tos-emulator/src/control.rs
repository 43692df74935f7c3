//! The control endpoint: paths below `/_emulator/` on a bare host, unsigned, JSON both ways. The README has the list.

use http::{Method, StatusCode};
use hyper::body::Incoming;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::error::TosError;
use crate::faults::FaultRule;
use crate::operations::incoming::collect;
use crate::reply::Reply;
use crate::request::Request;
use crate::service::Service;

/// No bucket can have this name.
const PREFIX: &str = "/_emulator/";
const MAX_BODY_LEN: usize = 16 << 20;

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    More(Vec<FaultRule>),
    One(Box<FaultRule>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VirtualObject {
    bucket: String,
    key: String,
    size: u64,
    #[serde(default)]
    seed: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ObjectName {
    bucket: String,
    key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewBucket {
    bucket: String,
    #[serde(default)]
    public: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BandwidthCaps {
    #[serde(default)]
    total: Option<u64>,
    #[serde(default)]
    per_connection: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockOffset {
    offset_seconds: i64,
}

pub(crate) fn is_meant(request: &Request, service: &Service) -> bool {
    request.raw_path.starts_with(PREFIX) && service.addressing.is_bare(&request.host)
}

pub(crate) async fn answer(service: &Service, request: &Request, body: Incoming) -> Reply {
    carry_out(service, request, body).await.unwrap_or_else(|error| {
        let mut reply = Reply::json(&json!({ "error": error.message }));
        reply.status = error.status;
        reply
    })
}

async fn carry_out(service: &Service, request: &Request, mut body: Incoming) -> Result<Reply, TosError> {
    let text = collect(&mut body, MAX_BODY_LEN).await?;
    let path = request.raw_path.strip_prefix(PREFIX).unwrap_or_default();
    match (&request.method, path) {
        (&Method::GET, "faults") => return Ok(Reply::json(&service.faults.rules())),
        (&Method::PUT, "faults") => {
            let rules: Vec<FaultRule> = parse(&text)?;
            service.faults.clear();
            rules.into_iter().for_each(|rule| service.faults.add(rule));
        }
        (&Method::POST, "faults") => match parse(&text)? {
            OneOrMore::One(rule) => service.faults.add(*rule),
            OneOrMore::More(rules) => rules.into_iter().for_each(|rule| service.faults.add(rule)),
        },
        (&Method::DELETE, "faults") => service.faults.clear(),
        (&Method::GET, "requests") => return Ok(Reply::json(&service.log.records())),
        (&Method::DELETE, "requests") => service.log.reset(),
        (&Method::GET, "stats") => return Ok(Reply::json(&service.log.stats())),
        (&Method::POST, "objects") => {
            let object: VirtualObject = parse(&text)?;
            let found = service.put_virtual(&object.bucket, &object.key, object.size, object.seed)?;
            return Ok(Reply::json(&json!({
                "etag": found.object.etag,
                "crc64": found.object.crc64.to_string(),
                "size": found.object.size,
                "version_id": found.version_id,
            })));
        }
        (&Method::POST, "restored") => {
            let object: ObjectName = parse(&text)?;
            service.finish_restore(&object.bucket, &object.key)?;
        }
        (&Method::POST, "buckets") => {
            let wanted: NewBucket = parse(&text)?;
            if wanted.public {
                service.public_bucket(&wanted.bucket)?;
            } else {
                service.create_bucket(&wanted.bucket)?;
            }
        }
        (&Method::PUT, "bandwidth") => {
            let caps: BandwidthCaps = parse(&text)?;
            service.total_bandwidth.set(caps.total);
            service.connection_bandwidth.set(caps.per_connection);
        }
        (&Method::PUT, "clock") => service
            .clock
            .set_offset(parse::<ClockOffset>(&text)?.offset_seconds),
        _ => {
            let message = format!("there is no {} {}", request.method, request.raw_path);
            return Err(TosError::new(StatusCode::NOT_FOUND, "NotFound", message));
        }
    }
    Ok(Reply::json(&json!({})))
}

fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, TosError> {
    serde_json::from_slice(text).map_err(|error| TosError::invalid_argument(error.to_string()))
}

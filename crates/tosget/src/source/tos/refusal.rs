//! Answers other than success, read into what the users of TOS know from every SDK.
//!
//! They come from anywhere: the service (JSON), a proxy (HTML), a load balancer (nothing). None of it is trusted to
//! be short, text or true.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::response::Parts;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::answer::{all_text, clock_offset, text};
use super::secrets::{Secrets, without_query, without_signatures};
use crate::error::TosServerError;
use crate::range::parse_decimal;

/// As much of an error's body is read as the official Go SDK reads.
pub(super) const MAX_BODY_BYTES: usize = 64 * 1024;

/// As much is shown of a body that is not the service's.
const MAX_EXCERPT_CHARS: usize = 200;

/// As much is kept of the service's own message.
const MAX_MESSAGE_CHARS: usize = 2000;

/// The service accepts a request whose time is this far from its own.
const ACCEPTED_SKEW_SECONDS: u64 = 15 * 60;

const TIME_TOO_SKEWED: &str = "RequestTimeTooSkewed";

/// Codes that an error number stands for. An answer to HEAD has no body, and so no code, but it has the number.
const CODES: [(&str, &str); 3] = [
    ("0002-00000018", TIME_TOO_SKEWED),
    ("0006-00000001", "NoSuchBucket"),
    ("0017-00000003", "NoSuchKey"),
];

/// Reads the body up to a limit of size and time. What is missing is not missed: the status alone is an answer.
pub(super) async fn read_body(mut body: Incoming, most: usize, limit: Duration) -> Vec<u8> {
    let mut bytes = Vec::new();
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            let piece = frame.into_data().unwrap_or_default();
            let room = most - bytes.len();
            bytes.extend_from_slice(&piece[..piece.len().min(room)]);
            if bytes.len() == most {
                break;
            }
        }
    };
    let _ = timeout(limit, reading).await;
    bytes
}

/// Puts status, headers and body together. `request_url` is shown, so it must hold no signature.
pub(super) fn read(
    parts: &Parts,
    body: &[u8],
    request_url: String,
    now: SystemTime,
    secrets: &Secrets,
) -> TosServerError {
    let headers = &parts.headers;
    let header = |name| text(headers, name).unwrap_or_default();
    let told = Told::read(body, secrets);
    let ec = told.or("EC", header("x-tos-ec"));
    TosServerError {
        status_code: parts.status.as_u16(),
        code: told.or("Code", code_of(&ec)),
        message: message(headers, &told),
        request_id: first(header("x-tos-request-id"), told.field("RequestId")),
        host_id: told.or("HostId", header("x-tos-id-2")),
        ec,
        resource: without_query(&told.field("Resource")),
        delete_marker: text(headers, "x-tos-delete-marker").is_some_and(|value| value == "true"),
        request_url,
        retry_after: retry_after(headers, now),
        clock_offset: clock_offset(headers, now),
        headers: shown(headers),
    }
}

/// All headers, without what opens something at whoever a redirect leads to.
fn shown(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut texts = all_text(headers);
    for (name, value) in &mut texts {
        *value = match name.as_str() {
            "location" | "content-location" | "refresh" | "link" => without_query(value),
            _ => without_signatures(value).into_owned(),
        };
    }
    texts
}

/// Whether a body is written as the service's are: what stands before the service may leave out headers.
pub(super) fn is_of_service(body: &[u8]) -> bool {
    let fields: Option<Map<String, Value>> = serde_json::from_slice(body).ok();
    fields.is_some_and(|fields| {
        ["Code", "EC", "RequestId"]
            .iter()
            .any(|name| fields.contains_key(*name))
    })
}

/// Whether the server refused the request for the time it was signed at.
pub(super) fn is_about_time(error: &TosServerError) -> bool {
    let far = |offset: i64| offset.unsigned_abs() > ACCEPTED_SKEW_SECONDS;
    let unexplained = error.code.is_empty() && error.ec.is_empty();
    error.status_code == 403
        && (error.code == TIME_TOO_SKEWED || unexplained && error.clock_offset.is_some_and(far))
}

/// What the body told: the service's JSON object, or else an excerpt of whatever it is.
struct Told<'a> {
    fields: Map<String, Value>,
    excerpt: String,
    secrets: &'a Secrets,
}

impl<'a> Told<'a> {
    fn read(body: &[u8], secrets: &'a Secrets) -> Self {
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Self {
                fields,
                excerpt: String::new(),
                secrets,
            },
            _ => Self {
                fields: Map::new(),
                excerpt: first_words(body, secrets),
                secrets,
            },
        }
    }

    /// A field's text; empty where it is missing or no text.
    fn field(&self, name: &str) -> String {
        let value = self.fields.get(name).and_then(Value::as_str);
        let text = self.secrets.redact(value.unwrap_or_default());
        excerpt(&without_signatures(&text), MAX_MESSAGE_CHARS)
    }

    fn or(&self, name: &str, otherwise: String) -> String {
        first(self.field(name), otherwise)
    }
}

fn first(text: String, otherwise: String) -> String {
    if text.is_empty() { otherwise } else { text }
}

fn code_of(ec: &str) -> String {
    let known = CODES.iter().find(|(number, _)| *number == ec);
    known.map(|(_, code)| (*code).to_owned()).unwrap_or_default()
}

fn message(headers: &HeaderMap, told: &Told<'_>) -> String {
    let message = told.or("Message", told.excerpt.clone());
    let Some(location) = text(headers, "location") else {
        return message;
    };
    // The query may be a signature.
    let target = excerpt(location.split('?').next().unwrap_or_default(), MAX_EXCERPT_CHARS);
    let redirect = format!("redirects are not followed, and this one leads to {target}");
    if message.is_empty() {
        redirect
    } else {
        format!("{message} ({redirect})")
    }
}

/// How a body begins that is not the service's, for a message.
pub(super) fn first_words(body: &[u8], secrets: &Secrets) -> String {
    let text = secrets.redact(&String::from_utf8_lossy(body));
    excerpt(&without_signatures(&text), MAX_EXCERPT_CHARS)
}

/// One line of printable text, cut after `limit` characters.
pub(super) fn excerpt(text: &str, limit: usize) -> String {
    let spaced: String = text
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect();
    let line = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(limit) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}

/// Either form of `Retry-After`. A date is measured against the server's own clock where it told the time.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = text(headers, "retry-after")?;
    if let Some(seconds) = parse_decimal(value.trim()) {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(value.trim()).ok()?;
    let date = text(headers, "date").and_then(|date| httpdate::parse_http_date(&date).ok());
    Some(until.duration_since(date.unwrap_or(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use http::{HeaderName, Response};

    use super::*;

    fn read_with(status: u16, headers: &[(&'static str, &'static str)], body: &[u8]) -> TosServerError {
        let mut response = Response::builder().status(status).body(()).expect("a response");
        for (name, value) in headers {
            let value = value.parse().expect("a value");
            response
                .headers_mut()
                .append(HeaderName::from_static(name), value);
        }
        let now = UNIX_EPOCH + Duration::from_secs(1_704_164_645);
        read(
            &response.into_parts().0,
            body,
            "https://b.h.test/k".to_owned(),
            now,
            &Secrets::default(),
        )
    }

    #[test]
    fn ids_come_from_the_headers_where_the_body_has_none() {
        let headers = [("x-tos-request-id", "r"), ("x-tos-id-2", "i"), ("x-tos-ec", "e")];
        let error = read_with(500, &headers, b"");
        assert_eq!(
            (
                error.request_id.as_str(),
                error.host_id.as_str(),
                error.ec.as_str()
            ),
            ("r", "i", "e")
        );
        assert_eq!(error.headers.get("x-tos-id-2").map(String::as_str), Some("i"));
        let error = read_with(500, &[], br#"{"RequestId":"rb","HostId":"hb","EC":"eb"}"#);
        assert_eq!(
            (
                error.request_id.as_str(),
                error.host_id.as_str(),
                error.ec.as_str()
            ),
            ("rb", "hb", "eb")
        );
    }

    #[test]
    fn a_body_that_is_not_the_services_is_shown_as_an_excerpt() {
        for (body, message) in [
            (&b""[..], ""),
            (b"oops", "oops"),
            (b"[1, 2]", "[1, 2]"),
            (b"\"Code\"", "\"Code\""),
            (b"{\"Code\":", "{\"Code\":"),
            (b"a\x1b[2J\r\n\t b", "a [2J b"),
            (b"\xff\xfe", "\u{fffd}\u{fffd}"),
        ] {
            let error = read_with(500, &[], body);
            assert_eq!((error.code.as_str(), error.message.as_str()), ("", message));
        }
    }

    #[test]
    fn fields_of_another_type_count_as_absent() {
        let error = read_with(
            400,
            &[("x-tos-ec", "e")],
            br#"{"Code":7,"Message":null,"EC":{},"RequestId":["r"]}"#,
        );
        assert_eq!(
            (error.code.as_str(), error.message.as_str(), error.ec.as_str()),
            ("", "", "e")
        );
    }

    #[test]
    fn a_deep_body_is_no_danger() {
        let error = read_with(500, &[], "[".repeat(MAX_BODY_BYTES).as_bytes());
        assert_eq!(error.status_code, 500);
    }

    #[test]
    fn retry_after_is_read_in_seconds_and_as_a_date() {
        let seconds = |headers: &[(&'static str, &'static str)]| {
            read_with(503, headers, b"")
                .retry_after
                .map(|wait| wait.as_secs())
        };
        let later = ("retry-after", "Tue, 02 Jan 2024 03:04:15 GMT");
        assert_eq!(seconds(&[("retry-after", "120")]), Some(120));
        assert_eq!(seconds(&[later]), Some(10));
        assert_eq!(
            seconds(&[later, ("date", "Tue, 02 Jan 2024 03:04:10 GMT")]),
            Some(5)
        );
        assert_eq!(
            seconds(&[("retry-after", "Tue, 02 Jan 2024 03:00:00 GMT")]),
            Some(0)
        );
        for unreadable in ["", "soon", "-1", "1.5"] {
            assert_eq!(seconds(&[("retry-after", unreadable)]), None, "{unreadable:?}");
        }
        assert_eq!(seconds(&[]), None);
    }

    #[test]
    fn a_redirect_with_a_body_keeps_the_servers_words() {
        let error = read_with(
            301,
            &[("location", "https://other.test/k?X-Tos-Signature=s")],
            br#"{"Code":"PermanentRedirect","Message":"Wrong region."}"#,
        );
        assert_eq!(error.code, "PermanentRedirect");
        assert_eq!(
            error.message,
            "Wrong region. (redirects are not followed, and this one leads to https://other.test/k)"
        );
    }

    #[test]
    fn a_delete_marker_is_told_of() {
        let marker = [("x-tos-delete-marker", "true")];
        let current = read_with(404, &marker, br#"{"Code":"NoSuchKey","Message":"No such key."}"#);
        assert_eq!(
            current.to_string(),
            "the server answered 404 NoSuchKey: No such key; the current version is a delete marker"
        );
        let version = read_with(405, &marker, b"").to_string();
        assert_eq!(version, "the server answered 405; the version is a delete marker");
        assert!(!read_with(404, &[("x-tos-delete-marker", "false")], b"").delete_marker);
        assert!(!read_with(404, &[], b"").delete_marker);
    }

    #[test]
    fn a_refusal_is_about_time_when_the_server_says_so_or_nothing_else_explains_it() {
        let far = ("date", "Tue, 02 Jan 2024 05:00:00 GMT");
        let near = ("date", "Tue, 02 Jan 2024 03:10:00 GMT");
        let about_time =
            |status, headers: &[_], body: &[u8]| is_about_time(&read_with(status, headers, body));
        assert!(about_time(403, &[far], br#"{"Code":"RequestTimeTooSkewed"}"#));
        assert!(about_time(403, &[far, ("x-tos-ec", "0002-00000018")], b""));
        assert!(about_time(403, &[far], b""));
        assert!(!about_time(403, &[near], b""));
        assert!(!about_time(403, &[], b""));
        assert!(!about_time(404, &[far], b""));
        assert!(!about_time(403, &[far], br#"{"Code":"AccessDenied"}"#));
    }
}

//! Whether an answer comes from the service at all. A captive portal, a proxy's page or another server at the same address answers
//! as well, with 200 or a refusal.

use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED};
use http::response::Parts;

/// What may be expected of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Provenance {
    /// The service itself answers: it sends a request id with every answer.
    Service,
    /// Something that need not be the service, or stands before it, such as a CDN.
    Anybody {
        /// Whether the object's name is that of a page.
        names_a_page: bool,
    },
}

const NO_REQUEST_ID: &str = "it has no x-tos-request-id";

/// Endings of names that pages have.
const PAGES: [&str; 4] = ["html", "htm", "xhtml", "shtml"];

impl Provenance {
    /// For an object of this key that is read from a custom domain or a URL.
    pub(super) fn anybody(key: &str) -> Self {
        let name = key.rsplit('/').next().unwrap_or_default();
        let ending = name
            .rsplit_once('.')
            .map(|(_, ending)| ending.to_ascii_lowercase());
        Self::Anybody {
            names_a_page: ending.is_some_and(|ending| PAGES.contains(&ending.as_str())),
        }
    }

    /// What speaks against a refusal, if anything does: only where the service itself is asked, and where it would be believed. Of an
    /// outage anybody may tell. A denial without a word may be a limit on connections, and to 412 and 416 the same is asked in another way.
    pub(super) fn doubt_refusal(self, parts: &Parts, body: &[u8]) -> Option<&'static str> {
        let is_believed = match parts.status.as_u16() {
            304 | 407 | 408 | 429 | 500.. => false,
            401 | 403 | 412 | 416 => !body.is_empty(),
            _ => true,
        };
        let is_of_service = has_service_header(&parts.headers) || super::refusal::is_of_service(body);
        (self == Self::Service && is_believed && !is_of_service).then_some(NO_REQUEST_ID)
    }

    /// What speaks against a successful answer, if anything does.
    pub(super) fn doubt(self, parts: &Parts) -> Option<&'static str> {
        let headers = &parts.headers;
        if has_service_header(headers) {
            return None;
        }
        match self {
            Self::Service => Some(NO_REQUEST_ID),
            Self::Anybody { names_a_page: false } if is_page(headers) => {
                Some("it is a web page, and the object's name is not that of one")
            }
            Self::Anybody { .. } if is_identified(headers) => None,
            Self::Anybody { .. }
                if is_page(headers) || is(headers, CONTENT_LENGTH, |length| length == "0") =>
            {
                Some("nothing in it identifies an object")
            }
            Self::Anybody { .. } => None,
        }
    }
}

/// What kind of thing came, for a message.
pub(super) fn kind(headers: &HeaderMap) -> String {
    let kind = headers
        .get(CONTENT_TYPE)
        .map(|kind| String::from_utf8_lossy(kind.as_bytes()));
    kind.map_or_else(
        || "unknown type".to_owned(),
        |kind| super::refusal::excerpt(&kind, 60),
    )
}

fn has_service_header(headers: &HeaderMap) -> bool {
    let mut ours = headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("x-tos-"));
    ours.any(|(_, value)| !value.as_bytes().trim_ascii().is_empty())
}

fn is_identified(headers: &HeaderMap) -> bool {
    [ETAG, LAST_MODIFIED, CONTENT_RANGE]
        .iter()
        .any(|name| headers.contains_key(name))
}

fn is_page(headers: &HeaderMap) -> bool {
    is(headers, CONTENT_TYPE, |kind| {
        let kind = kind
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        matches!(kind.as_str(), "text/html" | "application/xhtml+xml")
    })
}

fn is(headers: &HeaderMap, name: http::HeaderName, what: impl FnOnce(&str) -> bool) -> bool {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| what(value.trim()))
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    fn doubted(provenance: Provenance, headers: &[(&str, &str)]) -> bool {
        let mut response = Response::builder().status(200);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let (parts, ()) = response.body(()).expect("an answer").into_parts();
        provenance.doubt(&parts).is_some()
    }

    const HTML: (&str, &str) = ("content-type", "Text/HTML; charset=utf-8");
    const TAG: (&str, &str) = ("etag", "\"a\"");

    #[test]
    fn the_service_is_known_by_its_headers_alone() {
        assert!(!doubted(Provenance::Service, &[("x-tos-request-id", "r"), HTML]));
        assert!(!doubted(Provenance::Service, &[("x-tos-hash-crc64ecma", "0")]));
        for headers in [&[][..], &[("x-tos-request-id", " ")], &[TAG], &[TAG, HTML]] {
            assert!(doubted(Provenance::Service, headers), "{headers:?}");
        }
    }

    #[test]
    fn a_refusal_is_the_services_by_its_headers_or_its_words_and_an_outage_is_anybodys() {
        let doubted = |provenance: Provenance, status: u16, header: (&str, &str), body: &[u8]| {
            let response = Response::builder().status(status).header(header.0, header.1);
            let (parts, ()) = response.body(()).expect("an answer").into_parts();
            provenance.doubt_refusal(&parts, body).is_some()
        };
        let code = br#"{"Code":"NoSuchKey"}"#;
        for status in [301, 302, 400, 401, 403, 404] {
            assert!(doubted(Provenance::Service, status, HTML, b"<p>"), "{status}");
            assert!(!doubted(Provenance::Service, status, HTML, code), "{status}");
            assert!(
                !doubted(Provenance::Service, status, ("x-tos-ec", "1"), b""),
                "{status}"
            );
            assert!(
                !doubted(Provenance::anybody("k"), status, HTML, b"<p>"),
                "{status}"
            );
        }
        for status in [304, 407, 408, 429, 500, 502, 503, 504] {
            assert!(!doubted(Provenance::Service, status, HTML, b"<p>"), "{status}");
        }
        for (status, may_be_bare) in [
            (302, false),
            (400, false),
            (404, false),
            (401, true),
            (403, true),
            (412, true),
            (416, true),
        ] {
            let is_doubted = doubted(Provenance::Service, status, HTML, b"");
            assert_eq!(is_doubted, !may_be_bare, "{status}");
            assert!(doubted(Provenance::Service, status, HTML, b"<p>"), "{status}");
        }
    }

    #[test]
    fn of_anybody_else_a_page_is_believed_only_where_one_is_named() {
        for (key, headers, expected) in [
            ("a.bin", &[HTML, TAG][..], true),
            ("a.bin", &[HTML, ("x-tos-request-id", "r")], false),
            ("d/index.HTML", &[HTML, TAG], false),
            ("d/index.html", &[HTML], true),
            ("html", &[HTML, TAG], true),
            ("a.bin", &[("content-length", "0")], true),
            ("a.bin", &[("content-length", "0"), TAG], false),
            ("a.bin", &[("content-length", "7")], false),
            ("a.bin", &[], false),
        ] {
            assert_eq!(
                doubted(Provenance::anybody(key), headers),
                expected,
                "{key} {headers:?}"
            );
        }
    }
}

//! Whether a successful answer comes from the service at all. A captive portal, a proxy's page or another server at the same
//! address answers 200 as well.

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

    /// What speaks against the answer, if anything does.
    pub(super) fn doubt(self, parts: &Parts) -> Option<&'static str> {
        let headers = &parts.headers;
        if has_service_header(headers) {
            return None;
        }
        match self {
            Self::Service => Some("it has no x-tos-request-id"),
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

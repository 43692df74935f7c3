//! A URL keeps every byte of a key, and shows no secret.

use http::uri::PathAndQuery;
use percent_encoding::percent_decode_str;

use crate::endpoint::{Addressing, Endpoint};
use crate::given_url::{GivenUrl, UrlText};
use crate::object::ObjectId;
use crate::object_url::ObjectUrl;
use crate::properties::Tape;

/// The bytes are a key (and a version): whatever is sent means them byte for byte, and nothing of it is normalised.
pub fn object_url(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    let (place, version) = (tape.byte(), tape.text());
    let key = String::from_utf8_lossy(tape.rest()).into_owned();
    let (endpoint, is_custom) = [
        ("tos-r.h.test", false),
        ("http://127.0.0.1:9000", false),
        ("https://cdn.test:444", true),
    ][usize::from(place % 3)];
    let endpoint = Endpoint::parse(endpoint, is_custom).expect("an endpoint");
    let Ok(url) = ObjectUrl::new(&endpoint, &ObjectId::new("bucket", &key)) else {
        assert!(key.is_empty() || key.len() > 1024, "{key:?}");
        return;
    };
    let url = url.with_parameter("versionId", &version);
    let uri = url.to_uri().expect("short enough");
    let sent = uri.path_and_query().map(PathAndQuery::as_str).unwrap_or_default();
    let (path, query) = sent.split_once('?').expect("a query");
    assert_eq!(path, url.path());
    assert!(sent.bytes().all(|byte| byte.is_ascii_graphic()), "{sent:?}");
    let prefix = if endpoint.addressing() == Addressing::Path {
        "/bucket/"
    } else {
        "/"
    };
    assert_eq!(
        decoded(path.strip_prefix(prefix).expect("the bucket")),
        key.as_bytes()
    );
    assert_eq!(
        decoded(query.strip_prefix("versionId=").expect("one parameter")),
        version.as_bytes()
    );
    // What separates in the key separates in the path, and nothing else does.
    assert_eq!(
        path.matches('/').count(),
        prefix.matches('/').count() + key.matches('/').count()
    );
}

/// The bytes are what a user gave for an endpoint: it is refused, or means the same when it is read again; and no refusal
/// and no endpoint holds what could steer a terminal.
pub fn endpoint(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    let is_custom = tape.byte() % 2 == 1;
    let text = String::from_utf8_lossy(tape.rest());
    match Endpoint::parse(&text, is_custom) {
        Ok(endpoint) => {
            let shown = endpoint.to_string();
            assert!(shown.bytes().all(|byte| byte.is_ascii_graphic()), "{shown:?}");
            assert_eq!(Endpoint::parse(&shown, is_custom).as_ref(), Ok(&endpoint));
            let key = ObjectUrl::new(&endpoint, &ObjectId::new("bucket", "k")).expect("legal names");
            assert!(key.to_uri().is_ok() || shown.len() > 60_000, "{shown:?}");
        }
        Err(error) => assert_plain(&error.to_string()),
    }
}

/// The bytes are a URL that a user gave: it is refused, or sent byte for byte; nothing shows what may be a secret of it.
pub fn given_url(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let given = UrlText::new(text.clone());
    let url = match GivenUrl::parse(&given) {
        Ok(url) => url,
        Err(error) => return assert_plain(&error.to_string()),
    };
    let text = text.trim();
    let (_, rest) = text.split_once("://").expect("a scheme");
    let target = rest.find(['/', '?']).map_or("", |at| &rest[at..]);
    let sent = url
        .uri()
        .path_and_query()
        .map(PathAndQuery::as_str)
        .unwrap_or_default();
    assert_eq!(sent.trim_start_matches('/'), target.trim_start_matches('/'));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = path.strip_prefix('/').unwrap_or(path);
    let same = GivenUrl::parse(&UrlText::new(format!("{}/{path}?{query}", url.origin())));
    assert_eq!(same.expect("still a URL").object(), url.object());
    assert_plain(&url.object().to_string());
    // The version is part of the object's name, and may be any text.
    let named = url.object().url.as_deref().unwrap_or_default();
    assert!(!named.contains('?'), "{named}");
    for shown in [format!("{url}"), format!("{url:?}"), format!("{given:?}")] {
        assert_plain(&shown);
        let secret = shown.split_once('?').map_or("", |(_, query)| query);
        assert!(["", "<redacted>"].contains(&secret), "{shown}");
    }
}

fn decoded(text: &str) -> Vec<u8> {
    percent_decode_str(text).collect()
}

#[track_caller]
fn assert_plain(text: &str) {
    assert!(!text.contains(char::is_control), "{text:?}");
}

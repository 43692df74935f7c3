//! Headers that are stored with an object and returned with it.

use std::collections::BTreeMap;

use http::HeaderMap;
use http::header::HeaderName;

use crate::reply::Reply;

/// Standard headers that are stored, each with the query parameter of a GET that overrides it.
const STANDARD: &[(&str, &str)] = &[
    ("cache-control", "response-cache-control"),
    ("content-disposition", "response-content-disposition"),
    ("content-encoding", "response-content-encoding"),
    ("content-language", "response-content-language"),
    ("content-type", "response-content-type"),
    ("expires", "response-expires"),
];
const ALSO_STORED: &[&str] = &["x-tos-website-redirect-location"];
const METADATA_PREFIX: &str = "x-tos-meta-";
const DEFAULT_CONTENT_TYPE: &str = "binary/octet-stream";

/// The headers to store, by lower-case name. Values are kept byte for byte, each byte as one character: encoding
/// metadata is the clients' business.
pub(crate) fn collect(headers: &HeaderMap) -> BTreeMap<String, String> {
    let wanted = |name: &str| {
        STANDARD.iter().any(|(standard, _)| *standard == name)
            || ALSO_STORED.contains(&name)
            || name.starts_with(METADATA_PREFIX)
    };
    headers
        .iter()
        .filter(|(name, _)| wanted(name.as_str()))
        .map(|(name, value)| {
            (
                name.as_str().to_owned(),
                value.as_bytes().iter().map(|&byte| char::from(byte)).collect(),
            )
        })
        .collect()
}

/// Replaces all stored headers but those that are no metadata.
pub(super) fn replace_metadata(stored: &mut BTreeMap<String, String>, wanted: BTreeMap<String, String>) {
    let is_kept = |name: &str| ALSO_STORED.contains(&name);
    stored.retain(|name, _| is_kept(name));
    stored.extend(wanted.into_iter().filter(|(name, _)| !is_kept(name)));
}

/// Puts stored headers into an answer, with the overrides that `query` asks for.
pub(super) fn apply(
    reply: &mut Reply,
    stored: &BTreeMap<String, String>,
    query: &crate::request::query::Query,
) {
    reply.set(http::header::CONTENT_TYPE, DEFAULT_CONTENT_TYPE);
    for (name, value) in stored {
        if let Ok(name) = HeaderName::try_from(name.as_str()) {
            reply.set(name, value);
        }
    }
    for (name, parameter) in STANDARD {
        if let Some(value) = query.non_empty(parameter) {
            reply.set(HeaderName::from_static(name), value);
        }
    }
}

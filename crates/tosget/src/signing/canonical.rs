//! The canonical request: what a TOS4-HMAC-SHA256 signature speaks for, as text.

use std::fmt::Write as _;

use crate::encoding::encode_query;

/// The payload line of a request whose body is not part of the signature.
pub(crate) const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// The parts of a request that are signed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestParts<'a> {
    pub(crate) method: &'a str,
    /// The path as it is sent, percent-encoded, beginning with `/`.
    pub(crate) path: &'a str,
    /// Names and values before encoding, in any order.
    pub(crate) query: &'a [(String, String)],
    /// Lower-case names and the values sent, in any order. All of these are signed.
    pub(crate) headers: &'a [(String, String)],
    /// The value of `x-tos-content-sha256` or its stand-in.
    pub(crate) payload: &'a str,
}

/// A request in its canonical form, with the list of headers that it speaks for.
#[derive(Debug)]
pub(crate) struct CanonicalRequest {
    pub(crate) text: String,
    /// Names joined by `;`.
    pub(crate) signed_headers: String,
}

impl CanonicalRequest {
    pub(crate) fn new(parts: RequestParts<'_>) -> Self {
        let headers = sorted(parts.headers);
        let signed_headers = signed_header_names(parts.headers);
        let mut text = format!(
            "{}\n{}\n{}\n",
            parts.method,
            parts.path,
            canonical_query(parts.query)
        );
        for (name, value) in headers {
            let value = value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
            let _ = writeln!(text, "{name}:{value}");
        }
        let _ = write!(text, "\n{signed_headers}\n{}", parts.payload);
        Self { text, signed_headers }
    }
}

/// Header names in the order of the signature, joined by `;`.
pub(crate) fn signed_header_names(headers: &[(String, String)]) -> String {
    let names: Vec<_> = sorted(headers)
        .into_iter()
        .map(|(name, _)| name.as_str())
        .collect();
    names.join(";")
}

fn canonical_query(query: &[(String, String)]) -> String {
    let pairs: Vec<_> = sorted(query)
        .into_iter()
        .map(|(name, value)| format!("{}={}", encode_query(name), encode_query(value)))
        .collect();
    pairs.join("&")
}

fn sorted(pairs: &[(String, String)]) -> Vec<&(String, String)> {
    let mut sorted: Vec<_> = pairs.iter().collect();
    sorted.sort();
    sorted
}

//! The strings of TOS4-HMAC-SHA256: canonical request, string to sign, signature.
//!
//! Written from the description of the algorithm alone and shared with no client, so that an error on either side shows.

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, Method};
use sha2::{Digest, Sha256};

use crate::request::encoding::{decode, encode_path, encode_query};
use crate::request::query::Query;

/// The SHA-256 of nothing: the payload line of a request that names no digest.
pub(crate) const EMPTY_PAYLOAD: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// The payload line of a request whose body is not signed.
pub(crate) const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// What of a request goes into its signature.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a Method,
    /// As sent; it is decoded and encoded again, so that clients may encode more or less than needed.
    pub(crate) raw_path: &'a str,
    pub(crate) query: &'a Query,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) host: &'a str,
    /// Lower-case names, sorted, joined by `;`.
    pub(crate) signed_headers: &'a str,
}

impl Signed<'_> {
    /// The canonical request with `payload` as its last line.
    pub(crate) fn canonical_request(&self, payload: &str) -> Vec<u8> {
        let mut text = Vec::new();
        for line in [
            self.method.as_str(),
            &self.canonical_path(),
            &self.canonical_query(),
        ] {
            text.extend_from_slice(line.as_bytes());
            text.push(b'\n');
        }
        for name in self.signed_headers.split(';') {
            text.extend_from_slice(name.as_bytes());
            text.push(b':');
            text.extend_from_slice(&self.canonical_value(name));
            text.push(b'\n');
        }
        text.push(b'\n');
        text.extend_from_slice(self.signed_headers.as_bytes());
        text.push(b'\n');
        text.extend_from_slice(payload.as_bytes());
        text
    }

    fn canonical_path(&self) -> String {
        let path = encode_path(&decode(self.raw_path));
        if path.is_empty() { "/".to_owned() } else { path }
    }

    fn canonical_query(&self) -> String {
        let signed = self
            .query
            .iter()
            .filter(|(name, _)| !name.eq_ignore_ascii_case("X-Tos-Signature"));
        let mut pairs: Vec<_> = signed.collect();
        pairs.sort_unstable();
        let encoded: Vec<_> = pairs
            .iter()
            .map(|(name, value)| format!("{}={}", encode_query(name), encode_query(value)))
            .collect();
        encoded.join("&")
    }

    /// All values of a header, joined by commas, with white space trimmed and its inner runs made one space.
    fn canonical_value(&self, name: &str) -> Vec<u8> {
        if name == "host" {
            return self.host.as_bytes().to_vec();
        }
        let values: Vec<_> = self
            .headers
            .get_all(name)
            .iter()
            .map(|value| collapsed(value.as_bytes()))
            .collect();
        values.join(&b',')
    }
}

fn collapsed(value: &[u8]) -> Vec<u8> {
    let words: Vec<_> = value
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .collect();
    words.join(&b' ')
}

/// `date` in its basic form; `scope` is `day/region/tos/request`.
pub(crate) fn string_to_sign(date: &str, scope: &str, canonical_request: &[u8]) -> String {
    format!(
        "TOS4-HMAC-SHA256\n{date}\n{scope}\n{}",
        hex(&Sha256::digest(canonical_request))
    )
}

/// The key for one day, region and service. The secret key is used as the text that it is.
pub(crate) fn signing_key(secret_key: &str, day: &str, region: &str, service: &str) -> [u8; 32] {
    let mut key = hmac(secret_key.as_bytes(), day);
    for word in [region, service, "request"] {
        key = hmac(&key, word);
    }
    key
}

pub(crate) fn signature(signing_key: &[u8; 32], string_to_sign: &str) -> String {
    hex(&hmac(signing_key, string_to_sign))
}

fn hmac(key: &[u8], message: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().into()
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

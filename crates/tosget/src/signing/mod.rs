//! TOS4-HMAC-SHA256, the signature of TOS requests, as pure functions: the time is an argument.
//!
//! It differs from AWS Signature Version 4 in its words, in the secret key (taken as it is, without a prefix) and
//! in what it signs: `host`, `content-type` and the `x-tos-` headers.

mod canonical;
pub(crate) mod presign;
mod timestamp;

#[cfg(test)]
mod vectors;

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::credentials::Credentials;

pub(crate) use canonical::{CanonicalRequest, RequestParts, UNSIGNED_PAYLOAD};
pub(crate) use timestamp::Timestamp;

const ALGORITHM: &str = "TOS4-HMAC-SHA256";

/// Signs in one user's name, for one region, at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signer<'a> {
    pub(crate) credentials: &'a Credentials,
    pub(crate) region: &'a str,
    pub(crate) time: &'a Timestamp,
}

impl Signer<'_> {
    /// The value of the `Authorization` header.
    pub(crate) fn authorization(self, request: &CanonicalRequest) -> String {
        format!(
            "{ALGORITHM} Credential={}, SignedHeaders={}, Signature={}",
            self.credential(),
            request.signed_headers,
            self.signature(request)
        )
    }

    fn signature(self, request: &CanonicalRequest) -> String {
        hex(&hmac(&self.key(), &self.string_to_sign(request)))
    }

    fn string_to_sign(self, request: &CanonicalRequest) -> String {
        let digest = hex(&Sha256::digest(request.text.as_bytes()));
        format!("{ALGORITHM}\n{}\n{}\n{digest}", self.time.as_str(), self.scope())
    }

    fn credential(self) -> String {
        format!("{}/{}", self.credentials.access_key(), self.scope())
    }

    fn scope(self) -> String {
        format!("{}/{}/tos/request", self.time.day(), self.region)
    }

    fn key(self) -> [u8; 32] {
        let secret = self.credentials.secret_key().as_bytes();
        [self.time.day(), self.region, "tos", "request"]
            .iter()
            .fold(None, |key: Option<[u8; 32]>, step| {
                Some(hmac(key.as_ref().map_or(secret, |key| key.as_slice()), step))
            })
            .expect("four steps make a key")
    }
}

fn hmac(key: &[u8], message: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

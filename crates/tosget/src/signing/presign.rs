//! Presigned URLs: the signature in the query, so that whoever holds the URL may ask until it expires.

use std::fmt;

use thiserror::Error;

use super::canonical::{CanonicalRequest, RequestParts, UNSIGNED_PAYLOAD, signed_header_names};
use super::{ALGORITHM, Signer};
use crate::encoding::encode_query;
use crate::object_url::ObjectUrl;

/// How long a presigned URL holds, in seconds.
///
/// *Invariant:* from 1 to 604800 (seven days), the limits of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expiry(u32);

impl Expiry {
    pub(crate) fn from_seconds(seconds: u64) -> Result<Self, ExpiryError> {
        u32::try_from(seconds)
            .ok()
            .filter(|seconds| (1..=604_800).contains(seconds))
            .map(Self)
            .ok_or(ExpiryError(seconds))
    }
}

/// The expiry that was asked for is not one that the service takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a presigned URL can hold from 1 to 604800 seconds, not {0}")]
pub(crate) struct ExpiryError(u64);

/// A URL whose query grants access. `Debug` shows it without that query.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PresignedUrl(String);

impl PresignedUrl {
    /// The whole URL. Whoever reads it may use it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PresignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, _) = self.0.split_once('?').unwrap_or((&self.0, ""));
        write!(f, "{path}?<redacted>")
    }
}

impl Signer<'_> {
    /// A URL that grants `method` on `url` until `expiry` has passed.
    ///
    /// `headers` (lower-case names) become part of the grant: they must be sent with it as they are here.
    pub(crate) fn presign(
        self,
        method: &str,
        url: &ObjectUrl,
        headers: &[(String, String)],
        expiry: Expiry,
    ) -> PresignedUrl {
        let mut headers = headers.to_vec();
        headers.push(("host".to_owned(), url.host().to_owned()));
        let mut query = url.query().to_vec();
        query.extend(self.grant(&headers, expiry));

        let request = CanonicalRequest::new(RequestParts {
            method,
            path: url.path(),
            query: &query,
            headers: &headers,
            payload: payload_line(&headers),
        });
        query.push(("X-Tos-Signature".to_owned(), self.signature(&request)));
        PresignedUrl(format!("{}?{}", url.without_query(), joined(&query)))
    }

    fn grant(self, headers: &[(String, String)], expiry: Expiry) -> Vec<(String, String)> {
        let token = self.credentials.security_token().map(str::to_owned);
        [
            ("X-Tos-Algorithm", Some(ALGORITHM.to_owned())),
            ("X-Tos-Credential", Some(self.credential())),
            ("X-Tos-Date", Some(self.time.as_str().to_owned())),
            ("X-Tos-Expires", Some(expiry.0.to_string())),
            ("X-Tos-Security-Token", token),
            ("X-Tos-SignedHeaders", Some(signed_header_names(headers))),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
    }
}

fn payload_line(headers: &[(String, String)]) -> &str {
    headers
        .iter()
        .find(|(name, _)| name == "x-tos-content-sha256")
        .map_or(UNSIGNED_PAYLOAD, |(_, value)| value)
}

/// A query as the official SDKs write it: a parameter without a value stands bare, though it is signed with `=`.
fn joined(query: &[(String, String)]) -> String {
    let pairs: Vec<_> = query
        .iter()
        .map(|(name, value)| match value.as_str() {
            "" => encode_query(name).to_string(),
            value => format!("{}={}", encode_query(name), encode_query(value)),
        })
        .collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_outside_of_one_second_to_seven_days_does_not_construct() {
        assert_eq!(Expiry::from_seconds(0), Err(ExpiryError(0)));
        assert_eq!(Expiry::from_seconds(604_801), Err(ExpiryError(604_801)));
        assert_eq!(Expiry::from_seconds(u64::MAX), Err(ExpiryError(u64::MAX)));
        assert!(Expiry::from_seconds(1).is_ok() && Expiry::from_seconds(604_800).is_ok());
    }

    #[test]
    fn debug_hides_the_grant() {
        let url = PresignedUrl("https://b.h/k?X-Tos-Signature=abc".into());
        assert_eq!(format!("{url:?}"), "https://b.h/k?<redacted>");
    }
}

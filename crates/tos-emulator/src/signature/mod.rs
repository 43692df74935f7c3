//! Who sent a request: the verification of TOS4-HMAC-SHA256 in its header form and its query (presigned) form.

pub(crate) mod canonical;
pub(crate) mod credential;
#[cfg(test)]
mod vectors;

use http::StatusCode;

use self::canonical::{EMPTY_PAYLOAD, Signed, UNSIGNED_PAYLOAD, signature, signing_key, string_to_sign};
use self::credential::{Credential, CredentialScope};
use crate::clock::Timestamp;
use crate::error::TosError;
use crate::request::Request;

const ALGORITHM: &str = "TOS4-HMAC-SHA256";
/// How far a signed date may be from the server's.
const MAX_SKEW_SECONDS: i64 = 15 * 60;
/// Seven days: the longest life of a presigned URL.
const MAX_EXPIRES_SECONDS: i64 = 604_800;

/// Who a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Signed with a known key.
    Owner,
    /// Not signed at all.
    Anonymous,
}

/// What signatures are judged by.
#[derive(Debug)]
pub(crate) struct Verifier {
    pub(crate) credentials: Vec<Credential>,
    pub(crate) region: String,
}

/// The claims of a signed request, wherever it carries them.
struct Claims<'a> {
    credential: CredentialScope<'a>,
    date: &'a str,
    time: Timestamp,
    signed_headers: &'a str,
    signature: &'a str,
    security_token: Option<&'a str>,
}

impl Verifier {
    pub(crate) fn verify(&self, request: &Request, now: Timestamp) -> Result<Caller, TosError> {
        if let Some(authorization) = request.header("authorization") {
            let claims = header_claims(request, authorization)?;
            check_skew(claims.time, now)?;
            self.check(request, &claims, &header_payloads(request))
        } else if request.query.has("X-Tos-Signature") || request.query.has("X-Tos-Algorithm") {
            let claims = query_claims(request)?;
            check_expiry(request, claims.time, now)?;
            self.check(request, &claims, &[query_payload(request, claims.signed_headers)])
        } else {
            Ok(Caller::Anonymous)
        }
    }

    /// Accepts the request when the signature fits with any of the possible payload lines.
    fn check(&self, request: &Request, claims: &Claims<'_>, payloads: &[&str]) -> Result<Caller, TosError> {
        let named = &claims.credential;
        let known = self
            .credentials
            .iter()
            .find(|credential| credential.access_key == named.access_key);
        let credential = known.ok_or_else(|| {
            TosError::forbidden(
                "InvalidAccessKeyId",
                "The access key id you provided does not exist in our records.",
            )
        })?;
        if credential.security_token.as_deref() != claims.security_token {
            return Err(TosError::forbidden(
                "InvalidSecurityToken",
                "The security token in the request is invalid.",
            ));
        }
        if named.region != self.region || named.service != "tos" || !claims.date.starts_with(named.day) {
            return Err(TosError::bad_request(
                "AuthorizationHeaderMalformed",
                format!(
                    "The credential scope must be <day of x-tos-date>/{}/tos/request.",
                    self.region
                ),
            ));
        }
        check_presence(request, claims.signed_headers)?;

        let signed = Signed {
            method: &request.method,
            raw_path: &request.raw_path,
            query: &request.query,
            headers: &request.headers,
            host: &request.host,
            signed_headers: claims.signed_headers,
        };
        let key = signing_key(&credential.secret_key, named.day, named.region, named.service);
        let fits = |payload: &&str| {
            let text = string_to_sign(claims.date, named.scope, &signed.canonical_request(payload));
            signature(&key, &text) == claims.signature
        };
        if payloads.iter().any(fits) {
            Ok(Caller::Owner)
        } else {
            Err(does_not_match())
        }
    }
}

fn does_not_match() -> TosError {
    TosError::forbidden(
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. \
         Check your secret access key and signing method.",
    )
}

/// Every header of the signed list must have been sent.
fn check_presence(request: &Request, signed_headers: &str) -> Result<(), TosError> {
    let mut names = signed_headers.split(';');
    let all_sent = names.all(|name| name == "host" || request.headers.contains_key(name));
    if all_sent { Ok(()) } else { Err(does_not_match()) }
}

fn header_claims<'a>(request: &'a Request, authorization: &'a str) -> Result<Claims<'a>, TosError> {
    let malformed = || {
        TosError::bad_request(
            "AuthorizationHeaderMalformed",
            "The authorization header that you provided is not valid.",
        )
    };
    let fields = authorization.strip_prefix(ALGORITHM).ok_or_else(malformed)?;
    let field = |name: &str| {
        fields
            .split(',')
            .find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='))
            .ok_or_else(malformed)
    };
    let date = request.header("x-tos-date").ok_or_else(|| {
        TosError::bad_request(
            "MissingSecurityHeader",
            "The request lacks the header x-tos-date.",
        )
    })?;
    Ok(Claims {
        credential: CredentialScope::parse(field("Credential")?).ok_or_else(malformed)?,
        date,
        time: Timestamp::parse_basic(date).ok_or_else(malformed)?,
        signed_headers: field("SignedHeaders")?,
        signature: field("Signature")?,
        security_token: request.header("x-tos-security-token"),
    })
}

fn query_claims(request: &Request) -> Result<Claims<'_>, TosError> {
    let invalid = |name: &str| {
        TosError::bad_request(
            "AuthorizationQueryParametersError",
            format!("The parameter {name} is not valid."),
        )
    };
    let parameter = |name: &'static str| request.query.get(name).ok_or_else(|| invalid(name));
    if parameter("X-Tos-Algorithm")? != ALGORITHM {
        return Err(invalid("X-Tos-Algorithm").with_ec("0002-00000030"));
    }
    let date = parameter("X-Tos-Date")?;
    let credential = parameter("X-Tos-Credential")?;
    Ok(Claims {
        credential: CredentialScope::parse(credential).ok_or_else(|| invalid("X-Tos-Credential"))?,
        date,
        time: Timestamp::parse_basic(date).ok_or_else(|| invalid("X-Tos-Date"))?,
        signed_headers: parameter("X-Tos-SignedHeaders")?,
        signature: parameter("X-Tos-Signature")?,
        security_token: request.query.get("X-Tos-Security-Token"),
    })
}

fn check_skew(signed: Timestamp, now: Timestamp) -> Result<(), TosError> {
    if (now.seconds() - signed.seconds()).abs() <= MAX_SKEW_SECONDS {
        return Ok(());
    }
    Err(TosError::forbidden(
        "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large.",
    )
    .with_ec("0002-00000018"))
}

fn check_expiry(request: &Request, signed: Timestamp, now: Timestamp) -> Result<(), TosError> {
    let expires = request
        .query
        .get("X-Tos-Expires")
        .and_then(|text| text.parse::<i64>().ok());
    let lifetime = expires
        .filter(|seconds| (1..=MAX_EXPIRES_SECONDS).contains(seconds))
        .ok_or_else(|| {
            TosError::bad_request(
                "AuthorizationQueryParametersError",
                "X-Tos-Expires must be a number of seconds from 1 to 604800.",
            )
            .with_ec("0002-00000031")
        })?;
    if now.seconds() > signed.seconds() + lifetime {
        return Err(TosError::new(
            StatusCode::FORBIDDEN,
            "AccessDenied",
            "Request has expired.",
        ));
    }
    if signed.seconds() - now.seconds() > MAX_SKEW_SECONDS {
        return Err(
            TosError::forbidden("RequestTimeTooSkewed", "The request is not valid yet.")
                .with_ec("0002-00000018"),
        );
    }
    Ok(())
}

/// The header's value first, then the empty digest: some clients use that even when the header says otherwise.
fn header_payloads(request: &Request) -> Vec<&str> {
    let named = request.header("x-tos-content-sha256");
    named.into_iter().chain([EMPTY_PAYLOAD]).collect()
}

fn query_payload<'a>(request: &'a Request, signed_headers: &str) -> &'a str {
    let named = request.header("x-tos-content-sha256");
    named
        .filter(|_| {
            signed_headers
                .split(';')
                .any(|name| name == "x-tos-content-sha256")
        })
        .unwrap_or(UNSIGNED_PAYLOAD)
}

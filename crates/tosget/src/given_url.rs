//! A URL that the caller gave, presigned or public: taken apart only as far as needed, and sent byte for byte as it is.
//!
//! Its query may be a key to the object, so nothing here shows it.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime};

use http::Uri;
use http::uri::PathAndQuery;
use percent_encoding::{percent_decode, percent_decode_str};
use thiserror::Error;

use crate::encoding::encode_segment;
use crate::endpoint::{Endpoint, EndpointError, Scheme};
use crate::object::ObjectId;
use crate::range::parse_decimal;
use crate::signing::Timestamp;

/// A shorter value is too common a word to be taken out of a server's text.
pub(crate) const SHORTEST_SECRET: usize = 8;

const REDACTED: &str = "<redacted>";

/// A URL as the caller typed it, not yet looked at. `Debug` shows it without its query.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct UrlText(String);

impl UrlText {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for UrlText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What stands before an @ may be a password.
        match self.0.split_once(['?', '#']) {
            _ if self.0.contains('@') => f.write_str(REDACTED),
            Some((path, _)) => write!(f, "{path:?}?{REDACTED}"),
            None => write!(f, "{:?}", self.0),
        }
    }
}

/// A URL that can be asked for.
#[derive(Clone)]
pub(crate) struct GivenUrl {
    uri: Uri,
    host: String,
    origin: Endpoint,
    object: ObjectId,
    /// Whether the URL claims to be signed for TOS.
    is_signed: bool,
    /// When it was signed, as TOS writes it, and for how long it holds.
    validity: Option<(String, Duration)>,
}

impl GivenUrl {
    /// Reads `http[s]://host[:port]/path[?query]`.
    pub(crate) fn parse(text: &UrlText) -> Result<Self, UrlError> {
        let text = text.0.trim();
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(UrlError::Unencoded);
        }
        if text.contains('#') {
            return Err(UrlError::Fragment);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(at);
        let origin = Endpoint::of_url(scheme, authority).map_err(|error| match error {
            // It may be a part of a password, which is not shown.
            _ if target.contains('@') => UrlError::UserInfo,
            error => error.into(),
        })?;
        let scheme = origin.scheme().as_str();
        let uri: Uri = format!("{scheme}://{authority}{target}")
            .parse()
            .map_err(|_| UrlError::Unsendable)?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let url = Self {
            host: authority.to_owned(),
            object: object(&origin, path, parameter(query, "versionId")),
            is_signed: parameter(query, "X-Tos-Signature").is_some(),
            validity: validity(query),
            origin,
            uri,
        };
        if !url.is_signed && parameter(query, "X-Tos-Algorithm").is_some() {
            return Err(UrlError::CutOff);
        }
        Ok(url)
    }

    /// What to send, byte for byte as it was given. Secret.
    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The value of the `Host` header, which may be signed: as it was given.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Scheme, host and port.
    pub(crate) fn origin(&self) -> &Endpoint {
        &self.origin
    }

    pub(crate) fn is_https(&self) -> bool {
        self.origin.scheme() == Scheme::Https
    }

    /// What the URL names: the same for every URL of the same object, whoever signed it and until when.
    pub(crate) fn object(&self) -> &ObjectId {
        &self.object
    }

    /// Whether it claims to be a presigned URL of TOS.
    pub(crate) fn is_signed(&self) -> bool {
        self.is_signed
    }

    /// Whether its time is over by its own words.
    pub(crate) fn has_expired(&self, now: SystemTime) -> bool {
        self.validity.as_ref().is_some_and(|(signed, holds)| {
            // Both are written so that they sort by time.
            now.checked_sub(*holds)
                .is_some_and(|then| Timestamp::new(then).as_str() > signed.as_str())
        })
    }
}

impl fmt::Display for GivenUrl {
    /// Without the query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.uri.path_and_query().map_or("/", PathAndQuery::path);
        write!(f, "{}{path}", self.origin)
    }
}

impl fmt::Debug for GivenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let query = if self.uri.query().is_some() {
            "?<redacted>"
        } else {
            ""
        };
        write!(f, "{self}{query}")
    }
}

/// Why a URL can't be asked for. Nothing of it is repeated but its host.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum UrlError {
    #[error("the URL does not begin with https:// or http://")]
    Scheme,
    #[error(
        "the URL holds a blank, a control character or one that is not ASCII: these are percent-encoded in a URL"
    )]
    Unencoded,
    #[error("the URL holds a #, which servers never see: in a name it is written %23")]
    Fragment,
    #[error("the URL holds a user name or password, which would not be sent")]
    UserInfo,
    #[error("the URL's host {0:?} is not a host name or an IP address")]
    Host(String),
    #[error("the URL's port {0:?} is not a number from 1 to 65535")]
    Port(String),
    #[error("the URL is too long or holds a character that must be percent-encoded")]
    Unsendable,
    #[error(
        "the URL is cut off: it has X-Tos-Algorithm but no X-Tos-Signature (a shell ends a word at &: put the URL in quotes)"
    )]
    CutOff,
}

impl From<EndpointError> for UrlError {
    fn from(error: EndpointError) -> Self {
        match error {
            EndpointError::UserInfo => Self::UserInfo,
            EndpointError::Host(host) => Self::Host(host),
            EndpointError::Port(port) => Self::Port(port),
            _ => Self::Scheme,
        }
    }
}

fn object(origin: &Endpoint, path: &str, version_id: Option<String>) -> ObjectId {
    let path = if path.is_empty() { "/" } else { path };
    let canonical = canonical_path(path);
    let decoded = percent_decode_str(path).decode_utf8();
    let key = decoded.map_or_else(|_| canonical.clone(), Cow::into_owned);
    ObjectId {
        url: Some(format!("{origin}{canonical}")),
        ..ObjectId::new("", key.strip_prefix('/').unwrap_or(&key))
    }
    .with_version(version_id)
}

/// One spelling for all paths that differ only in what they percent-encode; each signer has its own idea of that. An
/// encoded slash stays encoded, since not every server takes it for a slash.
fn canonical_path(path: &str) -> String {
    let segments: Vec<String> = path
        .split('/')
        .map(|segment| encode_segment(&percent_decode_str(segment).collect::<Vec<u8>>()))
        .collect();
    segments.join("/")
}

/// The first value of a parameter, decoded; names compare as servers compare them, byte for byte.
fn parameter(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (given, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(given) == name).then(|| decoded(value))
    })
}

fn validity(query: &str) -> Option<(String, Duration)> {
    let signed = parameter(query, "X-Tos-Date")?;
    let holds = parse_decimal(&parameter(query, "X-Tos-Expires")?)?;
    // 20240102T030405Z
    (signed.len() == 16).then_some((signed, Duration::from_secs(holds)))
}

/// In a query a + is a blank.
fn decoded(text: &str) -> String {
    let bytes = text.replace('+', " ").into_bytes();
    percent_decode(&bytes).decode_utf8_lossy().into_owned()
}

/// A pair of the query, and its value in both spellings; not the version, which is part of the object's name.
pub(crate) fn secrets_of(pair: &str) -> Vec<String> {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    if value.is_empty() || decoded(name) == "versionId" {
        return Vec::new();
    }
    let mut secrets = vec![pair.to_owned()];
    let spellings = [value.to_owned(), decoded(value)];
    secrets.extend(
        spellings
            .into_iter()
            .filter(|value| value.len() >= SHORTEST_SECRET),
    );
    secrets
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn parse(text: &str) -> Result<GivenUrl, UrlError> {
        GivenUrl::parse(&UrlText::new(text))
    }

    fn url(text: &str) -> GivenUrl {
        parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    const SIGNED: &str = "https://b.tos.test/dir/k?versionId=V1&X-Tos-Algorithm=TOS4-HMAC-SHA256\
        &X-Tos-Credential=AKLT%2F20240102%2Fr%2Ftos%2Frequest&X-Tos-Date=20240102T030405Z&X-Tos-Expires=60\
        &X-Tos-Security-Token=tok%2Ben%3D%3D&X-Tos-SignedHeaders=host&X-Tos-Signature=0123456789abcdef";

    #[test]
    fn every_byte_of_path_and_query_is_sent_as_it_was_given() {
        for target in [
            "/a//b/../%2e%2E/./c",
            "/k?b=2&a=1&&x&y=",
            "/k?q=%2f+%20~!$'()*,;:@/?",
            "/%E6%A8%A1.bin?X-Tos-Signature=AbC",
            "/",
        ] {
            let uri = url(&format!("https://Host.test:443{target}")).uri().clone();
            assert_eq!(uri.path_and_query().map(PathAndQuery::as_str), Some(target));
        }
        assert_eq!(url("HTTPS://Host.test:443/k").host(), "Host.test:443");
        assert_eq!(url("HTTPS://Host.test/k").uri().scheme_str(), Some("https"));
    }

    #[test]
    fn an_object_is_the_same_whatever_the_query_and_the_spelling() {
        let same = url("https://h.test/a%20b/%7Ec+d?x=1").object().clone();
        assert_eq!(same.to_string(), "https://h.test/a%20b/~c%2Bd");
        for other in [
            "https://H.test:443/a%20b/~c%2Bd",
            "HTTPS://h.test/a%20b/~c%2bd?X-Tos-Signature=s",
        ] {
            assert_eq!(*url(other).object(), same, "{other}");
        }
        for different in [
            "http://h.test/a%20b/~c+d",
            "https://h.test:444/a%20b/~c+d",
            "https://h.test/a%20b%2F~c+d",
            "https://h.test/a%20b//~c+d",
            "https://h.test/a%20b/~c+d?versionId=1",
        ] {
            assert_ne!(*url(different).object(), same, "{different}");
        }
    }

    #[test]
    fn the_path_decoded_is_the_key_and_its_last_segment_the_name() {
        for (text, key, name) in [
            ("https://h/b/d/%E6%A8%A1%20x.bin?a=/z", "b/d/模 x.bin", "模 x.bin"),
            ("https://h/a%2Fb", "a/b", "b"),
            ("https://h/..%2F..%2Fetc%2fpasswd", "../../etc/passwd", "passwd"),
            ("https://h/a/..", "a/..", ".."),
            ("https://h/a/", "a/", ""),
            ("https://h?x", "", ""),
            ("https://h/%ff", "%FF", "%FF"),
        ] {
            let object = url(text).object().clone();
            assert_eq!(
                (object.key.as_str(), object.name_below_directory()),
                (key, name),
                "{text}"
            );
        }
    }

    #[test]
    fn what_cannot_be_asked_for_is_refused_and_not_repeated() {
        for (text, error) in [
            ("", UrlError::Scheme),
            ("ftp://h/hunter2", UrlError::Scheme),
            ("h/k?hunter2", UrlError::Scheme),
            ("https://h/a b?hunter2", UrlError::Unencoded),
            ("https://h/模?hunter2", UrlError::Unencoded),
            ("https://h/a#hunter2", UrlError::Fragment),
            ("https://u:hunter2@h/k", UrlError::UserInfo),
            ("https://u:hunter2/x@h/k", UrlError::UserInfo),
            ("https://u:hunter2?x@h/k", UrlError::UserInfo),
            ("https://hunter2%/x@h/k", UrlError::UserInfo),
            ("https:///k?hunter2", UrlError::Host(String::new())),
            ("https://h:0/k?hunter2", UrlError::Port("0".into())),
            ("https://h/k?X-Tos-Algorithm=TOS4-HMAC-SHA256", UrlError::CutOff),
            (
                &format!("https://h/{}", "hunter2".repeat(10_000)),
                UrlError::Unsendable,
            ),
        ] {
            let refusal = parse(text).map(|_| ()).expect_err(text);
            assert_eq!(refusal, error, "{text}");
            assert!(!format!("{refusal} {refusal:?}").contains("hunter2"));
        }
    }

    #[test]
    fn nothing_shows_the_query() {
        let given = url(SIGNED);
        let texts = [
            format!("{given} {given:?} {:?}", given.object()),
            format!("{:?}", UrlText::new(SIGNED)),
            format!("{:?}", UrlText::new("https://u:Signature@h/k")),
        ];
        for text in texts {
            assert!(!text.contains("Signature") && !text.contains("AKLT"), "{text}");
        }
    }

    #[test]
    fn its_own_words_tell_when_it_has_expired() {
        // 2024-01-02T03:04:05Z.
        let signed = UNIX_EPOCH + Duration::from_secs(1_704_164_645);
        let given = url(SIGNED);
        assert!(given.is_signed());
        assert!(!given.has_expired(signed + Duration::from_secs(60)));
        assert!(given.has_expired(signed + Duration::from_secs(61)));
        assert!(!url("https://h/k").has_expired(signed));
    }
}

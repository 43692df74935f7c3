//! What of a request nobody may see, taken out of whatever its answer says: some servers repeat what they were asked.

use std::borrow::Cow;
use std::cmp::Reverse;

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, HeaderValue, Request};

use crate::given_url::{SHORTEST_SECRET, secrets_of};

const REDACTED: &str = "<redacted>";

/// Headers that a download goes by. They are left as they came.
const READ: [HeaderName; 9] = [
    ETAG,
    LAST_MODIFIED,
    DATE,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_ENCODING,
    HeaderName::from_static("x-tos-hash-crc64ecma"),
    HeaderName::from_static("x-tos-version-id"),
    HeaderName::from_static("x-tos-raw-content-length"),
];

/// How the names of parameters end whose values open something, somewhere.
const TELLTALES: [&str; 6] = [
    "signature=",
    "token=",
    "credential=",
    "accesskeyid=",
    "sig=",
    "auth_key=",
];

/// The secrets of one request, the longest first: one may be part of another.
#[derive(Debug, Default)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// Its query, but for the version, which is part of the object's name; and the values of headers that are marked as sensitive.
    pub(super) fn of<B>(request: &Request<B>, proxy_authorization: Option<&HeaderValue>) -> Self {
        let query = request.uri().query().unwrap_or_default();
        let mut secrets: Vec<String> = query.split('&').flat_map(secrets_of).collect();
        if !secrets.is_empty() {
            secrets.push(query.to_owned());
        }
        let sensitive = request.headers().values().filter(|value| value.is_sensitive());
        for value in sensitive
            .chain(proxy_authorization)
            .filter_map(|value| value.to_str().ok())
        {
            // Of "TOS4-HMAC-SHA256 …, Signature=…" and "Basic …", the end alone tells as much.
            let end = value.rsplit_once(['=', ' ']).map(|(_, end)| end);
            secrets.extend(end.filter(|end| end.len() >= SHORTEST_SECRET).map(str::to_owned));
            secrets.push(value.to_owned());
        }
        secrets.sort_by_key(|secret| Reverse(secret.len()));
        Self(secrets)
    }

    /// Takes them out of a text.
    pub(super) fn redact(&self, text: &str) -> String {
        let told = self.0.iter().filter(|secret| text.contains(secret.as_str()));
        told.fold(text.to_owned(), |text, secret| text.replace(secret, REDACTED))
    }

    /// Takes them out of the headers that nothing but people read.
    pub(super) fn redact_headers(&self, headers: &mut HeaderMap) {
        for (_, value) in headers.iter_mut().filter(|(name, _)| !READ.contains(name)) {
            let text = String::from_utf8_lossy(value.as_bytes());
            if self.0.iter().any(|secret| text.contains(secret.as_str())) {
                *value = HeaderValue::from_bytes(self.redact(&text).as_bytes())
                    .unwrap_or_else(|_| HeaderValue::from_static(REDACTED));
            }
        }
    }
}

/// A text without the values of parameters that open something: a server may name a URL that another server signed.
pub(super) fn without_signatures(text: &str) -> Cow<'_, str> {
    let lower = text.to_ascii_lowercase();
    if !TELLTALES.iter().any(|name| lower.contains(name)) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(value) = next_value(&lower, at) {
        shown.push_str(&text[at..value]);
        shown.push_str(REDACTED);
        let ends = |character: char| character.is_whitespace() || "&\"'<>;,)]}\\".contains(character);
        at = text[value..].find(ends).map_or(text.len(), |len| value + len);
    }
    shown.push_str(&text[at..]);
    Cow::Owned(shown)
}

/// Where the next value begins that opens something.
fn next_value(lower: &str, from: usize) -> Option<usize> {
    let ends = TELLTALES
        .iter()
        .filter_map(|name| Some(from + lower[from..].find(name)? + name.len()));
    ends.min()
}

/// A URL without its query, which may be a signature whatever its parameters are called.
pub(super) fn without_query(url: &str) -> String {
    match url.split_once('?') {
        Some((path, _)) => format!("{path}?{REDACTED}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use http::header::{AUTHORIZATION, LOCATION};

    use super::*;

    const SIGNED: &str = "https://b.tos.test/dir/k?versionId=V1&X-Tos-Algorithm=TOS4-HMAC-SHA256\
        &X-Tos-Credential=AKLT%2F20240102%2Fr%2Ftos%2Frequest&X-Tos-Date=20240102T030405Z&X-Tos-Expires=60\
        &X-Tos-Security-Token=tok%2Ben%3D%3D&X-Tos-SignedHeaders=host&X-Tos-Signature=0123456789abcdef";

    fn secrets(url: &str) -> Secrets {
        let mut authorization =
            HeaderValue::from_static("TOS4-HMAC-SHA256 Credential=AK1, Signature=feedbeef");
        authorization.set_sensitive(true);
        let request = Request::get(url).header(AUTHORIZATION, authorization).body(());
        Secrets::of(
            &request.expect("a request"),
            Some(&HeaderValue::from_static("Basic dXNlcjpw")),
        )
    }

    #[test]
    fn what_a_server_repeats_of_the_request_is_taken_out() {
        let secrets = secrets(SIGNED);
        let (_, query) = SIGNED.split_once('?').expect("a query");
        for text in [
            format!("not found: /dir/k?{query}"),
            "signature 0123456789abcdef, credential AKLT/20240102/r/tos/request".to_owned(),
            "token tok+en== or tok%2Ben%3D%3D".to_owned(),
            "Authorization: TOS4-HMAC-SHA256 Credential=AK1, Signature=feedbeef".to_owned(),
            "feedbeef is not the signature, dXNlcjpw no password".to_owned(),
        ] {
            let shown = secrets.redact(&text);
            for secret in [
                "0123456789abcdef",
                "AKLT",
                "tok+en",
                "tok%2Ben",
                "feedbeef",
                "dXNlcjpw",
            ] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
        assert_eq!(secrets.redact("version V1 is gone"), "version V1 is gone");
    }

    #[test]
    fn headers_that_a_download_goes_by_stay_as_they_came() {
        let mut headers = HeaderMap::new();
        headers.insert(
            LOCATION,
            HeaderValue::from_static("/k?X-Tos-Signature=0123456789abcdef"),
        );
        headers.insert(ETAG, HeaderValue::from_static("0123456789abcdef"));
        secrets(SIGNED).redact_headers(&mut headers);
        assert_eq!(headers[LOCATION], "/k?<redacted>");
        assert_eq!(headers[ETAG], "0123456789abcdef");
    }

    #[test]
    fn values_that_open_something_are_taken_out_whoever_made_them() {
        for (text, shown) in [
            (
                "see https://h/k?a=1&X-Amz-Signature=s3cr3t&b=2.",
                "see https://h/k?a=1&X-Amz-Signature=<redacted>&b=2.",
            ),
            (
                "\"/k?sig=x%2F\" and 'token=ä'",
                "\"/k?sig=<redacted>\" and 'token=<redacted>'",
            ),
            ("the signature does not match", "the signature does not match"),
        ] {
            assert_eq!(without_signatures(text), shown);
        }
        assert_eq!(without_query("https://h/k?q=s"), "https://h/k?<redacted>");
    }
}

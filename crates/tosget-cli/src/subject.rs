//! What `get` and `stat` are about: an object of the service, or what is at a URL.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::object_name::ObjectName;
use crate::printable::printable;

/// As typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Object(ObjectName),
    Url(Url),
}

/// A URL whose query may be a key to the object, and which may hold a password. Shown without them.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Url(pub(crate) String);

impl Url {
    /// Scheme, host and path.
    pub(crate) fn shown(&self) -> String {
        let user_info = user_info(&self.0);
        let (scheme, rest) = (&self.0[..user_info.start], &self.0[user_info.end..]);
        format!("{scheme}{}", rest.split(['?', '#']).next().unwrap_or_default())
    }

    /// What is not shown: user name and password with their @, and the query.
    pub(crate) fn secrets(&self) -> [&str; 2] {
        let query = self.0.split_once('?').map(|(_, query)| query);
        [&self.0[user_info(&self.0)], query.unwrap_or_default()]
    }
}

/// Where user name, password and their @ stand; empty where there are none. A password may hold what ends a host elsewhere.
fn user_info(url: &str) -> Range<usize> {
    let scheme = url.find("://").filter(|at| !url[..*at].contains(['?', '#', '@']));
    let start = scheme.map_or(0, |at| at + "://".len());
    let rest = &url[start..];
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let at = match authority.rfind('@') {
        None if !is_host_and_port(authority) => rest.rfind('@'),
        at => at,
    };
    start..at.map_or(start, |at| start + at + 1)
}

fn is_host_and_port(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (text, ""),
    };
    let is_of_hosts = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.[:]".contains(&byte);
    host.bytes().all(is_of_hosts) && port.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.shown(), f)
    }
}

impl FromStr for Subject {
    type Err = String;

    /// What looks like a URL is taken for one, and judged by the library: whoever refuses an argument here repeats it
    /// in the error, query and all.
    fn from_str(text: &str) -> Result<Self, String> {
        let has_scheme = |scheme: &str| {
            text.get(..scheme.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        };
        let is_url = has_scheme("https://") || has_scheme("http://") || text.contains('?');
        if is_url && !text.starts_with("tos://") {
            return Ok(Self::Url(Url(text.to_owned())));
        }
        text.parse()
            .map(Self::Object)
            .map_err(|reason: String| format!("{reason}; or give a URL, https://…"))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(name) => write!(f, "{name}"),
            Self::Url(url) => f.write_str(&printable(&url.shown())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_told_from_names() {
        for text in [
            "https://h/k",
            "HTTP://h/k?X-Tos-Signature=s",
            "htps://h/k?s",
            "h/k?X-Tos-Signature=s",
        ] {
            assert!(matches!(text.parse(), Ok(Subject::Url(_))), "{text}");
        }
        for text in ["tos://b/k", "tos://b/https://h/k?x=1", "tos://b/a?b#c"] {
            assert!(matches!(text.parse(), Ok(Subject::Object(_))), "{text}");
        }
        for text in ["", "bkt/k", "s3://b/k", "tos://b"] {
            let refusal = text.parse::<Subject>().expect_err(text);
            assert!(
                refusal.contains("tos://BUCKET/KEY") && refusal.contains("https://"),
                "{refusal}"
            );
        }
    }

    #[test]
    fn user_name_and_password_are_not_shown() {
        for (text, shown) in [
            ("https://u:p@h/k?q", "https://h/k"),
            ("https://u@h:1/k", "https://h:1/k"),
            ("https://u:a@b@h", "https://h"),
            ("https://u:a/b@h/k", "https://h/k"),
            ("https://u:a?b#c@h/k", "https://h/k"),
            ("u:p@h/k?u=https://x", "h/k"),
            ("https://h:80/@s/k?m=a@b", "https://h:80/@s/k"),
            ("https://[::1]:80/a@b", "https://[::1]:80/a@b"),
            ("https://h?a@b", "https://h"),
        ] {
            assert_eq!(Url(text.to_owned()).shown(), shown, "{text}");
        }
    }

    #[test]
    fn the_query_is_not_shown() {
        let subject: Subject = "https://h/k?X-Tos-Signature=s".parse().expect("a URL");
        assert_eq!(subject.to_string(), "https://h/k");
        assert!(!format!("{subject:?}").contains("Signature"));
    }
}

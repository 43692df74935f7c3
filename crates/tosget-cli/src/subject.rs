//! What `get` and `stat` are about: an object of the service, or what is at a URL.

use std::fmt;
use std::str::FromStr;

use crate::object_name::ObjectName;
use crate::printable::printable;

/// As typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Object(ObjectName),
    Url(Url),
}

/// A URL whose query may be a key to the object. Shown without it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Url(pub(crate) String);

impl Url {
    /// What stands before the query.
    pub(crate) fn without_query(&self) -> &str {
        self.0.split(['?', '#']).next().unwrap_or_default()
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.without_query(), f)
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
            Self::Url(url) => f.write_str(&printable(url.without_query())),
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
    fn the_query_is_not_shown() {
        let subject: Subject = "https://h/k?X-Tos-Signature=s".parse().expect("a URL");
        assert_eq!(subject.to_string(), "https://h/k");
        assert!(!format!("{subject:?}").contains("Signature"));
    }
}

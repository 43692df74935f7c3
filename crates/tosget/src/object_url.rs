//! The URL of one object, in the parts that are signed and sent: nothing in it is normalised on the way.

use std::fmt;

use http::Uri;
use http::uri::InvalidUri;

use crate::encoding::{encode_path, encode_query};
use crate::endpoint::{Addressing, Endpoint};
use crate::names::{NameError, check_bucket, check_key};
use crate::object::ObjectId;

/// Where one object is asked for. Holds no secret, so it may be shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ObjectUrl {
    scheme: &'static str,
    host: String,
    path: String,
    query: Vec<(String, String)>,
}

impl ObjectUrl {
    /// The URL of `object`, without a query.
    pub(crate) fn new(endpoint: &Endpoint, object: &ObjectId) -> Result<Self, NameError> {
        check_key(&object.key)?;
        if endpoint.addressing() != Addressing::CustomDomain {
            check_bucket(&object.bucket)?;
        }
        let key = encode_path(&object.key);
        let (host, path) = match endpoint.addressing() {
            Addressing::VirtualHost => (
                format!("{}.{}", object.bucket, endpoint.authority()),
                format!("/{key}"),
            ),
            Addressing::Path => (endpoint.authority(), format!("/{}/{key}", object.bucket)),
            Addressing::CustomDomain => (endpoint.authority(), format!("/{key}")),
        };
        Ok(Self {
            scheme: endpoint.scheme().as_str(),
            host,
            path,
            query: Vec::new(),
        })
    }

    #[cfg(test)]
    pub(crate) fn for_test(host: &str, path: &str, query: Vec<(String, String)>) -> Self {
        Self {
            scheme: "https",
            host: host.to_owned(),
            path: path.to_owned(),
            query,
        }
    }

    /// Adds a parameter, as it is before encoding.
    #[must_use]
    pub(crate) fn with_parameter(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The value of the `Host` header: with the port where that is not the scheme's own.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The path, percent-encoded.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Parameters before encoding.
    pub(crate) fn query(&self) -> &[(String, String)] {
        &self.query
    }

    pub(crate) fn without_query(&self) -> String {
        format!("{}://{}{}", self.scheme, self.host, self.path)
    }

    /// The same URL for the HTTP client, which sends its bytes as they are. Fails only where it is too long.
    pub(crate) fn to_uri(&self) -> Result<Uri, InvalidUri> {
        self.to_string().parse()
    }
}

impl fmt::Display for ObjectUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.without_query())?;
        for (index, (name, value)) in self.query.iter().enumerate() {
            let separator = if index == 0 { '?' } else { '&' };
            write!(f, "{separator}{}={}", encode_query(name), encode_query(value))?;
        }
        Ok(())
    }
}

impl fmt::Debug for ObjectUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use http::uri::PathAndQuery;

    use super::*;

    fn url(endpoint: &str, is_custom_domain: bool, key: &str) -> String {
        let endpoint = Endpoint::parse(endpoint, is_custom_domain).expect("a good endpoint");
        let object = ObjectId::new("bkt", key);
        ObjectUrl::new(&endpoint, &object)
            .expect("good names")
            .to_string()
    }

    #[test]
    fn the_bucket_stands_in_the_host_the_path_or_nowhere() {
        let key = "k";
        assert_eq!(
            url("tos-cn-beijing.volces.com", false, key),
            "https://bkt.tos-cn-beijing.volces.com/k"
        );
        assert_eq!(
            url("http://127.0.0.1:9000", false, key),
            "http://127.0.0.1:9000/bkt/k"
        );
        assert_eq!(url("http://[::1]:9000", false, key), "http://[::1]:9000/bkt/k");
        assert_eq!(url("data.example.com", true, key), "https://data.example.com/k");
        assert_eq!(url("http://127.0.0.1:9000", true, key), "http://127.0.0.1:9000/k");
    }

    #[test]
    fn a_uri_keeps_every_byte_of_an_odd_key() {
        for key in [
            "/lead",
            "a//b",
            "x/./y",
            "../..",
            ".",
            "..",
            "/+",
            "a%2Fb",
            "中 文?#&=*",
            "//",
            "\u{1}",
        ] {
            let text = url("http://h.test:81", false, key);
            let uri: Uri = text.parse().expect("a URI");
            let sent = uri.path_and_query().map(PathAndQuery::as_str);
            assert_eq!(sent, Some(format!("/{}", encode_path(key)).as_str()), "{key:?}");
            assert_eq!(uri.to_string(), text, "{key:?}");
        }
    }

    #[test]
    fn bucket_rules_do_not_hold_behind_a_custom_domain() {
        let object = ObjectId::new("", "k");
        let custom = Endpoint::parse("data.example.com", true).expect("a good endpoint");
        assert!(ObjectUrl::new(&custom, &object).is_ok());
        let plain = Endpoint::parse("data.example.com", false).expect("a good endpoint");
        assert_eq!(ObjectUrl::new(&plain, &object), Err(NameError::BucketLength));
    }
}

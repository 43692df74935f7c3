//! A request as the operations see it: addressed, decoded, its body still to be read.

pub(crate) mod address;
pub(crate) mod conditions;
pub(crate) mod encoding;
pub(crate) mod query;
pub(crate) mod range;

use http::{HeaderMap, Method};
use hyper::body::Incoming;

use self::address::{Address, Addressing};
use self::query::Query;
use crate::error::TosError;

/// Everything in a request but its body.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// The `Host` header as sent; it is signed as sent.
    pub(crate) host: String,
    /// Still percent-encoded, nothing collapsed or removed.
    pub(crate) raw_path: String,
    pub(crate) raw_query: String,
    pub(crate) address: Address,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
}

impl Request {
    /// Takes a request apart; what cannot be read is answered with 400.
    pub(crate) fn parse(
        http: http::Request<Incoming>,
        addressing: &Addressing,
    ) -> (Self, Incoming, Option<TosError>) {
        let (parts, body) = http.into_parts();
        let authority = parts
            .uri
            .authority()
            .map(|authority| authority.as_str().to_owned());
        let sent_host = parts
            .headers
            .get(http::header::HOST)
            .and_then(|value| value.to_str().ok());
        // A proxy-style (absolute-form) target outranks the Host header (RFC 9112, 3.2.2), but the header is signed.
        let routed_host = authority
            .clone()
            .or(sent_host.map(str::to_owned))
            .unwrap_or_default();
        let host = sent_host.map(str::to_owned).or(authority).unwrap_or_default();
        let raw_path = parts.uri.path().to_owned();
        let raw_query = parts.uri.query().unwrap_or_default().to_owned();

        let address = addressing.resolve(&routed_host, &raw_path);
        let query = Query::parse(&raw_query);
        let unreadable = (address.is_err() || query.is_none())
            .then(|| TosError::invalid_argument("the path or the query is not percent-encoded UTF-8"));
        let request = Self {
            method: parts.method,
            host,
            raw_path,
            raw_query,
            address: address.unwrap_or_default(),
            query: query.unwrap_or_default(),
            headers: parts.headers,
        };
        (request, body, unreadable)
    }

    /// A header's value when it is there and is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

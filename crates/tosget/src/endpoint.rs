//! Where the service is: an endpoint and a region, read from what the user wrote into values that can't be wrong.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use thiserror::Error;

use crate::range::parse_decimal;

/// Domains under which the service itself lives, as `tos-<region>.<domain>`.
const SERVICE_DOMAINS: [&str; 4] = ["volces.com", "ivolces.com", "bytepluses.com", "ibytepluses.com"];

/// `http` or `https`; the service speaks nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Where a request names its bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Addressing {
    /// `bucket.host/key`.
    VirtualHost,
    /// `host/bucket/key`, for endpoints that are IP addresses.
    Path,
    /// `host/key`: the domain stands for one bucket.
    CustomDomain,
}

/// A service to ask.
///
/// *Invariant:* the host is lower case and makes a valid authority; the port is absent where it is the scheme's own.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    scheme: Scheme,
    /// An IPv6 address is in brackets.
    host: String,
    port: Option<u16>,
    addressing: Addressing,
}

impl Endpoint {
    /// Reads `[scheme://]host[:port][/]`; without a scheme it is https.
    pub(crate) fn parse(text: &str, is_custom_domain: bool) -> Result<Self, EndpointError> {
        let text = text.trim().to_ascii_lowercase();
        let (scheme, rest) = split_scheme(&text)?;
        let rest = rest.trim_end_matches('/');
        refuse_extras(rest)?;
        let (host, port) = split_port(rest)?;
        let addressing = match (is_custom_domain, is_ip(&host)) {
            (true, _) => Addressing::CustomDomain,
            (false, true) => Addressing::Path,
            (false, false) => Addressing::VirtualHost,
        };
        let endpoint = Self {
            scheme,
            port: port.filter(|port| *port != scheme.default_port()),
            host,
            addressing,
        };
        endpoint.refuse_s3()?;
        endpoint.refuse_bucket_in_host()?;
        Ok(endpoint)
    }

    /// The scheme, host and port of a URL, which need not be the service's.
    pub(crate) fn of_url(scheme: &str, authority: &str) -> Result<Self, EndpointError> {
        let text = format!("{scheme}://{authority}").to_ascii_lowercase();
        let (scheme, authority) = split_scheme(&text)?;
        refuse_extras(authority)?;
        let (host, port) = split_port(authority)?;
        Ok(Self {
            scheme,
            port: port.filter(|port| *port != scheme.default_port()),
            host,
            addressing: Addressing::CustomDomain,
        })
    }

    /// Whether the host stands for one bucket.
    pub(crate) fn is_custom_domain(&self) -> bool {
        self.addressing == Addressing::CustomDomain
    }

    /// Whether the host is one of the service's own.
    pub(crate) fn is_of_service(&self) -> bool {
        self.service_name().is_some()
    }

    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Whether what is sent can be read on the way: plain http, and not within this machine.
    pub(crate) fn is_overheard(&self) -> bool {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let stays_here = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        self.scheme == Scheme::Http && !stays_here
    }

    pub(crate) fn addressing(&self) -> Addressing {
        self.addressing
    }

    /// `host[:port]`, as the `Host` header has it.
    pub(crate) fn authority(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }

    /// The region that the host's name tells, where it is one of the service's own.
    fn region(&self) -> Option<Region> {
        let (_, region) = self.service_name()?;
        Region::parse(region).ok()
    }

    /// What stands before `tos-<region>` in a host of the service (empty, or names and dots), and the region.
    fn service_name(&self) -> Option<(&str, &str)> {
        let name = SERVICE_DOMAINS
            .iter()
            .find_map(|domain| self.host.strip_suffix(domain)?.strip_suffix('.'))?;
        let (before, label) = name.rsplit_once('.').unwrap_or(("", name));
        Some((before, label.strip_prefix("tos-")?))
    }

    /// S3's protocol lives on hosts of its own, which refuse TOS requests with an error that explains nothing.
    fn refuse_s3(&self) -> Result<(), EndpointError> {
        match self.service_name() {
            Some((_, label)) if label.starts_with("s3-") => Err(EndpointError::S3 {
                given: self.to_string(),
                instead: self.to_string().replacen("tos-s3-", "tos-", 1),
            }),
            _ => Ok(()),
        }
    }

    /// `bucket.tos-<region>…` would become `bucket.bucket.tos-<region>…`, which no certificate covers.
    fn refuse_bucket_in_host(&self) -> Result<(), EndpointError> {
        match self.service_name() {
            Some((bucket, region))
                if self.addressing == Addressing::VirtualHost
                    && !bucket.is_empty()
                    && !bucket.contains('.')
                    && region != "global" =>
            {
                Err(EndpointError::Bucket {
                    given: self.to_string(),
                    instead: self.to_string().replacen(&format!("{bucket}."), "", 1),
                })
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.authority())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} ({:?})", self.addressing)
    }
}

/// A region's id, such as `cn-beijing`; part of every signature. Unknown ones are taken as they are.
///
/// *Invariant:* letters, digits and `-` only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Region(String);

impl Region {
    pub(crate) fn parse(text: &str) -> Result<Self, EndpointError> {
        let text = text.trim();
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if text.is_empty() || !text.bytes().all(legal) {
            return Err(EndpointError::Region(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// An endpoint and the region to sign for, each derived from the other where only one was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    pub(crate) endpoint: Endpoint,
    /// `None` where neither the user nor the endpoint's name told it; then nothing can be signed.
    pub(crate) region: Option<Region>,
}

impl Site {
    pub(crate) fn resolve(
        endpoint: Option<&str>,
        region: Option<&str>,
        is_custom_domain: bool,
    ) -> Result<Self, EndpointError> {
        let region = region.map(Region::parse).transpose()?;
        let endpoint = match (endpoint, &region) {
            (Some(endpoint), _) => Endpoint::parse(endpoint, is_custom_domain)?,
            (None, _) if is_custom_domain => return Err(EndpointError::CustomDomainMissing),
            (None, Some(region)) => Endpoint::parse(&format!("tos-{}.volces.com", region.0), false)?,
            (None, None) => return Err(EndpointError::Missing),
        };
        let region = region.or_else(|| endpoint.region());
        Ok(Self { endpoint, region })
    }
}

/// Why an endpoint or a region can't be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum EndpointError {
    #[error("neither endpoint nor region is set: set one, such as region cn-beijing")]
    Missing,
    #[error("is_custom_domain is set without an endpoint: set the endpoint to the custom domain")]
    CustomDomainMissing,
    #[error("the endpoint's scheme must be http or https, not {0:?}")]
    Scheme(String),
    #[error("the endpoint holds a user name or password: set credentials separately")]
    UserInfo,
    #[error("the endpoint holds a {0}: it is a host name, with a scheme and a port at most")]
    Extra(&'static str),
    #[error("the endpoint's host {0:?} is not a host name or an IP address")]
    Host(String),
    #[error("the endpoint's port {0:?} is not a number from 1 to 65535")]
    Port(String),
    #[error("the endpoint {given} speaks the S3 protocol: use the TOS endpoint {instead}")]
    S3 { given: String, instead: String },
    #[error("the endpoint {given} names a bucket: use {instead}, or set is_custom_domain")]
    Bucket { given: String, instead: String },
    #[error("the region {0:?} is not one: letters, digits and - are allowed, as in cn-beijing")]
    Region(String),
}

fn split_scheme(text: &str) -> Result<(Scheme, &str), EndpointError> {
    match text.split_once("://") {
        Some(("http", rest)) => Ok((Scheme::Http, rest)),
        Some(("https", rest)) => Ok((Scheme::Https, rest)),
        None => Ok((Scheme::Https, text)),
        // What stands before is not shown if it may be more than a scheme.
        Some((_, rest)) if rest.contains('@') => Err(EndpointError::UserInfo),
        Some((other, _)) => Err(EndpointError::Scheme(other.to_owned())),
    }
}

fn refuse_extras(rest: &str) -> Result<(), EndpointError> {
    if rest.contains('@') {
        return Err(EndpointError::UserInfo);
    }
    match rest.find(['/', '?', '#']).map(|at| rest.as_bytes()[at]) {
        Some(b'/') => Err(EndpointError::Extra("path")),
        Some(b'?') => Err(EndpointError::Extra("query")),
        Some(_) => Err(EndpointError::Extra("fragment")),
        None => Ok(()),
    }
}

/// The host, checked (an IPv6 address in brackets), and the port if there is one.
fn split_port(text: &str) -> Result<(String, Option<u16>), EndpointError> {
    if text.parse::<Ipv6Addr>().is_ok() {
        return Ok((format!("[{text}]"), None));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(parse_port(port)?)),
        _ => (text, None),
    };
    if !is_ip(host) && !is_host_name(host) {
        return Err(EndpointError::Host(host.to_owned()));
    }
    Ok((host.to_owned(), port))
}

fn parse_port(text: &str) -> Result<u16, EndpointError> {
    parse_decimal(text)
        .and_then(|port| u16::try_from(port).ok())
        .filter(|port| *port > 0)
        .ok_or_else(|| EndpointError::Port(text.to_owned()))
}

/// An IPv4 address, or an IPv6 address in brackets.
fn is_ip(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv4()),
    }
}

fn is_host_name(host: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(legal);
    host.len() <= 253 && host.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, EndpointError> {
        Endpoint::parse(text, false).map(|endpoint| endpoint.to_string())
    }

    #[test]
    fn an_endpoint_is_read_in_every_usual_spelling() {
        for (given, read) in [
            ("tos-cn-beijing.volces.com", "https://tos-cn-beijing.volces.com"),
            (
                " HTTPS://TOS-cn-beijing.Volces.com// ",
                "https://tos-cn-beijing.volces.com",
            ),
            ("http://tos.test", "http://tos.test"),
            ("http://tos.test:80/", "http://tos.test"),
            ("tos.test:443", "https://tos.test"),
            ("tos.test:80", "https://tos.test:80"),
            ("localhost:9000", "https://localhost:9000"),
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
            ("http://[::1]:9000", "http://[::1]:9000"),
            ("[2001:DB8::1]", "https://[2001:db8::1]"),
            ("::1", "https://[::1]"),
        ] {
            assert_eq!(parse(given).as_deref(), Ok(read), "{given:?}");
        }
    }

    #[test]
    fn plain_http_is_overheard_unless_it_stays_on_this_machine() {
        for (given, overheard) in [
            ("http://tos.test", true),
            ("http://10.0.0.1:9000", true),
            ("https://tos.test", false),
            ("http://localhost:9000", false),
            ("http://127.0.0.9:9000", false),
            ("http://[::1]:9000", false),
            ("http://[2001:db8::1]", true),
        ] {
            let endpoint = Endpoint::parse(given, false).expect("a good endpoint");
            assert_eq!(endpoint.is_overheard(), overheard, "{given}");
        }
    }

    #[test]
    fn what_is_not_an_endpoint_is_refused() {
        for given in [
            "", "https://", "a..b", ".a", "a.", "a b", "[::1", "::1]:80", "1:2:3", "ü.test",
        ] {
            assert!(
                matches!(parse(given), Err(EndpointError::Host(_) | EndpointError::Port(_))),
                "{given:?}"
            );
        }
        for given in ["h:0", "h:65536", "h:", "h:+1", "h:x"] {
            assert!(matches!(parse(given), Err(EndpointError::Port(_))), "{given:?}");
        }
        assert_eq!(parse("ftp://h"), Err(EndpointError::Scheme("ftp".into())));
        assert_eq!(parse("h/path"), Err(EndpointError::Extra("path")));
        assert_eq!(parse("h?x=1"), Err(EndpointError::Extra("query")));
        assert_eq!(parse("h#x"), Err(EndpointError::Extra("fragment")));
    }

    #[test]
    fn a_password_in_an_endpoint_is_refused_and_not_repeated() {
        for given in [
            "https://user:hunter2@h",
            "user:hunter2@h",
            "ftp://user:hunter2@h",
            "https://u:hunter2@h/p?q",
        ] {
            let error = parse(given).expect_err("userinfo");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn an_s3_endpoint_is_refused_with_the_one_to_use() {
        for (given, instead) in [
            (
                "tos-s3-cn-beijing.volces.com",
                "https://tos-cn-beijing.volces.com",
            ),
            (
                "http://tos-s3-cn-beijing.ivolces.com",
                "http://tos-cn-beijing.ivolces.com",
            ),
            (
                "https://TOS-S3-ap-southeast-1.bytepluses.com/",
                "https://tos-ap-southeast-1.bytepluses.com",
            ),
        ] {
            let error = parse(given).expect_err("S3").to_string();
            assert!(
                error.ends_with(&format!("use the TOS endpoint {instead}")),
                "{error}"
            );
        }
    }

    #[test]
    fn an_endpoint_that_names_a_bucket_is_refused_unless_it_is_a_custom_domain() {
        let given = "bkt.tos-cn-beijing.volces.com";
        let error = parse(given).expect_err("a bucket").to_string();
        assert!(
            error.contains("use https://tos-cn-beijing.volces.com,"),
            "{error}"
        );
        assert!(Endpoint::parse(given, true).is_ok());
        assert!(parse("alias.mrap.accesspoint.tos-global.volces.com").is_ok());
    }

    #[test]
    fn ip_addresses_are_asked_in_path_style() {
        let addressing = |text| Endpoint::parse(text, false).expect("an endpoint").addressing();
        assert_eq!(addressing("127.0.0.1:9000"), Addressing::Path);
        assert_eq!(addressing("[::1]:9000"), Addressing::Path);
        assert_eq!(addressing("tos.test"), Addressing::VirtualHost);
        let custom = Endpoint::parse("127.0.0.1", true).expect("an endpoint");
        assert_eq!(custom.addressing(), Addressing::CustomDomain);
    }

    fn resolve(endpoint: Option<&str>, region: Option<&str>) -> (String, Option<String>) {
        let site = Site::resolve(endpoint, region, false).expect("a site");
        (site.endpoint.to_string(), site.region.map(|region| region.0))
    }

    #[test]
    fn region_and_endpoint_are_derived_from_each_other() {
        let beijing = Some("cn-beijing".to_owned());
        for domain in SERVICE_DOMAINS {
            let endpoint = format!("tos-cn-beijing.{domain}");
            assert_eq!(resolve(Some(&endpoint), None).1, beijing, "{domain}");
        }
        assert_eq!(
            resolve(None, Some("cn-beijing")),
            ("https://tos-cn-beijing.volces.com".to_owned(), beijing.clone())
        );
        let both = resolve(Some("tos-cn-shanghai.volces.com"), Some("cn-beijing"));
        assert_eq!(
            both,
            ("https://tos-cn-shanghai.volces.com".to_owned(), beijing.clone())
        );
        assert_eq!(resolve(Some("http://tos.test"), None).1, None);
        let custom = Site::resolve(Some("bkt.tos-cn-beijing.volces.com"), None, true).expect("a site");
        assert_eq!(custom.region.map(|region| region.0), beijing);
    }

    #[test]
    fn what_is_missing_or_wrong_is_told() {
        assert_eq!(Site::resolve(None, None, false), Err(EndpointError::Missing));
        assert_eq!(
            Site::resolve(None, Some("cn-beijing"), true),
            Err(EndpointError::CustomDomainMissing)
        );
        for region in ["", "cn/beijing", "cn beijing", "cn\nbeijing", "a.b"] {
            assert!(matches!(
                Site::resolve(None, Some(region), false),
                Err(EndpointError::Region(_))
            ));
        }
    }
}

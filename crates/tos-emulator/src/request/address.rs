//! Which bucket and key a request means: by path on an IP host, by host name otherwise.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::encoding;

/// The host names that the emulator knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Addressing {
    /// Bare hosts; `bucket.<base>` is the bucket's own host.
    pub(crate) bases: Vec<String>,
    /// Custom domains, each of which is a bucket.
    pub(crate) domains: BTreeMap<String, String>,
}

/// What a request is about, with names decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) bucket: Option<String>,
    pub(crate) key: Option<String>,
}

/// A name in the path that is not UTF-8.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotUtf8;

impl Addressing {
    /// `host` as sent, with or without a port; `raw_path` as sent, still encoded.
    pub(crate) fn resolve(&self, host: &str, raw_path: &str) -> Result<Address, NotUtf8> {
        let path = raw_path.strip_prefix('/').unwrap_or(raw_path);
        match self.bucket_of(host) {
            Some(bucket) => Ok(Address {
                bucket: Some(bucket),
                key: name(path)?,
            }),
            None => {
                let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
                Ok(Address {
                    bucket: name(bucket)?,
                    key: name(key)?,
                })
            }
        }
    }

    /// Whether `host` names the service itself, so that the path names the bucket.
    pub(crate) fn is_bare(&self, host: &str) -> bool {
        self.bucket_of(host).is_none()
    }

    fn bucket_of(&self, host: &str) -> Option<String> {
        let host = without_port(host).to_ascii_lowercase();
        if let Some(bucket) = self.domains.get(&host) {
            return Some(bucket.clone());
        }
        if is_ip(&host) || self.bases.contains(&host) {
            return None;
        }
        let below_base = self
            .bases
            .iter()
            .find_map(|base| host.strip_suffix(base.as_str())?.strip_suffix('.'));
        if let Some(bucket) = below_base {
            return Some(bucket.to_owned());
        }
        let (first, rest) = host.split_once('.')?;
        (!names_the_service(first) || names_the_service(rest.split('.').next()?)).then(|| first.to_owned())
    }
}

/// An unknown host whose first label is `tos` or `tos-…` is taken for an endpoint such as `tos-cn-beijing.volces.com`,
/// unless the next label is one too (a bucket may be called `tos-data`).
fn names_the_service(label: &str) -> bool {
    label == "tos" || label.starts_with("tos-")
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

fn is_ip(host: &str) -> bool {
    host.trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>()
        .is_ok()
}

fn name(raw: &str) -> Result<Option<String>, NotUtf8> {
    let name = encoding::decode_text(raw).ok_or(NotUtf8)?;
    Ok(Some(name).filter(|name| !name.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(host: &str, path: &str) -> (Option<String>, Option<String>) {
        let addressing = Addressing {
            bases: vec!["tos.test".into(), "localhost".into()],
            domains: BTreeMap::from([("cdn.example.com".into(), "media".into())]),
        };
        let address = addressing.resolve(host, path).expect("UTF-8");
        (address.bucket, address.key)
    }

    fn named(bucket: &str, key: &str) -> (Option<String>, Option<String>) {
        (Some(bucket.into()), Some(key.into()))
    }

    #[test]
    fn ip_hosts_and_bases_are_path_style() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:9000",
            "[::1]:9000",
            "tos.test",
            "TOS.test:80",
            "localhost:1",
            "box",
        ] {
            assert_eq!(resolve(host, "/bkt/a/b"), named("bkt", "a/b"), "{host}");
            assert_eq!(resolve(host, "/"), (None, None), "{host}");
            assert_eq!(resolve(host, "/bkt"), (Some("bkt".into()), None), "{host}");
            assert_eq!(resolve(host, "/bkt/"), (Some("bkt".into()), None), "{host}");
        }
    }

    #[test]
    fn other_hosts_name_the_bucket() {
        assert_eq!(resolve("bkt.tos.test:9000", "/a/b"), named("bkt", "a/b"));
        assert_eq!(resolve("bkt.tos-cn-beijing.volces.com", "/k"), named("bkt", "k"));
        assert_eq!(
            resolve("tos-data.tos-cn-beijing.volces.com", "/k"),
            named("tos-data", "k")
        );
        assert_eq!(resolve("tos-cn-beijing.volces.com", "/bkt/k"), named("bkt", "k"));
        assert_eq!(resolve("cdn.example.com", "/k"), named("media", "k"));
    }

    #[test]
    fn keys_are_decoded_once_and_otherwise_kept() {
        for (raw, key) in [
            ("//lead", "/lead"),
            ("/a//b", "a//b"),
            ("/../x", "../x"),
            ("/a/./b", "a/./b"),
            ("/%2525+%2B", "%25++"),
            ("/%E4%B8%AD", "中"),
            ("/%zz", "%zz"),
        ] {
            assert_eq!(resolve("bkt.tos.test", raw), named("bkt", key), "{raw}");
        }
        assert_eq!(Addressing::default().resolve("a.b", "/%ff"), Err(NotUtf8));
    }
}

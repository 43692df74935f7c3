//! What the listings share: their parameters, one page of keys and common prefixes, and the encoding of names.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde_json::{Map, Value, json};

use super::buckets::OWNER_ID;
use crate::clock::Timestamp;
use crate::error::TosError;
use crate::request::encoding::encode_query;
use crate::request::query::Query;
use crate::store::object::{Object, Version, Versions};

const MAX_KEYS: usize = 1000;

/// The parameters that all listings have.
#[derive(Debug)]
pub(super) struct Listing<'a> {
    pub(super) prefix: &'a str,
    pub(super) delimiter: &'a str,
    pub(super) max_keys: usize,
    encode: bool,
}

/// Where a page starts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start<'a> {
    Beginning,
    /// With this key.
    At(&'a str),
    /// After this key, or after all keys with this common prefix.
    After(&'a str),
}

/// Keys, each with its versions, and common prefixes, together in byte order.
#[derive(Debug)]
pub(super) enum Entry<'a, T> {
    Key(&'a str, T),
    Prefix(&'a str),
}

#[derive(Debug)]
pub(super) struct Page<'a, T> {
    pub(super) entries: Vec<Entry<'a, T>>,
    pub(super) truncated: bool,
}

impl<'a> Start<'a> {
    pub(super) fn after(name: Option<&'a str>) -> Self {
        name.map_or(Self::Beginning, Self::After)
    }
}

impl<'a> Listing<'a> {
    pub(super) fn parse(query: &'a Query) -> Result<Self, TosError> {
        let max_keys = query.non_empty("max-keys").map_or(Ok(MAX_KEYS), str::parse);
        let max_keys =
            max_keys.map_err(|_| TosError::invalid_argument("max-keys is not a number in range"))?;
        let encode = match query.non_empty("encoding-type") {
            None => false,
            Some("url") => true,
            Some(_) => return Err(TosError::invalid_argument("encoding-type must be url")),
        };
        if query.get("reverse").is_some_and(|value| value == "true") {
            return Err(TosError::unimplemented("The emulator does not list in reverse."));
        }
        Ok(Self {
            prefix: query.get("prefix").unwrap_or_default(),
            delimiter: query.get("delimiter").unwrap_or_default(),
            max_keys: max_keys.min(MAX_KEYS),
            encode,
        })
    }

    /// One page from `start` on. `look` says what to list under a key; several things, or nothing at all.
    pub(super) fn page<'k, T>(
        &self,
        keys: &'k BTreeMap<String, Versions>,
        start: Start<'_>,
        mut look: impl FnMut(&'k str, &'k Versions) -> Vec<T>,
    ) -> Page<'k, T> {
        let mut page = Page {
            entries: Vec::new(),
            truncated: false,
        };
        let (from, done) = match start {
            Start::After(name) if name >= self.prefix => (Bound::Excluded(name), Some(name)),
            Start::At(name) if name >= self.prefix => (Bound::Included(name), None),
            _ => (Bound::Included(self.prefix), None),
        };
        let candidates = keys.range::<str, _>((from, Bound::Unbounded));
        for (key, versions) in candidates.take_while(|(key, _)| key.starts_with(self.prefix)) {
            let found = look(key, versions);
            if found.is_empty() {
                continue;
            }
            if let Some(group) = self.common_prefix(key) {
                let listed = matches!(page.entries.last(), Some(Entry::Prefix(last)) if *last == group);
                if !listed && done != Some(group) && !page.add(Entry::Prefix(group), self.max_keys) {
                    return page;
                }
                continue;
            }
            for item in found {
                if !page.add(Entry::Key(key, item), self.max_keys) {
                    return page;
                }
            }
        }
        page
    }

    /// The key up to and with the first delimiter after the prefix.
    fn common_prefix<'k>(&self, key: &'k str) -> Option<&'k str> {
        let rest = &key[self.prefix.len()..];
        let at = rest.find(self.delimiter).filter(|_| !self.delimiter.is_empty())?;
        Some(&key[..self.prefix.len() + at + self.delimiter.len()])
    }

    /// A name as the listing shows it; no client decodes what it asked to have encoded.
    pub(super) fn name(&self, name: &str) -> String {
        if self.encode {
            encode_query(name)
        } else {
            name.to_owned()
        }
    }

    /// The answer's fields that every listing has.
    pub(super) fn answer(&self, bucket: &str, truncated: bool, prefixes: Vec<Value>) -> Map<String, Value> {
        let mut answer = Map::new();
        answer.insert("Name".into(), bucket.into());
        answer.insert("Prefix".into(), self.name(self.prefix).into());
        answer.insert("MaxKeys".into(), self.max_keys.into());
        answer.insert("IsTruncated".into(), truncated.into());
        answer.insert("CommonPrefixes".into(), prefixes.into());
        if !self.delimiter.is_empty() {
            answer.insert("Delimiter".into(), self.name(self.delimiter).into());
        }
        if self.encode {
            answer.insert("EncodingType".into(), "url".into());
        }
        answer
    }

    pub(super) fn prefix_entry(&self, prefix: &str) -> Value {
        json!({ "Prefix": self.name(prefix) })
    }

    pub(super) fn object_entry(&self, key: &str, object: &Object, modified: Timestamp) -> Value {
        let mut entry = json!({
            "Key": self.name(key),
            "LastModified": modified.iso(),
            "Size": object.size,
            "StorageClass": object.attributes.storage_class,
            "Type": object.kind().name(),
            "HashCrc64ecma": object.crc64.to_string(),
            "Owner": owner(),
        });
        if let Some(etag) = object.quoted_etag() {
            entry["ETag"] = etag.into();
        }
        entry
    }
}

impl<'a, T> Page<'a, T> {
    /// False when the page was full already, which makes it a truncated one.
    fn add(&mut self, entry: Entry<'a, T>, max: usize) -> bool {
        if self.entries.len() >= max {
            self.truncated = max > 0;
            return false;
        }
        self.entries.push(entry);
        true
    }

    /// The name after which the next page starts.
    pub(super) fn last_name(&self) -> Option<&'a str> {
        self.entries.last().map(|entry| match entry {
            Entry::Key(name, _) | Entry::Prefix(name) => *name,
        })
    }
}

pub(super) fn owner() -> Value {
    json!({ "ID": OWNER_ID, "DisplayName": OWNER_ID })
}

/// The newest version of a key, unless that is a delete marker.
pub(super) fn visible<'k>(_key: &'k str, versions: &'k Versions) -> Vec<(&'k Version, &'k Object)> {
    let latest = versions
        .latest()
        .and_then(|version| Some((version, version.object.as_deref()?)));
    latest.into_iter().collect()
}

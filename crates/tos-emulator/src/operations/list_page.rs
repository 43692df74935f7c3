//! What the listings share: their parameters, one page of keys and common prefixes, and the encoding of names.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::ops::Bound;

use serde_json::{Map, Value, json};

use super::buckets::OWNER_ID;
use crate::clock::Timestamp;
use crate::error::TosError;
use crate::request::encoding::encode_query;
use crate::request::query::Query;
use crate::store::object::{Object, Version, Versions};

/// The most entries of a page.
const MAX_ENTRIES: usize = 1000;

/// What listings of one kind call things, and what they can do.
#[derive(Debug)]
pub(super) struct Terms {
    /// The field with the bucket's name.
    bucket: &'static str,
    max_parameter: &'static str,
    max_field: &'static str,
    reversible: bool,
}

pub(super) const OBJECTS: Terms = Terms {
    bucket: "Name",
    max_parameter: "max-keys",
    max_field: "MaxKeys",
    reversible: true,
};
pub(super) const VERSIONS: Terms = Terms {
    reversible: false,
    ..OBJECTS
};
pub(super) const UPLOADS: Terms = Terms {
    bucket: "Bucket",
    max_parameter: "max-uploads",
    max_field: "MaxUploads",
    reversible: false,
};

/// The parameters that all listings have.
#[derive(Debug)]
pub(super) struct Listing<'a> {
    pub(super) prefix: &'a str,
    pub(super) delimiter: &'a str,
    max: usize,
    encode: bool,
    /// From the last name to the first.
    reverse: bool,
    terms: &'static Terms,
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
    pub(super) fn parse(query: &'a Query, terms: &'static Terms) -> Result<Self, TosError> {
        let name = terms.max_parameter;
        let max: Result<usize, _> = query.non_empty(name).map_or(Ok(MAX_ENTRIES), str::parse);
        let max = max.map_err(|_| TosError::invalid_argument(format!("{name} is not a number in range")))?;
        let encode = match query.non_empty("encoding-type") {
            None => false,
            Some("url") => true,
            Some(_) => return Err(TosError::invalid_argument("encoding-type must be url")),
        };
        let reverse = query.get("reverse") == Some("true");
        if reverse && !terms.reversible {
            return Err(TosError::unimplemented(
                "The emulator does not list this in reverse.",
            ));
        }
        Ok(Self {
            prefix: query.get("prefix").unwrap_or_default(),
            delimiter: query.get("delimiter").unwrap_or_default(),
            max: max.min(MAX_ENTRIES),
            encode,
            reverse,
            terms,
        })
    }

    /// One page from `start` on. `look` says what to list under a key; several things, or nothing at all.
    pub(super) fn page<'k, K: Borrow<str> + Ord, V, T>(
        &self,
        keys: &'k BTreeMap<K, V>,
        start: Start<'_>,
        mut look: impl FnMut(&'k str, &'k V) -> Vec<T>,
    ) -> Page<'k, T> {
        let mut page = Page {
            entries: Vec::new(),
            truncated: false,
        };
        let done = match start {
            Start::After(name) => Some(name),
            Start::At(_) | Start::Beginning => None,
        };
        for (key, value) in self.candidates(keys, start) {
            let found = look(key, value);
            if found.is_empty() {
                continue;
            }
            if let Some(group) = self.common_prefix(key) {
                let listed = matches!(page.entries.last(), Some(Entry::Prefix(last)) if *last == group);
                if !listed && done != Some(group) && !page.add(Entry::Prefix(group), self.max) {
                    return page;
                }
                continue;
            }
            for item in found {
                if !page.add(Entry::Key(key, item), self.max) {
                    return page;
                }
            }
        }
        page
    }

    /// What begins with the prefix, from `start` on, in the order of the listing.
    fn candidates<'s, 'k: 's, K: Borrow<str> + Ord, V>(
        &'s self,
        keys: &'k BTreeMap<K, V>,
        start: Start<'_>,
    ) -> Box<dyn Iterator<Item = (&'k str, &'k V)> + 's> {
        let has_prefix = |(key, _): &(&str, &V)| key.starts_with(self.prefix);
        let borrowed = |(key, value): (&'k K, &'k V)| (key.borrow(), value);
        if self.reverse {
            let end = match start {
                Start::After(name) if name < self.prefix => Bound::Excluded(self.prefix),
                Start::After(name) => Bound::Excluded(name),
                Start::At(name) => Bound::Included(name),
                Start::Beginning => Bound::Unbounded,
            };
            let range = keys.range::<str, _>((Bound::Included(self.prefix), end));
            return Box::new(range.rev().map(borrowed).filter(has_prefix));
        }
        let first = match start {
            Start::After(name) if name >= self.prefix => Bound::Excluded(name),
            Start::At(name) if name >= self.prefix => Bound::Included(name),
            _ => Bound::Included(self.prefix),
        };
        let range = keys.range::<str, _>((first, Bound::Unbounded));
        Box::new(range.map(borrowed).take_while(has_prefix))
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
        answer.insert(self.terms.bucket.into(), bucket.into());
        answer.insert("Prefix".into(), self.name(self.prefix).into());
        answer.insert(self.terms.max_field.into(), self.max.into());
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

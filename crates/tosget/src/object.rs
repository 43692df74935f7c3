//! What names an object, and what makes two reads the same object.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use crate::checksum::Crc64;

/// One object of the store: bucket, key and, where one was asked for, a version. Or what is at a URL.
///
/// The key is kept byte for byte as the caller gave it (`a//b`, `x/./y` and `/lead` are three different keys).
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct ObjectId {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) version_id: Option<String>,
    /// Where nothing but a URL is known: that URL without its query, which is no part of the name and may be a
    /// secret. Then there is no bucket (it may stand in the host or in the path), and the key is the path, decoded.
    pub(crate) url: Option<String>,
}

impl ObjectId {
    pub(crate) fn new(bucket: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            key: key.into(),
            version_id: None,
            url: None,
        }
    }

    /// An empty version means none.
    #[must_use]
    pub(crate) fn with_version(mut self, version_id: Option<String>) -> Self {
        self.version_id = version_id.filter(|version| !version.is_empty());
        self
    }

    /// What the object is called below a directory: its key. What stands before the last segment of a URL's path is
    /// the server's order and not a name, so there it is the last segment only.
    pub(crate) fn name_below_directory(&self) -> &str {
        match self.url {
            Some(_) => self.key.rsplit('/').next().unwrap_or_default(),
            None => &self.key,
        }
    }
}

impl fmt::Display for ObjectId {
    /// `tos://bucket/key`, or the URL, with control characters escaped: a key may hold terminal escapes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.url {
            Some(url) => write!(f, "{}", Printable(url))?,
            None => write!(f, "tos://{}/{}", Printable(&self.bucket), Printable(&self.key))?,
        }
        match &self.version_id {
            Some(version) => write!(f, " (version {})", Printable(version)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text from outside, shown so that it can't steer a terminal or break a log line.
pub(crate) struct Printable<'a>(pub(crate) &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            // Besides control characters: the marks that change writing direction, which can hide a name.
            let hides = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if character.is_control() || hides {
                write!(f, "{}", character.escape_unicode())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        Ok(())
    }
}

/// An entity tag: sent back byte for byte as the server wrote it, compared without the quotes around it.
#[derive(Clone)]
pub(crate) struct ETag(String);

impl ETag {
    /// Takes the header's value, whatever its quotes; `None` where nothing is between them.
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let tag = Self(header.trim().to_owned());
        (!tag.as_str().is_empty()).then_some(tag)
    }

    /// The tag that RFC 9110 writes for this text, which has no quotes.
    pub(crate) fn quoted(opaque: &str) -> Self {
        Self(format!("\"{opaque}\""))
    }

    /// The text between the quotes, or else all of it.
    pub(crate) fn as_str(&self) -> &str {
        let inner = self.0.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        inner.unwrap_or(&self.0)
    }

    /// The value of a header, as the server wrote it.
    pub(crate) fn to_header(&self) -> &str {
        &self.0
    }

    /// Whether the same tag may stand for other bytes (RFC 9110 section 8.8.1). It must not match in `If-Match`, though some
    /// servers let it.
    pub(crate) fn is_weak(&self) -> bool {
        self.0.starts_with("W/")
    }
}

impl PartialEq for ETag {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for ETag {}

impl fmt::Debug for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Printable(self.as_str()))
    }
}

/// What makes two reads the same object.
///
/// Appendable objects have no ETag; those are pinned by their time, size and CRC64 instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    /// Size of the whole object in bytes.
    pub(crate) size: u64,
    pub(crate) etag: Option<ETag>,
    /// CRC-64 of the whole object as the server knows it. `Some(0)` is a value.
    pub(crate) crc64: Option<Crc64>,
    /// The version that was read, where the bucket has versions.
    pub(crate) version_id: Option<String>,
    /// Seconds since the Unix epoch; HTTP dates have no finer grain.
    pub(crate) last_modified: Option<i64>,
}

impl Fingerprint {
    /// Whether another content would show: neither the size nor a weak ETag is a proof.
    pub(crate) fn tells_contents_apart(&self) -> bool {
        self.is_identified() || self.last_modified.is_some()
    }

    /// Whether no other content has this fingerprint, whenever it was written.
    pub(crate) fn is_identified(&self) -> bool {
        self.etag.as_ref().is_some_and(|etag| !etag.is_weak()) || self.crc64.is_some()
    }
}

/// What the service tells about an object: the answer of HeadObject, and part of every download's result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeadObjectOutput {
    /// Size of the whole object in bytes.
    pub content_length: u64,
    /// Entity tag without quotes; absent for appendable objects.
    pub etag: Option<String>,
    /// When the object was written, to the second.
    pub last_modified: Option<SystemTime>,
    /// CRC-64/XZ of the whole object (`x-tos-hash-crc64ecma`). `Some(0)` is a value, not an absence.
    pub hash_crc64ecma: Option<u64>,
    /// Version of the object, where its bucket has or had versioning (`x-tos-version-id`).
    pub version_id: Option<String>,
    /// `Normal`, `Appendable` or `Symlink` (`x-tos-object-type`; absent means normal).
    pub object_type: Option<String>,
    /// Size of what a symlink object points to, in bytes.
    pub symlink_target_size: Option<u64>,
    /// Storage class, such as `STANDARD` or `ARCHIVE_FR`.
    pub storage_class: Option<String>,
    /// State of a restore from an archive class (`x-tos-restore`), such as `ongoing-request="true"`; see also
    /// [`is_being_restored`](Self::is_being_restored).
    pub restore: Option<String>,
    /// Speed that the restore was asked for with: `Standard`, `Expedited` or `Bulk`.
    pub restore_tier: Option<String>,
    /// Days for which a restored object can be read.
    pub restore_expiry_days: Option<u64>,
    /// Algorithm of an object that is encrypted with its owner's key (SSE-C).
    pub ssec_algorithm: Option<String>,
    /// MD5 in base64 of the key that an object is encrypted with (SSE-C).
    pub ssec_key_md5: Option<String>,
    /// How the service encrypts the object with keys of its own: `AES256` or `KMS`.
    pub server_side_encryption: Option<String>,
    /// Key of the KMS that the object is encrypted with.
    pub server_side_encryption_key_id: Option<String>,
    /// When and by which rule the object expires (`x-tos-expiration`).
    pub expiration: Option<String>,
    /// Number of tags that the object has.
    pub tagging_count: Option<u64>,
    /// State of the object's replication to another bucket.
    pub replication_status: Option<String>,
    /// Where a website's bucket redirects to from here.
    pub website_redirect_location: Option<String>,
    /// Media type.
    pub content_type: Option<String>,
    /// `Cache-Control` as stored.
    pub cache_control: Option<String>,
    /// `Content-Disposition` as stored.
    pub content_disposition: Option<String>,
    /// `Content-Encoding` as stored. The bytes are delivered as they are stored, never decoded.
    pub content_encoding: Option<String>,
    /// `Content-Language` as stored.
    pub content_language: Option<String>,
    /// `Expires` as stored.
    pub expires: Option<String>,
    /// User metadata (`x-tos-meta-…`): names in lower case, values percent-decoded where they decode to UTF-8.
    pub meta: BTreeMap<String, String>,
    /// Id of the request that told this; the support of TOS asks for it.
    pub request_id: Option<String>,
    /// Second id of that request (`x-tos-id-2`).
    pub id2: Option<String>,
    /// All headers of that answer as they came, for what has no field here: names in lower case, lines of the same name
    /// joined by a comma. A download's answer is that to its first ranged GET, so its `content-length` is that of a range.
    pub headers: BTreeMap<String, String>,
}

impl HeadObjectOutput {
    /// Whether the object is archived and a restore of it is under way: it can't be read yet.
    pub fn is_being_restored(&self) -> bool {
        let state = self.restore.as_deref().unwrap_or_default();
        state.replace([' ', '"'], "").contains("ongoing-request=true")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_is_the_same_with_and_without_quotes() {
        assert_eq!(ETag::parse("\"abc-2\""), ETag::parse("abc-2"));
        assert_ne!(ETag::parse("W/\"abc-2\""), ETag::parse("abc-2"));
        assert_eq!(ETag::parse("\"\""), None);
        assert_eq!(ETag::parse(" "), None);
    }

    #[test]
    fn an_etag_goes_back_byte_for_byte_as_it_came() {
        for (text, shown) in [
            ("\"abc\"", "abc"),
            ("abc", "abc"),
            ("W/\"abc\"", "W/\"abc\""),
            ("\"abc", "\"abc"),
            ("'abc'", "'abc'"),
            ("\"\"abc\"\"", "\"abc\""),
            ("\"ä\"", "ä"),
        ] {
            let etag = ETag::parse(&format!(" {text}\t")).expect("a tag");
            assert_eq!((etag.to_header(), etag.as_str()), (text, shown));
        }
    }

    #[test]
    fn a_key_cannot_steer_the_terminal() {
        let object = ObjectId::new("b", "a\u{1b}[2J\nb\u{202e}c");
        assert_eq!(object.to_string(), "tos://b/a\\u{1b}[2J\\u{a}b\\u{202e}c");
    }
}

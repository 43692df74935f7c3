//! `tos://BUCKET/KEY`: an object's name at the command line.

use std::fmt;
use std::str::FromStr;

use crate::printable::printable;

/// Bucket and key, both as typed: nothing is decoded, and nothing in a key is special.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObjectName {
    pub(crate) bucket: String,
    /// Everything behind the first slash.
    pub(crate) key: String,
}

impl FromStr for ObjectName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = |reason| {
            Err(format!(
                "{reason}: write tos://BUCKET/KEY, such as tos://my-bucket/models/llama.bin"
            ))
        };
        let Some(rest) = text.strip_prefix("tos://") else {
            return refuse("it does not begin with tos://");
        };
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return refuse("the bucket is missing");
        }
        if key.is_empty() {
            return refuse("the key is missing");
        }
        Ok(Self {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        })
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tos://{}/{}", printable(&self.bucket), printable(&self.key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_taken_byte_for_byte() {
        for key in ["k", "a//b?x#y%41", "/lead", "../x", "a/", "模型.bin", "a b"] {
            let name: ObjectName = format!("tos://bkt/{key}").parse().expect("a name");
            assert_eq!((name.bucket.as_str(), name.key.as_str()), ("bkt", key));
        }
    }

    #[test]
    fn what_is_missing_is_named_with_the_form() {
        for (text, missing) in [
            ("", "begin with tos://"),
            ("bkt/k", "begin with tos://"),
            ("s3://bkt/k", "begin with tos://"),
            ("tos://", "bucket"),
            ("tos:///k", "bucket"),
            ("tos://bkt", "key"),
            ("tos://bkt/", "key"),
        ] {
            let refusal = text.parse::<ObjectName>().expect_err(text);
            assert!(
                refusal.contains(missing) && refusal.contains("tos://BUCKET/KEY"),
                "{text}: {refusal}"
            );
        }
    }
}

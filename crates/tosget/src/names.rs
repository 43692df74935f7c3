//! The names of buckets and keys that a request may carry.
//!
//! Keys are checked only for what the service itself refuses: `.`, `..`, `a//b` and `/lead` are keys like others.

use thiserror::Error;

/// The documented limit, in bytes of UTF-8.
const MAX_KEY_BYTES: usize = 1024;

/// Why a name can't be asked for. The words are those of the official SDKs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum NameError {
    #[error("invalid bucket name, the length must be [3, 63]")]
    BucketLength,
    #[error("invalid bucket name, the character set is illegal (a-z, 0-9 and - are allowed)")]
    BucketCharacter,
    #[error("invalid bucket name, it can neither start nor end with -")]
    BucketHyphen,
    #[error("invalid object name, object name is empty")]
    KeyEmpty,
    #[error("invalid object name, it has {0} bytes and at most {MAX_KEY_BYTES} are allowed")]
    KeyLength(usize),
}

/// Refuses what no bucket can be called.
pub(crate) fn check_bucket(name: &str) -> Result<(), NameError> {
    if !(3..=63).contains(&name.len()) {
        return Err(NameError::BucketLength);
    }
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !name.bytes().all(legal) {
        return Err(NameError::BucketCharacter);
    }
    if name.starts_with('-') || name.ends_with('-') {
        return Err(NameError::BucketHyphen);
    }
    Ok(())
}

/// Refuses what no object can be called.
pub(crate) fn check_key(key: &str) -> Result<(), NameError> {
    match key.len() {
        0 => Err(NameError::KeyEmpty),
        1..=MAX_KEY_BYTES => Ok(()),
        length => Err(NameError::KeyLength(length)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_follow_the_rules_of_the_service() {
        for name in ["abc", "a-b", "0a9", &"x".repeat(63)] {
            assert_eq!(check_bucket(name), Ok(()), "{name}");
        }
        for (name, error) in [
            ("", NameError::BucketLength),
            ("ab", NameError::BucketLength),
            (&"x".repeat(64), NameError::BucketLength),
            ("Abc", NameError::BucketCharacter),
            ("a.b", NameError::BucketCharacter),
            ("a/b", NameError::BucketCharacter),
            ("桶桶", NameError::BucketCharacter),
            ("-ab", NameError::BucketHyphen),
            ("ab-", NameError::BucketHyphen),
        ] {
            assert_eq!(check_bucket(name), Err(error), "{name}");
        }
    }

    #[test]
    fn any_key_from_1_to_1024_bytes_may_be_asked_for() {
        for key in [".", "..", "/", "/lead", "a//b", "x/./y", "\n", &"k".repeat(1024)] {
            assert_eq!(check_key(key), Ok(()), "{key:?}");
        }
        assert_eq!(check_key(""), Err(NameError::KeyEmpty));
        assert_eq!(check_key(&"中".repeat(342)), Err(NameError::KeyLength(1026)));
    }
}

//! The key of an object that is encrypted with its owner's key (SSE-C).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};

use crate::error::{Error, Result};

/// The only algorithm that the service knows for keys of its customers.
pub(crate) const ALGORITHM: &str = "AES256";

const KEY_LEN: usize = 32;

/// The key of an object that is encrypted with its owner's key (SSE-C, algorithm AES256).
///
/// It is kept in memory only: no checkpoint, log, error or `Debug` shows it. It goes out with every request for the object, and
/// anyone on the way can read it unless the endpoint is `https`; over plain `http` to another machine, that is warned of.
///
/// ```
/// use tosget::{DownloadFile, SsecKey};
///
/// # fn main() -> tosget::Result<()> {
/// let key = SsecKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")?;
/// let request = DownloadFile::new("my-bucket", "secret.bin", "secret.bin").with_ssec_key(key);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SsecKey {
    /// 32 bytes in base64, as the header wants them.
    key: String,
    /// Their MD5, likewise.
    key_md5: String,
}

impl SsecKey {
    /// The key as it is.
    pub fn new(key: [u8; KEY_LEN]) -> Self {
        Self {
            key: STANDARD.encode(key),
            key_md5: STANDARD.encode(Md5::digest(key)),
        }
    }

    /// The key in base64, as the other TOS SDKs take it (`ssec_key`).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for what is not base64 of 32 bytes. The error does not
    /// show what was given.
    pub fn from_base64(key: &str) -> Result<Self> {
        let bytes = STANDARD
            .decode(key.trim())
            .map_err(|_| Error::invalid_argument("the SSE-C key is not base64"))?;
        let length = bytes.len();
        let key = bytes.try_into().map_err(|_| {
            Error::invalid_argument(format!(
                "the SSE-C key has {length} bytes: it must have {KEY_LEN}"
            ))
        })?;
        Ok(Self::new(key))
    }

    /// The three values that the other TOS SDKs take (`ssec_algorithm`, `ssec_key`, `ssec_key_md5`), checked against each
    /// other. Key and MD5 are in base64; without an MD5 it is computed.
    ///
    /// # Errors
    /// As [`from_base64`](Self::from_base64); and for an algorithm other than `AES256`, or an MD5 that is not the key's.
    pub fn from_parts(ssec_algorithm: &str, ssec_key: &str, ssec_key_md5: Option<&str>) -> Result<Self> {
        if ssec_algorithm != ALGORITHM {
            return Err(Error::invalid_argument(format!(
                "the SSE-C algorithm must be {ALGORITHM}"
            )));
        }
        let key = Self::from_base64(ssec_key)?;
        match ssec_key_md5 {
            Some(md5) if md5.trim() != key.key_md5 => Err(Error::invalid_argument(
                "the MD5 of the SSE-C key is not that of the key that was given",
            )),
            _ => Ok(key),
        }
    }

    /// MD5 of the key in base64, by which the service tells keys apart (`ssec_key_md5`).
    pub fn key_md5(&self) -> &str {
        &self.key_md5
    }

    /// The key in base64, for its header.
    pub(crate) fn expose(&self) -> &str {
        &self.key
    }
}

impl fmt::Debug for SsecKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SsecKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes 0 to 31, and their MD5 by Python's hashlib.
    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const KEY_MD5: &str = "tP/LI3N87DFaSk0aoqYgzg==";

    #[test]
    fn a_key_is_the_same_however_it_is_given() {
        let bytes = std::array::from_fn(|index| index as u8);
        for key in [
            SsecKey::new(bytes),
            SsecKey::from_base64(&format!(" {KEY}\n")).expect("good"),
            SsecKey::from_parts("AES256", KEY, Some(KEY_MD5)).expect("good"),
            SsecKey::from_parts("AES256", KEY, None).expect("good"),
        ] {
            assert_eq!((key.expose(), key.key_md5()), (KEY, KEY_MD5));
        }
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_shown() {
        let short = &STANDARD.encode([7; 31]);
        for (algorithm, key, md5) in [
            ("AES128", KEY, None),
            ("aes256", KEY, None),
            ("AES256", short, None),
            ("AES256", "", None),
            ("AES256", "not base64!", None),
            ("AES256", KEY, Some("tP/LI3N87DFaSk0aoqYgzw==")),
            ("AES256", KEY, Some("")),
        ] {
            let error = SsecKey::from_parts(algorithm, key, md5).expect_err(key);
            let text = format!("{error} {error:?}");
            assert!(key.is_empty() || !text.contains(key), "{text}");
        }
    }

    #[test]
    fn nothing_of_a_key_is_shown() {
        let key = SsecKey::from_base64(KEY).expect("good");
        assert_eq!(format!("{key:?}"), "SsecKey { .. }");
    }
}

//! Server-side encryption as clients see it: with a customer's key (SSE-C) the key has to come along with every
//! request for the object; with the service's keys the response says so. Nothing is encrypted on the emulator's disk.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use md5::{Digest, Md5};

use crate::error::TosError;
use crate::reply::Reply;
use crate::store::attributes::Encryption;
use crate::store::object::Object;

const ALGORITHM: &str = "AES256";
const KEY_LEN: usize = 32;
const SERVICE_HEADER: &str = "x-tos-server-side-encryption";
const KMS_KEY_HEADER: &str = "x-tos-server-side-encryption-kms-key-id";

/// The three headers that a customer's key comes in.
pub(super) struct KeyHeaders {
    algorithm: &'static str,
    key: &'static str,
    key_md5: &'static str,
}

/// The key of the object that the request is about.
pub(super) const OWN_KEY: KeyHeaders = KeyHeaders {
    algorithm: "x-tos-server-side-encryption-customer-algorithm",
    key: "x-tos-server-side-encryption-customer-key",
    key_md5: "x-tos-server-side-encryption-customer-key-md5",
};

/// The key of the object that is copied.
pub(super) const COPY_SOURCE_KEY: KeyHeaders = KeyHeaders {
    algorithm: "x-tos-copy-source-server-side-encryption-customer-algorithm",
    key: "x-tos-copy-source-server-side-encryption-customer-key",
    key_md5: "x-tos-copy-source-server-side-encryption-customer-key-md5",
};

/// A customer's key that was found to be one; what is left of it is its MD5 in base64.
struct CustomerKey {
    md5: String,
}

impl CustomerKey {
    /// The key in `names`, all of which have to be there if one of them is.
    fn of(headers: &HeaderMap, names: &KeyHeaders) -> Result<Option<Self>, TosError> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        match (text(names.algorithm), text(names.key), text(names.key_md5)) {
            (None, None, None) => Ok(None),
            (Some(algorithm), Some(key), Some(md5)) => Self::parse(algorithm, key, md5).map(Some),
            _ => Err(TosError::invalid_argument(
                "A customer's key comes with its algorithm and its MD5.",
            )),
        }
    }

    fn parse(algorithm: &str, key: &str, md5: &str) -> Result<Self, TosError> {
        if algorithm != ALGORITHM {
            return Err(TosError::bad_request(
                "InvalidEncryptionAlgorithmError",
                "The encryption algorithm for a customer's key must be AES256.",
            ));
        }
        let key = STANDARD.decode(key).ok().filter(|key| key.len() == KEY_LEN);
        let key =
            key.ok_or_else(|| TosError::invalid_argument("The customer's key is not 32 bytes in base64."))?;
        if STANDARD.encode(Md5::digest(&key)) != md5 {
            return Err(TosError::invalid_argument(
                "The MD5 of the customer's key did not match the key.",
            ));
        }
        Ok(Self { md5: md5.to_owned() })
    }
}

/// The encryption that a request asks for the object it writes.
pub(super) fn asked_for(headers: &HeaderMap) -> Result<Option<Encryption>, TosError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match (CustomerKey::of(headers, &OWN_KEY)?, text(SERVICE_HEADER)) {
        (Some(_), Some(_)) => Err(TosError::invalid_argument(
            "An object is encrypted with the customer's key or with the service's, not with both.",
        )),
        (Some(key), None) => Ok(Some(Encryption::Customer { key_md5: key.md5 })),
        (None, Some(algorithm @ ("AES256" | "KMS"))) => Ok(Some(Encryption::Service {
            algorithm: algorithm.to_owned(),
            kms_key_id: text(KMS_KEY_HEADER).map(str::to_owned),
        })),
        (None, Some(_)) => Err(TosError::bad_request(
            "InvalidEncryptionAlgorithmError",
            "The encryption algorithm must be AES256 or KMS.",
        )),
        (None, None) => Ok(None),
    }
}

/// Refuses a GET or HEAD that does not bring the object's key, or brings one that it has no use for.
pub(super) fn check_read(headers: &HeaderMap, object: &Object) -> Result<(), TosError> {
    if headers.contains_key(SERVICE_HEADER) {
        return Err(TosError::invalid_argument(
            "The header x-tos-server-side-encryption has no place in a read.",
        ));
    }
    check_key(headers, &OWN_KEY, object.attributes.encryption.as_ref())
}

/// Refuses a request that does not bring the key of something encrypted this way, or brings a key for something else.
pub(super) fn check_key(
    headers: &HeaderMap,
    names: &KeyHeaders,
    encryption: Option<&Encryption>,
) -> Result<(), TosError> {
    let given = CustomerKey::of(headers, names)?;
    match (encryption, given) {
        (Some(Encryption::Customer { key_md5 }), given) => {
            if given.is_some_and(|key| key.md5 == *key_md5) {
                Ok(())
            } else {
                Err(TosError::bad_request(
                    "InvalidRequest",
                    "The object was encrypted with a customer's key, and the request does not bring that key.",
                )
                .with_ec("0015-00000008"))
            }
        }
        (_, Some(_)) => Err(TosError::bad_request(
            "InvalidRequest",
            "The object was not encrypted with a customer's key.",
        )),
        (_, None) => Ok(()),
    }
}

/// Says in an answer how its object is encrypted.
pub(super) fn echo(reply: Reply, encryption: Option<&Encryption>) -> Reply {
    match encryption {
        None => reply,
        Some(Encryption::Customer { key_md5 }) => reply
            .with(OWN_KEY.algorithm, ALGORITHM)
            .with(OWN_KEY.key_md5, key_md5),
        Some(Encryption::Service {
            algorithm,
            kms_key_id,
        }) => reply
            .with(SERVICE_HEADER, algorithm)
            .with_some(KMS_KEY_HEADER, kms_key_id.as_deref()),
    }
}

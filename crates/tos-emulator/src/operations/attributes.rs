//! The attributes that a request gives to the object it writes.

use http::HeaderMap;

use super::{encryption, stored_headers, tagging};
use crate::error::TosError;
use crate::store::attributes::{Attributes, STANDARD};

const STORAGE_CLASSES: &[&str] = &[
    STANDARD,
    "IA",
    "INTELLIGENT_TIERING",
    "ARCHIVE_FR",
    "ARCHIVE",
    "COLD_ARCHIVE",
    "DEEP_COLD_ARCHIVE",
];

/// What `headers` say about the object, as far as it is stored.
pub(crate) fn of(headers: &HeaderMap) -> Result<Attributes, TosError> {
    Ok(Attributes {
        headers: stored_headers::collect(headers),
        storage_class: storage_class(headers)?,
        tags: tagging::in_header(headers)?,
        encryption: encryption::asked_for(headers)?,
    })
}

fn storage_class(headers: &HeaderMap) -> Result<String, TosError> {
    let Some(named) = headers.get("x-tos-storage-class") else {
        return Ok(STANDARD.to_owned());
    };
    let known = STORAGE_CLASSES.iter().find(|class| *named == **class);
    known.map(|class| (*class).to_owned()).ok_or_else(|| {
        TosError::bad_request(
            "InvalidStorageClass",
            "The storage class you specified is not valid.",
        )
    })
}

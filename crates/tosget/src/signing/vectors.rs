//! The published and recorded signatures of the official SDKs, every intermediate text compared.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

use super::presign::Expiry;
use super::*;
use crate::encoding::encode_path;
use crate::object_url::ObjectUrl;

const EMPTY_DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn file() -> Value {
    serde_json::from_str(include_str!("../../tests/data/tos4-hmac-sha256.json")).expect("the file is JSON")
}

/// Runs `check` with each vector of one kind and with what signs it.
fn for_each(kind: &str, check: impl Fn(&Value, Signer<'_>)) {
    let file = file();
    let vectors = file["vectors"].as_array().expect("a list");
    let mut seen = 0;
    for vector in vectors.iter().filter(|vector| vector["kind"] == kind) {
        let field = |name: &str| {
            text(if vector[name].is_null() {
                &file[name]
            } else {
                &vector[name]
            })
        };
        let query = text(&vector["canonical_request"]);
        let mut credentials = Credentials::new(field("ak"), field("sk"));
        // Only Q3 carries a token in its query; it stands in the clear in its canonical request.
        if query.contains("X-Tos-Security-Token=") {
            credentials = credentials.with_security_token("nCgdqdzE1d+/token==");
        }
        let time = timestamp(&field("date"));
        check(
            vector,
            Signer {
                credentials: &credentials,
                region: &field("region"),
                time: &time,
            },
        );
        seen += 1;
    }
    assert!(seen >= 7, "only {seen} vectors of kind {kind}");
}

fn timestamp(date: &str) -> Timestamp {
    let form = format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..8]);
    let days = (0..40_000u64)
        .find(|days| Timestamp::new(UNIX_EPOCH + Duration::from_secs(days * 86_400)).day() == &date[..8])
        .unwrap_or_else(|| panic!("{form} is a day"));
    let number = |at: usize| date[at..at + 2].parse::<u64>().expect("two digits");
    let seconds = days * 86_400 + number(9) * 3600 + number(11) * 60 + number(13);
    let time = Timestamp::new(UNIX_EPOCH + Duration::from_secs(seconds));
    assert_eq!(time.as_str(), date);
    time
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn pairs(object: &Value, name: impl Fn(&str) -> String) -> Vec<(String, String)> {
    let object = object.as_object().expect("an object");
    object
        .iter()
        .map(|(key, value)| (name(key), text(value)))
        .collect()
}

fn path(vector: &Value) -> String {
    match (vector["path"].as_str(), vector["key"].as_str()) {
        (Some(path), _) => encode_path(path),
        (None, Some(key)) => encode_path(&format!("/{key}")),
        (None, None) => "/".to_owned(),
    }
}

/// The headers that the vector's own list names; the others are deliberately unsigned.
fn signed(vector: &Value) -> Vec<(String, String)> {
    let canonical = text(&vector["canonical_request"]);
    let list = canonical
        .lines()
        .rev()
        .nth(1)
        .expect("a list of headers")
        .to_owned();
    let mut headers = pairs(&vector["headers"], str::to_ascii_lowercase);
    headers.retain(|(name, _)| list.split(';').any(|signed| signed == name));
    headers
}

#[test]
fn the_signing_key_is_derived_as_published() {
    let file = file();
    let credentials = Credentials::new(text(&file["ak"]), text(&file["sk"]));
    let signer = Signer {
        credentials: &credentials,
        region: &text(&file["region"]),
        time: &timestamp(&text(&file["date"])),
    };
    assert_eq!(hex(&signer.key()), text(&file["signing_key_hex"]));
}

#[test]
fn every_header_vector_is_reproduced() {
    for_each("header", |vector, signer| {
        let name = text(&vector["name"]);
        let headers = signed(vector);
        let sent = headers
            .iter()
            .find(|(name, _)| name == "x-tos-content-sha256")
            .map(|(_, value)| value.clone());
        // Without the header, the Python signer falls back to one word and all others to the empty digest.
        let fallback = if name.starts_with("H6") {
            UNSIGNED_PAYLOAD
        } else {
            EMPTY_DIGEST
        };
        let request = CanonicalRequest::new(RequestParts {
            method: &text(&vector["method"]),
            path: &path(vector),
            query: &pairs(&vector["params"], str::to_owned),
            headers: &headers,
            payload: sent.as_deref().unwrap_or(fallback),
        });
        assert_eq!(request.text, text(&vector["canonical_request"]), "{name}");
        assert_eq!(
            signer.string_to_sign(&request),
            text(&vector["string_to_sign"]),
            "{name}"
        );
        assert_eq!(signer.signature(&request), text(&vector["signature"]), "{name}");
        if let Some(authorization) = vector["authorization"].as_str() {
            assert_eq!(signer.authorization(&request), authorization, "{name}");
        }
    });
}

#[test]
fn every_presigned_vector_is_reproduced() {
    for_each("query", |vector, signer| {
        let name = text(&vector["name"]);
        let expected = text(&vector["url"]);
        let expires = vector["expires"].as_u64().expect("a number");
        let host = text(&vector["signed_header"]["host"]);
        let mut headers = signed(vector);
        headers.retain(|(name, _)| name != "host");

        let mut query = pairs(&vector["params"], str::to_owned);
        query.sort_by_key(|(name, _)| expected.find(name.as_str()));
        let url = ObjectUrl::for_test(&host, &path(vector), query);
        let presigned = signer.presign(
            &text(&vector["method"]),
            &url,
            &headers,
            Expiry::from_seconds(expires).expect("within the limits"),
        );
        // The signature is a digest of the canonical request and the string to sign, so the URL proves them too.
        assert_eq!(presigned.expose(), expected, "{name}");
    });
}

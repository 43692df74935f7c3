//! Every published vector, every intermediate string.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;

use super::canonical::{Signed, hex, signature, signing_key, string_to_sign};
use super::credential::{Credential, CredentialScope};
use super::{Caller, Verifier};
use crate::clock::Timestamp;
use crate::request::Request;
use crate::request::address::Address;
use crate::request::encoding::encode_query;
use crate::request::query::Query;

struct Vector {
    name: String,
    request: Request,
    scope: String,
    date: String,
    access_key: String,
    secret_key: String,
    expected: Value,
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

fn file() -> Value {
    serde_json::from_str(include_str!("../../tests/data/tos4-hmac-sha256.json")).expect("the file is JSON")
}

fn vectors() -> Vec<Vector> {
    let file = file();
    let list = file["vectors"].as_array().expect("a list");
    list.iter().map(|vector| read(&file, vector)).collect()
}

fn read(file: &Value, vector: &Value) -> Vector {
    let own_or_common = |name: &str| text(vector.get(name).unwrap_or(&file[name])).to_owned();
    let url = vector
        .get("url")
        .map(|url| text(url).parse::<http::Uri>().expect("a URL"));
    let (host, raw_path, mut raw_query) = match &url {
        Some(url) => (
            url.authority().expect("a host").to_string(),
            url.path().to_owned(),
            url.query().unwrap_or_default().to_owned(),
        ),
        None => (
            text(&vector["headers"]["host"]).to_owned(),
            text(&vector["path"]).replace(' ', "%20"),
            String::new(),
        ),
    };
    if raw_query.is_empty() {
        let parameters = vector["params"].as_object().expect("an object");
        let pairs: Vec<_> = parameters
            .iter()
            .map(|(name, value)| format!("{name}={}", encode_query(text(value))))
            .collect();
        raw_query = pairs.join("&");
    }
    let headers = vector["headers"]
        .as_object()
        .expect("an object")
        .iter()
        .map(|(name, value)| {
            (
                name.parse::<HeaderName>().expect("a name"),
                text(value).parse::<HeaderValue>().expect("a value"),
            )
        });
    let mut headers: HeaderMap = headers.collect();
    if let Some(authorization) = vector.get("authorization") {
        headers.insert("authorization", text(authorization).parse().expect("a value"));
    }
    let date = own_or_common("date");
    let request = Request {
        method: text(&vector["method"]).parse::<Method>().expect("a method"),
        host,
        query: Query::parse(&raw_query).expect("UTF-8"),
        raw_path,
        raw_query,
        address: Address::default(),
        headers,
    };
    Vector {
        name: text(&vector["name"]).to_owned(),
        request,
        scope: format!("{}/{}/tos/request", &date[..8], own_or_common("region")),
        date,
        access_key: own_or_common("ak"),
        secret_key: own_or_common("sk"),
        expected: vector.clone(),
    }
}

#[test]
fn the_signing_key_is_the_published_one() {
    let file = file();
    let key = signing_key(text(&file["sk"]), "20240102", text(&file["region"]), "tos");
    assert_eq!(hex(&key), text(&file["signing_key_hex"]));
}

#[test]
fn every_published_vector_gives_its_strings() {
    let vectors = vectors();
    assert!(vectors.len() >= 24, "only {} vectors", vectors.len());
    for vector in &vectors {
        let canonical = text(&vector.expected["canonical_request"]);
        let mut last_lines = canonical.rsplit('\n');
        let (payload, signed_headers) = (
            last_lines.next().expect("a line"),
            last_lines.next().expect("a line"),
        );
        let signed = Signed {
            method: &vector.request.method,
            raw_path: &vector.request.raw_path,
            query: &vector.request.query,
            headers: &vector.request.headers,
            host: &vector.request.host,
            signed_headers,
        };
        let ours = signed.canonical_request(payload);
        assert_eq!(String::from_utf8_lossy(&ours), canonical, "{}", vector.name);
        let to_sign = string_to_sign(&vector.date, &vector.scope, &ours);
        assert_eq!(
            to_sign,
            text(&vector.expected["string_to_sign"]),
            "{}",
            vector.name
        );
        let scope = CredentialScope::parse("AK/20240102/cn-beijing/tos/request").expect("a credential");
        let region = vector.scope.split('/').nth(1).expect("a region");
        let key = signing_key(&vector.secret_key, &vector.date[..8], region, scope.service);
        assert_eq!(
            signature(&key, &to_sign),
            text(&vector.expected["signature"]),
            "{}",
            vector.name
        );
    }
}

/// H6 shows what the Python signer does alone, without the header that its client always sends; the service expects
/// the empty digest there.
#[test]
fn every_vector_that_a_client_sends_is_accepted() {
    for vector in vectors()
        .iter_mut()
        .filter(|vector| !vector.name.starts_with("H6"))
    {
        if text(&vector.expected["kind"]) == "header" && !vector.request.headers.contains_key("authorization")
        {
            let canonical = text(&vector.expected["canonical_request"]);
            let signed_headers = canonical.rsplit('\n').nth(1).expect("a line");
            let authorization = format!(
                "TOS4-HMAC-SHA256 Credential={}/{},SignedHeaders={signed_headers},Signature={}",
                vector.access_key,
                vector.scope,
                text(&vector.expected["signature"]),
            );
            vector
                .request
                .headers
                .insert("authorization", authorization.parse().expect("a value"));
        }
        let token = vector.request.header("x-tos-security-token").map(str::to_owned);
        let token = token.or(vector
            .request
            .query
            .get("X-Tos-Security-Token")
            .map(str::to_owned));
        let verifier = Verifier {
            credentials: vec![Credential {
                access_key: vector.access_key.clone(),
                secret_key: vector.secret_key.clone(),
                security_token: token,
            }],
            region: "cn-beijing".into(),
        };
        let now = Timestamp::parse_basic(&vector.date).expect("a date");
        let caller = verifier.verify(&vector.request, now);
        assert!(matches!(caller, Ok(Caller::Owner)), "{}: {caller:?}", vector.name);
    }
}

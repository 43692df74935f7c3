//! TOS4-HMAC-SHA256 as a client does it, written apart from the emulator's.

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Keys and region.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    pub(crate) region: String,
}

impl Signer {
    /// The `Authorization` header for a request with these headers (lower-case names), all of which are signed.
    pub(crate) fn authorization(
        &self,
        method: &str,
        target: &str,
        headers: &[(String, String)],
        separator: &str,
    ) -> String {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = headers.to_vec();
        headers.sort();
        let value = |name: &str| {
            headers
                .iter()
                .find(|(other, _)| other == name)
                .map(|(_, value)| value.as_str())
        };
        let payload = value("x-tos-content-sha256").map_or_else(|| hex(&Sha256::digest(b"")), str::to_owned);
        let date = value("x-tos-date").expect("a date").to_owned();
        let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        let lines: String = headers
            .iter()
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect();
        let canonical = format!(
            "{method}\n{path}\n{}\n{lines}\n{}\n{payload}",
            sorted_query(query),
            names.join(";")
        );
        let signature = self.signature(&date, &canonical);
        let credential = format!("{}/{}", self.access_key, self.scope(&date));
        [
            format!("TOS4-HMAC-SHA256 Credential={credential}"),
            format!("SignedHeaders={}", names.join(";")),
            format!("Signature={signature}"),
        ]
        .join(separator)
    }

    /// `target` with the parameters that sign it for `expires` seconds from `date` on, for `host` alone.
    pub(crate) fn presigned(
        &self,
        method: &str,
        target: &str,
        host: &str,
        date: &str,
        expires: &str,
    ) -> String {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let credential = encode(&format!("{}/{}", self.access_key, self.scope(date)));
        let query = [
            query,
            "X-Tos-Algorithm=TOS4-HMAC-SHA256",
            &format!("X-Tos-Credential={credential}"),
            &format!("X-Tos-Date={date}"),
            &format!("X-Tos-Expires={expires}"),
            "X-Tos-SignedHeaders=host",
        ]
        .join("&");
        let query = query.trim_start_matches('&');
        let canonical = format!(
            "{method}\n{path}\n{}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD",
            sorted_query(query)
        );
        format!(
            "{path}?{query}&X-Tos-Signature={}",
            self.signature(date, &canonical)
        )
    }

    fn scope(&self, date: &str) -> String {
        format!("{}/{}/tos/request", &date[..8], self.region)
    }

    fn signature(&self, date: &str, canonical: &str) -> String {
        let mut key = self.secret_key.as_bytes().to_vec();
        for word in [&date[..8], &self.region, "tos", "request"] {
            key = hmac(&key, word);
        }
        let hash = hex(&Sha256::digest(canonical.as_bytes()));
        let to_sign = format!("TOS4-HMAC-SHA256\n{date}\n{}\n{hash}", self.scope(date));
        hex(&hmac(&key, &to_sign))
    }
}

/// Now, moved by some seconds, as `20240102T030405Z`.
pub(crate) fn date(offset_seconds: i64) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs() as i64
        + offset_seconds;
    let time = httpdate::HttpDate::from(UNIX_EPOCH + std::time::Duration::from_secs(now as u64)).to_string();
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let words: Vec<_> = time.split(' ').collect();
    let month = months
        .iter()
        .position(|month| *month == words[2])
        .expect("a month")
        + 1;
    format!(
        "{}{month:02}{}T{}Z",
        words[3],
        words[1],
        words[4].replace(':', "")
    )
}

pub(crate) fn encode(text: &str) -> String {
    let encoded = text.bytes().map(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    });
    encoded.collect()
}

/// The path for a key, slashes kept.
pub(crate) fn encode_path(key: &str) -> String {
    key.split('/').map(encode).collect::<Vec<_>>().join("/")
}

/// The tests write their queries encoded as the signature has them, so that sorting is all there is to do.
fn sorted_query(query: &str) -> String {
    let mut pairs: Vec<_> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(str::to_owned)
        .collect();
    for pair in &mut pairs {
        if !pair.contains('=') {
            pair.push('=');
        }
    }
    pairs.sort();
    pairs.join("&")
}

fn hmac(key: &[u8], message: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

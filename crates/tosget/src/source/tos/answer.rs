//! The head of a successful answer, read into values. Whether it is the answer that was asked for is decided above.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use http::header::ETAG;
use http::response::Parts;
use http::{HeaderMap, Version};
use percent_encoding::percent_decode_str;

use crate::error::attempt::ResponseFault;
use crate::object::{ETag, HeadObjectOutput};
use crate::range::{ContentRange, parse_decimal};
use crate::response::ResponseHead;

/// The coding of a body that the server's CRC64 follows.
const RAW_TRAILER: &str = "tos-raw-trailer";

const USER_METADATA: &str = "x-tos-meta-";

/// Headers as text, by their names.
type Texts = BTreeMap<String, String>;

/// Reads the answer to a HEAD, whose size is the object's.
pub(super) fn read_head(parts: &Parts) -> Result<ResponseHead, ResponseFault> {
    let mut head = read(parts)?;
    if head.status != 200 {
        return Err(ResponseFault::Status(head.status));
    }
    // A symlink's own length says nothing; what it points to is what a GET delivers.
    let size = head.object.symlink_target_size.or(head.payload_length);
    head.object.content_length = size.ok_or(ResponseFault::NoLength)?;
    Ok(head)
}

/// Reads the answer to a GET of which only the head is wanted.
pub(super) fn read_get_as_head(parts: &Parts) -> Result<ResponseHead, ResponseFault> {
    let head = read_get(parts)?;
    match (head.content_range, head.payload_length) {
        (None, None) => Err(ResponseFault::NoLength),
        _ => Ok(head),
    }
}

/// Reads the answer to a GET, whose size is the object's on 200 and the range's on 206.
pub(super) fn read_get(parts: &Parts) -> Result<ResponseHead, ResponseFault> {
    let mut head = read(parts)?;
    head.object.content_length = match head.content_range {
        Some(ContentRange::Satisfied { total, .. } | ContentRange::Unsatisfied { total }) => total,
        None => head.payload_length.unwrap_or_default(),
    };
    Ok(head)
}

/// A header as text, whatever its bytes; several lines are one list.
pub(super) fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let values = headers.get_all(name).iter();
    let mut lines = values.map(|value| String::from_utf8_lossy(value.as_bytes()));
    let first = lines.next()?.into_owned();
    Some(lines.fold(first, |list, line| list + ", " + &line))
}

/// All headers as [`text`], by their names.
pub(super) fn all_text(headers: &HeaderMap) -> Texts {
    let mut texts = Texts::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        match texts.get_mut(name.as_str()) {
            Some(list) => list.extend([", ", &value]),
            None => {
                texts.insert(name.as_str().to_owned(), value.into_owned());
            }
        }
    }
    texts
}

/// When the server says that it answered.
pub(super) fn date(parts: &Parts) -> Option<SystemTime> {
    httpdate::parse_http_date(&text(&parts.headers, "date")?).ok()
}

/// `Date` minus `now`, in seconds; nothing where there is no date, or none that can be read.
pub(super) fn clock_offset(headers: &HeaderMap, now: SystemTime) -> Option<i64> {
    let date = httpdate::parse_http_date(&text(headers, "date")?).ok()?;
    let seconds = |time: SystemTime| i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok();
    Some(seconds(date)? - seconds(now)?)
}

fn read(parts: &Parts) -> Result<ResponseHead, ResponseFault> {
    let headers = all_text(&parts.headers);
    let coding = Coding::read(&headers)?;
    let content_range = headers.get("content-range");
    let parsed_range = content_range.and_then(|range| ContentRange::parse(range));
    Ok(ResponseHead {
        status: parts.status.as_u16(),
        content_range: parsed_range,
        unreadable_content_range: content_range.filter(|_| parsed_range.is_none()).cloned(),
        payload_length: match coding.payload_length {
            Some(length) => Some(length),
            None => decimal(&headers, "content-length", "Content-Length")?,
        },
        ends_with_connection: parts.version < Version::HTTP_2
            && !headers.contains_key("content-length")
            && !headers.contains_key("transfer-encoding"),
        content_encoding: coding.content.clone(),
        range_crc_granted: coding.payload_length.is_some(),
        throttled: headers
            .get("x-tos-qos-delay-time")
            .is_some_and(|delay| is_positive(delay)),
        // What is not UTF-8 could not be sent back as it came.
        etag: parts
            .headers
            .get(ETAG)
            .and_then(|etag| ETag::parse(std::str::from_utf8(etag.as_bytes()).ok()?)),
        object: object(headers, coding.content)?,
    })
}

/// How the body is coded, the framing of a range CRC told apart from the object's own coding.
struct Coding {
    /// Where the body is framed, the length of its payload.
    payload_length: Option<u64>,
    content: Option<String>,
}

impl Coding {
    /// Both headers together are the sign of a framed body; with one of them missing it is not.
    fn read(headers: &Texts) -> Result<Self, ResponseFault> {
        let content = headers
            .get("content-encoding")
            .filter(|coding| !is_identity(coding));
        let length = decimal(headers, "x-tos-raw-content-length", "X-Tos-Raw-Content-Length")?;
        Ok(
            match (content.and_then(|codings| after_raw_trailer(codings)), length) {
                (Some(rest), Some(length)) => Self {
                    payload_length: Some(length),
                    content: Some(rest.to_owned()).filter(|rest| !is_identity(rest)),
                },
                _ => Self {
                    payload_length: None,
                    content: content.cloned(),
                },
            },
        )
    }
}

fn is_identity(coding: &str) -> bool {
    coding.trim().is_empty() || coding.trim().eq_ignore_ascii_case("identity")
}

/// What stands after the framing's name in a list of codings; `None` where the list does not begin with it.
fn after_raw_trailer(codings: &str) -> Option<&str> {
    let (first, rest) = codings.split_once(',').unwrap_or((codings, ""));
    first
        .trim()
        .eq_ignore_ascii_case(RAW_TRAILER)
        .then(|| rest.trim())
}

fn object(headers: Texts, content_encoding: Option<String>) -> Result<HeadObjectOutput, ResponseFault> {
    let text = |name| headers.get(name).cloned();
    let decimal = |name, called| decimal(&headers, name, called);
    // Nothing depends on these: one that can't be read is one that is not there.
    let number = |name| parse_decimal(headers.get(name)?.trim());
    Ok(HeadObjectOutput {
        content_length: 0,
        etag: headers
            .get("etag")
            .and_then(|etag| ETag::parse(etag))
            .map(|etag| etag.as_str().to_owned()),
        last_modified: headers
            .get("last-modified")
            .and_then(|date| httpdate::parse_http_date(date).ok()),
        hash_crc64ecma: decimal("x-tos-hash-crc64ecma", "x-tos-hash-crc64ecma")?,
        version_id: text("x-tos-version-id").filter(|version| !version.is_empty()),
        object_type: text("x-tos-object-type"),
        symlink_target_size: decimal("x-tos-symlink-target-size", "x-tos-symlink-target-size")?,
        storage_class: text("x-tos-storage-class"),
        restore: text("x-tos-restore"),
        restore_tier: text("x-tos-restore-tier"),
        restore_expiry_days: number("x-tos-restore-expiry-days"),
        ssec_algorithm: text("x-tos-server-side-encryption-customer-algorithm"),
        ssec_key_md5: text("x-tos-server-side-encryption-customer-key-md5"),
        server_side_encryption: text("x-tos-server-side-encryption"),
        server_side_encryption_key_id: text("x-tos-server-side-encryption-kms-key-id"),
        expiration: text("x-tos-expiration"),
        tagging_count: number("x-tos-tagging-count"),
        replication_status: text("x-tos-replication-status"),
        website_redirect_location: text("x-tos-website-redirect-location"),
        content_type: text("content-type"),
        cache_control: text("cache-control"),
        content_disposition: text("content-disposition"),
        content_encoding,
        content_language: text("content-language"),
        expires: text("expires"),
        meta: user_metadata(&headers),
        request_id: text("x-tos-request-id"),
        id2: text("x-tos-id-2"),
        headers,
    })
}

fn decimal(headers: &Texts, name: &str, called: &'static str) -> Result<Option<u64>, ResponseFault> {
    headers
        .get(name)
        .map(|text| parse_decimal(text.trim()).ok_or(ResponseFault::BadHeader(called)))
        .transpose()
}

fn user_metadata(headers: &Texts) -> BTreeMap<String, String> {
    headers
        .iter()
        .filter_map(|(name, value)| Some((decoded(name.strip_prefix(USER_METADATA)?), decoded(value))))
        .collect()
}

/// The official SDKs percent-encode names and values on the way in, and decode them on the way out.
fn decoded(text: &str) -> String {
    match percent_decode_str(text).decode_utf8() {
        Ok(decoded) => decoded.into_owned(),
        Err(_) => text.to_owned(),
    }
}

/// The delay's unit is not documented, so any number but zero counts.
fn is_positive(delay: &str) -> bool {
    !delay.trim().starts_with('-') && delay.bytes().any(|byte| matches!(byte, b'1'..=b'9'))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderName, HeaderValue, Response};

    use super::*;
    use crate::range::ByteRange;

    /// 2024-01-02T03:04:05Z.
    const NOW: u64 = 1_704_164_645;

    fn parts(status: u16, headers: &[(&'static str, &'static str)]) -> Parts {
        let mut response = Response::builder().status(status).body(()).expect("a response");
        for (name, value) in headers {
            // Bytes, because a server may send what is not ASCII.
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
            response
                .headers_mut()
                .append(HeaderName::from_static(name), value);
        }
        response.into_parts().0
    }

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(NOW)
    }

    fn get(headers: &[(&'static str, &'static str)]) -> ResponseHead {
        read_get(&parts(206, headers)).expect("readable")
    }

    #[test]
    fn on_a_206_the_size_is_the_total_and_not_the_length() {
        let head = get(&[("content-length", "5"), ("content-range", "bytes 5-9/99")]);
        let range = ByteRange::new(5, 10).expect("not empty");
        assert_eq!(
            head.content_range,
            Some(ContentRange::Satisfied { range, total: 99 })
        );
        assert_eq!((head.payload_length, head.object.content_length), (Some(5), 99));
    }

    #[test]
    fn every_header_is_kept_as_it_came() {
        let headers = get(&[("x-new", "1"), ("content-range", "bytes 5-9/99"), ("x-new", "2")])
            .object
            .headers;
        let told: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(told, [("content-range", "bytes 5-9/99"), ("x-new", "1, 2")]);
    }

    #[test]
    fn an_unreadable_content_range_is_kept_for_the_message() {
        let head = get(&[("content-range", "bytes 5-9/*")]);
        assert_eq!(head.content_range, None);
        assert_eq!(head.unreadable_content_range.as_deref(), Some("bytes 5-9/*"));
        assert_eq!(get(&[]).unreadable_content_range, None);
    }

    #[test]
    fn a_symlink_has_the_size_of_its_target() {
        let link = [
            ("content-length", "0"),
            ("x-tos-object-type", "Symlink"),
            ("x-tos-symlink-target-size", "77"),
        ];
        let head = read_head(&parts(200, &link)).expect("readable");
        assert_eq!(head.object.content_length, 77);
    }

    #[test]
    fn a_head_without_a_length_is_a_fault() {
        let fault = read_head(&parts(200, &[])).expect_err("no length");
        assert_eq!(fault, ResponseFault::NoLength);
    }

    #[test]
    fn a_framed_body_needs_both_headers() {
        let length = ("content-length", "50");
        let raw = ("x-tos-raw-content-length", "10");
        for (coding, granted, content_encoding) in [
            ("tos-raw-trailer", true, None),
            ("TOS-Raw-Trailer, gzip", true, Some("gzip")),
            ("tos-raw-trailer,identity", true, None),
            ("gzip, tos-raw-trailer", false, Some("gzip, tos-raw-trailer")),
            ("tos-raw-trailers", false, Some("tos-raw-trailers")),
            ("identity", false, None),
        ] {
            let head = get(&[length, raw, ("content-encoding", coding)]);
            assert_eq!(head.range_crc_granted, granted, "{coding}");
            assert_eq!(
                head.payload_length,
                Some(if granted { 10 } else { 50 }),
                "{coding}"
            );
            assert_eq!(head.content_encoding.as_deref(), content_encoding, "{coding}");
        }
        let alone = get(&[length, ("content-encoding", "tos-raw-trailer")]);
        assert!(!alone.range_crc_granted);
        assert_eq!(alone.content_encoding.as_deref(), Some("tos-raw-trailer"));
        assert!(!get(&[length, raw]).range_crc_granted);
    }

    #[test]
    fn a_header_that_cannot_be_read_is_a_fault_with_its_name() {
        for (name, called) in [
            ("content-length", "Content-Length"),
            ("x-tos-hash-crc64ecma", "x-tos-hash-crc64ecma"),
            ("x-tos-symlink-target-size", "x-tos-symlink-target-size"),
            ("x-tos-raw-content-length", "X-Tos-Raw-Content-Length"),
        ] {
            for value in ["", "x", "-1", "+1", "1, 1", "18446744073709551616", "1.5"] {
                let fault = read_get(&parts(206, &[(name, value)])).expect_err("unreadable");
                assert_eq!(fault, ResponseFault::BadHeader(called), "{value:?}");
            }
        }
    }

    #[test]
    fn a_crc_of_zero_is_a_value() {
        assert_eq!(
            get(&[("x-tos-hash-crc64ecma", "0")]).object.hash_crc64ecma,
            Some(0)
        );
        assert_eq!(get(&[]).object.hash_crc64ecma, None);
    }

    #[test]
    fn the_servers_clock_is_told_from_its_date() {
        let offset = |date| clock_offset(&parts(403, &[("date", date)]).headers, now());
        assert_eq!(offset("Tue, 02 Jan 2024 03:05:05 GMT"), Some(60));
        assert_eq!(offset("Tue, 02 Jan 2024 03:03:05 GMT"), Some(-60));
        assert_eq!(offset("yesterday"), None);
    }

    #[test]
    fn any_positive_delay_is_a_sign_of_throttling() {
        for (delay, throttled) in [
            ("12", true),
            ("0.5", true),
            ("20ms", true),
            ("0", false),
            ("-1", false),
            ("", false),
        ] {
            assert_eq!(
                get(&[("x-tos-qos-delay-time", delay)]).throttled,
                throttled,
                "{delay:?}"
            );
        }
        assert!(!get(&[]).throttled);
    }

    #[test]
    fn a_number_that_nothing_depends_on_may_be_unreadable() {
        let object = get(&[
            ("x-tos-tagging-count", "2"),
            ("x-tos-restore-expiry-days", "soon"),
        ])
        .object;
        assert_eq!(
            (object.tagging_count, object.restore_expiry_days),
            (Some(2), None)
        );
    }

    #[test]
    fn an_object_is_being_restored_while_the_server_says_so() {
        for (state, ongoing) in [
            ("ongoing-request=\"true\"", true),
            ("ongoing-request = true", true),
            (
                "ongoing-request=\"false\", expiry-date=\"Tue, 02 Jan 2024 03:04:05 GMT\"",
                false,
            ),
        ] {
            let object = get(&[("x-tos-restore", state)]).object;
            assert_eq!(object.is_being_restored(), ongoing, "{state}");
        }
        assert!(!get(&[]).object.is_being_restored());
    }

    #[test]
    fn user_metadata_is_decoded_where_it_decodes() {
        let meta = get(&[
            ("x-tos-meta-%e5%bc%a0", "a%20b+c"),
            ("x-tos-meta-bad", "%FF"),
            ("x-tos-meta-raw", "张"),
        ])
        .object
        .meta;
        let pairs: Vec<_> = meta
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(pairs, [("bad", "%FF"), ("raw", "张"), ("张", "a b+c")]);
    }
}

//! The answers as JSON. Names and types are promises to scripts; what is unknown is `null`, not absent.
//!
//! A CRC64 is a string: it has 64 bits, and most readers of JSON keep only 53 of a number. The server sends it in
//! decimal too.

use std::collections::BTreeMap;

use serde::Serialize;
use tosget::{DownloadFileOutput, ErrorKind, HeadObjectOutput, TosServerError, Verification};

use crate::batch::Tally;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::report::{Downloaded, Known};
use crate::subject::Subject;
use crate::timestamp::rfc3339;

/// `tosget get --json`.
#[derive(Debug, Serialize)]
pub(crate) struct DownloadedJson<'a> {
    ok: bool,
    #[serde(flatten)]
    subject: SubjectJson<'a>,
    file_path: String,
    /// `crc64` or `size_only`.
    verification: &'static str,
    content_crc64: Option<String>,
    bytes_total: u64,
    bytes_fetched: u64,
    bytes_resumed: u64,
    requests: u64,
    retries: u64,
    /// How often the download started over because the object had been replaced.
    restarts: u64,
    first_request_id: Option<&'a str>,
    last_request_id: Option<&'a str>,
    elapsed_seconds: f64,
    /// Why the checkpoint of an earlier run was set aside.
    set_aside: Option<&'a str>,
    /// Why the object was taken in one answer, which can't be gone on with.
    one_answer: Option<&'a str>,
    object: ObjectJson<'a>,
    exit_code: u8,
}

/// `tosget stat --json`.
#[derive(Debug, Serialize)]
pub(crate) struct KnownJson<'a> {
    ok: bool,
    #[serde(flatten)]
    subject: SubjectJson<'a>,
    object: ObjectJson<'a>,
    exit_code: u8,
}

/// What was asked for: bucket and key, or a URL.
#[derive(Debug, Serialize)]
struct SubjectJson<'a> {
    bucket: Option<&'a str>,
    key: Option<&'a str>,
    /// Without what may open something.
    url: Option<String>,
}

/// What the service knows of an object, by the names of HeadObject.
#[derive(Debug, Serialize)]
struct ObjectJson<'a> {
    content_length: u64,
    etag: Option<&'a str>,
    /// RFC 3339, UTC.
    last_modified: Option<String>,
    hash_crc64ecma: Option<String>,
    version_id: Option<&'a str>,
    object_type: Option<&'a str>,
    symlink_target_size: Option<u64>,
    storage_class: Option<&'a str>,
    restore: Option<&'a str>,
    restore_tier: Option<&'a str>,
    restore_expiry_days: Option<u64>,
    ssec_algorithm: Option<&'a str>,
    ssec_key_md5: Option<&'a str>,
    server_side_encryption: Option<&'a str>,
    server_side_encryption_key_id: Option<&'a str>,
    expiration: Option<&'a str>,
    tagging_count: Option<u64>,
    replication_status: Option<&'a str>,
    website_redirect_location: Option<&'a str>,
    content_type: Option<&'a str>,
    cache_control: Option<&'a str>,
    content_disposition: Option<&'a str>,
    content_encoding: Option<&'a str>,
    content_language: Option<&'a str>,
    expires: Option<&'a str>,
    meta: &'a BTreeMap<String, String>,
    request_id: Option<&'a str>,
    id2: Option<&'a str>,
}

/// An object of `tosget batch --json` that failed.
#[derive(Debug, Serialize)]
pub(crate) struct FailureAboutJson<'a> {
    #[serde(flatten)]
    subject: SubjectJson<'a>,
    #[serde(flatten)]
    failure: FailureJson<'a>,
}

/// The last line of `tosget batch --json`.
#[derive(Debug, Serialize)]
pub(crate) struct BatchJson {
    ok: bool,
    batch: TallyJson,
    exit_code: u8,
}

#[derive(Debug, Serialize)]
struct TallyJson {
    objects: u64,
    done: u64,
    failed: u64,
    /// Of those done: the file was the object already.
    already_there: u64,
    /// Of those done: the CRC64 was compared.
    verified: u64,
    bytes_fetched: u64,
    bytes_resumed: u64,
    requests: u64,
    retries: u64,
    elapsed_seconds: f64,
}

/// Any command that failed.
#[derive(Debug, Serialize)]
pub(crate) struct FailureJson<'a> {
    ok: bool,
    error: ErrorJson<'a>,
    exit_code: u8,
}

#[derive(Debug, Serialize)]
struct ErrorJson<'a> {
    kind: &'static str,
    message: &'a str,
    causes: &'a [String],
    hint: Option<&'a str>,
    /// The journal of the checkpoint that the same command goes on from.
    checkpoint: Option<String>,
    server: Option<ServerJson<'a>>,
}

/// Texts are empty where the server did not say.
#[derive(Debug, Serialize)]
struct ServerJson<'a> {
    status_code: u16,
    code: &'a str,
    message: &'a str,
    request_id: &'a str,
    ec: &'a str,
    host_id: &'a str,
    request_url: &'a str,
    delete_marker: bool,
}

impl Downloaded {
    pub(crate) fn to_json(&self) -> DownloadedJson<'_> {
        let DownloadFileOutput {
            object,
            file_path,
            verification,
            ..
        } = &self.output;
        DownloadedJson {
            ok: true,
            subject: (&self.subject).into(),
            file_path: file_path.to_string_lossy().into_owned(),
            verification: match verification {
                Verification::Crc64 => "crc64",
                _ => "size_only",
            },
            content_crc64: self.output.content_crc64.map(|crc| crc.to_string()),
            bytes_total: object.content_length,
            bytes_fetched: self.output.bytes_fetched,
            bytes_resumed: self.output.bytes_resumed,
            requests: self.output.requests,
            retries: self.output.retries,
            restarts: self.output.restarts,
            first_request_id: self.output.first_request_id.as_deref(),
            last_request_id: self.output.last_request_id.as_deref(),
            elapsed_seconds: self.output.elapsed.as_secs_f64(),
            set_aside: self.output.set_aside.as_deref(),
            one_answer: self.output.one_answer.as_deref(),
            object: object.into(),
            exit_code: 0,
        }
    }
}

impl Known {
    pub(crate) fn to_json(&self) -> KnownJson<'_> {
        KnownJson {
            ok: true,
            subject: (&self.subject).into(),
            object: (&self.object).into(),
            exit_code: 0,
        }
    }
}

impl Failure {
    pub(crate) fn to_json(&self) -> FailureJson<'_> {
        FailureJson {
            ok: false,
            error: ErrorJson {
                kind: name_of(self.kind),
                message: &self.message,
                causes: &self.causes,
                hint: self.hint.as_deref(),
                checkpoint: self
                    .checkpoint
                    .as_ref()
                    .map(|path| path.to_string_lossy().into_owned()),
                server: self.server.as_deref().map(ServerJson::from),
            },
            exit_code: self.exit.code(),
        }
    }
}

impl Failure {
    pub(crate) fn to_json_about<'a>(&'a self, subject: &'a Subject) -> FailureAboutJson<'a> {
        FailureAboutJson {
            subject: subject.into(),
            failure: self.to_json(),
        }
    }
}

impl Tally {
    pub(crate) fn to_json(&self, objects: u64, exit: Exit) -> BatchJson {
        BatchJson {
            ok: exit == Exit::Done,
            batch: TallyJson {
                objects,
                done: self.done,
                failed: self.failed,
                already_there: self.same,
                verified: self.verified,
                bytes_fetched: self.bytes_fetched,
                bytes_resumed: self.bytes_resumed,
                requests: self.requests,
                retries: self.retries,
                elapsed_seconds: self.elapsed.as_secs_f64(),
            },
            exit_code: exit.code(),
        }
    }
}

impl<'a> From<&'a Subject> for SubjectJson<'a> {
    fn from(subject: &'a Subject) -> Self {
        match subject {
            Subject::Object(name) => Self {
                bucket: Some(&name.bucket),
                key: Some(&name.key),
                url: None,
            },
            Subject::Url(url) => Self {
                bucket: None,
                key: None,
                url: Some(url.shown()),
            },
        }
    }
}

impl<'a> From<&'a HeadObjectOutput> for ObjectJson<'a> {
    fn from(object: &'a HeadObjectOutput) -> Self {
        Self {
            content_length: object.content_length,
            etag: object.etag.as_deref(),
            last_modified: object.last_modified.map(rfc3339),
            hash_crc64ecma: object.hash_crc64ecma.map(|crc| crc.to_string()),
            version_id: object.version_id.as_deref(),
            object_type: object.object_type.as_deref(),
            symlink_target_size: object.symlink_target_size,
            storage_class: object.storage_class.as_deref(),
            restore: object.restore.as_deref(),
            restore_tier: object.restore_tier.as_deref(),
            restore_expiry_days: object.restore_expiry_days,
            ssec_algorithm: object.ssec_algorithm.as_deref(),
            ssec_key_md5: object.ssec_key_md5.as_deref(),
            server_side_encryption: object.server_side_encryption.as_deref(),
            server_side_encryption_key_id: object.server_side_encryption_key_id.as_deref(),
            expiration: object.expiration.as_deref(),
            tagging_count: object.tagging_count,
            replication_status: object.replication_status.as_deref(),
            website_redirect_location: object.website_redirect_location.as_deref(),
            content_type: object.content_type.as_deref(),
            cache_control: object.cache_control.as_deref(),
            content_disposition: object.content_disposition.as_deref(),
            content_encoding: object.content_encoding.as_deref(),
            content_language: object.content_language.as_deref(),
            expires: object.expires.as_deref(),
            meta: &object.meta,
            request_id: object.request_id.as_deref(),
            id2: object.id2.as_deref(),
        }
    }
}

impl<'a> From<&'a TosServerError> for ServerJson<'a> {
    fn from(server: &'a TosServerError) -> Self {
        Self {
            status_code: server.status_code,
            code: &server.code,
            message: &server.message,
            request_id: &server.request_id,
            ec: &server.ec,
            host_id: &server.host_id,
            request_url: &server.request_url,
            delete_marker: server.delete_marker,
        }
    }
}

/// A stable name for programs.
fn name_of(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidArgument => "invalid_argument",
        ErrorKind::Network => "network",
        ErrorKind::Server => "server",
        ErrorKind::Protocol => "protocol",
        ErrorKind::ObjectChanged => "object_changed",
        ErrorKind::Disk => "disk",
        ErrorKind::Checkpoint => "checkpoint",
        ErrorKind::CheckpointHeld => "checkpoint_held",
        ErrorKind::Verification => "verification",
        ErrorKind::Canceled => "canceled",
        _ => "other",
    }
}

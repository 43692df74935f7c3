//! What an operation tells Python, one piece at a time.

use std::collections::BTreeMap;
use std::ffi::OsString;

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use tosget::{
    DataTransferStatus, DownloadEvent, DownloadEventType, DownloadFileOutput, DownloadPart, Error,
    HeadObjectOutput, ProgressSnapshot, Verification,
};

use crate::failure::Told;

/// One piece. Made on the engine's threads, where there are no Python objects.
#[derive(Debug)]
pub(crate) enum Item {
    Transfer(DataTransferStatus),
    Event(Box<DownloadEvent>),
    Downloaded(Box<DownloadFileOutput>),
    Answered(Box<HeadObjectOutput>),
    Failed(Error),
    Crashed(String),
}

impl Item {
    /// Whether nothing comes after it.
    pub(crate) fn is_last(&self) -> bool {
        !matches!(self, Self::Transfer(_) | Self::Event(_))
    }

    /// A pair of what it is and a dictionary.
    pub(crate) fn into_tuple(self, py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
        match self {
            Self::Transfer(status) => ("transfer", Transfer::from(status)).into_pyobject(py),
            Self::Event(event) => ("event", Event::new(py, *event)).into_pyobject(py),
            Self::Downloaded(output) => ("downloaded", Output::from(*output)).into_pyobject(py),
            Self::Answered(object) => ("answered", Object::from(*object)).into_pyobject(py),
            Self::Failed(error) => ("failed", Told::new(py, &error)).into_pyobject(py),
            Self::Crashed(message) => ("failed", Told::crashed(message)).into_pyobject(py),
        }
    }
}

#[derive(IntoPyObject)]
struct Transfer {
    consumed_bytes: u64,
    total_bytes: u64,
    rw_once_bytes: u64,
    data_transfer_type: u32,
}

impl From<DataTransferStatus> for Transfer {
    fn from(status: DataTransferStatus) -> Self {
        Self {
            consumed_bytes: status.consumed_bytes,
            total_bytes: status.total_bytes,
            rw_once_bytes: status.rw_once_bytes,
            data_transfer_type: status.data_transfer_type.value(),
        }
    }
}

#[derive(IntoPyObject)]
struct Event {
    event_type: u32,
    /// What tosget's own types have to say beyond their number.
    details: BTreeMap<&'static str, Detail>,
    error: Option<Told>,
    bucket: String,
    key: String,
    version_id: Option<String>,
    file_path: OsString,
    checkpoint_file: Option<OsString>,
    temp_file: OsString,
    download_part: Option<Part>,
}

#[derive(IntoPyObject)]
enum Detail {
    Number(u64),
    Seconds(f64),
    Text(String),
}

#[derive(IntoPyObject)]
struct Part {
    part_number: u64,
    start: u64,
    end: u64,
    part_crc: Option<u64>,
}

impl Event {
    fn new(py: Python<'_>, event: DownloadEvent) -> Self {
        Self {
            event_type: event.event_type.value(),
            details: details(event.event_type),
            error: event.error.map(|error| Told::new(py, &error)),
            bucket: event.bucket.to_string(),
            key: event.key.to_string(),
            version_id: event.version_id.map(|version| version.to_string()),
            file_path: event.file_path.as_os_str().to_owned(),
            checkpoint_file: event.checkpoint_file.map(|path| path.as_os_str().to_owned()),
            temp_file: event.temp_file_path.as_os_str().to_owned(),
            download_part: event.download_part.map(Part::from),
        }
    }
}

fn details(event_type: DownloadEventType) -> BTreeMap<&'static str, Detail> {
    use DownloadEventType::{AttemptRetried, CheckpointSetAside, EventsMissed, Rechecked, Resumed};
    match event_type {
        Resumed {
            bytes,
            doubtful_bytes,
        } => [
            ("bytes", Detail::Number(bytes)),
            ("doubtful_bytes", Detail::Number(doubtful_bytes)),
        ]
        .into(),
        Rechecked {
            good_bytes,
            bad_bytes,
        } => [
            ("good_bytes", Detail::Number(good_bytes)),
            ("bad_bytes", Detail::Number(bad_bytes)),
        ]
        .into(),
        AttemptRetried { wait } => [("wait", Detail::Seconds(wait.as_secs_f64()))].into(),
        CheckpointSetAside { reason } => [("reason", Detail::Text(reason))].into(),
        EventsMissed { count } => [("count", Detail::Number(count))].into(),
        _ => BTreeMap::new(),
    }
}

impl From<DownloadPart> for Part {
    fn from(part: DownloadPart) -> Self {
        Self {
            part_number: part.part_number,
            start: part.range_start,
            end: part.range_end,
            part_crc: part.hash_crc64ecma,
        }
    }
}

/// An object: its headers, which Python reads as it always did, and its size, which they do not tell on a ranged answer.
#[derive(IntoPyObject)]
struct Object {
    content_length: u64,
    content_encoding: Option<String>,
    headers: BTreeMap<String, String>,
}

impl From<HeadObjectOutput> for Object {
    fn from(object: HeadObjectOutput) -> Self {
        Self {
            content_length: object.content_length,
            content_encoding: object.content_encoding,
            headers: object.headers,
        }
    }
}

#[derive(IntoPyObject)]
struct Output {
    object: Object,
    file_path: OsString,
    bytes_fetched: u64,
    bytes_resumed: u64,
    requests: u64,
    retries: u64,
    restarts: u64,
    first_request_id: Option<String>,
    last_request_id: Option<String>,
    elapsed: f64,
    verification: &'static str,
    set_aside: Option<String>,
    one_answer: Option<String>,
    content_crc64: Option<u64>,
}

impl From<DownloadFileOutput> for Output {
    fn from(output: DownloadFileOutput) -> Self {
        Self {
            object: output.object.into(),
            file_path: output.file_path.into_os_string(),
            bytes_fetched: output.bytes_fetched,
            bytes_resumed: output.bytes_resumed,
            requests: output.requests,
            retries: output.retries,
            restarts: output.restarts,
            first_request_id: output.first_request_id,
            last_request_id: output.last_request_id,
            elapsed: output.elapsed.as_secs_f64(),
            verification: match output.verification {
                Verification::Crc64 => "crc64",
                Verification::SizeOnly => "size_only",
                // A way that is newer than this file.
                _ => "other",
            },
            set_aside: output.set_aside,
            one_answer: output.one_answer,
            content_crc64: output.content_crc64,
        }
    }
}

/// How far a download is.
#[derive(IntoPyObject)]
pub(crate) struct Snapshot {
    total_bytes: u64,
    consumed_bytes: u64,
    resumed_bytes: u64,
    fetched_bytes: u64,
    rechecking_bytes: u64,
    parts_total: u64,
    running_tasks: u32,
    retries: u64,
    requests: u64,
    restarts: u64,
    throttled: u64,
}

impl From<ProgressSnapshot> for Snapshot {
    fn from(snapshot: ProgressSnapshot) -> Self {
        Self {
            total_bytes: snapshot.total_bytes,
            consumed_bytes: snapshot.consumed_bytes,
            resumed_bytes: snapshot.resumed_bytes,
            fetched_bytes: snapshot.fetched_bytes,
            rechecking_bytes: snapshot.rechecking_bytes,
            parts_total: snapshot.parts_total,
            running_tasks: snapshot.running_tasks,
            retries: snapshot.retries,
            requests: snapshot.requests,
            restarts: snapshot.restarts,
            throttled: snapshot.throttled,
        }
    }
}

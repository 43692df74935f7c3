//! What a call is asked for, as Python hands it over: complete, and with Python's types checked by Python.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use tosget::{DownloadFile, HeadObject, OnChange, Recheck, SsecKey};

use crate::failure::refused;
use crate::limiter::RateLimiter;

/// A download. All keys have to be there; what is `None` is left as the engine has it.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Download {
    object: Head,
    file_path: PathBuf,
    part_size: u64,
    task_num: usize,
    enable_checkpoint: bool,
    checkpoint_file: Option<PathBuf>,
    traffic_limit: Option<u64>,
    rate_limiter: Option<Py<RateLimiter>>,
    recheck: Option<String>,
    preserve_mtime: bool,
    restarts: Option<u32>,
    progress_interval: f64,
    /// Whether anybody listens to the progress.
    pub(crate) wants_progress: bool,
    /// Whether anybody listens to the events.
    pub(crate) wants_events: bool,
}

/// An object, and on which conditions it is asked for.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Head {
    bucket: String,
    key: String,
    version_id: Option<String>,
    if_match: Option<String>,
    if_none_match: Option<String>,
    /// Seconds since the epoch.
    if_modified_since: Option<i64>,
    if_unmodified_since: Option<i64>,
    /// Algorithm, key and, if it is given, the key's MD5.
    ssec: Option<(String, String, Option<String>)>,
}

/// Sets what is there.
macro_rules! with {
    ($request:ident, $($setter:ident($value:expr);)*) => {
        $(if let Some(value) = $value {
            $request = $request.$setter(value);
        })*
    };
}

impl Download {
    pub(crate) fn into_request(self, py: Python<'_>) -> PyResult<DownloadFile> {
        let ssec_key = self.object.ssec_key(py)?;
        let modified = time(self.object.if_modified_since)?;
        let unmodified = time(self.object.if_unmodified_since)?;
        let limiter = self.rate_limiter.map(|limiter| limiter.get().bucket(py));
        let mut request = DownloadFile::new(self.object.bucket, self.object.key, self.file_path)
            .with_part_size(self.part_size)
            .with_task_num(self.task_num)
            .with_enable_checkpoint(self.enable_checkpoint)
            .with_preserve_mtime(self.preserve_mtime)
            .with_data_transfer_interval(seconds(self.progress_interval));
        with!(request,
            with_version_id(self.object.version_id);
            with_if_match(self.object.if_match);
            with_if_none_match(self.object.if_none_match);
            with_if_modified_since(modified);
            with_if_unmodified_since(unmodified);
            with_ssec_key(ssec_key);
            with_checkpoint_file(self.checkpoint_file);
            with_traffic_limit(self.traffic_limit);
            with_rate_limiter(limiter.transpose()?);
            with_recheck(self.recheck.as_deref().map(recheck).transpose()?);
            with_on_change(self.restarts.map(OnChange::Restart));
        );
        Ok(request)
    }
}

impl Head {
    pub(crate) fn into_request(self, py: Python<'_>) -> PyResult<HeadObject> {
        let ssec_key = self.ssec_key(py)?;
        let modified = time(self.if_modified_since)?;
        let unmodified = time(self.if_unmodified_since)?;
        let mut request = HeadObject::new(self.bucket, self.key);
        with!(request,
            with_version_id(self.version_id);
            with_if_match(self.if_match);
            with_if_none_match(self.if_none_match);
            with_if_modified_since(modified);
            with_if_unmodified_since(unmodified);
            with_ssec_key(ssec_key);
        );
        Ok(request)
    }

    fn ssec_key(&self, py: Python<'_>) -> PyResult<Option<SsecKey>> {
        let parts = self.ssec.as_ref();
        let key = parts.map(|(algorithm, key, md5)| SsecKey::from_parts(algorithm, key, md5.as_deref()));
        key.transpose().map_err(|error| refused(py, &error))
    }
}

/// A time that Python checked to be positive; one that is too long for the type is as good as for ever.
pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

fn time(seconds: Option<i64>) -> PyResult<Option<SystemTime>> {
    let Some(seconds) = seconds else { return Ok(None) };
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    };
    match time {
        Some(time) => Ok(Some(time)),
        None => Err(PyValueError::new_err(format!(
            "there is no time {seconds} s from the epoch"
        ))),
    }
}

fn recheck(name: &str) -> PyResult<Recheck> {
    match name {
        "auto" => Ok(Recheck::Auto),
        "always" => Ok(Recheck::Always),
        "never" => Ok(Recheck::Never),
        _ => Err(PyValueError::new_err(format!(
            "recheck is {name:?}: it must be auto, always or never"
        ))),
    }
}

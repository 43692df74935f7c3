//! The engine's errors as Python is told them. Which exception they become is decided there.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::ffi::OsString;
use std::io;

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use tosget::{Error, ErrorKind, TosServerError};

pyo3::create_exception!(
    _tosget,
    Failure,
    PyException,
    "A call could not even begin; its argument says why, as for a failed operation."
);

/// What ended a call, for `tosget._failure` to make an exception of.
#[derive(IntoPyObject)]
pub(crate) struct Told {
    kind: &'static str,
    message: String,
    /// The messages of the causes, from the nearest to the farthest.
    causes: Vec<String>,
    hint: Option<String>,
    checkpoint: Option<OsString>,
    is_transient: bool,
    /// The operating system's number of a failure of its.
    errno: Option<i32>,
    server: Option<Refusal>,
    /// The exception of a user's own code that this goes back to.
    raised: Option<PyErr>,
}

/// What the server said.
#[derive(IntoPyObject)]
struct Refusal {
    status_code: u16,
    code: String,
    message: String,
    request_id: String,
    host_id: String,
    ec: String,
    resource: String,
    request_url: String,
    headers: BTreeMap<String, String>,
}

impl Told {
    pub(crate) fn new(py: Python<'_>, error: &Error) -> Self {
        let causes: Vec<&(dyn StdError + 'static)> =
            std::iter::successors(error.source(), |error| (*error).source()).collect();
        Self {
            kind: name(error.kind()),
            message: error.to_string(),
            causes: causes.iter().map(ToString::to_string).collect(),
            hint: error.hint().map(str::to_owned),
            checkpoint: error.checkpoint().map(Into::into),
            is_transient: error.is_transient(),
            errno: causes
                .iter()
                .find_map(|cause| cause.downcast_ref::<io::Error>()?.raw_os_error()),
            server: error.server().map(Refusal::new),
            raised: causes
                .iter()
                .find_map(|cause| cause.downcast_ref::<PyErr>())
                .map(|raised| raised.clone_ref(py)),
        }
    }

    /// Something that must not happen: the engine panicked.
    pub(crate) fn crashed(message: String) -> Self {
        Self {
            kind: "Crashed",
            message,
            causes: Vec::new(),
            hint: None,
            checkpoint: None,
            is_transient: false,
            errno: None,
            server: None,
            raised: None,
        }
    }

    /// The exception by which a call that can't begin says so.
    fn into_exception(self, py: Python<'_>) -> PyErr {
        match self.into_pyobject(py) {
            Ok(told) => Failure::new_err((told.unbind(),)),
            Err(error) => error,
        }
    }
}

impl Refusal {
    fn new(server: &TosServerError) -> Self {
        Self {
            status_code: server.status_code,
            code: server.code.clone(),
            message: server.message.clone(),
            request_id: server.request_id.clone(),
            host_id: server.host_id.clone(),
            ec: server.ec.clone(),
            resource: server.resource.clone(),
            request_url: server.request_url.clone(),
            headers: server.headers.clone(),
        }
    }
}

/// Raises what the engine refused.
pub(crate) fn refused(py: Python<'_>, error: &Error) -> PyErr {
    Told::new(py, error).into_exception(py)
}

fn name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidArgument => "InvalidArgument",
        ErrorKind::Network => "Network",
        ErrorKind::Server => "Server",
        ErrorKind::Protocol => "Protocol",
        ErrorKind::ObjectChanged => "ObjectChanged",
        ErrorKind::Disk => "Disk",
        ErrorKind::Checkpoint => "Checkpoint",
        ErrorKind::CheckpointHeld => "CheckpointHeld",
        ErrorKind::Verification => "Verification",
        ErrorKind::Canceled => "Canceled",
        // A kind that is newer than this file.
        _ => "Other",
    }
}

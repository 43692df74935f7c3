//! `tosget._tosget`: the engine as Python's `tosget` package uses it. Private and thin: names, types, defaults, exceptions
//! and callbacks are the package's, in `python/tosget`.
//!
//! A call is an [`Operation`](operation::Operation) that runs on threads of its own, without the interpreter's lock; Python
//! takes what it tells, piece by piece, on a thread of Python's choice.

mod client;
mod credentials;
mod failure;
mod items;
mod limiter;
mod operation;
mod process;
mod request;

use pyo3::prelude::*;

/// The engine of the package `tosget`. Private: its names may change with any version.
#[pymodule]
mod _tosget {
    #[pymodule_export]
    use crate::client::Client;
    #[pymodule_export]
    use crate::failure::Failure;
    #[pymodule_export]
    use crate::limiter::RateLimiter;
    #[pymodule_export]
    use crate::operation::Operation;

    use std::time::Duration;

    use super::{Bound, PyModule, PyModuleMethods, PyResult, Python, pyfunction};

    /// Waits until no thread of the engine's is in the interpreter, for some seconds at most: before it ends.
    #[pyfunction]
    fn wait_until_idle(py: Python<'_>, patience: f64) {
        py.detach(|| crate::process::wait_until_idle(Duration::from_secs_f64(patience)));
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

//! A rate limit that Python code sets and any number of downloads keep to.

use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::prelude::*;

use crate::failure::refused;
use crate::process::PerProcess;

/// A token bucket. A child of a fork gets a bucket of its own, with the same numbers.
#[pyclass(frozen, module = "tosget._tosget")]
#[derive(Debug)]
pub(crate) struct RateLimiter {
    rate: AtomicU64,
    capacity: AtomicU64,
    bucket: PerProcess<tosget::RateLimiter>,
}

#[pymethods]
impl RateLimiter {
    #[new]
    fn new(py: Python<'_>, rate: u64, capacity: u64) -> PyResult<Self> {
        let limiter = Self {
            rate: rate.into(),
            capacity: capacity.into(),
            bucket: PerProcess::new(),
        };
        limiter.bucket(py)?;
        Ok(limiter)
    }

    /// Bytes per second.
    #[getter]
    fn rate(&self) -> u64 {
        self.rate.load(Ordering::Relaxed)
    }

    /// Bytes of a burst.
    #[getter]
    fn capacity(&self) -> u64 {
        self.capacity.load(Ordering::Relaxed)
    }

    fn set_rate(&self, py: Python<'_>, rate: u64) -> PyResult<()> {
        let set = self.bucket(py)?.set_rate(rate);
        set.map_err(|error| refused(py, &error))?;
        self.rate.store(rate, Ordering::Relaxed);
        Ok(())
    }

    fn set_capacity(&self, py: Python<'_>, capacity: u64) -> PyResult<()> {
        let set = self.bucket(py)?.set_capacity(capacity);
        set.map_err(|error| refused(py, &error))?;
        self.capacity.store(capacity, Ordering::Relaxed);
        Ok(())
    }
}

impl RateLimiter {
    /// This process's bucket.
    pub(crate) fn bucket(&self, py: Python<'_>) -> PyResult<tosget::RateLimiter> {
        let make = || tosget::RateLimiter::new(self.rate(), self.capacity());
        self.bucket
            .get_or_make(py, make)
            .map_err(|error| refused(py, &error))
    }
}

//! Terms on which an object is read: its key, and the server's speed.

use super::{DownloadFile, HeadObject};
use crate::customer_key::SsecKey;
use crate::endpoint::Endpoint;

/// # Encryption and speed
impl DownloadFile {
    /// Reads an object that is encrypted with its owner's key (default: none). Every request carries it; a checkpoint does
    /// not hold it, so each call has to be given it.
    pub fn with_ssec_key(mut self, key: SsecKey) -> Self {
        self.ssec_key = Some(key);
        self
    }

    /// Asks the **server** to send no faster than this, in **bits** per second and for **each connection**: 245,760 (30 KiB/s)
    /// to 838,860,800 (100 MiB/s); default: no limit.
    ///
    /// With n parts in flight, n times as much arrives. A limit of our own in bytes per second, over all connections, is
    /// [`with_rate_limiter`](Self::with_rate_limiter).
    pub fn with_traffic_limit(mut self, bits_per_second: u64) -> Self {
        self.traffic_limit = Some(bits_per_second);
        self
    }
}

/// # Encryption
impl HeadObject {
    /// As [`DownloadFile::with_ssec_key`].
    pub fn with_ssec_key(mut self, key: SsecKey) -> Self {
        self.ssec_key = Some(key);
        self
    }
}

/// The service's documentation does not say that it refuses such a request, so neither do we.
pub(super) fn warn_of_listeners(key: Option<&SsecKey>, endpoint: &Endpoint) {
    if key.is_some() && endpoint.is_overheard() {
        tracing::warn!(target: "tosget::download", %endpoint, "the SSE-C key goes over plain http: anyone on the way can read it");
    }
}

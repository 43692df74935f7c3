//! Stopping a download from outside, in two ways: keep what is there, or throw it away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

/// Stops downloads that were given a clone of it.
///
/// Canceling takes effect at once, also while a read is stalled; the call ends with
/// [`ErrorKind::Canceled`](crate::ErrorKind::Canceled) and the text `the task is canceled`. A destination file that
/// was there before stays in either case.
#[derive(Clone, Debug, Default)]
pub struct CancelHook {
    token: CancellationToken,
    abort: Arc<AtomicBool>,
}

impl CancelHook {
    /// A hook that has not been pulled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops the downloads. `is_abort` true: their checkpoints and temporary files are removed; false: they are
    /// kept, and the same call again goes on. The first call decides.
    pub fn cancel(&self, is_abort: bool) {
        if !self.token.is_cancelled() {
            self.abort.store(is_abort, Ordering::Release);
            self.token.cancel();
        }
    }

    /// Whether [`cancel`](Self::cancel) was called.
    pub fn is_canceled(&self) -> bool {
        self.token.is_cancelled()
    }

    pub(crate) fn is_abort(&self) -> bool {
        self.abort.load(Ordering::Acquire)
    }

    /// Completes when the hook is pulled. Cancel safe.
    pub(crate) async fn canceled(&self) {
        self.token.cancelled().await;
    }
}

//! One call of a download, which may be more than one download: when the object is replaced on the way, the caller may want
//! the new one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tracing::Instrument;

use super::witness::Witness;
use super::{Engine, Spec, TARGET};
use crate::error::{Error, ErrorKind, Shown};
use crate::outcome::DownloadFileOutput;

/// Numbers the downloads of this process in its log.
static DOWNLOADS: AtomicU64 = AtomicU64::new(1);

impl Engine {
    /// Runs one call. Dropping the future keeps the checkpoint, as a kill would.
    pub(crate) async fn run(&self, spec: Spec) -> Result<DownloadFileOutput, Error> {
        let span = tracing::info_span!(
            target: TARGET,
            "download",
            id = DOWNLOADS.fetch_add(1, Ordering::Relaxed),
            object = %spec.object,
            file_path = %Shown(&spec.file_path),
        );
        let result = self.run_in_span(spec).instrument(span.clone()).await;
        result.inspect(|done| span.in_scope(|| tell(done)))
    }

    async fn run_in_span(&self, mut spec: Spec) -> Result<DownloadFileOutput, Error> {
        spec.progress.reset();
        spec.tasks = spec.tasks.of_another_download();
        let began = Instant::now();
        let witness = Witness::new(self.source.clone());
        let engine = Self {
            source: witness.clone(),
            storage: self.storage.clone(),
            in_use: self.in_use.clone(),
            file_work: self.file_work.clone(),
        };
        loop {
            match engine.download(&spec, began).await {
                Ok(output) => return Ok(finished(output, &witness)),
                Err(error) if spec.starts_over_after(&error) => {
                    tracing::warn!(target: TARGET, %error, "the object was replaced, starting over");
                    spec.progress.start_over();
                }
                Err(error) => match spec.one_answer_after(&error) {
                    Some(reason) => {
                        tracing::warn!(target: TARGET, %error, reason, "asking for the object in one answer");
                        spec.one_answer = Some(reason);
                        spec.progress.begin_anew();
                    }
                    None => return Err(spec.explain(error).about(&spec.object)),
                },
            }
        }
    }
}

fn tell(done: &DownloadFileOutput) {
    tracing::info!(
        target: TARGET,
        file_path = %Shown(&done.file_path),
        bytes_fetched = done.bytes_fetched,
        bytes_resumed = done.bytes_resumed,
        requests = done.requests,
        retries = done.retries,
        verification = ?done.verification,
        elapsed_ms = u64::try_from(done.elapsed.as_millis()).unwrap_or(u64::MAX),
        "done"
    );
}

fn finished(output: DownloadFileOutput, witness: &Witness) -> DownloadFileOutput {
    let (first_request_id, last_request_id) = witness.request_ids();
    DownloadFileOutput {
        first_request_id,
        last_request_id,
        // After a restart, what was set aside is this call's own.
        set_aside: output.set_aside.filter(|_| output.restarts == 0),
        ..output
    }
}

impl Spec {
    fn starts_over_after(&self, error: &Error) -> bool {
        error.kind() == ErrorKind::ObjectChanged
            && !self.names_one_object()
            && self.progress.snapshot().restarts < self.on_change.most_restarts()
    }

    /// Why the object can only come in one answer, if that is how the error came about. A checkpoint with most of the object in
    /// it is worth more: what ignored ranges may be one proxy of many.
    fn one_answer_after(&self, error: &Error) -> Option<&'static str> {
        let counts = self.progress.snapshot();
        let is_kept =
            error.checkpoint().is_some() && counts.consumed_bytes.saturating_mul(2) >= counts.total_bytes;
        error
            .fault()?
            .one_answer()
            .filter(|_| self.one_answer.is_none() && !is_kept)
    }

    /// Whether the caller asked for one state of the object, so that a new one is of no use.
    fn names_one_object(&self) -> bool {
        self.object.version_id.is_some() || self.conditions.names_one_object()
    }

    /// The usual hint for a replaced object, to download it again, is not always the right one.
    fn explain(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::ObjectChanged {
            return error;
        }
        let restarts = self.progress.snapshot().restarts;
        if self.names_one_object() {
            error.with_hint("the object that was asked for by its version or ETag is not there any more")
        } else if restarts > 0 {
            error.with_hint(format!(
                "the object was replaced {} times during the download: wait until nobody writes it any more",
                restarts + 1
            ))
        } else {
            error
        }
    }
}

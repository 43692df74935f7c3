//! The client: where requests go and with which keys. Cheap to clone; clones share connections.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::batch::{Batch, BatchResult, BatchResults, Place};
use crate::cancel::CancelHook;
use crate::config::{ClientParts, ConfigError, TosClientBuilder};
use crate::download::{DownloadFile, HeadObject};
use crate::engine::{Engine, Spec, Whereabouts};
use crate::error::{Error, Result};
use crate::object::HeadObjectOutput;
use crate::outcome::DownloadFileOutput;
use crate::presigned::PreSignedUrl;
use crate::short_work::FileWork;
use crate::source::Source;
use crate::storage::{Storage, SystemStorage};
use crate::taken::{Clash, InUse};
use crate::threads::{Threads, room_for_file_work, sleep};
use crate::turns::{Scarcity, Turn, Turns};

/// A client of one endpoint, or of none: then it can read URLs only.
///
/// Calls run on threads that the client starts with its first call, at most five; a caller's runtime, of whatever kind, only waits for
/// their results. So a disk or a network mount that does not answer keeps a thread of the client's, and never one of the caller's. Only
/// where the system grants no more threads the calls run where they are awaited, which then has to be a tokio runtime with time and I/O.
///
/// ```no_run
/// # async fn example() -> tosget::Result<()> {
/// use tosget::{Credentials, DownloadFile, TosClient};
///
/// let client = TosClient::builder()
///     .endpoint("https://tos-cn-beijing.volces.com")
///     .credentials(Credentials::from_env()?)
///     .build()?;
/// let done = client.download_file(DownloadFile::new("my-bucket", "models/llama.bin", "llama.bin")).await?;
/// println!("{} bytes, verified by {:?}", done.object.content_length, done.verification);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TosClient {
    parts: Arc<ClientParts>,
    pub(crate) storage: Arc<dyn Storage>,
    in_use: InUse,
    pub(crate) file_work: FileWork,
    threads: Threads,
}

/// How long a canceled call may take to leave its files in order. What takes longer is left to end by itself.
const GRACE: Duration = Duration::from_millis(500);

impl TosClient {
    /// Starts to configure a client.
    pub fn builder() -> TosClientBuilder {
        TosClientBuilder::new()
    }

    /// Brings an object to a local file: in parallel parts, resuming what an earlier call began, verified.
    ///
    /// The destination shows the object, whole, or what it showed before; never anything in between. Called again with
    /// the same arguments after any failure, it fetches only what is missing.
    ///
    /// # Errors
    /// See [`ErrorKind`](crate::ErrorKind). Whatever the error is, nothing that was downloaded is lost by it, save
    /// where the result was not the object, or where the caller aborted.
    ///
    /// # Cancel safety
    /// Dropping the future closes its connections and keeps the checkpoint, as
    /// [`CancelHook::cancel(false)`](crate::CancelHook::cancel) does, except that what was received in the last moment
    /// is not recorded and the next call reads back what is there before it believes it. A write that is under way ends in its
    /// own time, so that a call right afterwards may still be told that the destination is held.
    pub async fn download_file(&self, request: DownloadFile) -> Result<DownloadFileOutput> {
        let (source, spec) = request.into_spec(&self.parts)?;
        let (cancel, whereabouts) = (spec.cancel.clone(), spec.whereabouts.clone());
        let download = in_turn(self.parts.turns.clone(), self.engine(source), spec);
        self.watched(cancel, whereabouts, download).await
    }

    /// Runs a download on the client's threads; one that is canceled and stuck at its files is left to end by itself.
    async fn watched<T: Send + 'static>(
        &self,
        cancel: CancelHook,
        whereabouts: Whereabouts,
        download: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        // Boxed, since the future of a download is large and would be moved from hand to hand.
        let download = Box::pin(download);
        let Some(handle) = self.threads.handle() else {
            return download.await;
        };
        let overdue = async {
            cancel.canceled().await;
            sleep(&handle, GRACE).await;
            // Listeners are waited for, unless the call goes back to its files.
            while whereabouts.is_done_with_files() {
                sleep(&handle, GRACE).await;
            }
        };
        let mut download = self.threads.begin(&handle, download);
        tokio::select! {
            biased;
            done = download.done() => done,
            () = overdue => {
                download.leave();
                Err(whereabouts.stuck())
            }
        }
    }

    /// Brings many objects to local files, as one run: they share connections and tasks, and a client's
    /// [`max_downloads`](TosClientBuilder::max_downloads) is how many of them are under way at a time. An object that has no task
    /// yet goes before one that wants more of them, so that large and small ones don't wait for each other's end.
    ///
    /// One that fails stops no other. Of two that need one path, by whatever spelling, the later one fails before it is asked for: see
    /// [`BatchResult::path_taken_by`]. The same object for the same path is brought once. Called again with the same requests, what is missing is fetched.
    ///
    /// ```no_run
    /// # async fn example(client: tosget::TosClient) -> tosget::Result<()> {
    /// use tosget::{Batch, DownloadFile};
    ///
    /// let keys = ["a.bin", "b.bin", "c.bin"];
    /// let requests = keys.map(|key| DownloadFile::new("my-bucket", key, "downloads/"));
    /// let mut results = client.download_batch(Batch::new(requests))?;
    /// while let Some(done) = results.next().await {
    ///     println!("{}: {} bytes", keys[done.index], done.result?.object.content_length);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for a number of tasks that can't be; what is wrong with
    /// a request is its own result.
    pub fn download_batch(&self, batch: Batch) -> Result<BatchResults> {
        BatchResults::new(self.clone(), batch, self.parts.turns.count())
    }

    /// Asks what the service knows of an object, without its bytes.
    ///
    /// # Errors
    /// As for [`download_file`](Self::download_file); nothing is written anywhere.
    pub async fn head_object(&self, request: HeadObject) -> Result<HeadObjectOutput> {
        let (source, spec) = request.into_spec(&self.parts)?;
        let engine = self.engine(source);
        self.threads.run(async move { engine.head(&spec).await }).await
    }

    /// Makes a URL that lets whoever holds it GET an object for a while. Asks nobody but the credentials provider.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for names, an expiry or a client (anonymous)
    /// that can't be signed for.
    pub async fn pre_signed_url(&self, request: PreSignedUrl) -> Result<String> {
        request.sign(&self.parts).await
    }

    /// The endpoint, as it is asked; `None` for a client that was told of none.
    pub fn endpoint(&self) -> Option<&str> {
        self.parts.service().ok().map(|service| service.source.endpoint())
    }

    /// Where the client's work is done, if it has threads of its own.
    pub(crate) fn threads(&self) -> Option<Handle> {
        self.threads.handle()
    }

    /// A download of a batch, unless its path is an earlier one's.
    pub(crate) async fn download_of_batch(&self, request: DownloadFile, place: Place) -> BatchResult {
        let index = place.index();
        let (result, clash) = match self.download_unless_taken(request, place).await {
            Ok(Ok(output)) => (Ok(output), None),
            Ok(Err((error, clash))) => (Err(error), Some(clash)),
            Err(error) => (Err(error), None),
        };
        BatchResult {
            index,
            result,
            path_taken_by: clash.map(|clash| clash.index),
        }
    }

    async fn download_unless_taken(
        &self,
        request: DownloadFile,
        mut place: Place,
    ) -> Result<Result<DownloadFileOutput, (Error, Clash)>> {
        let (source, mut spec) = request.into_spec(&self.parts)?;
        let (turns, engine) = (self.parts.turns.clone(), self.engine(source));
        let (cancel, whereabouts) = (spec.cancel.clone(), spec.whereabouts.clone());
        let download = async move {
            if let Err(clash) = place.claim(&mut spec).await {
                return Ok(Err((clash.error(&spec.object), clash)));
            }
            let whereabouts = spec.whereabouts.clone();
            let output = in_turn(turns, engine, spec).await?;
            whereabouts.at_files();
            place.committed(&output).await;
            Ok(Ok(output))
        };
        self.watched(cancel, whereabouts, download).await
    }

    fn engine(&self, source: Arc<dyn Source>) -> Engine {
        Engine {
            source,
            storage: self.storage.clone(),
            in_use: self.in_use.clone(),
            file_work: self.file_work.clone(),
        }
    }
}

/// Waits for its turn and downloads. Where the system has not enough of something for all downloads at once, this one goes on
/// when another one has ended.
async fn in_turn(turns: Turns, engine: Engine, spec: Spec) -> Result<DownloadFileOutput> {
    let mut scarcity = Scarcity::default();
    let mut turn = turns.take_unless(&spec.cancel).await;
    loop {
        let error = match engine.run(spec.clone()).await {
            Ok(output) => {
                turn.inspect(Turn::went_well);
                return Ok(output);
            }
            Err(error) => error,
        };
        let (Some(shortage), Some(taken)) = (error.shortage(), turn) else {
            return Err(error);
        };
        tracing::info!(target: "tosget::download", %error, "waiting for another download to end");
        turn = tokio::select! {
            biased;
            // Its end is told as that of any other download that is canceled.
            () = spec.cancel.canceled() => None,
            again = taken.after(shortage, &mut scarcity) => Some(again.ok_or(error)?),
        };
    }
}

impl TosClientBuilder {
    /// Makes the client. Reads certificates; connects to nothing.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for anything that can't work, such as credentials
    /// without a region to sign for, or an S3 endpoint.
    pub fn build(self) -> Result<TosClient> {
        Ok(TosClient {
            parts: Arc::new(self.into_parts()?),
            storage: Arc::new(SystemStorage),
            in_use: InUse::of_process(),
            file_work: FileWork::within(room_for_file_work()),
            threads: Threads::default(),
        })
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self::invalid_argument(error.to_string())
    }
}

#[cfg(test)]
impl TosClient {
    pub(crate) fn with_storage(self, storage: impl Storage + 'static) -> Self {
        Self {
            storage: Arc::new(storage),
            ..self
        }
    }
}

#[cfg(test)]
mod stuck;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::Credentials;

    /// Callers spawn them, and runtimes move what is spawned from thread to thread.
    #[test]
    fn what_a_client_promises_can_be_spawned() {
        fn is_send(_: impl Send) {}
        let built = TosClient::builder()
            .endpoint("http://tos.test")
            .region("cn-beijing")
            .credentials(Credentials::new("a", "s"))
            .build();
        let client = built.expect("a client");
        is_send(client.download_file(DownloadFile::new("bucket", "k", "k")));
        is_send(client.head_object(HeadObject::new("bucket", "k")));
        is_send(client.pre_signed_url(PreSignedUrl::new("bucket", "k")));
    }
}

//! The same client for callers without an async runtime.
//!
//! Not to be used from async code: a blocking call there would stop the runtime's thread, and tokio panics at it.

use std::sync::Arc;

use tokio::runtime::Builder;

use crate::batch::{Batch, BatchResult};
use crate::config::TosClientBuilder;
use crate::download::{DownloadFile, HeadObject};
use crate::error::{Error, Result};
use crate::object::HeadObjectOutput;
use crate::outcome::DownloadFileOutput;
use crate::presigned::PreSignedUrl;
use crate::room::spare_descriptors;
use crate::threads::Unawaited;

/// A client of one endpoint whose calls block. Cheap to clone; clones share connections and threads.
///
/// ```no_run
/// use tosget::blocking::TosClient;
/// use tosget::{Credentials, DownloadFile};
///
/// # fn main() -> tosget::Result<()> {
/// let client = TosClient::new(
///     tosget::TosClient::builder().region("cn-beijing").credentials(Credentials::from_env()?),
/// )?;
/// client.download_file(DownloadFile::new("my-bucket", "models/llama.bin", "llama.bin"))?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TosClient {
    client: crate::TosClient,
    /// Has no threads: it is where a caller waits.
    runtime: Arc<Unawaited>,
}

impl TosClient {
    /// Makes a client as the builder says.
    ///
    /// # Errors
    /// As [`TosClientBuilder::build`]; and if the system refuses the files that waiting takes.
    pub fn new(builder: TosClientBuilder) -> Result<Self> {
        let runtime = spare_descriptors().and_then(|()| Builder::new_current_thread().enable_all().build());
        let runtime = runtime
            .map_err(|error| Error::of_the_system("could not start the runtime of a client", error))?;
        let runtime = Arc::new(Unawaited::new(runtime));
        // Parts of a client may want to know the runtime they are made for.
        let _entered = runtime.enter();
        Ok(Self {
            client: builder.build()?,
            runtime: runtime.clone(),
        })
    }

    /// As [`crate::TosClient::download_file`]; blocks until it is done. Stop it by a
    /// [`CancelHook`](crate::CancelHook) from another thread.
    ///
    /// # Errors
    /// The same.
    pub fn download_file(&self, request: DownloadFile) -> Result<DownloadFileOutput> {
        self.runtime.block_on(self.client.download_file(request))
    }

    /// As [`crate::TosClient::download_batch`]: an iterator of the results, in the order in which they come.
    ///
    /// ```no_run
    /// use tosget::blocking::TosClient;
    /// use tosget::{Batch, Credentials, DownloadFile};
    ///
    /// # fn main() -> tosget::Result<()> {
    /// let client = TosClient::new(
    ///     tosget::TosClient::builder().region("cn-beijing").credentials(Credentials::from_env()?),
    /// )?;
    /// let keys = ["a.bin", "b.bin", "c.bin"];
    /// let requests = keys.map(|key| DownloadFile::new("my-bucket", key, "downloads/"));
    /// for done in client.download_batch(Batch::new(requests))? {
    ///     println!("{}: {} bytes", keys[done.index], done.result?.object.content_length);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The same.
    pub fn download_batch(&self, batch: Batch) -> Result<BatchResults> {
        Ok(BatchResults {
            results: self.client.download_batch(batch)?,
            runtime: self.runtime.clone(),
        })
    }

    /// As [`crate::TosClient::head_object`]; blocks until it is done.
    ///
    /// # Errors
    /// The same.
    pub fn head_object(&self, request: HeadObject) -> Result<HeadObjectOutput> {
        self.runtime.block_on(self.client.head_object(request))
    }

    /// As [`crate::TosClient::pre_signed_url`].
    ///
    /// # Errors
    /// The same.
    pub fn pre_signed_url(&self, request: PreSignedUrl) -> Result<String> {
        self.runtime.block_on(self.client.pre_signed_url(request))
    }
}

#[cfg(test)]
impl TosClient {
    pub(crate) fn with_storage(self, storage: impl crate::storage::Storage + 'static) -> Self {
        Self {
            client: self.client.with_storage(storage),
            ..self
        }
    }
}

/// The results of a [`Batch`], in the order in which they come; made by [`TosClient::download_batch`].
///
/// Downloads go on between two calls of [`next`](Iterator::next), which blocks until there is a result; new ones are begun only in
/// it. Dropping this ends those under way; their checkpoints stay.
#[derive(Debug)]
#[must_use = "nothing is downloaded before next is called"]
pub struct BatchResults {
    results: crate::BatchResults,
    runtime: Arc<Unawaited>,
}

impl Iterator for BatchResults {
    type Item = BatchResult;

    fn next(&mut self) -> Option<BatchResult> {
        self.runtime.block_on(self.results.next())
    }
}

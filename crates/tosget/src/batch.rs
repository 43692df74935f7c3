//! Many downloads as one run.

use std::fmt;

use tokio::task::{JoinError, JoinSet};

use crate::cancel::CancelHook;
use crate::client::TosClient;
use crate::download::{DownloadFile, checked_task_num};
use crate::error::Result;
use crate::outcome::DownloadFileOutput;
use crate::tasks::Tasks;

/// Many downloads to ask for as one run: see [`TosClient::download_batch`].
#[must_use]
pub struct Batch {
    requests: Requests,
    task_num: Option<usize>,
    cancel_hook: CancelHook,
}

type Requests = Box<dyn Iterator<Item = DownloadFile> + Send>;

impl Batch {
    /// These downloads. They are taken one by one as there is room for them, so there may be any number.
    pub fn new<I>(requests: I) -> Self
    where
        I: IntoIterator<Item = DownloadFile>,
        I::IntoIter: Send + 'static,
    {
        Self {
            requests: Box::new(requests.into_iter()),
            task_num: None,
            cancel_hook: CancelHook::new(),
        }
    }

    /// Exactly this many parts in flight at once, 1 to 1000, over all downloads of the run, in place of what the requests say
    /// themselves. Without it (the default) as many as are needed, found while the run goes on.
    pub fn with_task_num(mut self, task_num: usize) -> Self {
        self.task_num = Some(task_num);
        self
    }

    /// Lets this hook stop the run: what is under way is canceled, and nothing more is begun. It takes the place of the
    /// requests' own.
    pub fn with_cancel_hook(mut self, hook: CancelHook) -> Self {
        self.cancel_hook = hook;
        self
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("requests", &self.requests.size_hint())
            .finish_non_exhaustive()
    }
}

/// What came of one download of a [`Batch`].
#[derive(Debug)]
#[non_exhaustive]
pub struct BatchResult {
    /// Which of the requests it was, from 0.
    pub index: usize,
    /// What [`TosClient::download_file`] would have returned.
    pub result: Result<DownloadFileOutput>,
}

/// The results of a [`Batch`], in the order in which they come; made by [`TosClient::download_batch`].
///
/// Downloads go on between two calls of [`next`](Self::next), but new ones are begun only in it. Dropping this ends those
/// under way as dropping a call of [`TosClient::download_file`] does.
#[must_use = "nothing is downloaded before next is called"]
pub struct BatchResults {
    client: TosClient,
    requests: Requests,
    cancel_hook: CancelHook,
    /// What they share, where the batch says so.
    tasks: Option<Tasks>,
    begun: usize,
    most: usize,
    under_way: JoinSet<BatchResult>,
}

impl BatchResults {
    pub(crate) fn new(client: TosClient, batch: Batch, most: usize) -> Result<Self> {
        let task_num = batch.task_num.map(checked_task_num).transpose()?;
        Ok(Self {
            client,
            requests: batch.requests,
            cancel_hook: batch.cancel_hook,
            tasks: task_num.map(Tasks::exactly),
            begun: 0,
            most,
            under_way: JoinSet::new(),
        })
    }

    /// The next result; `None` after the last one. Cancel safe: a result is returned or still to come.
    pub async fn next(&mut self) -> Option<BatchResult> {
        while self.under_way.len() < self.most && !self.cancel_hook.is_canceled() {
            let Some(request) = self.requests.next() else {
                break;
            };
            self.begin(request);
        }
        self.under_way.join_next().await.map(unwrap_panic)
    }

    fn begin(&mut self, request: DownloadFile) {
        let (index, client) = (self.begun, self.client.clone());
        self.begun += 1;
        let mut request = request.with_cancel_hook(self.cancel_hook.clone());
        if let Some(tasks) = &self.tasks {
            request = request.with_tasks(tasks.clone());
        }
        let handle = client.threads();
        let download = async move {
            let result = client.download_file(request).await;
            BatchResult { index, result }
        };
        match handle {
            Some(handle) => self.under_way.spawn_on(download, &handle),
            None => self.under_way.spawn(download),
        };
    }
}

impl fmt::Debug for BatchResults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchResults")
            .field("begun", &self.begun)
            .field("under_way", &self.under_way.len())
            .finish_non_exhaustive()
    }
}

/// A panic in a download is a bug of ours: it goes on where it would have gone without the task.
fn unwrap_panic(joined: std::result::Result<BatchResult, JoinError>) -> BatchResult {
    joined.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

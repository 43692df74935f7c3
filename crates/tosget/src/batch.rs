//! Many downloads as one run.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

use crate::cancel::CancelHook;
use crate::client::TosClient;
use crate::destination::named;
use crate::download::{DownloadFile, checked_task_num};
use crate::engine::Spec;
use crate::error::Result;
use crate::outcome::DownloadFileOutput;
use crate::short_work::FileWork;
use crate::spelling::physical;
use crate::storage::Storage;
use crate::taken::{BatchPaths, Claim, Clash, OneUnderWay, UnderWay};
use crate::tasks::Tasks;

/// A request waits no longer than this for the looks of those before it, if none of them ends.
const LONG_LOOK: Duration = Duration::from_secs(2);

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
    /// The earlier request that has this one's path, where that is the error: nothing was asked for.
    pub path_taken_by: Option<usize>,
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
    roll: Arc<Roll>,
    /// Open until the last request that was begun has claimed its path.
    last_claim: Option<oneshot::Receiver<()>>,
}

/// What the requests of a batch know of each other.
#[derive(Debug, Default)]
struct Roll {
    paths: Mutex<BatchPaths>,
    /// How many have claimed their path.
    claims: AtomicUsize,
    under_way: Arc<UnderWay>,
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
            roll: Arc::default(),
            last_claim: None,
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
        let (claiming, claim) = oneshot::channel();
        let place = Place {
            index,
            roll: self.roll.clone(),
            before: self.last_claim.replace(claim),
            claiming: Some(claiming),
            storage: client.storage.clone(),
            file_work: client.file_work.clone(),
            _under_way: self.roll.under_way.begin(index),
        };
        let handle = client.threads();
        let download = async move { client.download_of_batch(request, place).await };
        match handle {
            Some(handle) => self.under_way.spawn_on(download, &handle),
            None => self.under_way.spawn(download),
        };
    }
}

/// A request's place in its batch: paths are claimed in the order of the requests, so that of two the later one always loses.
#[derive(Debug)]
pub(crate) struct Place {
    index: usize,
    roll: Arc<Roll>,
    /// Open until the request before has claimed its path.
    before: Option<oneshot::Receiver<()>>,
    /// Open until this one has claimed its path.
    claiming: Option<oneshot::Sender<()>>,
    storage: Arc<dyn Storage>,
    file_work: FileWork,
    _under_way: OneUnderWay,
}

impl Place {
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// Claims the path of a download. One that an earlier request brings as well waits for its end, and then looks whether there is
    /// anything left to do. One that is canceled waits for nobody: the download itself tells it.
    pub(crate) async fn claim(&mut self, spec: &mut Spec) -> Result<(), Clash> {
        let canceled = spec.cancel.clone();
        tokio::select! {
            biased;
            () = canceled.canceled() => Ok(()),
            claim = self.claim_in_order(spec) => claim,
        }
    }

    async fn claim_in_order(&mut self, spec: &mut Spec) -> Result<(), Clash> {
        self.turn_to_claim().await;
        let claim = self.claim_now(spec).await;
        self.roll.claims.fetch_add(1, Ordering::Relaxed);
        self.claiming = None;
        match claim {
            Claim::Ours => Ok(()),
            Claim::Clash(clash) => Err(clash),
            Claim::SameAs(first) => {
                self.roll.under_way.ended(first).await;
                spec.skip_same = true;
                Ok(())
            }
        }
    }

    /// Waits until the request before has claimed its path. Where none has claimed one for long, a disk keeps an earlier one from
    /// looking, and the others go on: of two that need one path the first to look has it then.
    async fn turn_to_claim(&mut self) {
        let Some(mut before) = self.before.take() else {
            return;
        };
        loop {
            let claims = self.roll.claims.load(Ordering::Relaxed);
            // Nothing is sent, it is only closed.
            let is_our_turn = timeout(LONG_LOOK, &mut before).await.is_ok();
            if is_our_turn || self.roll.claims.load(Ordering::Relaxed) == claims {
                return;
            }
        }
    }

    async fn claim_now(&self, spec: &Spec) -> Claim {
        let (roll, storage, index) = (self.roll.clone(), self.storage.clone(), self.index);
        let (file_path, object) = (spec.file_path.clone(), spec.object.clone());
        let checkpoint = spec.checkpoint.clone();
        let claiming = self.file_work.small_files.run(move || {
            let named = named(&*storage, &file_path, object.name_below_directory());
            // What is wrong with it, the download itself tells.
            let Ok(destination) = named else {
                return Claim::Ours;
            };
            let destination = destination.map(|path| physical(&*storage, &path));
            let named_files = checkpoint.named_files(&*storage).into_iter();
            let named_files = named_files.map(|path| physical(&*storage, &path));
            // Looked at before the paths are locked: a disk may keep a look for ever.
            let look = |path: &Path| storage.stat(path).ok().flatten();
            let there = look(destination.path());
            let named_files: Vec<_> = named_files.map(|path| (look(&path), path)).collect();
            let mut paths = roll.paths();
            let mut claim = paths.claim(&*storage, &destination, there, &object, index);
            for (there, path) in named_files {
                if claim == Claim::Ours {
                    claim = paths.claim_file(&*storage, path, there, index);
                }
            }
            claim
        });
        claiming.await
    }

    /// Notes the file that the download has brought.
    pub(crate) async fn committed(&self, output: &DownloadFileOutput) {
        let (roll, storage, index) = (self.roll.clone(), self.storage.clone(), self.index);
        let path = output.file_path.clone();
        let noting = self.file_work.small_files.run(move || {
            if let Ok(Some(file)) = storage.stat(&path) {
                roll.paths().committed(file, index);
            }
        });
        noting.await;
    }
}

impl Roll {
    fn paths(&self) -> MutexGuard<'_, BatchPaths> {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner)
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

//! What a caller asks for, and how it becomes something that can't be wrong.

mod conditions;
mod terms;

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::cancel::CancelHook;
use crate::conditions::AskedConditions;
use crate::config::ClientParts;
use crate::customer_key::SsecKey;
use crate::data_transfer::DataTransferStatus;
use crate::destination::CheckpointPlace;
use crate::engine::{HeadSpec, Recheck, Spec, Whereabouts};
use crate::error::{Error, Result};
use crate::events::{DownloadEvent, DownloadEvents, Listeners};
use crate::limiter::RateLimiter;
use crate::on_change::OnChange;
use crate::page_cache::PageCache;
use crate::progress::Progress;
use crate::source::Source;
use crate::subject::{Asked, Subject};
use crate::tasks::Tasks;
use crate::terms::Terms;
use crate::traffic_limit::TrafficLimit;

/// Size of a part in bytes where none is given: 20 MiB, as in the official SDKs.
pub const DEFAULT_PART_SIZE: u64 = 20 << 20;

/// The most parts in flight, as in the official Go SDK.
const MAX_TASK_NUM: usize = 1000;

/// A download to ask for: an object, a path, and whatever should differ from the defaults.
///
/// ```
/// use tosget::DownloadFile;
///
/// let request = DownloadFile::new("my-bucket", "models/llama.bin", "/data/llama.bin")
///     .with_part_size(64 << 20)
///     .with_task_num(16);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct DownloadFile {
    subject: Subject,
    file_path: PathBuf,
    version_id: Option<String>,
    conditions: AskedConditions,
    on_change: OnChange,
    ssec_key: Option<SsecKey>,
    traffic_limit: Option<u64>,
    part_size: u64,
    task_num: Option<usize>,
    /// Those of the run that it belongs to.
    tasks: Option<Tasks>,
    enable_checkpoint: bool,
    checkpoint_file: Option<PathBuf>,
    recheck: Recheck,
    page_cache: PageCache,
    skip_same: bool,
    preserve_mtime: bool,
    progress: Progress,
    rate_limiter: Option<RateLimiter>,
    listeners: Listeners,
    cancel_hook: CancelHook,
}

impl DownloadFile {
    /// The object `key` of `bucket`, to `file_path`.
    ///
    /// The key is taken byte for byte. A `file_path` that is an existing directory, or that ends in a separator, means
    /// "below this directory, named by the key"; a key that would leave it (`../x`, `/x`) is refused. If such a key ends
    /// in a slash as well, the directory it names is created and nothing is fetched. Directories that are missing are
    /// created. A symbolic link at the destination is replaced, not followed.
    pub fn new(bucket: impl Into<String>, key: impl Into<String>, file_path: impl Into<PathBuf>) -> Self {
        Self::of(Subject::object(bucket, key), file_path.into())
    }

    /// What is at `url`, to `file_path`: a presigned URL (of [`TosClient::pre_signed_url`](crate::TosClient::pre_signed_url)
    /// or any SDK), or a public one. Any client can run it.
    ///
    /// The client's proxy, TLS and time limits apply; its endpoint and credentials are not used, and nothing of them is
    /// sent to the URL's host. The URL goes out byte for byte as it is. Its query is taken for a secret and shown nowhere.
    ///
    /// The checkpoint belongs to what the URL names: scheme, host, path and, if its query has one, `versionId`. So when a
    /// URL expires, the same call with a fresh one goes on, whoever signed it. A `file_path` that is a directory means
    /// "below it, named by the last segment of the URL's path", decoded.
    ///
    /// The server need not be TOS, but has to answer ranges, and to tell contents apart by an ETag, a CRC64 or a
    /// modification time; without these an object larger than a part is refused with
    /// [`ErrorKind::Protocol`](crate::ErrorKind::Protocol). Redirects are not followed.
    pub fn from_pre_signed_url(url: impl Into<String>, file_path: impl Into<PathBuf>) -> Self {
        Self::of(Subject::url(url), file_path.into())
    }

    fn of(subject: Subject, file_path: PathBuf) -> Self {
        Self {
            subject,
            file_path,
            version_id: None,
            conditions: AskedConditions::default(),
            on_change: OnChange::Fail,
            ssec_key: None,
            traffic_limit: None,
            part_size: DEFAULT_PART_SIZE,
            task_num: None,
            tasks: None,
            enable_checkpoint: true,
            checkpoint_file: None,
            recheck: Recheck::Auto,
            page_cache: PageCache::Keep,
            skip_same: false,
            preserve_mtime: false,
            progress: Progress::new(),
            rate_limiter: None,
            listeners: Listeners::default(),
            cancel_hook: CancelHook::new(),
        }
    }

    /// Downloads this version of the object (default: the current one). Empty means the same as not set. Not with a URL,
    /// whose query says which version it is for.
    pub fn with_version_id(mut self, version_id: impl Into<String>) -> Self {
        self.version_id = Some(version_id.into());
        self
    }

    /// What to do if the object is replaced during the download (default [`OnChange::Fail`]).
    pub fn with_on_change(mut self, on_change: OnChange) -> Self {
        self.on_change = on_change;
        self
    }

    /// Size of a part in bytes, at least 1 (default [`DEFAULT_PART_SIZE`]).
    ///
    /// It says how the object is cut for the tasks, and up to which size it comes in one request without a journal. It
    /// may differ from call to call: what was downloaded is remembered in bytes, not in parts.
    pub fn with_part_size(mut self, bytes: u64) -> Self {
        self.part_size = bytes;
        self
    }

    /// Exactly this many parts in flight at once, 1 to 1000; only while the service says that it is too much, fewer. Each
    /// takes a connection and up to 1.5 MiB.
    ///
    /// Without it (the default) the number is found while the download runs, and again whenever the line changes: as many as
    /// bring more than fewer would, 2 to 64. All downloads of a client that leave it open share one such number.
    pub fn with_task_num(mut self, task_num: usize) -> Self {
        self.task_num = Some(task_num);
        self
    }

    /// Shares these tasks with whoever has them too, in place of a number of its own.
    pub(crate) fn with_tasks(mut self, tasks: Tasks) -> Self {
        self.tasks = Some(tasks);
        self
    }

    /// Whether to keep a checkpoint (default: yes). Without one a failed download leaves nothing, and nothing to resume.
    pub fn with_enable_checkpoint(mut self, enable: bool) -> Self {
        self.enable_checkpoint = enable;
        self
    }

    /// Where the checkpoint's journal is kept (default: hidden, beside the destination): a file; or a directory, if it
    /// exists or the path ends in a separator, in which each destination gets a file of its own. Missing directories
    /// are created. The partial data stays beside the destination in any case.
    pub fn with_checkpoint_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.checkpoint_file = Some(path.into());
        self
    }

    /// When bytes that were written are read back before they are believed (default [`Recheck::Auto`]).
    pub fn with_recheck(mut self, recheck: Recheck) -> Self {
        self.recheck = recheck;
        self
    }

    /// Whether the system keeps what is written in its memory (default [`PageCache::Keep`]).
    pub fn with_page_cache(mut self, page_cache: PageCache) -> Self {
        self.page_cache = page_cache;
        self
    }

    /// Whether to leave a destination alone that is the object already (default: no, it is downloaded and replaced). What is
    /// there is asked by a HEAD and compared by size and CRC64, so nothing is taken for the object by its looks; where the
    /// service keeps no CRC64 of it, it is downloaded. The result counts its bytes as resumed.
    ///
    /// With this, a run of many downloads can simply be run again after an interruption.
    pub fn with_skip_same(mut self, skip: bool) -> Self {
        self.skip_same = skip;
        self
    }

    /// Whether the file gets the object's time (`Last-Modified`, whole seconds) as its modification time (default: no, it tells when the
    /// download ended, by which programs that look for new files go). Where the server tells no time, nothing is set.
    ///
    /// On a file system that can't set it the call fails, with everything downloaded kept.
    pub fn with_preserve_mtime(mut self, preserve: bool) -> Self {
        self.preserve_mtime = preserve;
        self
    }

    /// Counts into this view of the progress, which can be read from any thread.
    pub fn with_progress(mut self, progress: Progress) -> Self {
        self.progress = progress;
        self
    }

    /// Calls `listener` with the progress: when the object is known, as bytes come, and at the end.
    ///
    /// Calls come from a thread of its own, at most 50 times a second (see
    /// [`with_data_transfer_interval`](Self::with_data_transfer_interval)), one at a time and not beside those of
    /// [`with_download_event_listener`](Self::with_download_event_listener). A slow listener does not slow the transfer:
    /// what comes meanwhile is told in one call. One that panics is not called again. The download returns after the last
    /// call, unless a single one takes longer than 5 s; so a listener must not wait for the download's end.
    pub fn with_data_transfer_listener(
        mut self,
        listener: impl FnMut(DataTransferStatus) + Send + 'static,
    ) -> Self {
        self.listeners.set_data_transfer(listener);
        self
    }

    /// Time between two calls of the data transfer listener that tell of bytes (default 20 ms, at least 1 ms): what comes
    /// meanwhile is told in one. Start and end are always told at once.
    pub fn with_data_transfer_interval(mut self, interval: Duration) -> Self {
        // Less would keep a thread busy with looking.
        self.listeners
            .set_transfer_interval(interval.max(Duration::from_millis(1)));
        self
    }

    /// Calls `listener` with everything that happens, in order; see [`DownloadEvent`].
    ///
    /// Calls come from a thread of its own, one at a time. A slow listener does not slow the transfer: up to 10,000 events
    /// wait for it; beyond that, those of single parts are dropped and
    /// [`EventsMissed`](crate::DownloadEventType::EventsMissed) tells how many. Else as for
    /// [`with_data_transfer_listener`](Self::with_data_transfer_listener).
    pub fn with_download_event_listener(
        mut self,
        listener: impl FnMut(DownloadEvent) + Send + 'static,
    ) -> Self {
        self.listeners.set_download_event(listener);
        self
    }

    /// The same events as a stream, to be read while the download runs or afterwards.
    ///
    /// ```no_run
    /// # async fn example(client: tosget::TosClient) -> tosget::Result<()> {
    /// use tosget::DownloadFile;
    ///
    /// let (request, mut events) = DownloadFile::new("my-bucket", "big.bin", "big.bin").with_download_event_stream();
    /// let watching = async {
    ///     while let Some(event) = events.next().await {
    ///         println!("{:?}", event.event_type);
    ///     }
    /// };
    /// let (done, ()) = tokio::join!(client.download_file(request), watching);
    /// # done.map(|_| ())
    /// # }
    /// ```
    pub fn with_download_event_stream(mut self) -> (Self, DownloadEvents) {
        let events = self.listeners.set_stream();
        (self, events)
    }

    /// Takes bytes in no faster than this allows (default: as fast as they come). See [`RateLimiter`].
    pub fn with_rate_limiter(mut self, limiter: RateLimiter) -> Self {
        self.rate_limiter = Some(limiter);
        self
    }

    /// Lets this hook stop the download.
    pub fn with_cancel_hook(mut self, hook: CancelHook) -> Self {
        self.cancel_hook = hook;
        self
    }

    /// Checks everything that can be checked without asking anybody.
    pub(crate) fn into_spec(self, client: &ClientParts) -> Result<(Arc<dyn Source>, Spec)> {
        let part_size = NonZeroU64::new(self.part_size)
            .ok_or_else(|| Error::invalid_argument("part_size is 0: a part has at least 1 byte"))?;
        let tasks = match (self.tasks, self.task_num) {
            (Some(tasks), _) => tasks,
            (None, Some(number)) => Tasks::exactly(checked_task_num(number)?),
            (None, None) => client.tasks.clone(),
        };
        let checkpoint = match (self.enable_checkpoint, self.checkpoint_file) {
            (false, _) => CheckpointPlace::Nowhere,
            (true, None) => CheckpointPlace::Beside,
            (true, Some(path)) if path.as_os_str().is_empty() => CheckpointPlace::Beside,
            (true, Some(path)) => CheckpointPlace::At(path),
        };
        let traffic_limit = self.traffic_limit.map(TrafficLimit::new).transpose()?;
        let Asked { source, object, site } = self.subject.resolve(self.version_id, client)?;
        terms::warn_of_listeners(self.ssec_key.as_ref(), &site);
        let spec = Spec {
            object,
            conditions: self.conditions.check()?,
            on_change: self.on_change,
            one_answer: None,
            terms: Arc::new(Terms {
                ssec_key: self.ssec_key,
                traffic_limit,
            }),
            file_path: self.file_path,
            part_size,
            tasks,
            checkpoint,
            recheck: self.recheck,
            page_cache: self.page_cache,
            skip_same: self.skip_same,
            preserve_mtime: self.preserve_mtime,
            enable_crc: client.enable_crc,
            first_retries: client.first_retries(),
            max_retries: client.max_retries(),
            idle: client.timeouts.idle,
            limiter: self.rate_limiter,
            listeners: self.listeners,
            cancel: self.cancel_hook,
            progress: self.progress,
            whereabouts: Whereabouts::default(),
        };
        Ok((source, spec))
    }
}

pub(crate) fn checked_task_num(number: usize) -> Result<NonZeroUsize> {
    let checked = NonZeroUsize::new(number).filter(|tasks| tasks.get() <= MAX_TASK_NUM);
    checked.ok_or_else(|| {
        Error::invalid_argument(format!("task_num is {number}: it must be 1 to {MAX_TASK_NUM}"))
    })
}

/// A question for what the service knows of an object.
#[derive(Clone, Debug)]
#[must_use]
pub struct HeadObject {
    subject: Subject,
    version_id: Option<String>,
    conditions: AskedConditions,
    ssec_key: Option<SsecKey>,
}

impl HeadObject {
    /// About the object `key` of `bucket`.
    pub fn new(bucket: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            subject: Subject::object(bucket, key),
            version_id: None,
            conditions: AskedConditions::default(),
            ssec_key: None,
        }
    }

    /// About what is at `url`: see [`DownloadFile::from_pre_signed_url`]. Asked by a GET of its first byte, since a URL
    /// that is presigned for GET opens nothing to HEAD.
    pub fn from_pre_signed_url(url: impl Into<String>) -> Self {
        Self {
            subject: Subject::url(url),
            version_id: None,
            conditions: AskedConditions::default(),
            ssec_key: None,
        }
    }

    /// About this version of it (default: the current one). Empty means the same as not set.
    pub fn with_version_id(mut self, version_id: impl Into<String>) -> Self {
        self.version_id = Some(version_id.into());
        self
    }

    pub(crate) fn into_spec(self, client: &ClientParts) -> Result<(Arc<dyn Source>, HeadSpec)> {
        let Asked { source, object, site } = self.subject.resolve(self.version_id, client)?;
        terms::warn_of_listeners(self.ssec_key.as_ref(), &site);
        let spec = HeadSpec {
            object,
            conditions: self.conditions.check()?,
            terms: Terms {
                ssec_key: self.ssec_key,
                traffic_limit: None,
            },
            retries: client.first_retries(),
            idle: client.timeouts.idle,
        };
        Ok((source, spec))
    }
}

//! One download from beginning to end, as a sequence of steps that each prove the one before.
//!
//! ```text
//! earlier ─▶ (same ─▶ done) ─▶ probe ─▶ (whole ─▶ done) ─▶ prepare ─▶ collect (fetch, record, recheck) ─▶ intact ─▶ reread ─▶ mend ─▶ finish (verify, commit)
//! ```
//!
//! The engine knows all the pieces and no face: no environment variable, no terminal, no command line.

mod collect;
mod crew;
mod earlier;
mod finish;
mod gate;
mod heart;
mod intact;
mod mend;
mod prepare;
mod probe;
mod question;
mod recheck;
mod recorder;
mod reread;
mod same;
mod seal;
mod start_over;
mod stream;
mod takeovers;
mod whereabouts;
mod whole;
mod witness;

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::Span;

use crate::cancel::CancelHook;
use crate::conditions::Conditions;
use crate::destination::{BadDestination, CheckpointPlace, Destination, Places, resolve};
use crate::error::attempt::ResponseFault;
use crate::error::{Error, ErrorKind};
use crate::events::{DownloadEventType, Listeners, Narrator};
use crate::limiter::RateLimiter;
use crate::object::{HeadObjectOutput, ObjectId};
use crate::offload::offload;
use crate::on_change::OnChange;
use crate::outcome::DownloadFileOutput;
use crate::page_cache::PageCache;
use crate::progress::Progress;
use crate::retry::Retries;
use crate::short_work::FileWork;
use crate::source::Source;
use crate::storage::{Storage, make_directories};
use crate::taken::InUse;
use crate::tasks::Tasks;
use crate::terms::Terms;
use crate::verify::Verification;

use earlier::Earlier;
use prepare::Prepared;
use question::Question;
pub(crate) use whereabouts::Whereabouts;

const TARGET: &str = "tosget::download";

/// Everything a download is told, checked: no later step doubts it.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) object: ObjectId,
    pub(crate) conditions: Conditions,
    pub(crate) on_change: OnChange,
    pub(crate) terms: Arc<Terms>,
    /// Why the object has to come in one answer, where it has to.
    pub(crate) one_answer: Option<&'static str>,
    pub(crate) file_path: PathBuf,
    pub(crate) part_size: NonZeroU64,
    /// How many tasks may be at work, over all downloads that share this.
    pub(crate) tasks: Tasks,
    pub(crate) checkpoint: CheckpointPlace,
    pub(crate) recheck: Recheck,
    pub(crate) page_cache: PageCache,
    /// A destination that is the object already is left as it is.
    pub(crate) skip_same: bool,
    /// The file gets the object's modification time.
    pub(crate) preserve_mtime: bool,
    pub(crate) enable_crc: bool,
    /// What the first request bears, when nobody knows yet whether the endpoint is right.
    pub(crate) first_retries: Retries,
    /// What a task bears in a row without progress.
    pub(crate) max_retries: Retries,
    pub(crate) idle: Duration,
    pub(crate) limiter: Option<RateLimiter>,
    pub(crate) listeners: Listeners,
    pub(crate) cancel: CancelHook,
    pub(crate) progress: Progress,
    pub(crate) whereabouts: Whereabouts,
}

/// Everything a question about an object is told, checked.
#[derive(Clone, Debug)]
pub(crate) struct HeadSpec {
    pub(crate) object: ObjectId,
    pub(crate) conditions: Conditions,
    pub(crate) terms: Terms,
    pub(crate) retries: Retries,
    pub(crate) idle: Duration,
}

/// Whatever keeps the temporary file from being ready to take bytes.
const CREATE_FAILED: DownloadEventType = DownloadEventType::CreateTempFileFailed;

/// When bytes that were written are read back before they are believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recheck {
    /// Those of an earlier run, unless nothing can have happened to them: it ended in order, in this boot of this machine,
    /// and the temporary file's identity, length and times are exactly as it left them.
    ///
    /// So this trusts the disk, and every other program, not to alter what was written while a call runs, nor to do it
    /// later behind the file system's back. The default, since reading everything once more costs time.
    #[default]
    Auto,
    /// Those of an earlier run in any case; and everything once more before the file gets its name, after it was synced and
    /// from the disk itself where the system allows it. What was altered is fetched again: no byte that a disk, a cable or
    /// another program has changed gets past it.
    Always,
    /// Never. A file that was altered meanwhile is then noticed only by the CRC64 of the whole, if at all: the
    /// CRC64 is combined from what the journal remembers.
    Never,
}

/// What the engine works with.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) in_use: InUse,
    /// Does what is mostly short, and many.
    pub(crate) file_work: FileWork,
}

impl Engine {
    async fn download(&self, spec: &Spec, began: Instant) -> Result<DownloadFileOutput, Error> {
        spec.whereabouts.at_files();
        let (places, first_look) = match self.resolve(spec).await? {
            Resolved::File(places, first_look) => (places, *first_look),
            Resolved::Directory(path) => return self.make_directory(spec, path, began).await,
        };
        let narrator = Narrator::begin(&spec.listeners, &spec.object, &places, &spec.progress);
        let earlier = Earlier::look(self, spec, &places, first_look).await;
        let result = match earlier {
            Ok(earlier) => {
                spec.whereabouts
                    .found(earlier.journal.as_ref().and(places.journal.clone()));
                self.download_to(spec, places, earlier, &narrator, began).await
            }
            Err(error) => {
                narrator.tell_failure(CREATE_FAILED, &error);
                Err(error)
            }
        };
        if let Err(error) = &result {
            narrator.transfer_failed();
            if error.kind() == ErrorKind::ObjectChanged {
                narrator.tell_failure(DownloadEventType::ObjectChanged, error);
            }
        }
        spec.whereabouts.done_with_files();
        narrator.end().await;
        result
    }

    async fn download_to(
        &self,
        spec: &Spec,
        places: Places,
        earlier: Earlier,
        narrator: &Narrator,
        began: Instant,
    ) -> Result<DownloadFileOutput, Error> {
        if spec.skip_same
            && spec.one_answer.is_none()
            && earlier.is_nothing()
            && let Some(output) = self.same(spec, &places, narrator, began).await?
        {
            return Ok(output);
        }
        let probed = match self.or_canceled(spec, probe::probe(self, spec, &earlier)).await {
            Ok(probed) => probed,
            Err(error) => return Err(earlier.give_up(error, self, spec, places).await),
        };
        probed.tell();
        if let Err(error) = self.refuse_to_lose_a_file(&places, &probed.head).await {
            return Err(earlier.give_up(error, self, spec, places).await);
        }
        let probed = match self.whole(spec, &places, &earlier, probed, began).await? {
            Ok(output) => return Ok(output),
            Err(probed) => probed,
        };
        let in_one_answer;
        let spec = if spec.one_answer.is_none() && probed.ignores_ranges() {
            in_one_answer = Spec {
                one_answer: ResponseFault::RangeIgnored.one_answer(),
                ..spec.clone()
            };
            &in_one_answer
        } else {
            spec
        };
        let prepared = prepare::prepare(self, spec, places, earlier, probed).await;
        match prepared.inspect_err(|error| narrator.tell_failure(CREATE_FAILED, error))? {
            Prepared::AlreadyCommitted(done) => Ok(done.output(spec, narrator, began)),
            Prepared::Ready(session) => {
                let session = match spec.one_answer {
                    Some(_) => session.stream(spec, narrator).await?,
                    None => session.collect(spec, narrator).await?,
                };
                let session = session.intact(spec, narrator).await?;
                let session = session.reread(spec, narrator).await?;
                let session = match spec.one_answer {
                    // All of it has been asked for twice already.
                    Some(_) => session,
                    None => session.mend(spec, narrator).await?,
                };
                narrator.transfer_succeeded();
                let finished = session.finish(spec, began).await;
                finished
                    .inspect(|_| narrator.tell(DownloadEventType::RenameTempFileSucceed))
                    .inspect_err(|error| {
                        narrator.tell_failure(DownloadEventType::RenameTempFileFailed, error);
                    })
            }
        }
    }

    /// What the service knows of an object.
    pub(crate) async fn head(&self, spec: &HeadSpec) -> Result<HeadObjectOutput, Error> {
        let question = Question {
            source: &*self.source,
            object: &spec.object,
            conditions: &spec.conditions,
            terms: &spec.terms,
            retries: spec.retries,
            idle: spec.idle,
            progress: &Progress::new(),
            tasks: &Tasks::exactly(NonZeroUsize::MIN),
        };
        question.known().await.map(|head| head.object)
    }

    fn question<'a>(&'a self, spec: &'a Spec) -> Question<'a> {
        Question {
            source: &*self.source,
            object: &spec.object,
            conditions: &spec.conditions,
            terms: &spec.terms,
            retries: spec.first_retries,
            idle: spec.idle,
            progress: &spec.progress,
            tasks: &spec.tasks,
        }
    }

    async fn resolve(&self, spec: &Spec) -> Result<Resolved, Error> {
        let (storage, in_use, object) = (self.storage.clone(), self.in_use.clone(), spec.object.clone());
        let (file_path, checkpoint) = (spec.file_path.clone(), spec.checkpoint.clone());
        let whereabouts = spec.whereabouts.clone();
        let resolved = self
            .file_work
            .small_files
            .run(move || -> Result<Resolved, BadDestination> {
                match resolve(&*storage, &file_path, object.name_below_directory())? {
                    (Destination::Directory(path), _) => Ok(Resolved::Directory(path)),
                    (Destination::File(path), access) => {
                        let places = Places::new(&*storage, &path, access, &checkpoint)?;
                        // Until it was looked at, it may be there.
                        whereabouts.found(places.journal.clone());
                        // Here, since what may block costs more to begin than to do.
                        let first_look = Earlier::look_once(&storage, &in_use, &places);
                        Ok(Resolved::File(places, Box::new(first_look)))
                    }
                }
            });
        resolved
            .await
            .map_err(|bad| Error::bad_destination(&spec.object, bad))
    }

    /// A key that ends in a slash stands for a directory: the object must exist, but nothing is fetched.
    async fn make_directory(
        &self,
        spec: &Spec,
        path: PathBuf,
        began: Instant,
    ) -> Result<DownloadFileOutput, Error> {
        let head = self.or_canceled(spec, self.question(spec).head()).await?;
        let (storage, target) = (self.storage.clone(), path.clone());
        let made = blocking(move || make_directories(&*storage, &target)).await;
        made.map_err(|error| Error::disk("create the directory", &path, error))?;
        Ok(output(
            spec,
            head.object,
            path,
            Verification::SizeOnly,
            None,
            began,
        ))
    }

    async fn or_canceled<T>(
        &self,
        spec: &Spec,
        step: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        tokio::select! {
            biased;
            () = spec.cancel.canceled() => Err(canceled()),
            result = step => result,
        }
    }
}

enum Resolved {
    /// With what is there already.
    File(Places, Box<Result<Earlier, Error>>),
    Directory(PathBuf),
}

impl Error {
    fn bad_destination(object: &ObjectId, bad: BadDestination) -> Self {
        let hint = match &bad {
            BadDestination::LeavesDirectory { .. } | BadDestination::Nameless => {
                Some("name the file to write to, instead of a directory")
            }
            BadDestination::IsADirectory(_) => Some("end the path with a slash to save the object below it"),
            BadDestination::NotAFile(_) => {
                Some("download to a file, and write that to where the bytes shall go, with cat for instance")
            }
            BadDestination::CheckpointIsDestination { .. } => {
                Some("name another checkpoint file, or a directory: there each destination has its own")
            }
            _ => None,
        };
        let error = Self::invalid_argument(format!("can't download {object}: {bad}"));
        let error = match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        };
        match bad {
            BadDestination::Look { source, .. } => error.with_source(source),
            _ => error,
        }
    }
}

/// The text is the official SDKs'.
fn canceled() -> Error {
    Error::new(ErrorKind::Canceled, "the task is canceled")
}

/// Runs file work where it may block, in the span of whoever asks for it.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let span = Span::current();
    offload(move || span.in_scope(work)).await
}

fn output(
    spec: &Spec,
    object: HeadObjectOutput,
    file_path: PathBuf,
    verification: Verification,
    crc: Option<crate::checksum::Crc64>,
    began: Instant,
) -> DownloadFileOutput {
    let counts = spec.progress.snapshot();
    DownloadFileOutput {
        object,
        file_path,
        bytes_fetched: counts.fetched_bytes,
        bytes_resumed: counts.resumed_bytes,
        requests: counts.requests,
        retries: counts.retries,
        restarts: counts.restarts,
        first_request_id: None,
        last_request_id: None,
        elapsed: began.elapsed(),
        verification,
        set_aside: None,
        one_answer: spec.one_answer.map(str::to_owned),
        content_crc64: crc.map(|crc| crc.0),
    }
}

#[cfg(test)]
mod tests;

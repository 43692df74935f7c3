//! Calls the listeners of a download: on a thread of their own, one call at a time, and never such that the download
//! waits for them.

use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::timeout;

use super::queue::{Next, Queue};
use super::stream::StreamEnd;
use super::{DownloadEvent, DownloadEventType, DownloadEvents, DownloadPart};
use crate::data_transfer::{DataTransferStatus, DataTransferType};
use crate::destination::Places;
use crate::error::Error;
use crate::object::ObjectId;
use crate::progress::Progress;

/// Progress is told this often at most, unless the caller wants something else: more than an eye can follow, less than a
/// terminal minds.
const BETWEEN_CALLS: Duration = Duration::from_millis(20);

/// How long the thread sleeps where there is nothing to look at; it is woken by what is told.
const NOTHING_TO_LOOK_AT: Duration = Duration::from_secs(3600);

/// A download that has ended waits for its listeners, unless one of them takes longer than this for a single call.
const LONGEST_CALL: Duration = Duration::from_secs(5);

type TransferListener = Arc<Mutex<dyn FnMut(DataTransferStatus) + Send>>;
type EventListener = Arc<Mutex<dyn FnMut(DownloadEvent) + Send>>;

/// Who wants to hear of a download.
#[derive(Clone)]
pub(crate) struct Listeners {
    transfer: Option<TransferListener>,
    /// Time between two calls that tell of bytes.
    transfer_interval: Duration,
    events: Option<EventListener>,
    stream: Option<StreamEnd>,
}

impl Listeners {
    /// Whether nobody listens.
    pub(crate) fn is_empty(&self) -> bool {
        self.transfer.is_none() && self.events.is_none() && self.stream.is_none()
    }

    pub(crate) fn set_data_transfer(&mut self, listener: impl FnMut(DataTransferStatus) + Send + 'static) {
        self.transfer = Some(Arc::new(Mutex::new(listener)));
    }

    pub(crate) fn set_transfer_interval(&mut self, interval: Duration) {
        self.transfer_interval = interval;
    }

    pub(crate) fn set_download_event(&mut self, listener: impl FnMut(DownloadEvent) + Send + 'static) {
        self.events = Some(Arc::new(Mutex::new(listener)));
    }

    pub(crate) fn set_stream(&mut self) -> DownloadEvents {
        let (end, events) = DownloadEvents::new();
        self.stream = Some(end);
        events
    }
}

impl Default for Listeners {
    fn default() -> Self {
        Self {
            transfer: None,
            transfer_interval: BETWEEN_CALLS,
            events: None,
            stream: None,
        }
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listeners")
            .field("data_transfer", &self.transfer.is_some())
            .field("download_event", &self.events.is_some())
            .field("stream", &self.stream.is_some())
            .finish()
    }
}

/// Tells the listeners of one call what happens. Telling never waits.
#[derive(Debug)]
pub(crate) struct Narrator {
    /// What all events of the call have in common.
    template: DownloadEvent,
    stream: Option<StreamEnd>,
    calls: Option<Calls>,
}

/// The thread that calls, as seen from the download.
#[derive(Debug)]
struct Calls {
    queue: Arc<Queue<Told>>,
    call_began: Arc<Mutex<Option<Instant>>>,
    /// Its other end goes when the thread ends.
    ended: watch::Receiver<()>,
}

/// What is told to the thread, in the order in which it happened.
#[derive(Debug)]
enum Told {
    Event(DownloadEvent),
    Started { consumed: u64, total: u64 },
    Succeeded,
    Failed,
}

impl From<DownloadEvent> for Told {
    fn from(event: DownloadEvent) -> Self {
        Self::Event(event)
    }
}

impl Narrator {
    /// Starts the thread, if there is anybody to call.
    pub(crate) fn begin(
        listeners: &Listeners,
        object: &ObjectId,
        places: &Places,
        progress: &Progress,
    ) -> Self {
        let is_called = listeners.transfer.is_some() || listeners.events.is_some();
        let calls = is_called.then(|| Calls::begin(listeners, progress));
        let template = DownloadEvent {
            event_type: DownloadEventType::CreateTempFileSucceed,
            error: None,
            bucket: object.bucket.as_str().into(),
            key: object.key.as_str().into(),
            version_id: object.version_id.as_deref().map(Arc::from),
            file_path: places.destination.as_path().into(),
            checkpoint_file: places.journal.as_deref().map(Arc::<Path>::from),
            temp_file_path: places.temporary.as_path().into(),
            download_part: None,
        };
        Self {
            template,
            stream: listeners.stream.clone(),
            calls,
        }
    }

    pub(crate) fn tell(&self, event_type: DownloadEventType) {
        self.send(event_type, None, None);
    }

    pub(crate) fn tell_failure(&self, event_type: DownloadEventType, error: &Error) {
        self.send(event_type, None, Some(error));
    }

    pub(crate) fn tell_part(&self, event_type: DownloadEventType, part: DownloadPart, error: Option<&Error>) {
        self.send(event_type, Some(part), error);
    }

    /// The object is known, and `consumed` bytes of it are there.
    pub(crate) fn transfer_started(&self, consumed: u64, total: u64) {
        self.push(Told::Started { consumed, total });
    }

    /// All bytes are there.
    pub(crate) fn transfer_succeeded(&self) {
        self.push(Told::Succeeded);
    }

    /// The call ends with an error. Nothing is told of it if the transfer had not begun, or had succeeded.
    pub(crate) fn transfer_failed(&self) {
        self.push(Told::Failed);
    }

    /// Waits until everything was told, but not longer than one call of a listener may take.
    pub(crate) async fn end(self) {
        let Some(calls) = &self.calls else { return };
        calls.queue.close();
        let mut ended = calls.ended.clone();
        // Nothing is ever sent: the wait ends when the thread does.
        while timeout(LONGEST_CALL / 5, ended.changed()).await.is_err() {
            if calls.is_stuck() {
                tracing::warn!(target: "tosget::download", limit = ?LONGEST_CALL, "a listener does not return, the download ends without it");
                return;
            }
        }
    }

    fn send(&self, event_type: DownloadEventType, part: Option<DownloadPart>, error: Option<&Error>) {
        if self.stream.is_none() && self.calls.is_none() {
            return;
        }
        let event = DownloadEvent {
            event_type,
            error: error.cloned(),
            download_part: part,
            ..self.template.clone()
        };
        if let Some(stream) = &self.stream {
            stream.push(event.clone());
        }
        if let Some(calls) = &self.calls {
            calls.queue.push_event(event);
        }
    }

    fn push(&self, told: Told) {
        if let Some(calls) = &self.calls {
            calls.queue.push(told);
        }
    }
}

impl Calls {
    fn begin(listeners: &Listeners, progress: &Progress) -> Self {
        let queue = Arc::new(Queue::new());
        let call_began = Arc::new(Mutex::new(None));
        let (ending, ended) = watch::channel(());
        let caller = || Caller {
            transfer: listeners.transfer.clone(),
            transfer_interval: listeners.transfer_interval,
            events: listeners.events.clone(),
            progress: progress.clone(),
            call_began: call_began.clone(),
            running: None,
            last_look: Instant::now(),
        };
        let (mut on_a_thread, incoming, until_its_end) = (caller(), queue.clone(), ending.clone());
        let thread = thread::Builder::new().name("tosget-listener".to_owned());
        let started = thread.spawn(move || {
            on_a_thread.run(&incoming);
            drop(until_its_end);
        });
        if let Err(error) = started {
            tracing::warn!(target: "tosget::download", %error, "no thread for the listeners, which are called between other work");
            let (mut in_a_task, incoming) = (caller(), queue.clone());
            tokio::spawn(async move {
                in_a_task.run_between(&incoming).await;
                drop(ending);
            });
        }
        Self {
            queue,
            call_began,
            ended,
        }
    }

    fn is_stuck(&self) -> bool {
        let began = *self.call_began.lock().unwrap_or_else(PoisonError::into_inner);
        began.is_some_and(|began| began.elapsed() > LONGEST_CALL)
    }
}

/// A call that is dropped tells no more; what was told before still reaches the listeners.
impl Drop for Calls {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// The thread that calls.
struct Caller {
    transfer: Option<TransferListener>,
    transfer_interval: Duration,
    events: Option<EventListener>,
    progress: Progress,
    call_began: Arc<Mutex<Option<Instant>>>,
    running: Option<Running>,
    last_look: Instant,
}

/// A transfer that was told to have started.
#[derive(Clone, Copy)]
struct Running {
    /// The most that was told, so that what is told never goes back.
    consumed: u64,
    total: u64,
}

impl Caller {
    fn run(&mut self, queue: &Queue<Told>) {
        loop {
            match queue.next_within(self.patience()) {
                Next::Told(told) => self.told(told),
                Next::Nothing => {}
                Next::Closed => return,
            }
            if self.last_look.elapsed() >= self.transfer_interval {
                self.look_at_progress();
            }
        }
    }

    /// The same where the system refuses a thread: a slow listener holds up others then, which is better than no download.
    async fn run_between(&mut self, queue: &Queue<Told>) {
        loop {
            match timeout(self.patience(), poll_fn(|context| queue.poll_next(context))).await {
                Ok(Some(told)) => self.told(told),
                Ok(None) => return,
                Err(_elapsed) => {}
            }
            if self.last_look.elapsed() >= self.transfer_interval {
                self.look_at_progress();
            }
        }
    }

    /// Without a transfer whose progress is to be told there is nothing to look at.
    fn patience(&self) -> Duration {
        match (&self.transfer, &self.running) {
            (Some(_), Some(_)) => self.transfer_interval,
            _ => NOTHING_TO_LOOK_AT,
        }
    }

    fn told(&mut self, told: Told) {
        match told {
            Told::Event(event) => self.call_events(event),
            Told::Started { consumed, total } => {
                self.running = Some(Running { consumed, total });
                self.call_transfer(DataTransferType::Started, 0);
            }
            Told::Succeeded => {
                if let Some(running) = self.running {
                    self.consumed(running.total);
                    self.call_transfer(DataTransferType::Succeed, 0);
                    self.running = None;
                }
            }
            Told::Failed => {
                if self.running.is_some() {
                    self.look_at_progress();
                    self.call_transfer(DataTransferType::Failed, 0);
                    self.running = None;
                }
            }
        }
    }

    fn look_at_progress(&mut self) {
        // What is still being read back was there at the start; if it is bad, the sum stands still for a while.
        self.last_look = Instant::now();
        let snapshot = self.progress.snapshot();
        self.consumed(snapshot.consumed_bytes + snapshot.rechecking_bytes);
    }

    fn consumed(&mut self, now: u64) {
        let Some(running) = &mut self.running else { return };
        let once = now.min(running.total).saturating_sub(running.consumed);
        if once > 0 {
            running.consumed += once;
            self.call_transfer(DataTransferType::Rw, once);
        }
    }

    fn call_transfer(&self, data_transfer_type: DataTransferType, rw_once_bytes: u64) {
        if let (Some(listener), Some(running)) = (&self.transfer, self.running) {
            let status = DataTransferStatus {
                consumed_bytes: running.consumed,
                total_bytes: running.total,
                rw_once_bytes,
                data_transfer_type,
            };
            self.call(listener, |listener| listener(status));
        }
    }

    fn call_events(&self, event: DownloadEvent) {
        if let Some(listener) = &self.events {
            self.call(listener, |listener| listener(event));
        }
    }

    /// Calls, unless the listener panicked before: then it is in no state to be called again.
    fn call<L: ?Sized>(&self, listener: &Mutex<L>, call: impl FnOnce(&mut L)) {
        if listener.is_poisoned() {
            return;
        }
        self.note_call(Some(Instant::now()));
        let called = catch_unwind(AssertUnwindSafe(|| {
            if let Ok(mut listener) = listener.lock() {
                call(&mut listener);
            }
        }));
        self.note_call(None);
        if called.is_err() {
            tracing::warn!(target: "tosget::download", "a listener panicked and is not called any more; the download goes on");
        }
    }

    fn note_call(&self, began: Option<Instant>) {
        *self.call_began.lock().unwrap_or_else(PoisonError::into_inner) = began;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As where the system refuses a thread.
    #[tokio::test]
    async fn without_a_thread_listeners_are_called_all_the_same() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = told.clone();
        let listener = move |status: DataTransferStatus| {
            heard
                .lock()
                .expect("not poisoned")
                .push((status.data_transfer_type, status.consumed_bytes));
        };
        let mut caller = Caller {
            transfer: Some(Arc::new(Mutex::new(listener))),
            transfer_interval: Duration::from_millis(1),
            events: None,
            progress: Progress::new(),
            call_began: Arc::default(),
            running: None,
            last_look: Instant::now(),
        };
        let queue = Queue::new();
        queue.push(Told::Started {
            consumed: 0,
            total: 7,
        });
        queue.push(Told::Succeeded);
        queue.close();
        caller.run_between(&queue).await;
        assert_eq!(
            *told.lock().expect("not poisoned"),
            [
                (DataTransferType::Started, 0),
                (DataTransferType::Rw, 7),
                (DataTransferType::Succeed, 7)
            ]
        );
    }
}

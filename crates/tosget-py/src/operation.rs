//! A call under way: it runs on the engine's threads and tells what happens; Python takes it from here, on a thread of its
//! choice. So callbacks run where Python wants them, one after the other, and the engine never waits for one.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tosget::{CancelHook, DataTransferStatus, DataTransferType, Progress, TosClient};

use crate::items::{Item, Snapshot};
use crate::process::{Busy, Owned, aside};
use crate::request::{Download, Head};

/// A download or a question under way. One that is dropped is canceled, and its checkpoint is kept.
#[pyclass(frozen, weakref, module = "tosget._tosget")]
#[derive(Debug)]
pub(crate) struct Operation {
    running: Owned<Running>,
}

#[derive(Debug)]
struct Running {
    mailbox: Arc<Mailbox>,
    hook: CancelHook,
    progress: Progress,
    /// For a call that does not know of hooks.
    question: Option<AbortHandle>,
}

#[pymethods]
impl Operation {
    /// The next piece of news, a pair of its kind and a dictionary; `None` if there is none within `patience` seconds. The
    /// last one is `downloaded`, `answered` or `failed`.
    ///
    /// Signals are not looked at meanwhile: that is Python's, between two calls.
    fn next<'py>(&self, py: Python<'py>, patience: f64) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let mailbox = &self.running()?.mailbox;
        let item = match mailbox.take() {
            None if patience > 0.0 => py.detach(|| mailbox.take_within(Duration::from_secs_f64(patience))),
            item => item,
        };
        item.map(|item| item.into_tuple(py)).transpose()
    }

    /// Calls `callback`, from a thread of the engine's and without arguments, each time when news has come after
    /// [`next`](Self::next) found none.
    fn on_news(&self, callback: Py<PyAny>) -> PyResult<()> {
        self.running()?.mailbox.set_callback(callback);
        Ok(())
    }

    /// Stops the call; its last piece of news follows soon.
    fn cancel(&self, is_abort: bool) -> PyResult<()> {
        self.running()?.cancel(is_abort);
        Ok(())
    }

    /// How far the download is.
    fn progress(&self) -> PyResult<Snapshot> {
        Ok(self.running()?.progress.snapshot().into())
    }
}

impl Operation {
    pub(crate) fn download(
        py: Python<'_>,
        client: TosClient,
        runtime: &Handle,
        request: Download,
    ) -> PyResult<Self> {
        let (wants_progress, wants_events) = (request.wants_progress, request.wants_events);
        let (hook, progress) = (CancelHook::new(), Progress::new());
        let mailbox = Arc::new(Mailbox::new());
        let mut request = request
            .into_request(py)?
            .with_cancel_hook(hook.clone())
            .with_progress(progress.clone());
        if wants_progress {
            let mailbox = mailbox.clone();
            request = request.with_data_transfer_listener(move |status| mailbox.put(Item::Transfer(status)));
        }
        if wants_events {
            let mailbox = mailbox.clone();
            request =
                request.with_download_event_listener(move |event| mailbox.put(Item::Event(Box::new(event))));
        }
        run(runtime, &mailbox, async move {
            match client.download_file(request).await {
                Ok(output) => Item::Downloaded(Box::new(output)),
                Err(error) => Item::Failed(error),
            }
        });
        Ok(Self::new(Running {
            mailbox,
            hook,
            progress,
            question: None,
        }))
    }

    pub(crate) fn head(py: Python<'_>, client: TosClient, runtime: &Handle, request: Head) -> PyResult<Self> {
        let mailbox = Arc::new(Mailbox::new());
        let request = request.into_request(py)?;
        let question = run(runtime, &mailbox, async move {
            match client.head_object(request).await {
                Ok(object) => Item::Answered(Box::new(object)),
                Err(error) => Item::Failed(error),
            }
        });
        Ok(Self::new(Running {
            mailbox,
            hook: CancelHook::new(),
            progress: Progress::new(),
            question: Some(question),
        }))
    }

    fn new(running: Running) -> Self {
        Self {
            running: Owned::new(running),
        }
    }

    fn running(&self) -> PyResult<&Running> {
        self.running.get().ok_or_else(|| {
            PyRuntimeError::new_err("this download belongs to the process that this one was forked from")
        })
    }
}

/// Starts the work, and sees to it that there is a last piece of news whatever happens.
fn run(
    runtime: &Handle,
    mailbox: &Arc<Mailbox>,
    work: impl Future<Output = Item> + Send + 'static,
) -> AbortHandle {
    let task = runtime.spawn(work);
    let handle = task.abort_handle();
    let mailbox = mailbox.clone();
    runtime.spawn(async move {
        mailbox.put(match task.await {
            Ok(item) => item,
            Err(error) => Item::Crashed(error.to_string()),
        });
    });
    handle
}

impl Running {
    fn cancel(&self, is_abort: bool) {
        self.hook.cancel(is_abort);
        if let Some(question) = &self.question {
            question.abort();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cancel(false);
    }
}

/// News on its way to Python. It may grow: events are not dropped, and progress that is not fetched is added up.
struct Mailbox {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    news: VecDeque<Item>,
    callback: Option<Arc<Py<PyAny>>>,
    /// The reader found nothing, so it is to be called when something comes.
    is_reader_idle: bool,
}

impl Mailbox {
    fn new() -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn put(&self, item: Item) {
        // Who takes the last item may end the interpreter, before the callback is on its way.
        let _busy = Busy::begin();
        let mut state = self.state();
        let mut callback = None;
        if item.is_last() {
            // Nobody is to be called after the end; and what a callback refers to is let go.
            callback = state.callback.take().filter(|_| state.is_reader_idle);
        } else if state.is_reader_idle {
            callback.clone_from(&state.callback);
        }
        state.is_reader_idle = false;
        state.add(item);
        drop(state);
        self.changed.notify_one();
        if let Some(callback) = callback {
            self.call(callback);
        }
    }

    fn take(&self) -> Option<Item> {
        self.state().take()
    }

    fn take_within(&self, patience: Duration) -> Option<Item> {
        let is_quiet = |state: &mut State| state.news.is_empty();
        let waited = self.changed.wait_timeout_while(self.state(), patience, is_quiet);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.take()
    }

    fn set_callback(&self, callback: Py<PyAny>) {
        let callback = Arc::new(callback);
        let mut state = self.state();
        state.callback = Some(callback.clone());
        let is_late = !state.news.is_empty();
        state.is_reader_idle = !is_late;
        drop(state);
        if is_late {
            self.call(callback);
        }
    }

    fn call(&self, callback: Arc<Py<PyAny>>) {
        aside(move || {
            // An event loop that is closed raises, and an interpreter that shuts down is not there: nobody waits any more.
            Python::try_attach(|py| callback.call0(py).map(drop).unwrap_or_default());
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A queue has no half-made change behind a poisoned lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").finish_non_exhaustive()
    }
}

impl State {
    fn add(&mut self, item: Item) {
        if let (Some(Item::Transfer(waiting)), Item::Transfer(status)) = (self.news.back_mut(), &item)
            && let Some(both) = together(waiting, status)
        {
            *waiting = both;
            return;
        }
        self.news.push_back(item);
    }

    fn take(&mut self) -> Option<Item> {
        let item = self.news.pop_front();
        self.is_reader_idle = item.is_none();
        item
    }
}

/// Two calls that tell of bytes, as one.
fn together(earlier: &DataTransferStatus, later: &DataTransferStatus) -> Option<DataTransferStatus> {
    let are_bytes = |status: &DataTransferStatus| status.data_transfer_type == DataTransferType::Rw;
    (are_bytes(earlier) && are_bytes(later)).then(|| {
        let mut both = *later;
        both.rw_once_bytes += earlier.rw_once_bytes;
        both
    })
}

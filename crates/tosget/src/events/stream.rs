//! Events as a stream, for those who would rather wait for them than be called.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::DownloadEvent;
use super::queue::Queue;

/// The events of a download, in order; made by
/// [`DownloadFile::with_download_event_stream`](crate::DownloadFile::with_download_event_stream).
///
/// It ends when the call has ended and no clone of the request is left. It never holds the download up: up to 10,000
/// events wait, so it can also be read afterwards; beyond that, events of single parts are dropped and
/// [`EventsMissed`](super::DownloadEventType::EventsMissed) tells how many.
#[derive(Debug)]
pub struct DownloadEvents {
    queue: Arc<Queue<DownloadEvent>>,
}

/// The other end of a [`DownloadEvents`]. The stream ends with the last clone.
#[derive(Clone, Debug)]
pub(super) struct StreamEnd(Arc<Closing>);

/// Closes the queue when it goes.
#[derive(Debug)]
struct Closing(Arc<Queue<DownloadEvent>>);

impl DownloadEvents {
    pub(super) fn new() -> (StreamEnd, Self) {
        let queue = Arc::new(Queue::new());
        (StreamEnd(Arc::new(Closing(queue.clone()))), Self { queue })
    }

    /// The next event; `None` after the last one. Cancel safe: an event is returned or still to come.
    pub async fn next(&mut self) -> Option<DownloadEvent> {
        poll_fn(|context| self.queue.poll_next(context)).await
    }
}

impl Stream for DownloadEvents {
    type Item = DownloadEvent;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<DownloadEvent>> {
        self.queue.poll_next(context)
    }
}

impl StreamEnd {
    pub(super) fn push(&self, event: DownloadEvent) {
        self.0.0.push_event(event);
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

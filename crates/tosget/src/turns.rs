//! How many downloads of one client are under way at a time: what they hold open is bounded, however many are asked for.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::cancel::CancelHook;

/// Turns to be taken; clones hand out the same ones.
#[derive(Clone, Debug)]
pub(crate) struct Turns {
    free: Arc<Semaphore>,
    count: usize,
}

/// A turn, until it is dropped. Nothing in it: the download was canceled before its turn came.
#[derive(Debug)]
pub(crate) struct Turn(#[expect(dead_code, reason = "held, not read")] Option<OwnedSemaphorePermit>);

impl Turns {
    /// So many at a time.
    pub(crate) fn new(count: usize) -> Self {
        let count = count.min(Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(count)),
            count,
        }
    }

    /// How many there are, taken or not.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Waits for a turn, first come first served. Who cancels need not wait for one.
    pub(crate) async fn take(&self, cancel: &CancelHook) -> Turn {
        let permits = self.free.clone();
        tokio::select! {
            biased;
            () = cancel.canceled() => Turn(None),
            permit = permits.acquire_owned() => Turn(Some(permit.expect("the semaphore is never closed"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    /// Whether a turn is to be had at once.
    async fn is_free(turns: &Turns, cancel: &CancelHook) -> bool {
        let mut taking = pin!(turns.take(cancel));
        poll_fn(|context| Poll::Ready(taking.as_mut().poll(context).is_ready())).await
    }

    #[tokio::test]
    async fn no_more_turns_than_there_are_and_none_for_who_cancels() {
        let (turns, hook) = (Turns::new(2), CancelHook::new());
        let first = turns.take(&hook).await;
        let _second = turns.clone().take(&hook).await;
        assert!(!is_free(&turns, &hook).await);
        let canceled = CancelHook::new();
        canceled.cancel(false);
        assert!(is_free(&turns, &canceled).await, "its end is not kept waiting");
        assert!(!is_free(&turns, &hook).await);
        drop(first);
        assert!(is_free(&turns, &hook).await);
    }
}

//! How many of a kind (downloads of a client, its connections) are under way at a time: what they hold open is bounded, however many
//! are asked for. Where the system has not enough for all of them, fewer are under way for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};

use crate::cancel::CancelHook;
use crate::error::shortage::Shortage;

/// How long a turn that the system had nothing for is not handed out again.
const OUT: Duration = Duration::from_secs(10);

/// Time between two tries where no other turn is taken, so that nobody of ours can make room.
const LOOK: Duration = Duration::from_millis(250);

/// Turns to be taken; clones hand out the same ones.
#[derive(Clone, Debug)]
pub(crate) struct Turns {
    free: Arc<Semaphore>,
    taken: Arc<AtomicUsize>,
    /// Somebody has waited in vain, and nothing has gone well since: nobody else need wait.
    is_hopeless: Arc<AtomicBool>,
    count: usize,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    permit: Option<OwnedSemaphorePermit>,
    turns: Turns,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.taken.fetch_sub(1, Ordering::AcqRel);
    }
}

/// How long a piece of work has waited for the system with nobody of ours beside it.
#[derive(Debug, Default)]
pub(crate) struct Scarcity {
    since: Option<Instant>,
}

impl Turns {
    /// So many at a time.
    pub(crate) fn new(count: usize) -> Self {
        let count = count.min(Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(count)),
            taken: Arc::default(),
            is_hopeless: Arc::default(),
            count,
        }
    }

    /// How many there are, taken or not.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Waits for a turn, first come first served.
    pub(crate) async fn take(&self) -> Turn {
        let permit = self.free.clone().acquire_owned().await;
        self.taken.fetch_add(1, Ordering::AcqRel);
        Turn {
            permit: Some(permit.expect("the semaphore is never closed")),
            turns: self.clone(),
        }
    }

    /// The same. Who cancels need not wait for one: `None`.
    pub(crate) async fn take_unless(&self, cancel: &CancelHook) -> Option<Turn> {
        tokio::select! {
            biased;
            () = cancel.canceled() => None,
            turn = self.take() => Some(turn),
        }
    }
}

impl Turn {
    /// The system had enough for what this turn was for.
    pub(crate) fn went_well(&self) {
        self.turns.is_hopeless.store(false, Ordering::Relaxed);
    }

    /// Waits until what the system has not enough of may be there, and gives a turn for another try; `None` if that is not worth
    /// waiting for any longer.
    ///
    /// Where other turns are taken, this one is out for a while: the next try is made when another one ends, and then there is one less
    /// of them. A turn that is alone waits for others than us.
    pub(crate) async fn after(self, shortage: Shortage, scarcity: &mut Scarcity) -> Option<Turn> {
        if !shortage.may_pass() {
            return None;
        }
        let turns = self.turns.clone();
        let Some(alone) = self.sit_out() else {
            scarcity.since = None;
            return Some(turns.take().await);
        };
        let since = *scarcity.since.get_or_insert_with(Instant::now);
        if turns.is_hopeless.load(Ordering::Relaxed) || since.elapsed() >= shortage.patience() {
            turns.is_hopeless.store(true, Ordering::Relaxed);
            return None;
        }
        sleep(LOOK).await;
        Some(alone)
    }

    /// Takes this turn out for a while, unless it is the only one that is taken; then it is given back.
    fn sit_out(mut self) -> Option<Self> {
        if self.turns.taken.load(Ordering::Acquire) <= 1 {
            return Some(self);
        }
        if let Some(permit) = self.permit.take() {
            permit.forget();
            let free = self.turns.free.clone();
            tokio::spawn(async move {
                sleep(OUT).await;
                free.add_permits(1);
            });
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    /// Whether a turn is to be had at once.
    async fn is_free(turns: &Turns) -> bool {
        let mut taking = pin!(turns.take());
        poll_fn(|context| Poll::Ready(taking.as_mut().poll(context).is_ready())).await
    }

    #[tokio::test]
    async fn no_more_turns_than_there_are_and_none_for_who_cancels() {
        let (turns, hook) = (Turns::new(2), CancelHook::new());
        let first = turns.take().await;
        let _second = turns.clone().take().await;
        assert!(!is_free(&turns).await);
        hook.cancel(false);
        assert!(
            turns.take_unless(&hook).await.is_none(),
            "its end is not kept waiting"
        );
        assert!(!is_free(&turns).await);
        drop(first);
        assert!(is_free(&turns).await);
    }

    #[tokio::test(start_paused = true)]
    async fn in_a_shortage_there_are_fewer_turns_for_a_while() {
        let turns = Turns::new(3);
        let (first, second) = (turns.take().await, turns.take().await);
        let began = Instant::now();
        let mut scarcity = Scarcity::default();
        let again = second.after(Shortage::Descriptors, &mut scarcity).await;
        let again = again.expect("the third turn");
        assert!(began.elapsed() < LOOK, "nobody has to wait who finds a free turn");
        assert!(!is_free(&turns).await, "there are two now");
        let mut waiting = pin!(again.after(Shortage::Descriptors, &mut scarcity));
        let waits = poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context).is_pending())).await;
        assert!(waits, "there is one now, and it is taken");
        drop(first);
        let again = waiting.await.expect("that of the other one, which has ended");
        drop(again);
        sleep(OUT * 2).await;
        let _all = (turns.take().await, turns.take().await, turns.take().await);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_alone_waits_for_a_while_and_then_no_more() {
        for shortage in [Shortage::Descriptors, Shortage::Ports, Shortage::Memory] {
            let turns = Turns::new(3);
            let (mut turn, mut scarcity) = (Some(turns.take().await), Scarcity::default());
            let began = Instant::now();
            while let Some(again) = turn {
                turn = again.after(shortage, &mut scarcity).await;
            }
            assert!((shortage.patience()..shortage.patience() + LOOK * 2).contains(&began.elapsed()));

            // A list of a thousand objects does not wait a thousand times.
            let began = Instant::now();
            let next = turns.take().await;
            assert!(next.after(shortage, &mut Scarcity::default()).await.is_none());
            assert!(began.elapsed() < LOOK);
            let one_that_works = turns.take().await;
            one_that_works.went_well();
            assert!(
                one_that_works
                    .after(shortage, &mut Scarcity::default())
                    .await
                    .is_some()
            );
        }
        let turn = Turns::new(1).take().await;
        assert!(
            turn.after(Shortage::FileSize, &mut Scarcity::default())
                .await
                .is_none()
        );
    }
}

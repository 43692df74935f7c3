//! Who gets a slot, and when.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use super::*;

fn exactly(number: usize) -> Tasks {
    Tasks::exactly(NonZeroUsize::new(number).expect("not zero"))
}

/// What the future has come to by now.
async fn now<T>(mut future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

#[tokio::test]
async fn no_more_tasks_are_at_work_than_may_be() {
    let tasks = exactly(2);
    let (first, _second) = (tasks.slot().await, tasks.slot().await);
    let mut third = pin!(tasks.slot());
    assert!(now(third.as_mut()).await.is_none());
    assert!(tasks.try_more(1).is_none());
    drop(first);
    assert!(now(third).await.is_some());
}

#[tokio::test]
async fn a_download_without_a_task_goes_before_those_that_have_some() {
    let tasks = exactly(1);
    let slot = tasks.slot().await;
    let mut more = tasks.ask(1).expect_err("there is only one");
    let mut first = pin!(tasks.slot());
    assert!(now(first.as_mut()).await.is_none());
    drop(slot);
    let slot = now(first).await.expect("it came later, and goes first");
    assert!(now(pin!(more.granted())).await.is_none());
    assert!(tasks.try_more(1).is_none(), "others wait already");
    drop(slot);
    assert!(now(pin!(more.granted())).await.is_some());
}

#[tokio::test]
async fn those_who_want_more_take_turns() {
    let tasks = exactly(1);
    let slot = tasks.slot().await;
    let mut places = [1, 5].map(|mine| tasks.ask(mine).expect_err("there is only one"));
    drop(slot);
    assert!(now(pin!(places[1].granted())).await.is_none());
    let slot = now(pin!(places[0].granted()))
        .await
        .expect("first come, first served");
    drop(slot);
    assert!(now(pin!(places[1].granted())).await.is_some());
}

#[tokio::test]
async fn who_goes_away_keeps_nobody_waiting() {
    let tasks = exactly(1);
    let slot = tasks.slot().await;
    let gone = tasks.ask(0).expect_err("there is only one");
    let mut waits = tasks.ask(0).expect_err("there is only one");
    drop(gone);
    drop(slot);
    let slot = now(pin!(waits.granted())).await.expect("nobody is before it");
    // It goes away when it has its slot, and has not seen it.
    let gone = tasks.ask(0).expect_err("there is only one");
    drop(slot);
    drop(gone);
    assert!(tasks.try_more(1).is_some());
}

#[tokio::test(start_paused = true)]
async fn after_an_overload_there_are_half_as_many_and_later_as_many_again() {
    let tasks = exactly(4);
    let mut slots = Vec::new();
    for _ in 0..4 {
        slots.push(tasks.slot().await);
    }
    tasks.overloaded();
    assert_eq!((tasks.allowed(), tasks.are_too_many()), (2, true));
    slots.truncate(2);
    assert!(tasks.try_more(2).is_none());
    let mut more = tasks.ask(2).expect_err("there are two already");
    tokio::time::advance(Duration::from_secs(3)).await;
    tasks.look();
    assert!(
        now(pin!(more.granted())).await.is_some(),
        "a look wakes who waits"
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_found_is_forgotten_after_a_long_pause() {
    let tasks = Tasks::automatic();
    let slots = [tasks.slot().await, tasks.slot().await];
    tasks.overloaded();
    assert_eq!(tasks.allowed(), 1);
    drop(slots);
    tokio::time::advance(LONG_PAUSE).await;
    drop(tasks.slot().await);
    assert_eq!(tasks.allowed(), 2);
}

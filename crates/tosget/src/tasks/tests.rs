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

/// Tasks of which a disk keeps all that are at work, for longer than it should.
async fn stuck(tasks: &Tasks) -> (Tasks, AtDisk, Vec<Slot>) {
    let kept = tasks.of_another_download();
    let mut slots = Vec::new();
    while let Some(slot) = kept.try_more(slots.len()) {
        slots.push(slot);
    }
    let at_disk = kept.at_disk();
    tokio::time::advance(LOOK_AGAIN * 2).await;
    (kept, at_disk, slots)
}

#[tokio::test(start_paused = true)]
async fn slots_that_a_disk_keeps_leave_room_for_one_task_of_every_other_download_and_no_more() {
    let tasks = Tasks::automatic();
    let other = tasks.of_another_download();
    let (kept, _at_disk, slots) = stuck(&tasks).await;
    assert!(
        kept.try_more(slots.len()).is_none(),
        "it would take more and more"
    );
    let _first = other.slot().await;
    assert!(other.try_more(1).is_none(), "one is enough to go on");
    let _of_a_third = tasks.of_another_download().slot().await;
    assert!(!other.are_too_many(), "it may go on with its next piece");
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_not_forgotten_when_a_disk_begins_to_keep_the_others() {
    let tasks = Tasks::automatic();
    let (_one, _two) = (tasks.slot().await, tasks.slot().await);
    let _at_disk = tasks.at_disk();
    let began = Instant::now();
    let _third = tasks.of_another_download().slot().await;
    assert!(began.elapsed() <= LOOK_AGAIN * 3);
}

#[tokio::test(start_paused = true)]
async fn when_the_disk_answers_again_the_number_is_kept() {
    let tasks = Tasks::automatic();
    let (_kept, at_disk, mut slots) = stuck(&tasks).await;
    let other = tasks.of_another_download();
    let lent = other.slot().await;
    drop(at_disk);
    assert!(other.are_too_many());
    assert!(tasks.of_another_download().ask(0).is_err());
    drop(lent);
    assert!(tasks.of_another_download().ask(0).is_err(), "all are at work");
    slots.pop();
    assert!(tasks.of_another_download().ask(0).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_slow_and_answers_is_not_stuck() {
    let tasks = Tasks::automatic();
    let (kept, at_disk, _slots) = stuck(&tasks).await;
    drop(at_disk);
    let _slow = kept.at_disk();
    for _ in 0..10 {
        let piece = kept.at_disk();
        tokio::time::advance(LOOK_AGAIN * 2 / 3).await;
        drop(piece);
        tasks.look();
        assert!(tasks.of_another_download().ask(0).is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_number_that_was_asked_for_is_kept_whatever_a_disk_keeps() {
    let tasks = exactly(2);
    let (_kept, _at_disk, slots) = stuck(&tasks).await;
    assert_eq!(slots.len(), 2);
    let other = tasks.of_another_download();
    let waiting = timeout(LOOK_AGAIN * 100, other.slot()).await;
    assert!(waiting.is_err());
}

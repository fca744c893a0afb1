//! What calls in place promise, and what becomes of tasks that they wake.

use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::thread;

use futures::FutureExt;
use tokio::sync::oneshot;

use super::super::tests::{Dropped, LONG, hold, panicked};
use super::super::{GuestThreads, Lane};
use super::*;

/// A task that waits in a lane for ever, how it is woken, and how often it had a turn.
async fn waits(threads: &GuestThreads, lane: &Lane) -> (Waker, Arc<Mutex<u32>>) {
    let (waker, turns) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(0)));
    let (told, counted) = (waker.clone(), turns.clone());
    let forever = poll_fn(move |context| {
        *told.lock().unwrap() = Some(context.waker().clone());
        *counted.lock().unwrap() += 1;
        Poll::<()>::Pending
    });
    threads.spawn_in(lane, forever).detach();
    let waker = loop {
        let there = waker.lock().unwrap().take();
        match there {
            Some(waker) => break waker,
            None => tokio::task::yield_now().await,
        }
    };
    // Its turn is over: the only thread has had another one since. Woken before that it would have its next turn there.
    threads.spawn(async {}).await;
    (waker, turns)
}

#[tokio::test]
async fn what_is_woken_in_this_lane_has_its_turn_here_and_what_is_in_another_has_not() {
    let threads = GuestThreads::start(Some(1)).unwrap();
    let (lane, other) = (threads.lane(), threads.lane());
    let ((wakes, turns), (wakes_other, turns_of_other)) = (waits(&threads, &lane).await, waits(&threads, &other).await);
    let here = Here::enter(&lane);
    wakes.wake_by_ref();
    wakes_other.wake_by_ref();
    assert_eq!(*turns.lock().unwrap(), 1, "nothing runs yet");
    assert!(here.run_woken(Instant::now() + LONG) && !here.run_woken(Instant::now() + LONG));
    assert_eq!(*turns.lock().unwrap(), 2);
    while *turns_of_other.lock().unwrap() < 2 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_is_left_when_a_turn_here_is_over_goes_to_a_guest_thread() {
    let threads = GuestThreads::start(Some(1)).unwrap();
    let lane = threads.lane();
    let (wakes, turns) = waits(&threads, &lane).await;
    let here = Here::enter(&lane);
    wakes.wake_by_ref();
    drop(here);
    while *turns.lock().unwrap() < 2 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn threads_that_stop_meanwhile_leave_nothing_behind() {
    for runs in [false, true] {
        let threads = GuestThreads::start(Some(1)).unwrap();
        let lane = threads.lane();
        let (wakes, turns) = waits(&threads, &lane).await;
        let here = Here::enter(&lane);
        wakes.wake_by_ref();
        // Its wakes find the task woken already.
        drop(threads);
        assert!(!runs || here.run_woken(Instant::now() + LONG));
        drop(here);
        drop(wakes);
        while Arc::strong_count(&turns) > 1 {
            tokio::task::yield_now().await;
        }
    }
}

/// Whether a call was made on the thread that asked for it; and it counted as a guest thread.
async fn in_place(threads: &GuestThreads, lane: &Lane) -> bool {
    let here = thread::current().id();
    let call = async move { (GuestThreads::is_here(), thread::current().id()) };
    let (is_guest_thread, ran_on) = threads.submit_or_run(lane, LONG, Box::pin(call)).unwrap().done().await.unwrap();
    assert!(is_guest_thread && !GuestThreads::is_here());
    ran_on == here
}

/// A lane whose next call is made in place.
async fn trusted(threads: &GuestThreads) -> Lane {
    let lane = threads.lane();
    assert!(!in_place(threads, &lane).await, "it has earned nothing yet");
    // A thread that lost the processor looks like a long call, until there were enough that did not.
    while !in_place(threads, &lane).await {}
    // And no turn after it.
    lane.trust.enter(u32::MAX, Duration::ZERO, true);
    lane
}

/// As a guest does at a tick. Tokio's own puts off who it wakes until its next turn.
async fn give_way() {
    let mut gave = false;
    poll_fn(|context| {
        context.waker().wake_by_ref();
        if std::mem::replace(&mut gave, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

fn compute(time: Duration) {
    let began = crate::call::thread_time();
    while crate::call::thread_time() - began < time {}
}

#[tokio::test]
async fn short_calls_are_made_in_place_by_the_lane_that_earned_it_and_by_no_other() {
    let threads = GuestThreads::start(Some(2)).unwrap();
    let lane = trusted(&threads).await;
    assert!(in_place(&threads, &lane).await && !in_place(&threads, &threads.lane()).await);
    let there = threads.submit(&lane, LONG, Box::pin(async { thread::current().id() })).unwrap().done().await.unwrap();
    assert!(there != thread::current().id(), "whoever wants it there has it there");
}

#[tokio::test]
async fn a_call_that_computed_long_in_place_costs_its_lane_what_it_earned() {
    let threads = GuestThreads::start(Some(2)).unwrap();
    let lane = trusted(&threads).await;
    // Of eight one is measured.
    for _ in 0..8 {
        threads.submit_or_run(&lane, LONG, Box::pin(async { compute(Duration::from_millis(5)) })).unwrap().done().await.unwrap();
    }
    for _ in 0..50 {
        assert!(!in_place(&threads, &lane).await);
    }
}

#[tokio::test]
async fn what_does_not_end_in_its_turn_in_place_goes_on_on_a_guest_thread() {
    let threads = GuestThreads::start(Some(2)).unwrap();
    let (lane, here) = (trusted(&threads).await, thread::current().id());
    let call = async move {
        let began_on = thread::current().id();
        // One that gives way soon gets a few more turns.
        for _ in 0..8 {
            give_way().await;
        }
        (began_on, GuestThreads::is_here(), thread::current().id())
    };
    let (began_on, is_guest_thread, ended_on) = threads.submit_or_run(&lane, LONG, Box::pin(call)).unwrap().done().await.unwrap();
    assert!(began_on == here && is_guest_thread && ended_on != here);
}

#[tokio::test]
async fn a_call_that_gives_way_soon_and_has_nothing_to_wait_for_ends_in_place() {
    let threads = GuestThreads::start(Some(2)).unwrap();
    let lane = trusted(&threads).await;
    // The thread may lose the processor between its two turns.
    let mut ended_here = false;
    while !ended_here {
        let here = thread::current().id();
        let call = async move {
            give_way().await;
            thread::current().id() == here
        };
        ended_here = threads.submit_or_run(&lane, LONG, Box::pin(call)).unwrap().done().await.unwrap();
    }
}

#[tokio::test]
async fn whom_a_call_in_place_asks_in_its_lane_answers_in_place() {
    let threads = GuestThreads::start(Some(2)).unwrap();
    let (lane, here) = (trusted(&threads).await, thread::current().id());
    let (ask, mut asked) = tokio::sync::mpsc::unbounded_channel::<oneshot::Sender<thread::ThreadId>>();
    let answers = threads.spawn_in(&lane, async move {
        while let Some(answer) = asked.recv().await {
            let _ = answer.send(thread::current().id());
        }
    });
    // A thread that loses the processor between two turns has the second one elsewhere.
    let mut answered_by = None;
    while answered_by != Some(here) {
        while !in_place(&threads, &lane).await {}
        let ask = ask.clone();
        let call = async move {
            let (answer, answered) = oneshot::channel();
            ask.send(answer).unwrap();
            answered.await.unwrap()
        };
        answered_by = threads.submit_or_run(&lane, LONG, Box::pin(call)).unwrap().done().await.ok();
    }
    drop(ask);
    answers.await;
}

#[tokio::test]
async fn a_call_in_place_has_no_part_in_the_budget_of_who_asks_for_it() {
    let threads = GuestThreads::start(Some(2)).unwrap();
    let lane = trusted(&threads).await;
    let ready = || {
        let (answer, answered) = oneshot::channel();
        answer.send(()).unwrap();
        answered
    };
    // All within one turn of this test: what is ready is not given out any more.
    while futures::poll!(ready()).is_ready() {}
    let ended_here = (0..9).any(|_| {
        let call = async move { ready().await.unwrap() };
        threads.submit_or_run(&lane, LONG, Box::pin(call)).unwrap().job.is_finished()
    });
    assert!(ended_here && futures::poll!(ready()).is_pending());
}

#[tokio::test]
async fn a_panic_in_a_destructor_of_a_call_in_place_harms_nobody() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("in a destructor");
        }
    }
    let threads = GuestThreads::start(Some(2)).unwrap();
    let lane = trusted(&threads).await;
    for panics_itself in [false, true] {
        let (held, here) = (Panics, thread::current().id());
        let call = poll_fn(move |_| {
            assert_eq!(thread::current().id(), here);
            let _held = &held;
            assert!(!panics_itself, "in place");
            Poll::Ready(7)
        });
        let asked = async { threads.submit_or_run(&lane, LONG, Box::pin(call)).unwrap().done().await };
        match AssertUnwindSafe(asked).catch_unwind().await {
            Ok(answer) => assert_eq!((answer.unwrap(), panics_itself), (7, false)),
            told => assert_eq!((panicked(told), panics_itself), ("in place".to_owned(), true)),
        }
    }
}

#[tokio::test]
async fn a_call_that_began_in_place_is_cancelled_and_detached_as_any_other() {
    let threads = GuestThreads::start(Some(2)).unwrap();
    let (lane, dropped) = (trusted(&threads).await, Arc::new(AtomicUsize::new(0)));
    let waits = |held: Dropped| async move {
        let _held = held;
        pending::<()>().await;
    };
    let job = threads.submit_or_run(&lane, LONG, Box::pin(waits(Dropped(dropped.clone())))).unwrap().into_job();
    assert!(!job.is_finished() && job.cancel().await.is_none());
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    while !in_place(&threads, &lane).await {}
    let mut done = threads.submit_or_run(&lane, LONG, Box::pin(async { 7 })).unwrap().into_job();
    assert!(done.is_finished() && !done.leave());
    assert_eq!(done.cancel().await, Some(Some(7)));
    while !in_place(&threads, &lane).await {}
    threads.submit_or_run(&lane, LONG, Box::pin(async { 7 })).unwrap().into_job().detach();
}

#[tokio::test]
async fn a_panic_in_place_is_one_of_who_asked_and_the_thread_is_no_guest_thread_after_it() {
    let threads = GuestThreads::start(Some(2)).unwrap();
    let lane = trusted(&threads).await;
    let asked = async { threads.submit_or_run(&lane, LONG, Box::pin(async { panic!("in place") })).unwrap().done().await.map_err(drop) };
    assert_eq!(panicked::<Result<(), ()>>(AssertUnwindSafe(asked).catch_unwind().await), "in place");
    assert!(!GuestThreads::is_here());
}

#[tokio::test]
async fn nobody_overtakes_in_place_the_calls_that_wait_in_its_lane() {
    let threads = GuestThreads::start(Some(1)).unwrap();
    let lane = trusted(&threads).await;
    let release = hold(&threads).await;
    let waits = threads.submit(&lane, LONG, Box::pin(async {})).unwrap();
    let behind = threads.submit_or_run(&lane, LONG, Box::pin(async { GuestThreads::is_here() })).unwrap();
    assert!(!behind.job.is_finished());
    drop(release);
    waits.done().await.unwrap();
    assert!(behind.done().await.unwrap());
}

#[tokio::test]
async fn where_it_is_not_wanted_nothing_is_made_in_place() {
    let threads = GuestThreads::start(Some(1)).unwrap();
    let lane = trusted(&threads).await;
    threads.always_hop();
    assert!(!in_place(&threads, &lane).await);
}

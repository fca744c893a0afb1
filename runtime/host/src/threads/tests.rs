//! What guest threads promise. No clocks: turns are counted, and whoever waits is told.

use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::Poll;
use std::time::Duration;

use futures::FutureExt;
use plugwork_core::capacity::Resource;
use plugwork_core::limits::LANE_CALLS_MAX;
use tokio::sync::oneshot;
use tokio::task::yield_now;

use super::*;

/// Counts when it is dropped.
pub(super) struct Dropped(pub(super) Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Keeps one guest thread until the sender goes, so that a test can fill the lanes first.
pub(super) async fn hold(threads: &GuestThreads) -> mpsc::Sender<()> {
    let (release, held) = mpsc::channel::<()>();
    let (there, arrived) = oneshot::channel();
    let task = threads.spawn(async move {
        let _ = there.send(());
        let _ = held.recv();
    });
    task.detach();
    arrived.await.unwrap();
    release
}

pub(super) fn panicked<T>(result: std::thread::Result<T>) -> String {
    let Err(payload) = result else { panic!("it did not panic") };
    payload.downcast_ref::<&str>().map_or_else(|| "not a text".to_owned(), |text| (*text).to_owned())
}

#[tokio::test]
async fn a_lane_with_one_task_is_not_behind_a_lane_with_a_thousand() {
    let threads = GuestThreads::start(Some(1)).unwrap();
    let release = hold(&threads).await;
    let (crowd, turns, ended) = (threads.lane(), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for _ in 0..1_000 {
        let (turns, ended) = (turns.clone(), Dropped(ended.clone()));
        let forever = async move {
            let _ended = ended;
            loop {
                turns.fetch_add(1, Ordering::SeqCst);
                yield_now().await;
            }
        };
        threads.spawn_in(&crowd, forever).detach();
    }
    let counted = turns.clone();
    let alone = threads.spawn_in(&threads.lane(), async move {
        for _ in 0..50 {
            yield_now().await;
        }
        counted.load(Ordering::SeqCst)
    });
    drop(release);
    assert_eq!(alone.await, 51, "one turn of the crowd before each of its own");
    drop(threads);
    while ended.load(Ordering::SeqCst) < 1_000 {
        yield_now().await;
    }
}

#[tokio::test]
async fn spawned_without_a_lane_is_in_one_of_its_own() {
    let threads = GuestThreads::start(Some(1)).unwrap();
    let release = hold(&threads).await;
    let (lane, order) = (threads.lane(), Arc::new(Mutex::new(String::new())));
    let say = |letter| {
        let order = order.clone();
        async move { order.lock().unwrap().push(letter) }
    };
    let jobs = [threads.spawn_in(&lane, say('a')), threads.spawn_in(&lane, say('b')), threads.spawn(say('c')), threads.spawn(say('d'))];
    drop(release);
    futures::future::join_all(jobs).await;
    assert_eq!(*order.lock().unwrap(), "acdb");
}

#[tokio::test]
async fn a_panic_reaches_who_awaits_and_the_thread_lives_on() {
    let threads = GuestThreads::start(Some(1)).unwrap();
    let thread = threads.spawn(async { std::thread::current().id() }).await;
    let job = threads.spawn(async {
        yield_now().await;
        panic!("as asked");
    });
    assert_eq!(panicked::<()>(AssertUnwindSafe(job).catch_unwind().await), "as asked");
    threads.spawn(async { panic!("nobody hears") }).detach();
    assert_eq!(threads.spawn(async { std::thread::current().id() }).await, thread);
}

#[tokio::test]
async fn a_panic_in_a_destructor_harms_nobody() {
    struct Broken;
    impl Drop for Broken {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("in a destructor");
            }
        }
    }
    let threads = GuestThreads::start(Some(1)).unwrap();
    let job = threads.spawn(async {
        let _broken = Broken;
        pending::<()>().await;
    });
    yield_now().await;
    assert_eq!(job.cancel().await, None);
    assert_eq!(threads.spawn(async { 7 }).await, 7);
}

#[tokio::test]
async fn dropping_a_job_drops_its_future() {
    let threads = GuestThreads::start(Some(1)).unwrap();
    let (dropped, (gone, seen)) = (Arc::new(AtomicUsize::new(0)), oneshot::channel::<()>());
    let waiting = Dropped(dropped.clone());
    let job = threads.spawn(async move {
        // Its sender goes with the future: the other end hears of it.
        let _kept = (waiting, gone);
        pending::<()>().await;
    });
    drop(job);
    assert!(seen.await.is_err());
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn cancel_returns_when_the_future_is_gone_or_what_it_came_to() {
    let threads = GuestThreads::start(Some(1)).unwrap();
    let dropped = Arc::new(AtomicUsize::new(0));
    let waiting = Dropped(dropped.clone());
    let job = threads.spawn(async move {
        let _kept = waiting;
        pending::<()>().await;
    });
    assert_eq!(job.cancel().await, None);
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    let done = threads.spawn(async { 7 });
    while !done.is_finished() {
        yield_now().await;
    }
    assert_eq!(done.cancel().await, Some(7));
}

#[tokio::test]
async fn a_detached_task_runs_to_its_end() {
    let threads = GuestThreads::start(Some(2)).unwrap();
    let (send, receive) = oneshot::channel();
    let task = async move {
        yield_now().await;
        send.send(7).unwrap();
    };
    threads.spawn(task).detach();
    assert_eq!(receive.await.unwrap(), 7);
}

#[tokio::test]
async fn dropping_the_last_handle_cancels_what_waits_runs_or_has_not_begun() {
    let threads = GuestThreads::start(Some(1)).unwrap();
    let dropped = Arc::new(AtomicUsize::new(0));
    let one = || Dropped(dropped.clone());
    let (waits, (there, arrived)) = (one(), oneshot::channel());
    let waits = threads.spawn(async move {
        let _kept = waits;
        let _ = there.send(());
        pending::<()>().await;
    });
    arrived.await.unwrap();
    let release = hold(&threads).await;
    let (not_begun, lane) = (one(), threads.lane());
    let not_begun = threads.spawn_in(&lane, async move { drop(not_begun) });
    let clone = threads.clone();
    drop(threads);
    assert_eq!(dropped.load(Ordering::SeqCst), 0, "another handle is left");
    drop(clone);
    assert_eq!(dropped.load(Ordering::SeqCst), 2, "at once, although a guest is in its turn");
    assert_eq!((waits.or_stopped().await, not_begun.or_stopped().await), (None, None));
    drop(release);
    let late = lane.shared.spawn(Some(lane.waiting.clone()), Box::pin(async {}));
    assert_eq!(late.or_stopped().await, None, "a lane that outlived its threads runs nothing");
}

#[tokio::test]
async fn a_stopped_thread_ends_and_drops_what_it_ran() {
    let threads = GuestThreads::start(Some(1)).unwrap();
    let ((there, arrived), (release, held)) = (oneshot::channel(), mpsc::channel::<()>());
    let job = threads.spawn(async move {
        let _ = there.send(());
        let _ = held.recv();
        yield_now().await;
        unreachable!("it has no turn any more");
    });
    arrived.await.unwrap();
    let shared = Arc::downgrade(&threads.0.0);
    drop(threads);
    drop(release);
    assert_eq!(job.or_stopped().await, None);
    while shared.strong_count() > 0 {
        yield_now().await;
    }
}

async fn sleeps_blocks_and_talks(threads: &GuestThreads) {
    assert!(!GuestThreads::is_here());
    let io = std::thread::current().id();
    let seen = threads.spawn(async move {
        assert!(GuestThreads::is_here());
        tokio::time::sleep(Duration::from_millis(1)).await;
        let blocking = tokio::task::spawn_blocking(|| (GuestThreads::is_here(), std::thread::current().id())).await.unwrap();
        let there = tokio::spawn(async { GuestThreads::is_here() }).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (dialled, taken) = tokio::join!(tokio::net::TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        dialled.unwrap();
        taken.unwrap();
        assert!(GuestThreads::is_here(), "it comes back from each wait to a guest thread");
        let timeout = tokio::time::timeout(Duration::from_millis(1), pending::<()>()).await;
        (blocking, there, timeout.is_err(), std::thread::current().name().map(str::to_owned))
    });
    let (blocking, there, timed_out, name) = seen.await;
    assert!(!blocking.0 && blocking.1 != io && !there && timed_out);
    assert!(name.unwrap().starts_with("plugwork-guest-"));
}

#[tokio::test]
async fn timers_sockets_and_blocking_work_beside_one_thread_of_io() {
    sleeps_blocks_and_talks(&GuestThreads::start(Some(1)).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timers_sockets_and_blocking_work_beside_many_threads_of_io() {
    sleeps_blocks_and_talks(&GuestThreads::start(None).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_tasks_in_a_hundred_lanes_all_come_to_their_end() {
    let threads = GuestThreads::start(Some(4)).unwrap();
    let lanes: Vec<Lane> = (0..100).map(|_| threads.lane()).collect();
    let jobs: Vec<Job<usize>> = (0..10_000)
        .map(|number| {
            let inner = threads.clone();
            threads.spawn_in(&lanes[number % 100], async move {
                for _ in 0..number % 7 {
                    yield_now().await;
                }
                // From a guest thread to another and back, as a plugin that calls a plugin.
                inner.spawn(async move { number }).await
            })
        })
        .collect();
    let mut sum = 0;
    for job in jobs {
        sum += job.await;
    }
    assert_eq!(sum, 10_000 * 9_999 / 2);
    let turns = threads.0.0.state();
    assert_eq!(turns.live.wakers().len(), 0, "nothing is kept of a task that is done");
}

#[tokio::test]
async fn a_task_woken_from_elsewhere_is_run_once_for_each_wake() {
    let threads = GuestThreads::start(Some(1)).unwrap();
    let (tell, told) = mpsc::channel();
    let mut polls = 0;
    let job = threads.spawn(poll_fn(move |context| {
        polls += 1;
        let _ = tell.send(context.waker().clone());
        if polls == 3 { Poll::Ready(polls) } else { Poll::Pending }
    }));
    for _ in 0..2 {
        told.recv().unwrap().wake();
    }
    assert_eq!(job.await, 3);
}

/// For as long as any test takes.
pub(super) const LONG: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn a_call_whose_time_is_over_leaves_its_lane_and_never_begins() {
    let threads = GuestThreads::start(Some(1)).unwrap();
    let release = hold(&threads).await;
    let (lane, began, dropped) = (threads.lane(), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counts, waiting) = (began.clone(), Dropped(dropped.clone()));
    let call = async move {
        let _waiting = waiting;
        counts.fetch_add(1, Ordering::SeqCst);
    };
    let late = threads.submit(&lane, Duration::from_millis(5), Box::pin(call)).unwrap().done().await.unwrap_err();
    assert!(late.waited >= Duration::from_millis(5));
    assert_eq!(dropped.load(Ordering::SeqCst), 1, "while the only thread is still taken");
    drop(release);
    assert_eq!(threads.spawn_in(&lane, async { 7 }).await, 7);
    assert_eq!(began.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_call_that_comes_to_a_thread_too_late_does_not_begin_there() {
    let threads = GuestThreads::start(Some(1)).unwrap();
    let call = threads.submit(&threads.lane(), Duration::ZERO, Box::pin(async { unreachable!("its time is over") })).unwrap();
    assert!(matches!(call.done().await, Err::<(), _>(Late { .. })));
}

#[tokio::test]
async fn one_call_too_many_is_refused_and_one_that_is_dropped_makes_room_at_once() {
    let threads = GuestThreads::start(Some(1)).unwrap();
    let release = hold(&threads).await;
    let (lane, dropped) = (threads.lane(), Arc::new(AtomicUsize::new(0)));
    let call = |number| {
        let waiting = Dropped(dropped.clone());
        threads.submit(
            &lane,
            LONG,
            Box::pin(async move {
                let _waiting = waiting;
                number
            }),
        )
    };
    let mut calls: VecDeque<_> = (0..LANE_CALLS_MAX).map(|number| call(number).unwrap()).collect();
    assert_eq!(call(0).err().unwrap().what, Resource::PluginLane);
    assert_eq!(dropped.load(Ordering::SeqCst), 1, "what is refused is not kept");
    let elsewhere = threads.submit(&threads.lane(), LONG, Box::pin(async { 7 })).unwrap();
    drop(calls.pop_front());
    assert_eq!(dropped.load(Ordering::SeqCst), 2, "while the only thread is still taken");
    calls.push_back(call(LANE_CALLS_MAX).unwrap());
    assert!(call(0).is_err());
    drop(release);
    for (number, call) in (1..).zip(calls) {
        assert_eq!(call.done().await.unwrap(), number);
    }
    assert_eq!(elsewhere.done().await.unwrap(), 7);
}

#[tokio::test]
async fn a_call_knows_in_whichever_turn_how_long_it_waited_and_nobody_else_does() {
    let threads = GuestThreads::start(Some(1)).unwrap();
    let release = hold(&threads).await;
    let lane = threads.lane();
    let call = threads.submit(
        &lane,
        LONG,
        Box::pin(async {
            yield_now().await;
            let first = GuestThreads::take_waited();
            // Whom it calls, at once or later, is told nothing of it.
            let second = GuestThreads::take_waited();
            yield_now().await;
            (first, second, GuestThreads::take_waited())
        }),
    );
    tokio::time::sleep(Duration::from_millis(5)).await;
    drop(release);
    let (first, second, third) = call.unwrap().done().await.unwrap();
    assert!(first >= Duration::from_millis(5), "{first:?}");
    assert_eq!((second, third), (Duration::ZERO, Duration::ZERO));
    assert_eq!(threads.spawn_in(&lane, async { GuestThreads::take_waited() }).await, Duration::ZERO);
}

#[tokio::test]
async fn a_call_that_panics_leaves_its_wait_to_nobody() {
    let threads = GuestThreads::start(Some(1)).unwrap();
    let release = hold(&threads).await;
    let call = threads.submit(&threads.lane(), LONG, Box::pin(async { panic!("on purpose") }));
    tokio::time::sleep(Duration::from_millis(5)).await;
    drop(release);
    let done: Result<Result<(), _>, _> = AssertUnwindSafe(call.unwrap().done()).catch_unwind().await;
    assert_eq!(panicked(done), "on purpose");
    assert_eq!(threads.spawn(async { GuestThreads::take_waited() }).await, Duration::ZERO);
}

#[tokio::test]
async fn dropping_a_call_that_runs_drops_its_future_there() {
    let threads = GuestThreads::start(Some(1)).unwrap();
    let ((there, arrived), (gone, seen)) = (oneshot::channel(), oneshot::channel::<()>());
    let call = threads.submit(
        &threads.lane(),
        LONG,
        Box::pin(async move {
            let _gone = gone;
            let _ = there.send(());
            pending::<()>().await;
        }),
    );
    arrived.await.unwrap();
    drop(call);
    assert!(seen.await.is_err());
    assert_eq!(threads.spawn(async { 7 }).await, 7);
}

#[test]
fn refuses_to_start_without_a_runtime_for_io() {
    let error = GuestThreads::start(Some(1)).err().unwrap();
    assert!(error.to_string().starts_with("there is no tokio runtime here\nhint: "), "{error}");
}

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
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Keeps one guest thread until the sender goes, so that a test can fill the lanes first.
async fn hold(threads: &GuestThreads) -> mpsc::Sender<()> {
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

fn panicked<T>(result: std::thread::Result<T>) -> String {
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
const LONG: Duration = Duration::from_secs(3_600);

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
        let held = Panics;
        let call = poll_fn(move |_| {
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

//! Lanes with real guests: everything of a guest runs on a guest thread, so many calls may wait there, and waiting is part of a call's time.
//!
//! May be misread: the only guest thread is held by a task of the test's own, so that what is called meanwhile waits for sure.

use std::future::Future;
use std::pin::pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, join_all};
use futures::{FutureExt, poll};
use plugwork::core::capacity::Resource;
use plugwork::core::limits::LANE_CALLS_MAX;
use plugwork::core::{Fault, breaker};
use plugwork::dynamic::Argument;
use plugwork::{Allocation, Error, ErrorKind, GuestThreads, Installation, Limits, Replacement, Runtime, Session};
use tokio::sync::oneshot;

use crate::density::{install, plus};
use crate::guest::Guest;
use crate::living::{House, Life, REUSE, until};
use crate::world::{Number, fault};

/// Keeps the only guest thread until it is dropped.
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

async fn one_thread() -> Runtime {
    Runtime::in_memory().allocation(Allocation::OnDemand).guest_threads(1).open().await.unwrap()
}

fn limits(deadline_ms: u64) -> Limits {
    Limits { deadline_ms, cpu_percent: None, ..Limits::interactive() }
}

/// Each function leaves a note of its own.
const TELLS: Life = Life {
    version: "1.0.0",
    asks: REUSE,
    init: "(call $note (i32.const 1)) i32.const 16",
    shutdown: "(call $note (i32.const 2)) i32.const 16",
    health: "(call $note (i32.const 3)) i32.const 16",
    migrate: "(call $note (i32.const 4)) i32.const 16",
    run: "(call $note (i32.const 5)) i32.const 7",
    handover: Some((
        "(call $note (i32.const 6)) (i32.store (i32.const 132) (i32.const 200)) (i32.store (i32.const 136) (i32.const 4)) i32.const 128",
        "(call $note (i32.const 7)) i32.const 16",
    )),
    more: "",
    exports: crate::guest::NUMBER,
};

#[tokio::test]
async fn every_function_of_a_guest_runs_on_a_guest_thread() {
    let house = House::new();
    let runtime = house.open().await;
    let installation = house.enabled(&runtime, "", &TELLS).await;
    let expected = |notes: &[u32]| {
        let mut all = house.stage.notes();
        all.sort_unstable();
        all.dedup();
        assert_eq!((all.as_slice(), house.stage.elsewhere()), (notes, 0));
    };
    expected(&[1, 3]);
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 7);
    assert_eq!(installation.plugin().await.unwrap().call::<Number>(&0).await.unwrap(), 7);
    assert_eq!(runtime.point::<Number>().first(0).await.unwrap().value, 7);
    assert_eq!(runtime.point::<Number>().every(0).await[0].1, Some(7));
    assert_eq!(installation.call_dynamic("run", &[Argument::Wave("0".to_owned())]).await.unwrap().to_wave().unwrap(), "7");
    let mut session = installation.session::<Number>().await.unwrap();
    assert_eq!(session.call_input(&0).await.unwrap(), 7);
    session.end().await;
    expected(&[1, 2, 3, 5]);
    let replaced = house.replace(&installation, &runtime, &Life { version: "2.0.0", ..TELLS }).await.unwrap();
    assert!(matches!(replaced, Replacement::Done(replaced) if replaced.handed_over_bytes == Some(4)));
    expected(&[1, 2, 3, 4, 5, 6, 7]);
    let before = house.stage.notes().len();
    installation.disable("ada", "").await.unwrap();
    until("its warm instance was told", || house.stage.notes().len() > before).await;
    runtime.close().await.unwrap();
    expected(&[1, 2, 3, 4, 5, 6, 7]);
}

/// Polls a future to its end without giving its thread away. A guest gives way at each tick, once or more on a busy machine, and goes on in the next poll;
/// what hopped waits for this thread, and that many polls change nothing.
fn in_place<T>(future: impl Future<Output = T>) -> T {
    let (mut future, mut context) = (pin!(future), Context::from_waker(Waker::noop()));
    let ready = (0..10_000).find_map(|_| match future.as_mut().poll(&mut context) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    });
    ready.expect("what does not hop ends")
}

#[tokio::test]
async fn on_a_guest_thread_nothing_hops() {
    let runtime = one_thread().await;
    // It works for so long that it gives way for sure.
    let guest = Guest::new(
        r#"(func (export "run") (param $input i32) (result i32) (local $turns i32)
             (loop $again
               (local.set $turns (i32.add (local.get $turns) (i32.const 1)))
               (br_if $again (i32.lt_u (local.get $turns) (i32.const 20000000))))
             (i32.add (local.get $input) (i32.const 1)))"#,
    );
    let installation = install(&runtime, "a", &guest.source(), limits(60_000)).await;
    // With its only thread taken by this very task, whatever hopped would never come back.
    let (theirs, asked) = (installation.clone(), runtime.clone());
    let there = runtime.guest_threads().spawn(async move {
        assert_eq!(in_place(theirs.call::<Number>(&1)).unwrap(), 2);
        let mut session = in_place(theirs.session::<Number>()).unwrap();
        assert_eq!(in_place(session.call_input(&2)).unwrap(), 3);
        in_place(session.end());
        in_place(asked.point::<Number>().first(3)).unwrap().value
    });
    assert_eq!(there.await, 4);
}

fn is_late(error: &Error) {
    assert_eq!((error.kind(), error.scarcity().unwrap().what), (ErrorKind::Unavailable, Resource::LaneTime), "{error}");
    assert!(error.scarcity().unwrap().held >= 20 && error.subject().is_some(), "{error:?}");
}

#[tokio::test]
async fn a_call_that_waits_past_its_deadline_never_runs_whoever_makes_it() {
    let house = House::new();
    let runtime = house.builder().guest_threads(1).limits(limits(20)).open().await.unwrap();
    // A thread that is late is no reason for what the test prepares to fail.
    let installation = loop {
        let offer = house.offer(&runtime, &TELLS).await;
        let grants = crate::living::all_asked(&offer);
        let installation = match runtime.installations().pop() {
            Some(installation) => installation,
            None => runtime.install(offer, grants, plugwork::core::record::Settings::default()).await.unwrap(),
        };
        if installation.enable("ada").await.is_ok() {
            break installation;
        }
    };
    let mut session: Session<Number> = loop {
        if let Ok(session) = installation.session::<Number>().await {
            break session;
        }
    };
    let plugin = installation.plugin().await.unwrap();
    let release = hold(runtime.guest_threads()).await;
    let before = house.stage.notes();
    is_late(&installation.call::<Number>(&0).await.unwrap_err());
    is_late(&installation.session::<Number>().await.unwrap_err());
    is_late(&installation.call_dynamic("run", &[Argument::Wave("0".to_owned())]).await.unwrap_err());
    is_late(&plugin.call::<Number>(&0).await.unwrap_err());
    is_late(&runtime.point::<Number>().first(0).await.unwrap_err());
    is_late(runtime.point::<Number>().every(0).await[0].0.error.as_ref().unwrap());
    is_late(&session.call_input(&0).await.unwrap_err());
    assert!(!session.has_ended(), "a call that never began ends no session");
    drop(release);
    runtime.guest_threads().spawn(async {}).await;
    assert_eq!(house.stage.notes(), before, "nothing of it ran");
    assert_eq!((runtime.status()[0].faults, runtime.status()[0].breaker), (0, "closed"));
}

#[tokio::test]
async fn what_a_pipeline_carries_survives_a_plugin_that_finds_no_thread() {
    use plugwork::core::dispatch::{Dispatching, OnFault};
    let skips = Dispatching { on_fault: OnFault::Skip, ..Dispatching::default() };
    let builder = Runtime::in_memory().allocation(Allocation::OnDemand).guest_threads(1);
    let runtime = builder.dispatching("test:point/number", skips).open().await.unwrap();
    install(&runtime, "a", &plus(1).source(), limits(20)).await;
    let release = hold(runtime.guest_threads()).await;
    let answer = runtime.point::<Number>().pipeline(41).await.unwrap();
    assert_eq!((answer.value, answer.outcomes.len()), (41, 1));
    is_late(answer.outcomes[0].error.as_ref().unwrap());
    drop(release);
}

type Called<'a> = BoxFuture<'a, Result<u32, Error>>;

/// A call that waits in its lane.
async fn waiting(installation: &Installation, input: u32) -> Result<Called<'_>, Error> {
    let mut call: Called<'_> = async move { installation.call::<Number>(&input).await }.boxed();
    match poll!(&mut call) {
        Poll::Pending => Ok(call),
        Poll::Ready(answer) => Err(answer.unwrap_err()),
    }
}

#[tokio::test]
async fn one_call_too_many_in_a_lane_is_refused_and_one_that_is_given_up_makes_room() {
    let runtime = one_thread().await;
    let crowded = install(&runtime, "crowded", &plus(1).source(), limits(600_000)).await;
    let other = install(&runtime, "other", &plus(2).source(), limits(600_000)).await;
    let mut session = crowded.session::<Number>().await.unwrap();
    let release = hold(runtime.guest_threads()).await;
    let mut calls = Vec::new();
    for input in 0..u32::try_from(LANE_CALLS_MAX).unwrap() {
        calls.push(waiting(&crowded, input).await.unwrap());
    }
    let refused = waiting(&crowded, 0).await.err().unwrap();
    let scarce = *refused.scarcity().unwrap();
    assert_eq!((refused.kind(), scarce.what, scarce.held, scarce.limit), (ErrorKind::Unavailable, Resource::PluginLane, 1_025, 1_024));
    assert!(refused.to_string().contains("\nhint: "), "{refused}");
    assert_eq!(session.call_input(&1).await.unwrap_err().scarcity().unwrap().what, Resource::PluginLane);
    let beside = waiting(&other, 5).await.unwrap();
    drop(calls.pop());
    calls.push(waiting(&crowded, 1_023).await.unwrap());
    assert!(waiting(&crowded, 0).await.is_err());
    drop(release);
    assert!(join_all(calls).await.into_iter().map(Result::unwrap).eq(1..=1_024));
    assert_eq!((beside.await.unwrap(), session.call_input(&1).await.unwrap()), (7, 2));
}

/// Runs until it is stopped.
fn endless() -> Guest {
    Guest::new(r#"(func (export "run") (param i32) (result i32) (loop $again (br $again)) i32.const 0)"#)
}

#[tokio::test]
async fn a_guest_has_what_its_wait_left_of_its_deadline_and_is_not_blamed_for_the_rest() {
    let breaker = breaker::Settings { faults: 1, ..breaker::Settings::default() };
    let builder = Runtime::in_memory().allocation(Allocation::OnDemand).guest_threads(1).breaker(breaker);
    let runtime = builder.open().await.unwrap();
    let plugin = install(&runtime, "a", &endless().source(), limits(3_000)).await;
    let release = hold(runtime.guest_threads()).await;
    let (began, theirs) = (Instant::now(), plugin.clone());
    let call = tokio::spawn(async move { theirs.call::<Number>(&0).await });
    tokio::time::sleep(Duration::from_millis(2_000)).await;
    drop(release);
    let ended = fault(call.await.unwrap());
    let Fault::Deadline { limit_ms: 3_000, ran_ms } = ended else { panic!("{ended:?}") };
    assert!(ran_ms >= 3_000 && began.elapsed() < Duration::from_millis(4_900), "{ran_ms} {:?}", began.elapsed());
    assert_eq!(runtime.status()[0].breaker, "closed", "most of its time was not its own");
    assert!(matches!(fault(plugin.call::<Number>(&0).await), Fault::Deadline { .. }));
    assert_eq!(runtime.status()[0].breaker, "open");
}

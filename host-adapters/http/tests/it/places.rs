//! Who gets a place in an instance that takes several requests at once: one that waits for another one, one that comes too late for it, one that goes away
//! meanwhile. Each on one guest thread, where a request goes to the instance that is there, and on several, where it may open another.
//!
//! Easily got wrong: on several threads nothing has an order. So all but one of them are held: how many there are decides what is opened, and the one
//! that is left serves what is there in the order in which it came.

use std::pin::Pin;

use futures::future::join_all;
use futures::poll;
use plugwork::Limits;
use plugwork::component::{Embedded, embed};
use serde_json::json;

use crate::at_once::answered;
use crate::service::{engine, stage_at_once_on};
use crate::world::{Stage, ask, limits, request, stage_on, until};

/// Keeps so many guest threads until what this gives is dropped.
async fn held(stage: &Stage, threads: usize) -> Vec<std::sync::mpsc::Sender<()>> {
    let mut all = Vec::new();
    for _ in 0..threads {
        let (release, is_released) = std::sync::mpsc::channel();
        let (hold, is_held) = tokio::sync::oneshot::channel();
        let keeps = stage.runtime.guest_threads().spawn(async move {
            hold.send(()).unwrap();
            let _ = is_released.recv();
        });
        keeps.detach();
        is_held.await.unwrap();
        all.push(release);
    }
    all
}

/// Lets whatever waits for the one guest thread that is left have some turns.
async fn turns(stage: &Stage) {
    for _ in 0..20 {
        stage.runtime.guest_threads().spawn(async {}).await;
    }
}

/// Two requests that stay, one after the other in the one instance.
async fn two_inside(stage: &Stage) -> Vec<Pin<Box<impl Future>>> {
    let mut inside = Vec::new();
    for number in 1..=2 {
        let mut sleeps = Box::pin(answered(stage, "/sleeps"));
        assert!(poll!(&mut sleeps).is_pending());
        until("it is in the one instance", || calls(stage) == ENABLED + number).await;
        turns(stage).await;
        inside.push(sleeps);
    }
    inside
}

/// Calls that were counted: each request that began, and each instance that was made.
fn calls(stage: &Stage) -> u64 {
    stage.runtime.usage()[0].calls
}

/// The first instance was made when the plugin was enabled.
const ENABLED: u64 = 1;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_more_than_a_used_instance_may_still_take_does_not_wait_for_those_in_it() {
    for (threads, made) in [(1, 1..=1), (4, 1..=2)] {
        // The first one was used when its plugin was enabled, and is used once more.
        let stage = stage_at_once_on(threads, 8, 3, Limits { deadline_ms: 10_000, ..limits() }).await;
        let others = held(&stage, threads - 1).await;
        assert_eq!(answered(&stage, "/count").await.1, "1");
        turns(&stage).await;
        assert_eq!((stage.instances(), calls(&stage)), (1, ENABLED + 1), "it rests");
        let last = held(&stage, 1).await;
        // All three are on the way before a room knows that its instance takes one more.
        let mut sleeps = Box::pin(answered(&stage, "/sleeps"));
        let mut counts = Box::pin(join_all((0..2).map(|_| answered(&stage, "/count"))));
        assert!(poll!(&mut sleeps).is_pending() && poll!(&mut counts).is_pending());
        drop(last);
        for (status, text, _) in counts.await {
            assert!(status == 200 && ["1", "2"].contains(&&*text), "in a new one: {text}");
        }
        assert!(poll!(&mut sleeps).is_pending());
        let made_now = calls(&stage) - ENABLED - 4;
        assert!(made.contains(&made_now), "{made_now} on {threads} threads");
        drop(others);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_comes_as_its_instance_is_spoiled_goes_to_another() {
    for threads in [1, 4] {
        let stage = stage_at_once_on(threads, 8, 1_000, limits()).await;
        let others = held(&stage, threads - 1).await;
        let mut leaves = Box::pin(answered(&stage, "/sleeps"));
        assert!(poll!(&mut leaves).is_pending());
        until("it is in", || calls(&stage) > ENABLED).await;
        turns(&stage).await;
        let last = held(&stage, 1).await;
        let mut comes = Box::pin(answered(&stage, "/count"));
        assert!(poll!(&mut comes).is_pending());
        drop((leaves, last));
        let (status, text, _) = comes.await;
        assert_eq!((status, text.as_str()), (200, "1"), "a new one");
        assert_eq!(calls(&stage), ENABLED + 2 + 1, "and one only, on {threads} threads");
        drop(others);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_for_an_instance_takes_a_place_that_becomes_free() {
    for threads in [2, 4] {
        // One instance, and it never rests: a second one finds no seat while requests come.
        let stage = stage_at_once_on(threads, 2, 1_000_000, Limits { instances: 1, deadline_ms: 10_000, ..limits() }).await;
        let one_after_another = async || {
            for _ in 0..30 {
                assert_eq!(answered(&stage, "/slow/20").await.0, 200);
            }
        };
        join_all((0..5).map(|_| one_after_another())).await;
        assert_eq!(stage.instances(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_nobody_waits_for_any_more_is_not_made() {
    for threads in [1, 4] {
        let stage = stage_at_once_on(threads, 2, 1_000, Limits { instances: 1, ..limits() }).await;
        let others = held(&stage, threads - 1).await;
        let inside = two_inside(&stage).await;
        let mut waits = Box::pin(answered(&stage, "/hello"));
        assert!(poll!(&mut waits).is_pending());
        turns(&stage).await;
        drop(waits);
        turns(&stage).await;
        drop(inside);
        until("their instance is gone", || stage.instances() == 0).await;
        turns(&stage).await;
        assert_eq!((calls(&stage), stage.instances()), (ENABLED + 2, 0), "and no other came, on {threads} threads");
        drop(others);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waited_longest_is_first_also_where_somebody_leaves_an_instance_that_takes_no_more() {
    // More threads than rooms: whoever finds no place opens one.
    let stage = stage_at_once_on(8, 2, 1_000, Limits { instances: 1, ..limits() }).await;
    let others = held(&stage, 7).await;
    let mut inside = two_inside(&stage).await;
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let mut waits = Box::pin(answered(&stage, "/count"));
        assert!(poll!(&mut waits).is_pending());
        turns(&stage).await;
        waiting.push(waits);
    }
    // The first leaves it spoiled, and nobody gets its place; with the second it ends.
    drop(inside.remove(0));
    turns(&stage).await;
    turns(&stage).await;
    assert_eq!(calls(&stage), ENABLED + 2);
    drop(inside);
    let counts: Vec<_> = join_all(waiting).await.into_iter().map(|(status, text, _)| (status, text)).collect();
    assert_eq!(counts, ["1", "2", "3"].map(|count| (200, count.to_owned())), "in the order in which they came");
    drop(others);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_finds_no_instance_makes_one_and_not_two() {
    let stage = stage_at_once_on(4, 8, 1_000, limits()).await;
    for number in 1..=10 {
        let mut leaves = Box::pin(answered(&stage, "/sleeps"));
        assert!(poll!(&mut leaves).is_pending());
        // Of so many requests, in so many instances.
        until("it is in", || calls(&stage) >= 2 * number).await;
        drop(leaves);
        until("nothing is left", || stage.instances() == 0).await;
        assert_eq!(calls(&stage), 2 * number);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_whose_export_is_not_the_point_is_made_once_and_told() {
    // Its name is that of the point, and what is called is of another type.
    let component = wat::parse_str(
        r#"(component
             (core module $module (func (export "handle")))
             (core instance $instance (instantiate $module))
             (func $handle (canon lift (core func $instance "handle")))
             (instance $point (export "handle" (func $handle)))
             (export "wasi:http/handler@0.3.0" (instance $point)))"#,
    );
    let bounds = json!({"profile": "full", "reuse-calls": 100, "calls-at-once": 8});
    let asks = "[permissions.engine]\nprofile = \"full\"\nreuse-calls = 100\ncalls-at-once = 8";
    let manifest = format!("name = \"test:nothing\"\nversion = \"1.0.0\"\n{asks}");
    let described = Embedded { manifest: Some(&manifest), ..Embedded::default() };
    let component = embed(&component.unwrap(), &described).unwrap();
    let stage = stage_on(4, component, limits(), engine(&bounds)).await;
    let answer = ask(&stage.service(), request("/hello")).await;
    let made = calls(&stage);
    assert!(answer.status >= 500 && answer.status != 504 && made <= ENABLED + 1, "{made} {answer:?}");
}

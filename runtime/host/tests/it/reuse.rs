//! Instances that serve several calls: only where it was asked for and granted, as often as granted, and never across a tenant, a name, a grant, a
//! version or a fault.

use plugwork::core::lifecycle::State;
use plugwork::core::record::Settings;
use plugwork::{Allocation, Builder, Grants, Installation, Limits, Preload, Resident, Runtime, Start};
use serde_json::json;

use crate::living::{COUNTS, House, Life, REUSE, until};
use crate::world::{Number, object};

const THREE: &str = "[permissions.engine]\nreuse-calls = 3\n";

fn counting(asks: &'static str) -> Life {
    Life { asks, ..Life::default() }
}

/// What the guest's count was in each of so many calls.
async fn counts(installation: &Installation, calls: usize) -> Vec<u32> {
    let mut counts = Vec::new();
    for _ in 0..calls {
        counts.push(installation.call::<Number>(&0).await.unwrap() % 1000);
    }
    counts
}

#[tokio::test]
async fn state_lasts_for_as_many_calls_as_were_granted_and_no_more() {
    let house = House::new();
    let runtime = house.open().await;
    let installation = house.enabled(&runtime, "", &counting(THREE)).await;
    // The instance that showed that it starts counts as used once.
    assert_eq!(counts(&installation, 9).await, [1, 2, 1, 2, 3, 1, 2, 3, 1]);
    assert_eq!(runtime.status()[0].idle_instances, 1);
}

#[tokio::test]
async fn without_the_grant_every_call_begins_anew() {
    let house = House::new();
    let runtime = house.open().await;
    let never_asked = house.enabled(&runtime, "never-asked", &counting("")).await;
    assert_eq!(counts(&never_asked, 4).await, [1, 1, 1, 1]);
    let offer = house.offer(&runtime, &counting(REUSE)).await.instance("not-granted");
    let grants = Grants::none().with("stage", object(json!({})));
    let not_granted = runtime.install(offer, grants, Settings::default()).await.unwrap();
    not_granted.enable("ada").await.unwrap();
    assert_eq!(counts(&not_granted, 4).await, [1, 1, 1, 1]);
    assert_eq!(runtime.capacity().0.instances, 0, "nothing is kept");
}

#[tokio::test]
async fn less_may_be_granted_than_is_asked_for() {
    let house = House::new();
    let runtime = house.open().await;
    let offer = house.offer(&runtime, &counting(REUSE)).await;
    let grants = Grants::none().with("stage", object(json!({}))).with("engine", object(json!({"reuse-calls": 2})));
    let installation = runtime.install(offer, grants, Settings::default()).await.unwrap();
    installation.enable("ada").await.unwrap();
    assert_eq!(counts(&installation, 5).await, [1, 1, 2, 1, 2]);
}

#[tokio::test]
async fn state_never_reaches_another_tenant_instance_or_version() {
    let house = House::new();
    let runtime = house.open().await;
    let one = house.enabled(&runtime, "one", &counting(REUSE)).await;
    assert_eq!(counts(&one, 3).await, [1, 2, 3]);
    let other = house.enabled(&runtime, "other", &counting(REUSE)).await;
    assert_eq!(counts(&other, 1).await, [1], "another name");
    let offer = house.offer(&runtime, &counting(REUSE)).await.tenant("rival").instance("one");
    let grants = crate::living::all_asked(&offer);
    let rival = runtime.install(offer, grants, Settings::default()).await.unwrap();
    rival.enable("ada").await.unwrap();
    assert_eq!(counts(&rival, 1).await, [1], "another tenant");
    house.replace(&one, &runtime, &Life { version: "2.0.0", ..counting(REUSE) }).await.unwrap();
    assert_eq!(counts(&one, 1).await, [1], "another version");
    assert_eq!((counts(&other, 1).await, counts(&rival, 1).await), (vec![2], vec![2]), "and theirs is still there");
}

#[tokio::test]
async fn state_never_reaches_another_grant() {
    let house = House::new();
    let runtime = house.open().await;
    let installation = house.enabled(&runtime, "", &counting(REUSE)).await;
    assert_eq!(counts(&installation, 3).await, [1, 2, 3]);
    let offer = house.offer(&runtime, &counting(REUSE)).await;
    let grants = Grants::none().with("stage", object(json!({}))).with("engine", object(json!({"reuse-calls": 9})));
    installation.replace_with(offer, grants, "ada").await.unwrap();
    assert_eq!(counts(&installation, 2).await, [1, 2]);
}

#[tokio::test]
async fn state_is_gone_after_disabling_and_after_a_start() {
    let house = House::new();
    let runtime = house.open().await;
    let installation = house.enabled(&runtime, "", &counting(REUSE)).await;
    assert_eq!(counts(&installation, 2).await, [1, 2]);
    installation.disable("ada", "").await.unwrap();
    installation.enable("ada").await.unwrap();
    assert_eq!(counts(&installation, 2).await, [1, 2]);
    runtime.close().await.unwrap();
    let runtime = house.open().await;
    runtime.start(Start { preload: Preload::All, ..Start::default() }).await.unwrap();
    assert_eq!(counts(&runtime.installations()[0], 2).await, [1, 2]);
}

#[tokio::test]
async fn a_fault_drops_the_warm_instance_without_shutdown() {
    let house = House::new();
    let runtime = house.open().await;
    let run: &'static str = Box::leak(format!("(if (i32.eq (local.get 0) (i32.const 1)) (then unreachable)) {COUNTS}").into_boxed_str());
    let life = Life { run, shutdown: "(call $note (i32.const 9)) i32.const 16", ..counting(REUSE) };
    let installation = house.enabled(&runtime, "", &life).await;
    assert_eq!(counts(&installation, 2).await, [1, 2]);
    installation.call::<Number>(&1).await.unwrap_err();
    assert_eq!(runtime.capacity().0.instances, 0);
    assert_eq!(counts(&installation, 2).await, [1, 2]);
    assert!(house.stage.notes().is_empty(), "who trapped is not asked to say goodbye");
}

#[tokio::test]
async fn an_instance_that_is_not_used_for_its_time_says_goodbye_and_is_gone() {
    let house = House::new();
    let runtime = house.builder().resident(Resident { idle_ms: 200, ..Resident::default() }).open().await.unwrap();
    let life = Life { shutdown: "(call $note (i32.const 9)) i32.const 16", ..counting(REUSE) };
    let installation = house.enabled(&runtime, "", &life).await;
    counts(&installation, 2).await;
    until("it is released", || runtime.capacity().0.instances == 0).await;
    assert_eq!((house.stage.notes(), runtime.status()[0].idle_instances), (vec![9], 0));
    assert_eq!(counts(&installation, 1).await, [1], "the plugin is as active as before");
}

#[tokio::test]
async fn one_that_was_used_as_often_as_it_may_says_goodbye() {
    let house = House::new();
    let runtime = house.open().await;
    let life = Life { shutdown: "(call $note (global.get $n)) i32.const 16", ..counting(THREE) };
    let installation = house.enabled(&runtime, "", &life).await;
    counts(&installation, 5).await;
    assert_eq!(house.stage.notes(), [2, 3]);
    installation.disable("ada", "").await.unwrap();
    until("what was warm is gone", || runtime.capacity().0.instances == 0).await;
}

#[tokio::test]
async fn a_warm_instance_makes_room_for_a_session_of_its_plugin() {
    let house = House::new();
    let limits = Limits { instances: 1, deadline_ms: 200, ..Limits::interactive() };
    let runtime = house.builder().limits(limits).open().await.unwrap();
    let installation = house.enabled(&runtime, "", &counting(REUSE)).await;
    assert_eq!(counts(&installation, 2).await, [1, 2]);
    let mut session = installation.session::<Number>().await.unwrap();
    assert_eq!(session.call_input(&0).await.unwrap(), 1001);
}

const HOLDS: &str = "(if (i32.eq (local.get 0) (i32.const 1)) (then call $hold)) (global.set $n (i32.add (global.get $n) (i32.const 1)))
    (global.get $n)";

/// One instance at most, of one that serves many calls; and a call that is in the middle of it.
async fn busy(house: &House, builder: Builder) -> (Runtime, Installation, tokio::task::JoinHandle<u32>) {
    let limits = Limits { instances: 1, deadline_ms: 10_000, cpu_percent: None, ..Limits::interactive() };
    let runtime = builder.limits(limits).open().await.unwrap();
    let installation = house.enabled(&runtime, "", &Life { run: HOLDS, ..counting(REUSE) }).await;
    house.stage.holds();
    let calling = installation.clone();
    let call = tokio::spawn(async move { calling.call::<Number>(&1).await.unwrap() });
    until("it is in the host", || house.stage.inside() == 1).await;
    (runtime, installation, call)
}

#[tokio::test]
async fn a_call_that_waits_for_an_instance_gets_the_one_that_comes_back() {
    let house = House::new();
    let (runtime, installation, first) = busy(&house, house.builder()).await;
    let calls: Vec<_> = (0..5)
        .map(|_| {
            let installation = installation.clone();
            tokio::spawn(async move { installation.call::<Number>(&0).await.unwrap() })
        })
        .collect();
    until("they wait", || runtime.status()[0].waiting == 5).await;
    house.stage.let_go();
    let mut counts = vec![first.await.unwrap()];
    for call in calls {
        counts.push(call.await.unwrap());
    }
    counts.sort_unstable();
    assert_eq!((counts, runtime.status()[0].waiting), (vec![1, 2, 3, 4, 5, 6], 0), "all in one instance");
}

#[tokio::test]
async fn a_session_that_waits_gets_the_place_of_the_instance_that_comes_back() {
    let house = House::new();
    let (runtime, installation, first) = busy(&house, house.builder()).await;
    let waiting = tokio::spawn(async move { installation.session::<Number>().await.unwrap().call_input(&0).await.unwrap() });
    until("it waits", || runtime.status()[0].waiting == 1).await;
    house.stage.let_go();
    assert_eq!((first.await.unwrap(), waiting.await.unwrap()), (1, 1));
}

#[tokio::test]
async fn a_call_of_another_plugin_that_waits_gets_the_place_of_the_instance_that_comes_back() {
    let house = House::new();
    let (runtime, _installation, first) = busy(&house, house.builder().allocation(Allocation::Pooling { instances: 2 })).await;
    // The pool's other place is taken by one that is never called.
    let other = house.install(&runtime, "other", &counting("")).await;
    let enabling = tokio::spawn(async move { other.enable("ada").await.map(|()| other) });
    let other = enabling.await.unwrap().unwrap();
    let holder = other.session::<Number>().await.unwrap();
    let third = house.install(&runtime, "third", &counting("")).await;
    let waiting = tokio::spawn(async move {
        third.enable("ada").await.unwrap();
        third.call::<Number>(&0).await.unwrap()
    });
    until("it waits", || runtime.capacity().0.instances == 2 && runtime.status().iter().any(|status| status.state == State::Enabling))
        .await;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    house.stage.let_go();
    assert_eq!((first.await.unwrap(), waiting.await.unwrap()), (1, 1001));
    drop(holder);
}

#[tokio::test]
async fn a_version_that_is_not_called_keeps_nothing_warm() {
    let house = House::new();
    let runtime = house.open().await;
    let installation = house.install(&runtime, "", &counting(REUSE)).await;
    house.replace(&installation, &runtime, &Life { version: "2.0.0", ..counting(REUSE) }).await.unwrap();
    assert_eq!(runtime.capacity().0.instances, 0);
    installation.enable("ada").await.unwrap();
    assert_eq!(runtime.capacity().0.instances, 1);
}

async fn close(runtime: Runtime) {
    runtime.close().await.unwrap();
}

#[tokio::test]
async fn closing_ends_what_is_warm() {
    let house = House::new();
    let runtime = house.open().await;
    let life = Life { shutdown: "(call $note (i32.const 9)) i32.const 16", ..counting(REUSE) };
    house.enabled(&runtime, "", &life).await;
    close(runtime).await;
    assert_eq!(house.stage.notes(), [9]);
}

//! Too little of something: what is refused before the kernel would, who waits in line and for how long, and that one plugin's queue is its own.
//!
//! Tests of descriptors run themselves again in a process of their own that may have few. May be misread: a full pool is no error until a call has
//! waited for as long as it may run.

use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;

use futures::future::join_all;
use plugwork::core::capacity::Resource;
use plugwork::log::Level;
use plugwork::{Allocation, Error, ErrorKind, Limits, Preload, Runtime, Start};
use serde_json::json;

use crate::density::{Gate, install, patient, plus, until, waiting};
use crate::starting::{Left, key};
use crate::world::{Number, Recorder, grant};

const FEW_DESCRIPTORS: &str = "PLUGWORK_TEST_FEW_DESCRIPTORS";

/// Runs a test of this file again, in a process that may have few descriptors; true in that process.
fn has_few_descriptors(test: &str) -> bool {
    use rustix::process::{Rlimit, setrlimit};
    if std::env::var_os(FEW_DESCRIPTORS).is_some() {
        setrlimit(rustix::process::Resource::Nofile, Rlimit { current: Some(150), maximum: Some(200) }).unwrap();
        return true;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("scarcity::{test}"), "--nocapture"]);
    let output = command.env(FEW_DESCRIPTORS, "1").stdin(Stdio::null()).output().unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
    false
}

#[tokio::test]
async fn more_plugins_than_descriptors_are_started_and_all_of_them_answer() {
    if !has_few_descriptors("more_plugins_than_descriptors_are_started_and_all_of_them_answer") {
        return;
    }
    let (left, state) = (Left::default(), tempfile::tempdir().unwrap());
    for number in 0..400 {
        left.with_echo(&format!("p{number}")).await;
    }
    // The second time from the cache on disk.
    for compiled in [400, 0] {
        let runtime = left.builder_in(state.path()).open().await.unwrap();
        let started = runtime.start(Start { preload: Preload::All, ..Start::default() }).await.unwrap();
        assert_eq!((started.active, started.skipped.len()), (400, 0), "{:?}", started.skipped.first());
        for number in 0..400 {
            let installation = runtime.installation(&key(&format!("p{number}"))).unwrap();
            assert_eq!(installation.call::<Number>(&number).await.unwrap(), number);
            // Not only by our own count.
            let held = std::fs::read_dir("/proc/self/fd").unwrap().count();
            assert!(held < 190, "{held} descriptors of 200");
        }
        assert_eq!(runtime.cache_counts().compiled, compiled);
        runtime.close().await.unwrap();
    }
}

#[tokio::test]
async fn plugins_are_refused_before_descriptors_run_out_and_the_host_goes_on() {
    if !has_few_descriptors("plugins_are_refused_before_descriptors_run_out_and_the_host_goes_on") {
        return;
    }
    let log = Recorder::default();
    let runtime = Runtime::in_memory().allocation(Allocation::OnDemand).log(log.clone()).open().await.unwrap();
    let (_, capacity) = runtime.capacity();
    assert!(capacity.descriptors_max > 50 && capacity.loaded_max < 150, "{capacity:?}");
    let first = install(&runtime, "first", &plus(0).source(), patient()).await;
    let mut sessions = Vec::new();
    let error: Error = loop {
        let number = u32::try_from(sessions.len()).unwrap() + 1;
        match runtime.offer(&plus(number).source()).await.unwrap().accept().await {
            Ok(plugin) => sessions.push(plugin.session::<Number>().await.unwrap()),
            Err(error) => break error,
        }
        assert!(number < 1_000, "it is never refused");
    };
    let scarce = error.scarcity().unwrap_or_else(|| panic!("{error:?}"));
    assert_eq!((error.kind(), scarce.what), (ErrorKind::Unavailable, Resource::Descriptors));
    assert!(error.to_string().contains("hint: `ulimit -n"), "{error}");
    // Refused well before the kernel would: what was left for others is there.
    let files: Vec<_> = (0..30).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
    drop(files);
    let warnings: Vec<_> = log.records().into_iter().filter(|(level, _)| *level == Level::Warn).map(|(_, message)| message).collect();
    let near = warnings.iter().filter(|message| message.starts_with("this process is near its limits") && message.contains("descriptors"));
    assert_eq!(near.count(), 1, "told once, before it was refused: {warnings:?}");
    for (number, session) in (1..).zip(&mut sessions) {
        assert_eq!(session.call_input(&1).await.unwrap(), number + 1);
    }
    assert_eq!(first.call::<Number>(&5).await.unwrap(), 5);
    drop(sessions);
    let later = install(&runtime, "later", &plus(70_000).source(), patient()).await;
    assert_eq!(later.call::<Number>(&1).await.unwrap(), 70_001);
    runtime.close().await.unwrap();
}

#[tokio::test]
async fn a_call_that_finds_the_pool_full_waits_in_line() {
    let gate = Gate::default();
    let runtime = Runtime::in_memory().allocation(Allocation::Pooling { instances: 4 }).provide(gate.clone()).open().await.unwrap();
    let plugin = install(&runtime, "a", &waiting().source(), patient()).await;
    let calls: Vec<_> = (0..6)
        .map(|input| {
            let plugin = plugin.clone();
            tokio::spawn(async move { plugin.call::<Number>(&input).await.unwrap() })
        })
        .collect();
    gate.holds(4).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!((gate.inside.load(Ordering::SeqCst), runtime.capacity().0.instances), (4, 4));
    gate.open(6);
    assert!(join_all(calls).await.into_iter().map(Result::unwrap).eq(0..6));
    until(|| runtime.capacity().0.instances == 0).await;
    // Waiting is bounded: by the deadline of the one that waits.
    let holders: Vec<_> = (0..4)
        .map(|input| {
            let plugin = plugin.clone();
            tokio::spawn(async move { plugin.call::<Number>(&input).await.unwrap() })
        })
        .collect();
    gate.holds(4).await;
    let late = runtime.offer(&plus(1).source()).await.unwrap().limits(Limits { deadline_ms: 250, ..Limits::interactive() });
    let error = late.accept().await.unwrap().call::<Number>(&1).await.unwrap_err();
    assert_eq!((error.kind(), error.scarcity().unwrap().what), (ErrorKind::Unavailable, Resource::Instances));
    gate.open(4);
    join_all(holders).await;
}

#[tokio::test]
async fn one_plugin_at_its_limit_does_not_starve_another() {
    let gate = Gate::default();
    let runtime = Runtime::in_memory().allocation(Allocation::Pooling { instances: 8 }).provide(gate.clone()).open().await.unwrap();
    let busy = install(&runtime, "busy", &waiting().source(), Limits { instances: 2, ..patient() }).await;
    let calls: Vec<_> = (0..40)
        .map(|input| {
            let busy = busy.clone();
            tokio::spawn(async move { busy.call::<Number>(&input).await.unwrap() })
        })
        .collect();
    let of_busy = || runtime.status().into_iter().find(|status| status.key.instance == "busy").unwrap();
    until(|| of_busy().waiting == 38).await;
    let other = install(&runtime, "other", &plus(1).source(), patient()).await;
    for input in 0..20 {
        assert_eq!(other.call::<Number>(&input).await.unwrap(), input + 1);
    }
    assert_eq!((of_busy().instances, of_busy().waiting, gate.inside.load(Ordering::SeqCst)), (2, 38, 2));
    gate.open(40);
    assert!(join_all(calls).await.into_iter().map(Result::unwrap).eq(0..40));
    assert_eq!((of_busy().instances, of_busy().waiting), (0, 0));
}

#[tokio::test]
async fn fewer_instances_than_are_taken_are_fewer_when_they_come_back() {
    let gate = Gate::default();
    let runtime = Runtime::in_memory().allocation(Allocation::OnDemand).provide(gate.clone()).open().await.unwrap();
    let source = waiting().source();
    let accept = async |instances| {
        let offer = runtime.offer(&source).await.unwrap().limits(Limits { instances, ..patient() });
        offer.accept_only(grant("gate", json!({}))).await.unwrap()
    };
    let call = |plugin: &plugwork::Plugin| {
        let plugin = plugin.clone();
        tokio::spawn(async move { plugin.call::<Number>(&1).await.unwrap() })
    };
    let plugin = accept(4).await;
    let four: Vec<_> = (0..4).map(|_| call(&plugin)).collect();
    gate.holds(4).await;
    // The same account, with other limits from now on.
    let plugin = accept(2).await;
    gate.open(4);
    join_all(four).await;
    let more: Vec<_> = (0..4).map(|_| call(&plugin)).collect();
    gate.holds(2).await;
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    assert_eq!(gate.inside.load(Ordering::SeqCst), 2, "two seats are left of four");
    let plugin = accept(3).await;
    gate.holds(3).await;
    gate.open(4);
    join_all(more).await;
    drop(plugin);
}

//! What all instances of one plugin share: memory, processor share, host calls. And that the account says what was spent.

use std::time::{Duration, Instant};

use plugwork::{Fault, Limits, Plugin};
use serde_json::json;

use crate::guest::{CALLS, ECHO, Guest};
use crate::world::{self, Number, fault, grant, plugin_with};

const LOOP: &str = r#"(func (export "run") (param i32) (result i32) (loop $again (br $again)) i32.const 0)"#;

/// Loops as often as it is told.
const WORK: &str = r#"(func (export "run") (param $n i32) (result i32)
    (loop $again (local.set $n (i32.sub (local.get $n) (i32.const 1))) (br_if $again (local.get $n))) i32.const 0)"#;

async fn calling(function: &str, code: &str, limits: Limits) -> Plugin {
    let code = format!(r#"(import "host" "{function}" (func $it (result i32))) {code}"#);
    let guest = Guest::new(&code).import(CALLS).host(function, "$calls");
    let offer = world::runtime().await.offer(&guest.source()).await.unwrap().limits(limits);
    offer.accept_only(grant("calls", json!({}))).await.unwrap()
}

#[tokio::test]
async fn the_memory_of_all_instances_is_one_sum() {
    let limits = Limits { plugin_memory_bytes: 5 << 16, ..Limits::interactive() };
    let plugin = plugin_with(&Guest::new(ECHO).source(), limits).await;
    // Each holds at least one page.
    let mut sessions = Vec::new();
    let refused = loop {
        match plugin.session::<Number>().await {
            Ok(session) => sessions.push(session),
            Err(error) => break error,
        }
        assert!(sessions.len() <= 5);
    };
    assert!(matches!(refused.fault(), Some(Fault::PluginMemory { limit_bytes: 327_680, .. })), "{refused}");
    let held = plugin.account().snapshot().memory_bytes;
    assert!(held <= 5 << 16 && held > 0);
    sessions.pop();
    plugin.session::<Number>().await.unwrap();
    drop(sessions);
    assert_eq!(plugin.account().snapshot().memory_bytes, 0);
    assert_eq!(plugin.account().snapshot().instances, 0);
}

#[tokio::test]
async fn a_plugin_beyond_its_share_waits_and_says_what_it_died_of() {
    let limits = Limits { deadline_ms: 300, cpu_percent: Some(10), ..Limits::interactive() };
    let plugin = plugin_with(&Guest::new(LOOP).source(), limits).await;
    // One second of processor time is saved up: on an idle machine three calls and a bit at full speed, then a tenth.
    let started = Instant::now();
    let mut calls = 0;
    let last = loop {
        calls += 1;
        match fault(plugin.call::<Number>(&0).await) {
            Fault::Deadline { limit_ms: 300, .. } if calls < 60 => {}
            other => break other,
        }
    };
    let wall = started.elapsed();
    assert!(calls > 3 && matches!(last, Fault::Cpu { limit_percent: 10, .. }), "{calls} calls: {last:?}");
    let usage = plugin.account().snapshot();
    let allowed = Duration::from_secs(1) + wall.mul_f64(0.1) + Duration::from_millis(calls * 5);
    assert!(Duration::from_millis(usage.cpu_ms) <= allowed, "{usage:?} {wall:?}");
    assert!(usage.cpu_waited_ms > 100, "{usage:?}");
}

#[tokio::test]
async fn the_share_is_the_plugins_and_not_the_calls() {
    let limits = Limits { deadline_ms: 2_000, cpu_percent: Some(20), ..Limits::interactive() };
    let plugin = plugin_with(&Guest::new(LOOP).source(), limits).await;
    let calls = (0..4).map(|_| {
        let plugin = plugin.clone();
        async move { fault(plugin.call::<Number>(&0).await) }
    });
    let started = Instant::now();
    futures::future::join_all(calls).await;
    let cpu = plugin.account().snapshot().cpu_ms;
    let allowed = 1_000 + started.elapsed().as_millis() as u64 / 5 + 60;
    assert!(cpu <= allowed, "{cpu} ms of {allowed} allowed");
}

#[tokio::test]
async fn too_many_host_calls_end_the_call_and_the_limit_is_named() {
    let limits = Limits { host_calls_per_second: Some(5_000), ..Limits::interactive() };
    let endless = r#"(func (export "run") (param i32) (result i32) (loop $again (drop (call $it)) (br $again)) i32.const 0)"#;
    let plugin = calling("next", endless, limits).await;
    let fault = fault(plugin.call::<Number>(&0).await);
    assert!(matches!(fault, Fault::HostCalls { limit_per_second: 5_000, made } if made >= 5_000), "{fault:?}");
    let usage = plugin.account().snapshot();
    assert_eq!(usage.host_calls_by_interface.keys().collect::<Vec<_>>(), [&"application"]);
    assert_eq!((usage.calls, usage.faults), (2, 1), "instantiating is one");
}

#[tokio::test]
async fn an_account_knows_every_call_once_its_instances_are_gone() {
    let plugin = plugin_with(&Guest::new(WORK).source(), Limits::interactive()).await;
    let started = Instant::now();
    let mut session = plugin.session::<Number>().await.unwrap();
    for _ in 0..100 {
        session.call(|guest, store| Box::pin(async move { guest.call_run(store, 10_000).await })).await.unwrap();
    }
    let spend = session.end().await;
    let wall = started.elapsed();
    let usage = plugin.account().snapshot();
    assert_eq!(usage.calls, spend.calls);
    assert!(usage.cpu_ms <= wall.as_millis() as u64 && spend.cpu <= wall, "{usage:?} {wall:?}");
    // A million times around a loop; how long its thread waited meanwhile is no part of it.
    assert!(spend.cpu >= Duration::from_micros(100) && spend.cpu <= spend.time, "{spend:?}");
}

#[tokio::test]
async fn fuel_is_spent_the_same_way_each_time_and_ends_the_call() {
    let limits = Limits { fuel: Some(100_000), ..Limits::interactive() };
    let plugin = plugin_with(&Guest::new(WORK).source(), limits).await;
    for _ in 0..3 {
        // A few operators each time around: ten thousand rounds fit, a hundred thousand do not.
        plugin.call::<Number>(&10_000).await.unwrap();
        assert_eq!(fault(plugin.call::<Number>(&100_000).await), Fault::Fuel { limit: 100_000 });
    }
}

#[tokio::test]
async fn plugins_with_and_without_fuel_live_in_one_runtime() {
    let runtime = world::runtime().await;
    let source = Guest::new(WORK).source();
    for fuel in [None, Some(1_000), None, Some(1_000_000_000)] {
        let limits = Limits { fuel, ..Limits::interactive() };
        let plugin = runtime.offer(&source).await.unwrap().limits(limits).accept().await.unwrap();
        assert_eq!(plugin.call::<Number>(&50_000).await.is_ok(), fuel != Some(1_000));
    }
}

//! Both profiles and both ways to allocate: the same answers, a pool that is full says so, and a slot keeps no secret.

use plugwork::dynamic::Argument;
use plugwork::{Allocation, ErrorKind, Grants, Plugin, Profile, Runtime, Source};
use serde_json::json;

use crate::guest::{ECHO, Guest};
use crate::world::{self, Number, grant};

const ALLOCATIONS: [Allocation; 2] = [Allocation::OnDemand, Allocation::Pooling { instances: 4 }];

async fn open(allocation: Allocation) -> Runtime {
    Runtime::in_memory().allocation(allocation).open().await.unwrap()
}

async fn accept(runtime: &Runtime, source: &Source, grants: Grants) -> Plugin {
    runtime.offer(source).await.unwrap().accept_only(grants).await.unwrap()
}

fn full() -> Grants {
    grant("engine", json!({"profile": "full"}))
}

#[tokio::test]
async fn a_plugin_answers_the_same_in_each_profile_and_allocation() {
    let source = Guest::new(ECHO).source();
    for allocation in ALLOCATIONS {
        let runtime = open(allocation).await;
        for (grants, profile) in [(Grants::none(), Profile::Hardened), (full(), Profile::Full)] {
            let plugin = accept(&runtime, &source, grants).await;
            assert_eq!(plugin.profile(), profile);
            for input in [0, 1, u32::MAX] {
                assert_eq!(plugin.call::<Number>(&input).await.unwrap(), input, "{allocation:?} {profile:?}");
            }
        }
    }
}

/// `run: async func(u32) -> u32`, which gives one more than its input through `task.return`.
const ASYNC: &str = r#"(component
  (core module $code-module
    (import "" "task.return" (func $return (param i32)))
    (func (export "run") (param i32) (result i32) (call $return (i32.add (local.get 0) (i32.const 1))) i32.const 0)
    (func (export "callback") (param i32 i32 i32) (result i32) unreachable))
  (core func $return (canon task.return (result u32)))
  (core instance $code (instantiate $code-module (with "" (instance (export "task.return" (func $return))))))
  (func $run async (param "input" u32) (result u32)
    (canon lift (core func $code "run") async (callback (func $code "callback"))))
  (instance $later (export "run" (func $run)))
  (export "test:point/later@0.1.0" (instance $later)))"#;

#[tokio::test]
async fn component_async_is_refused_without_the_full_profile_and_runs_with_it() {
    let source = Source::bytes(wat::parse_str(ASYNC).unwrap());
    for allocation in ALLOCATIONS {
        let runtime = open(allocation).await;
        let error = runtime.offer(&source).await.unwrap().accept().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert_eq!(error.denials()[0].code, "E-ENGINE-PROFILE");
        assert_eq!(error.denials()[0].hint, "grants.engine = { profile = \"full\" }");
        let plugin = accept(&runtime, &source, full()).await;
        let returned = plugin.call_dynamic(&plugin.function("run").unwrap(), &[Argument::Json(json!(41))]).await.unwrap();
        assert_eq!(returned.to_json().unwrap(), json!(42), "{allocation:?}");
    }
}

#[tokio::test]
async fn an_async_import_that_was_not_granted_is_denied_too() {
    let text = r#"(component
      (import "test:host/calls@0.1.0" (instance $calls (export "ask" (func async (result (result))))))
      (core func $ask (canon lower (func $calls "ask")))
      (core module $code-module
        (import "" "ask" (func $ask (result i32)))
        (import "" "task.return" (func $return (param i32)))
        (func (export "run") (param i32) (result i32) (call $return (call $ask)) i32.const 0)
        (func (export "callback") (param i32 i32 i32) (result i32) unreachable))
      (core func $return (canon task.return (result u32)))
      (core instance $code (instantiate $code-module (with "" (instance (export "ask" (func $ask)) (export "task.return" (func $return))))))
      (func $run async (param "input" u32) (result u32)
        (canon lift (core func $code "run") async (callback (func $code "callback"))))
      (instance $later (export "run" (func $run)))
      (export "test:point/later@0.1.0" (instance $later)))"#;
    let manifest =
        "name = \"test:guest\"\nversion = \"1.0.0\"\n[permissions.calls]\noptional = true\n[permissions.engine]\nprofile = \"full\"\n";
    let embedded = plugwork::component::Embedded { manifest: Some(manifest), ..Default::default() };
    let source = Source::bytes(plugwork::component::embed(&wat::parse_str(text).unwrap(), &embedded).unwrap());
    let plugin = accept(&world::runtime().await, &source, full()).await;
    let returned = plugin.call_dynamic(&plugin.function("run").unwrap(), &[Argument::Json(json!(0))]).await.unwrap();
    assert_eq!(returned.to_json().unwrap(), json!(1), "an error");
}

#[tokio::test]
async fn the_full_profile_must_be_asked_for_by_a_manifest_that_is_there() {
    let source = Guest::new(ECHO).manifest("").source();
    let error = open(Allocation::OnDemand).await.offer(&source).await.unwrap().accept_only(full()).await.unwrap_err();
    assert_eq!((error.kind(), error.issues()[0].at.as_str()), (ErrorKind::Refused, "grants.engine"));
}

#[tokio::test]
async fn both_profiles_are_kept_apart_in_the_cache() {
    let state = tempfile::tempdir().unwrap();
    let source = Guest::new(ECHO).source();
    for disk_hits in [0, 2] {
        let runtime = Runtime::builder(state.path()).allocation(Allocation::OnDemand).open().await.unwrap();
        for grants in [Grants::none(), full()] {
            assert_eq!(accept(&runtime, &source, grants).await.call::<Number>(&3).await.unwrap(), 3);
        }
        let counts = runtime.cache_counts();
        assert_eq!((counts.disk_hits, counts.compiled), (disk_hits, 2 - disk_hits));
    }
}

#[tokio::test]
async fn a_full_pool_is_scarce_until_an_instance_is_dropped() {
    let runtime = open(Allocation::Pooling { instances: 4 }).await;
    let plugin = accept(&runtime, &Guest::new(ECHO).source(), Grants::none()).await;
    let mut sessions = Vec::new();
    for _ in 0..4 {
        sessions.push(plugin.session::<Number>().await.unwrap());
    }
    let error = plugin.session::<Number>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "after waiting for as long as a call may run");
    let scarce = error.scarcity().unwrap();
    assert_eq!((scarce.what, scarce.limit), (plugwork::core::capacity::Resource::Instances, 4), "{error}");
    // Those that have one do not feel it.
    assert_eq!(sessions[0].call_input(&1).await.unwrap(), 1);
    drop(sessions.pop());
    assert_eq!(plugin.call::<Number>(&2).await.unwrap(), 2);
}

#[tokio::test]
async fn faults_give_their_slot_back() {
    let runtime = open(Allocation::Pooling { instances: 2 }).await;
    let trapping = r#"(func (export "run") (param i32) (result i32) unreachable)"#;
    let plugin = accept(&runtime, &Guest::new(trapping).source(), Grants::none()).await;
    for _ in 0..10 {
        assert_eq!(plugin.call::<Number>(&0).await.unwrap_err().kind(), ErrorKind::Fault);
    }
}

#[tokio::test]
async fn a_fresh_instance_reads_zeroes_where_another_plugin_wrote_a_secret() {
    // Pages that the pool clears in place and, past its first megabyte, pages that it gives back.
    let grown = "(memory $own 64)";
    let writes = format!(
        r#"{grown} (func (export "run") (param i32) (result i32)
          (memory.fill $own (i32.const 0) (i32.const 0xA5) (i32.const 4194304)) (i32.load8_u $own (i32.const 4194303)))"#
    );
    let reads = format!(
        r#"{grown} (func (export "run") (param i32) (result i32) (local $at i32)
          (loop $next
            (if (i64.ne (i64.load $own (local.get $at)) (i64.const 0)) (then (return (i32.const 1))))
            (local.set $at (i32.add (local.get $at) (i32.const 8)))
            (br_if $next (i32.lt_u (local.get $at) (i32.const 4194304))))
          i32.const 0)"#
    );
    let runtime = open(Allocation::Pooling { instances: 1 }).await;
    let writer = accept(&runtime, &Guest::new(&writes).source(), Grants::none()).await;
    let reader = accept(&runtime, &Guest::new(&reads).source(), Grants::none()).await;
    for _ in 0..5 {
        assert_eq!(writer.call::<Number>(&0).await.unwrap(), 0xA5);
        assert_eq!(reader.call::<Number>(&0).await.unwrap(), 0, "the reader saw what the writer left");
    }
}

#[tokio::test]
async fn a_fresh_table_holds_nothing_of_the_one_before() {
    let fills = r#"(table $t 64 64 funcref) (elem declare func $run)
        (func $run (export "run") (param i32) (result i32) (table.fill $t (i32.const 0) (ref.func $run) (i32.const 64)) i32.const 7)"#;
    let looks = r#"(table $t 64 64 funcref) (func (export "run") (param i32) (result i32) (local $n i32)
        (loop $next
          (if (i32.eqz (ref.is_null (table.get $t (local.get 0)))) (then (local.set $n (i32.add (local.get $n) (i32.const 1)))))
          (br_if $next (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 64))))
        local.get $n)"#;
    let runtime = open(Allocation::Pooling { instances: 1 }).await;
    let filler = accept(&runtime, &Guest::new(fills).source(), Grants::none()).await;
    let looker = accept(&runtime, &Guest::new(looks).source(), Grants::none()).await;
    assert_eq!(filler.call::<Number>(&0).await.unwrap(), 7);
    assert_eq!(looker.call::<Number>(&0).await.unwrap(), 0);
}

#[tokio::test]
async fn limits_hold_in_a_pool_as_on_demand() {
    let code = r#"(memory $own 1) (func (export "run") (param i32) (result i32)
        (if (i32.eq (memory.grow $own (local.get 0)) (i32.const -1)) (then unreachable)) (memory.size $own))"#;
    for allocation in ALLOCATIONS {
        let limits = plugwork::Limits { memory_bytes: 4 << 16, ..plugwork::Limits::interactive() };
        let runtime = Runtime::in_memory().allocation(allocation).limits(limits).open().await.unwrap();
        let plugin = accept(&runtime, &Guest::new(code).source(), Grants::none()).await;
        assert_eq!(plugin.call::<Number>(&2).await.unwrap(), 3);
        let ended = world::fault(plugin.call::<Number>(&3).await);
        assert_eq!(ended, plugwork::Fault::Memory { limit_bytes: 4 << 16, asked_bytes: 5 << 16 }, "{allocation:?}");
    }
}

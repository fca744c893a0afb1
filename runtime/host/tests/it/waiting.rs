//! Component async, misused: what a guest may get wrong with streams, waitables and callbacks ends in a trap or is refused when it is read, and never
//! reaches beyond its own instance.
//!
//! Written as text, because no language's bindings would do any of it.

use plugwork::dynamic::Argument;
use plugwork::{ErrorKind, Fault, Grants, Limits, Plugin, Source};
use serde_json::json;

use crate::world::{self, grant};

fn full() -> Grants {
    grant("engine", json!({"profile": "full"}))
}

/// A component whose `run: async func(u32) -> u32` is this code. It has a memory of one page, and of the built-in functions streams of bytes, a future, and
/// sets of waitables.
fn source(code: &str) -> Source {
    Source::bytes(
        wat::parse_str(format!(
            r#"(component
  (core module $heap (memory (export "memory") 1))
  (core instance $heap (instantiate $heap))
  (type $bytes (stream u8))
  (type $later (future u32))
  (core func $return (canon task.return (result u32)))
  (core func $new (canon stream.new $bytes))
  (core func $read (canon stream.read $bytes async (memory $heap "memory")))
  (core func $write (canon stream.write $bytes async (memory $heap "memory")))
  (core func $drop-reader (canon stream.drop-readable $bytes))
  (core func $drop-writer (canon stream.drop-writable $bytes))
  (core func $future (canon future.new $later))
  (core func $drop-future (canon future.drop-writable $later))
  (core func $read-future (canon future.read $later async (memory $heap "memory")))
  (core func $set (canon waitable-set.new))
  (core func $join (canon waitable.join))
  (core func $drop-set (canon waitable-set.drop))
  (core module $code-module
    (import "heap" "memory" (memory 1))
    (import "" "return" (func $return (param i32)))
    (import "" "new" (func $new (result i64)))
    (import "" "read" (func $read (param i32 i32 i32) (result i32)))
    (import "" "write" (func $write (param i32 i32 i32) (result i32)))
    (import "" "drop-reader" (func $drop-reader (param i32)))
    (import "" "drop-writer" (func $drop-writer (param i32)))
    (import "" "future" (func $future (result i64)))
    (import "" "drop-future" (func $drop-future (param i32)))
    (import "" "read-future" (func $read-future (param i32 i32) (result i32)))
    (import "" "set" (func $set (result i32)))
    (import "" "join" (func $join (param i32 i32)))
    (import "" "drop-set" (func $drop-set (param i32)))
    (func $reader (param $both i64) (result i32) (i32.wrap_i64 (local.get $both)))
    (func $writer (param $both i64) (result i32) (i32.wrap_i64 (i64.shr_u (local.get $both) (i64.const 32))))
    {code})
  (core instance $code (instantiate $code-module
    (with "heap" (instance $heap))
    (with "" (instance
      (export "return" (func $return)) (export "new" (func $new)) (export "read" (func $read)) (export "write" (func $write))
      (export "drop-reader" (func $drop-reader)) (export "drop-writer" (func $drop-writer))
      (export "future" (func $future)) (export "drop-future" (func $drop-future)) (export "read-future" (func $read-future))
      (export "set" (func $set)) (export "join" (func $join)) (export "drop-set" (func $drop-set))))))
  (func $run async (param "input" u32) (result u32)
    (canon lift (core func $code "run") async (callback (func $code "callback"))))
  (instance $point (export "run" (func $run)))
  (export "test:point/later@0.1.0" (instance $point)))"#
        ))
        .unwrap(),
    )
}

/// What follows `run`: a callback that is never called.
const NEVER_CALLED: &str = r#"(func (export "callback") (param i32 i32 i32) (result i32) unreachable)"#;

async fn accepted(code: &str, limits: Limits) -> Plugin {
    let runtime = world::builder().limits(limits).open().await.unwrap();
    runtime.offer(&source(&format!("{code}{NEVER_CALLED}"))).await.unwrap().accept_only(full()).await.unwrap()
}

async fn run(plugin: &Plugin) -> plugwork::Result<u64> {
    let returned = plugin.call_dynamic(&plugin.function("run").unwrap(), &[Argument::Json(json!(0))]).await?;
    Ok(returned.to_json().unwrap().as_u64().unwrap())
}

/// That code ends in a trap.
async fn traps(code: &str) {
    let plugin = accepted(&format!(r#"(func (export "run") (param i32) (result i32) {code})"#), Limits::interactive()).await;
    match run(&plugin).await {
        Err(error) if matches!(error.fault(), Some(Fault::Trap { .. })) => {}
        other => panic!("{code}: {other:?}"),
    }
}

#[tokio::test]
async fn operations_of_length_zero_touch_nothing_wherever_they_point() {
    for at in ["0", "65536", "65537", "-1"] {
        let code = format!(
            r#"(func (export "run") (param i32) (result i32)
                (drop (call $read (call $reader (call $new)) (i32.const {at}) (i32.const 0)))
                (call $return (i32.const 7)) (i32.const 0))"#
        );
        match run(&accepted(&code, Limits::interactive()).await).await {
            Ok(returned) => assert_eq!(returned, 7, "{at}"),
            Err(error) => assert!(matches!(error.fault(), Some(Fault::Trap { .. })), "{at}: {error}"),
        }
    }
}

#[tokio::test]
async fn an_operation_beyond_its_memory_is_a_trap() {
    for (at, length) in [("65535", "2"), ("-1", "1"), ("0", "65537"), ("1", "268435455")] {
        for end in ["$reader", "$writer"] {
            let operation = if end == "$reader" { "$read" } else { "$write" };
            traps(&format!(
                "(local $both i64) (local.set $both (call $new))
                 (drop (call {operation} (call {end} (local.get $both)) (i32.const {at}) (i32.const {length})))
                 (call $return (i32.const 0)) (i32.const 0)"
            ))
            .await;
        }
    }
}

#[tokio::test]
async fn the_wrong_end_or_the_wrong_thing_is_a_trap() {
    for wrong in [
        "(drop (call $read (call $writer (call $new)) (i32.const 0) (i32.const 1)))",
        "(drop (call $write (call $reader (call $new)) (i32.const 0) (i32.const 1)))",
        "(drop (call $read (call $set) (i32.const 0) (i32.const 1)))",
        "(drop (call $read-future (call $reader (call $new)) (i32.const 0)))",
        "(call $drop-future (call $writer (call $new)))",
        "(call $drop-future (call $writer (call $future)))",
        "(call $drop-reader (i32.const 99))",
        "(call $join (i32.const 99) (call $set))",
        "(call $join (call $set) (call $set))",
        "(call $drop-set (call $reader (call $new)))",
    ] {
        traps(&format!("{wrong} (call $return (i32.const 0)) (i32.const 0)")).await;
    }
}

#[tokio::test]
async fn two_reads_at_once_of_one_stream_and_a_drop_in_the_middle_are_traps() {
    for then in ["(drop (call $read (local.get $end) (i32.const 0) (i32.const 1)))", "(call $drop-reader (local.get $end))"] {
        traps(&format!(
            "(local $end i32) (local.set $end (call $reader (call $new)))
             (drop (call $read (local.get $end) (i32.const 0) (i32.const 1))) {then}
             (call $return (i32.const 0)) (i32.const 0)"
        ))
        .await;
    }
}

#[tokio::test]
async fn waitables_without_end_are_a_trap_at_the_limit_of_handles() {
    for make in
        ["(drop (call $set))", "(drop (call $new))", "(drop (call $future))", "(call $join (call $reader (call $new)) (local.get $all))"]
    {
        let code = format!(
            r#"(func (export "run") (param i32) (result i32) (local $all i32)
                (local.set $all (call $set))
                (loop $more {make} (br $more)) (i32.const 0))"#
        );
        let limits = Limits { deadline_ms: 60_000, cpu_percent: None, ..Limits::interactive() };
        let plugin = accepted(&code, limits).await;
        let error = run(&plugin).await.unwrap_err();
        assert!(matches!(error.fault(), Some(Fault::Trap { .. })), "{make}: {error}");
        assert_eq!(plugin.account().snapshot().memory_bytes, 0, "nothing is left of it");
    }
}

#[tokio::test]
async fn a_set_that_was_dropped_with_members_in_it_is_a_trap() {
    traps(
        "(local $all i32) (local.set $all (call $set)) (call $join (call $reader (call $new)) (local.get $all))
         (call $drop-set (local.get $all)) (call $return (i32.const 0)) (i32.const 0)",
    )
    .await;
}

#[tokio::test]
async fn an_end_without_a_result_and_two_results_are_traps() {
    traps("(i32.const 0)").await;
    traps("(call $return (i32.const 1)) (call $return (i32.const 2)) (i32.const 0)").await;
}

#[tokio::test]
async fn a_callback_that_answers_no_code_there_is_is_a_trap() {
    for code in ["3", "15", "-1", "0x12", "0xffff2"] {
        traps(&format!("(i32.const {code})")).await;
    }
}

#[tokio::test]
async fn a_wait_for_nothing_ends_at_the_deadline_or_before() {
    // Waits on a set (code 2) in which nothing ever happens.
    let code = r#"(func (export "run") (param i32) (result i32) (i32.or (i32.shl (call $set) (i32.const 4)) (i32.const 2)))"#;
    let plugin = accepted(code, Limits { deadline_ms: 400, ..Limits::interactive() }).await;
    let error = run(&plugin).await.unwrap_err();
    assert!(matches!(error.fault(), Some(Fault::Trap { .. } | Fault::Deadline { .. })), "{error}");
}

#[tokio::test]
async fn a_guest_that_gives_way_for_ever_ends_at_the_deadline() {
    // Code 1: once more.
    let code = r#"(func (export "run") (param i32) (result i32) (i32.const 1))
        (func (export "callback") (param i32 i32 i32) (result i32) (i32.const 1))"#;
    let limits = Limits { deadline_ms: 400, ..Limits::interactive() };
    let runtime = world::builder().limits(limits).open().await.unwrap();
    let plugin = runtime.offer(&source(code)).await.unwrap().accept_only(full()).await.unwrap();
    let error = run(&plugin).await.unwrap_err();
    assert!(matches!(error.fault(), Some(Fault::Deadline { .. })), "{error}");
}

#[tokio::test]
async fn a_callback_with_more_results_or_parameters_is_refused_when_it_is_read() {
    for callback in [
        "(param i32 i32 i32) (result i32 i32) (i32.const 0) (i32.const 0)",
        "(param i32 i32 i32)",
        "(param i32 i32) (result i32) (i32.const 0)",
        "(param i32 i32 i64) (result i32) (i32.const 0)",
        "(param i32 i32 i32) (result i64) (i64.const 0)",
    ] {
        let code = format!(r#"(func (export "run") (param i32) (result i32) (i32.const 0)) (func (export "callback") {callback})"#);
        let error = world::runtime().await.offer(&source(&code)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Component, "{callback}");
    }
}

//! A session is one instance with a memory of its own; `init` runs in it first, and its resources live as long as it does.

use plugwork::interfaces::handover::Handover;
use plugwork::{ErrorKind, Refusal};
use serde_json::json;

use crate::guest::{ECHO, Guest, HANDOVER_CODE, LIFECYCLE_CODE};
use crate::world::{self, Bytes, Counting, Number, plugin};

const COUNTS: &str = r#"(global $n (mut i32) (i32.const 0))
    (func (export "run") (param i32) (result i32) (global.set $n (i32.add (global.get $n) (local.get 0))) global.get $n)"#;

#[tokio::test]
async fn a_session_keeps_its_state_and_a_plain_call_starts_anew() {
    let plugin = plugin(&Guest::new(COUNTS).source()).await;
    let mut session = plugin.session::<Number>().await.unwrap();
    assert_eq!((session.call_input(&2).await.unwrap(), session.call_input(&3).await.unwrap()), (2, 5));
    assert_eq!((plugin.call::<Number>(&2).await.unwrap(), plugin.call::<Number>(&3).await.unwrap()), (2, 3));
    assert_eq!(session.spend().calls, 3, "instantiating is one");
    assert!(!session.has_ended());
}

/// A guest whose `init` answers ok only for the configuration `{"a":1}` (seven bytes), and counts itself.
fn initialised() -> Guest {
    let code = format!(
        r#"{LIFECYCLE_CODE} (global $seen (mut i32) (i32.const 0))
        (func (export "init") (param i32 i32) (result i32)
          (global.set $seen (local.get 1))
          (select (i32.const 16) (i32.const 32) (i32.eq (local.get 1) (i32.const 7))))
        (func (export "run") (param i32) (result i32) global.get $seen)"#
    );
    Guest::new(&code).with_lifecycle()
}

#[tokio::test]
async fn init_runs_first_with_the_configuration() {
    let offer = world::runtime().await.offer(&initialised().source()).await.unwrap();
    let plugin = offer.configuration(json!({"a": 1})).accept().await.unwrap();
    assert_eq!(plugin.call::<Number>(&0).await.unwrap(), 7);
    assert_eq!(plugin.points().map(ToString::to_string).collect::<Vec<_>>(), ["test:point/number@0.1.0"], "the lifecycle is no point");
}

#[tokio::test]
async fn a_handover_is_bound_in_an_instance_and_is_no_point() {
    let init = r#"(func (export "init") (param i32 i32) (result i32) i32.const 16)"#;
    let plugin = plugin(&Guest::new(&format!("{LIFECYCLE_CODE}{HANDOVER_CODE}{init}{ECHO}")).with_handover().source()).await;
    assert_eq!(plugin.points().map(ToString::to_string).collect::<Vec<_>>(), ["test:point/number@0.1.0"]);
    let mut session = plugin.session::<Handover>().await.unwrap();
    let state = (vec![7; 20_000], "0.9.0".to_owned());
    let restored =
        session.call_with(&state, |guest, store, (state, from)| Box::pin(async move { guest.call_restore(store, state, from).await }));
    restored.await.unwrap().unwrap();
    let snapshot = session.call(|guest, store| Box::pin(async move { guest.call_snapshot(store).await })).await.unwrap();
    assert_eq!(snapshot.unwrap(), state.0);
}

#[tokio::test]
async fn an_instance_that_refuses_its_configuration_is_not_used() {
    let plugin = plugin(&initialised().source()).await;
    let error = plugin.session::<Number>().await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Refusal);
    assert_eq!(error.refusal(), Some(&Refusal::Unavailable { reason: "closed".to_owned() }));
    assert!(plugin.enable().await.is_err());
}

#[tokio::test]
async fn a_point_that_the_plugin_does_not_export_is_an_error_that_lists_what_it_does() {
    let plugin = plugin(&Guest::new(ECHO).source()).await;
    assert!(plugin.has::<Number>() && !plugin.has::<Bytes>());
    let error = plugin.session::<Bytes>().await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("it exports `test:point/number@0.1.0`"), "{error}");
}

#[tokio::test]
async fn a_point_of_another_shape_is_an_error_at_the_first_use() {
    let guest = Guest::new(r#"(func (export "run") (param i64) (result i32) i32.const 0)"#).exporting(
        r#"(func $run (param "input" u64) (result u32) (canon lift (core func $code "run")))
        (instance $number (export "run" (func $run)))
        (export "test:point/number@0.1.0" (instance $number))"#,
    );
    let error = plugin(&guest.source()).await.session::<Number>().await.err().unwrap();
    assert!(matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Compile), "{error:?}");
    assert!(error.to_string().contains("test:point/number@0.1.0"), "{error}");
}

/// Counters are resources, represented by the address of their number. A resource needs its type before the code that makes it, so this
/// guest brings a second module.
fn counters() -> Guest {
    Guest::new(ECHO).exporting(
        r#"
  (type $counter (resource (rep i32)))
  (core func $new (canon resource.new $counter))
  (core module $counters-module
    (import "heap" "memory" (memory 1))
    (import "handles" "new" (func $new (param i32) (result i32)))
    (func (export "start") (param i32) (result i32) (i32.store (i32.const 0) (local.get 0)) (call $new (i32.const 0)))
    (func (export "next") (param i32) (result i32)
      (i32.store (local.get 0) (i32.add (i32.load (local.get 0)) (i32.const 1))) (i32.load (local.get 0))))
  (core instance $counters (instantiate $counters-module
    (with "heap" (instance (export "memory" (memory $memory))))
    (with "handles" (instance (export "new" (func $new))))))
  (func $start (param "at" u32) (result (own $counter)) (canon lift (core func $counters "start")))
  (func $next (param "self" (borrow $counter)) (result u32) (canon lift (core func $counters "next")))
  (component $inner
    (import "counter" (type $c (sub resource)))
    (import "start" (func $start (param "at" u32) (result (own $c))))
    (import "next" (func $next (param "self" (borrow $c)) (result u32)))
    (export $exported "counter" (type $c))
    (export "start" (func $start) (func (param "at" u32) (result (own $exported))))
    (export "[method]counter.next" (func $next) (func (param "self" (borrow $exported)) (result u32))))
  (instance $counting (instantiate $inner
    (with "counter" (type $counter)) (with "start" (func $start)) (with "next" (func $next))))
  (export "test:point/counting@0.1.0" (instance $counting))
"#,
    )
}

#[tokio::test]
async fn a_resource_lives_as_long_as_its_session() {
    let plugin = plugin(&counters().source()).await;
    let mut session = plugin.session::<Counting>().await.unwrap();
    let counter = session.call(|guest, store| Box::pin(async move { guest.call_start(store, 10).await })).await.unwrap();
    for expected in [11, 12, 13] {
        let next = session.call(move |guest, store| Box::pin(async move { guest.counter().call_next(store, counter).await })).await;
        assert_eq!(next.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_resource_of_another_session_is_refused() {
    let plugin = plugin(&counters().source()).await;
    let mut one = plugin.session::<Counting>().await.unwrap();
    let mut other = plugin.session::<Counting>().await.unwrap();
    let counter = one.call(|guest, store| Box::pin(async move { guest.call_start(store, 10).await })).await.unwrap();
    let stolen = other.call(move |guest, store| Box::pin(async move { guest.counter().call_next(store, counter).await })).await;
    assert!(stolen.is_err());
}

#[tokio::test]
async fn a_closed_runtime_has_nothing_attached_and_open_sessions_go_on() {
    let runtime = world::runtime().await;
    let plugin = runtime.offer(&Guest::new(COUNTS).source()).await.unwrap().accept().await.unwrap();
    plugin.enable().await.unwrap();
    let mut session = runtime.attached::<Number>().await.unwrap()[0].session::<Number>().await.unwrap();
    let other = runtime.clone();
    let mut closing = Box::pin(runtime.close());
    assert!(futures::poll!(&mut closing).is_pending(), "a session is open");
    assert!(other.attached::<Number>().await.unwrap().is_empty());
    assert_eq!(session.call_input(&1).await.unwrap(), 1);
    drop((session, other));
    closing.await.unwrap();
    let error = plugin.enable().await.err().unwrap();
    assert!(error.to_string().contains("its runtime was closed"), "{error}");
}

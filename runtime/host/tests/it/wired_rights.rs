//! A plugin that is called by another does for it what both may do, and nothing that only one of them may; handles stay with whom they were given to.

use plugwork::capability::{Bounds, Capability, Configured};
use plugwork::core::{Issue, Subject};
use plugwork::{Allocation, Fault, Grants, Plugin, Runtime};
use serde_json::json;

use crate::eventing::{self, DENIED, Teller};
use crate::guest::{CALLS, Guest};
use crate::wiring::{self, CALL, FIND, wired};
use crate::world::{self, Calls, Number, fault, grant};

/// Answers what the host's counter says, one more than where it starts: it needs the right `calls`.
fn counts(lines: &str) -> Guest {
    let code = r#"(import "host" "next" (func $next (result i32)))
        (func (export "find") (param i32) (result i32) call $next) (func (export "run") (param i32) (result i32) call $next)"#;
    let guest = wiring::provider("acme:geo", code).import(CALLS).host("next", "$calls").named("acme:geo", lines);
    guest.also_exporting(
        r#"(func $run (param "input" u32) (result u32) (canon lift (core func $code "run")))
        (instance $number (export "run" (func $run))) (export "test:point/number@0.1.0" (instance $number))"#,
    )
}

const ASKS_FOR_CALLS: &str = "[permissions.calls]\n";

/// Somebody who may call it and has these lines of permissions besides.
fn caller(lines: &str) -> Guest {
    wiring::caller(wiring::ASKS).named("test:caller", &format!("{CALL}{lines}"))
}

async fn with_right(runtime: &Runtime, lines: &str, grants: Grants) -> Plugin {
    runtime.offer(&counts(lines).source()).await.unwrap().accept_only(grants).await.unwrap()
}

#[tokio::test]
async fn a_caller_without_a_right_does_not_get_it_from_its_callee() {
    let runtime = world::runtime().await;
    let geo = with_right(&runtime, ASKS_FOR_CALLS, grant("calls", json!({"start": 40}))).await;
    assert_eq!(geo.call::<Number>(&0).await.unwrap(), 41, "asked by the host it has its own rights");
    let plain = wired(&runtime, &caller(""), &geo).await.unwrap();
    let Fault::Callee { code, message, .. } = fault(plain.call::<Number>(&0).await) else { panic!("the callee is denied") };
    assert_eq!(code, "trap");
    assert!(message.contains("whoever calls it may not do this"), "{message}");
    assert_eq!(geo.call::<Number>(&0).await.unwrap(), 41, "and keeps them for others");
}

#[tokio::test]
async fn who_makes_its_callee_fail_shuts_out_itself_and_nobody_else() {
    let runtime = world::runtime().await;
    let rights = grant("calls", json!({"start": 40}));
    let geo = with_right(&runtime, ASKS_FOR_CALLS, rights.clone()).await;
    let plain = wired(&runtime, &caller(""), &geo).await.unwrap();
    let codes = async || {
        let Fault::Callee { code, .. } = fault(plain.call::<Number>(&0).await) else { panic!("the callee is denied") };
        code
    };
    for _ in 0..5 {
        assert_eq!(codes().await, "trap");
    }
    assert_eq!(codes().await, "unavailable", "the breaker between the two is open");
    assert_eq!(geo.call::<Number>(&0).await.unwrap(), 41, "the host calls it as before");
    let rights = rights.with("call", crate::world::object(json!({"interfaces": ["acme:geo/lookup"]})));
    let offer = runtime.offer(&caller(ASKS_FOR_CALLS).source()).await.unwrap();
    let other = offer.wire(&geo).accept_only(rights).await.unwrap();
    assert_eq!(other.call::<Number>(&0).await.unwrap(), 41, "and so does another plugin");
}

/// The capability `calls` of an application that says nothing of whether its bounds are all there is to it.
struct OfEach;

impl Capability for OfEach {
    fn name(&self) -> &'static str {
        Calls.name()
    }

    fn interfaces(&self) -> &'static [&'static str] {
        Calls.interfaces()
    }

    fn configure(&self, subject: &Subject, bounds: &Bounds) -> Result<Box<dyn Configured>, Issue> {
        Calls.configure(subject, bounds)
    }
}

#[tokio::test]
async fn what_may_be_each_plugins_own_is_used_for_another_by_a_deputy_alone() {
    let runtime = Runtime::in_memory().allocation(Allocation::OnDemand).provide(OfEach).open().await.unwrap();
    let lines = format!("{ASKS_FOR_CALLS}[permissions.deputy]\ncapabilities = [\"calls\"]\noptional = true\n");
    let rights = grant("calls", json!({"start": 40}));
    let both = rights.clone().with("call", crate::world::object(json!({"interfaces": ["acme:geo/lookup"]})));
    let deputy = rights.clone().with("deputy", crate::world::object(json!({"capabilities": ["calls"]})));
    for (granted, is_deputy) in [(rights, false), (deputy, true)] {
        let geo = with_right(&runtime, &lines, granted).await;
        let offer = runtime.offer(&caller(ASKS_FOR_CALLS).source()).await.unwrap();
        let first = offer.wire(&geo).accept_only(both.clone()).await.unwrap();
        assert_eq!(first.call::<Number>(&0).await.ok(), is_deputy.then_some(41));
    }
}

#[tokio::test]
async fn a_callee_does_what_both_may_do() {
    let runtime = world::runtime().await;
    let geo = with_right(&runtime, ASKS_FOR_CALLS, grant("calls", json!({"start": 40}))).await;
    let both =
        |start: u32| grant("calls", json!({"start": start})).with("call", crate::world::object(json!({"interfaces": ["acme:geo/lookup"]})));
    let accept = async |start: u32| {
        let offer = runtime.offer(&caller(ASKS_FOR_CALLS).source()).await.unwrap();
        offer.wire(&geo).accept_only(both(start)).await.unwrap()
    };
    assert_eq!(accept(40).await.call::<Number>(&0).await.unwrap(), 41);
    // The smaller of the two, as for any number.
    assert_eq!(accept(7).await.call::<Number>(&0).await.unwrap(), 8);
}

#[tokio::test]
async fn a_deputy_uses_its_own_right_where_that_was_granted() {
    let runtime = world::runtime().await;
    let lines = format!("{ASKS_FOR_CALLS}[permissions.deputy]\ncapabilities = [\"calls\"]\noptional = true\n");
    let rights = grant("calls", json!({"start": 40}));
    let deputy = rights.clone().with("deputy", crate::world::object(json!({"capabilities": ["calls"]})));
    let geo = with_right(&runtime, &lines, deputy).await;
    let plain = wired(&runtime, &caller(""), &geo).await.unwrap();
    assert_eq!(plain.call::<Number>(&0).await.unwrap(), 41);
    let not_granted = with_right(&runtime, &lines, rights).await;
    let plain = wired(&runtime, &caller(""), &not_granted).await.unwrap();
    assert!(matches!(fault(plain.call::<Number>(&0).await), Fault::Callee { .. }), "asking for it is not enough");
}

#[tokio::test]
async fn what_a_callee_receives_is_not_for_its_callers_to_change() {
    let (_house, runtime) = eventing::host().await;
    let subscribes = "(call $subscribe)";
    let geo = Teller { finds: subscribes, run: subscribes, ..Teller::granted("acme:geo", "a/*", "x", "") };
    let geo = eventing::enabled(&runtime, &geo).await;
    // Both may publish on `x`, and only one of them may receive anything.
    let lines = "[permissions.events]\nout = [\"x\"]\n";
    let plain = runtime.offer(&caller(lines).source()).await.unwrap().accept().await.unwrap();
    assert_eq!(plain.call::<Number>(&0).await.unwrap(), DENIED);
    assert_eq!(geo.call::<Number>(&0).await.unwrap(), 0, "its own accord");
    assert_eq!(plain.call::<Number>(&0).await.unwrap(), 0, "what is there changes nothing");
    let lines = "[permissions.events]\nin = [\"a/*\"]\nout = [\"x\"]\n";
    let same = Teller { topic: "a/two", finds: subscribes, ..Teller::granted("acme:geo", "a/*", "x", "") };
    drop(geo.replace(runtime.offer(&same.source()).await.unwrap(), "ada").await.unwrap());
    assert_eq!(plain.call::<Number>(&0).await.unwrap(), DENIED);
    let equal = runtime.offer(&caller(lines).source()).await.unwrap().instance("equal").accept().await.unwrap();
    assert_eq!(equal.call::<Number>(&0).await.unwrap(), 0);
}

/// Answers how many plugins led to the call, and the length of the first one's name in the hundreds.
fn asks_who_calls() -> Guest {
    let code = r#"(import "heap" "memory" (memory 1)) (import "host" "callers" (func $callers (param i32)))
        (func $told (result i32)
          (call $callers (i32.const 16))
          (if (result i32) (i32.eqz (i32.load (i32.const 20)))
            (then i32.const 0)
            (else (i32.add (i32.load (i32.const 20)) (i32.mul (i32.const 100) (i32.load (i32.add (i32.load (i32.const 16)) (i32.const 4))))))))
        (func (export "find") (param i32) (result i32) call $told) (func (export "run") (param i32) (result i32) call $told)"#;
    let import = r#"(import "plugwork:host/caller@0.1.0" (instance $caller
        (type $p (record (field "name" string) (field "version" string) (field "digest" string) (field "instance" string)))
        (export "plugin" (type $plugin (eq $p)))
        (export "callers" (func (result (list $plugin))))))"#;
    let guest = wiring::provider("acme:geo", code).import(import).host("callers", "$caller").named("acme:geo", "");
    guest.also_exporting(
        r#"(func $run (param "input" u32) (result u32) (canon lift (core func $code "run")))
        (instance $number (export "run" (func $run))) (export "test:point/number@0.1.0" (instance $number))"#,
    )
}

#[tokio::test]
async fn a_callee_is_told_who_calls_by_the_host() {
    let runtime = world::runtime().await;
    let geo = wiring::accepted(&runtime, &asks_who_calls()).await;
    assert_eq!(geo.call::<Number>(&0).await.unwrap(), 0, "nobody but the host");
    let plain = wired(&runtime, &caller(""), &geo).await.unwrap();
    assert_eq!(plain.call::<Number>(&0).await.unwrap(), 1 + 100 * u32::try_from("test:caller".len()).unwrap());
}

#[tokio::test]
async fn a_right_that_one_in_the_middle_lacks_is_lost_to_all_behind_it() {
    let runtime = world::runtime().await;
    let geo = with_right(&runtime, ASKS_FOR_CALLS, grant("calls", json!({"start": 40}))).await;
    let hands_on = r#"(import "host" "find" (func $find (param i32) (result i32))) (func (export "find") (param i32) (result i32) (call $find (local.get 0)))"#;
    let middle = wiring::provider("acme:middle", hands_on).import(FIND).host("find", "$geo").named("acme:middle", CALL);
    let middle = wired(&runtime, &middle, &geo).await.unwrap();
    let rights = grant("calls", json!({"start": 40})).with("call", crate::world::object(json!({"interfaces": ["acme:geo/lookup"]})));
    let offer = runtime.offer(&caller(ASKS_FOR_CALLS).source()).await.unwrap();
    let first = offer.wire(&middle).accept_only(rights).await.unwrap();
    let told = fault(first.call::<Number>(&0).await).to_string();
    assert!(told.contains("whoever calls it may not do this"), "{told}");
}

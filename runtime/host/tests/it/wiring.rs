//! One plugin behind an import of another, through the host: who may be called, what crosses, what becomes of a caller whose callee fails.

use std::sync::{Arc, Mutex};

use plugwork::core::Subject;
use plugwork::core::lifecycle::Stage;
use plugwork::core::record::Settings;
use plugwork::log::{Level, Sink};
use plugwork::{Cause, Error, ErrorKind, Fault, Grants, Limits, Plugin, Replacement, Runtime};
use serde_json::json;

use crate::guest::{ECHO, Guest};
use crate::world::{self, Bytes, Number, fault, grant};

/// The interface between them.
pub(crate) const FIND: &str = r#"(import "acme:geo/lookup@1.2.0" (instance $geo (export "find" (func (param "input" u32) (result u32)))))"#;
/// The permission that a caller asks for.
pub(crate) const CALL: &str = "[permissions.call]\ninterfaces = [\"acme:geo/lookup\"]\n";

/// Exports the interface, as the code's function `find`.
pub(crate) fn provider(name: &str, find: &str) -> Guest {
    Guest::new(find).named(name, "").exporting(
        r#"(func $find (param "input" u32) (result u32) (canon lift (core func $code "find")))
        (instance $lookup (export "find" (func $find)))
        (export "acme:geo/lookup@1.2.3" (instance $lookup))"#,
    )
}

/// Counts its calls, and adds what it is given.
pub(crate) const COUNTS: &str = r#"(global $calls (mut i32) (i32.const 0))
    (func (export "find") (param i32) (result i32)
      (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
      (i32.add (i32.mul (global.get $calls) (i32.const 100)) (local.get 0)))"#;

/// Hands its input on.
pub(crate) const ASKS: &str = r#"(import "host" "find" (func $find (param i32) (result i32))) (func (export "run") (param i32) (result i32) (call $find (local.get 0)))"#;

/// A caller of the interface.
pub(crate) fn caller(code: &str) -> Guest {
    Guest::new(code).import(FIND).host("find", "$geo").named("test:caller", CALL)
}

pub(crate) async fn accepted(runtime: &Runtime, guest: &Guest) -> Plugin {
    runtime.offer(&guest.source()).await.unwrap().accept().await.unwrap()
}

/// A caller wired to a provider.
pub(crate) async fn wired(runtime: &Runtime, caller: &Guest, provider: &Plugin) -> Result<Plugin, Error> {
    runtime.offer(&caller.source()).await.unwrap().wire(provider).accept().await
}

#[tokio::test]
async fn a_plugin_calls_another_and_each_of_its_instances_has_one_of_its_own() {
    let runtime = world::runtime().await;
    let geo = accepted(&runtime, &provider("acme:geo", COUNTS)).await;
    let caller = wired(&runtime, &caller(ASKS), &geo).await.unwrap();
    assert_eq!((caller.call::<Number>(&7).await.unwrap(), caller.call::<Number>(&8).await.unwrap()), (107, 108), "no state crosses");
    let mut session = caller.session::<Number>().await.unwrap();
    assert_eq!((session.call_input(&1).await.unwrap(), session.call_input(&2).await.unwrap()), (101, 202), "one for one");
    let reach = caller.reach();
    let told: Vec<_> = reach.iter().map(|reach| (reach.capability.as_deref(), reach.because.as_str())).collect();
    assert_eq!(told, [(Some("call"), "from `acme:geo`")]);
    session.end().await;
    assert_eq!(geo.account().snapshot().calls, 3 + 4, "four calls, and three instances were started");
    assert_eq!(runtime.capacity().0.instances, 0, "callees end with their callers");
}

#[tokio::test]
async fn calling_that_was_not_granted_is_not_linked() {
    let runtime = world::runtime().await;
    let geo = accepted(&runtime, &provider("acme:geo", COUNTS)).await;
    let offer = runtime.offer(&caller(ASKS).source()).await.unwrap().wire(&geo);
    let refused = offer.accept_only(Grants::none()).await.unwrap_err();
    assert_eq!((refused.kind(), refused.denials()[0].code.as_str()), (ErrorKind::Refused, "E-CAP-NOT-GRANTED"));
    // Another plugin than the one that is named.
    let twin = accepted(&runtime, &provider("twin:geo", COUNTS)).await;
    let only_geo =
        Guest::new(ASKS).import(FIND).host("find", "$geo").named("test:caller", "[permissions.call]\nplugins = [\"acme:geo\"]\n");
    let refused = wired(&runtime, &only_geo, &twin).await.unwrap_err();
    assert!(refused.denials()[0].rule.contains("of `twin:geo` is not granted"), "{refused}");
    assert!(wired(&runtime, &only_geo, &geo).await.is_ok());
    // More than it asks for.
    let offer = runtime.offer(&only_geo.source()).await.unwrap().wire(&twin);
    let wider = offer.accept_only(grant("call", json!({"plugins": ["acme:geo", "twin:geo"]}))).await.unwrap_err();
    assert!(wider.issues()[0].what.contains("more granted than asked"), "{wider}");
}

#[tokio::test]
async fn an_optional_call_that_nobody_answers_is_denied_and_a_required_one_refused() {
    let runtime = world::runtime().await;
    let without = runtime.offer(&caller(ASKS).source()).await.unwrap().accept().await.unwrap_err();
    assert!(without.to_string().contains("no plugin stands ready that exports it"), "{without}");
    let optional = Guest::new(ASKS).import(FIND).host("find", "$geo").named("test:caller", &format!("{CALL}optional = true\n"));
    let caller = accepted(&runtime, &optional).await;
    assert!(matches!(fault(caller.call::<Number>(&1).await), Fault::Trap { message, .. } if message.contains("is denied")));
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_what_does_not() {
    let runtime = world::runtime().await;
    let other = Guest::new(ECHO).named("acme:geo", "").exporting(
        r#"(func $find (param "input" u32) (result u32) (canon lift (core func $code "run")))
        (instance $lookup (export "search" (func $find)))
        (export "acme:geo/lookup@1.2.0" (instance $lookup))"#,
    );
    let other = accepted(&runtime, &other).await;
    let refused = wired(&runtime, &caller(ASKS), &other).await.unwrap_err();
    assert_eq!(refused.denials()[0].code, "E-WIRE-MISFIT");
    assert!(refused.denials()[0].rule.contains("has no `find`"), "{refused}");
}

#[tokio::test]
async fn a_callee_that_faults_ends_its_callers_call_and_is_the_one_to_blame() {
    let runtime = world::runtime().await;
    let fails_at_1 =
        r#"(func (export "find") (param i32) (result i32) (if (i32.eq (local.get 0) (i32.const 1)) (then unreachable)) i32.const 5)"#;
    let geo = accepted(&runtime, &provider("acme:geo", fails_at_1)).await;
    let caller = wired(&runtime, &caller(ASKS), &geo).await.unwrap();
    let mut session = caller.session::<Number>().await.unwrap();
    assert_eq!(session.call_input(&0).await.unwrap(), 5);
    let Fault::Callee { plugin, code, message } = fault(session.call_input(&1).await) else { panic!("the callee's") };
    assert_eq!((plugin.as_str(), code.as_str()), ("acme:geo", "trap"));
    assert!(message.contains("unreachable"), "{message}");
    assert_eq!(caller.call::<Number>(&0).await.unwrap(), 5, "neighbours do not feel it");
    for _ in 0..5 {
        fault(caller.call::<Number>(&1).await);
    }
    // The breaker between them is open, and the caller's is not.
    let Fault::Callee { code, .. } = fault(caller.call::<Number>(&0).await) else { panic!("the callee's") };
    assert_eq!(code, "unavailable");
    let (blamed, others) = (geo.account().snapshot().faults, caller.account().snapshot().faults);
    assert_eq!((blamed, others), (5, 7));
}

#[tokio::test]
async fn a_callee_ends_with_its_callers_deadline_and_is_not_blamed() {
    let runtime = world::builder().open().await.unwrap();
    let geo = accepted(
        &runtime,
        &provider("acme:geo", r#"(func (export "find") (param i32) (result i32) (loop $again (br $again)) i32.const 0)"#),
    )
    .await;
    let short = Limits { deadline_ms: 250, ..Limits::interactive() };
    let offer = runtime.offer(&caller(ASKS).source()).await.unwrap().wire(&geo).limits(short);
    let caller = offer.accept().await.unwrap();
    assert!(geo.limits().deadline_ms > short.deadline_ms);
    let fault = fault(caller.call::<Number>(&0).await);
    assert!(matches!(fault, Fault::Deadline { limit_ms: 250, .. }), "{fault}");
    assert_eq!(geo.account().snapshot().faults, 0, "nothing is noted of it");
    assert_eq!(runtime.capacity().0.instances, 0);
}

#[tokio::test]
async fn a_chain_is_as_long_as_it_may_be_and_no_longer() {
    let runtime = world::runtime().await;
    let mut last = accepted(&runtime, &provider("acme:p1", COUNTS)).await;
    let hands_on = r#"(import "host" "find" (func $find (param i32) (result i32))) (func (export "find") (param i32) (result i32) (call $find (local.get 0)))"#;
    let mut all = vec![last.clone()];
    for number in 2..=8 {
        let link = provider("acme:p", hands_on).import(FIND).host("find", "$geo").named(&format!("acme:p{number}"), CALL);
        last = wired(&runtime, &link, &last).await.unwrap();
        all.push(last.clone());
    }
    let of_eight = wired(&runtime, &caller(ASKS), &all[6]).await.unwrap();
    assert_eq!(of_eight.call::<Number>(&1).await.unwrap(), 101);
    let of_nine = wired(&runtime, &caller(ASKS), &all[7]).await.unwrap();
    let told = fault(of_nine.call::<Number>(&1).await).to_string();
    assert!(told.contains("at most 8 may"), "{told}");
}

#[tokio::test]
async fn a_provider_that_is_replaced_disabled_or_removed_in_between_is_noticed_at_the_next_call() {
    let runtime = world::runtime().await;
    let find = |add: u32| {
        provider("acme:geo", &format!(r#"(func (export "find") (param i32) (result i32) (i32.add (local.get 0) (i32.const {add})))"#))
    };
    let offer = runtime.offer(&find(10).source()).await.unwrap();
    let geo = runtime.install(offer, Grants::none(), Settings::default()).await.unwrap();
    geo.enable("ada").await.unwrap();
    // Nobody names the provider: the grant does.
    let wired = runtime.offer(&caller(ASKS).source()).await.unwrap().wire_installed(&geo).accept().await.unwrap();
    let refused = wired.enable().await.unwrap_err();
    assert!(refused.to_string().contains("no record says with whom"), "{refused}");
    let caller = runtime.offer(&caller(ASKS).source()).await.unwrap().accept().await.unwrap();
    let mut session = caller.session::<Number>().await.unwrap();
    assert_eq!(session.call_input(&1).await.unwrap(), 11);
    geo.disable("ada", "a test").await.unwrap();
    let Fault::Callee { code, .. } = fault(session.call_input(&1).await) else { panic!("there is nobody") };
    assert_eq!(code, "unavailable");
    geo.enable("ada").await.unwrap();
    assert_eq!(caller.call::<Number>(&1).await.unwrap(), 11);
    let mut session = caller.session::<Number>().await.unwrap();
    assert_eq!(session.call_input(&1).await.unwrap(), 11);
    let next = runtime.offer(&find(20).source()).await.unwrap();
    assert!(matches!(geo.replace(next, "ada").await.unwrap(), Replacement::Done(_)));
    assert_eq!(caller.call::<Number>(&1).await.unwrap(), 21, "an instance of the version that came after it");
    assert_eq!(session.call_input(&1).await.unwrap(), 11, "what is in use stays while the version may come back");
    geo.remove("ada").await.unwrap();
    let Fault::Callee { code, .. } = fault(session.call_input(&1).await) else { panic!("there is nobody") };
    assert_eq!(code, "unavailable");
    let Fault::Callee { code, .. } = fault(caller.call::<Number>(&1).await) else { panic!("there is nobody") };
    assert_eq!(code, "unavailable");
}

/// Whose record it is, and for which request it was written.
type Record = (String, Option<String>);

#[derive(Clone, Default)]
struct Requests(Arc<Mutex<Vec<Record>>>);

impl Sink for Requests {
    fn record(&self, subject: &Subject, level: Level, message: &str) {
        self.record_for(subject, None, level, message);
    }

    fn record_for(&self, subject: &Subject, cause: Option<&Cause>, _: Level, _: &str) {
        self.0.lock().unwrap().push((subject.package.to_string(), cause.map(|cause| cause.request_id.clone())));
    }
}

#[tokio::test]
async fn what_a_callee_logs_is_of_the_request_for_which_its_caller_is_called() {
    let log = Requests::default();
    let runtime = world::builder().log(log.clone()).open().await.unwrap();
    let writes = r#"(import "host" "write" (func $write (param i32 i32 i32)))
        (func (export "find") (param i32) (result i32) (call $write (i32.const 2) (i32.const 0) (i32.const 0)) i32.const 7)"#;
    let geo = accepted(&runtime, &provider("acme:geo", writes).with_log()).await;
    let caller = wired(&runtime, &caller(ASKS), &geo).await.unwrap();
    let mut session = caller.session::<Number>().await.unwrap();
    for request in ["one", "two"] {
        let cause = Arc::new(Cause { request_id: request.to_owned(), trace: None });
        let call = session.call_with(&cause, |guest, mut store, cause| {
            Box::pin(async move {
                store.data_mut().caused_by(cause.clone());
                guest.call_run(store, 1).await
            })
        });
        assert_eq!(call.await.unwrap(), 7);
    }
    assert_eq!(session.call_input(&1).await.unwrap(), 7);
    let of = |request: Option<&str>| ("acme:geo".to_owned(), request.map(str::to_owned));
    assert_eq!(*log.0.lock().unwrap(), [of(Some("one")), of(Some("two")), of(None)]);
}

#[tokio::test]
async fn of_several_that_export_it_the_grant_has_to_say_which() {
    let runtime = world::runtime().await;
    for (name, instance) in [("acme:geo", ""), ("acme:geo", "second"), ("twin:geo", "")] {
        let offer = runtime.offer(&provider(name, COUNTS).source()).await.unwrap().instance(instance);
        runtime.install(offer, Grants::none(), Settings::default()).await.unwrap().enable("ada").await.unwrap();
    }
    let ambiguous = async |lines: &str| {
        let guest = Guest::new(ASKS).import(FIND).host("find", "$geo").named("test:caller", lines);
        let refused = runtime.offer(&guest.source()).await.unwrap().accept().await.unwrap_err();
        let denial = refused.denials()[0].clone();
        (denial.code, denial.hint)
    };
    let (code, hint) = ambiguous(CALL).await;
    assert_eq!((code.as_str(), hint.as_str()), ("E-WIRE-AMBIGUOUS", "grants.call = { plugins = [\"acme:geo\"] }"));
    let (code, hint) = ambiguous("[permissions.call]\nplugins = [\"acme:geo\"]\n").await;
    assert_eq!(code, "E-WIRE-AMBIGUOUS");
    assert!(hint.contains("keep one installation of it"), "{hint}");
    let twin = Guest::new(ASKS).import(FIND).host("find", "$geo").named("test:caller", "[permissions.call]\nplugins = [\"twin:geo\"]\n");
    assert_eq!(accepted(&runtime, &twin).await.call::<Number>(&1).await.unwrap(), 101);
}

#[tokio::test]
async fn byte_lists_and_records_cross() {
    let runtime = world::runtime().await;
    let geo = Guest::new(
        r#"(import "heap" "memory" (memory 1))
        (func (export "twice") (param i32 i32) (result i32)
          (memory.copy (i32.add (local.get 0) (local.get 1)) (local.get 0) (local.get 1))
          (i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (i32.mul (local.get 1) (i32.const 2))) i32.const 16)
        (func (export "swap") (param i32 f64) (result i32)
          (f64.store (i32.const 32) (local.get 1)) (i32.store (i32.const 40) (i32.add (local.get 0) (i32.const 1))) i32.const 32)"#,
    )
    .named("acme:geo", "")
    .exporting(
        r#"(type $pair' (record (field "count" u32) (field "weight" f64)))
        (type $riap' (record (field "weight" f64) (field "count" u32)))
        (func $twice (param "bytes" (list u8)) (result (list u8)) (canon lift (core func $code "twice") (memory $memory) (realloc $realloc)))
        (component $shim
          (type $pair' (record (field "count" u32) (field "weight" f64)))
          (type $riap' (record (field "weight" f64) (field "count" u32)))
          (import "pair" (type $p (eq $pair'))) (import "riap" (type $r (eq $riap')))
          (import "twice" (func $twice (param "bytes" (list u8)) (result (list u8))))
          (import "swap" (func $swap (param "of" $p) (result $r)))
          (export $ep "pair" (type $p)) (export $er "riap" (type $r))
          (export "twice" (func $twice))
          (export "swap" (func $swap) (func (param "of" $ep) (result $er))))
        (func $swap (param "of" $pair') (result $riap') (canon lift (core func $code "swap") (memory $memory)))
        (instance $lookup (instantiate $shim (with "pair" (type $pair')) (with "riap" (type $riap')) (with "twice" (func $twice)) (with "swap" (func $swap))))
        (export "acme:geo/lookup@1.2.0" (instance $lookup))"#,
    );
    let geo = accepted(&runtime, &geo).await;
    let asks = Guest::new(
        r#"(import "heap" "memory" (memory 1))
        (import "host" "twice" (func $twice (param i32 i32 i32))) (import "host" "swap" (func $swap (param i32 f64 i32)))
        (func (export "make") (param i32) (result i32)
          (memory.fill (i32.const 4096) (i32.const 7) (local.get 0))
          (call $twice (i32.const 4096) (local.get 0) (i32.const 16))
          (call $swap (i32.load (i32.const 20)) (f64.const 2.5) (i32.const 64))
          (if (f64.ne (f64.load (i32.const 64)) (f64.const 2.5)) (then unreachable))
          (if (i32.ne (i32.load (i32.const 72)) (i32.add (i32.load (i32.const 20)) (i32.const 1))) (then unreachable))
          i32.const 16)"#,
    )
    .import(
        r#"(import "acme:geo/lookup@1.2.0" (instance $geo
          (type $pair' (record (field "count" u32) (field "weight" f64))) (export "pair" (type $pair (eq $pair')))
          (type $riap' (record (field "weight" f64) (field "count" u32))) (export "riap" (type $riap (eq $riap')))
          (export "twice" (func (param "bytes" (list u8)) (result (list u8))))
          (export "swap" (func (param "of" $pair) (result $riap)))))"#,
    )
    .host("twice", "$geo")
    .host("swap", "$geo")
    .named("test:caller", CALL)
    .exporting(
        r#"(func $make (param "length" u32) (result (list u8)) (canon lift (core func $code "make") (memory $memory)))
        (instance $bytes (export "make" (func $make)))
        (export "test:point/bytes@0.1.0" (instance $bytes))"#,
    );
    let caller = wired(&runtime, &asks, &geo).await.unwrap();
    assert_eq!(caller.call::<Bytes>(&1_000).await.unwrap(), vec![7; 2_000]);
}

#[tokio::test]
async fn plugins_that_are_wired_in_a_circle_are_told_so_instead_of_waiting_for_each_other() {
    let runtime = world::runtime().await;
    let both = |name: &str, import: &str, export: &str| {
        Guest::new(r#"(import "host" "go" (func $go (param i32) (result i32))) (func (export "go") (param i32) (result i32) (call $go (local.get 0)))"#)
            .import(&format!(r#"(import "acme:ring/{import}@1.0.0" (instance $other (export "go" (func (param "input" u32) (result u32)))))"#))
            .host("go", "$other")
            .named(name, &format!("[permissions.call]\ninterfaces = [\"acme:ring/{import}\"]\n"))
            .exporting(&format!(
                r#"(func $go (param "input" u32) (result u32) (canon lift (core func $code "go")))
                (instance $mine (export "go" (func $go))) (export "acme:ring/{export}@1.0.0" (instance $mine))"#
            ))
    };
    let one = both("acme:one", "two", "one").source();
    let alone = runtime.offer(&one).await.unwrap().accept().await.unwrap_err();
    assert!(alone.to_string().contains("no plugin stands ready"), "{alone}");
    // The first one's provider is there and disabled in turn: each is installed while the other one could be behind it.
    let leaf = Guest::new(r#"(func (export "go") (param i32) (result i32) local.get 0)"#).named("acme:two", "").exporting(
        r#"(func $go (param "input" u32) (result u32) (canon lift (core func $code "go")))
        (instance $mine (export "go" (func $go))) (export "acme:ring/two@1.0.0" (instance $mine))"#,
    );
    let two = runtime.install(runtime.offer(&leaf.source()).await.unwrap(), Grants::none(), Settings::default()).await.unwrap();
    let offer = runtime.offer(&one).await.unwrap();
    let call = |interface: &str| grant("call", json!({"interfaces": [format!("acme:ring/{interface}")]}));
    let installed = runtime.install(offer, call("two"), Settings::default()).await.unwrap();
    two.enable("ada").await.unwrap();
    installed.enable("ada").await.unwrap();
    let next = both("acme:two", "one", "two").source();
    let refused = runtime.offer(&next).await.unwrap().accept_only(call("one")).await.unwrap_err();
    assert_eq!(refused.denials()[0].code, "E-WIRE-CIRCLE");
    assert!(refused.denials()[0].rule.contains("`default/acme:two` → `default/acme:one` → `default/acme:two`"), "{refused}");
}

#[tokio::test]
async fn a_provider_of_another_tenant_is_behind_nothing_and_one_that_is_disabled_fails_nobody() {
    let runtime = world::runtime().await;
    let theirs = runtime.offer(&provider("acme:geo", COUNTS).source()).await.unwrap().tenant("other").accept().await.unwrap();
    let refused = wired(&runtime, &caller(ASKS), &theirs).await.unwrap_err();
    assert_eq!(refused.denials()[0].code, "E-WIRE-TENANT");
    let offer = runtime.offer(&provider("acme:geo", COUNTS).source()).await.unwrap();
    let geo = runtime.install(offer, Grants::none(), Settings::default()).await.unwrap();
    let call = grant("call", json!({"interfaces": ["acme:geo/lookup"]}));
    let asking = runtime.install(runtime.offer(&caller(ASKS).source()).await.unwrap(), call, Settings::default()).await.unwrap();
    geo.enable("ada").await.unwrap();
    asking.enable("ada").await.unwrap();
    asking.disable("ada", "a test").await.unwrap();
    geo.disable("ada", "a test").await.unwrap();
    let error = asking.enable("ada").await.unwrap_err();
    assert_eq!((error.kind(), asking.state().stage()), (ErrorKind::Unavailable, Stage::Installed), "{error}");
    geo.enable("ada").await.unwrap();
    asking.enable("ada").await.unwrap();
    assert_eq!(asking.call::<Number>(&1).await.unwrap(), 101);
}

//! Guards: whoever has a say before a call is made. What they are told, what their answers do, and that without an answer nothing is called.
//!
//! The guard is a core module against the WIT as it is. The question lies at `$question`: the principal as an option at 0, the callers as (address, count) at 12,
//! of 32 bytes each, the interface at 52, the function as an option at 60. It notes each question, and the test's mood says what it does.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use plugwork::component::{Embedded, embed};
use plugwork::core::breaker;
use plugwork::core::guard::{Decision, Question};
use plugwork::core::record::Settings;
use plugwork::dynamic::Argument;
use plugwork::guards::{Guard, GuardPoint, GuardSettings};
use plugwork::{Builder, Error, ErrorKind, Fault, Installation, Plugin, Replacement, Running, Runtime, Source};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::guest::{ECHO, Guest};
use crate::living::{House, all_asked};
use crate::wiring::{ASKS, CALL, COUNTS, caller, provider};
use crate::world::{Answer, Number, fault};

/// What the guard does, by the test's mood.
const ALLOWS: u32 = 0;
const DENIES: u32 = 1;
const TRAPS: u32 = 2;
const LOOPS: u32 = 3;
const REFUSES: u32 = 4;
const WAITS: u32 = 5;

/// A guard under construction.
#[derive(Clone, Copy)]
struct Policy {
    name: &'static str,
    /// More lines of the manifest.
    manifest: &'static str,
    /// For how long its answers may be kept.
    keep_ms: u32,
    /// Whether it also is a `number` that gives back its input.
    is_number: bool,
    /// Whether it asks `acme:geo/lookup` before it answers.
    looks_up: bool,
}

const POLICY: Policy = Policy { name: "test:policy", manifest: "", keep_ms: 0, is_number: false, looks_up: false };

impl Policy {
    fn source(self) -> Source {
        let mut resolve = Resolve::default();
        for folder in ["table", "plugin", "host", "points"] {
            resolve.push_dir(Path::new("../../wit").join(folder)).unwrap();
        }
        let number = if self.is_number { "export test:point/number@0.1.0;" } else { "" };
        let lookup = if self.looks_up { "import acme:geo/lookup@1.2.0;" } else { "" };
        let wit = format!(
            "package test:policy;
            world policy {{ {lookup} import test:host/stage@0.1.0; export plugwork:points/guard@0.1.0; {number} }}
            package test:host@0.1.0 {{ interface stage {{ mood: func() -> u32; note: func(what: u32); hold: func(); }} }}
            package test:point@0.1.0 {{ interface number {{ run: func(input: u32) -> u32; }} }}
            package acme:geo@1.2.0 {{ interface lookup {{ find: func(input: u32) -> u32; }} }}"
        );
        let package = resolve.push_str("policy.wit", &wit).unwrap();
        let world = resolve.select_world(&[package], Some("policy")).unwrap();
        let text = self.text();
        let mut module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        let component = ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap();
        let manifest = format!("name = \"{}\"\nversion = \"1.0.0\"\n[permissions.stage]\n{}", self.name, self.manifest);
        Source::bytes(embed(&component, &Embedded { manifest: Some(&manifest), ..Embedded::default() }).unwrap())
    }

    fn text(self) -> String {
        let keep_ms = self.keep_ms;
        let number =
            if self.is_number { r#"(func (export "test:point/number@0.1.0#run") (param i32) (result i32) local.get 0)"# } else { "" };
        let (import, look) = match self.looks_up {
            true => {
                (r#"(import "acme:geo/lookup@1.2.0" "find" (func $find (param i32) (result i32)))"#, "(drop (call $find (i32.const 1)))")
            }
            false => ("", ""),
        };
        format!(
            r#"(module
            {import}
            (import "test:host/stage@0.1.0" "mood" (func $mood (result i32)))
            (import "test:host/stage@0.1.0" "note" (func $note (param i32)))
            (import "test:host/stage@0.1.0" "hold" (func $hold))
            (memory (export "memory") 16)
            (global $next (mut i32) (i32.const 4096))
            (data (i32.const 512) "not on\n Sundays")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
              (global.set $next (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
              global.get $next
              (global.set $next (i32.add (global.get $next) (local.get 3))))
            {number}
            (func (export "plugwork:points/guard@0.1.0#check") (param $question i32) (result i32)
              (local $mood i32)
              (local.set $mood (call $mood))
              ;; The first letter of the principal, and a thousand for each caller.
              (call $note (i32.add
                (i32.mul (i32.const 1000) (i32.load offset=16 (local.get $question)))
                (if (result i32) (i32.load8_u (local.get $question))
                  (then (i32.load8_u (i32.load offset=4 (local.get $question)))) (else (i32.const 0)))))
              {look}
              (if (i32.eq (local.get $mood) (i32.const {TRAPS})) (then unreachable))
              (if (i32.eq (local.get $mood) (i32.const {LOOPS})) (then (loop $again (br $again))))
              (if (i32.eq (local.get $mood) (i32.const {WAITS})) (then (call $hold)))
              ;; `ok` and the verdict; text of a reason, or of a refusal that is `unavailable`.
              (i32.store8 (i32.const 300) (i32.eq (local.get $mood) (i32.const {REFUSES})))
              (i32.store8 (i32.const 304) (select (i32.const 2) (i32.eq (local.get $mood) (i32.const {DENIES})) (i32.load8_u (i32.const 300))))
              (i32.store (i32.const 308) (i32.const 512))
              (i32.store (i32.const 312) (i32.const 15))
              (if (i32.eqz (i32.load8_u (i32.const 300))) (then (i32.store (i32.const 316) (i32.const {keep_ms}))))
              i32.const 300))"#
        )
    }
}

async fn enabled(runtime: &Runtime, source: &Source) -> Installation {
    let installation = installed(runtime, source).await;
    installation.enable("ada").await.unwrap();
    installation
}

async fn installed(runtime: &Runtime, source: &Source) -> Installation {
    let offer = runtime.offer(source).await.unwrap();
    let grants = all_asked(&offer);
    runtime.install(offer, grants, Settings::default()).await.unwrap()
}

async fn accepted(runtime: &Runtime, source: &Source) -> Plugin {
    runtime.offer(source).await.unwrap().accept().await.unwrap()
}

/// A house in which `test:policy` guards `number`, and a plugin that is called through it.
async fn guarded(settings: impl FnOnce(Builder) -> Builder, policy: Policy) -> (House, Runtime, Installation, Installation) {
    let house = House::new();
    let builder = house.builder_without_files().guard_by("test:point/number", "test:policy");
    let runtime = settings(builder).open().await.unwrap();
    let policy = enabled(&runtime, &policy.source()).await;
    let echo = enabled(&runtime, &Guest::new(ECHO).named("test:echo", "").source()).await;
    (house, runtime, policy, echo)
}

fn quick(builder: Builder) -> Builder {
    builder.guarding(GuardSettings { answer_ms: 100, ..GuardSettings::default() })
}

/// The code and the rule of what was denied.
fn denied<T>(answer: Result<T, Error>) -> (String, String) {
    match answer {
        Ok(_) => panic!("it was called"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
            (error.denials()[0].code.clone(), error.denials()[0].rule.clone())
        }
    }
}

#[tokio::test]
async fn a_guard_is_asked_before_each_call_and_says_no_with_a_reason() {
    let (house, runtime, policy, echo) = guarded(|builder| builder, POLICY).await;
    assert_eq!(echo.call::<Number>(&7).await.unwrap(), 7);
    assert_eq!(echo.clone().for_principal("carol").call::<Number>(&8).await.unwrap(), 8);
    house.stage.mood(DENIES);
    let (code, rule) = denied(echo.call::<Number>(&7).await);
    assert_eq!(code, "E-GUARD-DENIED");
    assert_eq!(rule, "its guard `test:policy` says: not on  Sundays");
    denied(echo.session::<Number>().await);
    let argument = Argument::Wave("7".to_owned());
    denied(echo.call_dynamic("run", &[argument]).await);
    denied(echo.plugin().await.unwrap().call::<Number>(&7).await);
    let dispatched = runtime.point::<Number>().for_principal("dave").first(7).await.unwrap_err();
    assert_eq!(dispatched.denials()[0].code, "E-GUARD-DENIED");
    assert_eq!(house.stage.notes(), [0, u32::from(b'c'), 0, 0, 0, 0, u32::from(b'd')], "each call is asked about, and for whom");
    // Asking a guard is guarded by nobody.
    house.stage.mood(ALLOWS);
    let question = Question {
        principal: None,
        callers: Vec::new(),
        plugin: plugwork::core::chain::Caller { subject: (*echo.subject()).clone(), version: String::new() },
        interface: "test:point/number@0.1.0".to_owned(),
        function: None,
    };
    assert_eq!(policy.call::<GuardPoint>(&Arc::new(question)).await.unwrap(), Decision::allow());
    let counted: Vec<u64> = runtime.usage().iter().filter(|usage| usage.subject == *echo.subject()).map(|usage| usage.denials).collect();
    assert_eq!(counted, [5], "they count as what was denied of the plugin");
}

#[tokio::test]
async fn without_an_answer_nothing_is_called() {
    let (house, _runtime, policy, echo) = guarded(quick, POLICY).await;
    for (mood, why) in
        [(TRAPS, "it failed: trap"), (REFUSES, "it refused to answer"), (LOOPS, "it failed: deadline"), (WAITS, "it failed: deadline")]
    {
        house.stage.mood(mood);
        house.stage.holds();
        let began = Instant::now();
        let (code, rule) = denied(echo.call::<Number>(&7).await);
        assert_eq!(code, "E-GUARD-NO-ANSWER");
        assert!(rule.contains(why), "{rule}");
        assert!(!rule.contains("Sundays"), "{rule}");
        assert!(began.elapsed() < Duration::from_secs(30), "it was given up");
    }
    house.stage.let_go();
    house.stage.mood(ALLOWS);
    assert_eq!(echo.call::<Number>(&7).await.unwrap(), 7, "one that is well again is asked again");
    policy.disable("ada", "").await.unwrap();
    let (code, rule) = denied(echo.call::<Number>(&7).await);
    assert_eq!(code, "E-GUARD-NO-ANSWER");
    assert!(rule.contains("no plugin of that name is active as a guard"), "{rule}");
    policy.enable("ada").await.unwrap();
    assert_eq!(echo.call::<Number>(&7).await.unwrap(), 7);
    // One that fails again and again is not asked for a while, and what it guards is not called.
    house.stage.mood(TRAPS);
    for _ in 0..5 {
        denied(echo.call::<Number>(&7).await);
    }
    house.stage.mood(ALLOWS);
    let (code, rule) = denied(echo.call::<Number>(&7).await);
    assert_eq!(code, "E-GUARD-NO-ANSWER");
    assert!(rule.contains("takes no calls now"), "{rule}");
}

#[tokio::test]
async fn an_answer_is_kept_for_as_long_as_it_says_and_of_the_same_question() {
    let (house, runtime, policy, echo) = guarded(|builder| builder, Policy { keep_ms: 60_000, ..POLICY }).await;
    for _ in 0..3 {
        echo.call::<Number>(&7).await.unwrap();
        echo.clone().for_principal("carol").call::<Number>(&7).await.unwrap();
    }
    assert_eq!(house.stage.notes().len(), 2, "once for each question");
    house.stage.mood(DENIES);
    echo.call::<Number>(&7).await.unwrap();
    // Another file of the guard is another guard.
    let offer = runtime.offer(&Policy { keep_ms: 59_999, ..POLICY }.source()).await.unwrap();
    policy.replace(offer, "ada").await.unwrap();
    denied(echo.call::<Number>(&7).await);
    house.stage.mood(ALLOWS);
    denied(echo.call::<Number>(&7).await);
    assert_eq!(house.stage.notes().len(), 3, "a denial is kept as well");
    policy.disable("ada", "").await.unwrap();
    let (code, _) = denied(echo.clone().for_principal("carol").call::<Number>(&7).await);
    assert_eq!(code, "E-GUARD-NO-ANSWER", "what was kept of a guard goes with it");
}

#[tokio::test]
async fn an_answer_is_not_kept_longer_than_the_host_keeps_answers() {
    let settings = GuardSettings { keep_ms_max: 0, ..GuardSettings::default() };
    let (house, _runtime, _policy, echo) = guarded(|builder| builder.guarding(settings), Policy { keep_ms: 60_000, ..POLICY }).await;
    echo.call::<Number>(&7).await.unwrap();
    echo.call::<Number>(&7).await.unwrap();
    assert_eq!(house.stage.notes().len(), 2);
}

#[tokio::test]
async fn guards_of_the_application_are_asked_first_and_of_native_plugins_too() {
    let asked: Arc<Mutex<Vec<Question>>> = Arc::default();
    let notes = asked.clone();
    let guard = move |question: &Question| {
        notes.lock().unwrap().push(question.clone());
        assert!(question.principal.as_deref() != Some("mallory"), "panics at some");
        if question.principal.is_some() { Decision::allow() } else { Decision::deny("nobody said for whom") }
    };
    let house = House::new();
    let builder = house.builder_without_files().guard("test:point/*", guard).guard_by("test:point/number", "test:policy");
    let runtime = builder.native::<Answer>("rules:twice", 0, |input: &u32| Ok(input * 2)).open().await.unwrap();
    let native = runtime.installations().remove(0);
    enabled(&runtime, &POLICY.source()).await;
    let echo = enabled(&runtime, &Guest::new(ECHO).named("test:echo", "").source()).await;
    denied(echo.call::<Number>(&7).await);
    assert_eq!(house.stage.notes(), [0; 0], "the first that does not allow it ends it");
    assert_eq!(echo.clone().for_principal("carol").call::<Number>(&7).await.unwrap(), 7);
    assert_eq!(house.stage.notes().len(), 1);
    let (code, rule) = denied(echo.for_principal("mallory").call::<Number>(&7).await);
    assert_eq!(code, "E-GUARD-NO-ANSWER");
    assert!(rule.contains("it panicked"), "{rule}");
    denied(native.call::<Answer>(&7).await);
    assert_eq!(native.for_principal("carol").call::<Answer>(&7).await.unwrap(), 14);
    let asked = asked.lock().unwrap();
    let last = asked.last().unwrap();
    assert_eq!((last.plugin.subject.package.as_str(), last.operation().as_str()), ("rules:twice", "test:point/answer@0.1.0"));
    assert_eq!((last.principal.as_deref(), last.callers.len()), (Some("carol"), 0));
}

#[tokio::test]
async fn a_guard_of_the_application_that_calls_what_it_guards_is_not_asked_again() {
    let slot: Arc<Mutex<Option<Installation>>> = Arc::default();
    struct Asks(Arc<Mutex<Option<Installation>>>);
    impl Guard for Asks {
        fn check<'a>(&'a self, _: &'a Question) -> Running<'a, Decision> {
            Box::pin(async move {
                let echo = self.0.lock().unwrap().clone().unwrap();
                match echo.call::<Number>(&1).await {
                    Ok(_) => Decision::allow(),
                    Err(error) => Decision::deny(error.denials()[0].code.clone()),
                }
            })
        }
    }
    let house = House::new();
    let runtime = house.builder_without_files().guard("test:point/number", Asks(slot.clone())).open().await.unwrap();
    let echo = enabled(&runtime, &Guest::new(ECHO).named("test:echo", "").source()).await;
    *slot.lock().unwrap() = Some(echo.clone());
    let (code, rule) = denied(echo.call::<Number>(&7).await);
    assert_eq!(code, "E-GUARD-DENIED");
    assert!(rule.contains("E-GUARD-"), "{rule}");
    // Whatever keeps the installation keeps the runtime.
    slot.lock().unwrap().take();
}

#[tokio::test]
async fn a_plugin_that_guards_itself_gets_its_try_after_its_breaker_opened() {
    let house = House::new();
    let breaker = breaker::Settings { faults: 2, window_ms: 60_000, open_ms: 50 };
    let runtime = house.builder_without_files().breaker(breaker).open().await.unwrap();
    let own = Policy { is_number: true, manifest: "[guards]\n\"test:point/number\" = \"self\"\n", ..POLICY };
    let number = enabled(&runtime, &own.source()).await;
    house.stage.mood(TRAPS);
    for _ in 0..3 {
        denied(number.call::<Number>(&7).await);
    }
    house.stage.mood(ALLOWS);
    let began = Instant::now();
    while number.call::<Number>(&7).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(30), "it stays shut");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_guard_is_not_blamed_for_its_callers_deadline() {
    let house = House::new();
    let runtime =
        house.builder_without_files().guarding(GuardSettings { answer_ms: 60_000, ..GuardSettings::default() }).open().await.unwrap();
    enabled(&runtime, &vault("\"test:policy\"").source()).await;
    let policy = enabled(&runtime, &POLICY.source()).await;
    let short = plugwork::Limits { deadline_ms: 200, ..plugwork::Limits::interactive() };
    let offer = runtime.offer(&caller(ASKS).source()).await.unwrap().limits(short);
    let grants = all_asked(&offer);
    let asks = runtime.install(offer, grants, Settings::default()).await.unwrap();
    asks.enable("ada").await.unwrap();
    house.stage.mood(WAITS);
    house.stage.holds();
    assert!(matches!(fault(asks.call::<Number>(&7).await), Fault::Deadline { .. }));
    house.stage.let_go();
    let faults = |installation: &Installation| {
        runtime.usage().iter().filter(|usage| usage.subject == *installation.subject()).map(|usage| usage.faults).sum::<u64>()
    };
    assert_eq!((faults(&asks), faults(&policy)), (1, 0));
}

#[tokio::test]
async fn one_that_is_installed_again_is_asked_again_and_one_with_a_name_is_nobodys_guard() {
    let (house, runtime, policy, echo) = guarded(|builder| builder, Policy { keep_ms: 60_000, ..POLICY }).await;
    echo.call::<Number>(&7).await.unwrap();
    policy.disable("ada", "").await.unwrap();
    policy.remove("ada").await.unwrap();
    let source = Policy { keep_ms: 60_000, ..POLICY }.source();
    let offer = runtime.offer(&source).await.unwrap().instance("staging");
    let grants = all_asked(&offer);
    let staging = runtime.install(offer, grants, Settings::default()).await.unwrap();
    staging.enable("ada").await.unwrap();
    assert_eq!(denied(echo.call::<Number>(&7).await).0, "E-GUARD-NO-ANSWER");
    house.stage.mood(DENIES);
    enabled(&runtime, &source).await;
    assert_eq!(denied(echo.call::<Number>(&7).await).0, "E-GUARD-DENIED", "what the one before said is forgotten");
}

#[tokio::test]
async fn another_version_without_its_guard_is_an_offer() {
    let house = House::new();
    let runtime = house.builder_without_files().open().await.unwrap();
    let geo = enabled(&runtime, &vault("\"test:policy\"").source()).await;
    let open = provider("acme:geo", COUNTS).named("acme:geo", "");
    let Replacement::Offered(offered) = geo.replace(runtime.offer(&open.source()).await.unwrap(), "ada").await.unwrap() else {
        panic!("nobody said that it may go unguarded")
    };
    assert_eq!(offered.capabilities, ["guards"]);
    let two = vault("[\"test:policy\", \"test:other\"]");
    assert!(matches!(geo.replace(runtime.offer(&two.source()).await.unwrap(), "ada").await.unwrap(), Replacement::Done(_)));
}

#[tokio::test]
async fn a_guard_that_is_named_has_to_be_one_that_is_asked() {
    let house = House::new();
    let runtime = house.builder_without_files().open().await.unwrap();
    let policy = accepted(&runtime, &POLICY.source()).await;
    let unguarded = runtime.offer(&provider("acme:geo", COUNTS).source()).await.unwrap().guard(&policy).accept().await.unwrap_err();
    assert!(unguarded.to_string().contains("nothing of `acme:geo` is guarded by `test:policy`"), "{unguarded}");
    let geo = accepted(&runtime, &provider("acme:geo", COUNTS).source()).await;
    let no_guard = runtime.offer(&vault("\"acme:geo\"").source()).await.unwrap().guard(&geo).accept().await.unwrap_err();
    assert!(no_guard.to_string().contains("is no guard"), "{no_guard}");
}

/// The lookup, guarded as its manifest says.
fn vault(guards: &str) -> Guest {
    provider("acme:geo", COUNTS).named("acme:geo", &format!("[guards]\n\"acme:geo/lookup\" = {guards}\n"))
}

#[tokio::test]
async fn a_plugin_is_guarded_by_whom_its_manifest_names_also_where_plugins_call_it() {
    let house = House::new();
    let runtime = house.builder_without_files().open().await.unwrap();
    let geo = vault("\"test:policy\"");
    enabled(&runtime, &geo.source()).await;
    let asks = enabled(&runtime, &caller(ASKS).source()).await;
    let Fault::Callee { plugin, message, .. } = fault(asks.call::<Number>(&7).await) else { panic!("its callee's") };
    assert_eq!(plugin, "acme:geo");
    assert!(message.contains("E-GUARD-NO-ANSWER"), "{message}");
    enabled(&runtime, &POLICY.source()).await;
    assert_eq!(asks.clone().for_principal("erin").call::<Number>(&7).await.unwrap(), 107);
    assert_eq!(house.stage.notes(), [1_000 + u32::from(b'e')], "one caller, on behalf of whom the application named");
    let mut session = asks.session::<Number>().await.unwrap();
    assert_eq!(session.call_input(&7).await.unwrap(), 107);
    house.stage.mood(DENIES);
    let Fault::Callee { message, .. } = fault(session.call_input(&7).await) else { panic!("its callee's") };
    assert!(message.contains("E-GUARD-DENIED"), "{message}");
    assert_eq!(house.stage.notes().len(), 3, "each call of an instance that is there already, too");
}

#[tokio::test]
async fn a_plugin_may_guard_itself() {
    let house = House::new();
    let runtime = house.builder_without_files().open().await.unwrap();
    let own = Policy { is_number: true, manifest: "[guards]\n\"test:point/number\" = \"self\"\n", ..POLICY };
    let number = enabled(&runtime, &own.source()).await;
    assert_eq!(number.call::<Number>(&7).await.unwrap(), 7);
    house.stage.mood(DENIES);
    let (code, rule) = denied(number.call::<Number>(&7).await);
    assert_eq!(code, "E-GUARD-DENIED");
    assert!(rule.contains("its guard `test:policy`"), "{rule}");
    // Also as a version by itself.
    let version = accepted(&runtime, &own.source()).await;
    denied(version.call::<Number>(&7).await);
}

#[tokio::test]
async fn a_guard_that_the_application_names_is_asked_instead_of_who_is_installed() {
    let house = House::new();
    let runtime = house.builder_without_files().open().await.unwrap();
    let policy = accepted(&runtime, &POLICY.source()).await;
    let geo = runtime.offer(&vault("\"test:policy\"").source()).await.unwrap().guard(&policy).accept().await.unwrap();
    let asks = runtime.offer(&caller(ASKS).source()).await.unwrap().wire(&geo).accept().await.unwrap();
    assert_eq!(asks.call::<Number>(&7).await.unwrap(), 107);
    assert_eq!(house.stage.notes(), [1_000]);
    let offer = runtime.offer(&vault("\"test:policy\"").source()).await.unwrap().guard(&policy);
    let refused = runtime.install(offer, plugwork::Grants::none(), Settings::default()).await.unwrap_err();
    assert!(refused.to_string().contains("no record says with whom"), "{refused}");
    let offer = runtime.offer(&vault("\"test:policy\"").source()).await.unwrap().tenant("other").guard(&policy);
    assert_eq!(offer.accept().await.unwrap_err().kind(), ErrorKind::Invalid, "a guard of another tenant");
}

#[tokio::test]
async fn a_guard_that_would_be_asked_because_it_is_asked_allows_nothing() {
    let house = House::new();
    let runtime = house.builder_without_files().open().await.unwrap();
    enabled(&runtime, &vault("\"test:policy\"").source()).await;
    let policy = Policy { looks_up: true, manifest: CALL, ..POLICY };
    enabled(&runtime, &policy.source()).await;
    let asks = enabled(&runtime, &caller(ASKS).source()).await;
    let Fault::Callee { message, .. } = fault(asks.call::<Number>(&7).await) else { panic!("its callee's") };
    assert!(message.contains("E-GUARD-NO-ANSWER") && message.contains("it failed: callee"), "{message}");
    assert_eq!(house.stage.notes(), [1_000], "asked once");
    // A guard that depends on somebody whom it does not guard is well.
    let house = House::new();
    let runtime = house.builder_without_files().guard_by("test:point/number", "test:policy").open().await.unwrap();
    enabled(&runtime, &provider("acme:geo", COUNTS).source()).await;
    enabled(&runtime, &policy.source()).await;
    let echo = enabled(&runtime, &Guest::new(ECHO).named("test:echo", "").source()).await;
    assert_eq!(echo.call::<Number>(&7).await.unwrap(), 7);
}

#[tokio::test]
async fn what_is_guarded_is_not_made_one_with_its_callers() {
    let house = House::new();
    let runtime = house.builder_without_files().open().await.unwrap();
    let geo = accepted(&runtime, &vault("\"test:policy\"").source()).await;
    let offer = runtime.offer(&caller(ASKS).named("acme:caller", CALL).source()).await.unwrap();
    let (code, rule) = denied(offer.fuse(&geo).await);
    assert_eq!(code, "E-WIRE-FUSE-GUARDED");
    assert!(rule.contains("is guarded by test:policy"), "{rule}");
}

#[tokio::test]
async fn a_manifest_that_has_guarded_what_is_not_there_is_refused() {
    let house = House::new();
    let runtime = house.builder_without_files().open().await.unwrap();
    for (guards, at) in
        [("\"acme:geo/seals\" = \"test:policy\"", "guards.acme:geo/seals"), ("\"acme:geo/lookup\" = \"self\"", "guards.acme:geo/lookup")]
    {
        let guest = provider("acme:geo", COUNTS).named("acme:geo", &format!("[guards]\n{guards}\n"));
        let error = runtime.offer(&guest.source()).await.unwrap().accept().await.unwrap_err();
        assert_eq!((error.kind(), error.issues()[0].at.as_str()), (ErrorKind::Manifest, at), "{error}");
    }
    for pattern in ["acme", "acme:geo/lookup@1.0.0", "plugwork:points/guard", "acme:geo/l*"] {
        let error = house.builder_without_files().guard(pattern, |_: &Question| Decision::allow()).open().await.err().unwrap();
        assert_eq!(error.issues().len(), 1, "{pattern}: {error}");
    }
    let error = house.builder_without_files().guard_by("acme:geo/lookup", "policy").open().await.err().unwrap();
    assert!(error.to_string().contains("`policy` is not a package name"), "{error}");
}

//! More plugins than fit: who is unloaded and comes back, and what ends when the runtime does. What there is too little of is in `scarcity`.
//!
//! May be misread: what is loaded is counted when it is looked at, and a plugin that goes may still be on its way out; so tests that count wait
//! until those are gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use plugwork::capability::{Capability, Configured, Prepare};
use plugwork::core::record::Settings;
use plugwork::core::{InterfaceName, Issue};
use plugwork::wasmtime::component::Linker;
use plugwork::wasmtime::{self, StoreContextMut};
use plugwork::{Allocation, ErrorKind, Grants, Installation, Limits, Preload, Resident, Runtime, Source, Start, State, Subject};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use crate::guest::Guest;
use crate::starting::{Left, key};
use crate::world::Number;

/// The capability `gate`: a guest that comes to it waits until it is let through.
#[derive(Clone)]
pub(crate) struct Gate {
    places: Arc<Semaphore>,
    pub(crate) inside: Arc<AtomicUsize>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(0)), inside: Arc::default() }
    }
}

impl Capability for Gate {
    fn name(&self) -> &'static str {
        "gate"
    }

    fn interfaces(&self) -> &'static [&'static str] {
        &["test:host/gate"]
    }

    fn configure(&self, _: &Subject, _: &Map<String, Value>) -> Result<Box<dyn Configured>, Issue> {
        Ok(Box::new(self.clone()))
    }
}

impl Configured for Gate {
    fn link(&self, interface: &InterfaceName, linker: &mut Linker<State>) -> wasmtime::Result<()> {
        let gate = self.clone();
        linker.instance(&interface.to_string())?.func_wrap_async("wait", move |_: StoreContextMut<'_, State>, (): ()| {
            let gate = gate.clone();
            Box::new(async move {
                gate.inside.fetch_add(1, Ordering::SeqCst);
                let place = gate.places.acquire().await;
                gate.inside.fetch_sub(1, Ordering::SeqCst);
                place.map(tokio::sync::SemaphorePermit::forget).map_err(wasmtime::Error::msg)
            })
        })
    }

    fn prepare(&self, _: &mut Prepare<'_>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl Gate {
    /// Until so many guests wait at it.
    pub(crate) async fn holds(&self, guests: usize) {
        until(|| self.inside.load(Ordering::SeqCst) == guests).await;
    }

    pub(crate) fn open(&self, guests: usize) {
        self.places.add_permits(guests);
    }
}

/// Until it is so. Not a measure of speed: what has not come after so long never comes.
pub(crate) async fn until(so: impl Fn() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < Duration::from_secs(120), "it never comes");
        tokio::task::yield_now().await;
    }
}

/// Waits at the gate, then gives its input back.
pub(crate) fn waiting() -> Guest {
    Guest::new(r#"(import "host" "wait" (func $wait)) (func (export "run") (param i32) (result i32) (call $wait) local.get 0)"#)
        .import(r#"(import "test:host/gate@0.1.0" (instance $gate (export "wait" (func))))"#)
        .host("wait", "$gate")
        .manifest("[permissions.gate]\n")
}

/// Its number plus its input.
pub(crate) fn plus(number: u32) -> Guest {
    Guest::new(&format!(r#"(func (export "run") (param i32) (result i32) (i32.add (local.get 0) (i32.const {number})))"#))
}

pub(crate) fn patient() -> Limits {
    Limits { deadline_ms: 60_000, ..Limits::interactive() }
}

pub(crate) async fn install(runtime: &Runtime, name: &str, source: &Source, limits: Limits) -> Installation {
    let offer = runtime.offer(source).await.unwrap().instance(name).limits(limits);
    let grants = offer.manifest().map(Grants::all_asked).unwrap_or_default();
    let installation = runtime.install(offer, grants, Settings::default()).await.unwrap();
    installation.enable("test").await.unwrap();
    installation
}

fn loaded(runtime: &Runtime) -> usize {
    runtime.status().iter().filter(|status| status.loaded).count()
}

/// Ten plugins that are called in turn: each answers, and never more are loaded than this.
async fn ten_in_turn(resident: Resident, most: usize) {
    let state = tempfile::tempdir().unwrap();
    let runtime = Runtime::builder(state.path()).allocation(Allocation::OnDemand).resident(resident).open().await.unwrap();
    let mut installations = Vec::new();
    for number in 0..10 {
        installations.push(install(&runtime, &format!("p{number}"), &plus(number).source(), patient()).await);
    }
    assert_eq!(runtime.cache_counts().compiled, 10);
    for round in 0..3 {
        for (number, installation) in (0..).zip(&installations) {
            assert_eq!(installation.call::<Number>(&round).await.unwrap(), number + round);
            assert!(loaded(&runtime) <= most, "{} are loaded", loaded(&runtime));
        }
        until(|| runtime.capacity().0.loaded <= most as u64).await;
    }
    let counts = runtime.cache_counts();
    assert_eq!((counts.compiled, counts.rejected), (10, 0), "what comes back is not compiled again");
    assert!(counts.disk_hits + counts.memory_hits >= 20, "{counts:?}");
    assert_eq!(runtime.point::<Number>().len(), 10, "all are active all the time");
}

#[tokio::test]
async fn no_more_plugins_are_loaded_than_may_be_and_each_still_answers() {
    ten_in_turn(Resident { plugins: Some(3), ..Resident::default() }, 3).await;
}

#[tokio::test]
async fn no_more_code_is_loaded_than_may_be_and_one_that_is_larger_alone_still_answers() {
    ten_in_turn(Resident { code_bytes: 1, ..Resident::default() }, 1).await;
    // More bytes than a weight can say: the number of plugins still binds.
    ten_in_turn(Resident { plugins: Some(2), code_bytes: u64::MAX, ..Resident::default() }, 2).await;
}

#[tokio::test]
async fn the_one_used_last_stays() {
    let left = Left::default();
    for name in ["a", "b", "c"] {
        left.with_echo(name).await;
    }
    let runtime = left.builder().resident(Resident { plugins: Some(2), ..Resident::default() }).open().await.unwrap();
    let started = runtime.start(Start { preload: Preload::Critical, ..Start::default() }).await.unwrap();
    assert_eq!((started.active, loaded(&runtime)), (3, 0));
    let call = async |name| runtime.installation(&key(name)).unwrap().call::<Number>(&1).await.unwrap();
    for name in ["a", "b"] {
        call(name).await;
    }
    // Used again, a second later by the clock that use goes by.
    let used = || runtime.status().into_iter().find(|status| status.key == key("a")).unwrap().used_ms_ago.unwrap();
    until(|| used() >= 1_000).await;
    call("a").await;
    call("c").await;
    let names: Vec<_> = runtime.status().into_iter().filter(|status| status.loaded).map(|status| status.key).collect();
    assert_eq!(names, [key("a"), key("c")]);
}

#[tokio::test]
async fn a_call_under_way_in_a_plugin_that_is_unloaded_comes_to_its_end() {
    let gate = Gate::default();
    let resident = Resident { plugins: Some(1), ..Resident::default() };
    let builder = Runtime::in_memory().allocation(Allocation::OnDemand).provide(gate.clone()).resident(resident);
    let runtime = builder.open().await.unwrap();
    let slow = install(&runtime, "slow", &waiting().source(), patient()).await;
    let call = tokio::spawn(async move { slow.call::<Number>(&7).await });
    gate.holds(1).await;
    let other = install(&runtime, "other", &plus(1).source(), patient()).await;
    assert_eq!(other.call::<Number>(&1).await.unwrap(), 2);
    let of = |name: &str| runtime.status().into_iter().find(|status| status.key.instance == name).unwrap();
    assert!(!of("slow").loaded && of("other").loaded);
    assert_eq!(runtime.capacity().0.loaded, 2, "the one that drains is counted");
    gate.open(2);
    assert_eq!(call.await.unwrap().unwrap(), 7);
    until(|| runtime.capacity().0.loaded == 1).await;
    // It comes back for the next call, with the consent that nobody recorded.
    let again = runtime.installation(&of("slow").key).unwrap();
    assert_eq!(again.call::<Number>(&8).await.unwrap(), 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plugins_that_push_each_other_out_all_get_on() {
    let left = Left::default();
    for number in 0..6 {
        left.with_echo(&format!("p{number}")).await;
    }
    let runtime = left.builder().resident(Resident { plugins: Some(1), ..Resident::default() }).open().await.unwrap();
    runtime.start(Start { preload: Preload::Critical, ..Start::default() }).await.unwrap();
    let callers = (0..6).map(|caller| {
        let runtime = runtime.clone();
        tokio::spawn(async move {
            for round in 0..30 {
                let name = format!("p{}", (caller + round) % 6);
                assert_eq!(runtime.installation(&key(&name)).unwrap().call::<Number>(&round).await.unwrap(), round);
            }
        })
    });
    for caller in join_all(callers).await {
        caller.unwrap();
    }
    until(|| runtime.capacity().0.loaded <= 1).await;
}

#[tokio::test]
async fn what_is_installed_and_not_enabled_makes_room_too() {
    let resident = Resident { plugins: Some(2), ..Resident::default() };
    let runtime = Runtime::in_memory().allocation(Allocation::OnDemand).resident(resident).open().await.unwrap();
    let mut installations = Vec::new();
    for number in 0..6 {
        let offer = runtime.offer(&plus(number).source()).await.unwrap().instance(&format!("p{number}"));
        installations.push(runtime.install(offer, Grants::none(), Settings::default()).await.unwrap());
    }
    assert!(runtime.capacity().0.loaded <= 2, "{:?}", runtime.capacity().0);
    for (number, installation) in (0..).zip(&installations) {
        installation.enable("test").await.unwrap();
        assert_eq!(installation.call::<Number>(&1).await.unwrap(), number + 1);
    }
}

#[tokio::test]
async fn closing_waits_for_calls_and_no_longer_than_it_may_for_sessions() {
    let gate = Gate::default();
    let builder = Runtime::in_memory().allocation(Allocation::OnDemand).provide(gate.clone()).drain(Duration::from_millis(200));
    let runtime = builder.open().await.unwrap();
    let slow = install(&runtime, "slow", &waiting().source(), patient()).await;
    let with_session = install(&runtime, "with-session", &plus(1).source(), patient()).await;
    let call = tokio::spawn({
        let slow = slow.clone();
        async move { slow.call::<Number>(&7).await }
    });
    gate.holds(1).await;
    let closing = tokio::spawn(runtime.clone().close());
    until(|| runtime.point::<Number>().is_empty()).await;
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert!(!closing.is_finished(), "a call is under way");
    // Nothing begins any more, loaded or not.
    for installation in [&slow, &with_session] {
        let error = installation.call::<Number>(&1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    }
    gate.open(1);
    assert_eq!(call.await.unwrap().unwrap(), 7);
    closing.await.unwrap().unwrap();

    let runtime = Runtime::in_memory().allocation(Allocation::OnDemand).drain(Duration::from_millis(50)).open().await.unwrap();
    let with_session = install(&runtime, "with-session", &plus(1).source(), patient()).await;
    let mut session = with_session.session::<Number>().await.unwrap();
    assert_eq!(session.call_input(&1).await.unwrap(), 2);
    runtime.clone().close().await.unwrap();
    // Kept and never called: it is taken back all the same.
    until(|| session.has_ended()).await;
    let error = session.call_input(&1).await.unwrap_err();
    assert!(error.to_string().contains("its plugin was replaced, disabled or removed"), "{error}");
}

/// Three plugins of which two can be loaded.
async fn two_of_three(left: &Left) -> Runtime {
    for name in ["a", "b", "c"] {
        left.with_echo(name).await;
    }
    let runtime = left.builder().resident(Resident { plugins: Some(2), ..Resident::default() }).open().await.unwrap();
    runtime.start(Start { preload: Preload::Critical, ..Start::default() }).await.unwrap();
    runtime
}

fn names_loaded(runtime: &Runtime) -> Vec<String> {
    let loaded = runtime.status().into_iter().filter(|status| status.loaded);
    loaded.map(|status| status.key.package.as_str().strip_prefix("test:").unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_plugin_with_an_open_session_stays_while_others_can_go() {
    let left = Left::default();
    let runtime = two_of_three(&left).await;
    let plugin = |name| runtime.installation(&key(name)).unwrap();
    let mut session = plugin("a").session::<Number>().await.unwrap();
    for name in ["b", "c", "b", "c"] {
        plugin(name).call::<Number>(&1).await.unwrap();
        assert!(names_loaded(&runtime).contains(&"a".to_owned()), "{:?}", names_loaded(&runtime));
    }
    assert_eq!(session.call_input(&7).await.unwrap(), 7);
    // Ended, it is a plugin like any other: `b` is older than `a` no more.
    session.end().await;
    for name in ["b", "c"] {
        plugin(name).call::<Number>(&1).await.unwrap();
    }
    assert_eq!(names_loaded(&runtime), ["b", "c"]);
}

#[tokio::test]
async fn where_all_have_sessions_the_one_whose_session_was_used_longest_ago_goes() {
    let left = Left::default();
    let runtime = two_of_three(&left).await;
    let plugin = |name| runtime.installation(&key(name)).unwrap();
    let mut first = plugin("a").session::<Number>().await.unwrap();
    let mut second = plugin("b").session::<Number>().await.unwrap();
    // Later, by the clock that use goes by.
    let used = || runtime.status().into_iter().find(|status| status.key == key("b")).unwrap().used_ms_ago.unwrap();
    until(|| used() >= 200).await;
    assert_eq!(first.call_input(&1).await.unwrap(), 1);
    let third = plugin("c").session::<Number>().await.unwrap();
    assert_eq!(names_loaded(&runtime), ["a", "c"]);
    // It drains as after a replacement: its session may go on meanwhile.
    assert_eq!(second.call_input(&2).await.unwrap(), 2);
    for session in [first, second, third] {
        session.end().await;
    }
    until(|| runtime.capacity().0.loaded == 2).await;
}

#[tokio::test]
async fn calls_of_a_session_are_uses_of_its_plugin() {
    let left = Left::default();
    let runtime = two_of_three(&left).await;
    let mut session = runtime.installation(&key("a")).unwrap().session::<Number>().await.unwrap();
    let used = || runtime.status().into_iter().find(|status| status.key == key("a")).unwrap().used_ms_ago.unwrap();
    until(|| used() >= 1_000).await;
    session.call_input(&1).await.unwrap();
    assert!(used() < 1_000, "{}", used());
}

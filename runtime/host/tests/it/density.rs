//! More plugins than fit: who is unloaded and comes back, what is refused before the kernel would, and that one plugin's queue is its own.
//!
//! May be misread: what is loaded is counted when it is looked at, and a plugin that goes may still be on its way out; so tests that count wait
//! until those are gone.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use plugwork::capability::{Capability, Configured, Prepare};
use plugwork::core::capacity::Resource;
use plugwork::core::record::Settings;
use plugwork::core::{InterfaceName, Issue};
use plugwork::log::Level;
use plugwork::wasmtime::component::Linker;
use plugwork::wasmtime::{self, StoreContextMut};
use plugwork::{Allocation, Error, ErrorKind, Grants, Installation, Limits, Preload, Resident, Runtime, Source, Start, State, Subject};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use crate::guest::Guest;
use crate::starting::{Left, key};
use crate::world::{Number, Recorder, grant};

/// The capability `gate`: a guest that comes to it waits until it is let through.
#[derive(Clone)]
struct Gate {
    places: Arc<Semaphore>,
    inside: Arc<AtomicUsize>,
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
    async fn holds(&self, guests: usize) {
        until(|| self.inside.load(Ordering::SeqCst) == guests).await;
    }

    fn open(&self, guests: usize) {
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
fn waiting() -> Guest {
    Guest::new(r#"(import "host" "wait" (func $wait)) (func (export "run") (param i32) (result i32) (call $wait) local.get 0)"#)
        .import(r#"(import "test:host/gate@0.1.0" (instance $gate (export "wait" (func))))"#)
        .host("wait", "$gate")
        .manifest("[permissions.gate]\n")
}

/// Its number plus its input.
fn plus(number: u32) -> Guest {
    Guest::new(&format!(r#"(func (export "run") (param i32) (result i32) (i32.add (local.get 0) (i32.const {number})))"#))
}

fn patient() -> Limits {
    Limits { deadline_ms: 60_000, ..Limits::interactive() }
}

async fn install(runtime: &Runtime, name: &str, source: &Source, limits: Limits) -> Installation {
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

const FEW_DESCRIPTORS: &str = "PLUGWORK_TEST_FEW_DESCRIPTORS";

/// Runs a test of this file again, in a process that may have few descriptors; true in that process.
fn has_few_descriptors(test: &str) -> bool {
    use rustix::process::{Rlimit, setrlimit};
    if std::env::var_os(FEW_DESCRIPTORS).is_some() {
        setrlimit(rustix::process::Resource::Nofile, Rlimit { current: Some(150), maximum: Some(200) }).unwrap();
        return true;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("density::{test}"), "--nocapture"]);
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
    let late = runtime.offer(&plus(1).source()).await.unwrap().limits(Limits { deadline_ms: 20, ..Limits::interactive() });
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

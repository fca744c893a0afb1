//! Memory maps run out, for real: each test runs itself again in a process of its own and fills that with maps until few are left.
//!
//! The maps are memories of an engine of the test's own, two each. May be misread: past the kernel's limit it is not our code that fails first but
//! whatever maps next, and that may be `malloc`; so what is promised is that a plugin is refused well before.

use std::process::{Command, Stdio};

use futures::future::join_all;
use plugwork::core::capacity::{Held, INSTANCE_MAPS, LOADED_MAPS, MAPS_RESERVE, Resource};
use plugwork::log::Level;
use plugwork::wasmtime::{Config, Engine, InstanceAllocationStrategy, Memory, MemoryType, Store};
use plugwork::{Allocation, Error, ErrorKind, Limits, Runtime};

use crate::density::{Gate, install, patient, plus, waiting};
use crate::world::{Number, Recorder};

const FEW_MAPS: &str = "PLUGWORK_TEST_FEW_MAPS";
/// Memories that one store may have.
const EACH: usize = 10_000;
/// Maps that are left for plugins.
const LEFT: u64 = 400;

/// Runs a test of this file again, in a process of its own; true in that process.
fn has_a_process_of_its_own(test: &str) -> bool {
    if std::env::var_os(FEW_MAPS).is_some() {
        return true;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("maps::{test}"), "--nocapture"]);
    let output = command.env(FEW_MAPS, "1").stdin(Stdio::null()).output().unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.contains("1 passed"), "{}: {told}", output.status);
    false
}

fn maps() -> u64 {
    std::fs::read_to_string("/proc/self/maps").unwrap().lines().count() as u64
}

fn maps_max() -> u64 {
    std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap().trim().parse().unwrap()
}

/// Memory maps for as long as it lives.
struct Filler {
    engine: Engine,
    stores: Vec<Store<()>>,
    held: usize,
}

impl Filler {
    fn new() -> Self {
        let mut config = Config::new();
        config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
        config.memory_reservation(64 << 10).memory_guard_size(64 << 10).memory_reservation_for_growth(0);
        Self { engine: Engine::new(&config).unwrap(), stores: Vec::new(), held: 0 }
    }

    /// One more memory; false where there is no room for its maps.
    fn one_more(&mut self) -> bool {
        if self.held.is_multiple_of(EACH) {
            self.stores.push(Store::new(&self.engine, ()));
        }
        let made = Memory::new(self.stores.last_mut().unwrap(), MemoryType::new(1, Some(1))).is_ok();
        self.held += usize::from(made);
        made
    }

    /// Until about so many maps are left, and not fewer.
    fn leave(&mut self, left: u64) {
        let most = maps_max() - left;
        loop {
            let missing = most.saturating_sub(maps());
            // Two each, or three.
            if missing < 6 {
                return;
            }
            for _ in 0..(missing / 3).max(1) {
                assert!(self.one_more(), "the kernel says no at {} of {}", maps(), maps_max());
            }
        }
    }
}

#[tokio::test]
async fn plugins_and_instances_are_refused_before_maps_run_out_and_the_host_goes_on() {
    if !has_a_process_of_its_own("plugins_and_instances_are_refused_before_maps_run_out_and_the_host_goes_on") {
        return;
    }
    let mut filler = Filler::new();
    filler.leave(MAPS_RESERVE + LEFT);
    let log = Recorder::default();
    let runtime = Runtime::in_memory().allocation(Allocation::OnDemand).log(log.clone()).open().await.unwrap();
    let (_, capacity) = runtime.capacity();
    assert!((LEFT / 2..=LEFT + 6).contains(&capacity.maps_max), "{capacity:?}");
    let before = maps();
    let many = Limits { instances: 100_000, ..patient() };
    let first = install(&runtime, "first", &plus(0).source(), many).await;
    let is_scarce = |error: &Error| {
        let scarce = error.scarcity().unwrap_or_else(|| panic!("{error:?}"));
        assert_eq!((error.kind(), scarce.what, scarce.code()), (ErrorKind::Unavailable, Resource::Maps, "E-CAPACITY-MAPS"));
        assert!(error.to_string().contains("hint: `sysctl -w vm.max_map_count"), "{error}");
    };
    let mut sessions = Vec::new();
    loop {
        match first.session::<Number>().await {
            Ok(session) => sessions.push(session),
            Err(error) => break is_scarce(&error),
        }
        assert!(sessions.len() < 10_000, "it is never refused");
    }
    // As many as were promised, and not more maps than were reckoned with.
    let held = sessions.len() as u64;
    assert!(held * INSTANCE_MAPS + LOADED_MAPS + INSTANCE_MAPS > capacity.maps_max, "{held} of {capacity:?}");
    let taken = maps().saturating_sub(before);
    assert!(taken <= capacity.maps_max + 100, "{taken} maps were taken where {} were reckoned with", capacity.maps_max);
    // A plugin takes fewer maps than an instance, so one more may fit.
    let mut loaded = Vec::new();
    loop {
        let number = u32::try_from(loaded.len()).unwrap() + 1;
        match runtime.offer(&plus(number).source()).await.unwrap().accept().await {
            Ok(plugin) => loaded.push(plugin),
            Err(error) => break is_scarce(&error),
        }
        assert!(number < 3, "it is never refused");
    }
    is_scarce(&first.call::<Number>(&1).await.unwrap_err());
    // The host has what was left to it: threads, files, memory.
    let threads: Vec<_> = (0..8).map(|number| std::thread::spawn(move || vec![number; 1 << 20].len())).collect();
    assert!(threads.into_iter().all(|thread| thread.join().unwrap() == 1 << 20));
    let near = log.records().into_iter().filter(|(level, message)| *level == Level::Warn && message.contains("memory maps")).count();
    assert_eq!(near, 1, "told once: {:?}", log.records());
    for session in &mut sessions {
        assert_eq!(session.call_input(&3).await.unwrap(), 3);
    }
    drop((sessions, loaded));
    assert_eq!(first.call::<Number>(&5).await.unwrap(), 5);
    let second = install(&runtime, "second", &plus(70_000).source(), patient()).await;
    assert_eq!(second.call::<Number>(&5).await.unwrap(), 70_005);
    runtime.close().await.unwrap();
}

#[tokio::test]
async fn a_kernel_that_gives_no_more_maps_is_an_error_of_the_hosts_and_calls_go_on_after_it() {
    if !has_a_process_of_its_own("a_kernel_that_gives_no_more_maps_is_an_error_of_the_hosts_and_calls_go_on_after_it") {
        return;
    }
    let runtime = Runtime::in_memory().allocation(Allocation::OnDemand).open().await.unwrap();
    let plugin = install(&runtime, "first", &plus(1).source(), patient()).await;
    assert_eq!(plugin.call::<Number>(&1).await.unwrap(), 2);
    let mut filler = Filler::new();
    // Somebody else in the process takes what was left for everybody.
    filler.leave(200);
    while filler.one_more() {}
    let mut refused = 0;
    for _ in 0..50 {
        match plugin.call::<Number>(&1).await {
            Ok(answer) => assert_eq!(answer, 2),
            Err(error) => {
                assert_eq!((error.kind(), error.fault()), (ErrorKind::Engine, None), "{error:?}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "at {} of {} maps", maps(), maps_max());
    drop(filler);
    for _ in 0..50 {
        assert_eq!(plugin.call::<Number>(&1).await.unwrap(), 2);
    }
    assert_eq!(runtime.status()[0].breaker, "closed");
    runtime.close().await.unwrap();
}

#[tokio::test]
async fn where_maps_run_out_warm_instances_that_nobody_uses_go_first() {
    if !has_a_process_of_its_own("where_maps_run_out_warm_instances_that_nobody_uses_go_first") {
        return;
    }
    let mut filler = Filler::new();
    filler.leave(MAPS_RESERVE + LEFT);
    let gate = Gate::default();
    let runtime = Runtime::in_memory().allocation(Allocation::OnDemand).provide(gate.clone()).open().await.unwrap();
    let (_, capacity) = runtime.capacity();
    let source = waiting().manifest("[permissions.gate]\n[permissions.engine]\nreuse-calls = 1000\n").source();
    // Each leaves as many warm instances as are kept; of all together there would be far more than fit.
    let (plugins, at_once) = (12, 16);
    assert!(capacity.check(Held { loaded: plugins, instances: plugins * at_once }).is_err(), "{capacity:?}");
    for number in 0..plugins {
        let plugin = install(&runtime, &format!("p{number}"), &source, patient()).await;
        let calls: Vec<_> = (0..16)
            .map(|input| {
                let plugin = plugin.clone();
                tokio::spawn(async move { plugin.call::<Number>(&input).await.unwrap() })
            })
            .collect();
        gate.holds(16).await;
        gate.open(16);
        assert!(join_all(calls).await.into_iter().map(Result::unwrap).eq(0..16));
        assert!(capacity.check(runtime.capacity().0).is_ok(), "{:?}", runtime.capacity());
    }
    runtime.close().await.unwrap();
}

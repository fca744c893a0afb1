//! Generated plugins under random grants: modules that a generator made, wrapped as components with a host function to call and an export to be called.
//!
//! The oracle counts calls that reach the host: without the grant none may. Everything else has to end in an answer or in a typed error, within
//! the limits. What a reader may get wrong: most generated bodies trap early; that is why the generator gets thousands of them.

use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arbitrary::Unstructured;
use bolero::check;
use plugwork::capability::{Capability, Configured, Prepare};
use plugwork::core::capacity::Resource;
use plugwork::core::{InterfaceName, Issue};
use plugwork::wasmtime::component::Linker;
use plugwork::wasmtime::{self, StoreContextMut};
use plugwork::{Allocation, ErrorKind, Grants, Limits, Runtime, Source, State, Subject};
use serde_json::{Map, Value, json};
use wasm_smith::{Config, Module};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::world::{Number, grant};

/// Seconds, where `PLUGWORK_FUZZ_SECONDS` names no other number: for longer runs by hand.
const BUDGET_SECONDS: u64 = 3;
const LIMITS: Limits = Limits { deadline_ms: 25, memory_bytes: 2 << 20, ..Limits::batch() };

/// A host function that counts who reaches it.
#[derive(Clone, Default)]
struct Oracle(Arc<AtomicU64>);

impl Capability for Oracle {
    fn name(&self) -> &'static str {
        "oracle"
    }

    fn interfaces(&self) -> &'static [&'static str] {
        &["test:host/oracle"]
    }

    fn configure(&self, _: &Subject, _: &Map<String, Value>) -> Result<Box<dyn Configured>, Issue> {
        Ok(Box::new(self.clone()))
    }
}

impl Configured for Oracle {
    fn link(&self, interface: &InterfaceName, linker: &mut Linker<State>) -> wasmtime::Result<()> {
        let reached = self.0.clone();
        linker.instance(&interface.to_string())?.func_wrap("reach", move |mut store: StoreContextMut<'_, State>, (): ()| {
            store.data_mut().count_host_call();
            Ok((reached.fetch_add(1, Ordering::Relaxed) as u32,))
        })
    }

    fn prepare(&self, _: &mut Prepare<'_>) -> wasmtime::Result<()> {
        Ok(())
    }
}

fn generator() -> Config {
    let shape = |text: &str| Some(wat::parse_str(text).unwrap());
    Config {
        available_imports: shape(r#"(module (import "test:host/oracle@0.1.0" "reach" (func (result i32))))"#),
        exports: shape(r#"(module (func (export "test:point/number@0.1.0#run") (param i32) (result i32) i32.const 0))"#),
        min_imports: 1,
        max_memories: 4,
        max_memory32_bytes: 64 << 20,
        gc_enabled: false,
        exceptions_enabled: false,
        threads_enabled: false,
        memory64_enabled: false,
        relaxed_simd_enabled: false,
        tail_call_enabled: true,
        allow_start_export: true,
        ..Config::default()
    }
}

/// The generated module as a component; `None` where it has not what a component needs.
fn component(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut module = Module::new(generator(), &mut Unstructured::new(bytes)).ok()?.to_bytes();
    let mut resolve = Resolve::new();
    resolve.push_str("host.wit", "package test:host@0.1.0; interface oracle { reach: func() -> u32; }").unwrap();
    resolve.push_str("point.wit", "package test:point@0.1.0; interface number { run: func(input: u32) -> u32; }").unwrap();
    let world = "package test:smith; world guest { import test:host/oracle@0.1.0; export test:point/number@0.1.0; }";
    let package = resolve.push_str("smith.wit", world).unwrap();
    let world = resolve.select_world(&[package], Some("guest")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).ok()?;
    ComponentEncoder::default().module(&module).ok()?.encode().ok()
}

#[test]
fn a_generated_plugin_reaches_nothing_ungranted_and_stays_within_its_limits() {
    let seconds = std::env::var("PLUGWORK_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(BUDGET_SECONDS);
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let oracle = Oracle::default();
    let builder = Runtime::in_memory().allocation(Allocation::OnDemand).provide(oracle.clone()).limits(LIMITS);
    let runtime = tokio.block_on(builder.open()).unwrap();
    let (tried, reached) = (AtomicU64::new(0), AtomicU64::new(0));
    let bench = AssertUnwindSafe((tokio, runtime, oracle));
    let counts = AssertUnwindSafe((&tried, &reached));
    let counts = &counts;
    check!().with_type::<(bool, u32, Vec<u8>)>().with_test_time(Duration::from_secs(seconds)).with_max_len(4_096).for_each(
        |(granted, input, bytes)| {
            let ((tokio, runtime, oracle), (tried, reached)) = (&*bench, &**counts);
            let Some(component) = component(bytes) else { return };
            let before = oracle.0.load(Ordering::Relaxed);
            tokio.block_on(async {
                // The reader may refuse what the generator made: it is the stricter of the two.
                let Ok(offer) = runtime.offer(&Source::bytes(component)).await else { return };
                let imports = !offer.reach(&Grants::none()).is_empty();
                let grants = if *granted { grant("oracle", json!({})) } else { Grants::none() };
                let plugin = match offer.accept_only(grants).await {
                    Ok(plugin) => plugin,
                    Err(error) => return assert!(matches!(error.kind(), ErrorKind::Refused | ErrorKind::Compile), "{error}"),
                };
                assert!(*granted || !imports, "it was linked with what was not granted");
                tried.fetch_add(1, Ordering::Relaxed);
                let started = Instant::now();
                for _ in 0..2 {
                    if let Err(error) = plugin.call::<Number>(input).await {
                        // On a busy machine its time may be over before a guest thread is free.
                        let never_began = error.scarcity().is_some_and(|scarce| scarce.what == Resource::LaneTime);
                        assert!(error.fault().is_some() || never_began, "{error:?}");
                    }
                }
                assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
                let usage = plugin.account().snapshot();
                assert!(usage.memory_bytes == 0 && usage.memory_peak_bytes <= LIMITS.memory_bytes, "{usage:?}");
            });
            let now = oracle.0.load(Ordering::Relaxed);
            assert!(*granted || now == before, "an ungranted call reached the host");
            reached.fetch_add(now - before, Ordering::Relaxed);
        },
    );
    let (tried, reached) = (tried.load(Ordering::Relaxed), reached.load(Ordering::Relaxed));
    writeln!(std::io::stdout(), "{tried} generated plugins were called, {reached} granted calls reached the host").unwrap();
    assert!(tried > 0, "no generated plugin was called");
}

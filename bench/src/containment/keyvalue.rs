//! A read of a key-value store through a grant, with the store in memory: from the guest, and from the host.
//!
//! Lives here: the guest as well, which gets one key again and again in one call. May be misread: the target holds for the guest's side, which is the
//! decision on store and key, what the account keeps of it, the read, and the boundary twice; the host's side is the decision and the read alone.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use plugwork::core::policy::{Access, keyvalue::KeyValueBounds};
use plugwork::interfaces::keyvalue::{OpenStore, Stores};
use plugwork::interfaces::storage::Quota;
use plugwork::wasmtime::{self, StoreContextMut};
use plugwork::{Call, Grants, GuestThreads, Limits, Plugin, Refusal, Runtime, Session, Source, State};
use plugwork_capabilities::{KeyValue, MemoryStore};
use serde_json::{Map, Value};
use wit_parser::Resolve;

use crate::ROOT;
use crate::calls::bindings::{self, exports::bench::calls::reads};
use crate::guests::{HEAP, component};
use crate::measure::{Effort, Side, contest};
use crate::report::{Judge, Row};

/// Answers of `open` lie at 16 (case, store), those of `set` at 32 (case), those of `get` at 64 (case, whether there is one, its place
/// and length). What the host hands over is taken back after each `get`, so that no read finds a fuller memory than the one before.
const IMPORTS: &str = r#"
  (import "wasi:keyvalue/store@0.2.0-draft" "open" (func $open (param i32 i32 i32)))
  (import "wasi:keyvalue/store@0.2.0-draft" "[method]bucket.set" (func $set (param i32 i32 i32 i32 i32 i32)))
  (import "wasi:keyvalue/store@0.2.0-draft" "[method]bucket.get" (func $get (param i32 i32 i32 i32)))
  (import "wasi:keyvalue/store@0.2.0-draft" "[resource-drop]bucket" (func $close (param i32)))
"#;

const READS: &str = r#"
  (func (export "bench:calls/reads@0.1.0#set") (param $store i32) (param $store_length i32) (param $key i32) (param $key_length i32)
      (result i32)
    (call $open (local.get $store) (local.get $store_length) (i32.const 16))
    (if (i32.load8_u (i32.const 16)) (then (return (i32.const 1))))
    (call $set (i32.load (i32.const 20)) (local.get $key) (local.get $key_length) (local.get $key) (local.get $key_length) (i32.const 32))
    (call $close (i32.load (i32.const 20)))
    (global.set $mark (i32.const 1024))
    (i32.load8_u (i32.const 32)))
  (func (export "bench:calls/reads@0.1.0#get") (param $store i32) (param $store_length i32) (param $key i32) (param $key_length i32)
      (param $times i32) (result i32)
    (local $came i32)
    (local $mark i32)
    (local $bucket i32)
    (call $open (local.get $store) (local.get $store_length) (i32.const 16))
    (if (i32.load8_u (i32.const 16)) (then (return (i32.const 0))))
    (local.set $bucket (i32.load (i32.const 20)))
    (local.set $mark (global.get $mark))
    (loop $again
      (call $get (local.get $bucket) (local.get $key) (local.get $key_length) (i32.const 64))
      ;; Not an error, and some value.
      (local.set $came (i32.add (local.get $came) (i32.and (i32.eqz (i32.load8_u (i32.const 64))) (i32.load8_u (i32.const 68)))))
      (global.set $mark (local.get $mark))
      (local.set $times (i32.sub (local.get $times) (i32.const 1)))
      (br_if $again (i32.gt_u (local.get $times) (i32.const 0))))
    (call $close (local.get $bucket))
    (global.set $mark (i32.const 1024))
    (local.get $came))
"#;

/// `bench:calls/reads` over `wasi:keyvalue`.
fn guest() -> Result<Vec<u8>> {
    let mut resolve = Resolve::new();
    let folder = Path::new(ROOT).join("wit/deps/keyvalue");
    resolve.push_dir(&folder).with_context(|| format!("cannot read the contract in `{}`", folder.display()))?;
    resolve.push_str("calls.wit", include_str!("../../wit/calls.wit"))?;
    let world = "package bench:reader; world guest { import wasi:keyvalue/store@0.2.0-draft; export bench:calls/reads@0.1.0; }";
    let package = resolve.push_str("reader.wit", world)?;
    // Imports come before everything else in a module.
    component(&resolve, package, "guest", &format!("(module {IMPORTS} {HEAP} {READS})"))
}

plugwork::point!(Set = "bench:calls/reads@0.1.0" in bindings::exports::bench::calls::reads);
plugwork::point!(Get = "bench:calls/reads@0.1.0" in bindings::exports::bench::calls::reads);

impl Call for Set {
    type Input = ();
    type Output = u32;

    async fn call(guest: &reads::Guest, store: StoreContextMut<'_, State>, (): &()) -> Answer {
        guest.call_set(store, STORE, KEY).await.map(Ok)
    }
}

impl Call for Get {
    type Input = u32;
    type Output = u32;

    async fn call(guest: &reads::Guest, store: StoreContextMut<'_, State>, times: &u32) -> Answer {
        guest.call_get(store, STORE, KEY, *times).await.map(Ok)
    }
}

type Answer = wasmtime::Result<Result<u32, Refusal>>;

const STORE: &str = "cache";
/// Its value is the same text.
const KEY: &str = "a-key-of-twenty-chars";

struct FromGuest(Session<Get>);

impl Side for FromGuest {
    async fn batch(&mut self, times: u32) -> Result<f64> {
        let started = Instant::now();
        let came = self.0.call_input(&times).await?;
        let took = started.elapsed();
        ensure!(came == times, "{came} of {times} reads gave a value");
        Ok(took.as_nanos() as f64 / f64::from(times))
    }
}

struct FromHost(OpenStore);

impl Side for FromHost {
    async fn batch(&mut self, times: u32) -> Result<f64> {
        let started = Instant::now();
        for _ in 0..times {
            let value = self.0.get(black_box(KEY)).await.map_err(|error| anyhow::anyhow!("{error}"))?;
            ensure!(black_box(value).is_some(), "a read gave no value");
        }
        Ok(started.elapsed().as_nanos() as f64 / f64::from(times))
    }
}

/// Measures the rows of this part.
pub(super) async fn rows(quick: bool) -> Result<Vec<Row>> {
    let backend = Arc::new(MemoryStore::default());
    // Rates that count and are not reached: a loop of reads passes those of the preset.
    let limits = Limits { host_calls_per_second: Some(1 << 32), cpu_percent: Some(10_000), ..Limits::interactive() };
    let runtime = Runtime::in_memory().provide(KeyValue::new(backend.clone())).limits(limits).open().await?;
    let bounds = KeyValueBounds { stores: vec![STORE.to_owned()], access: Access::Write, bytes: None, keys: None };
    let grants = Grants::none().with("keyvalue", written(&bounds)?);
    let plugin = runtime.offer(&Source::bytes(guest()?)).await?.accept_only(grants).await?;
    ensure!(plugin.call::<Set>(&()).await? == 0, "the guest was not let set a key");
    let quota = Quota { bytes: limits.storage_bytes, entries: limits.storage_keys };
    let stores = Stores::new(backend, plugin.subject(), bounds, quota);
    let store = stores.open(STORE).await.map_err(|error| anyhow::anyhow!("{error}"))?;

    let effort = Effort { batches: if quick { 31 } else { 301 }, times: 2_000 };
    let threads = GuestThreads::start(Some(1))?;
    threads.spawn(on_guest_thread(plugin, store, effort)).await
}

async fn on_guest_thread(plugin: Plugin, store: OpenStore, effort: Effort) -> Result<Vec<Row>> {
    let mut guest = FromGuest(plugin.session().await?);
    let (guest, host) = contest(effort, &mut guest, &mut FromHost(store)).await?;
    Ok(vec![
        Row::value("keyvalue-get", "ns", guest).against("host side", host, Judge::Value).target(500.0),
        Row::value("keyvalue-get-host", "ns", host),
    ])
}

fn written(bounds: &KeyValueBounds) -> Result<Map<String, Value>> {
    serde_json::to_value(bounds)?.as_object().cloned().context("bounds are an object")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guest_is_a_component() {
        guest().unwrap();
    }
}

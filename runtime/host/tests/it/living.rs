//! What the tests of a plugin's life share: a guest of which every part can be replaced, a capability that watches it and holds it, and a host that
//! keeps records and files, so that another runtime can go on where one stopped.
//!
//! Easily got wrong: `until` looks again and again until something is so; how long that takes decides nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use plugwork::capability::{Capability, Configured, Prepare};
use plugwork::core::record::{Event, Key, Memory, Records, Settings};
use plugwork::core::sources::{Package, PackageSource, Pending, SourceError};
use plugwork::core::{Digest, InterfaceName, Issue, PackageName};
use plugwork::wasmtime::component::Linker;
use plugwork::wasmtime::{self};
use plugwork::{Builder, Error, Grants, GuestThreads, Installation, Limits, Offer, Replacement, Runtime, Source, State, Subject};
use serde_json::{Map, Value};
use tokio::sync::Notify;

use crate::guest::{Guest, NUMBER};
use crate::world;

/// Waits until something is so. A look a millisecond: a busy loop would take the processor from the guests that it waits for.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(120), "never came: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// What guests may do here: see how the test is minded (`mood`), leave a note, wait until they are let go (`hold`).
#[derive(Clone, Default)]
pub(crate) struct Stage(Arc<Played>);

#[derive(Default)]
struct Played {
    mood: AtomicU32,
    notes: Mutex<Vec<u32>>,
    holds: AtomicBool,
    let_go: Notify,
    inside: AtomicUsize,
    most_inside: AtomicUsize,
    elsewhere: AtomicUsize,
    blocks_ms: AtomicU32,
    loads: Mutex<Loads>,
    load_goes: Condvar,
}

/// Whose loads are held, and whether one is.
#[derive(Default)]
struct Loads {
    of: Option<Digest>,
    is_held: bool,
}

impl Stage {
    pub(crate) fn mood(&self, mood: u32) {
        self.0.mood.store(mood, Ordering::SeqCst);
    }

    pub(crate) fn notes(&self) -> Vec<u32> {
        self.0.notes.lock().unwrap().clone()
    }

    /// How many notes were left from a thread that is no guest thread.
    pub(crate) fn elsewhere(&self) -> usize {
        self.0.elsewhere.load(Ordering::SeqCst)
    }

    /// From here on `mood` keeps its thread for so long.
    pub(crate) fn blocks(&self, blocks_ms: u32) {
        self.0.blocks_ms.store(blocks_ms, Ordering::SeqCst);
    }

    /// From here on `hold` waits.
    pub(crate) fn holds(&self) {
        self.0.holds.store(true, Ordering::SeqCst);
    }

    pub(crate) fn let_go(&self) {
        self.0.holds.store(false, Ordering::SeqCst);
        self.0.let_go.notify_waiters();
    }

    /// How many wait in `hold`.
    pub(crate) fn inside(&self) -> usize {
        self.0.inside.load(Ordering::SeqCst)
    }

    pub(crate) fn most_inside(&self) -> usize {
        self.0.most_inside.load(Ordering::SeqCst)
    }

    /// From here on whoever loads this file waits, on its thread, past its first look at the consent. For tests with several threads.
    pub(crate) fn holds_loads_of(&self, digest: Digest) {
        self.0.loads.lock().unwrap().of = Some(digest);
    }

    pub(crate) fn load_is_held(&self) -> bool {
        self.0.loads.lock().unwrap().is_held
    }

    pub(crate) fn lets_load_go(&self) {
        self.0.loads.lock().unwrap().of = None;
        self.0.load_goes.notify_all();
    }

    fn load(&self, digest: Digest) {
        let is_held = |loads: &mut Loads| loads.of == Some(digest);
        if !is_held(&mut self.0.loads.lock().unwrap()) {
            return;
        }
        // Others go on meanwhile, on another thread.
        tokio::task::block_in_place(|| {
            let mut loads = self.0.loads.lock().unwrap();
            loads.is_held = true;
            // A test that failed lets nobody go: its threads have to end all the same.
            let (mut loads, _) = self.0.load_goes.wait_timeout_while(loads, Duration::from_secs(60), is_held).unwrap();
            loads.is_held = false;
        });
    }

    async fn hold(&self) {
        struct Inside<'a>(&'a AtomicUsize);
        impl Drop for Inside<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        let inside = self.0.inside.fetch_add(1, Ordering::SeqCst) + 1;
        let _inside = Inside(&self.0.inside);
        self.0.most_inside.fetch_max(inside, Ordering::SeqCst);
        loop {
            let mut let_go = std::pin::pin!(self.0.let_go.notified());
            let_go.as_mut().enable();
            if !self.0.holds.load(Ordering::SeqCst) {
                return;
            }
            let_go.await;
        }
    }
}

impl Capability for Stage {
    fn name(&self) -> &'static str {
        "stage"
    }

    fn interfaces(&self) -> &'static [&'static str] {
        &["test:host/stage"]
    }

    fn configure(&self, subject: &Subject, _: &Map<String, Value>) -> Result<Box<dyn Configured>, Issue> {
        self.load(subject.digest);
        Ok(Box::new(self.clone()))
    }
}

impl Configured for Stage {
    fn link(&self, interface: &InterfaceName, linker: &mut Linker<State>) -> wasmtime::Result<()> {
        let mut functions = linker.instance(&interface.to_string())?;
        let stage = self.clone();
        functions.func_wrap("mood", move |_, (): ()| {
            std::thread::sleep(Duration::from_millis(stage.0.blocks_ms.load(Ordering::SeqCst).into()));
            Ok((stage.0.mood.load(Ordering::SeqCst),))
        })?;
        let stage = self.clone();
        functions.func_wrap("note", move |_, (note,): (u32,)| {
            stage.0.notes.lock().unwrap().push(note);
            stage.0.elsewhere.fetch_add(usize::from(!GuestThreads::is_here()), Ordering::SeqCst);
            Ok(())
        })?;
        let stage = self.clone();
        functions.func_wrap_async("hold", move |_, (): ()| {
            let stage = stage.clone();
            Box::new(async move {
                stage.hold().await;
                Ok(())
            })
        })
    }

    fn prepare(&self, _: &mut Prepare<'_>) -> wasmtime::Result<()> {
        Ok(())
    }
}

const STAGE: &str = r#"
  (import "test:host/stage@0.1.0" (instance $stage
    (export "mood" (func (result u32)))
    (export "note" (func (param "what" u32)))
    (export "hold" (func))))
"#;

/// `run` that counts its calls in a global: the version's first number times 1,000, and the count.
pub(crate) const COUNTS: &str = "(global.set $n (i32.add (global.get $n) (i32.const 1)))
    (i32.add (i32.mul (global.get $version) (i32.const 1000)) (global.get $n))";
/// The answer `ok` of a lifecycle's function.
pub(crate) const OK: &str = "i32.const 16";
/// The refusal `unavailable: closed`.
pub(crate) const REFUSES: &str = "i32.const 32";
/// Asks for all the calls that one instance may ever serve.
pub(crate) const REUSE: &str = "[permissions.engine]\nreuse-calls = 1000000\n";

/// A plugin `test:guest` with a lifecycle; each function is the inside of one.
#[derive(Clone)]
pub(crate) struct Life {
    pub(crate) version: &'static str,
    /// More lines of the manifest.
    pub(crate) asks: &'static str,
    pub(crate) init: &'static str,
    pub(crate) shutdown: &'static str,
    pub(crate) health: &'static str,
    pub(crate) migrate: &'static str,
    /// The input is `(local.get 0)`.
    pub(crate) run: &'static str,
    /// Both, or no handover.
    pub(crate) handover: Option<(&'static str, &'static str)>,
    /// More of the module.
    pub(crate) more: &'static str,
    /// What the component exports beside the lifecycle.
    pub(crate) exports: &'static str,
}

impl Default for Life {
    fn default() -> Self {
        let (asks, exports) = ("", NUMBER);
        Self { version: "1.0.0", asks, init: OK, shutdown: OK, health: OK, migrate: OK, run: COUNTS, handover: None, more: "", exports }
    }
}

/// Hands the count over: four bytes.
pub(crate) const HANDS_COUNT_OVER: Option<(&str, &str)> = Some((
    "(i32.store (i32.const 200) (global.get $n)) (i32.store (i32.const 132) (i32.const 200)) (i32.store (i32.const 136) (i32.const 4))
     i32.const 128",
    "(global.set $n (i32.load (local.get 0))) i32.const 16",
));

impl Life {
    pub(crate) fn guest(&self) -> Guest {
        let Self { version, asks, init, shutdown, health, migrate, run, handover, more, exports } = self;
        let number = version.split('.').next().unwrap();
        let handed = handover.map_or_else(String::new, |(snapshot, restore)| {
            format!(
                r#"(func (export "snapshot") (result i32) {snapshot})
                (func (export "restore") (param i32 i32 i32 i32) (result i32) {restore})"#
            )
        });
        let code = format!(
            r#"(import "heap" "memory" (memory 1))
            (import "host" "mood" (func $mood (result i32)))
            (import "host" "note" (func $note (param i32)))
            (import "host" "hold" (func $hold))
            (data (i32.const 32) "\01\00\00\00\02\00\00\00\40\00\00\00\06\00\00\00")
            (data (i32.const 64) "closed")
            (global $version i32 (i32.const {number}))
            (global $n (mut i32) (i32.const 0))
            (func (export "descriptor") (result i32) i32.const 16)
            (func (export "init") (param i32 i32) (result i32) {init})
            (func (export "shutdown") (result i32) {shutdown})
            (func (export "health") (result i32) {health})
            (func (export "migrate") (param i32 i32) (result i32) {migrate})
            (func (export "run") (param i32) (result i32) {run})
            {handed} {more}"#
        );
        let guest = Guest::new(&code).exporting(exports).import(STAGE).host("mood", "$stage").host("note", "$stage").host("hold", "$stage");
        let guest = if handover.is_some() { guest.with_handover() } else { guest.with_lifecycle() };
        guest.manifest_of(version, &format!("[permissions.stage]\n{asks}"))
    }
}

/// Files by digest, as a registry would have them.
#[derive(Default)]
struct Files {
    kept: Mutex<HashMap<Digest, Vec<u8>>>,
    /// So many fetches find nobody.
    away: AtomicU32,
}

/// Takes one off, where there is one.
pub(crate) fn one_less(count: &AtomicU32) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

impl PackageSource for Files {
    fn versions<'a>(&'a self, _: Option<&'a PackageName>) -> Pending<'a, Vec<Package>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn fetch(&self, digest: Digest) -> Pending<'_, Vec<u8>> {
        let found = match one_less(&self.away) {
            true => Err(SourceError::Unreadable { place: "the files".to_owned(), why: "nobody answers".to_owned() }),
            false => self.kept.lock().unwrap().get(&digest).cloned().ok_or(SourceError::Unknown(digest)),
        };
        Box::pin(std::future::ready(found))
    }
}

/// What outlives a runtime.
pub(crate) struct House {
    pub(crate) records: Arc<dyn Records>,
    pub(crate) stage: Stage,
    files: Arc<Files>,
    versions: Mutex<HashMap<Digest, &'static str>>,
}

impl House {
    pub(crate) fn new() -> Self {
        let records = Arc::new(Memory::new(Key::from_bytes(&[1; 32])));
        Self { records, stage: Stage::default(), files: Arc::default(), versions: Mutex::default() }
    }

    /// The same records and files with a stage of its own: another process, for as much as guests can tell.
    pub(crate) fn next(&self) -> Self {
        Self { records: self.records.clone(), stage: Stage::default(), files: self.files.clone(), versions: Mutex::default() }
    }

    /// A runtime of this house. No share of the processor: what is slow here is the machine's doing.
    pub(crate) fn builder(&self) -> Builder {
        self.builder_without_files().packages(self.files.clone())
    }

    /// One that knows a file only where somebody gave it.
    pub(crate) fn builder_without_files(&self) -> Builder {
        let limits = Limits { cpu_percent: None, host_calls_per_second: None, deadline_ms: 60_000, ..Limits::interactive() };
        world::builder().provide(self.stage.clone()).records(self.records.clone()).limits(limits)
    }

    pub(crate) async fn open(&self) -> Runtime {
        self.builder().open().await.unwrap()
    }

    /// An offer whose file stays in the house.
    pub(crate) async fn offer(&self, runtime: &Runtime, life: &Life) -> Offer {
        let source = Source::bytes(life.guest().bytes());
        self.versions.lock().unwrap().insert(source.digest(), life.version);
        self.files.kept.lock().unwrap().insert(source.digest(), life.guest().bytes());
        runtime.offer(&source).await.unwrap()
    }

    /// The file is gone.
    pub(crate) fn loses(&self, life: &Life) {
        self.files.kept.lock().unwrap().remove(&Digest::of(&life.guest().bytes())).unwrap();
    }

    /// The files cannot be had for so many fetches.
    pub(crate) fn files_are_away(&self, fetches: u32) {
        self.files.away.store(fetches, Ordering::SeqCst);
    }

    /// Installs it under this name with all that it asks for.
    pub(crate) async fn install(&self, runtime: &Runtime, instance: &str, life: &Life) -> Installation {
        self.install_with(runtime, instance, life, Settings::default()).await
    }

    pub(crate) async fn install_with(&self, runtime: &Runtime, instance: &str, life: &Life, settings: Settings) -> Installation {
        let offer = self.offer(runtime, life).await.instance(instance);
        let grants = all_asked(&offer);
        runtime.install(offer, grants, settings).await.unwrap()
    }

    /// Installs and enables it.
    pub(crate) async fn enabled(&self, runtime: &Runtime, instance: &str, life: &Life) -> Installation {
        let installation = self.install(runtime, instance, life).await;
        installation.enable("ada").await.unwrap();
        installation
    }

    pub(crate) async fn replace(&self, installation: &Installation, runtime: &Runtime, life: &Life) -> Result<Replacement, Error> {
        let offer = self.offer(runtime, life).await;
        installation.replace(offer, "ada").await
    }

    /// What is on record of lives, in a word and a version each. Faults and denials are left out.
    pub(crate) async fn story(&self) -> Vec<String> {
        self.records.verify().await.unwrap();
        let records = self.records.read(0, u32::MAX).await.unwrap();
        let versions = self.versions.lock().unwrap();
        let version = |subject: &Subject| *versions.get(&subject.digest).unwrap();
        let told = |event: Event| {
            let (word, subject) = match &event {
                Event::Granted(consent) => ("granted", &consent.subject),
                Event::Enabled { subject, .. } => ("enabled", subject),
                Event::Disabled { subject, .. } => ("disabled", subject),
                Event::Replaced { subject, .. } => ("replaced", subject),
                Event::RolledBack { subject, .. } => ("rolled back", subject),
                Event::Removed { subject, .. } => ("removed", subject),
                Event::Revoked { subject, .. } => ("revoked", subject),
                Event::Declined { subject, .. } => ("declined", subject),
                Event::Faulted { .. } | Event::Refused { .. } => return None,
            };
            Some(format!("{word} {}", version(subject)))
        };
        records.iter().filter_map(|record| told(record.event().unwrap())).collect()
    }
}

/// Everything that an offer asks for.
pub(crate) fn all_asked(offer: &Offer) -> Grants {
    offer.manifest().map(Grants::all_asked).unwrap_or_default()
}

//! The start of a host: what is on record comes back, and nothing is loaded before its time. What is broken is in `broken`.
//!
//! Here the records are written by hand, as an earlier process left them. May be misread: a plugin that is active need not be loaded.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use plugwork::component::{Embedded, PackageFolder, embed};
use plugwork::core::lifecycle::Stage;
use plugwork::core::record::{Consent, ConsentKey, Event, Key, Memory, Records, Settings};
use plugwork::core::sources::{Package, PackageSource, Pending, SourceError};
use plugwork::core::{Digest, PackageName, Standing};
use plugwork::{Allocation, Builder, Change, ErrorKind, Grants, Hooks, Preload, Running, Runtime, Start, Started, Subject};
use tokio::sync::Barrier;

use crate::density::until;
use crate::guest::{ECHO, Guest, LIFECYCLE_CODE};
use crate::world::{self, Number};

/// Files by digest, in memory; what lies under a digest need not have it.
#[derive(Clone, Default)]
pub(crate) struct Files {
    pub(crate) kept: Arc<Mutex<HashMap<Digest, Vec<u8>>>>,
    pub(crate) fetched: Arc<AtomicUsize>,
}

impl PackageSource for Files {
    fn versions<'a>(&'a self, _: Option<&'a PackageName>) -> Pending<'a, Vec<Package>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn fetch(&self, digest: Digest) -> Pending<'_, Vec<u8>> {
        self.fetched.fetch_add(1, Ordering::SeqCst);
        let bytes = self.kept.lock().unwrap().get(&digest).cloned();
        Box::pin(std::future::ready(bytes.ok_or(SourceError::Unknown(digest))))
    }
}

/// What an earlier process left: records and files.
#[derive(Clone)]
pub(crate) struct Left {
    pub(crate) records: Arc<dyn Records>,
    pub(crate) files: Files,
}

impl Default for Left {
    fn default() -> Self {
        Self { records: Arc::new(Memory::new(Key::from_bytes(&[7; 32]))), files: Files::default() }
    }
}

/// A guest under a name.
pub(crate) fn named(guest: &Guest, name: &str, more: &str) -> Vec<u8> {
    let manifest = format!("name = \"test:{name}\"\nversion = \"1.0.0\"\n{more}");
    embed(&guest.bytes(), &Embedded { manifest: Some(&manifest), ..Embedded::default() }).unwrap()
}

pub(crate) fn subject(name: &str, bytes: &[u8]) -> Subject {
    let package = format!("test:{name}").parse().unwrap();
    Subject { tenant: "default".to_owned(), instance: String::new(), package, digest: Digest::of(bytes) }
}

pub(crate) fn key(name: &str) -> ConsentKey {
    ConsentKey::from(&subject(name, b""))
}

fn consent(subject: &Subject) -> Consent {
    Consent {
        subject: subject.clone(),
        version: None,
        grants: Grants::none(),
        approver: "ada".to_owned(),
        reason: String::new(),
        expires_ms: None,
        limits: None,
    }
}

fn enabled(subject: &Subject, settings: &Settings) -> Event {
    Event::Enabled { subject: subject.clone(), by: "ada".to_owned(), settings: settings.clone() }
}

fn at_number() -> Settings {
    Settings { points: vec!["test:point/number@0.1.0".parse().unwrap()], ..Settings::default() }
}

/// Whose `init` does this.
pub(crate) fn with_init(init: &str) -> Guest {
    Guest::new(&format!("{LIFECYCLE_CODE} {ECHO} (func (export \"init\") (param i32 i32) (result i32) {init} i32.const 16)"))
        .with_lifecycle()
}

impl Left {
    pub(crate) async fn append(&self, events: Vec<Event>) {
        self.records.append(1, events).await.unwrap();
    }

    /// A file, and consent to it that may be changed before it is on record.
    pub(crate) async fn with(&self, name: &str, bytes: Vec<u8>, change: impl FnOnce(&mut Consent, &mut Settings)) -> Subject {
        let subject = subject(name, &bytes);
        self.files.kept.lock().unwrap().insert(subject.digest, bytes);
        let (mut consent, mut settings) = (consent(&subject), at_number());
        change(&mut consent, &mut settings);
        self.append(vec![Event::Granted(consent), enabled(&subject, &settings)]).await;
        subject
    }

    pub(crate) async fn with_echo(&self, name: &str) -> Subject {
        self.with(name, named(&Guest::new(ECHO), name, ""), |_, _| ()).await
    }

    pub(crate) fn builder(&self) -> Builder {
        world::builder().records(self.records.clone()).packages(Arc::new(self.files.clone()))
    }

    /// As [`Left::builder`], with a state folder.
    pub(crate) fn builder_in(&self, state: &Path) -> Builder {
        let builder = Runtime::builder(state).allocation(Allocation::OnDemand);
        builder.records(self.records.clone()).packages(Arc::new(self.files.clone()))
    }

    pub(crate) async fn start(&self, preload: Preload) -> (Runtime, Started) {
        let runtime = self.builder().open().await.unwrap();
        let started = runtime.start(Start { preload, ..Start::default() }).await.unwrap();
        (runtime, started)
    }
}

pub(crate) fn stage(runtime: &Runtime, name: &str) -> Stage {
    runtime.installation(&key(name)).unwrap().state().stage()
}

pub(crate) async fn call(runtime: &Runtime, name: &str, input: u32) -> plugwork::Result<u32> {
    runtime.installation(&key(name)).unwrap().call::<Number>(&input).await
}

#[tokio::test]
async fn what_is_on_record_comes_back_as_it_was() {
    let left = Left::default();
    for name in ["on", "off", "revoked", "gone", "never-enabled"] {
        left.with_echo(name).await;
    }
    let of = |name: &str| subject(name, &named(&Guest::new(ECHO), name, ""));
    let by = || "ada".to_owned();
    left.append(vec![
        Event::Disabled { subject: of("off"), by: by(), reason: String::new(), settings: at_number() },
        Event::Revoked { subject: of("revoked"), by: by(), reason: String::new() },
        Event::Removed { subject: of("gone"), by: by() },
        // Another life: the earlier one was enabled, this one was not.
        Event::Removed { subject: of("never-enabled"), by: by() },
        Event::Granted(consent(&of("never-enabled"))),
    ])
    .await;
    let (runtime, started) = left.start(Preload::All).await;
    assert_eq!((started.active, started.loaded), (1, 1), "{started:?}");
    assert_eq!(stage(&runtime, "on"), Stage::Active);
    assert_eq!(call(&runtime, "on", 5).await.unwrap(), 5);
    assert_eq!(stage(&runtime, "off"), Stage::Installed);
    assert_eq!(stage(&runtime, "never-enabled"), Stage::Installed);
    assert_eq!(stage(&runtime, "revoked"), Stage::Suspended);
    assert!(runtime.installation(&key("gone")).is_none());
    assert_eq!(runtime.point::<Number>().len(), 1);
    // It is enabled on record and does not run: that is told.
    let [skipped] = &started.skipped[..] else { panic!("{started:?}") };
    assert_eq!((&skipped.key, skipped.error.denials()[0].code.as_str()), (&key("revoked"), "E-CONSENT-REVOKED"));
    for name in ["off", "revoked", "never-enabled"] {
        assert_eq!(call(&runtime, name, 5).await.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    runtime.installation(&key("off")).unwrap().enable("ada").await.unwrap();
    assert_eq!(call(&runtime, "off", 6).await.unwrap(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_is_loaded_by_its_first_call_and_once_for_all_that_wait() {
    let left = Left::default();
    for name in ["one", "two", "three"] {
        left.with_echo(name).await;
    }
    let (runtime, started) = left.start(Preload::Critical).await;
    assert_eq!((started.active, started.loaded), (3, 0));
    assert_eq!((runtime.cache_counts().compiled, left.files.fetched.load(Ordering::SeqCst)), (0, 0), "nothing was even read");
    let calls = (0..64).map(|input| {
        let runtime = runtime.clone();
        tokio::spawn(async move { call(&runtime, "two", input).await.unwrap() })
    });
    let answers = futures::future::join_all(calls).await;
    assert!(answers.into_iter().map(Result::unwrap).eq(0..64));
    let counts = runtime.cache_counts();
    assert_eq!((counts.compiled, counts.memory_hits), (1, 0), "asked for once, not once by each");
    let status = runtime.status();
    let loaded: Vec<_> = status.iter().filter(|status| status.loaded).map(|status| (&status.key, status.generation)).collect();
    assert_eq!(loaded, [(&key("two"), 1)]);
}

#[tokio::test]
async fn a_record_that_names_no_points_means_all_that_it_exports() {
    let left = Left::default();
    left.with("all", named(&Guest::new(ECHO), "all", ""), |_, settings| settings.points.clear()).await;
    let other = "test:point/bytes@0.1.0".parse().unwrap();
    left.with("elsewhere", named(&Guest::new(ECHO), "elsewhere", ""), |_, settings| settings.points = vec![other]).await;
    for preload in [Preload::Critical, Preload::All] {
        let (runtime, started) = left.start(preload).await;
        assert_eq!(started.active, 2);
        let asked: Vec<_> = runtime.point::<Number>().plugins().map(|plugin| plugin.key().clone()).collect();
        assert_eq!(asked, [key("all")], "{preload:?}");
    }
}

#[tokio::test]
async fn who_installs_chooses_the_points_and_a_new_version_keeps_to_the_choice() {
    let both = |version: u32| {
        let code = format!("{ECHO} (func (export \"salt\") (result i32) i32.const {version})");
        let guest = Guest::new(&code).also_exporting(r#"(export "test:point/other@0.1.0" (instance $number))"#);
        plugwork::Source::bytes(named(&guest, "both", &format!("description = \"{version}\"\n")))
    };
    for (points, expected) in [(Vec::new(), 2), (vec!["test:point/other@0.1.0".parse().unwrap()], 1)] {
        let runtime = world::runtime().await;
        let settings = Settings { points, ..Settings::default() };
        let offer = runtime.offer(&both(1)).await.unwrap();
        let installation = runtime.install(offer, Grants::none(), settings).await.unwrap();
        installation.enable("ada").await.unwrap();
        let points = || (runtime.status()[0].points.len(), runtime.point::<Number>().len());
        assert_eq!(points(), (expected, expected - 1));
        installation.replace(runtime.offer(&both(2)).await.unwrap(), "ada").await.unwrap();
        assert_eq!(points(), (expected, expected - 1));
    }
}

/// Counts how many are activated at the same time, and has a say.
#[derive(Clone, Default)]
struct Counting {
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    told: Arc<AtomicUsize>,
    refuses: Option<&'static str>,
    /// Goes on when so many are here.
    meeting: Option<Arc<Barrier>>,
}

impl Hooks for Counting {
    fn before_activate<'a>(&'a self, change: &'a Change) -> Running<'a, Result<(), String>> {
        Box::pin(async move {
            let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            if let Some(meeting) = &self.meeting {
                meeting.wait().await;
            }
            self.now.fetch_sub(1, Ordering::SeqCst);
            match self.refuses {
                Some(name) if change.subject.package.to_string() == name => Err("not on Sundays".to_owned()),
                _ => Ok(()),
            }
        })
    }

    fn after_activate<'a>(&'a self, _: &'a Change) -> Running<'a, ()> {
        self.told.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready(()))
    }
}

#[tokio::test]
async fn never_more_are_loaded_at_once_than_the_start_allows() {
    let left = Left::default();
    for number in 0..12 {
        left.with_echo(&format!("p{number}")).await;
    }
    let hooks = Counting { meeting: Some(Arc::new(Barrier::new(3))), ..Counting::default() };
    let runtime = left.builder().hooks(hooks.clone(), Duration::from_secs(60)).open().await.unwrap();
    let started = runtime.start(Start { parallel: 3, preload: Preload::All, ..Start::default() }).await.unwrap();
    assert_eq!((started.active, started.loaded), (12, 12));
    assert_eq!((hooks.most.load(Ordering::SeqCst), hooks.told.load(Ordering::SeqCst)), (3, 12));
}

#[tokio::test]
async fn the_application_has_its_say_also_where_a_plugin_is_loaded_by_its_first_call() {
    let left = Left::default();
    for name in ["good", "bad"] {
        left.with_echo(name).await;
    }
    let hooks = Counting { refuses: Some("test:bad"), ..Counting::default() };
    let runtime = left.builder().hooks(hooks.clone(), Duration::from_secs(60)).open().await.unwrap();
    runtime.start(Start { preload: Preload::Critical, ..Start::default() }).await.unwrap();
    assert_eq!(hooks.most.load(Ordering::SeqCst), 0);
    for _ in 0..2 {
        assert_eq!(call(&runtime, "good", 1).await.unwrap(), 1);
    }
    assert_eq!(hooks.told.load(Ordering::SeqCst), 1, "once, not at each call");
    let error = call(&runtime, "bad", 1).await.unwrap_err();
    assert_eq!(error.denials()[0].code, "E-HOOK-REFUSED");
    assert_eq!(stage(&runtime, "bad"), Stage::Suspended);
}

#[tokio::test]
async fn what_the_last_run_used_is_loaded_first_by_the_next() {
    let (left, state) = (Left::default(), tempfile::tempdir().unwrap());
    for name in ["a", "b", "c", "d"] {
        left.with_echo(name).await;
    }
    let open = || left.builder_in(state.path()).open();
    let runtime = open().await.unwrap();
    runtime.start(Start { preload: Preload::Critical, ..Start::default() }).await.unwrap();
    for name in ["c", "a"] {
        call(&runtime, name, 1).await.unwrap();
        // The clock of use is coarse: the next one is used later only when it has moved.
        let used = || runtime.status().into_iter().find(|status| status.key == key(name)).unwrap().used_ms_ago;
        until(|| used() != Some(0)).await;
    }
    runtime.close().await.unwrap();
    let file = state.path().join("last-use.json");
    let names: Vec<String> = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(names, [key("a").to_string(), key("c").to_string()], "the one used last comes first");
    let loaded = |runtime: &Runtime| -> Vec<ConsentKey> {
        runtime.status().into_iter().filter(|status| status.loaded).map(|status| status.key).collect()
    };
    for (likely, expected) in [(1, vec![key("a")]), (2, vec![key("a"), key("c")]), (9, vec![key("a"), key("c")])] {
        let runtime = open().await.unwrap();
        let started = runtime.start(Start { preload: Preload::Likely(likely), ..Start::default() }).await.unwrap();
        assert_eq!((started.active, loaded(&runtime)), (4, expected));
    }
    // A file that is broken is no reason for anything.
    std::fs::write(&file, b"{\"a\": [").unwrap();
    let runtime = open().await.unwrap();
    let started = runtime.start(Start::default()).await.unwrap();
    assert_eq!((started.active, started.loaded, started.skipped.len()), (4, 0, 0));
}

#[tokio::test]
async fn what_is_found_is_an_offer_and_nothing_more() {
    let (left, folder) = (Left::default(), tempfile::tempdir().unwrap());
    let known = left.with_echo("known").await;
    let before = left.records.head().await.unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("known.wasm", &named(&Guest::new(ECHO), "known", ""));
    write("new.wasm", &named(&with_init("unreachable"), "new", ""));
    write("noise.wasm", b"hello");
    write("wrong.wasm", &embed(&Guest::new(ECHO).bytes(), &Embedded { manifest: Some("name = 1"), ..Embedded::default() }).unwrap());
    let twin = |text: &str| named(&Guest::new(ECHO), "twin", &format!("description = \"{text}\"\n"));
    write("twin-1.wasm", &twin("one"));
    write("twin-2.wasm", &twin("other"));
    let runtime = left.builder().open().await.unwrap();
    let found = runtime.discover(Arc::new(PackageFolder::new(folder.path()))).await.unwrap();
    let offers: Vec<_> = found.offers.iter().map(|(offer, standing)| (offer.subject().package.to_string(), standing)).collect();
    assert!(
        matches!(&offers[..], [(one, Standing::Given(_)), (other, Standing::None)] if one == "test:known" && other == "test:new"),
        "{offers:?}"
    );
    assert_eq!(found.offers[0].0.subject(), &known);
    let broken: Vec<_> = found.broken.iter().map(|(place, _)| place.rsplit('/').next().unwrap()).collect();
    assert_eq!(broken, ["test:twin", "noise.wasm", "wrong.wasm"]);
    assert!(found.broken[0].1.to_string().contains("differ"), "{:?}", found.broken[0]);
    let files = ["known.wasm", "gone.wasm", "noise.wasm", "new.wasm"].map(|name| folder.path().join(name));
    let listed = runtime.discover_files(&files).await;
    assert_eq!((listed.offers.len(), listed.broken.len()), (2, 2));
    assert_eq!((listed.broken[0].1.kind(), listed.broken[1].1.kind()), (ErrorKind::Io, ErrorKind::Component));
    assert_eq!(runtime.cache_counts().compiled, 0);
    assert!(runtime.installations().is_empty());
    assert_eq!(left.records.head().await.unwrap(), before, "to look is no event");
}

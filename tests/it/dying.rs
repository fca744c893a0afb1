//! A host that dies in the middle of a change, with its records in SQLite: what comes up next is the state before or the state after, and which of
//! the two is decided by one record alone.
//!
//! Each test runs itself again as the host, which kills itself (SIGKILL) at a named point: in a hook, before or after the record, when the file is
//! there and the record is not. Nothing in the product knows of these points; they are in what the application gives it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use plugwork::component::{Embedded, PackageFolder, embed};
use plugwork::core::lifecycle::Stage;
use plugwork::core::record::{ConsentKey, Event, Head, Pending, PublicKey, Record, Records, Settings, Verified};
use plugwork::dynamic::Argument;
use plugwork::{Allocation, Change, Grants, Hooks, Offer, Preload, Replacement, Running, Runtime, Source, Start};
use plugwork_store::Store;
use rustix::process::{Signal, getpid, kill_process};
use serde_json::json;

/// What a host that dies is told: its folder, what it does and where it dies.
const FOLDER: &str = "PLUGWORK_TEST_DYING_FOLDER";
const DOING: &str = "PLUGWORK_TEST_DYING_DOING";
const POINT: &str = "PLUGWORK_TEST_DYING_POINT";

/// Before and after the one append that every change makes.
const BEFORE_RECORD: &str = "before-record";
const AFTER_RECORD: &str = "after-record";
/// The new file is in the folder of packages.
const FILE: &str = "file";
/// Not at all: the change comes to its end.
const NOWHERE: &str = "nowhere";

/// Dies where it was told to, once that counts.
#[derive(Clone)]
struct Death {
    point: String,
    counts: Arc<AtomicBool>,
}

impl Death {
    fn at(&self, point: &str) {
        if self.counts.load(Ordering::SeqCst) && point == self.point {
            kill_process(getpid(), Signal::KILL).unwrap();
            // The signal is on its way to every thread.
            loop {
                std::thread::park();
            }
        }
    }
}

/// Records that die before or after an append.
struct Mortal {
    store: Arc<Store>,
    death: Death,
}

impl Records for Mortal {
    fn append(&self, at_ms: u64, events: Vec<Event>) -> Pending<'_, Vec<Record>> {
        Box::pin(async move {
            self.death.at(BEFORE_RECORD);
            let records = Records::append(&*self.store, at_ms, events).await;
            self.death.at(AFTER_RECORD);
            records
        })
    }

    fn append_after(&self, end: u64, at_ms: u64, events: Vec<Event>) -> Pending<'_, Option<Vec<Record>>> {
        Box::pin(async move {
            self.death.at(BEFORE_RECORD);
            let records = Records::append_after(&*self.store, end, at_ms, events).await;
            self.death.at(AFTER_RECORD);
            records
        })
    }

    fn read(&self, after: u64, limit: u32) -> Pending<'_, Vec<Record>> {
        Records::read(&*self.store, after, limit)
    }

    fn head(&self) -> Pending<'_, Option<Head>> {
        Records::head(&*self.store)
    }

    fn consent(&self, key: &ConsentKey) -> Pending<'_, Option<Record>> {
        Records::consent(&*self.store, key)
    }

    fn consents(&self) -> Pending<'_, Vec<Record>> {
        Records::consents(&*self.store)
    }

    fn lifecycle(&self, key: &ConsentKey) -> Pending<'_, Option<Record>> {
        Records::lifecycle(&*self.store, key)
    }

    fn lifecycles(&self) -> Pending<'_, Vec<Record>> {
        Records::lifecycles(&*self.store)
    }

    fn verify(&self) -> Pending<'_, Verified> {
        Records::verify(&*self.store)
    }

    fn public_key(&self) -> PublicKey {
        Records::public_key(&*self.store)
    }
}

impl Death {
    fn ask(&self, point: &str) -> Running<'_, Result<(), String>> {
        self.at(point);
        Box::pin(std::future::ready(Ok(())))
    }

    fn tell(&self, point: &str) -> Running<'_, ()> {
        self.at(point);
        Box::pin(std::future::ready(()))
    }
}

impl Hooks for Death {
    fn before_install<'a>(&'a self, _: &'a Change) -> Running<'a, Result<(), String>> {
        self.ask("before-install")
    }
    fn after_install<'a>(&'a self, _: &'a Change) -> Running<'a, ()> {
        self.tell("after-install")
    }
    fn before_activate<'a>(&'a self, _: &'a Change) -> Running<'a, Result<(), String>> {
        self.ask("before-activate")
    }
    fn after_activate<'a>(&'a self, _: &'a Change) -> Running<'a, ()> {
        self.tell("after-activate")
    }
    fn before_update<'a>(&'a self, _: &'a Change) -> Running<'a, Result<(), String>> {
        self.ask("before-update")
    }
    fn after_update<'a>(&'a self, _: &'a Change) -> Running<'a, ()> {
        self.tell("after-update")
    }
    fn before_remove<'a>(&'a self, _: &'a Change) -> Running<'a, Result<(), String>> {
        self.ask("before-remove")
    }
    fn after_remove<'a>(&'a self, _: &'a Change) -> Running<'a, ()> {
        self.tell("after-remove")
    }
}

/// A plugin whose `run` answers its version.
fn version(number: u32) -> Vec<u8> {
    let text = format!(
        r#"(component
          (core module $code-module (func (export "run") (result i32) i32.const {number}))
          (core instance $code (instantiate $code-module))
          (func $run (result u32) (canon lift (core func $code "run")))
          (instance $number (export "run" (func $run)))
          (export "test:point/version@0.1.0" (instance $number)))"#
    );
    let manifest = format!("name = \"test:mortal\"\nversion = \"{number}.0.0\"\n");
    embed(&wat::parse_str(text).unwrap(), &Embedded { manifest: Some(&manifest), ..Embedded::default() }).unwrap()
}

fn key() -> ConsentKey {
    ConsentKey { tenant: "default".to_owned(), instance: String::new(), package: "test:mortal".parse().unwrap() }
}

/// A host on a folder: its packages, its records, its cache.
struct Host {
    store: Arc<Store>,
    runtime: Runtime,
    death: Death,
}

impl Host {
    async fn open(folder: &Path, point: &str) -> Self {
        let packages = folder.join("packages");
        std::fs::create_dir_all(&packages).unwrap();
        let store = Arc::new(Store::open(&folder.join("store")).await.unwrap());
        let death = Death { point: point.to_owned(), counts: Arc::default() };
        let builder = Runtime::builder(folder.join("state")).allocation(Allocation::OnDemand);
        let records = Arc::new(Mortal { store: store.clone(), death: death.clone() });
        let builder = builder.records(records).packages(Arc::new(PackageFolder::new(packages)));
        let runtime = builder.hooks(death.clone(), Duration::from_secs(30)).open().await.unwrap();
        let started = runtime.start(Start { preload: Preload::All, ..Start::default() }).await.unwrap();
        assert!(started.skipped.is_empty(), "{started:?}");
        Self { store, runtime, death }
    }

    async fn close(self) {
        self.runtime.close().await.unwrap();
        self.store.close().await;
    }

    /// Puts a version's file into the folder, whole or not at all, and makes an offer of it.
    async fn place(&self, folder: &Path, number: u32) -> Offer {
        let packages = folder.join("packages");
        let beside = packages.join("incoming");
        std::fs::write(&beside, version(number)).unwrap();
        let place = packages.join(format!("mortal-{number}.wasm"));
        std::fs::rename(&beside, &place).unwrap();
        self.death.at(FILE);
        self.runtime.offer(&Source::file(place).unwrap()).await.unwrap()
    }

    async fn change(&self, folder: &Path, doing: &str) {
        let installation = self.runtime.installation(&key());
        match (doing, installation) {
            ("install", _) => {
                let offer = self.place(folder, 1).await;
                self.runtime.install(offer, Grants::none(), Settings::default()).await.map(drop).unwrap();
            }
            ("replace", Some(installation)) => {
                let offer = self.place(folder, 2).await;
                let replacement = installation.replace(offer, "ada").await.unwrap();
                assert!(matches!(replacement, Replacement::Done(_)), "{replacement:?}");
            }
            ("enable", Some(installation)) => installation.enable("ada").await.unwrap(),
            ("disable", Some(installation)) => installation.disable("ada", "").await.unwrap(),
            ("remove", Some(installation)) => installation.remove("ada").await.unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Where the plugin is, and the version that answers where it takes calls.
    async fn found(&self) -> Found {
        let Some(installation) = self.runtime.installation(&key()) else { return Found::Nothing };
        match installation.state().stage() {
            Stage::Active => Found::Active(self.answer().await),
            Stage::Installed => {
                assert!(installation.plugin().await.is_err(), "it takes no calls");
                let digest = installation.subject().digest;
                Found::Installed((1..=2).find(|number| digest == plugwork::core::Digest::of(&version(*number))).unwrap())
            }
            other => panic!("{other} is no state to come up in"),
        }
    }

    async fn answer(&self) -> u32 {
        let plugin = self.runtime.installation(&key()).unwrap().plugin().await.unwrap();
        let none: [Argument; 0] = [];
        let answer = plugin.call_dynamic(&plugin.function("run").unwrap(), &none).await.unwrap().to_json().unwrap();
        let digest = plugin.subject().digest;
        let number = (1..=2).find(|number| json!(number) == answer).unwrap();
        assert_eq!(digest, plugwork::core::Digest::of(&version(number)), "the version that answers is the one that is on record");
        number
    }
}

/// What a host comes up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    /// Which version it would be.
    Installed(u32),
    Active(u32),
}

/// One change: what has to happen before it, and what there is before and after.
struct Case {
    doing: &'static str,
    earlier: &'static [&'static str],
    before: Found,
    after: Found,
    /// Where it may die before the record, and after it.
    points_before: &'static [&'static str],
    points_after: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        doing: "install",
        earlier: &[],
        before: Found::Nothing,
        after: Found::Installed(1),
        points_before: &[FILE, "before-install"],
        points_after: &["after-install"],
    },
    Case {
        doing: "enable",
        earlier: &["install"],
        before: Found::Installed(1),
        after: Found::Active(1),
        points_before: &["before-activate"],
        points_after: &["after-activate"],
    },
    Case {
        doing: "replace",
        earlier: &["install", "enable"],
        before: Found::Active(1),
        after: Found::Active(2),
        points_before: &[FILE, "before-update"],
        points_after: &["after-update"],
    },
    Case {
        doing: "replace",
        earlier: &["install"],
        before: Found::Installed(1),
        after: Found::Installed(2),
        points_before: &[FILE, "before-update"],
        points_after: &["after-update"],
    },
    Case {
        doing: "disable",
        earlier: &["install", "enable"],
        before: Found::Active(1),
        after: Found::Installed(1),
        points_before: &[],
        points_after: &[],
    },
    Case {
        doing: "enable",
        earlier: &["install", "enable", "replace", "disable"],
        before: Found::Installed(2),
        after: Found::Active(2),
        points_before: &["before-activate"],
        points_after: &["after-activate"],
    },
    Case {
        doing: "remove",
        earlier: &["install", "enable"],
        before: Found::Active(1),
        after: Found::Nothing,
        points_before: &["before-remove"],
        points_after: &["after-remove"],
    },
    Case {
        doing: "remove",
        earlier: &["install"],
        before: Found::Installed(1),
        after: Found::Nothing,
        points_before: &["before-remove"],
        points_after: &["after-remove"],
    },
];

const TEST: &str = "dying::a_host_that_is_killed_in_a_change_comes_up_before_it_or_after_it";

/// Runs this test as a host that dies; says whether it did.
fn dies(folder: &Path, doing: &str, point: &str) -> bool {
    use std::os::unix::process::ExitStatusExt;
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", TEST, "--nocapture"]).env(FOLDER, folder).env(DOING, doing).env(POINT, point);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let killed = output.status.signal() == Some(9);
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(killed || output.status.success(), "{doing} at {point}: {}\n{told}", output.status);
    killed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_killed_in_a_change_comes_up_before_it_or_after_it() {
    if let (Some(folder), Ok(doing), Ok(point)) = (std::env::var_os(FOLDER), std::env::var(DOING), std::env::var(POINT)) {
        let host = Host::open(folder.as_ref(), &point).await;
        host.death.counts.store(true, Ordering::SeqCst);
        host.change(folder.as_ref(), &doing).await;
        host.close().await;
        return;
    }
    for case in CASES {
        let name = format!("{} after {:?}", case.doing, case.earlier);
        let points_before = case.points_before.iter().chain([&BEFORE_RECORD]).map(|point| (*point, case.before));
        let points_after = case.points_after.iter().chain([&AFTER_RECORD, &NOWHERE]).map(|point| (*point, case.after));
        for (point, expected) in points_before.chain(points_after) {
            let folder = tempfile::tempdir().unwrap();
            let host = Host::open(folder.path(), NOWHERE).await;
            for earlier in case.earlier {
                host.change(folder.path(), earlier).await;
            }
            assert_eq!(host.found().await, case.before, "{name}");
            let records_before = Records::verify(&*host.store).await.unwrap().records;
            host.close().await;

            assert_eq!(dies(folder.path(), case.doing, point), point != NOWHERE, "{name} at {point}");

            let host = Host::open(folder.path(), NOWHERE).await;
            assert_eq!(host.found().await, expected, "{name}, killed at {point}");
            let records = Records::verify(&*host.store).await.unwrap().records;
            let is_before = point == BEFORE_RECORD || case.points_before.contains(&point);
            assert_eq!(records == records_before, is_before, "{name}, killed at {point}: {records} records after {records_before}");
            // Whatever it is, it can be gone on from: the same change again, or the way back.
            if is_before {
                host.change(folder.path(), case.doing).await;
                assert_eq!(host.found().await, case.after, "{name}, killed at {point}, done again");
            }
            host.close().await;
        }
    }
}

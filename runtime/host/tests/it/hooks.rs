//! The application's hooks: each is called, in its place and with the right change; a `before` hook that refuses or hangs leaves everything as it
//! was, an `after` hook that hangs stops nothing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use plugwork::core::lifecycle::State;
use plugwork::core::record::Settings;
use plugwork::log::Level;
use plugwork::{Change, Error, ErrorKind, Hooks, Preload, Running, Runtime, Start, Started};

use crate::living::{House, Life, all_asked};
use crate::world::{Number, Recorder};

/// What the hooks heard, and which of them refuses or hangs.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Pages>>);

#[derive(Default)]
struct Pages {
    heard: Vec<String>,
    refuses: &'static str,
    hangs: &'static str,
}

impl Diary {
    fn refuses(&self, moment: &'static str) {
        self.0.lock().unwrap().refuses = moment;
    }

    fn hangs(&self, moment: &'static str) {
        self.0.lock().unwrap().hangs = moment;
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().heard)
    }

    async fn hear(&self, moment: &str, change: &Change) -> Result<(), String> {
        let (refuses, hangs) = {
            let mut pages = self.0.lock().unwrap();
            let version = change.version.as_ref().map_or("none".to_owned(), ToString::to_string);
            let grants: Vec<_> = change.grants.iter().map(|grant| grant.capability).collect();
            let from = if change.from.is_some() { " from another" } else { "" };
            pages.heard.push(format!("{moment} {} {version} {}{from}", change.subject, grants.join("+")));
            (pages.refuses == moment, pages.hangs == moment)
        };
        if hangs {
            std::future::pending::<()>().await;
        }
        if refuses { Err("not on a Friday".to_owned()) } else { Ok(()) }
    }
}

macro_rules! hooks {
    ($($before:ident $after:ident $moment_before:literal $moment_after:literal,)+) => {
        impl Hooks for Diary {
            $(
                fn $before<'a>(&'a self, change: &'a Change) -> Running<'a, Result<(), String>> {
                    Box::pin(self.hear($moment_before, change))
                }
                fn $after<'a>(&'a self, change: &'a Change) -> Running<'a, ()> {
                    Box::pin(async move { _ = self.hear($moment_after, change).await })
                }
            )+
        }
    };
}

hooks! {
    before_install after_install "before-install" "after-install",
    before_activate after_activate "before-activate" "after-activate",
    before_update after_update "before-update" "after-update",
    before_remove after_remove "before-remove" "after-remove",
}

const PATIENCE: Duration = Duration::from_millis(40);

async fn opened(house: &House, diary: &Diary) -> Runtime {
    house.builder().hooks(diary.clone(), PATIENCE).open().await.unwrap()
}

fn one() -> Life {
    Life::default()
}

fn two() -> Life {
    Life { version: "2.0.0", ..Life::default() }
}

#[tokio::test]
async fn each_is_called_in_its_place_with_its_change() {
    let (house, diary) = (House::new(), Diary::default());
    let runtime = opened(&house, &diary).await;
    let installation = house.install(&runtime, "step", &one()).await;
    let of = "test:guest#step";
    assert_eq!(diary.heard(), [format!("before-install {of} 1.0.0 stage"), format!("after-install {of} 1.0.0 stage")]);
    installation.enable("ada").await.unwrap();
    assert_eq!(diary.heard(), [format!("before-activate {of} 1.0.0 stage"), format!("after-activate {of} 1.0.0 stage")]);
    house.replace(&installation, &runtime, &two()).await.unwrap();
    let update = [format!("before-update {of} 2.0.0 stage from another"), format!("after-update {of} 2.0.0 stage from another")];
    assert_eq!(diary.heard(), update);
    installation.remove("ada").await.unwrap();
    assert_eq!(diary.heard(), [format!("before-remove {of} 2.0.0 stage"), format!("after-remove {of} 2.0.0 stage")]);
}

#[tokio::test]
async fn a_removal_tells_version_and_grants_also_of_what_is_not_loaded() {
    let (house, diary) = (House::new(), Diary::default());
    let runtime = opened(&house, &diary).await;
    let removed = ["before-remove test:guest 1.0.0 stage", "after-remove test:guest 1.0.0 stage"];
    house.install(&runtime, "", &one()).await.remove("ada").await.unwrap();
    assert_eq!(diary.heard()[2..], removed, "never enabled");
    let disabled = house.enabled(&runtime, "", &one()).await;
    disabled.disable("ada", "").await.unwrap();
    diary.heard();
    disabled.remove("ada").await.unwrap();
    assert_eq!(diary.heard(), removed, "disabled");
    house.enabled(&runtime, "", &one()).await;
    runtime.close().await.unwrap();
    let runtime = opened(&house, &diary).await;
    runtime.start(Start { preload: Preload::Critical, ..Start::default() }).await.unwrap();
    diary.heard();
    runtime.installations()[0].remove("ada").await.unwrap();
    assert_eq!(diary.heard()[..], removed, "started and never called");
}

/// A refusal by a hook: nothing else is an error of these kinds.
fn assert_refused(error: &Error, code: &str, moment: &str) {
    assert_eq!((error.kind(), error.denials().len()), (ErrorKind::Refused, 1), "{error}");
    assert_eq!((error.denials()[0].code.as_str(), error.denials()[0].permission.as_str()), (code, moment));
}

/// Makes each change with its `before` hook in the way, and again without.
async fn nothing_changes_where(hinder: fn(&Diary, &'static str), code: &str) {
    let (house, diary) = (House::new(), Diary::default());
    let runtime = opened(&house, &diary).await;

    hinder(&diary, "before-install");
    let offer = house.offer(&runtime, &one()).await;
    let grants = all_asked(&offer);
    assert_refused(&runtime.install(offer, grants, Settings::default()).await.unwrap_err(), code, "before-install");
    assert!(runtime.installations().is_empty() && house.story().await.is_empty());
    hinder(&diary, "");
    let installation = house.install(&runtime, "", &one()).await;

    hinder(&diary, "before-activate");
    assert_refused(&installation.enable("ada").await.unwrap_err(), code, "before-activate");
    assert_eq!((installation.state(), runtime.point::<Number>().len()), (State::Installed, 0));
    assert_eq!(house.story().await, ["granted 1.0.0"]);
    hinder(&diary, "");
    installation.enable("ada").await.unwrap();

    hinder(&diary, "before-update");
    assert_refused(&house.replace(&installation, &runtime, &two()).await.unwrap_err(), code, "before-update");
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 1001);
    assert_eq!(house.story().await, ["granted 1.0.0", "enabled 1.0.0"]);

    hinder(&diary, "before-remove");
    assert_refused(&installation.remove("ada").await.unwrap_err(), code, "before-remove");
    assert_eq!((installation.state(), installation.call::<Number>(&0).await.unwrap()), (State::Active, 1001));
    assert_eq!((house.story().await.len(), runtime.installations().len()), (2, 1));
    let heard = diary.heard();
    let after: Vec<_> = heard.iter().filter(|heard| heard.starts_with("after")).collect();
    assert_eq!(after.len(), 2, "of what did not happen nobody is told: {heard:?}");
}

#[tokio::test]
async fn a_before_hook_that_refuses_leaves_everything_as_it_was() {
    nothing_changes_where(Diary::refuses, "E-HOOK-REFUSED").await;
}

#[tokio::test]
async fn a_before_hook_that_hangs_refuses_when_its_time_is_over() {
    nothing_changes_where(Diary::hangs, "E-HOOK-TIMEOUT").await;
}

#[tokio::test]
async fn an_after_hook_that_hangs_stops_nothing_and_is_complained_of() {
    let (house, diary, log) = (House::new(), Diary::default(), Recorder::default());
    let runtime = house.builder().hooks(diary.clone(), PATIENCE).log(log.clone()).open().await.unwrap();
    diary.hangs("after-install");
    let installation = house.install(&runtime, "", &one()).await;
    diary.hangs("after-activate");
    installation.enable("ada").await.unwrap();
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 1001);
    diary.hangs("after-update");
    house.replace(&installation, &runtime, &two()).await.unwrap();
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 2001);
    diary.hangs("after-remove");
    installation.remove("ada").await.unwrap();
    assert_eq!((installation.state(), runtime.installations().len()), (State::Removed, 0));
    let complaints: Vec<_> = log.records().into_iter().filter(|(level, _)| *level == Level::Warn).map(|(_, message)| message).collect();
    for moment in ["after-install", "after-activate", "after-update", "after-remove"] {
        assert!(complaints.iter().any(|complaint| complaint.contains(&format!("the `{moment}` hook"))), "{moment}: {complaints:?}");
    }
}

/// A house with one that is enabled on record, and a runtime whose hook will not have it.
async fn refused_at_its_start(preload: Preload) -> (House, Diary, Runtime, Started) {
    let (house, diary) = (House::new(), Diary::default());
    let runtime = opened(&house, &diary).await;
    house.enabled(&runtime, "", &one()).await;
    runtime.close().await.unwrap();
    diary.heard();
    diary.refuses("before-activate");
    let runtime = opened(&house, &diary).await;
    let started = runtime.start(Start { preload, ..Start::default() }).await.unwrap();
    (house, diary, runtime, started)
}

#[tokio::test]
async fn nothing_is_started_past_a_hook_that_refuses() {
    let (_house, diary, runtime, started) = refused_at_its_start(Preload::All).await;
    assert_eq!(diary.heard(), ["before-activate test:guest 1.0.0 stage"]);
    assert_eq!((started.active, started.skipped.len()), (0, 1));
    assert!(started.skipped[0].error.to_string().contains("not on a Friday"));
    let installation = &runtime.installations()[0];
    assert_eq!(installation.state(), State::Installed, "nothing is wrong with it");
    assert_eq!(installation.call::<Number>(&0).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn nothing_is_loaded_at_its_first_call_past_a_hook_that_refuses() {
    for preload in [Preload::Likely(256), Preload::Critical] {
        let (_house, diary, runtime, started) = refused_at_its_start(preload).await;
        assert_eq!((started.active, started.loaded), (1, 0));
        let installation = &runtime.installations()[0];
        assert_refused(&installation.call::<Number>(&0).await.unwrap_err(), "E-HOOK-REFUSED", "before-activate");
        assert_eq!(diary.heard(), ["before-activate test:guest 1.0.0 stage"]);
        assert!(installation.state().to_string().contains("not on a Friday"), "{:?}", installation.state());
        assert_eq!(installation.call::<Number>(&0).await.unwrap_err().kind(), ErrorKind::Unavailable, "and it is not asked at every call");
        assert!(diary.heard().is_empty());
    }
}

#[tokio::test]
async fn each_is_told_once_at_a_start_whatever_is_preloaded() {
    for preload in [Preload::All, Preload::Likely(256), Preload::Critical] {
        let (house, diary) = (House::new(), Diary::default());
        let runtime = opened(&house, &diary).await;
        house.enabled(&runtime, "", &one()).await;
        runtime.close().await.unwrap();
        diary.heard();
        let runtime = opened(&house, &diary).await;
        runtime.start(Start { preload, ..Start::default() }).await.unwrap();
        assert_eq!(runtime.point::<Number>().first(0).await.unwrap().value, 1001);
        assert_eq!(diary.heard(), ["before-activate test:guest 1.0.0 stage", "after-activate test:guest 1.0.0 stage"], "{preload:?}");
    }
}

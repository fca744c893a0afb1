//! A start in order: who is called comes before who calls, one that fails or takes too long holds up those that call it and nobody else.
//!
//! The names are such that their own order would be the wrong one: `a` and `b` call `z`, `m` calls nobody.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use plugwork::core::lifecycle::Stage;
use plugwork::{Change, ErrorKind, Hooks, Preload, Running, Runtime, Start, Started};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::guest::{ECHO, Guest};
use crate::living::until;
use crate::starting::{Left, key, named};
use crate::wiring::{ASKS, CALL, COUNTS, FIND, provider};
use crate::world::{Number, grant};

async fn left() -> Left {
    let left = Left::default();
    for name in ["a", "b"] {
        let caller = Guest::new(ASKS).import(FIND).host("find", "$geo");
        left.with(name, named(&caller, name, CALL), |consent, _| {
            consent.grants = grant("call", json!({"interfaces": ["acme:geo/lookup"]}))
        })
        .await;
    }
    left.with_echo("m").await;
    let called = provider("test:z", COUNTS);
    left.with("z", named(&called, "z", ""), |_, settings| settings.points = vec!["acme:geo/lookup@1.2.3".parse().unwrap()]).await;
    left
}

/// Notes who becomes active, and holds one up.
#[derive(Clone, Default)]
struct Noting {
    order: Arc<Mutex<Vec<String>>>,
    holds: Option<(&'static str, Arc<Semaphore>)>,
}

impl Hooks for Noting {
    fn before_activate<'a>(&'a self, change: &'a Change) -> Running<'a, Result<(), String>> {
        Box::pin(async move {
            if let Some((name, until)) = &self.holds
                && change.subject.package.as_str() == *name
            {
                until.acquire().await.map_err(|error| error.to_string())?.forget();
            }
            Ok(())
        })
    }

    fn after_activate<'a>(&'a self, change: &'a Change) -> Running<'a, ()> {
        self.order.lock().unwrap().push(change.subject.package.to_string());
        Box::pin(std::future::ready(()))
    }
}

async fn started(left: &Left, hooks: &Noting, start: Start) -> (Runtime, Started) {
    let runtime = left.builder().hooks(hooks.clone(), Duration::from_secs(60)).open().await.unwrap();
    let started = runtime.start(Start { preload: Preload::All, ..start }).await.unwrap();
    (runtime, started)
}

fn stage(runtime: &Runtime, name: &str) -> Stage {
    runtime.installation(&key(name)).unwrap().state().stage()
}

#[tokio::test]
async fn who_is_called_is_ready_before_who_calls() {
    let (left, hooks) = (left().await, Noting::default());
    for parallel in [1, 8] {
        hooks.order.lock().unwrap().clear();
        let (runtime, started) = started(&left, &hooks, Start { parallel, ..Start::default() }).await;
        assert_eq!((started.active, started.loaded, started.skipped.len()), (4, 4, 0));
        let order = hooks.order.lock().unwrap().clone();
        let place = |name: &str| order.iter().position(|other| other == name).unwrap();
        assert!(place("test:z") < place("test:a").min(place("test:b")), "{order:?}");
        let asks = runtime.installation(&key("a")).unwrap();
        assert_eq!(asks.call::<Number>(&7).await.unwrap(), 107);
    }
}

#[tokio::test]
async fn one_that_cannot_be_started_is_told_to_those_that_call_it_and_stops_nobody_else() {
    let (left, hooks) = (left().await, Noting::default());
    left.files.kept.lock().unwrap().retain(|_, bytes| !bytes.windows(6).any(|word| word == b"test:z"));
    let (runtime, started) = started(&left, &hooks, Start::default()).await;
    assert_eq!(hooks.order.lock().unwrap().as_slice(), ["test:m"]);
    let skipped: Vec<_> = started.skipped.iter().map(|skipped| skipped.key.package.to_string()).collect();
    assert!(skipped.contains(&"test:z".to_owned()), "{skipped:?}");
    assert_eq!(stage(&runtime, "m"), Stage::Active);
    for skipped in started.skipped.iter().filter(|skipped| skipped.key != key("z")) {
        assert!(skipped.error.to_string().contains("it calls `test:z`, which could not be started"), "{}", skipped.error);
    }
    let asks = runtime.installation(&key("a")).unwrap();
    assert!(asks.call::<Number>(&7).await.is_err());
}

#[tokio::test]
async fn one_that_is_not_ready_in_time_goes_on_being_started_and_nobody_waits_for_it() {
    let left = left().await;
    let gate = Arc::new(Semaphore::new(0));
    let hooks = Noting { holds: Some(("test:m", gate.clone())), ..Noting::default() };
    let (runtime, started) = started(&left, &hooks, Start { ready_ms: 2_000, ..Start::default() }).await;
    assert_eq!((started.active, started.skipped.len()), (3, 1));
    let late = &started.skipped[0];
    assert_eq!((&late.key, late.error.kind()), (&key("m"), ErrorKind::Unavailable));
    assert!(late.error.to_string().contains("was not ready within 2000 ms"), "{}", late.error);
    gate.add_permits(1);
    until("it is ready later", || stage(&runtime, "m") == Stage::Active).await;
    let echo = runtime.installation(&key("m")).unwrap();
    assert_eq!(echo.call::<Number>(&7).await.unwrap(), 7);
}

#[tokio::test]
async fn plugins_that_may_call_each_other_in_a_circle_are_started_all_the_same() {
    let left = Left::default();
    for (name, other) in [("a", "test:b"), ("b", "test:a")] {
        let asks = format!("[permissions.call]\nplugins = [\"{other}\"]\n");
        left.with(name, named(&Guest::new(ECHO), name, &asks), |consent, _| consent.grants = grant("call", json!({"plugins": [other]})))
            .await;
    }
    let (_runtime, started) = started(&left, &Noting::default(), Start::default()).await;
    assert_eq!((started.active, started.loaded), (2, 2), "neither imports what the other exports");
}

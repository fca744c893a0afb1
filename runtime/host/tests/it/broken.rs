//! Many plugins of which some are broken, each in a way of its own: who is fine starts, who is not is told with the reason.
//!
//! The records are right in all of it; what is wrong is found when a plugin is loaded. The clock is the system's: what expired did so in 1970.

use plugwork::core::lifecycle::Stage;
use plugwork::core::record::{Event, Settings};
use plugwork::{ErrorKind, Fault, Limits, Preload, Start};
use serde_json::json;

use crate::guest::{ECHO, Guest, LIFECYCLE_CODE};
use crate::starting::{Left, call, key, named, stage, with_init};
use crate::world::{Number, grant};

/// Eleven ways to be broken.
const WAYS: usize = 11;

/// Leaves a plugin that is broken in this way.
async fn broken(left: &Left, name: &str, way: usize, critical: bool) {
    let echo = Guest::new(ECHO);
    let settings = |settings: &mut Settings| settings.critical = critical;
    let quick = Limits { deadline_ms: 250, ..Limits::interactive() };
    match way {
        0 => _ = left.with(name, named(&with_init("unreachable"), name, ""), |_, s| settings(s)).await,
        1 => {
            let hangs = named(&with_init("(loop $again (br $again))"), name, "");
            left.with(name, hangs, |consent, s| {
                consent.limits = Some(quick);
                settings(s);
            })
            .await;
        }
        2 => {
            let greedy = "(if (i32.eq (memory.grow (i32.const 4096)) (i32.const -1)) (then unreachable))";
            left.with(name, named(&with_init(greedy), name, ""), |consent, s| {
                consent.limits = Some(Limits { memory_bytes: 1 << 20, ..Limits::interactive() });
                settings(s);
            })
            .await;
        }
        3 => {
            let code =
                LIFECYCLE_CODE.replace("(export \"health\") (result i32) i32.const 16", "(export \"health\") (result i32) i32.const 32");
            let init = "(func (export \"init\") (param i32 i32) (result i32) i32.const 16)";
            left.with(name, named(&Guest::new(&format!("{code} {ECHO} {init}")).with_lifecycle(), name, ""), |_, s| settings(s)).await;
        }
        4 => {
            let gone = left.with(name, named(&echo, name, ""), |_, s| settings(s)).await;
            left.files.kept.lock().unwrap().remove(&gone.digest);
        }
        5 => {
            let changed = left.with(name, named(&echo, name, ""), |_, s| settings(s)).await;
            left.files.kept.lock().unwrap().insert(changed.digest, named(&echo, name, "description = \"another\"\n"));
        }
        6 => {
            left.with(name, named(&echo, name, ""), |consent, s| {
                consent.expires_ms = Some(1);
                settings(s);
            })
            .await;
        }
        7 => {
            let subject = left.with(name, named(&echo, name, ""), |_, s| settings(s)).await;
            left.append(vec![Event::Revoked { subject, by: "ada".to_owned(), reason: String::new() }]).await;
        }
        8 => _ = left.with(name, format!("no component: {name}").into_bytes(), |_, s| settings(s)).await,
        9 => {
            left.with(name, named(&echo, name, "[permissions.telepathy]\n"), |consent, s| {
                consent.grants = grant("telepathy", json!({}));
                settings(s);
            })
            .await;
        }
        _ => _ = left.with(name, named(&echo, "somebody-else", &format!("description = \"{name}\"\n")), |_, s| settings(s)).await,
    }
}

/// Whether it was skipped for the reason that it was broken.
fn is_told(way: usize, error: &plugwork::Error) -> bool {
    let code = error.denials().first().map(|denial| denial.code.as_str());
    match way {
        0 => matches!(error.fault(), Some(Fault::Trap { .. })),
        1 => matches!(error.fault(), Some(Fault::Deadline { .. })),
        2 => matches!(error.fault(), Some(Fault::Memory { .. })),
        3 => error.kind() == ErrorKind::Refusal,
        4 => error.kind() == ErrorKind::Io && error.to_string().contains("there is no component"),
        5 => error.kind() == ErrorKind::Io && error.to_string().contains("another file"),
        6 => code == Some("E-CONSENT-EXPIRED"),
        7 => code == Some("E-CONSENT-REVOKED"),
        8 => error.kind() == ErrorKind::Component,
        9 => error.kind() == ErrorKind::Refused && error.issues()[0].at.contains("telepathy"),
        _ => error.kind() == ErrorKind::Manifest && error.to_string().contains("somebody-else"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_five_hundred_plugins_the_fifty_that_are_broken_stop_nobody() {
    let left = Left::default();
    for number in 0..500 {
        match number % 10 {
            3 => broken(&left, &format!("p{number}"), number / 10 % WAYS, false).await,
            _ => _ = left.with_echo(&format!("p{number}")).await,
        }
    }
    let (runtime, started) = left.start(Preload::All).await;
    assert_eq!((started.active, started.loaded, started.skipped.len()), (450, 450, 50));
    assert_eq!(runtime.point::<Number>().len(), 450);
    for number in 0..500_usize {
        let name = format!("p{number}");
        let skipped = started.skipped.iter().find(|skipped| skipped.key == key(&name));
        if number % 10 == 3 {
            let (way, error) = (number / 10 % WAYS, &skipped.unwrap().error);
            assert!(is_told(way, error), "{way}: {error:?}");
            let stage = stage(&runtime, &name);
            assert_eq!(stage, if error.kind() == ErrorKind::Refused { Stage::Suspended } else { Stage::Failed }, "{way}");
        } else {
            assert!(skipped.is_none());
            assert_eq!(stage(&runtime, &name), Stage::Active);
        }
    }
    for number in (0..500).filter(|number| number % 10 != 3).step_by(45) {
        assert_eq!(call(&runtime, &format!("p{number}"), number).await.unwrap(), number);
    }
    // What was skipped can be tried again, and says the same.
    let again = runtime.installation(&key("p3")).unwrap().enable("ada").await.unwrap_err();
    assert!(is_told(0, &again), "{again}");
}

#[tokio::test]
async fn a_critical_plugin_that_is_broken_stops_the_start_and_is_named_whatever_is_wrong_with_it() {
    for way in 0..WAYS {
        let left = Left::default();
        left.with_echo("good").await;
        broken(&left, "needed", way, true).await;
        let runtime = left.builder().open().await.unwrap();
        // Also where nothing but critical ones is loaded.
        let error = runtime.start(Start { preload: Preload::Critical, ..Start::default() }).await.unwrap_err();
        assert!(error.to_string().contains("the critical plugin `test:needed` cannot be started"), "{way}: {error}");
    }
}

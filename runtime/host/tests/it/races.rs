//! Ten thousand changes against calls: each call is answered by exactly one version or told that there is none, nothing hangs, and in the end memory
//! and records say the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use plugwork::core::lifecycle::Stage;
use plugwork::core::record::{ConsentKey, Event, Settings};
use plugwork::{Error, ErrorKind, Offer, Preload, Replacement, Runtime, Start};

use crate::living::{House, Life, REUSE, all_asked, until};
use crate::world::Pair;

const CHANGES: u64 = 10_000;
/// Tasks that change and tasks that call.
const CHANGERS: u64 = 3;
const CALLERS: u64 = 3;

const PAIR: &str = r#"
  (func $one (result u32) (canon lift (core func $code "one")))
  (func $two (result u32) (canon lift (core func $code "two")))
  (instance $pair (export "one" (func $one)) (export "two" (func $two)))
  (export "test:point/pair@0.1.0" (instance $pair))"#;
/// Both answer the version; two calls in one instance, so another version may not come between them.
const ONE_AND_TWO: &str =
    r#"(func (export "one") (result i32) global.get $version) (func (export "two") (result i32) global.get $version)"#;

fn version(version: &'static str, asks: &'static str) -> Life {
    Life { version, asks, exports: PAIR, more: ONE_AND_TWO, ..Life::default() }
}

/// Numbers that are the same in every run, and differ enough.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

async fn offer(runtime: &Runtime, sources: &[plugwork::Source], number: u64, instance: &str) -> Offer {
    runtime.offer(&sources[number as usize]).await.unwrap().instance(instance)
}

/// Whether an error is one that a change may give when others change the same thing at the same time.
fn is_expected(error: &Error) -> bool {
    match error.kind() {
        // Not a legal move from where it is now, installed already, or not there any more.
        ErrorKind::Refused => {
            error.denials().iter().all(|denial| denial.code == "E-LIFECYCLE-MOVE" || denial.code.starts_with("E-CONSENT"))
        }
        ErrorKind::Invalid | ErrorKind::Unavailable => true,
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_changes_lose_no_call_and_mix_no_versions() {
    let house = House::new();
    let runtime = house.open().await;
    runtime.start(Start { preload: Preload::All, ..Start::default() }).await.unwrap();
    let lives = [version("1.0.0", ""), version("2.0.0", REUSE), version("3.0.0", REUSE)];
    let mut sources = Vec::new();
    for life in &lives {
        house.offer(&runtime, life).await;
        sources.push(plugwork::Source::bytes(life.guest().bytes()));
    }
    let sources: Arc<[plugwork::Source]> = sources.into();
    let names = ["a", "b", "steady"];
    for name in names {
        let offer = offer(&runtime, &sources, 1, name).await;
        let grants = all_asked(&offer);
        runtime.install(offer, grants, Settings::default()).await.unwrap().enable("ada").await.unwrap();
    }
    let key = |name: &str| ConsentKey { tenant: "default".to_owned(), instance: name.to_owned(), package: "test:guest".parse().unwrap() };

    let (changes, stopped) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let changers: Vec<_> = (0..CHANGERS)
        .map(|seed| {
            let (runtime, sources, changes) = (runtime.clone(), sources.clone(), changes.clone());
            let keys = names.map(key);
            tokio::spawn(async move {
                let mut dice = Dice(seed);
                while changes.load(Ordering::SeqCst) < CHANGES {
                    let which = dice.throw(3) as usize;
                    let (number, name) = (dice.throw(3), &keys[which]);
                    // `steady` is only ever replaced, so it answers every call.
                    let what = if which == 2 { 0 } else { dice.throw(6) };
                    let result = match (runtime.installation(name), what) {
                        (Some(installation), 0 | 1) => {
                            let offer = offer(&runtime, &sources, number, &name.instance).await;
                            match installation.replace(offer, "ada").await {
                                Ok(Replacement::Offered(offered)) => {
                                    let grants = all_asked(&offered.offer);
                                    installation.replace_with(offered.offer, grants, "ada").await.map(drop)
                                }
                                other => other.map(drop),
                            }
                        }
                        (Some(installation), 2) => installation.disable("ada", "").await,
                        // Nothing would change.
                        (Some(installation), 3 | 4) if installation.state().stage() == Stage::Active => continue,
                        (Some(installation), 3 | 4) => installation.enable("ada").await,
                        (Some(installation), _) => installation.remove("ada").await,
                        (None, _) => {
                            let offer = offer(&runtime, &sources, number, &name.instance).await;
                            let grants = all_asked(&offer);
                            match runtime.install(offer, grants, Settings::default()).await {
                                Ok(installation) => installation.enable("ada").await,
                                Err(error) => Err(error),
                            }
                        }
                    };
                    match result {
                        // Only what came about is counted.
                        Ok(()) => _ = changes.fetch_add(1, Ordering::SeqCst),
                        Err(error) => {
                            assert!(is_expected(&error), "{error:?}");
                            assert!(which < 2, "the steady one: {error:?}");
                        }
                    }
                }
            })
        })
        .collect();

    let answered = Arc::new(AtomicU64::new(0));
    let callers: Vec<_> = (0..CALLERS)
        .map(|seed| {
            let (runtime, stopped, answered) = (runtime.clone(), stopped.clone(), answered.clone());
            let keys = names.map(key);
            tokio::spawn(async move {
                let mut dice = Dice(100 + seed);
                while !stopped.load(Ordering::SeqCst) {
                    let steady = runtime.installation(&keys[2]).unwrap().call::<Pair>(&()).await.unwrap();
                    assert!(steady.0 == steady.1 && (1..=3).contains(&steady.0), "{steady:?}");
                    let every = runtime.point::<Pair>().every(()).await;
                    assert!(!every.is_empty(), "the steady one is always attached");
                    for (outcome, value) in every {
                        match (value, outcome.error) {
                            (Some((one, two)), None) => assert_eq!((one, u64::from(two)), (two, outcome.version.unwrap().major)),
                            (None, Some(error)) => {
                                assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Refused), "{error:?}");
                                assert_ne!(outcome.subject.instance, "steady", "{error:?}");
                            }
                            other => panic!("{other:?}"),
                        }
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                    if dice.throw(4) == 0
                        && let Some(installation) = runtime.installation(&keys[dice.throw(2) as usize])
                        && let Ok(mut session) = installation.session::<Pair>().await
                    {
                        let (one, two) = session.call_input(&()).await.unwrap();
                        assert_eq!(one, two);
                    }
                }
            })
        })
        .collect();
    for changer in changers {
        changer.await.unwrap();
    }
    stopped.store(true, Ordering::SeqCst);
    for caller in callers {
        caller.await.unwrap();
    }
    assert!(answered.load(Ordering::Relaxed) > 0);

    // What is active is what the latest records say, and nothing else.
    house.records.verify().await.unwrap();
    for name in names {
        let life = house.records.lifecycle(&key(name)).await.unwrap().unwrap().event().unwrap();
        let consent = house.records.consent(&key(name)).await.unwrap().unwrap().event().unwrap();
        let state = runtime.installation(&key(name)).map(|installation| (installation.state().stage(), installation.subject().digest));
        match (life, consent) {
            (Event::Enabled { subject, .. }, Event::Granted(consent)) => {
                assert_eq!((state, subject.digest), (Some((Stage::Active, subject.digest)), consent.subject.digest), "{name}");
            }
            (Event::Disabled { .. }, Event::Granted(consent)) => {
                assert_eq!(state, Some((Stage::Installed, consent.subject.digest)), "{name}")
            }
            // Removed, and possibly installed again without being enabled.
            (Event::Removed { .. }, Event::Granted(consent)) => {
                assert_eq!(state, Some((Stage::Installed, consent.subject.digest)), "{name}")
            }
            (Event::Removed { .. }, Event::Removed { .. }) => assert_eq!(state, None, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    for name in names {
        if let Some(installation) = runtime.installation(&key(name))
            && installation.state().stage() == Stage::Active
        {
            installation.disable("ada", "").await.unwrap();
        }
    }
    until("all that was loaded is gone", || {
        let held = runtime.capacity().0;
        held.instances == 0
    })
    .await;
    assert!(runtime.status().iter().all(|status| status.in_flight == 0 && status.instances == 0 && status.waiting == 0));
    runtime.close().await.unwrap();
}

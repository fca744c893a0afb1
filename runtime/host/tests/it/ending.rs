//! How sessions and calls end that somebody else ends: forgotten ones, those of a version or a plugin that goes, revoked ones, and what is under way
//! when a runtime closes.

use std::time::{Duration, Instant};

use plugwork::{ErrorKind, Fault, Installation, Limits, Runtime, Session};

use crate::living::{House, Life, until};
use crate::world::{Number, fault};

const NOTES_GOODBYE: &str = "(call $note (i32.const 9)) i32.const 16";

fn life() -> Life {
    Life { shutdown: NOTES_GOODBYE, ..Life::default() }
}

async fn with_session(house: &House, limits: Limits, drain: Duration) -> (Runtime, Installation, Session<Number>) {
    let runtime = house.builder().limits(limits).drain(drain).open().await.unwrap();
    let installation = house.enabled(&runtime, "", &life()).await;
    let noted = house.stage.notes().len();
    let mut session = installation.session::<Number>().await.unwrap();
    assert_eq!(session.call_input(&0).await.unwrap(), 1001);
    assert_eq!((runtime.capacity().0.instances, house.stage.notes().len()), (1, noted));
    (runtime, installation, session)
}

fn patient() -> Limits {
    Limits { cpu_percent: None, deadline_ms: 60_000, ..Limits::interactive() }
}

const LONG: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn a_session_that_nobody_calls_gives_its_instance_back_and_a_later_call_says_why() {
    let house = House::new();
    let (runtime, _installation, mut session) = with_session(&house, Limits { session_idle_ms: 100, ..patient() }, LONG).await;
    until("its instance is taken back", || runtime.capacity().0.instances == 0).await;
    let error = session.call_input(&0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("`session-idle-ms`"), "{error}");
    assert!(session.has_ended());
    assert_eq!((session.spend().calls, house.stage.notes().len()), (3, 2), "it was told, as the one that enabling started");
}

#[tokio::test]
async fn a_session_that_is_used_all_the_time_ends_all_the_same() {
    let house = House::new();
    let limits = Limits { session_total_ms: 300, ..patient() };
    let (runtime, _installation, mut session) = with_session(&house, limits, LONG).await;
    let error = loop {
        match session.call_input(&0).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("`session-total-ms`"), "{error}");
    until("its seat is free", || runtime.capacity().0.instances == 0).await;
}

#[tokio::test]
async fn a_session_that_is_dropped_frees_its_seat_at_once() {
    let house = House::new();
    let (runtime, installation, session) = with_session(&house, Limits { instances: 1, deadline_ms: 200, ..patient() }, LONG).await;
    let refused = installation.call::<Number>(&0).await.unwrap_err();
    assert_eq!((refused.kind(), refused.scarcity().is_some()), (ErrorKind::Unavailable, true), "{refused}");
    drop(session);
    assert_eq!((runtime.capacity().0.instances, runtime.status()[0].instances), (0, 0));
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 1001);
}

#[tokio::test]
async fn a_call_that_is_dropped_ends_its_session_and_frees_its_seat() {
    let house = House::new();
    let runtime = house.open().await;
    let installation = house.enabled(&runtime, "", &Life { run: "call $hold i32.const 1", ..Life::default() }).await;
    house.stage.holds();
    let mut session = installation.session::<Number>().await.unwrap();
    tokio::select! {
        biased;
        answer = session.call_input(&0) => panic!("{answer:?}"),
        () = until("it is in the host", || house.stage.inside() == 1) => {}
    }
    assert!(session.has_ended());
    until("its instance is gone from the guest thread", || (house.stage.inside(), runtime.capacity().0.instances) == (0, 0)).await;
    assert!(session.has_ended());
    assert_eq!(session.call_input(&0).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(runtime.status()[0].in_flight, 1, "until the session is dropped too");
    drop(session);
    until("nothing is under way", || runtime.status()[0].in_flight == 0).await;
}

/// Goes on until the time to drain is over, which is long enough to be seen, then is cut.
async fn drains(mut session: Session<Number>, runtime: &Runtime) {
    assert_eq!(session.call_input(&0).await.unwrap(), 1002, "it goes on");
    let began = Instant::now();
    until("it is cut", || runtime.capacity().0.instances == 0).await;
    assert!(began.elapsed() < Duration::from_secs(30), "not only at the deadline that a call would have");
    let error = session.call_input(&0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("its plugin was replaced, disabled or removed"), "{error}");
}

#[tokio::test]
async fn a_session_of_a_plugin_that_is_disabled_goes_on_until_it_has_to_end() {
    let house = House::new();
    let (runtime, installation, session) = with_session(&house, patient(), Duration::from_secs(2)).await;
    installation.disable("ada", "").await.unwrap();
    assert_eq!(installation.session::<Number>().await.unwrap_err().kind(), ErrorKind::Unavailable);
    drains(session, &runtime).await;
}

#[tokio::test]
async fn a_session_of_a_version_that_is_replaced_goes_on_until_it_has_to_end() {
    let house = House::new();
    let watch = plugwork::core::rollback::Watch { window_ms: 1_000, ..Default::default() };
    let runtime = house.builder().rollback(watch).drain(Duration::from_secs(1)).open().await.unwrap();
    let installation = house.enabled(&runtime, "", &life()).await;
    let mut session = installation.session::<Number>().await.unwrap();
    assert_eq!(session.call_input(&0).await.unwrap(), 1001);
    house.replace(&installation, &runtime, &Life { version: "2.0.0", ..life() }).await.unwrap();
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 2001);
    drains(session, &runtime).await;
    until("the version before is gone", || runtime.capacity().0.loaded == 1).await;
}

#[tokio::test]
async fn a_session_that_drains_to_its_end_is_not_cut() {
    let house = House::new();
    let (runtime, installation, session) = with_session(&house, patient(), LONG).await;
    installation.disable("ada", "").await.unwrap();
    session.end().await;
    until("the version is gone", || runtime.capacity().0.loaded == 0).await;
}

#[tokio::test]
async fn a_revocation_cuts_a_session_and_the_plugin_is_suspended() {
    let house = House::new();
    let (runtime, installation, mut session) = with_session(&house, patient(), LONG).await;
    runtime.revoke(&installation.subject(), "grace", "leak").await.unwrap();
    assert_eq!(installation.state().to_string(), "suspended: consent was taken back");
    until("it is cut", || runtime.capacity().0.instances == 0).await;
    let error = session.call_input(&0).await.unwrap_err();
    assert!(error.to_string().contains("consent was revoked"), "{error}");
    assert_eq!(installation.call::<Number>(&0).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(installation.enable("ada").await.unwrap_err().denials()[0].code, "E-CONSENT-REVOKED");
}

#[tokio::test]
async fn what_was_installed_and_lost_its_consent_is_not_enabled() {
    let house = House::new();
    let runtime = house.open().await;
    let installation = house.install(&runtime, "", &life()).await;
    runtime.revoke(&installation.subject(), "grace", "leak").await.unwrap();
    assert_eq!(installation.enable("ada").await.unwrap_err().denials()[0].code, "E-CONSENT-REVOKED");
    assert!(house.stage.notes().is_empty() && runtime.point::<Number>().is_empty());
}

/// A removed plugin's call and session, from before it was removed.
#[tokio::test]
async fn a_removal_lets_a_call_under_way_finish_and_a_session_drain() {
    let house = House::new();
    let runtime = house.builder().drain(Duration::from_secs(2)).open().await.unwrap();
    let run = "(if (i32.eq (local.get 0) (i32.const 1)) (then call $hold)) (i32.const 7)";
    let installation = house.enabled(&runtime, "", &Life { run, ..life() }).await;
    let canary = house.enabled(&runtime, "canary", &life()).await;
    let mut session = installation.session::<Number>().await.unwrap();
    house.stage.holds();
    let running = installation.clone();
    let call = tokio::spawn(async move { running.call::<Number>(&1).await });
    until("it is in the host", || house.stage.inside() == 1).await;
    installation.remove("ada").await.unwrap();
    // Somebody else removes it too: nothing is left to remove, and what drains goes on.
    assert_eq!(installation.remove("grace").await.unwrap_err().kind(), ErrorKind::Refused);
    // Long enough for this process to have read its own record: what comes after it was obeyed.
    let (subject, by, reason) = ((*canary.subject()).clone(), "grace".to_owned(), String::new());
    let event = plugwork::core::record::Event::Disabled { subject, by, reason, settings: Default::default() };
    house.records.append(0, vec![event]).await.unwrap();
    until("the records were read", || canary.state() == plugwork::core::lifecycle::State::Installed).await;
    assert_eq!(session.call_input(&0).await.unwrap(), 7);
    house.stage.let_go();
    assert_eq!(call.await.unwrap().unwrap(), 7);
    until("it is cut", || runtime.capacity().0.instances == 0).await;
    let error = session.call_input(&0).await.unwrap_err();
    assert!(error.to_string().contains("its plugin was replaced, disabled or removed"), "{error}");
}

#[tokio::test]
async fn a_call_under_way_finishes_before_closing_does() {
    let house = House::new();
    let runtime = house.open().await;
    let installation = house.enabled(&runtime, "", &Life { run: "call $hold (i32.const 7)", ..Life::default() }).await;
    house.stage.holds();
    let running = installation.clone();
    let call = tokio::spawn(async move { running.call::<Number>(&0).await });
    until("it is in the host", || house.stage.inside() == 1).await;
    let closing = tokio::spawn(runtime.close());
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!closing.is_finished());
    house.stage.let_go();
    closing.await.unwrap().unwrap();
    // Whether its caller was told by now is another thread's business.
    assert_eq!(house.stage.inside(), 0, "closing waited for it");
    assert_eq!(call.await.unwrap().unwrap(), 7);
    let late = installation.call::<Number>(&0).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Unavailable, "{late}");
}

#[tokio::test]
async fn a_call_that_hangs_meets_its_deadline_before_closing_is_done() {
    let house = House::new();
    let runtime = house.builder().limits(Limits { deadline_ms: 300, ..patient() }).open().await.unwrap();
    let installation = house.enabled(&runtime, "", &Life { run: "call $hold (i32.const 7)", ..Life::default() }).await;
    house.stage.holds();
    let running = installation.clone();
    let call = tokio::spawn(async move { running.call::<Number>(&0).await });
    until("it is in the host", || house.stage.inside() == 1).await;
    runtime.close().await.unwrap();
    assert_eq!(house.stage.inside(), 0, "closing waited for it");
    assert!(matches!(fault(call.await.unwrap()), Fault::Deadline { .. }));
}

#[tokio::test]
async fn nothing_is_called_enabled_or_installed_once_it_is_closed() {
    let house = House::new();
    let runtime = house.open().await;
    let installation = house.enabled(&runtime, "", &life()).await;
    let other = runtime.clone();
    runtime.close().await.unwrap();
    let notes = house.stage.notes();
    assert_eq!(installation.call::<Number>(&0).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(installation.session::<Number>().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(installation.plugin().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(other.point::<Number>().is_empty());
    let offer = house.offer(&other, &Life { version: "2.0.0", ..life() }).await;
    assert!(installation.replace(offer, "ada").await.is_err());
    assert_eq!((house.stage.notes(), other.capacity().0.loaded), (notes, 0), "nothing was loaded and nothing ran");
    assert_eq!(house.story().await, ["granted 1.0.0", "enabled 1.0.0"], "and it is enabled again at the next start");
}

#[tokio::test]
async fn a_call_under_way_when_the_time_to_drain_is_over_comes_to_its_end_and_its_session_too() {
    let house = House::new();
    let runtime = house.builder().limits(patient()).drain(Duration::from_millis(100)).open().await.unwrap();
    let installation = house.enabled(&runtime, "", &Life { run: "call $hold (i32.const 7)", ..life() }).await;
    let mut session = installation.session::<Number>().await.unwrap();
    house.stage.holds();
    let call = tokio::spawn(async move { (session.call_input(&0).await, session) });
    until("it is in the host", || house.stage.inside() == 1).await;
    installation.disable("ada", "").await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(house.stage.inside(), 1);
    house.stage.let_go();
    let (answer, mut session) = call.await.unwrap();
    assert_eq!(answer.unwrap(), 7);
    until("it is cut", || runtime.capacity().0.instances == 0).await;
    assert_eq!(session.call_input(&0).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn what_a_host_function_keeps_its_thread_for_is_part_of_the_calls_time() {
    let house = House::new();
    let runtime = house.builder().limits(Limits { deadline_ms: 1_000, ..patient() }).open().await.unwrap();
    let installation = house.enabled(&runtime, "", &Life { run: "(drop (call $mood)) (call $hold) (i32.const 7)", ..life() }).await;
    house.stage.blocks(900);
    house.stage.holds();
    let ended = fault(installation.call::<Number>(&0).await);
    assert!(matches!(ended, Fault::Deadline { limit_ms: 1_000, ran_ms: 1_000..1_800 }), "{ended:?}");
}

//! Replacing a version: what passes takes the calls, what does not leaves the old version as it was, in memory and on record.

use plugwork::core::lifecycle::State;
use plugwork::{Error, ErrorKind, Fault, Installation, Preload, Replaced, Replacement, Runtime, Start};

use crate::living::{HANDS_COUNT_OVER, House, Life, REFUSES, REUSE, all_asked};
use crate::world::{Bytes, Number};

pub(crate) const TWO: Life = Life { version: "2.0.0", ..ONE };
pub(crate) const ONE: Life = Life {
    version: "1.0.0",
    asks: "",
    init: crate::living::OK,
    shutdown: crate::living::OK,
    health: crate::living::OK,
    migrate: crate::living::OK,
    run: crate::living::COUNTS,
    handover: None,
    more: "",
    exports: crate::guest::NUMBER,
};

pub(crate) fn done(replacement: Result<Replacement, Error>) -> Replaced {
    match replacement.unwrap() {
        Replacement::Done(replaced) => replaced,
        Replacement::Offered(offered) => panic!("{offered:?}"),
    }
}

/// A runtime that is started from what is on record, after the first was closed.
async fn started_again(house: &House, runtime: Runtime) -> Runtime {
    runtime.close().await.unwrap();
    let runtime = house.open().await;
    runtime.start(Start { preload: Preload::All, ..Start::default() }).await.unwrap();
    runtime
}

#[tokio::test]
async fn calls_see_the_new_version_and_so_does_the_next_start() {
    let house = House::new();
    let runtime = house.open().await;
    let installation = house.enabled(&runtime, "", &ONE).await;
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 1001);
    let replaced = done(house.replace(&installation, &runtime, &TWO).await);
    let version = |version: &Option<semver::Version>| version.as_ref().unwrap().to_string();
    assert_eq!((version(&replaced.from), version(&replaced.to), replaced.generation), ("1.0.0".to_owned(), "2.0.0".to_owned(), 2));
    assert_eq!((replaced.handed_over_bytes, replaced.digest), (None, installation.subject().digest));
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 2001);
    assert_eq!(runtime.point::<Number>().first(0).await.unwrap().value, 2001);
    assert_eq!(runtime.status()[0].version.as_deref(), Some("2.0.0"));
    let story = ["granted 1.0.0", "enabled 1.0.0", "granted 2.0.0", "enabled 2.0.0", "replaced 2.0.0"];
    assert_eq!(house.story().await, story);
    let runtime = started_again(&house, runtime).await;
    assert_eq!(runtime.point::<Number>().first(0).await.unwrap().value, 2001);
    assert_eq!(house.story().await, story);
}

#[tokio::test]
async fn one_that_is_disabled_is_replaced_and_stays_disabled() {
    let house = House::new();
    let runtime = house.open().await;
    let installation = house.enabled(&runtime, "", &ONE).await;
    installation.disable("ada", "").await.unwrap();
    done(house.replace(&installation, &runtime, &TWO).await);
    assert_eq!((installation.state(), runtime.point::<Number>().len()), (State::Installed, 0));
    let runtime = started_again(&house, runtime).await;
    assert!(runtime.point::<Number>().is_empty());
    let installation = &runtime.installations()[0];
    installation.enable("ada").await.unwrap();
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 2001);
}

#[tokio::test]
async fn a_version_that_asks_for_less_is_narrowed_without_asking() {
    let house = House::new();
    let runtime = house.open().await;
    let installation = house.enabled(&runtime, "", &Life { asks: "[permissions.calls]\nstart = 1\n", ..ONE }).await;
    assert!(installation.plugin().await.unwrap().grants().get("calls").is_some());
    done(house.replace(&installation, &runtime, &TWO).await);
    assert!(installation.plugin().await.unwrap().grants().get("calls").is_none());
    let runtime = started_again(&house, runtime).await;
    assert!(runtime.installations()[0].plugin().await.unwrap().grants().get("calls").is_none());
}

const WIDER: Life = Life { asks: "[permissions.calls]\nstart = 1\n", ..TWO };

#[tokio::test]
async fn a_version_that_asks_for_more_becomes_an_offer_and_the_old_one_keeps_running() {
    let house = House::new();
    let runtime = house.open().await;
    let installation = house.enabled(&runtime, "", &ONE).await;
    let offered = match house.replace(&installation, &runtime, &WIDER).await.unwrap() {
        Replacement::Offered(offered) => offered,
        Replacement::Done(replaced) => panic!("{replaced:?}"),
    };
    assert_eq!(offered.capabilities, ["calls"]);
    assert!(offered.difference.needs_consent());
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 1001);
    assert_eq!(house.story().await, ["granted 1.0.0", "enabled 1.0.0"]);
    let grants = all_asked(&offered.offer);
    installation.replace_with(offered.offer, grants.clone(), "grace").await.unwrap();
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 2001);
    let runtime = started_again(&house, runtime).await;
    let plugin = runtime.installations()[0].plugin().await.unwrap();
    assert_eq!((plugin.grants(), plugin.call::<Number>(&0).await.unwrap()), (&grants, 2001));
}

/// Tries to put something in the place of a version that counts in a warm instance; it must go on as if nothing had been.
async fn is_refused(old: Life, new: Life) -> Error {
    let house = House::new();
    let runtime = house.open().await;
    let installation = house.enabled(&runtime, "", &old).await;
    runtime.point::<Number>().first(0).await.unwrap();
    let before = house.story().await;
    let error = house.replace(&installation, &runtime, &new).await.unwrap_err();
    still_runs_as_before(&house, &runtime, &installation, &before).await;
    error
}

async fn still_runs_as_before(house: &House, runtime: &Runtime, installation: &Installation, before: &[String]) {
    assert_eq!(installation.state(), State::Active);
    let answer = runtime.point::<Number>().first(0).await.unwrap();
    assert_eq!((answer.value / 1000, answer.outcomes.len()), (1, 1));
    assert_eq!(answer.outcomes[0].version.as_ref().unwrap().to_string(), "1.0.0");
    assert_eq!(house.story().await, before);
    let idle = u64::try_from(runtime.status()[0].idle_instances).unwrap();
    assert_eq!(runtime.capacity().0.instances, idle, "the other version holds no instance");
    let runtime = started_again(house, runtime.clone()).await;
    assert_eq!(runtime.point::<Number>().first(0).await.unwrap().value, 1001);
}

#[tokio::test]
async fn a_version_of_another_package_is_refused() {
    let house = House::new();
    let runtime = house.open().await;
    let installation = house.enabled(&runtime, "", &ONE).await;
    let before = house.story().await;
    let other = runtime.offer(&crate::guest::Guest::new(crate::guest::ECHO).source()).await.unwrap();
    let error = installation.replace(other, "ada").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("is no version of `test:guest`"), "{error}");
    still_runs_as_before(&house, &runtime, &installation, &before).await;
}

pub(crate) const BYTES: &str = r#"
  (func $make (param "length" u32) (result (list u8)) (canon lift (core func $code "make") (memory $memory)))
  (instance $bytes (export "make" (func $make)))
  (export "test:point/bytes@0.1.0" (instance $bytes))"#;
pub(crate) const MAKES: &str = r#"(func (export "make") (param i32) (result i32) i32.const 256)"#;

#[tokio::test]
async fn a_version_without_the_point_is_refused() {
    let error = is_refused(ONE, Life { exports: BYTES, more: MAKES, ..TWO }).await;
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("does not export `test:point/number@0.1.0`"), "{error}");
}

const OTHER_NUMBER: &str = r#"
  (func $run (param "input" u64) (result u32) (canon lift (core func $code "run64")))
  (instance $number (export "run" (func $run)))
  (export "test:point/number@0.1.0" (instance $number))"#;
const RUN64: &str = r#"(func (export "run64") (param i64) (result i32) i32.const 0)"#;

#[tokio::test]
async fn a_version_that_has_the_point_with_another_type_is_refused() {
    let error = is_refused(ONE, Life { exports: OTHER_NUMBER, more: RUN64, ..TWO }).await;
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("does not fit `test:point/number@0.1.0` as it is called here"), "{error}");
}

#[tokio::test]
async fn a_point_is_checked_also_where_this_version_was_not_called_through_it() {
    let house = House::new();
    let runtime = house.open().await;
    let installation = house.enabled(&runtime, "", &ONE).await;
    // The application calls this point; it did not call this plugin yet.
    assert_eq!(runtime.point::<Number>().len(), 1);
    let before = house.story().await;
    let error = house.replace(&installation, &runtime, &Life { exports: OTHER_NUMBER, more: RUN64, ..TWO }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    still_runs_as_before(&house, &runtime, &installation, &before).await;
}

#[tokio::test]
async fn a_version_may_have_more_points() {
    let house = House::new();
    let runtime = house.open().await;
    let installation = house.enabled(&runtime, "", &ONE).await;
    assert!(runtime.point::<Bytes>().is_empty());
    let both: &'static str = Box::leak(format!("{}{BYTES}", crate::guest::NUMBER).into_boxed_str());
    done(house.replace(&installation, &runtime, &Life { exports: both, more: MAKES, ..TWO }).await);
    assert_eq!(runtime.point::<Bytes>().first(0).await.unwrap().value, Vec::<u8>::new());
    assert_eq!(runtime.point::<Number>().len(), 1);
}

#[tokio::test]
async fn a_version_whose_init_traps_is_refused() {
    let error = is_refused(ONE, Life { init: "unreachable", ..TWO }).await;
    assert!(matches!(error.fault(), Some(Fault::Trap { .. })), "{error}");
}

#[tokio::test]
async fn a_version_that_is_not_well_is_refused() {
    assert_eq!(is_refused(ONE, Life { health: REFUSES, ..TWO }).await.kind(), ErrorKind::Refusal);
}

#[tokio::test]
async fn a_version_that_refuses_to_migrate_is_refused() {
    assert_eq!(is_refused(ONE, Life { migrate: REFUSES, ..TWO }).await.kind(), ErrorKind::Refusal);
}

#[tokio::test]
async fn migrate_is_told_the_version_before() {
    let house = House::new();
    let runtime = house.open().await;
    let installation = house.enabled(&runtime, "", &ONE).await;
    let notes = "(call $note (local.get 1)) (call $note (i32.load8_u (local.get 0))) i32.const 16";
    done(house.replace(&installation, &runtime, &Life { migrate: notes, ..TWO }).await);
    assert_eq!(house.stage.notes(), [5, u32::from(b'1')], "five bytes that begin with `1`");
}

const HANDING: Life = Life { asks: REUSE, handover: HANDS_COUNT_OVER, ..ONE };

#[tokio::test]
async fn a_counter_goes_on_counting_in_the_new_version() {
    let house = House::new();
    let runtime = house.open().await;
    let installation = house.enabled(&runtime, "", &HANDING).await;
    for expected in [1001, 1002, 1003] {
        assert_eq!(installation.call::<Number>(&0).await.unwrap(), expected);
    }
    let replaced = done(house.replace(&installation, &runtime, &Life { version: "2.0.0", ..HANDING }).await);
    assert_eq!(replaced.handed_over_bytes, Some(4));
    for expected in [2004, 2005] {
        assert_eq!(installation.call::<Number>(&0).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_snapshot_that_traps_leaves_the_old_version_without_its_memory() {
    let old = Life { handover: Some(("unreachable", "i32.const 16")), ..HANDING };
    let error = is_refused(old, Life { version: "2.0.0", ..HANDING }).await;
    assert!(matches!(error.fault(), Some(Fault::Trap { .. })), "{error}");
}

/// `result<list<u8>>` at 128: more than 16 MiB from 0 on.
const LARGE: &str = "(drop (memory.grow (i32.const 260)))
    (i32.store (i32.const 132) (i32.const 0)) (i32.store (i32.const 136) (i32.const 16777217)) i32.const 128";
/// Exactly as much as it may have.
const LARGEST: &str = "(drop (memory.grow (i32.const 260)))
    (i32.store (i32.const 132) (i32.const 0)) (i32.store (i32.const 136) (i32.const 16777216)) i32.const 128";

#[tokio::test]
async fn a_snapshot_larger_than_it_may_be_is_refused() {
    let old = Life { handover: Some((LARGE, "i32.const 16")), ..HANDING };
    let error = is_refused(old, Life { version: "2.0.0", ..HANDING }).await;
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(error.to_string().contains("16777217 bytes, at most 16777216"), "{error}");
}

#[tokio::test]
async fn a_snapshot_of_the_size_that_is_allowed_is_handed_over() {
    let house = House::new();
    let limits = plugwork::Limits { memory_bytes: 128 << 20, ..plugwork::Limits::batch() };
    let runtime = house.builder().limits(limits).open().await.unwrap();
    let taking = "(call $note (local.get 1)) i32.const 16";
    let guest = |version| {
        // The heap grows with what it is handed.
        Life { version, handover: Some((LARGEST, taking)), init: "(drop (memory.grow (i32.const 300))) i32.const 16", ..HANDING }
    };
    let installation = house.enabled(&runtime, "", &guest("1.0.0")).await;
    assert_eq!(done(house.replace(&installation, &runtime, &guest("2.0.0")).await).handed_over_bytes, Some(16 << 20));
    assert_eq!(house.stage.notes(), [16 << 20]);
}

#[tokio::test]
async fn a_version_that_refuses_what_it_is_handed_is_refused() {
    let new = Life { version: "2.0.0", handover: Some(("unreachable", REFUSES)), ..HANDING };
    assert_eq!(is_refused(HANDING, new.clone()).await.kind(), ErrorKind::Refusal);
    let house = House::new();
    let runtime = house.open().await;
    let installation = house.enabled(&runtime, "", &HANDING).await;
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 1001);
    house.replace(&installation, &runtime, &new).await.unwrap_err();
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 1002, "it goes on with its memory");
}

#[tokio::test]
async fn a_call_under_way_ends_in_the_version_in_which_it_began() {
    let house = House::new();
    let runtime = house.open().await;
    let held: &'static str = "(call $hold) (i32.const 1000)";
    let installation = house.enabled(&runtime, "", &Life { run: held, ..ONE }).await;
    house.stage.holds();
    let running = installation.clone();
    let call = tokio::spawn(async move { running.call::<Number>(&0).await });
    crate::living::until("the call is in the host", || house.stage.inside() == 1).await;
    done(house.replace(&installation, &runtime, &TWO).await);
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 2001);
    house.stage.let_go();
    assert_eq!(call.await.unwrap().unwrap(), 1000);
}

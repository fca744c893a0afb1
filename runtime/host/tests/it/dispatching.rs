//! Dispatch as it is configured, and native plugins among components: order, concurrency, what a pipeline does at a fault, what the answer says.

use std::collections::BTreeSet;

use plugwork::core::dispatch::{Dispatching, OnFault};
use plugwork::core::lifecycle::State;
use plugwork::core::record::Settings;
use plugwork::{Builder, ErrorKind, Fault, Grants, Origin, Outcome, Refusal, Runtime};

use crate::dispatch::{adding, refusing, trapping};
use crate::guest::Guest;
use crate::living::{House, Life, until};
use crate::world::{self, Answer, Number};

const POINT: &str = "test:point/answer@0.1.0";

/// Components named by instance, each with its weight.
async fn with(builder: Builder, components: &[(&str, i32, Guest)]) -> Runtime {
    let runtime = builder.open().await.unwrap();
    for (instance, weight, guest) in components {
        let offer = runtime.offer(&guest.source()).await.unwrap().instance(instance);
        let settings = Settings { weight: *weight, ..Settings::default() };
        runtime.install(offer, Grants::none(), settings).await.unwrap().enable("ada").await.unwrap();
    }
    runtime
}

fn adds(number: u32) -> impl Fn(&u32) -> Result<u32, Refusal> + Send + Sync {
    move |input| Ok(input + number)
}

fn refuses(_: &u32) -> Result<u32, Refusal> {
    Err(Refusal::Unavailable { reason: "not today".to_owned() })
}

fn panics(_: &u32) -> Result<u32, Refusal> {
    panic!("a native plugin broke")
}

fn names<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> Vec<String> {
    outcomes.into_iter().map(|outcome| outcome.subject.to_string().rsplit(['#', ':']).next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn plugins_are_asked_as_configured_then_by_weight_then_by_name_native_ones_too() {
    let first = runtime_names(&["rules:late", "nobody:here"]).await;
    assert_eq!(first, ["late", "early", "a", "b", "native-c", "z"]);
    assert_eq!(runtime_names(&[]).await, ["early", "a", "b", "native-c", "z", "late"]);
}

async fn runtime_names(order: &[&str]) -> Vec<String> {
    let order = order.iter().map(|&name| name.to_owned()).collect();
    let builder = world::builder()
        .native::<Answer>("rules:late", 9, adds(0))
        .native::<Answer>("rules:early", -1, adds(0))
        .native::<Answer>("test:native-c", 0, adds(0))
        .dispatching("test:point/answer", Dispatching { order, ..Dispatching::default() });
    let runtime = with(builder, &[("b", 0, named(1)), ("z", 5, named(2)), ("a", 0, named(3))]).await;
    let answer = runtime.point::<Answer>().pipeline(0).await.unwrap();
    assert_eq!(answer.value, 6);
    names(&answer.outcomes)
}

/// Of a package whose name sorts before the native one's.
fn named(number: u32) -> Guest {
    adding(number).manifest("")
}

#[tokio::test]
async fn every_never_asks_more_at_once_than_it_may() {
    for (configured, asked, expected) in [(3, None, 3), (3, Some(2), 2), (8, Some(1), 1), (8, None, 6)] {
        let house = House::new();
        let dispatching = Dispatching { concurrency: configured, ..Dispatching::default() };
        let runtime = house.builder().dispatching("test:point/number@0.1.0", dispatching).open().await.unwrap();
        for name in ["a", "b", "c", "d", "e", "f"] {
            house.enabled(&runtime, name, &Life { run: "call $hold (local.get 0)", ..Life::default() }).await;
        }
        house.stage.holds();
        let every = tokio::spawn(async move {
            let point = runtime.point::<Number>();
            match asked {
                Some(asked) => point.concurrency(asked).every(7).await,
                None => point.every(7).await,
            }
        });
        until("as many as may are in the host", || house.stage.inside() == expected).await;
        house.stage.let_go();
        let every = every.await.unwrap();
        assert_eq!(every.iter().map(|(_, value)| *value).collect::<Vec<_>>(), [Some(7); 6]);
        assert_eq!(house.stage.most_inside(), expected);
    }
}

#[tokio::test]
async fn every_shows_values_refusals_faults_and_panics_side_by_side() {
    let builder = world::builder()
        .native::<Answer>("rules:adds", 1, adds(1))
        .native::<Answer>("rules:refuses", 2, refuses)
        .native::<Answer>("rules:panics", 3, panics);
    let runtime = with(builder, &[("good", 4, adding(2)), ("refusing", 5, refusing()), ("trapping", 6, trapping())]).await;
    for _ in 0..2 {
        let every = runtime.point::<Answer>().every(10).await;
        let shown: Vec<_> =
            every.iter().map(|(outcome, value)| (outcome.origin, *value, outcome.error.as_ref().map(plugwork::Error::kind))).collect();
        let (native, component) = (Origin::Native, Origin::Component);
        let (refusal, fault) = (Some(ErrorKind::Refusal), Some(ErrorKind::Fault));
        let expected = [
            (native, Some(11), None),
            (native, None, refusal),
            (native, None, fault),
            (component, Some(12), None),
            (component, None, refusal),
            (component, None, fault),
        ];
        assert_eq!(shown, expected);
        let panicked = every[2].0.error.as_ref().unwrap();
        assert_eq!(panicked.fault(), Some(&Fault::HostPanic { message: "a native plugin broke".to_owned() }));
        assert_eq!(panicked.subject().unwrap().package.to_string(), "rules:panics");
    }
}

#[tokio::test]
async fn a_native_plugin_that_panics_is_passed_over_by_first_and_the_host_lives() {
    let builder = world::builder().native::<Answer>("rules:panics", 0, panics).native::<Answer>("rules:adds", 1, adds(1));
    let runtime = with(builder, &[]).await;
    for _ in 0..3 {
        let answer = runtime.point::<Answer>().first(1).await.unwrap();
        assert_eq!((answer.value, answer.outcomes.len()), (2, 2));
    }
}

#[tokio::test]
async fn a_pipeline_stops_skips_or_goes_on_with_another_value_as_configured_or_as_asked() {
    let runtime = |on_fault| async move {
        let dispatching = Dispatching { on_fault, ..Dispatching::default() };
        let builder = world::builder().native::<Answer>("rules:last", 9, adds(100)).dispatching(POINT, dispatching);
        with(builder, &[("one", 0, adding(1)), ("two", 1, trapping()), ("three", 2, refusing())]).await
    };
    let stops = runtime(OnFault::Stop).await;
    let error = stops.point::<Answer>().pipeline(0).await.unwrap_err();
    assert_eq!((error.kind(), error.subject().unwrap().instance.as_str()), (ErrorKind::Fault, "two"));
    let outcomes: Vec<_> = error.outcomes().iter().map(|outcome| (outcome.subject.instance.as_str(), outcome.error.is_some())).collect();
    assert_eq!(outcomes, [("one", false), ("two", true)], "what came before is told too");
    assert!(error.outcomes().iter().all(|outcome| outcome.spend.calls > 0), "{error:?}");
    let skips = runtime(OnFault::Skip).await;
    let answer = skips.point::<Answer>().pipeline(0).await.unwrap();
    assert_eq!((answer.value, answer.outcomes.len()), (101, 4));
    let failed: Vec<_> = answer.outcomes.iter().map(|outcome| outcome.error.is_some()).collect();
    assert_eq!(failed, [false, true, true, false]);
    assert_eq!(skips.point::<Answer>().on_fault(OnFault::Stop).pipeline(0).await.unwrap_err().kind(), ErrorKind::Fault);
    let answer = stops.point::<Answer>().or_else(|before| before + 10).pipeline(0).await.unwrap();
    assert_eq!((answer.value, answer.outcomes.len()), (121, 4), "twice ten for the two that gave nothing");
    let none_given = runtime(OnFault::Default).await.point::<Answer>().pipeline(0).await.unwrap_err();
    assert_eq!(none_given.kind(), ErrorKind::Fault, "a default that nobody gave stops too");
}

#[tokio::test]
async fn an_outcome_tells_who_and_what_it_is_and_what_it_used() {
    let builder = world::builder().native::<Answer>("rules:adds", 1, adds(1));
    let runtime = with(builder, &[("", 0, named(1))]).await;
    let answer = runtime.point::<Answer>().pipeline(0).await.unwrap();
    let [component, native] = &answer.outcomes[..] else { panic!("{answer:?}") };
    assert_eq!((component.origin, component.version.as_ref().unwrap().to_string().as_str()), (Origin::Component, "1.0.0"));
    assert_eq!((component.spend.calls, component.spend.memory_bytes), (2, 64 << 10));
    assert!(component.time >= component.spend.time && !component.spend.time.is_zero());
    assert_eq!((native.origin, &native.version, native.spend.calls), (Origin::Native, &None, 0));
    assert!(component.error.is_none() && native.error.is_none());
    let (component, native) = (runtime.status().remove(1), runtime.status().remove(0));
    let shown = serde_json::to_value([&native, &component]).unwrap();
    assert_eq!((&shown[0]["kind"], &shown[1]["kind"]), (&"native".into(), &"component".into()));
    assert_eq!((&shown[0]["package"], &shown[1]["package"]), (&"rules:adds".into(), &"test:guest".into()));
}

#[tokio::test]
async fn two_native_plugins_of_one_name_are_refused() {
    let twice = world::builder().native::<Answer>("rules:same", 0, adds(1)).native::<Number>("rules:same", 0, adds(2));
    let error = twice.open().await.err().unwrap();
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::Invalid, "two plugins are called `rules:same`".to_owned()));
    let no_name = world::builder().native::<Answer>("no name", 0, adds(1)).open().await.err().unwrap();
    assert_eq!(no_name.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_native_plugin_is_disabled_enabled_and_not_replaced() {
    let runtime = with(world::builder().native::<Answer>("rules:adds", 0, adds(1)), &[]).await;
    let native = runtime.installations().remove(0);
    assert_eq!((native.origin(), native.state()), (Origin::Native, State::Active));
    native.disable("ada", "").await.unwrap();
    assert!(runtime.point::<Answer>().is_empty());
    assert_eq!(native.call::<Answer>(&0).await.unwrap_err().kind(), ErrorKind::Unavailable);
    native.enable("ada").await.unwrap();
    assert_eq!(runtime.point::<Answer>().first(1).await.unwrap().value, 2);
    let offer = runtime.offer(&adding(1).source()).await.unwrap();
    assert_eq!(native.replace(offer, "ada").await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(native.plugin().await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(native.session::<Answer>().await.unwrap_err().kind(), ErrorKind::Invalid);
    native.remove("ada").await.unwrap();
    assert!(runtime.installations().is_empty() && runtime.point::<Answer>().is_empty());
}

#[tokio::test]
async fn one_whose_points_are_others_is_not_asked() {
    let runtime = with(world::builder().native::<Number>("rules:other", 0, adds(1)), &[("one", 0, adding(1))]).await;
    let asked: BTreeSet<_> = runtime.point::<Answer>().plugins().map(|plugin| plugin.key().to_string()).collect();
    assert_eq!(asked.len(), 1);
    assert_eq!(runtime.point::<Number>().plugins().next().unwrap().origin(), Origin::Native);
}

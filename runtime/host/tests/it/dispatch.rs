//! Calling every plugin of a point: who is asked, in which order, what a failure does, and what the answer tells.

use std::time::Duration;

use plugwork::core::record::Settings;
use plugwork::{ErrorKind, Fault, Grants, Plugin, Refusal, Runtime};

use crate::guest::{Guest, REFUSAL};
use crate::world::{self, Answer, Number};

/// `answer: func(u32) -> result<u32, refusal>`; the code stores its answer at 64: ok or err at 64, the value or the case at 68.
pub(crate) fn answering(code: &str) -> Guest {
    let code = format!(
        r#"(import "heap" "memory" (memory 1)) (data (i32.const 0) "not today")
        (func (export "answer") (param i32) (result i32) {code} i32.const 64)"#
    );
    Guest::new(&code).import(REFUSAL).exporting(
        r#"(func $answer (param "input" u32) (result (result u32 (error $refusal))) (canon lift (core func $code "answer") (memory $memory)))
        (instance $point (export "refusal" (type $refusal)) (export "answer" (func $answer)))
        (export "test:point/answer@0.1.0" (instance $point))"#,
    )
}

pub(crate) fn adding(number: u32) -> Guest {
    answering(&format!("(i32.store (i32.const 68) (i32.add (local.get 0) (i32.const {number})))"))
}

pub(crate) fn refusing() -> Guest {
    answering("(i32.store (i32.const 64) (i32.const 1)) (i32.store (i32.const 68) (i32.const 2)) (i32.store (i32.const 76) (i32.const 9))")
}

pub(crate) fn trapping() -> Guest {
    answering("unreachable")
}

async fn attached(guests: &[Guest]) -> (Runtime, Vec<Plugin>) {
    let runtime = world::runtime().await;
    let mut plugins = Vec::new();
    for (index, guest) in guests.iter().enumerate() {
        let offer = runtime.offer(&guest.source()).await.unwrap().instance(&format!("step-{index}"));
        let settings = Settings { weight: i32::try_from(index).unwrap(), ..Settings::default() };
        let installation = runtime.install(offer, Grants::none(), settings).await.unwrap();
        installation.enable("test").await.unwrap();
        plugins.push(installation.plugin().await.unwrap());
    }
    (runtime, plugins)
}

fn refused() -> Refusal {
    Refusal::Unavailable { reason: "not today".to_owned() }
}

#[tokio::test]
async fn first_takes_the_first_value_and_shows_who_refused_before() {
    let (runtime, _plugins) = attached(&[refusing(), trapping(), adding(1), adding(2)]).await;
    let answer = runtime.point::<Answer>().first(10).await.unwrap();
    assert_eq!((answer.value, answer.outcomes.len()), (11, 3), "the fourth was not asked");
    let errors: Vec<_> = answer.outcomes.iter().map(|outcome| outcome.error.as_ref().map(plugwork::Error::kind)).collect();
    assert_eq!(errors, [Some(ErrorKind::Refusal), Some(ErrorKind::Fault), None]);
    assert_eq!(answer.outcomes[2].subject.instance, "step-2");
}

#[tokio::test]
async fn first_without_any_value_is_the_last_reason() {
    let (runtime, _plugins) = attached(&[trapping(), refusing()]).await;
    let error = runtime.point::<Answer>().first(10).await.unwrap_err();
    assert_eq!(error.refusal(), Some(&refused()));
    assert_eq!(error.subject().unwrap().instance, "step-1");
    let kinds: Vec<_> = error.outcomes().iter().map(|outcome| outcome.error.as_ref().map(plugwork::Error::kind)).collect();
    assert_eq!(kinds, [Some(ErrorKind::Fault), Some(ErrorKind::Refusal)]);
}

#[tokio::test]
async fn every_gives_each_plugins_value_or_its_reason() {
    let (runtime, _plugins) = attached(&[adding(1), trapping(), adding(2), refusing()]).await;
    let every = runtime.point::<Answer>().every(10).await;
    let values: Vec<_> = every.iter().map(|(_, value)| *value).collect();
    assert_eq!(values, [Some(11), None, Some(12), None]);
    assert!(matches!(every[1].0.error.as_ref().unwrap().fault(), Some(Fault::Trap { .. })));
    assert_eq!(every[3].0.error.as_ref().unwrap().refusal(), Some(&refused()));
}

#[tokio::test]
async fn a_pipeline_hands_each_value_on() {
    let (runtime, _plugins) = attached(&[adding(1), adding(20), adding(300)]).await;
    let answer = runtime.point::<Answer>().pipeline(4000).await.unwrap();
    assert_eq!((answer.value, answer.outcomes.len()), (4321, 3));
}

#[tokio::test]
async fn a_pipeline_stops_at_the_first_refusal_and_names_the_step() {
    let (runtime, _plugins) = attached(&[adding(1), refusing(), trapping()]).await;
    let error = runtime.point::<Answer>().pipeline(0).await.unwrap_err();
    assert_eq!((error.kind(), error.subject().unwrap().instance.as_str()), (ErrorKind::Refusal, "step-1"));
    assert!(error.to_string().contains("#step-1` refused: unavailable: not today"), "{error}");
}

#[tokio::test]
async fn an_outcome_tells_time_and_spend_of_failures_too() {
    let (runtime, _plugins) = attached(&[adding(1), trapping()]).await;
    for (outcome, _) in runtime.point::<Answer>().every(10).await {
        assert!(outcome.time > Duration::ZERO && outcome.time >= outcome.spend.time, "{outcome:?}");
        assert_eq!((outcome.spend.calls, outcome.spend.memory_bytes), (2, 64 << 10), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_point_without_plugins_is_an_error_for_first_and_empty_for_every() {
    let (runtime, _plugins) = attached(&[adding(1)]).await;
    let numbers = runtime.point::<Number>();
    assert!(numbers.is_empty());
    let error = numbers.first(1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.to_string(), "no plugin is attached to `test:point/number@0.1.0`");
    assert!(numbers.every(1).await.is_empty());
    assert_eq!(numbers.pipeline(1).await.unwrap().value, 1, "no step changes nothing");
}

#[tokio::test]
async fn a_dispatch_is_a_snapshot_of_who_was_attached() {
    let (runtime, plugins) = attached(&[adding(1), adding(2)]).await;
    let before = runtime.point::<Answer>();
    plugins[0].disable().await.unwrap();
    plugins[1].enable().await.unwrap();
    assert_eq!((before.len(), runtime.point::<Answer>().len()), (2, 1), "enabling twice attaches once");
    let error = before.pipeline(0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "who was disabled since says so: {error}");
}

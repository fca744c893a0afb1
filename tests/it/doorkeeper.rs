//! The example plugins `doorkeeper`, `doorkeeper-js` and `doorkeeper-py` at work: as guards of another plugin, and on the bus. What one of them says, all say.
//!
//! Easily got wrong: how many denials one summary counts depends on how many waited, so summaries are added up.

use std::collections::BTreeMap;
use std::sync::Arc;

use plugwork::core::Denial;
use plugwork::events::{Chain, Event, EventHandler, EventsSettings, QueueOptions, Subscription};
use plugwork::guards::GuardSettings;
use plugwork::{Builder, Error, ErrorKind, Grants, Installation, Refusal, Runtime};
use plugwork_points::Exporter;
use serde_json::{Value, json};

use crate::world::{enabled, example, grant, runtime_changed};

const DOORKEEPERS: [&str; 3] = ["doorkeeper", "doorkeeper-js", "doorkeeper-py"];
const EXPORTER: &str = "plugwork:points/exporter";

/// A host whose exporters are guarded by this plugin. An interpreter may take long to begin on a busy machine.
fn guarded(builder: Builder, name: &str) -> Builder {
    let guarding = GuardSettings { answer_ms: 20_000, ..GuardSettings::default() };
    builder.events(EventsSettings::default()).guard_by(EXPORTER, &format!("plugwork:{name}")).guarding(guarding)
}

async fn house(name: &str, grants: Option<Grants>, configuration: Value) -> (Runtime, Installation, Installation) {
    let runtime = runtime_changed(|builder| guarded(builder, name)).await;
    let doorkeeper = enabled(&runtime, &example(name), grants, configuration).await;
    let exporter = enabled(&runtime, &example("jsonl"), None, json!({})).await;
    (runtime, doorkeeper, exporter)
}

fn allowed() -> Value {
    json!({ "allowed": { "ada": ["*"], "bob": [EXPORTER], "cyd": ["plugwork:points/analyzer"] } })
}

/// Whether it may be called for this one, or the code and the rule that decided.
async fn call(exporter: &Installation, principal: Option<&str>) -> Result<(), (String, String)> {
    let exporter = principal.map_or(exporter.clone(), |principal| exporter.clone().for_principal(principal));
    exporter.session::<Exporter>().await.map(drop).map_err(|error| denial(&error))
}

fn denial(error: &Error) -> (String, String) {
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    let Denial { code, rule, .. } = &error.denials()[0];
    (code.clone(), rule.clone())
}

/// How many summaries there are so far, and all of them added up.
fn summed(told: &mut Subscription, source: &str) -> (usize, BTreeMap<String, u64>) {
    let (mut summaries, mut sums) = (0, BTreeMap::new());
    for summary in std::iter::from_fn(|| told.try_next()) {
        assert_eq!(&*summary.source, source);
        let counts: BTreeMap<String, u64> = serde_json::from_slice(&summary.payload).unwrap();
        counts.into_iter().for_each(|(principal, count)| *sums.entry(principal).or_default() += count);
        summaries += 1;
    }
    (summaries, sums)
}

fn counts<const N: usize>(counts: [(&str, u64); N]) -> BTreeMap<String, u64> {
    counts.into_iter().map(|(principal, count)| (principal.to_owned(), count)).collect()
}

#[tokio::test]
async fn who_is_on_the_list_may_call_and_nobody_else_and_each_denial_is_counted() {
    for name in DOORKEEPERS {
        let (runtime, doorkeeper, exporter) = house(name, None, allowed()).await;
        let source = format!("plugwork:{name}");
        let mut told = runtime.events().subscribe("doors/summary", QueueOptions::default()).unwrap();
        assert_eq!(call(&exporter, Some("ada")).await, Ok(()), "{name}");
        assert_eq!(call(&exporter, Some("bob")).await, Ok(()), "{name}");
        runtime.events().settled().await;
        assert!(told.try_next().is_none(), "{name}: nobody was denied");
        for _ in 0..3 {
            let (code, rule) = call(&exporter, Some("cyd")).await.unwrap_err();
            assert_eq!((code.as_str(), rule), ("E-GUARD-DENIED", format!("its guard `{source}` says: `cyd` may not call `{EXPORTER}`")));
        }
        let (code, rule) = call(&exporter, None).await.unwrap_err();
        assert_eq!(
            (code.as_str(), rule),
            ("E-GUARD-DENIED", format!("its guard `{source}` says: nobody said for whom `{EXPORTER}` is called"))
        );
        runtime.events().settled().await;
        assert_eq!(summed(&mut told, &source).1, counts([("", 1), ("cyd", 3)]), "{name}");
        let status = runtime.events().subscriber(&doorkeeper.subject()).unwrap();
        assert_eq!((status.counts.handled, status.counts.refused, status.counts.faulted), (4, 0, 0), "{name}");
    }
}

#[tokio::test]
async fn many_denials_of_the_application_make_few_summaries() {
    for name in DOORKEEPERS {
        let (runtime, doorkeeper, _exporter) = house(name, None, json!({})).await;
        let mut told = runtime.events().subscribe("doors/summary", QueueOptions::default()).unwrap();
        for number in 0..200 {
            runtime.events().emit("doors/denied", ["eve", "mallory"][number % 2]).await.unwrap();
        }
        runtime.events().settled().await;
        assert_eq!(runtime.events().subscriber(&doorkeeper.subject()).unwrap().counts.handled, 200, "{name}");
        let (summaries, sums) = summed(&mut told, &format!("plugwork:{name}"));
        assert_eq!(sums, counts([("eve", 100), ("mallory", 100)]), "{name}");
        assert!(summaries < 200, "{name}: {summaries}");
    }
}

#[tokio::test]
async fn a_topic_that_was_not_granted_is_denied_in_every_language_with_the_same_words() {
    let event = Event {
        topic: "doors/denied".into(),
        payload: b"eve".to_vec(),
        source: "application".into(),
        chain: Chain::begun(1),
        sequence: None,
    };
    let mut denials = Vec::new();
    for name in DOORKEEPERS {
        let narrow = grant("events", json!({ "in": ["doors/denied"], "out": ["doors/denied"] }));
        let (runtime, doorkeeper, _exporter) = house(name, Some(narrow), allowed()).await;
        let refused = doorkeeper.call::<EventHandler>(&vec![Arc::new(event.clone())]).await.unwrap_err();
        let Some(Refusal::Denied(denial)) = refused.refusal() else { panic!("{name}: {refused}") };
        assert_eq!(denial.code, "E-CAP-EVENTS-OUT", "{name}");
        denials.push(Denial { rule: denial.rule.replace(&format!("plugwork:{name}"), "it"), ..denial.clone() });
        // Told by the bus it is the same: not handled, and no fault.
        runtime.events().emit("doors/denied", "eve").await.unwrap();
        runtime.events().settled().await;
        let counts = runtime.events().subscriber(&doorkeeper.subject()).unwrap().counts;
        assert_eq!((counts.handled, counts.refused, counts.faulted), (0, 1, 0), "{name}");
    }
    assert!(denials.windows(2).all(|pair| pair[0] == pair[1]), "{denials:?}");
}

#[tokio::test]
async fn a_doorkeeper_that_may_tell_nobody_guards_all_the_same() {
    for name in DOORKEEPERS {
        let (runtime, doorkeeper, exporter) = house(name, Some(Grants::none()), allowed()).await;
        assert_eq!(call(&exporter, Some("ada")).await, Ok(()), "{name}");
        let (code, _) = call(&exporter, Some("eve")).await.unwrap_err();
        assert_eq!(code, "E-GUARD-DENIED", "{name}");
        assert!(runtime.events().subscriber(&doorkeeper.subject()).is_none(), "{name}");
    }
}

#[tokio::test]
async fn a_doorkeeper_that_cannot_read_its_list_lets_nobody_in() {
    for name in DOORKEEPERS {
        let runtime = runtime_changed(|builder| guarded(builder, name)).await;
        let exporter = enabled(&runtime, &example("jsonl"), None, json!({})).await;
        let offer = runtime.offer(&example(name)).await.unwrap();
        let settings = plugwork::core::record::Settings {
            configuration: crate::world::object(json!({ "allowed": { "ada": "*" } })),
            ..Default::default()
        };
        let doorkeeper = runtime.install(offer, Grants::none(), settings).await.unwrap();
        let refused = doorkeeper.enable("ada").await.unwrap_err().to_string();
        assert!(refused.contains("/allowed/ada"), "{name}: {refused}");
        let (code, _) = call(&exporter, Some("ada")).await.unwrap_err();
        assert_eq!(code, "E-GUARD-NO-ANSWER", "{name}");
    }
}

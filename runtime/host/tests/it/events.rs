//! Events: who is told what, what is denied, and what subscribing, disabling and revoking change of it.

use std::sync::Arc;

use plugwork::core::reach::Kind;
use plugwork::core::record::Settings;
use plugwork::events::{Event, EventHandler, QueueOptions};
use plugwork::{ErrorKind, Grants, Resident, Runtime};

use crate::eventing::{ANSWERS, DENIED, DONE, INVALID, Teller, denials, enabled, host, installed, status};
use crate::living::{House, Life, all_asked};
use crate::world::Number;

/// What a part of the application is told, one after the other.
fn topics(told: &mut plugwork::events::Subscription) -> Vec<String> {
    std::iter::from_fn(|| told.try_next()).map(|event| event.topic.to_string()).collect()
}

#[tokio::test]
async fn an_event_reaches_who_was_granted_its_topic_and_nobody_else() {
    let (house, runtime) = host().await;
    let from = enabled(&runtime, &Teller::granted("test:from", "", "a/one", "")).await;
    let to = enabled(&runtime, &Teller::granted("test:to", "a/*", "", "")).await;
    let other = enabled(&runtime, &Teller { each: "unreachable", ..Teller::granted("test:other", "b/**", "", "") }).await;
    assert_eq!(from.call::<Number>(&7).await.unwrap(), DONE);
    runtime.events().settled().await;
    assert_eq!(house.stage.notes(), [7]);
    assert_eq!((status(&runtime, &to).counts.handled, status(&runtime, &other).counts.queued), (1, 0));
    assert!(runtime.events().subscriber(&from.subject()).is_none(), "it was granted no topic to receive");
}

#[tokio::test]
async fn a_handler_is_told_who_published_and_how_far_it_came() {
    let (house, runtime) = host().await;
    // The last byte of the source, and the hops.
    let each = "(call $note (i32.load8_u (i32.sub (i32.add (i32.load offset=16 (local.get $event)) (i32.load offset=20 (local.get $event))) (i32.const 1))))
        (call $note (i32.load offset=32 (local.get $event)))";
    let teller = Teller { each, run: "(call $publish (i32.const 1))", ..Teller::granted("test:tellerx", "a/one", "a/one", "") };
    let teller = enabled(&runtime, &teller).await;
    runtime.events().emit("a/one", "x").await.unwrap();
    runtime.events().settled().await;
    teller.call::<Number>(&0).await.unwrap();
    runtime.events().settled().await;
    assert_eq!(house.stage.notes(), [u32::from(b'n'), 0, u32::from(b'x'), 1]);
}

#[tokio::test]
async fn a_topic_that_was_not_granted_is_denied_going_out_and_never_comes_in() {
    let (house, runtime) = host().await;
    let plugin = enabled(&runtime, &Teller::granted("test:narrow", "b/*", "b/*", "")).await;
    assert_eq!(plugin.call::<Number>(&1).await.unwrap(), DENIED);
    assert_eq!(denials(&runtime, &plugin), 1);
    runtime.audited().await.unwrap();
    let records = house.records.read(0, 100).await.unwrap();
    assert!(records.iter().any(|record| record.body.contains("E-CAP-EVENTS-OUT")), "it is on record");
    runtime.events().emit("a/one", "x").await.unwrap();
    runtime.events().settled().await;
    assert!(house.stage.notes().is_empty());
    // Subscribing beyond the grant is denied too.
    let beyond = Teller { run: "(call $subscribe)", ..Teller::granted("test:beyond", "b/*", "b/*", "") };
    assert_eq!(enabled(&runtime, &beyond).await.call::<Number>(&0).await.unwrap(), DENIED);
}

#[tokio::test]
async fn without_a_grant_nothing_is_linked_and_an_optional_import_answers_denied() {
    let (_house, runtime) = host().await;
    let optional = Teller::granted("test:optional", "a/*", "a/*", "optional = true");
    let offer = runtime.offer(&optional.source()).await.unwrap();
    let stage = Grants::none().with("stage", serde_json::Map::new());
    let installation = runtime.install(offer, stage.clone(), Settings::default()).await.unwrap();
    installation.enable("ada").await.unwrap();
    let reach =
        installation.plugin().await.unwrap().reach().iter().find(|reach| reach.interface.path() == "plugwork:host/events").unwrap().kind;
    assert_eq!((reach, installation.call::<Number>(&1).await.unwrap()), (Kind::Denied, DENIED));
    assert!(runtime.events().subscriber(&installation.subject()).is_none());
    let required = runtime.offer(&Teller::granted("test:required", "a/*", "a/*", "").source()).await.unwrap();
    assert_eq!(required.accept_only(stage).await.unwrap_err().kind(), ErrorKind::Refused);
}

#[tokio::test]
async fn a_host_that_offers_no_events_refuses_the_grant() {
    let runtime = House::new().builder().open().await.unwrap();
    let offer = runtime.offer(&Teller::granted("test:plugin", "a/*", "", "").source()).await.unwrap();
    let grants = all_asked(&offer);
    assert_eq!(offer.accept_only(grants).await.unwrap_err().kind(), ErrorKind::Refused);
}

#[tokio::test]
async fn topics_of_the_host_are_published_by_nobody_else_and_heard_by_name_only() {
    let (house, runtime) = host().await;
    let everything = Teller { topic: "plugwork/lifecycle/enabled", ..Teller::granted("test:everything", "**", "**", "") };
    let everything = enabled(&runtime, &everything).await;
    let named = Teller { each: "(call $note (i32.const 1))", ..Teller::granted("test:named", "plugwork/lifecycle/*", "", "") };
    let named = enabled(&runtime, &named).await;
    assert_eq!(everything.call::<Number>(&1).await.unwrap(), DENIED);
    let refused = runtime.events().emit("plugwork/lifecycle/enabled", "x").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    everything.disable("ada", "").await.unwrap();
    runtime.events().settled().await;
    assert_eq!(status(&runtime, &named).counts.handled as usize, house.stage.notes().len());
    assert!(status(&runtime, &named).counts.handled >= 1, "that the other was disabled");
}

#[tokio::test]
async fn a_subscription_narrows_to_itself_and_once_ends_with_one_event() {
    let (house, runtime) = host().await;
    // 0: subscribe, 1: once, 2: end the first subscription, else: end one that there is not.
    let run = "(if (result i32) (i32.eqz (local.get 0)) (then (call $subscribe)) (else
        (if (result i32) (i32.eq (local.get 0) (i32.const 1)) (then (call $once)) (else
          (call $unsubscribe (i32.sub (local.get 0) (i32.const 1)))))))";
    let plugin = enabled(&runtime, &Teller { run, ..Teller::granted("test:choosing", "a/*", "", "") }).await;
    let tell = |topic: &'static str, byte: u8| {
        let events = runtime.events();
        async move {
            events.emit(topic, [byte]).await.unwrap();
            events.settled().await;
        }
    };
    tell("a/two", 1).await;
    assert_eq!(plugin.call::<Number>(&0).await.unwrap(), DONE);
    tell("a/two", 2).await;
    tell("a/one", 3).await;
    assert_eq!(house.stage.notes(), [1, 3]);
    assert_eq!(plugin.call::<Number>(&2).await.unwrap(), DONE);
    assert_eq!(plugin.call::<Number>(&2).await.unwrap(), INVALID);
    tell("a/one", 4).await;
    assert_eq!(plugin.call::<Number>(&1).await.unwrap(), DONE);
    tell("a/one", 5).await;
    tell("a/one", 6).await;
    assert_eq!(house.stage.notes(), [1, 3, 5]);
}

#[tokio::test]
async fn what_has_no_handler_cannot_subscribe() {
    let (_house, runtime) = host().await;
    let plugin = Teller { handles: false, run: "(call $subscribe)", ..Teller::granted("test:mute", "a/*", "", "") };
    assert_eq!(enabled(&runtime, &plugin).await.call::<Number>(&0).await.unwrap(), INVALID);
}

#[tokio::test]
async fn a_handler_needs_no_import_to_be_told() {
    let (house, runtime) = host().await;
    enabled(&runtime, &Teller { publishes: false, ..Teller::granted("test:listening", "a/*", "", "") }).await;
    runtime.events().emit("a/one", [5]).await.unwrap();
    runtime.events().settled().await;
    assert_eq!(house.stage.notes(), [5]);
}

/// Tells everybody of `a/one` and gives what was noted since.
async fn noted(house: &House, runtime: &Runtime, byte: u8) -> Vec<u32> {
    let before = house.stage.notes().len();
    runtime.events().emit("a/one", [byte]).await.unwrap();
    runtime.events().settled().await;
    house.stage.notes()[before..].to_vec()
}

#[tokio::test]
async fn disabling_unsubscribes_and_enabling_subscribes_again() {
    let (house, runtime) = host().await;
    let plugin = enabled(&runtime, &Teller::granted("test:plugin", "a/*", "", "")).await;
    assert_eq!(noted(&house, &runtime, 1).await, [1]);
    plugin.disable("ada", "").await.unwrap();
    assert!(noted(&house, &runtime, 2).await.is_empty() && runtime.events().subscribers().is_empty());
    plugin.enable("ada").await.unwrap();
    assert_eq!(noted(&house, &runtime, 3).await, [3]);
}

#[tokio::test]
async fn removing_unsubscribes() {
    let (house, runtime) = host().await;
    let plugin = enabled(&runtime, &Teller::granted("test:plugin", "a/*", "", "")).await;
    plugin.remove("ada").await.unwrap();
    assert!(noted(&house, &runtime, 2).await.is_empty() && runtime.events().subscribers().is_empty());
}

#[tokio::test]
async fn revoking_unsubscribes() {
    let (house, runtime) = host().await;
    let plugin = enabled(&runtime, &Teller::granted("test:plugin", "a/*", "", "")).await;
    runtime.revoke(&plugin.subject(), "ada", "").await.unwrap();
    assert!(noted(&house, &runtime, 2).await.is_empty() && runtime.events().subscribers().is_empty());
}

#[tokio::test]
async fn what_is_only_installed_is_told_nothing() {
    let (house, runtime) = host().await;
    installed(&runtime, &Teller::granted("test:plugin", "a/*", "", "")).await;
    assert!(noted(&house, &runtime, 1).await.is_empty());
}

#[tokio::test]
async fn a_plugin_that_was_unloaded_is_loaded_by_its_event() {
    let house = House::new();
    let resident = Resident { plugins: Some(1), ..Resident::default() };
    let runtime = house.builder_without_files().events(Default::default()).resident(resident).open().await.unwrap();
    let first = enabled(&runtime, &Teller::granted("test:first", "a/*", "", "")).await;
    enabled(&runtime, &Teller::granted("test:second", "b/*", "", "")).await;
    let is_loaded = || runtime.status().iter().find(|status| status.key == *first.key()).unwrap().loaded;
    assert!(!is_loaded());
    assert_eq!(noted(&house, &runtime, 9).await, [9]);
    assert!(is_loaded());
}

#[tokio::test]
async fn an_event_never_crosses_a_tenant() {
    let (house, runtime) = host().await;
    let teller = Teller { each: ANSWERS, ..Teller::granted("test:plugin", "a/*", "b/*", "") };
    let teller = Teller { topic: "b/answer", ..teller };
    for tenant in ["one", "two"] {
        let offer = runtime.offer(&teller.source()).await.unwrap().tenant(tenant);
        let grants = all_asked(&offer);
        runtime.install(offer, grants, Settings::default()).await.unwrap().enable("ada").await.unwrap();
    }
    let mut one = runtime.events().of_tenant("one").subscribe("b/*", QueueOptions::default()).unwrap();
    let mut two = runtime.events().of_tenant("two").subscribe("b/*", QueueOptions::default()).unwrap();
    let mut every = runtime.events().of_every_tenant().subscribe("b/*", QueueOptions::default()).unwrap();
    runtime.events().of_tenant("one").emit("a/x", "x").await.unwrap();
    runtime.events().settled().await;
    assert_eq!((topics(&mut one).len(), topics(&mut two).len(), topics(&mut every).len()), (1, 0, 1));
    runtime.events().of_every_tenant().emit("a/x", "x").await.unwrap();
    runtime.events().settled().await;
    assert_eq!((topics(&mut one).len(), topics(&mut two).len(), topics(&mut every).len()), (1, 1, 2));
    drop(house);
}

#[tokio::test]
async fn every_change_of_a_lifecycle_is_an_event() {
    let (_house, runtime) = host().await;
    let mut told = runtime.events().subscribe("plugwork/lifecycle/*", QueueOptions::default()).unwrap();
    let mut changes = || topics(&mut told).iter().map(|topic| topic.rsplit('/').next().unwrap().to_owned()).collect::<Vec<_>>();
    let teller = Teller::granted("test:plugin", "a/*", "", "");
    let plugin = enabled(&runtime, &teller).await;
    assert_eq!(changes(), ["installed", "enabled"]);
    let next = runtime.offer(&Teller { topic: "a/two", ..teller.clone() }.source()).await.unwrap();
    plugin.replace(next, "ada").await.unwrap();
    assert_eq!(changes(), ["replaced"]);
    plugin.disable("ada", "enough").await.unwrap();
    assert_eq!(changes(), ["disabled"]);
    plugin.enable("ada").await.unwrap();
    runtime.revoke(&plugin.subject(), "ada", "").await.unwrap();
    assert_eq!(changes(), ["enabled", "suspended"]);
    let other = enabled(&runtime, &Teller { name: "test:other", ..teller }).await;
    other.remove("ada").await.unwrap();
    assert_eq!(changes(), ["installed", "enabled", "removed"]);
}

#[tokio::test]
async fn a_plugin_that_cannot_be_enabled_is_an_event_with_its_reason() {
    let (house, runtime) = host().await;
    let mut told = runtime.events().subscribe("plugwork/lifecycle/*", QueueOptions::default()).unwrap();
    let plugin = house.install(&runtime, "", &Life { init: "unreachable", ..Life::default() }).await;
    let error = plugin.enable("ada").await.unwrap_err();
    let (installed, failed) = (told.next().await.unwrap(), told.next().await.unwrap());
    assert_eq!((&*installed.topic, &*failed.topic), ("plugwork/lifecycle/installed", "plugwork/lifecycle/failed"));
    let said: serde_json::Value = serde_json::from_slice(&failed.payload).unwrap();
    assert_eq!(said["reason"].as_str(), Some(&*error.to_string()));
}

#[tokio::test]
async fn what_a_lifecycle_event_says_is_json() {
    let (_house, runtime) = host().await;
    let mut told = runtime.events().subscribe("plugwork/lifecycle/installed", QueueOptions::default()).unwrap();
    let plugin = installed(&runtime, &Teller::granted("test:plugin", "a/*", "", "")).await;
    let event = told.next().await.unwrap();
    let said: serde_json::Value = serde_json::from_slice(&event.payload).unwrap();
    assert_eq!((&*event.source, event.chain.hops), ("plugwork:host", 0));
    assert_eq!((said["plugin"].as_str(), said["digest"].as_str()), (Some("test:plugin"), Some(&*plugin.subject().digest.to_string())));
}

#[tokio::test]
async fn a_closed_runtime_ends_the_applications_subscriptions() {
    let (_house, runtime) = host().await;
    let mut told = runtime.events().subscribe("a/*", QueueOptions::default()).unwrap();
    runtime.close().await.unwrap();
    assert!(told.next().await.is_none());
}

#[tokio::test]
async fn the_point_is_one_that_an_application_may_call_as_well() {
    let (house, runtime) = host().await;
    let plugin = enabled(&runtime, &Teller::granted("test:plugin", "a/*", "", "")).await;
    let event = Event { topic: "x".into(), payload: vec![3], source: "a".into(), chain: plugwork::events::Chain::begun(0), sequence: None };
    plugin.call::<EventHandler>(&vec![Arc::new(event)]).await.unwrap();
    assert_eq!(house.stage.notes(), [3]);
}

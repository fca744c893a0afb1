//! Who may have which durable events: never those of another tenant, never those from before a consent, never those that are gone without a word.

use plugwork::core::record::Settings;
use plugwork::events::outbox::Retention;
use plugwork::events::{DurableSubscription, MISSED_TOPIC, QueueOptions, Told};
use plugwork::{ErrorKind, Grants, Installation, Replacement, Runtime};

use crate::eventing::{DONE, INVALID, Teller, UNAVAILABLE, enabled, installed};
use crate::keeping::{ALONE, cursor, doing, host, host_keeping, opened, tell};
use crate::living::{all_asked, until};
use crate::world::Number;

fn listens(incoming: &str) -> Teller {
    Teller::granted("test:plugin", incoming, "", "")
}

async fn enabled_for(runtime: &Runtime, tenant: &str, teller: &Teller) -> Installation {
    let offer = runtime.offer(&teller.source()).await.unwrap().tenant(tenant);
    let grants = all_asked(&offer);
    let installation = runtime.install(offer, grants, Settings::default()).await.unwrap();
    installation.enable("ada").await.unwrap();
    installation
}

#[tokio::test]
async fn a_durable_event_never_crosses_a_tenant() {
    let (house, _, runtime) = host().await;
    let (one, two) = (enabled_for(&runtime, "one", &listens("a/*")).await, enabled_for(&runtime, "two", &listens("a/*")).await);
    for byte in 1..=3 {
        runtime.events().of_tenant("one").emit("a/x", [byte]).await.unwrap();
    }
    runtime.events().of_tenant("two").emit("a/x", [9]).await.unwrap();
    runtime.events().settled().await;
    assert_eq!((doing(&runtime, &one).handled, doing(&runtime, &two).handled), (3, 1));
    let span = |tenant| runtime.events().of_tenant(tenant);
    assert_eq!((span("one").kept().await.unwrap().last, span("two").kept().await.unwrap().last), (3, 1), "each has its own sequence");
    let mut told = runtime.events().of_tenant("two").subscribe_from("**", 0).await.unwrap();
    assert_eq!(bytes(&mut told, 1).await, [9]);
    let every = runtime.events().of_every_tenant();
    assert_eq!(every.emit("a/x", [1]).await.unwrap_err().kind(), ErrorKind::Invalid, "of one tenant or none");
    assert_eq!(every.subscribe_from("a/*", 0).await.err().unwrap().kind(), ErrorKind::Invalid);
    assert_eq!(house.stage.notes().len(), 4);
}

/// The next events, each one byte.
async fn bytes(told: &mut DurableSubscription, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..count {
        match told.next().await.unwrap() {
            Some(Told::Event(event)) => bytes.extend(&event.payload),
            other => panic!("{other:?}"),
        }
    }
    bytes
}

#[tokio::test]
async fn nothing_from_before_its_consent_reaches_a_plugin() {
    let (house, _, runtime) = host().await;
    tell(&runtime, [1]).await;
    let plugin = installed(&runtime, &Teller { run: "(call $replay (local.get 0))", ..listens("a/*") }).await;
    tell(&runtime, [2]).await;
    plugin.enable("ada").await.unwrap();
    tell(&runtime, [3, 4]).await;
    runtime.events().settled().await;
    assert_eq!(house.stage.notes(), [3, 4]);
    // Nor by asking for it.
    assert_eq!(plugin.call::<Number>(&0).await.unwrap(), DONE);
    runtime.events().settled().await;
    assert_eq!(house.stage.notes(), [3, 4, 3, 4]);
}

#[tokio::test]
async fn a_wider_grant_brings_nothing_from_before_it() {
    let (house, _, runtime) = host().await;
    let plugin = enabled(&runtime, &listens("a/one")).await;
    let tell = async |topic: &str, byte: u8| runtime.events().emit(topic, [byte]).await.unwrap();
    tell("a/one", 1).await;
    tell("a/two", 2).await;
    runtime.events().settled().await;
    plugin.disable("ada", "").await.unwrap();
    tell("a/two", 3).await;
    tell("a/one", 4).await;
    let wider = runtime.offer(&Teller { topic: "a/two", run: "(call $replay (i32.const 0))", ..listens("a/*") }.source()).await.unwrap();
    let grants = all_asked(&wider);
    plugin.replace_with(wider, grants, "ada").await.unwrap();
    plugin.enable("ada").await.unwrap();
    tell("a/two", 5).await;
    runtime.events().settled().await;
    assert_eq!(house.stage.notes(), [1, 4, 5], "of what was granted before, what waits; of the rest, what comes");
    assert_eq!(plugin.call::<Number>(&0).await.unwrap(), DONE);
    runtime.events().settled().await;
    assert_eq!(house.stage.notes(), [1, 4, 5, 1, 4, 5]);
}

#[tokio::test]
async fn who_is_disabled_right_after_it_was_enabled_gets_what_comes_meanwhile() {
    let (house, _, runtime) = host().await;
    let plugin = enabled(&runtime, &listens("a/*")).await;
    plugin.disable("ada", "").await.unwrap();
    tell(&runtime, [1]).await;
    plugin.enable("ada").await.unwrap();
    runtime.events().settled().await;
    assert_eq!(house.stage.notes(), [1]);
}

#[tokio::test]
async fn a_narrower_grant_takes_what_waits() {
    let (house, _, runtime) = host().await;
    let plugin = enabled(&runtime, &listens("a/*")).await;
    plugin.disable("ada", "").await.unwrap();
    runtime.events().emit("a/two", [1]).await.unwrap();
    runtime.events().emit("a/one", [2]).await.unwrap();
    let narrower = runtime.offer(&listens("a/one").source()).await.unwrap();
    assert!(matches!(plugin.replace(narrower, "ada").await.unwrap(), Replacement::Done(_)));
    plugin.enable("ada").await.unwrap();
    runtime.events().settled().await;
    assert_eq!(house.stage.notes(), [2]);
}

#[tokio::test]
async fn a_plugin_that_was_removed_begins_anew() {
    let (house, _, runtime) = host().await;
    let plugin = enabled(&runtime, &listens("a/*")).await;
    runtime.events().settled().await;
    assert!(cursor(&runtime, &plugin).await.is_some());
    plugin.remove("ada").await.unwrap();
    assert_eq!(cursor(&runtime, &plugin).await, None);
    tell(&runtime, [1]).await;
    enabled(&runtime, &listens("a/*")).await;
    tell(&runtime, [2]).await;
    runtime.events().settled().await;
    assert_eq!(house.stage.notes(), [2]);
}

#[tokio::test]
async fn a_plugin_whose_consent_was_taken_back_begins_anew() {
    let (house, _, runtime) = host().await;
    let plugin = enabled(&runtime, &listens("a/*")).await;
    runtime.revoke(&plugin.subject(), "ada", "").await.unwrap();
    tell(&runtime, [1]).await;
    let offer = runtime.offer(&listens("a/*").source()).await.unwrap();
    let grants = all_asked(&offer);
    offer.accept_only(grants).await.unwrap().enable().await.unwrap();
    tell(&runtime, [2]).await;
    runtime.events().settled().await;
    assert_eq!(house.stage.notes(), [2]);
}

#[tokio::test]
async fn consent_that_was_taken_back_while_no_host_ran_ends_what_was_kept() {
    let (house, outbox, runtime) = host().await;
    let plugin = enabled(&runtime, &listens("a/*")).await;
    runtime.events().settled().await;
    runtime.close().await.unwrap();
    let command = house.next().builder_without_files().open().await.unwrap();
    command.revoke(&plugin.subject(), "ada", "").await.unwrap();
    let runtime = opened(&house, &outbox).await;
    tell(&runtime, [1]).await;
    enabled(&runtime, &listens("a/*")).await;
    tell(&runtime, [2]).await;
    runtime.events().settled().await;
    assert_eq!(house.stage.notes(), [2]);
}

#[tokio::test]
async fn a_version_without_events_in_between_ends_what_was_kept() {
    let (house, _, runtime) = host().await;
    let plugin = enabled(&runtime, &listens("a/*")).await;
    runtime.events().settled().await;
    let none = Teller { publishes: false, asks: String::new(), ..listens("a/*") };
    let offer = runtime.offer(&none.source()).await.unwrap();
    let grants: Grants = all_asked(&offer);
    plugin.replace_with(offer, grants, "ada").await.unwrap();
    tell(&runtime, [1]).await;
    let offer = runtime.offer(&listens("a/*").source()).await.unwrap();
    let grants = all_asked(&offer);
    plugin.replace_with(offer, grants, "ada").await.unwrap();
    tell(&runtime, [2]).await;
    runtime.events().settled().await;
    assert_eq!(house.stage.notes(), [2]);
}

#[tokio::test]
async fn a_plugin_is_told_again_from_where_it_says_and_only_once_at_a_time() {
    let (house, _, runtime) = host().await;
    let teller = Teller { first: "(call $hold)", run: "(call $replay (local.get 0))", ..Teller::granted("test:plugin", "a/*", "", ALONE) };
    let plugin = enabled(&runtime, &teller).await;
    tell(&runtime, 1..=4).await;
    runtime.events().settled().await;
    assert_eq!(plugin.call::<Number>(&5).await.unwrap(), INVALID, "there is no fifth");
    house.stage.holds();
    assert_eq!(plugin.call::<Number>(&2).await.unwrap(), DONE);
    assert_eq!(plugin.call::<Number>(&2).await.unwrap(), UNAVAILABLE);
    until("it is told again", || house.stage.inside() == 1).await;
    assert_eq!(plugin.call::<Number>(&0).await.unwrap(), UNAVAILABLE, "also while it is");
    house.stage.let_go();
    runtime.events().settled().await;
    assert_eq!(house.stage.notes(), [1, 2, 3, 4, 3, 4]);
    assert_eq!(plugin.call::<Number>(&3).await.unwrap(), DONE);
    runtime.events().settled().await;
    assert_eq!(house.stage.notes(), [1, 2, 3, 4, 3, 4, 4]);
}

#[tokio::test]
async fn a_host_that_keeps_nothing_replays_nothing() {
    let (_house, runtime) = crate::eventing::host().await;
    let plugin = enabled(&runtime, &Teller { run: "(call $replay (local.get 0))", ..listens("a/*") }).await;
    assert_eq!(plugin.call::<Number>(&0).await.unwrap(), UNAVAILABLE);
    assert_eq!(runtime.events().subscribe_from("a/*", 0).await.err().unwrap().kind(), ErrorKind::Invalid);
    assert_eq!(runtime.events().cursor(&plugin.subject()).await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn what_is_gone_before_a_plugin_came_to_it_is_counted_told_and_on_record() {
    let (house, _, runtime) = host_keeping(Retention { events_max: 2, ..Retention::default() }).await;
    let mut told = runtime.events().subscribe(MISSED_TOPIC, QueueOptions::default()).unwrap();
    let plugin = enabled(&runtime, &listens("a/*")).await;
    tell(&runtime, [1]).await;
    runtime.events().settled().await;
    plugin.disable("ada", "").await.unwrap();
    tell(&runtime, 2..=6).await;
    plugin.enable("ada").await.unwrap();
    runtime.events().settled().await;
    assert_eq!((house.stage.notes(), doing(&runtime, &plugin).missed), (vec![1, 5, 6], 3));
    let said: serde_json::Value = serde_json::from_slice(&told.try_next().unwrap().payload).unwrap();
    assert_eq!((said["plugin"].as_str(), said["events"].as_u64(), said["after"].as_u64()), (Some("test:plugin"), Some(3), Some(4)));
    runtime.audited().await.unwrap();
    let records = house.records.read(0, 100).await.unwrap();
    assert!(records.iter().any(|record| record.body.contains("E-EVENTS-MISSED")), "it is on record");
}

#[tokio::test]
async fn who_wants_none_of_what_is_kept_misses_none_of_what_goes() {
    let (_house, _, runtime) = host_keeping(Retention { events_max: 300, ..Retention::default() }).await;
    let plugin = enabled(&runtime, &listens("b/*")).await;
    for number in 1..=1_000 {
        runtime.events().emit("a/one", "x").await.unwrap();
        if number % 256 == 0 {
            runtime.events().settled().await;
        }
    }
    runtime.events().emit("b/one", [1]).await.unwrap();
    runtime.events().settled().await;
    assert_eq!((doing(&runtime, &plugin).handled, doing(&runtime, &plugin).missed), (1, 0));
}

#[tokio::test]
async fn an_application_reads_from_a_sequence_and_goes_on_with_what_comes() {
    let (_house, _, runtime) = host().await;
    tell(&runtime, 1..=3).await;
    runtime.events().emit("b/one", [9]).await.unwrap();
    let mut told = runtime.events().subscribe_from("a/*", 1).await.unwrap();
    assert_eq!(bytes(&mut told, 2).await, [2, 3]);
    {
        let mut next = std::pin::pin!(told.next());
        assert!(futures::poll!(next.as_mut()).is_pending());
        tell(&runtime, [4]).await;
        let Some(Told::Event(event)) = next.await.unwrap() else { panic!("nothing is missed") };
        assert_eq!((event.sequence, &event.payload[..]), (Some(5), &[4][..]));
    }
    let refused = async |pattern, after| runtime.events().subscribe_from(pattern, after).await.err().unwrap().kind();
    assert_eq!(
        (refused("a/*", 6).await, refused("other/*", 0).await, refused("a//", 0).await),
        (ErrorKind::Invalid, ErrorKind::Invalid, ErrorKind::Invalid)
    );
    assert!(runtime.events().subscribe_from("a/*", 5).await.is_ok(), "at the end");
    runtime.close().await.unwrap();
    assert_eq!(told.next().await.unwrap(), None);
}

#[tokio::test]
async fn an_application_is_told_what_it_missed() {
    let (_house, _, runtime) = host_keeping(Retention { events_max: 2, ..Retention::default() }).await;
    tell(&runtime, 1..=5).await;
    let mut told = runtime.events().subscribe_from("a/*", 1).await.unwrap();
    assert_eq!(told.next().await.unwrap(), Some(Told::Missed { events: 2, after: 3 }));
    assert_eq!(bytes(&mut told, 2).await, [4, 5]);
}

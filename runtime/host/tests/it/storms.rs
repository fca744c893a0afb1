//! Events as an attack (security catalogue, H3): loops and storms end, a subscriber that is slow or broken harms nobody, and what is too much does what it
//! was told to do.

use plugwork::events::{EventsSettings, Overflow, QueueOptions};
use plugwork::{ErrorKind, Limits, Replacement, Runtime};

use crate::eventing::{ANSWERS, DONE, NOTES, Teller, UNAVAILABLE, denials, enabled, enabled_with, host, host_with, status};
use crate::living::{House, until};
use crate::world::Number;

/// Notes the event, holds, goes on.
const HOLDS: &str = "(call $note (call $byte (local.get $event))) (call $hold)";

async fn tell(runtime: &Runtime, bytes: impl IntoIterator<Item = u8>) {
    for byte in bytes {
        runtime.events().emit("a/one", [byte]).await.unwrap();
    }
}

#[tokio::test]
async fn two_plugins_that_answer_each_other_stop_at_the_hop_limit() {
    let (_house, runtime) = host().await;
    let ping = Teller { topic: "b/one", each: ANSWERS, ..Teller::granted("test:ping", "a/*", "b/*", "") };
    let pong = Teller { topic: "a/one", each: ANSWERS, ..Teller::granted("test:pong", "b/*", "a/*", "") };
    let (ping, pong) = (enabled(&runtime, &ping).await, enabled(&runtime, &pong).await);
    tell(&runtime, [1]).await;
    runtime.events().settled().await;
    // With no plugin passed, then one, and so on to eight, whose answer is denied.
    assert_eq!((status(&runtime, &ping).counts.handled, status(&runtime, &pong).counts.handled), (5, 4));
    assert_eq!((denials(&runtime, &ping), denials(&runtime, &pong)), (1, 0));
}

#[tokio::test]
async fn a_plugin_that_answers_itself_stops_at_its_own_hop_limit_and_the_record_names_the_chain() {
    let (house, runtime) = host().await;
    let teller = Teller { each: ANSWERS, ..Teller::granted("test:echo", "a/*", "a/*", "hops = 3") };
    let plugin = enabled(&runtime, &teller).await;
    tell(&runtime, [1]).await;
    runtime.events().settled().await;
    assert_eq!((status(&runtime, &plugin).counts.handled, denials(&runtime, &plugin)), (4, 1));
    runtime.audited().await.unwrap();
    let records = house.records.read(0, 100).await.unwrap();
    let denied = records.iter().find(|record| record.body.contains("E-CAP-EVENTS-HOPS")).unwrap();
    assert!(denied.body.contains("(chain ") && denied.body.contains("3 hops)"), "{}", denied.body);
}

#[tokio::test]
async fn what_a_plugin_publishes_as_it_ends_answers_what_it_was_told() {
    let (_house, runtime) = host().await;
    // An instance for each delivery, which publishes nothing until it ends.
    let goodbye = "(drop (call $publish (i32.const 1)))";
    let teller = Teller { each: "", goodbye, ..Teller::granted("test:last", "a/*", "a/*", "hops = 3") };
    let plugin = enabled(&runtime, &teller).await;
    // Its starts as it was enabled had their goodbyes, too.
    runtime.events().settled().await;
    let (handled, denied) = (status(&runtime, &plugin).counts.handled, denials(&runtime, &plugin));
    tell(&runtime, [1]).await;
    runtime.events().settled().await;
    assert_eq!((status(&runtime, &plugin).counts.handled - handled, denials(&runtime, &plugin) - denied), (4, 1));
}

#[tokio::test]
async fn what_waits_for_a_version_that_may_have_less_is_dropped_where_it_may_not_have_it() {
    let (house, runtime) = host().await;
    house.stage.holds();
    let plugin = enabled(&runtime, &Teller { each: HOLDS, ..Teller::granted("test:holds", "a/*", "", "at-once = 1") }).await;
    tell(&runtime, [1]).await;
    until("it holds", || house.stage.inside() == 1).await;
    runtime.events().emit("a/two", [2]).await.unwrap();
    tell(&runtime, [3]).await;
    let narrower = runtime.offer(&Teller::granted("test:holds", "a/one", "", "at-once = 1").source()).await.unwrap();
    assert!(matches!(plugin.replace(narrower, "ada").await.unwrap(), Replacement::Done(_)));
    house.stage.let_go();
    runtime.events().settled().await;
    assert_eq!((house.stage.notes(), status(&runtime, &plugin).counts.dropped), (vec![1, 3], 1));
}

#[tokio::test]
async fn a_storm_of_everybody_answering_everybody_ends_as_counted() {
    let (_house, runtime) = host().await;
    let mut plugins = Vec::new();
    for name in ["test:one", "test:two", "test:three"] {
        let more = "hops = 4\nper-second = 1000000\nqueue-events = 65536";
        plugins.push(enabled(&runtime, &Teller { each: ANSWERS, ..Teller::granted(name, "a/*", "a/*", more) }).await);
    }
    tell(&runtime, [1]).await;
    runtime.events().settled().await;
    // 3, 9, 27, 81 and 243 deliveries; the answers to the last are denied.
    let handled: u64 = plugins.iter().map(|plugin| status(&runtime, plugin).counts.handled).sum();
    let denied: u64 = plugins.iter().map(|plugin| denials(&runtime, plugin)).sum();
    assert_eq!((handled, denied), (3 + 9 + 27 + 81 + 243, 243));
}

#[tokio::test]
async fn events_a_second_are_limited_for_each_plugin() {
    let (_house, runtime) = host().await;
    // Publishes so many; says how many were not denied.
    let run = "(loop $more
        (local.set $at (i32.add (local.get $at) (i32.eqz (call $publish (i32.const 1)))))
        (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
        (br_if $more (local.get 0)))
        (local.get $at)";
    let none = enabled(&runtime, &Teller { run, ..Teller::granted("test:none", "", "a/*", "per-second = 0") }).await;
    assert_eq!((none.call::<Number>(&10).await.unwrap(), denials(&runtime, &none)), (0, 10));
    // Saved up for one second, and what a thousand calls take is added; a thousand seconds they do not take.
    let one = enabled(&runtime, &Teller { run, ..Teller::granted("test:one", "", "a/*", "per-second = 1") }).await;
    let published = one.call::<Number>(&1_000).await.unwrap();
    assert!((1..1_000).contains(&published), "{published}");
    assert_eq!(denials(&runtime, &one), 1_000 - u64::from(published));
    let other = enabled(&runtime, &Teller { run, ..Teller::granted("test:other", "", "a/*", "per-second = 1000") }).await;
    assert_eq!(other.call::<Number>(&1_000).await.unwrap(), 1_000, "each has its own");
}

#[tokio::test]
async fn a_subscriber_that_hangs_in_the_host_adds_nothing_to_the_others() {
    let (house, runtime) = host().await;
    house.stage.holds();
    let slow = enabled(&runtime, &Teller { each: "(call $hold)", ..Teller::granted("test:slow", "a/*", "", "") }).await;
    let quick = enabled(&runtime, &Teller::granted("test:quick", "a/*", "", "")).await;
    tell(&runtime, 1..=3).await;
    until("the others have all", || status(&runtime, &quick).counts.handled == 3).await;
    until("the slow one holds", || house.stage.inside() == 1).await;
    assert_eq!((house.stage.notes(), status(&runtime, &slow).counts.handled), (vec![1, 2, 3], 0));
    house.stage.let_go();
    runtime.events().settled().await;
    assert_eq!(status(&runtime, &slow).counts.handled, 3);
}

#[tokio::test]
async fn a_subscriber_that_spins_loses_its_deliveries_and_nobody_elses() {
    let house = House::new();
    let runtime = house.builder_without_files().events(EventsSettings::default()).guest_threads(1).open().await.unwrap();
    let spins = Teller { each: "(loop $again (br $again))", ..Teller::granted("test:spins", "a/*", "", "at-once = 1") };
    let limits = Limits { deadline_ms: 100, cpu_percent: None, ..Limits::interactive() };
    let spins = enabled_with(&runtime, &spins, limits).await;
    let quick = enabled(&runtime, &Teller::granted("test:quick", "a/*", "", "")).await;
    tell(&runtime, 1..=2).await;
    runtime.events().settled().await;
    assert_eq!((status(&runtime, &spins).counts.faulted, status(&runtime, &quick).counts.handled), (2, 2));
}

#[tokio::test]
async fn a_subscriber_that_traps_loses_only_its_delivery_and_is_counted() {
    let (house, runtime) = host().await;
    let each =
        "(if (i32.eq (call $byte (local.get $event)) (i32.const 13)) (then unreachable)) (call $note (call $byte (local.get $event)))";
    let traps = enabled(&runtime, &Teller { each, ..Teller::granted("test:traps", "a/*", "", "at-once = 1") }).await;
    let other = enabled(&runtime, &Teller { each: "", ..Teller::granted("test:other", "a/*", "", "") }).await;
    tell(&runtime, [1, 13, 2]).await;
    runtime.events().settled().await;
    assert_eq!(house.stage.notes(), [1, 2]);
    let counts = status(&runtime, &traps).counts;
    assert_eq!((counts.queued, counts.handled, counts.faulted), (3, 2, 1));
    let faults: u64 = runtime.usage().iter().filter(|usage| usage.subject == *traps.subject()).map(|usage| usage.faults).sum();
    assert_eq!((faults, status(&runtime, &other).counts.handled), (1, 3));
}

#[tokio::test]
async fn a_refusal_is_counted_and_the_next_event_comes() {
    let (house, runtime) = host().await;
    // Answers `unavailable` with an empty reason.
    let first = "(call $note (i32.load8_u (i32.load offset=8 (local.get $event))))
        (i32.store8 (i32.const 300) (i32.const 1)) (i32.store8 (i32.const 304) (i32.const 2))
        (i32.store (i32.const 308) (i32.const 0)) (i32.store (i32.const 312) (i32.const 0))
        (return (i32.const 300))";
    let plugin = enabled(&runtime, &Teller { first, ..Teller::granted("test:refuses", "a/*", "", "at-once = 1") }).await;
    tell(&runtime, [1, 2]).await;
    runtime.events().settled().await;
    assert_eq!((house.stage.notes(), status(&runtime, &plugin).counts.refused), (vec![1, 2], 2));
}

/// A plugin whose queue takes two, with one event in its hands.
async fn held(runtime: &Runtime, house: &House, overflow: &str) -> plugwork::Installation {
    let more = format!("queue-events = 2\noverflow = \"{overflow}\"\nat-once = 1");
    house.stage.holds();
    let plugin = enabled(runtime, &Teller { each: HOLDS, ..Teller::granted("test:held", "a/*", "", &more) }).await;
    tell(runtime, [1]).await;
    until("it holds", || house.stage.inside() == 1).await;
    tell(runtime, [2, 3]).await;
    plugin
}

#[tokio::test]
async fn past_its_bound_the_oldest_is_dropped_by_default() {
    let (house, runtime) = host().await;
    let plugin = held(&runtime, &house, "drop-oldest").await;
    assert_eq!((status(&runtime, &plugin).waiting, status(&runtime, &plugin).counts.dropped), (2, 0));
    tell(&runtime, [4]).await;
    house.stage.let_go();
    runtime.events().settled().await;
    assert_eq!((house.stage.notes(), status(&runtime, &plugin).counts.dropped), (vec![1, 3, 4], 1));
}

#[tokio::test]
async fn past_its_bound_a_queue_that_rejects_tells_the_publisher() {
    let (house, runtime) = host().await;
    let plugin = held(&runtime, &house, "reject").await;
    let other = enabled(&runtime, &Teller { each: "", ..Teller::granted("test:other", "a/*", "", "") }).await;
    assert_eq!(runtime.events().emit("a/one", [4]).await.unwrap_err().kind(), ErrorKind::Unavailable);
    let publisher = enabled(&runtime, &Teller::granted("test:publisher", "", "a/*", "")).await;
    assert_eq!(publisher.call::<Number>(&5).await.unwrap(), UNAVAILABLE);
    house.stage.let_go();
    runtime.events().settled().await;
    assert_eq!((house.stage.notes(), status(&runtime, &plugin).counts.rejected), (vec![1, 2, 3], 2));
    assert_eq!(status(&runtime, &other).counts.handled, 2, "all others have them");
}

#[tokio::test]
async fn past_its_bound_a_queue_that_blocks_is_waited_for() {
    let (house, runtime) = host().await;
    let plugin = held(&runtime, &house, "block").await;
    let events = runtime.events();
    let mut publishing = std::pin::pin!(events.emit("a/one", [4]));
    assert!(futures::poll!(publishing.as_mut()).is_pending());
    house.stage.let_go();
    publishing.await.unwrap();
    runtime.events().settled().await;
    assert_eq!((house.stage.notes(), status(&runtime, &plugin).counts.rejected), (vec![1, 2, 3, 4], 0));
}

#[tokio::test]
async fn a_plugin_that_publishes_waits_for_a_queue_that_blocks() {
    let (house, runtime) = host().await;
    let plugin = held(&runtime, &house, "block").await;
    let publisher = enabled(&runtime, &Teller::granted("test:publisher", "", "a/*", "")).await;
    let publishing = tokio::spawn(async move { publisher.call::<Number>(&4).await });
    house.stage.let_go();
    assert_eq!(publishing.await.unwrap().unwrap(), DONE);
    runtime.events().settled().await;
    assert_eq!((house.stage.notes(), status(&runtime, &plugin).counts.rejected), (vec![1, 2, 3, 4], 0));
}

#[tokio::test]
async fn a_queue_that_blocks_is_waited_for_no_longer_than_the_host_says() {
    let (house, runtime) = host_with(EventsSettings { block_ms: 1, ..EventsSettings::default() }).await;
    let plugin = held(&runtime, &house, "block").await;
    assert_eq!(runtime.events().emit("a/one", [4]).await.unwrap_err().kind(), ErrorKind::Unavailable);
    house.stage.let_go();
    runtime.events().settled().await;
    assert_eq!((house.stage.notes(), status(&runtime, &plugin).counts.rejected), (vec![1, 2, 3], 1));
}

#[tokio::test]
async fn disabling_a_subscriber_lets_go_whoever_waits_for_its_queue() {
    let (house, runtime) = host_with(EventsSettings::default()).await;
    let plugin = held(&runtime, &house, "block").await;
    let events = runtime.events();
    let mut publishing = std::pin::pin!(events.emit("a/one", [4]));
    assert!(futures::poll!(publishing.as_mut()).is_pending());
    plugin.disable("ada", "").await.unwrap();
    assert_eq!(publishing.await.unwrap_err().kind(), ErrorKind::Unavailable);
    house.stage.let_go();
    runtime.events().settled().await;
    assert_eq!(house.stage.notes(), [1]);
}

#[tokio::test]
async fn events_that_wait_are_handed_over_together_and_in_order() {
    let (house, runtime) = host().await;
    house.stage.holds();
    let teller = Teller {
        first: "(call $note (i32.add (i32.const 1000) (local.get $count))) (call $hold)",
        each: NOTES,
        ..Teller::granted("test:many", "a/*", "", "")
    };
    let plugin = enabled(&runtime, &teller).await;
    tell(&runtime, [0]).await;
    until("it holds", || house.stage.inside() == 1).await;
    tell(&runtime, 1..=70).await;
    house.stage.let_go();
    runtime.events().settled().await;
    let calls: Vec<u32> = house.stage.notes().into_iter().filter(|note| *note >= 1000).collect();
    let events: Vec<u32> = house.stage.notes().into_iter().filter(|note| *note < 1000).collect();
    assert_eq!((calls, events), (vec![1001, 1064, 1006], (0..=70).collect::<Vec<_>>()));
    assert_eq!(status(&runtime, &plugin).counts.handled, 71);
}

#[tokio::test]
async fn an_applications_queue_has_its_bound_too() {
    let (_house, runtime) = host().await;
    let options = |overflow| QueueOptions { events_max: 2, overflow };
    let mut oldest = runtime.events().subscribe("a/*", options(Overflow::DropOldest)).unwrap();
    tell(&runtime, 1..=3).await;
    let mut rejects = runtime.events().subscribe("b/*", options(Overflow::Reject)).unwrap();
    for is_taken in [true, true, false] {
        assert_eq!(runtime.events().emit("b/one", "x").await.is_ok(), is_taken);
    }
    assert_eq!(oldest.try_next().unwrap().payload, [2]);
    assert!(rejects.try_next().is_some());
    assert_eq!((oldest.status().counts.dropped, rejects.status().counts.rejected), (1, 1));
    assert!(runtime.events().subscribe("a/*", QueueOptions { events_max: 0, overflow: Overflow::Reject }).is_err());
    assert!(runtime.events().subscribe("a/*", QueueOptions { events_max: 65_537, overflow: Overflow::Reject }).is_err());
}

#[tokio::test]
async fn a_payload_at_its_limit_is_published_and_one_byte_more_is_not() {
    let (_house, runtime) = host().await;
    let mut told = runtime.events().subscribe("a/*", QueueOptions::default()).unwrap();
    runtime.events().emit("a/one", vec![0; 65_536]).await.unwrap();
    assert_eq!(runtime.events().emit("a/one", vec![0; 65_537]).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(told.try_next().unwrap().payload.len(), 65_536);
}

//! Durable events: kept before anybody is told, handed over until they are handled, also by another host on the same outbox; and what fails again and again
//! holds nobody up for ever.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::FutureExt as _;
use plugwork::core::limits::OUTBOX_WAITING_EVENTS_MAX;
use plugwork::events::outbox::{Attempts, Memory};
use plugwork::events::{DurableEvents, EventsSettings, PARKED_TOPIC, QueueOptions};
use plugwork::{ErrorKind, Runtime};

use crate::eventing::{ANSWERS, DONE, NOTES, Teller, UNAVAILABLE, denials, enabled, status};
use crate::keeping::{ALONE, Failing, REFUSES_IN_MOOD, TRAPS_ON_13, builder, cursor, doing, durable, host, opened, tell};
use crate::living::{House, until};
use crate::world::Number;

fn listens(name: &'static str, more: &str) -> Teller {
    Teller::granted(name, "a/*", "", more)
}

#[tokio::test]
async fn an_event_is_kept_when_publishing_returns_and_is_handled_then() {
    let (house, _, runtime) = host().await;
    let plugin = enabled(&runtime, &listens("test:plugin", "")).await;
    let publisher = enabled(&runtime, &Teller::granted("test:publisher", "", "a/*", "")).await;
    tell(&runtime, [1]).await;
    assert_eq!(runtime.events().kept().await.unwrap().last, 1);
    assert_eq!(publisher.call::<Number>(&2).await.unwrap(), DONE);
    assert_eq!(runtime.events().kept().await.unwrap().last, 2);
    runtime.events().settled().await;
    assert_eq!(house.stage.notes(), [1, 2]);
    let doing = doing(&runtime, &plugin);
    assert_eq!((doing.handled, doing.after, doing.is_behind, status(&runtime, &plugin).counts.queued), (2, 2, false, 0));
}

#[tokio::test]
async fn only_durable_topics_are_kept_and_only_they_have_a_sequence() {
    let (house, _, runtime) = host().await;
    let each = "(call $note (i32.load8_u offset=40 (local.get $event))) (call $note (i32.load offset=48 (local.get $event)))";
    enabled(&runtime, &Teller { each, ..Teller::granted("test:plugin", "a/* other", "", "") }).await;
    let mut told = runtime.events().subscribe("**", QueueOptions::default()).unwrap();
    runtime.events().emit("other", [1]).await.unwrap();
    runtime.events().settled().await;
    tell(&runtime, [2]).await;
    runtime.events().settled().await;
    assert_eq!(runtime.events().kept().await.unwrap().last, 1);
    assert_eq!((told.try_next().unwrap().sequence, told.try_next().unwrap().sequence), (None, Some(1)));
    let notes = house.stage.notes();
    assert_eq!((notes[0], &notes[2..]), (0, &[1, 1][..]));
}

#[tokio::test]
async fn what_cannot_be_kept_is_published_to_nobody_and_says_no_more_to_a_plugin_than_that() {
    let (house, outbox) = (House::new(), Arc::new(Failing::default()));
    let runtime = opened(&house, &outbox).await;
    let publisher = enabled(&runtime, &Teller::granted("test:publisher", "", "a/*", "")).await;
    enabled(&runtime, &listens("test:plugin", "")).await;
    runtime.events().settled().await;
    outbox.fails.store(true, Ordering::SeqCst);
    let mut told = runtime.events().subscribe("a/*", QueueOptions::default()).unwrap();
    let error = runtime.events().emit("a/one", [1]).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Io && error.to_string().contains("E-OUTBOX-STORAGE"), "{error}");
    assert_eq!(publisher.call::<Number>(&1).await.unwrap(), UNAVAILABLE);
    outbox.fails.store(false, Ordering::SeqCst);
    runtime.events().settled().await;
    assert!(house.stage.notes().is_empty() && told.try_next().is_none());
    // And goes on by itself.
    tell(&runtime, [2]).await;
    runtime.events().settled().await;
    assert_eq!(house.stage.notes(), [2]);
}

#[tokio::test]
async fn an_outbox_that_hangs_is_given_so_much_and_no_more_and_who_publishes_is_told() {
    let (house, outbox) = (House::new(), Arc::new(Failing::default()));
    let runtime = opened(&house, &outbox).await;
    let publisher = enabled(&runtime, &Teller::granted("test:publisher", "", "a/*", "")).await;
    let plugin = enabled(&runtime, &listens("test:plugin", "")).await;
    runtime.events().settled().await;
    outbox.hangs();
    // Nobody waits for them: given up at once, they are on their way all the same.
    for _ in 0..OUTBOX_WAITING_EVENTS_MAX {
        assert!(runtime.events().emit("a/one", [1]).now_or_never().is_none());
    }
    let error = runtime.events().emit("a/one", [2]).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Unavailable && error.to_string().contains("E-OUTBOX-FULL"), "{error}");
    assert_eq!(publisher.call::<Number>(&2).await.unwrap(), UNAVAILABLE);
    runtime.events().emit("other", [3]).await.expect("what is not kept does not wait for it");
    until("they hang", || outbox.hanging() == OUTBOX_WAITING_EVENTS_MAX).await;
    outbox.goes_on();
    until("they were kept", || outbox.hanging() == 0).await;
    tell(&runtime, [4]).await;
    runtime.events().settled().await;
    assert_eq!(doing(&runtime, &plugin).handled, OUTBOX_WAITING_EVENTS_MAX as u64 + 1);
    assert!(house.stage.notes().iter().all(|note| [1, 4].contains(note)), "what was refused is published to nobody");
}

#[tokio::test]
async fn an_outbox_that_fails_while_it_is_read_delays_and_loses_nothing() {
    let (house, outbox) = (House::new(), Arc::new(Failing::default()));
    let runtime = opened(&house, &outbox).await;
    house.stage.holds();
    let each = "(call $note (call $byte (local.get $event))) (call $hold)";
    let plugin = enabled(&runtime, &Teller { each, ..listens("test:plugin", ALONE) }).await;
    tell(&runtime, 1..=3).await;
    until("it holds", || house.stage.inside() == 1).await;
    outbox.fails.store(true, Ordering::SeqCst);
    house.stage.let_go();
    until("it was handled once", || house.stage.inside() == 0).await;
    outbox.fails.store(false, Ordering::SeqCst);
    runtime.events().settled().await;
    assert_eq!((house.stage.notes(), doing(&runtime, &plugin).after), (vec![1, 2, 3], 3), "and what was handled is not handed over again");
}

#[tokio::test]
async fn a_host_that_cannot_read_its_outbox_does_not_open() {
    let outbox = Arc::new(Failing::default());
    outbox.fails.store(true, Ordering::SeqCst);
    assert_eq!(builder(&House::new(), &outbox).open().await.err().unwrap().kind(), ErrorKind::Io);
    let reserved = DurableEvents::topics(["plugwork/lifecycle/*"]);
    let refused = House::new().builder().outbox(Arc::new(Memory::default()), reserved).open().await;
    assert_eq!(refused.err().unwrap().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn exactly_what_was_not_acknowledged_comes_again_to_the_next_host() {
    let (house, outbox, runtime) = host().await;
    let teller = Teller { each: "(call $note (call $byte (local.get $event))) (call $hold)", ..listens("test:plugin", ALONE) };
    enabled(&runtime, &teller).await;
    tell(&runtime, 1..=2).await;
    runtime.events().settled().await;
    house.stage.holds();
    tell(&runtime, 3..=5).await;
    until("it has the third in its hands", || house.stage.inside() == 1).await;
    // Killed here, as far as the outbox can tell: what the first host has in its hands never ends.
    let before = house.stage.notes().len();
    let next = house.next();
    let runtime = opened(&next, &outbox).await;
    enabled(&runtime, &teller).await;
    runtime.events().settled().await;
    assert_eq!((before, next.stage.notes()), (3, vec![3, 4, 5]));
    tell(&runtime, [6]).await;
    runtime.events().settled().await;
    assert_eq!(next.stage.notes(), [3, 4, 5, 6]);
    house.stage.let_go();
}

#[tokio::test]
async fn what_was_published_while_nobody_ran_it_comes_when_it_runs_again() {
    let (house, outbox, runtime) = host().await;
    let teller = listens("test:plugin", "");
    let plugin = enabled(&runtime, &teller).await;
    tell(&runtime, [1]).await;
    runtime.events().settled().await;
    plugin.disable("ada", "").await.unwrap();
    tell(&runtime, [2, 3]).await;
    plugin.enable("ada").await.unwrap();
    runtime.events().settled().await;
    assert_eq!(house.stage.notes(), [1, 2, 3]);
    runtime.close().await.unwrap();
    let runtime = opened(&house, &outbox).await;
    tell(&runtime, [4]).await;
    enabled(&runtime, &teller).await;
    runtime.events().settled().await;
    assert_eq!(house.stage.notes(), [1, 2, 3, 4], "kept by a host that did not have it yet");
}

#[tokio::test]
async fn what_is_refused_comes_again_until_it_is_handled_and_in_order() {
    let house = House::new();
    let patient = DurableEvents { attempts: Attempts { max: 64, retry_ms: 1, retry_ms_max: 30_000 }, ..durable() };
    let runtime = keeping(&house, Arc::default(), patient).await;
    house.stage.mood(1);
    let plugin = enabled(&runtime, &Teller { first: REFUSES_IN_MOOD, each: "", ..listens("test:plugin", ALONE) }).await;
    assert_eq!((doing(&runtime, &plugin).retried, doing(&runtime, &plugin).failing), (0, None));
    tell(&runtime, [1, 2, 3]).await;
    until("it refused the first twice", || doing(&runtime, &plugin).failing.is_some_and(|failing| failing.attempts >= 2)).await;
    house.stage.mood(0);
    runtime.events().settled().await;
    let durable = doing(&runtime, &plugin);
    assert_eq!((durable.after, durable.retried >= 2, durable.failing, durable.parked), (3, true, None, 0));
    let notes = house.stage.notes();
    assert!(notes.is_sorted() && notes.starts_with(&[1, 1, 1]) && notes.ends_with(&[1, 2, 3]), "{notes:?}");
}

/// A host of this house whose events are here.
async fn keeping(house: &House, outbox: Arc<Memory>, durable: DurableEvents) -> Runtime {
    house.builder_without_files().events(EventsSettings::default()).outbox(outbox, durable).open().await.unwrap()
}

#[tokio::test]
async fn a_poison_event_is_parked_counted_told_and_on_record_and_the_rest_goes_on() {
    let (house, _, runtime) = host().await;
    let mut told = runtime.events().subscribe(PARKED_TOPIC, QueueOptions::default()).unwrap();
    let plugin = enabled(&runtime, &Teller { each: TRAPS_ON_13, ..listens("test:plugin", ALONE) }).await;
    tell(&runtime, [1, 13, 2]).await;
    runtime.events().settled().await;
    assert_eq!(house.stage.notes(), [1, 13, 13, 13, 2], "three attempts");
    let durable = doing(&runtime, &plugin);
    assert_eq!((durable.handled, durable.retried, durable.parked, durable.failing, durable.after), (2, 2, 1, None, 3));
    let parked = cursor(&runtime, &plugin).await.unwrap().parked;
    assert_eq!((parked[0].sequence, parked[0].attempts, &*parked[0].topic), (2, 3, "a/one"));
    assert!(parked[0].reason.contains("unreachable"), "{}", parked[0].reason);
    let said: serde_json::Value = serde_json::from_slice(&told.try_next().unwrap().payload).unwrap();
    assert_eq!((said["plugin"].as_str(), said["sequence"].as_u64(), said["attempts"].as_u64()), (Some("test:plugin"), Some(2), Some(3)));
    runtime.audited().await.unwrap();
    let records = house.records.read(0, 100).await.unwrap();
    assert!(records.iter().any(|record| record.body.contains("E-EVENTS-PARKED")), "it is on record");
}

#[tokio::test]
async fn of_several_in_one_call_only_the_poison_one_is_parked() {
    let (house, _, runtime) = host().await;
    house.stage.holds();
    let teller = Teller { first: "(call $hold)", each: TRAPS_ON_13, ..listens("test:plugin", "") };
    let plugin = enabled(&runtime, &teller).await;
    tell(&runtime, [0]).await;
    until("it holds", || house.stage.inside() == 1).await;
    tell(&runtime, [1, 13, 2]).await;
    house.stage.let_go();
    runtime.events().settled().await;
    // Together, then one by one.
    assert_eq!(house.stage.notes(), [0, 1, 13, 1, 13, 13, 13, 2]);
    let durable = doing(&runtime, &plugin);
    assert_eq!((durable.handled, durable.parked, durable.retried), (3, 1, 3));
}

#[tokio::test]
async fn attempts_are_counted_across_hosts() {
    let (house, outbox) = (House::new(), Arc::new(Memory::default()));
    house.stage.mood(1);
    let teller = Teller { first: REFUSES_IN_MOOD, each: "", ..listens("test:plugin", ALONE) };
    // Of two attempts the second is far away.
    let slow = DurableEvents { attempts: Attempts { max: 2, retry_ms: 30_000, retry_ms_max: 30_000 }, ..durable() };
    let runtime = keeping(&house, outbox.clone(), slow.clone()).await;
    let plugin = enabled(&runtime, &teller).await;
    tell(&runtime, [7]).await;
    until("it failed once", || doing(&runtime, &plugin).failing.is_some()).await;
    runtime.close().await.unwrap();
    let runtime = keeping(&house, outbox, slow).await;
    let plugin = enabled(&runtime, &teller).await;
    runtime.events().settled().await;
    assert_eq!((house.stage.notes(), doing(&runtime, &plugin).parked), (vec![7, 7], 1));
}

#[tokio::test]
async fn a_queue_that_is_too_short_loses_no_durable_event() {
    let (house, _, runtime) = host().await;
    house.stage.holds();
    let each = "(call $note (call $byte (local.get $event))) (call $hold)";
    for (name, overflow) in [("test:drop", "drop-oldest"), ("test:reject", "reject"), ("test:block", "block")] {
        let more = format!("queue-events = 1\noverflow = \"{overflow}\"");
        enabled(&runtime, &Teller { each, ..listens(name, &more) }).await;
    }
    // Nobody waits, and nobody is told that a queue is full.
    tell(&runtime, 0..200).await;
    house.stage.let_go();
    runtime.events().settled().await;
    let mut notes = house.stage.notes();
    notes.sort_unstable();
    assert_eq!(notes, (0..200).flat_map(|byte| [byte; 3]).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_slow_subscriber_adds_nothing_to_the_others_nor_to_what_is_not_durable() {
    let house = House::new();
    house.stage.mood(1);
    let slow = Teller { first: REFUSES_IN_MOOD, each: "", ..Teller::granted("test:slow", "a/* other", "", ALONE) };
    let never = DurableEvents { attempts: Attempts { max: 64, retry_ms: 30_000, retry_ms_max: 30_000 }, ..durable() };
    let runtime = keeping(&house, Arc::default(), never).await;
    let slow = enabled(&runtime, &slow).await;
    let quick = enabled(&runtime, &Teller { each: "", ..listens("test:quick", "") }).await;
    tell(&runtime, 1..=20).await;
    until("the slow one waits for its second try", || doing(&runtime, &slow).failing.is_some()).await;
    until("the quick one has all", || doing(&runtime, &quick).handled == 20).await;
    // Handed over while what is durable waits.
    runtime.events().emit("other", [99]).await.unwrap();
    until("what is not durable does not wait", || house.stage.notes().contains(&99)).await;
    assert_eq!(doing(&runtime, &slow).after, 0);
}

#[tokio::test]
async fn the_order_of_each_publisher_is_kept_for_each_subscriber() {
    let (house, _, runtime) = host().await;
    let publishes = "(loop $more
        (drop (call $publish (local.get 0)))
        (local.set 0 (i32.add (local.get 0) (i32.const 2)))
        (br_if $more (i32.lt_u (local.get 0) (i32.const 100))))
        (i32.const 0)";
    let even = enabled(&runtime, &Teller { run: publishes, ..Teller::granted("test:even", "", "a/*", "") }).await;
    let odd = enabled(&runtime, &Teller { run: publishes, ..Teller::granted("test:odd", "", "a/*", "") }).await;
    enabled(&runtime, &listens("test:plugin", "")).await;
    let (one, other) = tokio::join!(even.call::<Number>(&0), odd.call::<Number>(&1));
    assert_eq!((one.unwrap(), other.unwrap()), (0, 0));
    runtime.events().settled().await;
    let of = |rest: u32| house.stage.notes().into_iter().filter(|note| note % 2 == rest).collect::<Vec<_>>();
    assert_eq!((of(0), of(1)), ((0..100).step_by(2).collect::<Vec<u32>>(), (1..100).step_by(2).collect::<Vec<u32>>()));
}

#[tokio::test]
async fn two_plugins_that_answer_each_other_durably_stop_at_the_hop_limit() {
    let (_house, _, runtime) = host().await;
    let ping = Teller { topic: "b/one", each: ANSWERS, ..Teller::granted("test:ping", "a/*", "b/*", "") };
    let pong = Teller { topic: "a/one", each: ANSWERS, ..Teller::granted("test:pong", "b/*", "a/*", "") };
    let (ping, pong) = (enabled(&runtime, &ping).await, enabled(&runtime, &pong).await);
    tell(&runtime, [1]).await;
    runtime.events().settled().await;
    assert_eq!((doing(&runtime, &ping).handled, doing(&runtime, &pong).handled), (5, 4));
    assert_eq!((denials(&runtime, &ping), denials(&runtime, &pong)), (1, 0));
}

#[tokio::test]
async fn hops_are_kept_with_the_event() {
    let (house, outbox, runtime) = host().await;
    let echo = Teller { each: ANSWERS, ..Teller::granted("test:echo", "a/*", "a/*", "hops = 1") };
    enabled(&runtime, &echo).await;
    tell(&runtime, [1]).await;
    runtime.events().settled().await;
    runtime.close().await.unwrap();
    let runtime = opened(&house, &outbox).await;
    let mut told = runtime.events().subscribe_from("a/*", 0).await.unwrap();
    let mut hops = Vec::new();
    for _ in 0..2 {
        let Some(plugwork::events::Told::Event(event)) = told.next().await.unwrap() else { panic!("nothing is missed") };
        hops.push((event.chain.hops, event.source.to_string()));
    }
    assert_eq!(hops, [(0, "application".to_owned()), (1, "test:echo".to_owned())]);
}

#[tokio::test]
async fn a_subscription_narrows_what_is_durable_too_and_once_is_once() {
    let (house, _, runtime) = host().await;
    let run = "(if (result i32) (local.get 0) (then (call $subscribe)) (else (call $once)))";
    let plugin = enabled(&runtime, &Teller { run, ..Teller::granted("test:plugin", "a/*", "", "") }).await;
    let emit = |topic: &'static str, byte: u8| {
        let events: plugwork::events::Events = Runtime::events(&runtime);
        async move {
            events.emit(topic, [byte]).await.unwrap();
            events.settled().await;
        }
    };
    assert_eq!(plugin.call::<Number>(&0).await.unwrap(), DONE);
    emit("a/two", 1).await;
    emit("a/one", 2).await;
    emit("a/one", 3).await;
    assert_eq!(house.stage.notes(), [2]);
    assert_eq!(plugin.call::<Number>(&1).await.unwrap(), DONE);
    emit("a/one", 4).await;
    emit("a/two", 5).await;
    assert_eq!(house.stage.notes(), [2, 4]);
}

#[tokio::test]
async fn a_closing_host_waits_for_what_is_in_hand_and_it_does_not_come_again() {
    let (house, outbox, runtime) = host().await;
    house.stage.holds();
    let teller = Teller { first: "(call $hold)", each: NOTES, ..listens("test:plugin", "") };
    enabled(&runtime, &teller).await;
    tell(&runtime, [1]).await;
    until("it holds", || house.stage.inside() == 1).await;
    let mut closing = std::pin::pin!(runtime.close());
    assert!(futures::poll!(closing.as_mut()).is_pending());
    house.stage.let_go();
    closing.await.unwrap();
    let runtime = opened(&house, &outbox).await;
    enabled(&runtime, &teller).await;
    runtime.events().settled().await;
    assert_eq!(house.stage.notes(), [1]);
}

#[tokio::test]
async fn what_was_read_and_not_handed_over_when_a_host_closes_comes_to_the_next() {
    let (house, outbox, runtime) = host().await;
    let echo = Teller { topic: "a/two", each: ANSWERS, ..Teller::granted("test:echo", "a/one", "a/two", "") };
    enabled(&runtime, &echo).await;
    let teller = Teller { first: "(call $hold)", each: NOTES, ..listens("test:plugin", "") };
    let plugin = enabled(&runtime, &teller).await;
    plugin.disable("ada", "").await.unwrap();
    // Not equally far along: read together, and handed over one after the other.
    tell(&runtime, [1]).await;
    runtime.events().settled().await;
    house.stage.holds();
    plugin.enable("ada").await.unwrap();
    until("it has the first in its hands", || house.stage.inside() == 1).await;
    let mut closing = std::pin::pin!(runtime.close());
    assert!(futures::poll!(closing.as_mut()).is_pending());
    house.stage.let_go();
    closing.await.unwrap();
    assert_eq!(house.stage.notes(), [1]);
    let runtime = opened(&house, &outbox).await;
    enabled(&runtime, &teller).await;
    runtime.events().settled().await;
    assert_eq!(house.stage.notes(), [1, 1], "the answer to it was not lost");
}

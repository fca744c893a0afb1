//! The contract of `Outbox`: what every implementation does alike. Memory and SQLite both run it. What only the durable one promises is in
//! `outbox_killed`.

use std::ops::Deref;
use std::sync::Arc;

use plugwork_core::events::outbox::{Change, Extent, Failing, Memory, Most, Outbox, OutboxError, Parked, Retention, Span};
use plugwork_core::events::{Chain, Event};
use plugwork_core::policy::topic::TopicPattern;
use plugwork_core::record::ConsentKey;
use plugwork_store::{SqliteOutbox, Store, StoreErrorKind};

use crate::sample::{AT_MS, execute, raw, subject, temporary};

pub(crate) const ALL: Most = Most { events: usize::MAX, bytes: usize::MAX };

pub(crate) fn event(topic: &str, payload: &str) -> Event {
    let chain = Chain { id: u64::MAX, hops: 3 };
    Event { topic: topic.into(), payload: payload.into(), source: "acme:shop#two".into(), chain, sequence: None }
}

pub(crate) fn key(tenant: &str) -> ConsentKey {
    ConsentKey::from(&subject(tenant, "two"))
}

pub(crate) fn extents(patterns: &[&str]) -> Vec<Extent> {
    let extent = |text: &&str| Extent { pattern: TopicPattern::try_from((*text).to_owned()).unwrap(), since: 0 };
    patterns.iter().map(extent).collect()
}

pub(crate) fn begin(pattern: &str, end: u64) -> Change {
    Change::Begin { granted: vec![TopicPattern::try_from(pattern.to_owned()).unwrap()], consent: 5, end }
}

async fn append(outbox: &impl Outbox, tenant: &str, topic: &str, payload: &str) -> u64 {
    outbox.append(tenant, AT_MS, event(topic, payload)).await.unwrap().sequence.unwrap()
}

async fn sequences(outbox: &impl Outbox, tenant: &str, after: u64) -> Vec<u64> {
    let page = outbox.read(tenant, after, &extents(&["**"]), ALL).await.unwrap();
    page.events.iter().map(|event| event.sequence.unwrap()).collect()
}

/// Runs every claim of the contract, each on an outbox of its own.
async fn outbox_contract<K, O>(make: impl AsyncFn(Retention) -> K)
where
    K: Deref<Target = O>,
    O: Outbox,
{
    let usual = Retention::default();
    an_empty_one_has_nothing(&*make(usual).await).await;
    what_was_kept_is_read_as_it_was(&*make(usual).await).await;
    each_tenant_has_its_own_sequence_and_sees_nothing_of_others(&*make(usual).await).await;
    only_what_is_wanted_is_read_and_only_from_where_it_is(&*make(usual).await).await;
    a_page_ends_at_its_bounds_and_has_one_event_at_least(&*make(usual).await).await;
    what_nobody_wants_is_passed_over_in_steps(&*make(usual).await).await;
    at_its_bounds_everything_is_there_and_past_them_the_oldest_is_said_to_be_gone(&make).await;
    what_is_past_its_age_goes_and_a_number_never_comes_twice(&make).await;
    one_tenant_takes_nothing_from_another(&make).await;
    a_cursor_is_kept_moves_and_is_forgotten(&*make(usual).await).await;
    appends_at_once_leave_no_gap(&*make(usual).await).await;
}

#[tokio::test]
async fn an_outbox_in_memory_keeps_the_contract() {
    outbox_contract(async |retention| Box::new(Memory::new(retention).unwrap())).await;
}

/// With the folder that it lies in.
struct Kept(Arc<SqliteOutbox>, #[expect(dead_code, reason = "it is there until it is dropped")] tempfile::TempDir);

impl Deref for Kept {
    type Target = SqliteOutbox;

    fn deref(&self) -> &SqliteOutbox {
        &self.0
    }
}

#[tokio::test]
async fn an_outbox_in_sqlite_keeps_the_contract() {
    outbox_contract(async |retention| {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        Kept(store.outbox(retention).await.unwrap(), folder)
    })
    .await;
}

async fn an_empty_one_has_nothing(outbox: &impl Outbox) {
    assert_eq!((outbox.spans().await.unwrap(), outbox.span("t").await.unwrap()), (vec![], Span::EMPTY));
    assert_eq!(outbox.cursor(&key("t")).await.unwrap(), None);
    assert_eq!(outbox.prune(AT_MS).await.unwrap(), 0);
    let page = outbox.read("t", 7, &extents(&["**"]), ALL).await.unwrap();
    assert_eq!((page.events.len(), page.scanned, page.gone), (0, 7, 0));
}

async fn what_was_kept_is_read_as_it_was(outbox: &impl Outbox) {
    let kept = outbox.append("t", AT_MS, event("a/b", "\u{0}é")).await.unwrap();
    assert_eq!(kept, Event { sequence: Some(1), ..event("a/b", "\u{0}é") });
    let page = outbox.read("t", 0, &extents(&["a/*"]), ALL).await.unwrap();
    assert_eq!((page.events, page.scanned, page.gone), (vec![kept.clone()], 1, 0));
    let span = Span { first: 1, last: 1, bytes: kept.bytes() as u64 };
    assert_eq!((outbox.spans().await.unwrap(), outbox.span("t").await.unwrap()), (vec![("t".to_owned(), span)], span));
}

async fn each_tenant_has_its_own_sequence_and_sees_nothing_of_others(outbox: &impl Outbox) {
    for expected in 1..=3 {
        assert_eq!(append(outbox, "one", "a", "x").await, expected);
    }
    assert_eq!(append(outbox, "two", "a", "y").await, 1);
    assert_eq!((sequences(outbox, "one", 0).await, sequences(outbox, "two", 0).await), (vec![1, 2, 3], vec![1]));
    assert!(sequences(outbox, "three", 0).await.is_empty());
    let page = outbox.read("two", 0, &extents(&["**"]), ALL).await.unwrap();
    assert_eq!(page.events[0].payload, b"y");
}

async fn only_what_is_wanted_is_read_and_only_from_where_it_is(outbox: &impl Outbox) {
    for topic in ["a/x", "b/x", "a/x", "b/x"] {
        append(outbox, "t", topic, "").await;
    }
    let mut wanted = extents(&["a/*"]);
    let page = outbox.read("t", 0, &wanted, ALL).await.unwrap();
    assert_eq!((page.events.iter().filter_map(|event| event.sequence).collect::<Vec<_>>(), page.scanned), (vec![1, 3], 4));
    wanted[0].since = 1;
    assert_eq!(outbox.read("t", 0, &wanted, ALL).await.unwrap().events.len(), 1, "nothing from before it was granted");
    assert!(outbox.read("t", 0, &[], ALL).await.unwrap().events.is_empty());
}

async fn a_page_ends_at_its_bounds_and_has_one_event_at_least(outbox: &impl Outbox) {
    for _ in 0..4 {
        append(outbox, "t", "a", &"x".repeat(71)).await;
    }
    let read = async |after, events, bytes| {
        let page = outbox.read("t", after, &extents(&["a"]), Most { events, bytes }).await.unwrap();
        (page.events.len(), page.scanned)
    };
    // Each counts 200.
    assert_eq!(read(0, 3, usize::MAX).await, (3, 3));
    assert_eq!((read(0, 9, 400).await, read(0, 9, 399).await, read(0, 9, 1).await), ((2, 2), (1, 1), (1, 1)));
    assert_eq!((read(3, 9, 400).await, read(4, 9, 400).await, read(9, 9, 400).await), ((1, 4), (0, 4), (0, 9)));
    assert_eq!(read(u64::MAX, 9, 400).await, (0, u64::MAX));
}

async fn what_nobody_wants_is_passed_over_in_steps(outbox: &impl Outbox) {
    let appends = (0..1_030).map(|_| outbox.append("t", AT_MS, event("b", "")));
    futures::future::try_join_all(appends).await.unwrap();
    append(outbox, "t", "a", "").await;
    let first = outbox.read("t", 0, &extents(&["a"]), ALL).await.unwrap();
    assert_eq!((first.events.len(), first.scanned), (0, 1_024));
    let second = outbox.read("t", first.scanned, &extents(&["a"]), ALL).await.unwrap();
    assert_eq!((second.events.len(), second.scanned), (1, 1_031));
}

async fn at_its_bounds_everything_is_there_and_past_them_the_oldest_is_said_to_be_gone<K: Deref<Target = O>, O: Outbox>(
    make: &impl AsyncFn(Retention) -> K,
) {
    let by_count = make(Retention { events_max: 3, ..Retention::default() }).await;
    // Each counts 200.
    let by_bytes = make(Retention { bytes_max: 600, ..Retention::default() }).await;
    for outbox in [&*by_count, &*by_bytes] {
        for _ in 0..3 {
            append(outbox, "t", "a", &"x".repeat(71)).await;
        }
        assert_eq!(sequences(outbox, "t", 0).await, [1, 2, 3]);
        append(outbox, "t", "a", &"x".repeat(71)).await;
        append(outbox, "t", "a", &"x".repeat(71)).await;
        let page = outbox.read("t", 0, &extents(&["a"]), ALL).await.unwrap();
        assert_eq!((page.events[0].sequence, page.scanned, page.gone), (Some(3), 5, 2));
        assert_eq!(outbox.spans().await.unwrap()[0].1, Span { first: 3, last: 5, bytes: 600 });
    }
    append(&*by_bytes, "t", "a", &"x".repeat(5_000)).await;
    assert_eq!(sequences(&*by_bytes, "t", 0).await, [6], "the newest stays whatever it has");
}

async fn what_is_past_its_age_goes_and_a_number_never_comes_twice<K: Deref<Target = O>, O: Outbox>(make: &impl AsyncFn(Retention) -> K) {
    let outbox = make(Retention { age_ms_max: 10, ..Retention::default() }).await;
    append(&*outbox, "t", "a", "").await;
    outbox.append("t", AT_MS + 5, event("a", "")).await.unwrap();
    assert_eq!((outbox.prune(AT_MS + 10).await.unwrap(), outbox.prune(AT_MS + 11).await.unwrap()), (0, 1));
    // The clock stepped back.
    assert_eq!(outbox.prune(0).await.unwrap(), 0);
    assert_eq!(sequences(&*outbox, "t", 0).await, [2]);
    assert_eq!(outbox.append("t", AT_MS + 100, event("a", "")).await.unwrap().sequence, Some(3));
    assert_eq!((sequences(&*outbox, "t", 0).await, outbox.prune(AT_MS + 1_000).await.unwrap()), (vec![3], 1));
    assert_eq!(outbox.spans().await.unwrap()[0].1, Span { first: 4, last: 3, bytes: 0 });
    let page = outbox.read("t", 1, &extents(&["a"]), ALL).await.unwrap();
    assert_eq!((page.events.len(), page.scanned, page.gone), (0, 3, 3));
    assert_eq!(append(&*outbox, "t", "a", "").await, 4);
}

async fn one_tenant_takes_nothing_from_another<K: Deref<Target = O>, O: Outbox>(make: &impl AsyncFn(Retention) -> K) {
    let outbox = make(Retention { events_max: 2, ..Retention::default() }).await;
    append(&*outbox, "quiet", "a", "").await;
    for _ in 0..20 {
        append(&*outbox, "loud", "a", "").await;
    }
    assert_eq!((sequences(&*outbox, "quiet", 0).await, sequences(&*outbox, "loud", 0).await), (vec![1], vec![19, 20]));
}

async fn a_cursor_is_kept_moves_and_is_forgotten(outbox: &impl Outbox) {
    assert_eq!(outbox.change(&key("t"), Change::Done(3)).await.unwrap(), None, "none that was not begun");
    let begun = outbox.change(&key("t"), begin("a/*", 7)).await.unwrap().unwrap();
    assert_eq!((begun.after, begun.consent, begun.extents[0].since), (7, 5, 7));
    outbox.change(&key("other"), begin("a/*", 1)).await.unwrap();
    outbox.change(&key("t"), Change::Failed(Failing { sequence: 8, attempts: 2 })).await.unwrap();
    let parked = Parked { sequence: 8, topic: "a/b".to_owned(), at_ms: AT_MS, attempts: 8, reason: "é\u{0}".to_owned() };
    let moved = outbox.change(&key("t"), Change::Park(parked.clone())).await.unwrap().unwrap();
    assert_eq!((moved.after, &moved.parked[..], moved.failing), (8, &[parked][..], None));
    assert_eq!(outbox.cursor(&key("t")).await.unwrap(), Some(moved));
    assert_eq!(outbox.change(&key("t"), Change::Forget).await.unwrap(), None);
    assert_eq!(outbox.cursor(&key("t")).await.unwrap(), None);
    assert_eq!(outbox.cursor(&key("other")).await.unwrap().unwrap().after, 1);
}

async fn appends_at_once_leave_no_gap(outbox: &impl Outbox) {
    let appends = (0..100).map(|_| outbox.append("t", AT_MS, event("a", "")));
    let mut numbers: Vec<u64> =
        futures::future::join_all(appends).await.into_iter().map(|event| event.unwrap().sequence.unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=100).collect::<Vec<_>>());
    assert_eq!(sequences(outbox, "t", 0).await, numbers);
}

#[tokio::test]
async fn a_cursor_that_cannot_be_read_is_an_error_and_not_a_new_one() {
    let store = temporary().await;
    let outbox = store.outbox(Retention::default()).await.unwrap();
    outbox.change(&key("t"), begin("a", 0)).await.unwrap();
    let mut database = raw(&store.folder, "events.db").await;
    execute(&mut database, "UPDATE cursor SET body = '{}'").await;
    assert!(matches!(outbox.cursor(&key("t")).await.unwrap_err(), OutboxError::Storage { .. }));
    let error = outbox.change(&key("t"), begin("a", 0)).await.unwrap_err();
    assert_eq!(error.code(), "E-OUTBOX-STORAGE");
    assert!(outbox.append("t", AT_MS, event("a", "")).await.is_ok(), "and others go on");
}

#[tokio::test]
async fn a_cursor_that_cannot_be_read_harms_nobody_in_the_same_commit_and_can_be_forgotten() {
    let store = temporary().await;
    let outbox = store.outbox(Retention::default()).await.unwrap();
    outbox.change(&key("bad"), begin("a", 0)).await.unwrap();
    outbox.change(&key("good"), begin("a", 0)).await.unwrap();
    let mut database = raw(&store.folder, "events.db").await;
    execute(&mut database, "UPDATE cursor SET body = '{}' WHERE tenant = 'bad'").await;
    // While somebody else writes, all of these wait for one commit.
    execute(&mut database, "BEGIN IMMEDIATE").await;
    let appends = async |tenant: &str| futures::future::join_all((0..20).map(|_| outbox.append(tenant, AT_MS, event("a", "")))).await;
    let (bad, good) = (key("bad"), key("good"));
    let asked = futures::future::join5(
        appends("before"),
        outbox.change(&bad, Change::Done(1)),
        outbox.change(&good, Change::Done(1)),
        outbox.change(&bad, Change::Done(2)),
        appends("behind"),
    );
    let (asked, ()) = futures::future::join(asked, execute(&mut database, "COMMIT")).await;
    let (before, first, moved, second, behind) = asked;
    assert_eq!([first, second].map(|bad| bad.unwrap_err().code()), ["E-OUTBOX-STORAGE"; 2]);
    assert_eq!(moved.unwrap().unwrap().after, 1);
    for (tenant, kept) in [("before", before), ("behind", behind)] {
        assert_eq!(kept.into_iter().map(|event| event.unwrap().sequence.unwrap()).collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
        assert_eq!(sequences(&*outbox, tenant, 0).await.len(), 20);
    }
    assert_eq!(outbox.change(&key("bad"), Change::Forget).await, Ok(None));
    assert_eq!(outbox.change(&key("bad"), begin("a", 7)).await.unwrap().unwrap().after, 7, "and it may begin anew");
}

#[tokio::test]
async fn an_outbox_that_would_keep_nothing_is_not_opened() {
    let none = Retention { events_max: 0, ..Retention::default() };
    let error = temporary().await.outbox(none).await.err().unwrap();
    assert!(matches!(error.kind(), StoreErrorKind::Retention(issue) if issue.at == "retention.events-max"), "{error}");
    assert!(Memory::new(none).is_err());
}

#[tokio::test]
async fn a_closed_outbox_says_so_and_its_folder_is_opened_again() {
    let store = temporary().await;
    let outbox = store.outbox(Retention::default()).await.unwrap();
    append(&*outbox, "t", "a", "").await;
    outbox.close().await;
    assert_eq!(outbox.append("t", AT_MS, event("a", "")).await.unwrap_err(), OutboxError::Closed);
    assert_eq!(outbox.spans().await.unwrap_err(), OutboxError::Closed);
    assert_eq!(append(&*store.outbox(Retention::default()).await.unwrap(), "t", "a", "").await, 2);
}

#[tokio::test]
async fn a_copy_has_the_events_and_the_cursors() {
    let store = temporary().await;
    let outbox = store.outbox(Retention::default()).await.unwrap();
    append(&*outbox, "t", "a", "").await;
    outbox.change(&key("t"), begin("a", 0)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    store.copy_into(folder.path()).await.unwrap();
    store.check().await.unwrap();
    let copy = Store::open(folder.path()).await.unwrap().outbox(Retention::default()).await.unwrap();
    assert_eq!((sequences(&*copy, "t", 0).await, copy.cursor(&key("t")).await.unwrap().unwrap().after), (vec![1], 0));
    assert!(matches!(store.copy_into(folder.path()).await.unwrap_err().kind(), StoreErrorKind::Exists { .. }));
}

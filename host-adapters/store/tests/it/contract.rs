//! The contract of `Records`: what every implementation does alike. Memory and SQLite both run it.

use std::collections::BTreeSet;
use std::ops::Deref;

use plugwork_core::Digest;
use plugwork_core::record::{ConsentKey, Event, Key, Memory, Record, Records, RecordsError, check};

use crate::sample::{self, AT_MS, declined, disabled, enabled, faulted, granted, removed, revoked, subject};

/// Runs every claim of the contract, each on a chain of its own.
async fn records_contract<K, R>(make: impl AsyncFn() -> K)
where
    K: Deref<Target = R>,
    R: Records,
{
    an_empty_chain_has_nothing(&*make().await).await;
    what_is_appended_is_linked_signed_and_read_in_pages(&*make().await).await;
    a_consent_is_the_latest_of_granted_revoked_and_removed(&*make().await).await;
    declining_ends_no_earlier_consent(&*make().await).await;
    consents_of_tenants_and_instances_are_apart(&*make().await).await;
    whether_a_plugin_is_to_run_is_the_latest_of_enabled_disabled_and_removed(&*make().await).await;
    nothing_else_says_whether_a_plugin_is_to_run(&*make().await).await;
    lifecycles_of_tenants_and_instances_are_apart(&*make().await).await;
    a_configuration_that_is_too_long_is_refused_and_nothing_is_appended(&*make().await).await;
    an_append_is_all_or_none(&*make().await).await;
    appends_at_once_leave_no_gap(&*make().await).await;
    an_append_after_an_end_that_is_none_any_more_appends_nothing(&*make().await).await;
    of_many_that_append_after_the_same_end_one_does(&*make().await).await;
    any_text_comes_back_as_it_was(&*make().await).await;
}

#[tokio::test]
async fn records_in_memory_keep_the_contract() {
    records_contract(async || Box::new(Memory::new(Key::from_bytes(&[1; 32])))).await;
}

#[tokio::test]
async fn records_in_sqlite_keep_the_contract() {
    records_contract(sample::temporary).await;
}

async fn an_empty_chain_has_nothing(records: &impl Records) {
    assert_eq!(records.head().await.unwrap(), None);
    assert_eq!(records.read(0, 10).await.unwrap(), []);
    assert_eq!(records.consents().await.unwrap(), []);
    assert_eq!(records.consent(&ConsentKey::from(&subject("a", ""))).await.unwrap(), None);
    assert_eq!(records.lifecycles().await.unwrap(), []);
    assert_eq!(records.lifecycle(&ConsentKey::from(&subject("a", ""))).await.unwrap(), None);
    assert_eq!(records.append(AT_MS, vec![]).await.unwrap(), []);
    let verified = records.verify().await.unwrap();
    assert_eq!((verified.records, verified.head), (0, None));
}

async fn what_is_appended_is_linked_signed_and_read_in_pages(records: &impl Records) {
    let mut appended = records.append(AT_MS, vec![granted(subject("default", ""), "one"), faulted("two")]).await.unwrap();
    // The clock stepped back: allowed.
    appended.extend(records.append(AT_MS - 1, vec![faulted("three")]).await.unwrap());
    let mut head = None;
    for record in &appended {
        head = Some(check(head.as_ref(), record, &records.public_key()).unwrap());
    }
    assert_eq!(records.head().await.unwrap(), head);
    assert_eq!(records.read(0, 2).await.unwrap(), appended[..2]);
    assert_eq!(records.read(2, 2).await.unwrap(), appended[2..]);
    assert_eq!(records.read(3, 2).await.unwrap(), []);
    assert_eq!(records.read(u64::MAX, 2).await.unwrap(), []);
    assert_eq!(records.verify().await.unwrap().head, head);
    assert_eq!((appended[2].sequence, appended[2].at_ms), (3, AT_MS - 1));
}

async fn a_consent_is_the_latest_of_granted_revoked_and_removed(records: &impl Records) {
    let mut updated = subject("default", "");
    updated.digest = Digest::of(b"another component");
    let key = ConsentKey::from(&updated);
    for event in
        [granted(subject("default", ""), "first"), revoked(subject("default", "")), granted(updated.clone(), "update"), removed(updated)]
    {
        let appended = records.append(AT_MS, vec![event.clone(), faulted("between")]).await.unwrap();
        let latest = records.consent(&key).await.unwrap().unwrap();
        assert_eq!((&latest, latest.event().unwrap()), (&appended[0], event));
        assert_eq!(records.consents().await.unwrap(), [latest]);
    }
    records.verify().await.unwrap();
}

async fn declining_ends_no_earlier_consent(records: &impl Records) {
    let key = ConsentKey::from(&subject("default", ""));
    records.append(AT_MS, vec![declined(subject("default", ""))]).await.unwrap();
    assert_eq!(records.consent(&key).await.unwrap(), None);
    let appended = records.append(AT_MS, vec![granted(subject("default", ""), "yes"), declined(subject("default", ""))]).await.unwrap();
    assert_eq!(records.consent(&key).await.unwrap().as_ref(), Some(&appended[0]));
}

async fn consents_of_tenants_and_instances_are_apart(records: &impl Records) {
    let subjects = [subject("a", ""), subject("a", "step"), subject("b", ""), subject("b", "step")];
    let events = subjects.iter().map(|subject| granted(subject.clone(), "")).collect();
    let appended = records.append(AT_MS, events).await.unwrap();
    assert_eq!(records.consents().await.unwrap(), appended, "in the order of keys");
    let revoked = records.append(AT_MS, vec![revoked(subjects[1].clone())]).await.unwrap();
    for (index, subject) in subjects.iter().enumerate() {
        let expected = if index == 1 { &revoked[0] } else { &appended[index] };
        assert_eq!(records.consent(&ConsentKey::from(subject)).await.unwrap().as_ref(), Some(expected));
    }
}

async fn whether_a_plugin_is_to_run_is_the_latest_of_enabled_disabled_and_removed(records: &impl Records) {
    let mut updated = subject("default", "");
    updated.digest = Digest::of(b"another component");
    let key = ConsentKey::from(&updated);
    for event in [
        enabled(subject("default", ""), "first"),
        disabled(updated.clone(), "second"),
        enabled(updated.clone(), "third"),
        removed(updated.clone()),
        enabled(subject("default", ""), "fourth"),
    ] {
        let appended = records.append(AT_MS, vec![event.clone(), faulted("between")]).await.unwrap();
        let latest = records.lifecycle(&key).await.unwrap().unwrap();
        assert_eq!((&latest, latest.event().unwrap()), (&appended[0], event));
        assert_eq!(records.lifecycles().await.unwrap(), [latest]);
    }
    records.verify().await.unwrap();
}

async fn nothing_else_says_whether_a_plugin_is_to_run(records: &impl Records) {
    let one = subject("default", "");
    let (from, by) = (Digest::of(b"before"), "ana".to_owned());
    let others = vec![
        granted(one.clone(), ""),
        declined(one.clone()),
        revoked(one.clone()),
        faulted("trap"),
        Event::Replaced { subject: one.clone(), from, by },
        Event::RolledBack { subject: one.clone(), from, why: "7 of 20 calls failed".to_owned() },
    ];
    records.append(AT_MS, others.clone()).await.unwrap();
    assert_eq!(records.lifecycles().await.unwrap(), []);
    let appended = records.append(AT_MS, vec![enabled(one.clone(), "yes")]).await.unwrap();
    records.append(AT_MS, others).await.unwrap();
    assert_eq!(records.lifecycles().await.unwrap(), appended);
    // And the consent is what it was before it was enabled: the latest of granting, revoking and removing.
    let consent = records.consent(&ConsentKey::from(&one)).await.unwrap().unwrap();
    assert!(matches!(consent.event().unwrap(), Event::Revoked { .. }));
    records.verify().await.unwrap();
}

async fn lifecycles_of_tenants_and_instances_are_apart(records: &impl Records) {
    let subjects = [subject("a", ""), subject("a", "b"), subject("ab", ""), subject("b", "a")];
    let events: Vec<Event> = subjects.iter().map(|subject| enabled(subject.clone(), "")).collect();
    let appended = records.append(AT_MS, events).await.unwrap();
    assert_eq!(records.lifecycles().await.unwrap(), appended, "in the order of keys");
    let stopped = records.append(AT_MS, vec![disabled(subjects[1].clone(), "")]).await.unwrap();
    for (index, subject) in subjects.iter().enumerate() {
        let expected = if index == 1 { &stopped[0] } else { &appended[index] };
        assert_eq!(records.lifecycle(&ConsentKey::from(subject)).await.unwrap().as_ref(), Some(expected));
    }
    assert_eq!(records.consents().await.unwrap(), []);
}

async fn a_configuration_that_is_too_long_is_refused_and_nothing_is_appended(records: &impl Records) {
    let long = "x".repeat(plugwork_core::limits::OPTIONS_BYTES_MAX);
    let refused = records.append(AT_MS, vec![faulted(""), enabled(subject("default", ""), &long)]).await;
    assert!(matches!(refused, Err(RecordsError::TooLarge { .. })), "{refused:?}");
    assert_eq!((records.verify().await.unwrap().records, records.lifecycles().await.unwrap()), (0, vec![]));
}

async fn an_append_is_all_or_none(records: &impl Records) {
    records.append(AT_MS, vec![faulted("kept")]).await.unwrap();
    let too_long = removed(subject(&"t".repeat(plugwork_core::record::BODY_BYTES_MAX), ""));
    let refused = records.append(AT_MS, vec![granted(subject("default", ""), ""), too_long]).await;
    assert!(matches!(refused, Err(RecordsError::TooLarge { .. })), "{refused:?}");
    assert_eq!(records.verify().await.unwrap().records, 1);
    assert_eq!(records.consents().await.unwrap(), []);
    assert_eq!(records.append(AT_MS, vec![faulted("next")]).await.unwrap()[0].sequence, 2);
}

async fn appends_at_once_leave_no_gap(records: &impl Records) {
    let appends = (0..64).map(|index| records.append(AT_MS, vec![faulted(&format!("{index} a")), faulted(&format!("{index} b"))]));
    let mut sequences = BTreeSet::new();
    for appended in futures::future::join_all(appends).await {
        let appended = appended.unwrap();
        assert_eq!(appended[0].sequence + 1, appended[1].sequence, "what is appended together stays together");
        sequences.extend(appended.iter().map(|record| record.sequence));
    }
    assert!(sequences.into_iter().eq(1..=128));
    assert_eq!(records.verify().await.unwrap().records, 128);
}

async fn an_append_after_an_end_that_is_none_any_more_appends_nothing(records: &impl Records) {
    assert_eq!(records.append_after(1, AT_MS, vec![faulted("too early")]).await.unwrap(), None);
    let first = records.append_after(0, AT_MS, vec![faulted("one"), faulted("two")]).await.unwrap().unwrap();
    assert_eq!(first.iter().map(|record| record.sequence).collect::<Vec<_>>(), [1, 2]);
    for end in [0, 1, 3, u64::MAX] {
        assert_eq!(records.append_after(end, AT_MS, vec![faulted("late")]).await.unwrap(), None, "{end}");
    }
    assert_eq!(records.append_after(2, AT_MS, vec![]).await.unwrap(), Some(vec![]));
    assert_eq!(records.append_after(2, AT_MS, vec![faulted("three")]).await.unwrap().unwrap()[0].sequence, 3);
    assert_eq!(records.verify().await.unwrap().records, 3);
}

async fn of_many_that_append_after_the_same_end_one_does(records: &impl Records) {
    let all = futures::future::join_all((0..20).map(|_| records.append_after(0, AT_MS, vec![faulted("at once")]))).await;
    assert_eq!(all.into_iter().filter(|appended| appended.as_ref().unwrap().is_some()).count(), 1);
    assert_eq!(records.verify().await.unwrap().records, 1);
}

async fn any_text_comes_back_as_it_was(records: &impl Records) {
    for text in ["", "\0", "a\0b", "'; DROP TABLE record; --", "\u{202e}abc", "\"}\\", "🦀é", "\r\n\t\u{7f}"] {
        let subject = subject(text, text);
        let event = granted(subject.clone(), text);
        let appended: Vec<Record> = records.append(AT_MS, vec![event.clone()]).await.unwrap();
        let found = records.consent(&ConsentKey::from(&subject)).await.unwrap();
        assert_eq!(found.as_ref(), Some(&appended[0]), "{text:?}");
        let back: Event = found.unwrap().event().unwrap();
        assert_eq!(back, event);
        let appended = records.append(AT_MS, vec![enabled(subject.clone(), text)]).await.unwrap();
        let found = records.lifecycle(&ConsentKey::from(&subject)).await.unwrap();
        assert_eq!(found.as_ref(), Some(&appended[0]), "{text:?}");
        assert_eq!(found.unwrap().event().unwrap(), enabled(subject, text));
    }
    records.verify().await.unwrap();
}

//! The chain holds exactly as it was sealed: every edit is found, and names the record.

use serde_json::json;

use super::*;
use crate::{Grants, Limits, Subject};

fn key() -> Key {
    Key::from_bytes(&[7; 32])
}

fn subject(instance: &str) -> Subject {
    Subject {
        tenant: "default".to_owned(),
        instance: instance.to_owned(),
        package: "acme:markdown".parse().unwrap(),
        digest: Digest::of(b"component"),
    }
}

fn granted(instance: &str) -> Event {
    Event::Granted(Consent {
        subject: subject(instance),
        version: Some("1.2.3".parse().unwrap()),
        grants: Grants::none().with("http", json!({"hosts": ["a.example"], "share": 0.5}).as_object().unwrap().clone()),
        approver: "ana".to_owned(),
        reason: "needed".to_owned(),
        expires_ms: Some(u64::MAX),
        limits: Some(Limits::batch()),
    })
}

fn settings() -> Settings {
    Settings {
        configuration: json!({"theme": "dark", "depth": 3}).as_object().unwrap().clone(),
        critical: true,
        weight: -5,
        points: vec!["acme:text/filter@1.0.0".parse().unwrap()],
    }
}

fn events() -> Vec<Event> {
    let (by, reason) = ("ana".to_owned(), "a reason".to_owned());
    vec![
        granted("one"),
        Event::Declined { subject: subject("two"), by: by.clone(), reason: reason.clone() },
        Event::Faulted { subject: subject("one"), code: "E-FAULT-TRAP".to_owned(), message: "unreachable".to_owned(), count: 3 },
        Event::Refused { subject: subject("one"), code: "E-CAP-HTTP-HOST".to_owned(), message: "no".to_owned(), count: 1 },
        Event::Revoked { subject: subject("one"), by: by.clone(), reason },
        Event::Removed { subject: subject("one"), by: by.clone() },
        Event::Enabled { subject: subject("one"), by: by.clone(), settings: settings() },
        Event::Disabled { subject: subject("one"), by: by.clone(), reason: "tired".to_owned(), settings: Settings::default() },
        Event::Replaced { subject: subject("one"), from: Digest::of(b"before"), by },
        Event::RolledBack { subject: subject("one"), from: Digest::of(b"after"), why: "7 of 20 calls failed".to_owned() },
    ]
}

fn chain() -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    for event in events() {
        let head = records.last().map(Record::head);
        records.push(seal(head.as_ref(), 1_700_000_000_000, &event, &key()).unwrap());
    }
    records
}

fn verify(records: &[Record], kept: Option<Head>) -> Result<Verified, RecordsError> {
    let mut chain = Chain::new(key().public(), kept);
    records.iter().try_for_each(|record| chain.push(record))?;
    Ok(chain.finish()?.0)
}

fn broken(records: &[Record], kept: Option<Head>) -> Broken {
    match verify(records, kept) {
        Err(RecordsError::Broken(broken)) => broken,
        other => panic!("{other:?}"),
    }
}

#[test]
fn events_come_back_as_they_were_and_records_survive_json() {
    let records = chain();
    let back: Vec<_> = records.iter().map(|record| record.event().unwrap()).collect();
    assert_eq!(back, events());
    let text = serde_json::to_string(&records).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Record>>(&text).unwrap(), records);
    assert_eq!(verify(&records, None).unwrap(), Verified { records: 10, head: Some(records[9].head()) });
}

#[test]
fn every_single_byte_edit_of_every_field_is_found_and_names_the_record() {
    let records = chain();
    let mut edits = 0;
    for index in 0..records.len() {
        // The record in its texts: body, and each fixed field as bytes.
        for position in 0..records[index].body.len() {
            // All bits of the first six are enough to be slow.
            for bit in [1, 2, 4, 8, 16, 32, 64].into_iter().take(if index < 6 { 7 } else { 1 }) {
                let mut bytes = records[index].body.clone().into_bytes();
                bytes[position] ^= bit;
                let mut edited = records.clone();
                edited[index].body = String::from_utf8(bytes).unwrap();
                let found = broken(&edited, None);
                assert_eq!(found.sequence, index as u64 + 1);
                assert!(matches!(found.why, Why::Changed { .. }), "{found}");
                edits += 1;
            }
        }
        for bit in 0..64 {
            let mut edited = records.clone();
            edited[index].at_ms ^= 1 << bit;
            assert_eq!(broken(&edited, None).sequence, index as u64 + 1);
            // An edited number is named by what the record now calls itself.
            let mut edited = records.clone();
            edited[index].sequence ^= 1 << bit;
            let found = broken(&edited, None);
            assert_eq!((found.sequence, found.why), (edited[index].sequence, Why::Order { follows: index as u64 }));
            edits += 2;
        }
        let flipped = |digest: &Digest, nibble: usize| -> Digest {
            let mut text = digest.to_string().into_bytes();
            let digit = (text[7 + nibble] as char).to_digit(16).unwrap();
            text[7 + nibble] = char::from_digit(digit ^ 1, 16).unwrap() as u8;
            String::from_utf8(text).unwrap().parse().unwrap()
        };
        for nibble in 0..64 {
            let mut edited = records.clone();
            edited[index].previous = flipped(&records[index].previous, nibble);
            assert_eq!(broken(&edited, None).sequence, index as u64 + 1);
            let mut edited = records.clone();
            edited[index].digest = flipped(&records[index].digest, nibble);
            assert_eq!(broken(&edited, None).sequence, index as u64 + 1);
            edits += 2;
        }
        for byte in 0..64 {
            for bit in 0..8 {
                let mut signature = *records[index].signature.as_bytes();
                signature[byte] ^= 1 << bit;
                let mut edited = records.clone();
                edited[index].signature = Signature::from_bytes(signature);
                assert_eq!(broken(&edited, None), Broken { sequence: index as u64 + 1, why: Why::Signature });
                edits += 1;
            }
        }
    }
    assert!(edits > 10_000, "{edits}");
}

#[test]
fn an_edit_with_its_digest_mended_breaks_the_signature() {
    let mut records = chain();
    records[3].body = records[3].body.replace("\"no\"", "\"on\"");
    records[3].digest = records[3].content();
    assert_eq!(broken(&records, None), Broken { sequence: 4, why: Why::Signature });
}

#[test]
fn a_chain_sealed_by_another_key_is_refused_at_its_first_record() {
    let records = chain();
    let other = Key::from_bytes(&[8; 32]).public();
    assert_eq!(check(None, &records[0], &other), Err(Broken { sequence: 1, why: Why::Signature }));
}

#[test]
fn reordering_is_found() {
    for first in 0..5 {
        let mut records = chain();
        records.swap(first, first + 1);
        let found = broken(&records, None);
        assert_eq!((found.sequence, found.why), (first as u64 + 2, Why::Order { follows: first as u64 }));
    }
}

#[test]
fn a_record_missing_in_the_middle_or_doubled_is_found() {
    for index in 0..5 {
        let mut records = chain();
        records.remove(index);
        assert_eq!(broken(&records, None), Broken { sequence: index as u64 + 2, why: Why::Order { follows: index as u64 } });
        let mut records = chain();
        records.insert(index, records[index].clone());
        assert_eq!(broken(&records, None).sequence, index as u64 + 1);
    }
}

#[test]
fn a_chain_cut_short_is_found_by_the_head_kept_elsewhere_and_only_by_it() {
    let records = chain();
    let kept = records[5].head();
    for length in 0..6 {
        assert!(verify(&records[..length], None).is_ok());
        let found = broken(&records[..length], Some(kept));
        assert_eq!(found, Broken { sequence: 6, why: Why::Missing { after: length as u64 } });
    }
    assert!(verify(&records, Some(kept)).is_ok());
    assert!(verify(&records, Some(records[2].head())).is_ok(), "longer than the head is fine: a crash may come between");
}

#[test]
fn a_chain_rewritten_with_the_key_is_found_by_the_head_kept_elsewhere() {
    let kept = chain()[2].head();
    let mut rewritten: Vec<Record> = Vec::new();
    for event in events() {
        let head = rewritten.last().map(Record::head);
        rewritten.push(seal(head.as_ref(), 1, &event, &key()).unwrap());
    }
    assert!(verify(&rewritten, None).is_ok());
    assert_eq!(broken(&rewritten, Some(kept)), Broken { sequence: 3, why: Why::Head });
}

#[test]
fn a_head_is_signed_as_itself() {
    let head = chain()[1].head();
    let signature = head.sign(&key());
    assert!(head.is_signed(&signature, &key().public()));
    assert!(!Head { sequence: 3, ..head }.is_signed(&signature, &key().public()));
    assert!(!head.is_signed(&chain()[1].signature, &key().public()), "the signature of a record is none of a head");
}

#[test]
fn a_long_message_is_cut_and_a_long_reason_is_refused() {
    let long = "é".repeat(MESSAGE_BYTES_MAX);
    let faulted = Event::Faulted { subject: subject("a"), code: "E".to_owned(), message: long.clone(), count: 1 };
    let Event::Faulted { message, .. } = seal(None, 0, &faulted, &key()).unwrap().event().unwrap() else { panic!() };
    assert_eq!(message.len(), MESSAGE_BYTES_MAX);
    let at_limit = Event::Removed { subject: subject("a"), by: "x".repeat(APPROVER_BYTES_MAX) };
    assert!(seal(None, 0, &at_limit, &key()).is_ok());
    let past_it = Event::Removed { subject: subject("a"), by: "x".repeat(APPROVER_BYTES_MAX + 1) };
    assert!(matches!(seal(None, 0, &past_it, &key()), Err(RecordsError::TooLarge { .. })));
}

#[test]
fn what_was_seen_of_a_version_is_cut_and_a_long_reason_to_disable_is_refused() {
    let rolled = Event::RolledBack { subject: subject("a"), from: Digest::of(b""), why: "é".repeat(MESSAGE_BYTES_MAX) };
    let Event::RolledBack { why, .. } = seal(None, 0, &rolled, &key()).unwrap().event().unwrap() else { panic!() };
    assert_eq!(why.len(), MESSAGE_BYTES_MAX);
    let (by, settings) = ("ana".to_owned(), Settings::default());
    for bytes in [APPROVER_BYTES_MAX, APPROVER_BYTES_MAX + 1] {
        let long = "x".repeat(bytes);
        for event in [
            Event::Enabled { subject: subject("a"), by: long.clone(), settings: settings.clone() },
            Event::Disabled { subject: subject("a"), by: long.clone(), reason: String::new(), settings: settings.clone() },
            Event::Disabled { subject: subject("a"), by: by.clone(), reason: long.clone(), settings: settings.clone() },
            Event::Replaced { subject: subject("a"), from: Digest::of(b""), by: long.clone() },
        ] {
            assert_eq!(seal(None, 0, &event, &key()).is_ok(), bytes == APPROVER_BYTES_MAX, "{event:?}");
        }
    }
}

#[test]
fn a_configuration_at_its_limit_is_recorded_and_one_byte_more_is_refused() {
    // `{"a":"…"}` has eight bytes around the text.
    let with =
        |bytes: usize| Settings { configuration: json!({"a": "x".repeat(bytes - 8)}).as_object().unwrap().clone(), ..Settings::default() };
    let enabled = |settings: Settings| Event::Enabled { subject: subject("a"), by: String::new(), settings };
    let (fits, too_long) = (with(crate::limits::OPTIONS_BYTES_MAX), with(crate::limits::OPTIONS_BYTES_MAX + 1));
    assert!(fits.check().is_ok() && seal(None, 0, &enabled(fits), &key()).is_ok());
    assert_eq!(too_long.check().unwrap_err().at, "configuration");
    let refused = seal(None, 0, &enabled(too_long), &key());
    assert_eq!(refused, Err(RecordsError::TooLarge { bytes: 65_537, bytes_max: 65_536 }));
}

#[test]
fn settings_name_as_many_points_as_they_may_and_no_more() {
    let with = |count: usize| Settings { points: vec!["a:b/c".parse().unwrap(); count], ..Settings::default() };
    assert!(with(SETTINGS_POINTS_MAX).check().is_ok());
    assert_eq!(with(SETTINGS_POINTS_MAX + 1).check().unwrap_err().at, "points");
}

#[test]
fn settings_are_read_with_their_defaults_and_no_unknown_word() {
    let read = |text: &str| serde_json::from_str::<Settings>(text);
    assert_eq!(read("{}").unwrap(), Settings::default());
    assert_eq!(serde_json::to_string(&Settings::default()).unwrap(), r#"{"configuration":{},"critical":false,"weight":0}"#);
    assert_eq!(read(&serde_json::to_string(&settings()).unwrap()).unwrap(), settings());
    assert!(read(r#"{"configuration":[]}"#).is_err() && read(r#"{"wieght":1}"#).is_err() && read(r#"{"points":["no"]}"#).is_err());
}

#[test]
fn only_enabling_disabling_and_removing_say_whether_a_plugin_is_to_run() {
    let changes: Vec<bool> = events().iter().map(|event| event.changes_lifecycle().is_some()).collect();
    assert_eq!(changes, [false, false, false, false, false, true, true, true, false, false]);
    let consents: Vec<bool> = events().iter().map(|event| event.changes_consent().is_some()).collect();
    assert_eq!(consents, [true, false, false, false, true, true, false, false, false, false]);
    for event in events() {
        assert_eq!(event.settings().is_some(), matches!(event, Event::Enabled { .. } | Event::Disabled { .. }));
        assert!(event.changes_lifecycle().is_none_or(|key| key == ConsentKey::from(event.subject())));
    }
}

#[test]
fn a_chain_follows_what_is_current_and_its_digests_alone_find_a_careless_edit() {
    let (records, mut chain) = (chain(), Chain::new(key().public(), None));
    records.iter().try_for_each(|record| chain.push(record)).unwrap();
    let (_, current) = chain.finish().unwrap();
    let one = ConsentKey::from(&subject("one"));
    assert_eq!((current.consents[&one], current.lifecycles[&one]), (6, 8));
    assert_eq!((current.consents.len(), current.lifecycles.len()), (1, 1));
    let mut edited = records[7].clone();
    edited.body = edited.body.replace("tired", "awake");
    assert!(matches!(edited.intact(), Err(Broken { sequence: 8, why: Why::Changed { .. } })));
    edited.digest = edited.content();
    assert_eq!(edited.intact(), Ok(()));
    assert_eq!(edited.genuine(&key().public()), Err(Broken { sequence: 8, why: Why::Signature }));
}

#[test]
fn a_body_past_its_limit_is_refused() {
    let mut subject = subject("");
    subject.tenant = "t".repeat(BODY_BYTES_MAX);
    let event = Event::Removed { subject, by: String::new() };
    assert!(matches!(seal(None, 0, &event, &key()), Err(RecordsError::TooLarge { bytes_max: BODY_BYTES_MAX, .. })));
}

#[test]
fn a_consent_is_over_at_its_moment() {
    let Event::Granted(mut consent) = granted("a") else { panic!() };
    consent.expires_ms = Some(10);
    assert!(!consent.expired(9) && consent.expired(10));
    consent.expires_ms = None;
    assert!(!consent.expired(u64::MAX));
}

#[test]
fn keys_and_signatures_round_trip_and_a_secret_is_never_shown() {
    let public = key().public();
    assert_eq!(public.to_string().parse(), Ok(public));
    assert_eq!(format!("{:?}", key()), format!("Key(secret of {public})"));
    let signature = chain()[0].signature;
    assert_eq!(signature.to_string().parse(), Ok(signature));
    assert!(signature.to_string().to_uppercase().parse::<Signature>().is_err());
}

//! Consent that lasts: what is on record, what runs by it, what takes it back, and what the records hear of faults and denials.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use plugwork::core::consent::EVERY_INSTANCE;
use plugwork::core::record::{Event, Key, Memory, Records};
use plugwork::core::{Clock, Standing};
use plugwork::{ErrorKind, Fault, Grants, Limits, Runtime};
use serde_json::json;

use crate::guest::{CALLS, ECHO, Guest};
use crate::steered::Steered;
use crate::world::{Calls, Number, fault, grant};

const LOOP: &str = r#"(func (export "run") (param i32) (result i32) (loop $again (br $again)) i32.const 0)"#;
const MANIFEST: &str = "[permissions.calls]\nstart = 1\n";

/// A clock that is set by hand.
#[derive(Clone, Default)]
pub(crate) struct Hand(pub(crate) Arc<AtomicU64>);

impl Clock for Hand {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

fn records() -> Arc<dyn Records> {
    Arc::new(Memory::new(Key::from_bytes(&[1; 32])))
}

async fn runtime(records: &Arc<dyn Records>) -> Runtime {
    Runtime::in_memory().allocation(plugwork::Allocation::OnDemand).provide(Calls).records(records.clone()).open().await.unwrap()
}

fn guest() -> Guest {
    Guest::new(ECHO).import(CALLS).manifest(MANIFEST)
}

async fn events(records: &Arc<dyn Records>) -> Vec<Event> {
    records.read(0, 100).await.unwrap().iter().map(|record| record.event().unwrap()).collect()
}

fn code(error: &plugwork::Error) -> &str {
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    &error.denials()[0].code
}

#[tokio::test]
async fn nothing_resumes_without_consent_on_record() {
    let records = records();
    let offer = runtime(&records).await.offer(&guest().source()).await.unwrap();
    assert_eq!(offer.standing().await.unwrap(), Standing::None);
    assert_eq!(code(&offer.resume().await.unwrap_err()), "E-CONSENT-NONE");
}

#[tokio::test]
async fn consent_outlives_the_runtime_and_is_recorded_once() {
    let records = records();
    for _ in 0..2 {
        let offer = runtime(&records).await.offer(&guest().source()).await.unwrap();
        offer.by("ada", "trusted").accept_only(grant("calls", json!({"start": 1}))).await.unwrap();
    }
    let resumed = runtime(&records).await.offer(&guest().source()).await.unwrap().resume().await.unwrap();
    assert_eq!(resumed.grants(), &grant("calls", json!({"start": 1})));
    assert_eq!(resumed.call::<Number>(&5).await.unwrap(), 5);
    let events = events(&records).await;
    assert!(matches!(&events[..], [Event::Granted(consent)] if consent.approver == "ada" && consent.reason == "trusted"), "{events:?}");
}

#[tokio::test]
async fn the_digest_that_was_approved_is_the_digest_that_runs() {
    let records = records();
    let runtime = runtime(&records).await;
    runtime.offer(&guest().source()).await.unwrap().accept().await.unwrap();
    let changed = Guest::new(&format!("{ECHO} (func $more)")).import(CALLS).manifest(MANIFEST);
    let offer = runtime.offer(&changed.source()).await.unwrap();
    assert!(matches!(offer.standing().await.unwrap(), Standing::Other(_)));
    assert_eq!(code(&offer.resume().await.unwrap_err()), "E-CONSENT-DIGEST");
}

#[tokio::test]
async fn a_declined_offer_leaves_a_record_and_nothing_else() {
    let records = records();
    let runtime = runtime(&records).await;
    runtime.offer(&guest().source()).await.unwrap().by("ada", "too curious").decline().await.unwrap();
    let offer = runtime.offer(&guest().source()).await.unwrap();
    assert_eq!(code(&offer.resume().await.unwrap_err()), "E-CONSENT-NONE");
    assert!(matches!(&events(&records).await[..], [Event::Declined { by, .. }, ..] if by == "ada"));
}

#[tokio::test]
async fn consent_ends_at_its_time() {
    let (records, hand) = (records(), Hand::default());
    let runtime = Runtime::in_memory()
        .allocation(plugwork::Allocation::OnDemand)
        .provide(Calls)
        .records(records)
        .clock(hand.clone())
        .open()
        .await
        .unwrap();
    runtime.offer(&guest().source()).await.unwrap().expires_ms(1_000).accept().await.unwrap();
    hand.0.store(999, Ordering::SeqCst);
    runtime.offer(&guest().source()).await.unwrap().resume().await.unwrap();
    hand.0.store(1_000, Ordering::SeqCst);
    assert_eq!(code(&runtime.offer(&guest().source()).await.unwrap().resume().await.unwrap_err()), "E-CONSENT-EXPIRED");
}

#[tokio::test]
async fn what_was_accepted_for_this_process_only_is_not_on_record() {
    let records = records();
    let runtime = runtime(&records).await;
    runtime.offer(&guest().source()).await.unwrap().unrecorded().accept().await.unwrap();
    assert!(events(&records).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_stops_what_runs_within_a_second_also_from_another_process() {
    let records = records();
    let runtime = runtime(&records).await;
    let other = self::runtime(&records).await;
    let limits = Limits { deadline_ms: 20_000, ..Limits::batch() };
    for hosted in [LOOP, r#"(import "host" "block" (func $it)) (func (export "run") (param i32) (result i32) call $it i32.const 0)"#] {
        let guest = Guest::new(hosted).import(CALLS).manifest(MANIFEST);
        let guest = if hosted == LOOP { guest } else { guest.host("block", "$calls") };
        for local in [true, false] {
            let plugin = runtime.offer(&guest.source()).await.unwrap().instance("step").limits(limits).accept().await.unwrap();
            let running = plugin.clone();
            let call = tokio::spawn(async move { running.call::<Number>(&0).await });
            tokio::time::sleep(Duration::from_millis(100)).await;
            let started = Instant::now();
            let who = if local { &runtime } else { &other };
            let mut every = plugin.subject().clone();
            every.instance = EVERY_INSTANCE.to_owned();
            who.revoke(&every, "ada", "leak").await.unwrap();
            assert_eq!(fault(call.await.unwrap()), Fault::Revoked);
            assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
            assert_eq!(fault(plugin.call::<Number>(&0).await), Fault::Revoked);
            let again = runtime.offer(&guest.source()).await.unwrap().instance("step").resume().await.unwrap_err();
            assert_eq!(code(&again), "E-CONSENT-REVOKED");
        }
    }
}

#[tokio::test]
async fn consent_given_after_a_revocation_stands_and_the_revoked_generation_stays_down() {
    let records = records();
    let runtime = runtime(&records).await;
    let old = runtime.offer(&guest().source()).await.unwrap().accept().await.unwrap();
    runtime.revoke(old.subject(), "ada", "").await.unwrap();
    let new = runtime.offer(&guest().source()).await.unwrap().accept_only(grant("calls", json!({"start": 0}))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(new.call::<Number>(&1).await.unwrap(), 1);
    assert_eq!(fault(old.call::<Number>(&1).await), Fault::Revoked);
}

#[tokio::test]
async fn other_rights_for_the_same_file_end_what_runs_with_the_earlier_ones() {
    let records = records();
    let runtime = runtime(&records).await;
    let wide = runtime.offer(&guest().source()).await.unwrap().accept().await.unwrap();
    let narrow = runtime.offer(&guest().source()).await.unwrap().accept_only(grant("calls", json!({"start": 0}))).await.unwrap();
    assert_eq!(fault(wide.call::<Number>(&1).await), Fault::Revoked);
    assert_eq!(narrow.call::<Number>(&1).await.unwrap(), 1);
}

#[tokio::test]
async fn consent_that_is_over_stops_what_runs() {
    let (records, hand) = (records(), Hand::default());
    let builder = Runtime::in_memory().allocation(plugwork::Allocation::OnDemand).provide(Calls);
    let runtime = builder.records(records).clock(hand.clone()).open().await.unwrap();
    let limits = Limits { deadline_ms: 20_000, ..Limits::batch() };
    let source = Guest::new(LOOP).source();
    let plugin = runtime.offer(&source).await.unwrap().limits(limits).expires_ms(1_000).accept().await.unwrap();
    let running = plugin.clone();
    let call = tokio::spawn(async move { running.call::<Number>(&0).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    hand.0.store(1_000, Ordering::SeqCst);
    assert_eq!(fault(call.await.unwrap()), Fault::Revoked);
}

#[tokio::test]
async fn a_revocation_between_two_looks_is_not_what_a_resumed_consent_rests_on() {
    let steered = Steered::new(records());
    let records: Arc<dyn Records> = Arc::new(steered.clone());
    let runtime = runtime(&records).await;
    runtime.offer(&guest().source()).await.unwrap().accept().await.unwrap();
    let offer = runtime.offer(&guest().source()).await.unwrap();
    let subject = offer.subject().clone();
    // The first look reads two keys.
    steered.before_look(3, vec![Event::Revoked { subject, by: "grace".to_owned(), reason: "leak".to_owned() }]);
    assert_eq!(code(&offer.resume().await.unwrap_err()), "E-CONSENT-REVOKED");
}

#[tokio::test]
async fn a_revocation_of_every_instance_outlives_the_process() {
    let records = records();
    let first = runtime(&records).await;
    let plugin = first.offer(&guest().source()).await.unwrap().instance("a").accept().await.unwrap();
    let mut every = plugin.subject().clone();
    every.instance = EVERY_INSTANCE.to_owned();
    // As if the grant came between the look at what stands and the revocation: only the record for every instance is appended.
    let event = Event::Revoked { subject: every, by: "ada".to_owned(), reason: String::new() };
    records.append(0, vec![event]).await.unwrap();
    let offer = runtime(&records).await.offer(&guest().source()).await.unwrap().instance("a");
    assert_eq!(code(&offer.resume().await.unwrap_err()), "E-CONSENT-REVOKED");
}

#[tokio::test]
async fn faults_and_refusals_are_on_record_with_their_codes() {
    let records = records();
    let runtime = runtime(&records).await;
    let spins = Guest::new(LOOP).source();
    let offer = runtime.offer(&spins).await.unwrap().limits(Limits { deadline_ms: 250, ..Limits::interactive() });
    fault(offer.accept().await.unwrap().call::<Number>(&0).await);
    runtime.offer(&guest().source()).await.unwrap().accept_only(Grants::none()).await.unwrap_err();
    runtime.audited().await.unwrap();
    let events = events(&records).await;
    assert!(events.iter().any(|event| matches!(event, Event::Faulted { code, count: 1, .. } if code == "deadline")), "{events:?}");
    assert!(events.iter().any(|event| matches!(event, Event::Refused { code, .. } if code.starts_with("E-"))), "{events:?}");
    records.verify().await.unwrap();
}

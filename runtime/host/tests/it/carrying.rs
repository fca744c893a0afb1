//! What a version may have without a word of anybody: what stands on record, however it came there, and no longer than that.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use plugwork::core::lifecycle::State;
use plugwork::core::record::{Event, Settings};
use plugwork::{Change, ErrorKind, Hooks, Installation, Offer, Replacement, Running, Runtime};
use serde_json::json;

use crate::consent::Hand;
use crate::living::{House, Life, all_asked, until};
use crate::replacing::{ONE, TWO, done};
use crate::steered::Steered;
use crate::world::{Number, grant, object};

const CALLS: &str = "[permissions.calls]\nstart = 9\n";
const THREE: Life = Life { version: "3.0.0", asks: CALLS, ..ONE };

/// Runs the first version here; by another process the second got consent with fewer grants.
async fn narrowed_elsewhere(house: &House) -> (Runtime, Installation) {
    let runtime = house.open().await;
    let installation = house.enabled(&runtime, "", &Life { asks: CALLS, ..ONE }).await;
    let elsewhere = house.open().await;
    let offer = house.offer(&elsewhere, &Life { asks: CALLS, ..TWO }).await;
    let narrow = grant("stage", json!({})).with("calls", object(json!({"start": 2})));
    offer.accept_only(narrow).await.unwrap();
    (runtime, installation)
}

#[tokio::test]
async fn grants_that_another_process_narrowed_stay_narrow() {
    let house = House::new();
    let (runtime, installation) = narrowed_elsewhere(&house).await;
    // It asks for as much as the version that runs, which is more than stands: whoever may consent is asked.
    let Replacement::Offered(offered) = house.replace(&installation, &runtime, &THREE).await.unwrap() else { panic!("nobody was asked") };
    assert_eq!((offered.capabilities.as_slice(), installation.call::<Number>(&0).await.unwrap()), (&["calls".to_owned()][..], 1001));
    let less = Life { asks: "[permissions.calls]\nstart = 1\n", ..THREE };
    done(house.replace(&installation, &runtime, &less).await);
    let plugin = installation.plugin().await.unwrap();
    assert_eq!(plugin.grants().get("calls").unwrap()["start"], json!(1));
}

#[tokio::test]
async fn consent_that_another_process_shortened_stays_short() {
    let (house, hand) = (House::new(), Hand::default());
    let runtime = house.builder().clock(hand.clone()).open().await.unwrap();
    let installation = house.enabled(&runtime, "", &ONE).await;
    let elsewhere = house.builder().clock(hand.clone()).open().await.unwrap();
    house.offer(&elsewhere, &ONE).await.expires_ms(1_000).accept().await.unwrap();
    done(house.replace(&installation, &runtime, &TWO).await);
    assert_eq!(installation.call::<Number>(&0).await.unwrap(), 2001);
    hand.0.store(1_000, Ordering::SeqCst);
    until("it is over", || installation.state() != State::Active).await;
    assert_eq!(installation.state().to_string(), "suspended: its consent is over");
}

#[tokio::test]
async fn nobody_lengthens_a_consent_by_offering_another_version() {
    let (house, hand) = (House::new(), Hand::default());
    let runtime = house.builder().clock(hand.clone()).open().await.unwrap();
    let offer = house.offer(&runtime, &ONE).await.expires_ms(1_000);
    let grants = all_asked(&offer);
    let installation = runtime.install(offer, grants, Settings::default()).await.unwrap();
    installation.enable("ada").await.unwrap();
    let offer = house.offer(&runtime, &TWO).await.expires_ms(9_000);
    done(installation.replace(offer, "ada").await);
    hand.0.store(1_000, Ordering::SeqCst);
    until("it is over", || installation.state() != State::Active).await;
}

/// Another process gives consent while a version is being replaced.
struct DecidesAtUpdate(Mutex<Option<Offer>>);

impl Hooks for DecidesAtUpdate {
    fn before_update<'a>(&'a self, _: &'a Change) -> Running<'a, Result<(), String>> {
        Box::pin(async move {
            let offer = self.0.lock().unwrap().take();
            if let Some(offer) = offer {
                offer.accept().await.unwrap();
            }
            Ok(())
        })
    }
}

#[tokio::test]
async fn what_somebody_decides_while_a_version_is_replaced_stands() {
    let house = House::new();
    let elsewhere = house.open().await;
    let offer = house.offer(&elsewhere, &Life { version: "3.0.0", ..ONE }).await;
    let hooks = DecidesAtUpdate(Mutex::new(Some(offer)));
    let runtime = house.builder().hooks(hooks, Duration::from_secs(60)).open().await.unwrap();
    let installation = house.enabled(&runtime, "", &ONE).await;
    let error = house.replace(&installation, &runtime, &TWO).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("somebody decided about the consent"), "{error}");
    assert_eq!(house.story().await, ["granted 1.0.0", "enabled 1.0.0", "granted 3.0.0"]);
    // Asked again it goes by that.
    done(house.replace(&installation, &runtime, &TWO).await);
}

#[tokio::test]
async fn consent_that_is_taken_back_at_the_last_moment_leaves_no_other_on_record() {
    let mut house = House::new();
    let records = Steered::new(house.records.clone());
    house.records = Arc::new(records.clone());
    let runtime = house.open().await;
    let installation = house.enabled(&runtime, "", &ONE).await;
    let subject = (*installation.subject()).clone();
    records.before_replacement(vec![Event::Revoked { subject, by: "grace".to_owned(), reason: String::new() }]);
    assert_eq!(house.replace(&installation, &runtime, &TWO).await.unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(house.story().await, ["granted 1.0.0", "enabled 1.0.0", "revoked 1.0.0"]);
    until("it is heard of", || installation.state() != State::Active).await;
}

#[tokio::test]
async fn other_words_on_record_at_the_last_moment_are_in_nobodys_way() {
    let mut house = House::new();
    let records = Steered::new(house.records.clone());
    house.records = Arc::new(records.clone());
    let runtime = house.open().await;
    let installation = house.enabled(&runtime, "", &ONE).await;
    let subject = (*installation.subject()).clone();
    let (code, message) = ("stack".to_owned(), String::new());
    records.before_replacement(vec![Event::Faulted { subject, code, message, count: 1 }]);
    done(house.replace(&installation, &runtime, &TWO).await);
    assert_eq!(house.story().await[2..], ["granted 2.0.0", "enabled 2.0.0", "replaced 2.0.0"]);
}

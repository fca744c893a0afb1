//! Events and guards through the SDKs: each function of theirs in Rust, JavaScript and Python, with the same answers.
//!
//! The guests are `tests/guests/*/puppet`: as event handlers they do what `puppet/do` says and tell on `puppet/said` what came of it, as guards what the
//! principal says. Easily got wrong: a panic is a fault and an exception is a refusal, and for who is guarded both are no answer.

use std::sync::Arc;

use plugwork::events::outbox::Memory;
use plugwork::events::{DurableEvents, EventsSettings, QueueOptions, Subscription};
use plugwork::guards::GuardSettings;
use plugwork::{Builder, Installation, Runtime};
use plugwork_points::Exporter;
use serde_json::json;

use crate::world::{enabled, example, guest, runtime_changed};

const LANGUAGES: [&str; 3] = ["rust", "javascript", "python"];

/// A puppet on the bus, and what it said.
struct Puppet {
    runtime: Runtime,
    installation: Installation,
    said: Subscription,
}

impl Puppet {
    async fn of(language: &str, change: impl FnOnce(Builder) -> Builder) -> Self {
        let runtime = runtime_changed(|builder| change(builder.events(EventsSettings::default()))).await;
        let installation = enabled(&runtime, &guest(&format!("puppet-{language}")), None, json!({})).await;
        let said = runtime.events().subscribe("puppet/said", QueueOptions::default()).unwrap();
        Self { runtime, installation, said }
    }

    /// What it said when all was handled.
    async fn told(&mut self, topic: &str, payload: &str) -> Vec<String> {
        self.runtime.events().emit(topic, payload).await.unwrap();
        self.runtime.events().settled().await;
        std::iter::from_fn(|| self.said.try_next()).map(|event| String::from_utf8(event.payload.clone()).unwrap()).collect()
    }

    async fn ordered(&mut self, order: &str) -> String {
        let mut said = self.told("puppet/do", order).await;
        assert_eq!(said.len(), 1, "{}: {order}: {said:?}", self.installation.subject().package);
        said.remove(0)
    }
}

#[tokio::test]
async fn what_a_handler_hears_is_the_same_in_every_language() {
    for language in LANGUAGES {
        let mut puppet = Puppet::of(language, |builder| builder).await;
        let heard = puppet.told("news/a", "größer\u{1f600}").await;
        assert_eq!(heard, ["heard news/a größer\u{1f600} from application after 0 hops, number none"], "{language}");
        // It hears what it publishes itself, and who that was.
        let heard = puppet.told("puppet/do", "emit news/b it said so").await;
        let own = format!("heard news/b it said so from plugwork-tests:puppet-{language} after 1 hops, number none");
        assert_eq!(heard, ["emitted".to_owned(), own], "{language}");
    }
}

#[tokio::test]
async fn what_is_denied_and_what_is_wrong_arrives_as_the_refusal_that_it_is() {
    for language in LANGUAGES {
        let mut puppet = Puppet::of(language, |builder| builder).await;
        for (order, came) in [
            ("emit other/topic x", "denied E-CAP-EVENTS-OUT"),
            ("emit plugwork/lifecycle/enabled x", "denied E-CAP-EVENTS-RESERVED"),
            ("emit No/Topic x", "denied E-CAP-EVENTS-TOPIC"),
            ("subscribe other/*", "denied E-CAP-EVENTS-IN"),
            ("once other/*", "denied E-CAP-EVENTS-IN"),
            ("unsubscribe 7", "invalid"),
            ("replay 0", "unavailable"),
            ("emit-bytes 65537", "invalid"),
        ] {
            assert_eq!(puppet.ordered(order).await, came, "{language}: {order}");
        }
        let heard = puppet.told("puppet/do", "emit-bytes 65536").await;
        assert!(heard.len() == 1 && heard[0] == "emitted", "{language}: all that is allowed, and one that cannot be told on");
    }
}

#[tokio::test]
async fn subscribing_narrows_once_ends_and_unsubscribing_too() {
    for language in LANGUAGES {
        let mut puppet = Puppet::of(language, |builder| builder).await;
        let heard = |topic: &str| vec![format!("heard {topic} x from application after 0 hops, number none")];
        let nothing = Vec::<String>::new();
        assert_eq!(puppet.told("news/a", "x").await, heard("news/a"), "{language}");
        let mine = puppet.ordered("subscribe puppet/do").await;
        assert!(mine.starts_with("subscription "), "{language}: {mine}");
        assert_eq!(puppet.ordered("subscribe puppet/do").await, mine, "{language}: the same again");
        assert_eq!(puppet.told("news/a", "x").await, nothing, "{language}");
        assert!(puppet.ordered("once news/a").await.starts_with("subscription "), "{language}");
        assert_eq!(puppet.told("news/a", "x").await, heard("news/a"), "{language}");
        assert_eq!(puppet.told("news/a", "x").await, nothing, "{language}");
        let news = puppet.ordered("subscribe news/*").await;
        assert_eq!(puppet.told("news/b", "x").await, heard("news/b"), "{language}");
        let end = news.replace("subscription", "unsubscribe");
        assert_eq!(puppet.ordered(&end).await, "ended", "{language}");
        assert_eq!(puppet.told("news/b", "x").await, nothing, "{language}");
        assert_eq!(puppet.ordered(&end).await, "invalid", "{language}");
    }
}

#[tokio::test]
async fn durable_events_have_numbers_and_come_again_when_asked() {
    for language in LANGUAGES {
        let outbox = Arc::new(Memory::default());
        let mut puppet = Puppet::of(language, |builder| builder.outbox(outbox, DurableEvents::topics(["news/**"]))).await;
        let heard = |text: &str, number: u32| format!("heard news/a {text} from application after 0 hops, number {number}");
        assert_eq!(puppet.told("news/a", "one").await, [heard("one", 1)], "{language}");
        assert_eq!(puppet.told("news/a", "two").await, [heard("two", 2)], "{language}");
        assert_eq!(puppet.told("puppet/do", "replay 0").await, ["from 0".to_owned(), heard("one", 1), heard("two", 2)], "{language}");
        assert_eq!(puppet.ordered("replay 99").await, "invalid", "{language}");
    }
}

#[tokio::test]
async fn a_handler_that_throws_has_handled_nothing_and_is_told_of_the_next() {
    for language in LANGUAGES {
        let mut puppet = Puppet::of(language, |builder| builder).await;
        assert_eq!(puppet.told("puppet/do", "throw").await, Vec::<String>::new(), "{language}");
        let counts = puppet.runtime.events().subscriber(&puppet.installation.subject()).unwrap().counts;
        // A panic cannot be caught in a WebAssembly guest.
        let expected = if language == "rust" { (0, 0, 1) } else { (0, 1, 0) };
        assert_eq!((counts.handled, counts.refused, counts.faulted), expected, "{language}");
        assert_eq!(puppet.told("news/a", "x").await.len(), 1, "{language}");
    }
}

#[tokio::test]
async fn what_is_of_no_such_type_is_the_authors_to_catch_and_no_trap() {
    for (language, [wrong_type, invalid, denied]) in
        [("javascript", ["TypeError", "invalid", "denied"]), ("python", ["TypeError", "Invalid", "Denied"])]
    {
        let mut puppet = Puppet::of(language, |builder| builder).await;
        let came = [[wrong_type; 7].as_slice(), &[invalid; 4], &[denied]].concat().join(" ");
        assert_eq!(puppet.ordered("wrong").await, came, "{language}");
    }
}

/// A puppet that guards an exporter.
async fn guarded(language: &str) -> (Puppet, Installation) {
    let guarding = GuardSettings { answer_ms: 20_000, ..GuardSettings::default() };
    let guard = format!("plugwork-tests:puppet-{language}");
    let puppet = Puppet::of(language, |builder| builder.guard_by("plugwork:points/exporter", &guard).guarding(guarding)).await;
    let exporter = enabled(&puppet.runtime, &example("jsonl"), None, json!({})).await;
    (puppet, exporter)
}

/// The code and the rule, where it was not called for this one.
async fn denied(exporter: &Installation, principal: &str) -> Option<(String, String)> {
    let called = exporter.clone().for_principal(principal).session::<Exporter>().await;
    called.err().map(|error| (error.denials()[0].code.clone(), error.denials()[0].rule.clone()))
}

#[tokio::test]
async fn a_guard_allows_or_denies_with_its_reason_and_is_told_who_and_what() {
    for language in LANGUAGES {
        let (_puppet, exporter) = guarded(language).await;
        assert_eq!(denied(&exporter, "allow").await, None, "{language}");
        let says =
            |reason: &str| Some(("E-GUARD-DENIED".to_owned(), format!("its guard `plugwork-tests:puppet-{language}` says: {reason}")));
        assert_eq!(denied(&exporter, "deny").await, says("no in two lines"), "{language}");
        assert_eq!(denied(&exporter, "keep").await, says("no for long"), "{language}");
        let told = denied(&exporter, "tell").await;
        assert_eq!(told, says("plugwork:jsonl 0.1.0 `` true plugwork:points/exporter@0.1.0 none"), "{language}");
    }
}

#[tokio::test]
async fn a_guard_that_raises_throws_or_traps_is_a_no() {
    for language in LANGUAGES {
        let (_puppet, exporter) = guarded(language).await;
        let throws = if language == "rust" { "it failed: " } else { "it refused to answer" };
        let mut cases = vec![("refuse", "it refused to answer"), ("throw", throws), ("trap", "it failed: ")];
        // Rust has no way to forget an answer.
        cases.extend((language != "rust").then_some(("forget", "it refused to answer")));
        for (principal, why) in cases {
            let (code, rule) = denied(&exporter, principal).await.expect(principal);
            assert_eq!(code, "E-GUARD-NO-ANSWER", "{language} {principal}");
            assert!(rule.contains(why), "{language} {principal}: {rule}");
            assert!(!rule.contains("the test"), "{language} {principal}: nothing of what it said is passed on: {rule}");
        }
        assert_eq!(denied(&exporter, "allow").await, None, "{language}: one that is well again is asked again");
    }
}

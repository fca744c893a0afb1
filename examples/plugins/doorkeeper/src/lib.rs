//! A guard with a list of who may call what, and an event handler that makes one summary of many denials.
//!
//! Easily got wrong: an instance remembers only its configuration. What is to be counted comes back as events, so a count never depends on which
//! instance is asked.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use plugwork_guest::Lifecycle;
use plugwork_guest::events::{self, Event, EventHandler};
use plugwork_guest::guard::{Decision, Guard, Question};
use plugwork_guest::prelude::*;
use serde::Deserialize;

static RULES: OnceLock<Rules> = OnceLock::new();

/// The configuration. Who is not named may call nothing.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    /// By principal, interfaces without a version; `*` is every one.
    #[serde(default)]
    allowed: BTreeMap<String, Vec<String>>,
}

impl Rules {
    fn allow(&self, principal: Option<&str>, interface: &str) -> bool {
        let allowed = principal.and_then(|principal| self.allowed.get(principal));
        allowed.is_some_and(|interfaces| interfaces.iter().any(|allowed| allowed == "*" || allowed == interface))
    }
}

/// The plugin.
struct Doorkeeper;

impl Lifecycle for Doorkeeper {
    fn init(config: &Options) -> Result<()> {
        let rules = config.parse()?;
        // One instance begins once.
        let _ = RULES.set(rules);
        Ok(())
    }
}

impl Guard for Doorkeeper {
    fn check(question: Question) -> Result<Decision> {
        let interface = question.interface.split('@').next().unwrap_or_default();
        let principal = question.principal.as_deref();
        if RULES.get().is_some_and(|rules| rules.allow(principal, interface)) {
            return Ok(Decision::allow());
        }
        // What is decided does not depend on whether anybody can be told.
        if let Err(refusal) = events::emit("doors/denied", principal.unwrap_or_default().as_bytes()) {
            log::warn(&format!("nobody is told of a denial: {refusal}"));
        }
        // Not kept: an answer that is kept is one that is not counted.
        Ok(Decision::deny(match principal {
            Some(name) => format!("`{name}` may not call `{interface}`"),
            None => format!("nobody said for whom `{interface}` is called"),
        }))
    }
}

impl EventHandler for Doorkeeper {
    fn handle(events: Vec<Event>) -> Result<()> {
        events::emit("doors/summary", &serde_json::to_vec(&summary(&events))?)
    }
}

/// How often each principal was denied; empty is nobody in particular.
fn summary(denials: &[Event]) -> BTreeMap<Cow<'_, str>, u32> {
    let mut counts = BTreeMap::new();
    for denial in denials {
        *counts.entry(String::from_utf8_lossy(&denial.payload)).or_default() += 1;
    }
    counts
}

plugwork_guest::plugin! {
    descriptor: include_str!("../descriptor.json"), lifecycle: Doorkeeper, guard: Doorkeeper, event_handler: Doorkeeper
}

#[cfg(test)]
mod tests {
    use plugwork_guest::guard::{Party, Verdict};

    use super::*;

    fn denial(principal: &str) -> Event {
        let (topic, source) = ("doors/denied".to_owned(), "plugwork:doorkeeper".to_owned());
        Event { topic, payload: principal.as_bytes().to_vec(), source, chain: 1, hops: 1, sequence: None }
    }

    fn check(principal: Option<&str>, interface: &str) -> Verdict {
        Doorkeeper::init(&Options::new(r#"{"allowed": {"ada": ["*"], "bob": ["plugwork:points/exporter"]}}"#)).unwrap();
        let nobody = String::new;
        let plugin = Party { name: "acme:vault".to_owned(), version: nobody(), digest: nobody(), instance: nobody() };
        let principal = principal.map(str::to_owned);
        let question = Question { principal, callers: Vec::new(), plugin, interface: interface.to_owned(), function: None };
        Doorkeeper::check(question).unwrap().verdict
    }

    #[test]
    fn who_is_on_the_list_may_call_what_is_named_there_and_nobody_else_anything() {
        assert_eq!(check(Some("ada"), "plugwork:points/analyzer@0.1.0"), Verdict::Allow);
        assert_eq!(check(Some("bob"), "plugwork:points/exporter@0.1.0"), Verdict::Allow);
        let denied = |reason: &str| Verdict::Deny(reason.to_owned());
        assert_eq!(check(Some("bob"), "plugwork:points/analyzer@0.1.0"), denied("`bob` may not call `plugwork:points/analyzer`"));
        assert_eq!(check(None, "a:b/c"), denied("nobody said for whom `a:b/c` is called"));
    }

    #[test]
    fn denials_are_counted_by_principal() {
        let denials = ["eve", "", "eve"].map(denial);
        assert_eq!(summary(&denials), BTreeMap::from([(Cow::from(""), 1), (Cow::from("eve"), 2)]));
    }

    #[test]
    fn a_configuration_that_says_something_else_is_refused() {
        assert!(Doorkeeper::init(&Options::new(r#"{"allowed": {}, "denied": {}}"#)).is_err());
        assert!(Doorkeeper::init(&Options::new(r#"{"allowed": {"ada": "*"}}"#)).is_err());
    }
}

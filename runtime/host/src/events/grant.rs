//! The capability `events`: a grant checked, and what an instance is given of it.
//!
//! Easily got wrong: the rate belongs to the plugin and not to an instance, so it is made with the grant and shared; what an instance answers belongs to
//! the instance.

use std::sync::{Arc, Weak};

use plugwork_core::events::Chain;
use plugwork_core::limits::EVENT_PAYLOAD_BYTES_MAX;
use plugwork_core::policy::Decision;
use plugwork_core::policy::events::EventsBounds;
use plugwork_core::record::ConsentKey;
use plugwork_core::{Denial, Grants, InterfaceName, Issue, Refusal, Subject, policy};
use wasmtime::component::Linker;

use super::EventsSettings;
use crate::account::Account;
use crate::bucket::{Bucket, Rate};
use crate::capability::{Bounds, Capability, Configured, Prepare};
use crate::installation::Member;
use crate::interfaces::link_events;
use crate::runtime::Shared;
use crate::state::State;

/// The capability's name.
const NAME: &str = "events";

/// Offered by a runtime that was opened with `Builder::events`.
pub(crate) struct EventsCapability {
    pub(crate) settings: EventsSettings,
    pub(crate) runtime: Weak<Shared>,
}

/// The bounds of the grant among these, if there is one.
pub(crate) fn bounds_of(grants: &Grants) -> Option<Arc<EventsBounds>> {
    grants.get(NAME).and_then(|bounds| policy::parse(bounds).ok()).map(Arc::new)
}

impl Capability for EventsCapability {
    fn name(&self) -> &'static str {
        NAME
    }

    fn interfaces(&self) -> &'static [&'static str] {
        &["plugwork:host/events"]
    }

    fn configure(&self, subject: &Subject, bounds: &Bounds) -> Result<Box<dyn Configured>, Issue> {
        let bounds: EventsBounds = policy::parse(bounds)?;
        let rate = Rate::of(bounds.per_second.unwrap_or(self.settings.per_second));
        let source = match subject.instance.as_str() {
            "" => subject.package.to_string(),
            instance => format!("{}#{instance}", subject.package),
        };
        let granted = Granted {
            key: subject.into(),
            name: subject.to_string(),
            source: source.into(),
            rate,
            published: Bucket::full(Some(rate)),
            runtime: self.runtime.clone(),
            bounds,
        };
        Ok(Box::new(Arc::new(granted)))
    }
}

/// One plugin's grant.
pub(crate) struct Granted {
    key: ConsentKey,
    name: String,
    source: Arc<str>,
    bounds: EventsBounds,
    rate: Rate,
    published: Bucket,
    runtime: Weak<Shared>,
}

impl Configured for Arc<Granted> {
    fn link(&self, _: &InterfaceName, linker: &mut Linker<State>) -> wasmtime::Result<()> {
        link_events(linker)
    }

    fn prepare(&self, instance: &mut Prepare<'_>) -> wasmtime::Result<()> {
        instance.insert(Emitter { granted: self.clone() });
        Ok(())
    }
}

/// What an instance publishes with.
pub(crate) struct Emitter {
    pub(crate) granted: Arc<Granted>,
}

impl Emitter {
    /// Whether an event may be published, in answer to the events of a chain or of the plugin's own accord; and the chain that it belongs to. What is
    /// denied is for the caller to count.
    pub(crate) fn decide(
        &self,
        account: &Account,
        answering: Option<Chain>,
        topic: &str,
        payload: &[u8],
    ) -> Result<(Arc<Shared>, Chain), Refusal> {
        let granted = &self.granted;
        if payload.len() > EVENT_PAYLOAD_BYTES_MAX {
            return Err(Refusal::Invalid(Issue {
                what: format!("{} bytes", payload.len()),
                at: "payload".to_owned(),
                expected: format!("at most {EVENT_PAYLOAD_BYTES_MAX}"),
            }));
        }
        let shared = granted.runtime()?;
        match granted.bounds.decide_publish(topic, answering.map_or(0, |chain| chain.hops)) {
            Decision::Allow => {}
            Decision::Deny { code, rule, hint } => return Err(Refusal::Denied(granted.denial(code, &in_chain(answering, rule), &hint))),
        }
        if account.revoked() {
            return Err(Refusal::Unavailable { reason: "consent was taken back".to_owned() });
        }
        if !granted.published.try_spend(1, granted.rate) {
            let rule = in_chain(answering, format!("it published {} events in a second, which is its limit", granted.rate.per_second));
            let hint = format!("per-second = {}", granted.rate.per_second.saturating_mul(2).max(1));
            return Err(Refusal::Denied(granted.denial("E-LIMIT-EVENTS", &rule, &hint)));
        }
        let chain = answering.unwrap_or_else(|| Chain::begun(shared.bus.number())).passed();
        Ok((shared, chain))
    }
}

/// Which chain it was: what a record of a loop that was ended names.
fn in_chain(answering: Option<Chain>, rule: String) -> String {
    match answering {
        Some(chain) => format!("{rule} (chain {}, {} hops)", chain.id, chain.hops),
        None => rule,
    }
}

impl Granted {
    /// Publishes what was decided about.
    pub(crate) async fn publish(&self, shared: &Shared, chain: Chain, topic: &str, payload: Vec<u8>) -> Result<(), Refusal> {
        let unavailable = |reason: String| Err(Refusal::Unavailable { reason });
        match shared.bus.emit(&self.key.tenant, topic, payload, &self.source, chain).await {
            Ok(0) => Ok(()),
            Ok(_) => unavailable("the queue of a subscriber is full".to_owned()),
            // The code and no more: what the host keeps events in is nothing to a plugin.
            Err(error) => unavailable(format!("the event could not be kept ({})", error.code())),
        }
    }

    /// Whether its plugin may receive an event of this topic.
    pub(crate) fn may_receive(&self, topic: &str) -> bool {
        matches!(self.bounds.decide_receive(topic), Decision::Allow)
    }

    /// What a plugin subscribes to is one for all of its instances, so none that was called by another plugin changes it unless that one may receive all that it may.
    pub(crate) fn not_for_its_caller(&self) -> Denial {
        let rule = "who called it may not receive all events that it may, so it changes nothing of what it receives";
        self.denial("E-CAP-EVENTS-IN", rule, "")
    }

    /// A subscription that its plugin has already.
    pub(crate) fn subscription(&self, pattern: &str, once: bool) -> Option<u32> {
        self.runtime().ok()?.bus.subscription(&self.key, pattern, once)
    }

    /// Tells its plugin again of the durable events that follow a sequence; says from where on that is.
    pub(crate) async fn replay(&self, after: u64) -> Result<u64, Refusal> {
        self.runtime()?.bus.replay(&self.key, after).await
    }

    fn runtime(&self) -> Result<Arc<Shared>, Refusal> {
        let closed = || Refusal::Unavailable { reason: "the host is closing".to_owned() };
        self.runtime.upgrade().filter(|shared| !shared.is_closing()).ok_or_else(closed)
    }

    fn denial(&self, code: &str, rule: &str, hint: &str) -> Denial {
        Denial {
            code: code.to_owned(),
            permission: "plugwork:host/events".to_owned(),
            rule: format!("{rule} (plugin `{}`)", self.name),
            hint: if hint.is_empty() { String::new() } else { format!("add to the plugin's `{NAME}` grant: {hint}") },
        }
    }

    /// Subscribes its plugin.
    pub(crate) fn subscribe(&self, pattern: &str, once: bool) -> Result<u32, Refusal> {
        let shared = self.runtime()?;
        let not_enabled = || Refusal::Unavailable { reason: format!("`{}` is not enabled", self.name) };
        let member: Arc<Member> = shared.members.get(&self.key).ok_or_else(not_enabled)?;
        if !member.handles_events() {
            return Err(Refusal::Invalid(Issue {
                what: "it has no handler".to_owned(),
                at: String::new(),
                expected: "a plugin that exports `plugwork:points/event-handler`, and is attached to it".to_owned(),
            }));
        }
        shared.bus.subscribe(&member, &self.bounds, pattern, once).map_err(|refusal| match refusal {
            Refusal::Denied(denial) => Refusal::Denied(self.denial(&denial.code, &denial.rule, &denial.hint)),
            other => other,
        })
    }

    /// Ends a subscription of its plugin.
    pub(crate) fn unsubscribe(&self, number: u32) -> Result<(), Refusal> {
        match self.runtime()?.bus.unsubscribe(&self.key, number) {
            true => Ok(()),
            false => Err(Refusal::Invalid(Issue {
                what: format!("there is no subscription {number}"),
                at: "subscription".to_owned(),
                expected: "one that `subscribe` or `once` gave and that has not ended".to_owned(),
            })),
        }
    }
}

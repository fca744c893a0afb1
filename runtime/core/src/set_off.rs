//! What a plugin has another do by that one's own rights, without calling it: by an event that the other is told of, and by a call that the other is asked about.
//!
//! Easily got wrong: nothing is lent by this. The other acts as itself, with all that it was granted, on what the first one says; whether it should is its own to judge.
//! What an application publishes, and whom it names as a guard, is not known here.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::chain::OWN;
use crate::guard::{GuardName, GuardNames};
use crate::policy::events::EventsBounds;
use crate::{Grants, InterfaceName, PackageName};

/// The interface by which plugins are told of events.
pub const EVENT_HANDLER: &str = "plugwork:points/event-handler";

/// Those that are told of; where there are more, that is told.
pub const SET_OFF_MAX: usize = 10_000;

/// One plugin of an application.
#[derive(Debug, Clone, Default)]
pub struct Party {
    /// What it is called.
    pub name: String,
    /// Whose it is. Nothing is set off from one tenant to another.
    pub tenant: String,
    /// The name by which others have it as their guard: its package, if it is a guard and has no name of its own as an instance.
    pub guard: Option<PackageName>,
    /// Whether it exports [`EVENT_HANDLER`].
    pub handles_events: bool,
    /// What it was granted.
    pub grants: Grants,
    /// Who is asked before calls of its exports.
    pub guards: GuardNames,
    /// Whom it calls, by its place among all, and which interfaces of it.
    pub calls: Vec<(usize, Vec<InterfaceName>)>,
}

/// By what a plugin is set off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// It is told of an event that the other publishes.
    Events,
    /// It is asked as a guard about what the other does.
    Guards,
}

/// A plugin that another has act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SetOff {
    /// By what.
    pub by: By,
    /// The plugin that begins, and the one that acts.
    pub plugins: [String; 2],
    /// What leads from one to the other: topics that may be published and received, calls, and who is asked about them.
    pub because: Vec<String>,
    /// The capabilities that the one that acts was granted; it has all of them for this.
    pub may: Vec<String>,
}

/// Everybody whom somebody else of these has act, and whether there are no more than these.
pub fn set_off(parties: &[Party]) -> (Vec<SetOff>, bool) {
    let mut found = Found::default();
    for (at, one) in parties.iter().enumerate() {
        let Some(published) = EventsBounds::of(&one.grants) else { continue };
        let told = parties.iter().enumerate().filter(|(other, party)| *other != at && party.tenant == one.tenant && party.handles_events);
        for (other, party) in told {
            let Some(received) = EventsBounds::of(&party.grants) else { continue };
            for (out, incoming) in published.heard_by(&received) {
                let because = vec![format!("`{}`: publishes {out}", one.name), format!("`{}`: is told of {incoming}", party.name)];
                found.asked(parties, (at, other), EVENT_HANDLER, &because);
                found.add((at, other, By::Events), because);
            }
        }
    }
    for (at, one) in parties.iter().enumerate() {
        for (callee, interfaces) in one.calls.iter().filter(|(callee, _)| *callee < parties.len()) {
            let because = [format!("`{}`: call of `{}`", one.name, parties[*callee].name)];
            interfaces.iter().for_each(|interface| found.asked(parties, (at, *callee), interface.path(), &because));
        }
    }
    found.told(parties)
}

/// Who begins, who acts and by what; with what led there.
#[derive(Default)]
struct Found {
    because: BTreeMap<(usize, usize, By), Vec<String>>,
    is_cut: bool,
}

impl Found {
    /// Those that are asked about an interface of the second plugin, because of what the first one does.
    fn asked(&mut self, parties: &[Party], (first, asked_about): (usize, usize), interface: &str, because: &[String]) {
        let party = &parties[asked_about];
        let guards = party.guards.iter().filter(|(guarded, _)| guarded.path() == interface).flat_map(|(_, guards)| guards);
        for guard in guards {
            let is_it = |at: &usize| match guard {
                GuardName::Itself => *at == asked_about,
                GuardName::Plugin(name) => parties[*at].tenant == party.tenant && parties[*at].guard.as_ref() == Some(name),
            };
            for acts in (0..parties.len()).filter(is_it).filter(|acts| *acts != first) {
                let asked = format!("`{}`: calls of {interface} are asked of {guard}", party.name);
                self.add((first, acts, By::Guards), because.iter().cloned().chain([asked]).collect());
            }
        }
    }

    fn add(&mut self, key: (usize, usize, By), because: Vec<String>) {
        if self.because.len() >= SET_OFF_MAX && !self.because.contains_key(&key) {
            self.is_cut = true;
            return;
        }
        let known = self.because.entry(key).or_default();
        for reason in because {
            if !known.contains(&reason) {
                known.push(reason);
            }
        }
    }

    fn told(self, parties: &[Party]) -> (Vec<SetOff>, bool) {
        let capabilities = |grants: &Grants| {
            grants.iter().map(|grant| grant.capability).filter(|capability| !OWN.contains(&capability.as_str())).collect::<Vec<_>>()
        };
        let set_off = self.because.into_iter().map(|((first, acts, by), because)| SetOff {
            by,
            plugins: [first, acts].map(|at| parties[at].name.clone()),
            because,
            may: capabilities(&parties[acts].grants),
        });
        (set_off.collect(), !self.is_cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn party(name: &str, grants: &Value) -> Party {
        let grants = serde_json::from_value(grants.clone()).unwrap();
        Party { name: name.to_owned(), tenant: "default".to_owned(), handles_events: true, grants, ..Party::default() }
    }

    fn told(parties: &[Party]) -> Vec<(By, String)> {
        set_off(parties).0.into_iter().map(|set_off| (set_off.by, set_off.plugins.join(" ⇢ "))).collect()
    }

    fn guards(interface: &str, by: &[&str]) -> GuardNames {
        [(interface.parse().unwrap(), by.iter().map(|name| name.parse().unwrap()).collect())].into()
    }

    #[test]
    fn who_is_not_told_is_not_set_off() {
        let shop = party("shop", &json!({"events": {"out": ["orders/*"]}}));
        let hears = |topics: &str| party("mailer", &json!({"events": {"in": [topics]}, "http": {"hosts": ["a.example"]}}));
        let others = [
            hears("invoices/*"),
            hears("orders/a/b"),
            hears("plugwork/**"),
            party("mailer", &json!({"events": {"out": ["orders/*"]}})),
            party("mailer", &json!({})),
            Party { handles_events: false, ..hears("**") },
            Party { tenant: "other".to_owned(), ..hears("**") },
        ];
        for other in others {
            assert_eq!(told(&[shop.clone(), other.clone()]), [], "{other:?}");
        }
        assert_eq!(told(&[party("alone", &json!({"events": {"in": ["**"], "out": ["**"]}}))]), []);
    }

    #[test]
    fn who_is_told_acts_by_its_own_rights() {
        let shop = party("shop", &json!({"events": {"out": ["orders/*", "other"]}}));
        let may = json!({"events": {"in": ["*/created", "never"]}, "http": {"hosts": ["a.example"]}, "engine": {}});
        let (found, is_all) = set_off(&[shop, party("mailer", &may)]);
        let expected = SetOff {
            by: By::Events,
            plugins: ["shop".to_owned(), "mailer".to_owned()],
            because: vec!["`shop`: publishes orders/*".to_owned(), "`mailer`: is told of */created".to_owned()],
            may: vec!["events".to_owned(), "http".to_owned()],
        };
        assert_eq!((found, is_all), (vec![expected], true));
    }

    /// One that calls a vault which is guarded like this, and a policy.
    fn guarded(interface: &str, by: &[&str]) -> [Party; 3] {
        let caller = Party { calls: vec![(1, vec!["acme:vault/keys@1.2.0".parse().unwrap()])], ..party("caller", &json!({})) };
        let vault = Party { guards: guards(interface, by), ..party("vault", &json!({})) };
        let policy = Party { guard: Some("acme:policy".parse().unwrap()), ..party("policy", &json!({"random": {"call-bytes": 8}})) };
        [caller, vault, policy]
    }

    #[test]
    fn who_is_not_asked_is_not_set_off() {
        assert_eq!(told(&guarded("acme:vault/other", &["self", "acme:policy"])), []);
        assert_eq!(told(&guarded("acme:vault/keys", &["acme:stranger"])), []);
        let [caller, vault, policy] = guarded("acme:vault/keys", &["acme:policy"]);
        let of_another = Party { tenant: "other".to_owned(), ..policy.clone() };
        assert_eq!(told(&[caller.clone(), vault.clone(), of_another]), []);
        let no_guard = Party { guard: None, ..policy.clone() };
        assert_eq!(told(&[caller.clone(), vault.clone(), no_guard]), []);
        let calls_nobody = Party { calls: Vec::new(), ..caller };
        assert_eq!(told(&[calls_nobody, vault, policy]), []);
    }

    #[test]
    fn who_is_asked_about_a_call_acts_by_its_own_rights() {
        let (found, _) = set_off(&guarded("acme:vault/keys", &["self", "acme:policy"]));
        let to = |name: &str| (By::Guards, ["caller".to_owned(), name.to_owned()]);
        assert_eq!(found.iter().map(|found| (found.by, found.plugins.clone())).collect::<Vec<_>>(), [to("vault"), to("policy")]);
        assert_eq!(found[1].because, ["`caller`: call of `vault`", "`vault`: calls of acme:vault/keys are asked of acme:policy"]);
        assert_eq!(found[1].may, ["random"]);
    }

    #[test]
    fn who_is_asked_about_an_event_is_set_off_by_who_publishes_it() {
        let shop = party("shop", &json!({"events": {"out": ["orders"]}}));
        let [_, vault, policy] = guarded(EVENT_HANDLER, &["acme:policy"]);
        let vault = Party { grants: party("", &json!({"events": {"in": ["orders"]}})).grants, ..vault };
        let set_off = |by, name: &str| (by, format!("shop ⇢ {name}"));
        assert_eq!(told(&[shop, vault, policy]), [set_off(By::Events, "vault"), set_off(By::Guards, "policy")]);
    }

    #[test]
    fn where_more_are_set_off_than_are_told_that_is_said() {
        let both = party("", &json!({"events": {"in": ["a"], "out": ["a"]}}));
        let parties = |number: usize| vec![both.clone(); number];
        let told = |number| {
            let (found, is_all) = set_off(&parties(number));
            (found.len(), is_all)
        };
        assert_eq!((told(100), told(101)), ((9_900, true), (SET_OFF_MAX, false)));
    }
}

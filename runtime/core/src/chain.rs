//! Plugins that call plugins: who called whom, how deep, and which rights are left at the end.
//!
//! A callee does for its callers what all of them may do, so that nobody gets somebody else to do what it may not do itself. Only the rights for which a
//! callee was granted to be a deputy stay its own.

use serde::Serialize;

use crate::policy::deputy::DeputyBounds;
use crate::policy::intersect;
use crate::{Grants, Subject};

/// Plugins in one chain of calls, the first caller and the last callee included.
pub const CHAIN_PLUGINS_MAX: usize = 8;

/// Grants about the plugin itself, which reach nobody else's things: how it runs, whom it may call, for what it is a deputy.
pub const OWN: [&str; 3] = ["engine", "call", "deputy"];

/// Capabilities whose bounds say everything: two plugins that were granted the same reach the very same things. Of any other each plugin may have its own under one
/// name (stores, containers, secrets, whatever an application offers), so nobody but a deputy uses its own for another.
pub const SHARED: [&str; 7] = ["clock", "config", "environment", "events", "filesystem", "http", "random"];

/// One plugin in a chain of calls, as the host knows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Caller {
    /// Which file of whose plugin.
    pub subject: Subject,
    /// The version that its manifest claims; empty without one.
    pub version: String,
}

/// What `callee` may do for a caller who may do this, where no capability is shared but those of [`SHARED`].
pub fn effective(callee: &Grants, caller: &Grants) -> Grants {
    effective_where(callee, caller, |name| SHARED.contains(&name))
}

/// The same, where somebody else says of which capabilities the bounds say everything.
pub fn effective_where(callee: &Grants, caller: &Grants, is_shared: impl Fn(&str) -> bool) -> Grants {
    let deputy = DeputyBounds::of(callee);
    let is_own = |name: &str| OWN.contains(&name) || deputy.as_ref().is_some_and(|deputy| deputy.names(name));
    callee.iter().fold(Grants::none(), |effective, grant| {
        let name = grant.capability;
        let left = match caller.get(&name) {
            _ if is_own(&name) => Some(grant.bounds),
            _ if !is_shared(&name) => None,
            Some(bounds) => {
                let left = intersect::intersect(&name, &grant.bounds, bounds);
                // All of its own is left as it was written, defaults left out and all: so that it is seen to be all.
                if left == intersect::intersect(&name, &grant.bounds, &grant.bounds) { left.map(|_| grant.bounds) } else { left }
            }
            None => None,
        };
        match left {
            Some(bounds) => effective.with(&name, bounds),
            None => effective,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn grants(of: &Value) -> Grants {
        serde_json::from_value(of.clone()).unwrap()
    }

    #[test]
    fn a_callee_has_no_right_that_its_caller_lacks() {
        let callee = grants(&json!({"http": {"hosts": ["a.example", "b.example"]}, "random": {}}));
        assert_eq!(effective(&callee, &Grants::none()), Grants::none());
        let caller = grants(&json!({"http": {"hosts": ["b.example", "c.example"]}}));
        assert_eq!(effective(&callee, &caller).get("http").unwrap()["hosts"], json!(["b.example"]));
        assert!(effective(&callee, &caller).get("random").is_none());
    }

    #[test]
    fn a_caller_lends_nothing_that_the_callee_was_not_granted() {
        let caller = grants(&json!({"http": {"hosts": ["*"]}}));
        assert_eq!(effective(&Grants::none(), &caller), Grants::none());
    }

    #[test]
    fn a_store_of_the_same_name_is_another_store() {
        let both = grants(&json!({"keyvalue": {"stores": ["default"], "access": "write"}, "blob": {"containers": ["default"]}}));
        assert_eq!(effective(&both, &both), Grants::none());
        let deputy = both.with("deputy", json!({"capabilities": ["keyvalue"]}).as_object().unwrap().clone());
        let left = effective(&deputy, &Grants::none());
        assert!(left.get("keyvalue").is_some() && left.get("blob").is_none());
    }

    #[test]
    fn who_is_called_by_one_who_may_do_as_much_or_more_keeps_its_grants_as_they_were_written() {
        let callee = grants(&json!({
            "http": {"hosts": ["a.example"], "methods": ["GET", "POST"]}, "config": {"values": {}}, "clock": {"resolution-ns": 1000}, "random": {"call-bytes": 8},
            "filesystem": {"root": "data", "access": "read"}, "environment": {"variables": ["A"]}, "events": {"in": ["a", "b"], "out": ["c"]}
        }));
        assert_eq!(effective(&callee, &callee), callee);
        let other = callee.clone().with("http", json!({"hosts": ["*"], "methods": ["POST", "GET"]}).as_object().unwrap().clone());
        let other = other.with("events", json!({"in": ["b", "a"], "out": ["**"]}).as_object().unwrap().clone());
        assert_eq!(effective(&callee, &other), callee);
        assert_ne!(effective(&other, &callee), other);
    }

    #[test]
    fn a_secret_of_the_same_name_is_another_secret() {
        let both = grants(&json!({"secrets": {"names": ["token"], "hosts": ["a.example"], "reveal": true}}));
        assert_eq!(effective(&both, &both), Grants::none());
        let deputy = both.clone().with("deputy", json!({"capabilities": ["secrets"]}).as_object().unwrap().clone());
        assert!(effective(&deputy, &both).get("secrets").is_some());
    }

    #[test]
    fn what_an_application_offers_is_each_plugins_own_unless_it_says_otherwise() {
        let both = grants(&json!({"ledger": {"of": "sales"}}));
        assert_eq!(effective(&both, &both), Grants::none());
        assert_eq!(effective_where(&both, &both, |name| name == "ledger"), both);
    }

    #[test]
    fn a_deputy_keeps_what_it_is_a_deputy_for_and_nothing_else() {
        let callee = json!({"http": {"hosts": ["a.example"]}, "random": {}, "deputy": {"capabilities": ["http"]}});
        let left = effective(&grants(&callee), &Grants::none());
        assert_eq!(left.get("http"), grants(&callee).get("http"));
        assert!(left.get("random").is_none() && left.get("deputy").is_some());
        let unreadable = json!({"http": {"hosts": ["a.example"]}, "deputy": {"capabilities": "http"}});
        assert!(effective(&grants(&unreadable), &Grants::none()).get("http").is_none());
    }

    #[test]
    fn a_chain_has_what_all_in_it_have() {
        let http = |hosts: &[&str]| grants(&json!({"http": {"hosts": hosts}}));
        let (first, second, third) = (http(&["a.example", "b.example"]), http(&["*"]), http(&["b.example", "c.example"]));
        let left = effective(&third, &effective(&second, &first));
        assert_eq!(left.get("http").unwrap()["hosts"], json!(["b.example"]));
    }
}

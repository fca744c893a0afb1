//! Who can reach whose rights through whom: every way along which one plugin, by calling others, brings about what it may not do itself, or may do too.
//!
//! For people who judge a whole application, and for a gate that refuses one. Easily got wrong: a way is told for what is effective at its end, which is what
//! [`crate::chain`] leaves there; a right that is lost on the way is not told.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::Grants;
use crate::chain::{CHAIN_PLUGINS_MAX, OWN, SHARED, effective};
use crate::policy::deputy::DeputyBounds;
use crate::policy::intersect::intersect;

/// Ways that are looked for; where there are more, that is told.
pub const WAYS_MAX: usize = 10_000;

/// Steps from plugin to plugin that are walked in looking for them.
const STEPS_MAX: usize = 200_000;

/// One plugin of an application.
#[derive(Debug, Clone, Default)]
pub struct Node {
    /// What it is called.
    pub name: String,
    /// What it was granted.
    pub grants: Grants,
    /// The plugins that are behind its imports, by their places among all.
    pub calls: Vec<usize>,
}

/// How a right is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reached {
    /// The first plugin may not do this itself: a deputy does it for it.
    Lent,
    /// The first plugin may do this itself, and so may the last one.
    Shared,
}

/// A way from a plugin to a right of another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Way {
    /// How.
    pub reached: Reached,
    /// The plugins, the first caller first.
    pub plugins: Vec<String>,
    /// Which right.
    pub capability: String,
    /// Its bounds as they are left at the end of the way.
    pub bounds: Map<String, Value>,
    /// The grants that allow it, in the order of the way: of each caller to call the next, and of a deputy to use its own.
    pub because: Vec<String>,
}

/// All ways, the lent ones first, and whether there are no more than these.
pub fn ways(nodes: &[Node]) -> (Vec<Way>, bool) {
    let mut found = Vec::new();
    let mut is_all = true;
    let mut steps = 0_usize;
    for start in 0..nodes.len() {
        let mut open = vec![(vec![start], nodes[start].grants.clone())];
        while let Some((way, rights)) = open.pop() {
            steps += 1;
            if found.len() >= WAYS_MAX || steps > STEPS_MAX {
                is_all = false;
                break;
            }
            if way.len() > 1 {
                tell(nodes, &way, &rights, &mut found);
            }
            let Some(at) = way.last().filter(|_| way.len() < CHAIN_PLUGINS_MAX) else { continue };
            for next in nodes[*at].calls.iter().copied().filter(|next| *next < nodes.len() && !way.contains(next)) {
                let longer = way.iter().copied().chain([next]).collect();
                open.push((longer, effective(&nodes[next].grants, &rights)));
            }
        }
    }
    found.sort_by(|one, other| (one.reached, &one.plugins, &one.capability).cmp(&(other.reached, &other.plugins, &other.capability)));
    (found, is_all)
}

fn tell(nodes: &[Node], way: &[usize], rights: &Grants, found: &mut Vec<Way>) {
    let (first, last) = (&nodes[way[0]], &nodes[way[way.len() - 1]]);
    for grant in rights.iter().filter(|grant| !OWN.contains(&grant.capability.as_str())) {
        let own = first.grants.get(&grant.capability).and_then(|own| intersect(&grant.capability, own, &grant.bounds));
        let is_own = SHARED.contains(&grant.capability.as_str())
            && own.is_some_and(|own| Some(own) == intersect(&grant.capability, &grant.bounds, &grant.bounds));
        let calls = way.windows(2).map(|pair| format!("`{}`: call of `{}`", nodes[pair[0]].name, nodes[pair[1]].name));
        let is_deputy = |node: &&Node| DeputyBounds::of(&node.grants).is_some_and(|deputy| deputy.names(&grant.capability));
        let deputies = way[1..].iter().map(|at| &nodes[*at]).filter(is_deputy);
        let because = calls.chain(deputies.map(|node| format!("`{}`: deputy for {}", node.name, grant.capability)));
        debug_assert!(last.grants.get(&grant.capability).is_some(), "nothing is gained on the way");
        found.push(Way {
            reached: if is_own { Reached::Shared } else { Reached::Lent },
            plugins: way.iter().map(|at| nodes[*at].name.clone()).collect(),
            because: because.collect(),
            capability: grant.capability,
            bounds: grant.bounds,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(name: &str, grants: &Value, calls: &[usize]) -> Node {
        Node { name: name.to_owned(), grants: serde_json::from_value(grants.clone()).unwrap(), calls: calls.to_vec() }
    }

    fn told(nodes: &[Node]) -> Vec<(Reached, String, String)> {
        ways(nodes).0.into_iter().map(|way| (way.reached, way.plugins.join(" → "), way.capability)).collect()
    }

    #[test]
    fn a_right_is_lent_by_deputies_alone_and_shared_by_those_who_have_it() {
        let http = json!({"hosts": ["a.example"]});
        let plain = node("b", &json!({"http": http}), &[]);
        assert_eq!(told(&[node("a", &json!({}), &[1]), plain.clone()]), []);
        assert_eq!(told(&[node("a", &json!({"http": http}), &[1]), plain]), [(Reached::Shared, "a → b".to_owned(), "http".to_owned())]);
        let deputy = node("b", &json!({"http": http, "deputy": {"capabilities": ["http"]}}), &[]);
        let (found, is_all) = ways(&[node("a", &json!({}), &[1]), deputy.clone()]);
        assert!(is_all && found.len() == 1 && found[0].reached == Reached::Lent);
        assert_eq!(found[0].because, ["`a`: call of `b`", "`b`: deputy for http"]);
        // A wider bound than one's own is lent as well.
        let narrower = node("a", &json!({"http": {"hosts": ["a.example"], "methods": ["GET"]}}), &[1]);
        assert_eq!(told(&[narrower, deputy])[0].0, Reached::Lent);
    }

    #[test]
    fn a_way_leads_through_those_between_and_a_circle_ends() {
        let random = json!({"random": {"call-bytes": 8}});
        let deputy = node("c", &json!({"random": {"call-bytes": 8}, "deputy": {"capabilities": ["random"]}}), &[0]);
        let nodes = [node("a", &json!({}), &[1]), node("b", &json!({}), &[2]), deputy];
        let lent = |way: &str| (Reached::Lent, way.to_owned(), "random".to_owned());
        assert_eq!(told(&nodes), [lent("a → b → c"), lent("b → c")]);
        let all = [node("a", &random, &[1]), node("b", &random, &[0])];
        assert_eq!(told(&all).len(), 2);
    }
}

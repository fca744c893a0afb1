//! What is lent and shared, in small by hand, and in any graph against everybody's ways walked one by one.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::search::within;
use super::*;
use crate::chain::{CHAIN_PLUGINS_MAX, effective};

fn node(name: &str, grants: &Value, calls: &[usize]) -> Node {
    Node { name: name.to_owned(), grants: serde_json::from_value(grants.clone()).unwrap(), calls: calls.to_vec() }
}

fn told(nodes: &[Node]) -> Vec<(Reached, String, String)> {
    ways(nodes).ways.into_iter().map(|way| (way.reached, way.plugins.join(" → "), way.capability)).collect()
}

#[test]
fn a_right_is_lent_by_deputies_alone_and_shared_by_those_who_have_it() {
    let http = json!({"hosts": ["a.example"]});
    let plain = node("b", &json!({"http": http}), &[]);
    assert_eq!(told(&[node("a", &json!({}), &[1]), plain.clone()]), []);
    assert_eq!(told(&[node("a", &json!({"http": http}), &[1]), plain]), [(Reached::Shared, "a → b".to_owned(), "http".to_owned())]);
    let deputy = node("b", &json!({"http": http, "deputy": {"capabilities": ["http"]}}), &[]);
    let found = ways(&[node("a", &json!({}), &[1]), deputy.clone()]);
    assert!(found.is_all && found.is_decided && found.ways.len() == 1 && found.ways[0].reached == Reached::Lent);
    assert_eq!(found.ways[0].because, ["`a`: call of `b`", "`b`: deputy for http"]);
    // A wider bound than one's own is lent as well.
    let narrower = node("a", &json!({"http": {"hosts": ["a.example"], "methods": ["GET"]}}), &[1]);
    let wider =
        node("b", &json!({"http": {"hosts": ["a.example"], "methods": ["GET", "POST"]}, "deputy": {"capabilities": ["http"]}}), &[]);
    assert_eq!(told(&[narrower.clone(), wider])[0].0, Reached::Lent);
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
    assert_eq!(told(&[node("a", &random, &[0, 7])]), []);
}

#[test]
fn a_way_has_as_many_plugins_as_a_chain_and_not_one_more() {
    let last = json!({"random": {"call-bytes": 8}, "deputy": {"capabilities": ["random"]}});
    let none = json!({});
    let line = |plugins: usize| -> Vec<Node> {
        (0..plugins).map(|at| node(&at.to_string(), if at + 1 == plugins { &last } else { &none }, &[at + 1])).collect()
    };
    let from_first = |nodes: &[Node]| ways(nodes).ways.iter().any(|way| way.plugins[0] == "0");
    assert!(from_first(&line(CHAIN_PLUGINS_MAX)) && !from_first(&line(CHAIN_PLUGINS_MAX + 1)));
}

/// Eight layers of three plugins, each of which calls all of the next: thousands of ways, nearly all of them shared. `last` is a deputy for what `0.2` alone lacks, and
/// is called by `6.2` alone.
fn layered() -> Vec<Node> {
    let has = json!({"http": {"hosts": ["a.example"]}, "random": {"call-bytes": 8}, "clock": {"resolution-ns": 1000}});
    let mut nodes: Vec<Node> = (0..24)
        .map(|at| {
            let next = (at / 3 + 1) * 3;
            let calls: Vec<usize> = (next..next + 3).filter(|next| *next < 24).collect();
            node(&format!("{}.{}", at / 3, at % 3), &has, &calls)
        })
        .collect();
    nodes.push(node("last", &json!({"http": {"hosts": ["b.example"]}, "deputy": {"capabilities": ["http"]}}), &[]));
    nodes[20].calls.push(24);
    let both = json!({"hosts": ["a.example", "b.example"]});
    for at in (0..21).filter(|at| *at != 2) {
        nodes[at].grants = nodes[at].grants.clone().with("http", both.as_object().unwrap().clone());
    }
    nodes
}

#[test]
fn the_one_lent_way_among_thousands_is_found() {
    let found = ways(&layered());
    let lent: Vec<&Way> = found.ways.iter().filter(|way| way.reached == Reached::Lent).collect();
    assert_eq!(lent.len(), 1, "{lent:?}");
    assert_eq!((lent[0].plugins.len(), lent[0].plugins[0].as_str(), lent[0].plugins[7].as_str()), (8, "0.2", "last"));
    assert_eq!(lent[0].bounds["hosts"], json!(["b.example"]));
    assert!(found.is_all && found.is_decided && found.ways[0].reached == Reached::Lent);
    // One step further and no chain is as long.
    let mut further = layered();
    further.push(node("before", &json!({}), &[2]));
    assert!(ways(&further).ways.iter().all(|way| way.plugins[0] != "before" || way.reached == Reached::Shared));
}

#[test]
fn what_is_cut_are_shared_ways_and_that_is_told() {
    let found = within(&layered(), &Bounded { ways: 3, ..BOUNDED });
    assert_eq!(found.ways.iter().map(|way| way.reached).collect::<Vec<_>>(), [Reached::Lent, Reached::Shared, Reached::Shared]);
    assert!(!found.is_all && found.is_decided, "all was looked at");
}

#[test]
fn what_was_not_looked_at_is_not_decided() {
    let all = within(&layered(), &BOUNDED);
    for bounded in [Bounded { steps_each: 2, steps: 0, ..BOUNDED }, Bounded { intersections: 0, ..BOUNDED }] {
        let found = within(&layered(), &bounded);
        assert!(!found.is_all && !found.is_decided && found.ways.len() < all.ways.len());
    }
    // Where there is no deputy, nothing is lent, however little was looked at.
    let mut nodes = layered();
    nodes.truncate(24);
    let found = within(&nodes, &Bounded { steps_each: 1, steps: 0, ..BOUNDED });
    assert!(!found.is_all && found.is_decided);
    // Each search has steps of its own: the first ones take nothing from the last.
    assert!(found.ways.iter().any(|way| way.plugins == ["6.0", "7.0"]));
}

/// A right that is reached: how, from where, at whom, which and within what bounds.
type Right = (Reached, String, String, String, String);

/// Slow and obvious: every way on which no plugin is twice, with all rights at once.
fn walked(nodes: &[Node]) -> BTreeSet<Right> {
    fn walk(nodes: &[Node], way: &mut Vec<usize>, rights: &Grants, found: &mut BTreeSet<Right>) {
        let (first, last) = (way[0], way[way.len() - 1]);
        for grant in rights.iter().filter(|grant| way.len() > 1 && grant.capability != "deputy") {
            let own = nodes[first].grants.get(&grant.capability).filter(|_| grant.capability != "keyvalue");
            let hosts = |bounds: &Map<String, Value>| -> BTreeSet<String> { serde_json::from_value(bounds["hosts"].clone()).unwrap() };
            let is_own = own.is_some_and(|own| grant.capability != "http" || hosts(&grant.bounds).is_subset(&hosts(own)));
            let reached = if is_own { Reached::Shared } else { Reached::Lent };
            let bounds = Value::from(grant.bounds).to_string();
            found.insert((reached, nodes[first].name.clone(), nodes[last].name.clone(), grant.capability, bounds));
        }
        if way.len() == CHAIN_PLUGINS_MAX {
            return;
        }
        for next in nodes[last].calls.clone() {
            if !way.contains(&next) {
                way.push(next);
                walk(nodes, way, &effective(&nodes[next].grants, rights), found);
                way.pop();
            }
        }
    }
    let mut found = BTreeSet::new();
    (0..nodes.len()).for_each(|start| walk(nodes, &mut vec![start], &nodes[start].grants, &mut found));
    found
}

fn rights(found: &Found) -> BTreeSet<Right> {
    let right = |way: &Way| {
        let (first, last) = (way.plugins[0].clone(), way.plugins[way.plugins.len() - 1].clone());
        (way.reached, first, last, way.capability.clone(), Value::from(way.bounds.clone()).to_string())
    };
    let rights: BTreeSet<Right> = found.ways.iter().map(right).collect();
    assert_eq!(rights.len(), found.ways.len(), "each right is told once");
    rights
}

/// Whole numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn grants(&mut self) -> Value {
        let hosts: Vec<&str> = ["a.example", "b.example", "c.example"].into_iter().filter(|_| self.below(2) == 0).collect();
        let mut grants = json!({});
        if !hosts.is_empty() && self.below(4) > 0 {
            grants["http"] = json!({"hosts": hosts, "methods": ["GET"], "networks": [], "redirects": false});
        }
        for (name, bounds) in [("random", json!({"call-bytes": 8})), ("keyvalue", json!({"stores": ["default"], "access": "write"}))] {
            if self.below(2) == 0 {
                grants[name] = bounds;
            }
        }
        let deputy: Vec<&str> = ["http", "random", "keyvalue"].into_iter().filter(|_| self.below(4) == 0).collect();
        if !deputy.is_empty() {
            grants["deputy"] = json!({"capabilities": deputy});
        }
        grants
    }

    /// A graph of up to ten plugins; without circles if each calls later ones alone.
    fn graph(&mut self, circles: bool) -> Vec<Node> {
        let plugins = 2 + self.below(if circles { 4 } else { 9 });
        (0..plugins)
            .map(|at| {
                let calls: Vec<usize> = (0..plugins).filter(|next| (circles || *next > at) && self.below(5) < 2).collect();
                node(&at.to_string(), &self.grants(), &calls)
            })
            .collect()
    }
}

#[test]
fn what_is_found_is_what_walking_every_way_finds() {
    let mut numbers = Numbers(7);
    let mut lent = 0;
    for _ in 0..500 {
        let nodes = numbers.graph(false);
        let found = ways(&nodes);
        assert!(found.is_all && found.is_decided);
        assert_eq!(rights(&found), walked(&nodes), "{nodes:?}");
        lent += found.ways.iter().filter(|way| way.reached == Reached::Lent).count();
    }
    assert!(lent > 1_000, "{lent}");
}

#[test]
fn in_a_circle_nothing_is_left_out() {
    let mut numbers = Numbers(11);
    for _ in 0..500 {
        let nodes = numbers.graph(true);
        let (found, walked) = (rights(&ways(&nodes)), walked(&nodes));
        assert!(found.is_superset(&walked), "{nodes:?}");
    }
}

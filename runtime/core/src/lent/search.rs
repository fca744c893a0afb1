//! The search: from each plugin, for each capability, over what may be left of it at each plugin that can be reached.
//!
//! What a callee may do depends on nothing but itself and what its caller may do, so a plugin with the same bounds left is gone on from once, from where the fewest
//! plugins led to it: there are as many ways as they like, but few such ends. Easily got wrong: where nothing is left, a deputy behind it may still have its own.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::{Map, Value};

use super::{Bounded, Found, Node, Reached, Way};
use crate::Grants;
use crate::chain::{CHAIN_PLUGINS_MAX, OWN, SHARED, effective};
use crate::policy::deputy::DeputyBounds;
use crate::policy::intersect::intersect;

/// Bounds by their number; none where nothing is left.
type Left = Option<usize>;

/// There is more than may be looked at.
struct TooMuch;

/// All ways of these plugins, as far as the bounds allow.
pub(super) fn within(nodes: &[Node], bounded: &Bounded) -> Found {
    let capabilities: BTreeSet<String> = nodes.iter().flat_map(|node| node.grants.iter()).map(|grant| grant.capability).collect();
    let is_of_others = |capability: &String| !OWN.contains(&capability.as_str());
    let mut rights: Vec<Rights<'_>> =
        capabilities.into_iter().filter(is_of_others).map(|capability| Rights::new(nodes, capability)).collect();
    let mut told = Told { ways: Vec::new(), lent: Vec::new(), ways_max: bounded.ways, is_all: true };
    let mut work = Work { own: 0, steps: bounded.steps, intersections: bounded.intersections };
    let mut is_decided = true;
    // What could be lent is looked at first, so that nothing else uses up the work for it.
    for could_lend in [true, false] {
        for rights in &mut rights {
            for start in (0..nodes.len()).filter(|start| rights.leads_to_deputy[*start] == could_lend).collect::<Vec<_>>() {
                work.own = bounded.steps_each;
                if rights.search(start, &mut work, &mut told).is_err() {
                    told.is_all = false;
                    is_decided &= !could_lend;
                }
            }
        }
    }
    told.found(is_decided)
}

/// What may still be done.
struct Work {
    /// Steps of one search.
    own: usize,
    /// Steps of all searches.
    steps: usize,
    /// Of all searches.
    intersections: usize,
}

impl Work {
    fn step(&mut self) -> Result<(), TooMuch> {
        take(if self.own > 0 { &mut self.own } else { &mut self.steps })
    }

    fn intersect(&mut self) -> Result<(), TooMuch> {
        take(&mut self.intersections)
    }
}

fn take(left: &mut usize) -> Result<(), TooMuch> {
    *left = left.checked_sub(1).ok_or(TooMuch)?;
    Ok(())
}

/// What was found so far; of either kind no more than are told at all.
struct Told {
    lent: Vec<Way>,
    /// The shared ones.
    ways: Vec<Way>,
    ways_max: usize,
    is_all: bool,
}

impl Told {
    fn tell(&mut self, reached: Reached, way: impl FnOnce() -> Way) {
        let ways = if reached == Reached::Lent { &mut self.lent } else { &mut self.ways };
        match ways.len() < self.ways_max {
            true => ways.push(way()),
            false => self.is_all = false,
        }
    }

    fn found(self, is_decided: bool) -> Found {
        let order = |one: &Way, other: &Way| (&one.plugins, &one.capability).cmp(&(&other.plugins, &other.capability));
        let (mut lent, mut shared) = (self.lent, self.ways);
        lent.sort_by(order);
        shared.sort_by(order);
        lent.append(&mut shared);
        let is_all = self.is_all && lent.len() <= self.ways_max;
        lent.truncate(self.ways_max);
        Found { ways: lent, is_all, is_decided }
    }
}

/// One capability: who has it, who is a deputy for it, and what comes of it on the way.
struct Rights<'a> {
    nodes: &'a [Node],
    capability: String,
    /// Of each plugin what matters here: its grant of this capability, and of whom it is a deputy.
    grants: Vec<Grants>,
    is_deputy: Vec<bool>,
    /// Whether a deputy for it is called from there, directly or through others. Where none is, nothing is lent: the right only gets less.
    leads_to_deputy: Vec<bool>,
    bounds: Vec<Map<String, Value>>,
    numbers: HashMap<Map<String, Value>, usize>,
    /// What is left at a plugin that is called with so much.
    steps: HashMap<(usize, Left), Left>,
}

/// A plugin that was reached, with what is left there.
struct End {
    at: usize,
    left: Left,
    /// The end that it was called from.
    from: Option<usize>,
}

impl<'a> Rights<'a> {
    fn new(nodes: &'a [Node], capability: String) -> Self {
        let only = |node: &Node| {
            let named = [&*capability, "deputy"].into_iter();
            named
                .filter_map(|name| node.grants.get(name).map(|bounds| (name, bounds.clone())))
                .fold(Grants::none(), |only, (name, bounds)| only.with(name, bounds))
        };
        let grants: Vec<Grants> = nodes.iter().map(only).collect();
        let is_deputy: Vec<bool> = grants.iter().map(|grants| is_deputy(grants, &capability)).collect();
        let has_it = |at: usize| is_deputy[at] && grants[at].get(&capability).is_some();
        let leads_to_deputy = leading_to(nodes, has_it);
        let (bounds, numbers, steps) = (Vec::new(), HashMap::new(), HashMap::new());
        Self { nodes, grants, is_deputy, leads_to_deputy, capability, bounds, numbers, steps }
    }

    /// Everything that is reached from one plugin, nearest first.
    fn search(&mut self, start: usize, work: &mut Work, told: &mut Told) -> Result<(), TooMuch> {
        let left = self.grants[start].get(&self.capability).cloned().map(|own| self.number(own));
        let mut ends = vec![End { at: start, left, from: None }];
        let (mut seen, mut judged) = (HashSet::new(), HashMap::new());
        let mut open = 0..1;
        for _ in 1..CHAIN_PLUGINS_MAX {
            for from in open.clone() {
                let End { at, left, .. } = ends[from];
                for next in self.nodes[at].calls.iter().copied().filter(|next| *next < self.nodes.len() && ![at, start].contains(next)) {
                    work.step()?;
                    let left = self.left(next, left, work)?;
                    if (left.is_none() && !self.leads_to_deputy[next]) || !seen.insert((next, left)) {
                        continue;
                    }
                    ends.push(End { at: next, left, from: Some(from) });
                    if let Some(number) = left {
                        let reached = *judged.entry(number).or_insert_with(|| self.judge(start, number));
                        told.tell(reached, || self.way(&ends, reached, number));
                    }
                }
            }
            open = open.end..ends.len();
        }
        Ok(())
    }

    /// What `callee` may do for a caller who has so much left.
    fn left(&mut self, callee: usize, caller: Left, work: &mut Work) -> Result<Left, TooMuch> {
        if let Some(known) = self.steps.get(&(callee, caller)) {
            return Ok(*known);
        }
        if caller.is_some() && self.grants[callee].get(&self.capability).is_some() {
            work.intersect()?;
        }
        let of_caller = caller.map_or_else(Grants::none, |number| Grants::none().with(&self.capability, self.bounds[number].clone()));
        let left = effective(&self.grants[callee], &of_caller).get(&self.capability).cloned().map(|bounds| self.number(bounds));
        self.steps.insert((callee, caller), left);
        Ok(left)
    }

    fn number(&mut self, bounds: Map<String, Value>) -> usize {
        let next = self.bounds.len();
        *self.numbers.entry(bounds).or_insert_with_key(|new| {
            self.bounds.push(new.clone());
            next
        })
    }

    /// Whether the first plugin may do itself what is left at the end.
    fn judge(&self, first: usize, left: usize) -> Reached {
        let (name, left) = (&self.capability, &self.bounds[left]);
        let own = self.grants[first].get(name).and_then(|own| intersect(name, own, left));
        let is_own = SHARED.contains(&name.as_str()) && own.is_some_and(|own| Some(own) == intersect(name, left, left));
        if is_own { Reached::Shared } else { Reached::Lent }
    }

    /// The way to the last of these ends.
    fn way(&self, ends: &[End], reached: Reached, left: usize) -> Way {
        let from = |end: &&End| end.from.map(|from| &ends[from]);
        let mut way: Vec<usize> = std::iter::successors(ends.last(), from).map(|end| end.at).collect();
        way.reverse();
        let name = |at: usize| &self.nodes[at].name;
        let calls = way.windows(2).map(|pair| format!("`{}`: call of `{}`", name(pair[0]), name(pair[1])));
        let deputies = way[1..].iter().filter(|at| self.is_deputy[**at]);
        let because = calls.chain(deputies.map(|at| format!("`{}`: deputy for {}", name(*at), self.capability)));
        Way {
            reached,
            because: because.collect(),
            plugins: way.iter().map(|at| name(*at).clone()).collect(),
            capability: self.capability.clone(),
            bounds: self.bounds[left].clone(),
        }
    }
}

fn is_deputy(grants: &Grants, capability: &str) -> bool {
    DeputyBounds::of(grants).is_some_and(|deputy| deputy.names(capability))
}

/// Which plugins are such, or call such, directly or through others.
fn leading_to(nodes: &[Node], is_such: impl Fn(usize) -> bool) -> Vec<bool> {
    let mut leading: Vec<bool> = (0..nodes.len()).map(is_such).collect();
    loop {
        let more: Vec<usize> =
            (0..nodes.len()).filter(|at| !leading[*at] && nodes[*at].calls.iter().any(|next| leading.get(*next) == Some(&true))).collect();
        if more.is_empty() {
            return leading;
        }
        more.into_iter().for_each(|at| leading[at] = true);
    }
}

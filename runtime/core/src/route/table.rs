//! The table: routes as trees of segments, one for each host. Made once for a deployment, then only read.
//!
//! What a reader may get wrong: the way through a tree is depth first and a dead end is left again, since the rank compares segments from the left.
//! Each node is entered at most once for a request, so no path makes it take longer than the routes of one host are many.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use super::host::request_host;
use super::request::{Part, parts};
use super::{HostRule, Miss, Route, Segment};

/// Which route answers which request.
#[derive(Debug, Clone, Default)]
pub struct RouteTable {
    // Ordered maps, not hashed ones: nothing here may draw a random seed, and without one a client could choose what collides.
    exact: BTreeMap<String, Node>,
    below: BTreeMap<String, Node>,
    any: Node,
    routes: usize,
}

/// The route of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'t> {
    /// Its place among the routes that the table was made of.
    pub route: usize,
    /// The parameters in the order of the pattern, decoded. That of a rest is without a `/` in front.
    pub parameters: Vec<(&'t str, String)>,
}

/// Two routes that could win the same request: both have the same host, the same path but for names of parameters, and a method in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The route that came first.
    pub first: usize,
    /// The one that cannot stand beside it.
    pub second: usize,
    /// A method that both take; empty: both take any.
    pub method: String,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`route[{}]` already answers the same requests", self.first)?;
        if self.method.is_empty() { Ok(()) } else { write!(f, " for `{}`", self.method) }
    }
}

#[derive(Debug, Clone, Default)]
struct Node {
    literals: BTreeMap<String, Node>,
    parameter: Option<Box<Node>>,
    rest: Leaf,
    end: Leaf,
    /// Of the node of a host: whether its requests are not for the routes of any host.
    is_shut: bool,
}

/// The routes that end at one place.
#[derive(Debug, Clone, Default)]
struct Leaf {
    /// By method, in order. Of one method more than one only where they are never served together; likewise of any method.
    named: Vec<(String, Arrival)>,
    any: Vec<Arrival>,
}

/// A route with the names of its parameters, which may differ between routes of one shape.
#[derive(Debug, Clone)]
struct Arrival {
    route: usize,
    names: Vec<String>,
}

impl Leaf {
    fn get(&self, method: &str, is_served: Served<'_>) -> Option<&Arrival> {
        let named = self.named.iter().find(|(named, arrival)| named == method && is_served(arrival.route));
        named.map(|(_, arrival)| arrival).or_else(|| self.any.iter().find(|arrival| is_served(arrival.route)))
    }
}

/// Which routes a request may be given to, by their places.
type Served<'r> = &'r dyn Fn(usize) -> bool;

/// A walk through the trees.
struct Walk<'t, 'r> {
    is_served: Served<'r>,
    looks_for: LooksFor<'t, 'r>,
}

enum LooksFor<'t, 'r> {
    /// The first route that takes the method.
    One { method: &'r str, taken: Vec<usize>, found: Option<(&'t Arrival, Option<usize>)> },
    /// All methods of all routes that match.
    Methods(Vec<String>),
}

impl RouteTable {
    /// Makes the table; an index in an answer is a place in `routes`.
    ///
    /// # Errors
    /// Every pair of routes that could win the same request.
    pub fn new(routes: &[Route]) -> Result<Self, Vec<Conflict>> {
        Self::with_alternatives(routes, &|_, _| false)
    }

    /// The same of routes of which some are never served together, such as those of two deployments that share requests: `are_apart` says so of two
    /// places. They may be equal; [`RouteTable::find_served`] then says which of them count.
    ///
    /// # Errors
    /// As [`RouteTable::new`], of routes that are not apart.
    pub fn with_alternatives(routes: &[Route], are_apart: &dyn Fn(usize, usize) -> bool) -> Result<Self, Vec<Conflict>> {
        let mut table = Self { routes: routes.len(), ..Self::default() };
        let mut conflicts = Vec::new();
        for (index, route) in routes.iter().enumerate() {
            table.insert(index, route, are_apart, &mut conflicts);
        }
        if conflicts.is_empty() { Ok(table) } else { Err(conflicts) }
    }

    /// The same, but that requests for the hosts of some routes are answered by routes that name their host, and never by those of any host: `is_shut` says
    /// so of a place in `routes`, which are those that it was made of. So somebody else's host stays theirs where they have no route.
    pub fn shut(mut self, routes: &[Route], is_shut: impl Fn(usize) -> bool) -> Self {
        for (_, route) in routes.iter().enumerate().filter(|(index, _)| is_shut(*index)) {
            let node = match &route.host {
                HostRule::Exact(name) => self.exact.get_mut(name),
                HostRule::Below(parent) => self.below.get_mut(parent),
                HostRule::Any => None,
            };
            node.into_iter().for_each(|node| node.is_shut = true);
        }
        self
    }

    /// How many routes it was made of.
    pub fn len(&self) -> usize {
        self.routes
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.routes == 0
    }

    /// The route of a request: its authority (`Host` or `:authority`; empty where there is none), its method, its path as sent without the query.
    ///
    /// # Errors
    /// Why there is none, with its status.
    pub fn find(&self, authority: &str, method: &str, path: &str) -> Result<Found<'_>, Miss> {
        self.find_served(authority, method, path, &|_| true)
    }

    /// The same as if there were only the routes that `is_served` says of their places. It is asked of each that could answer, maybe more than once.
    ///
    /// # Errors
    /// As [`RouteTable::find`].
    pub fn find_served(&self, authority: &str, method: &str, path: &str, is_served: &dyn Fn(usize) -> bool) -> Result<Found<'_>, Miss> {
        let host = request_host(authority).ok_or(Miss::BadHost)?;
        let parts = parts(path).map_err(Miss::BadPath)?;
        let mut walk = Walk { is_served, looks_for: LooksFor::One { method, taken: Vec::with_capacity(4), found: None } };
        self.walk(&host, &parts, &mut walk);
        if let LooksFor::One { taken, found: Some((arrival, rest)), .. } = walk.looks_for {
            return Ok(found(arrival, parts, &taken, rest));
        }
        let mut walk = Walk { is_served, looks_for: LooksFor::Methods(Vec::new()) };
        self.walk(&host, &parts, &mut walk);
        let LooksFor::Methods(mut methods) = walk.looks_for else { return Err(Miss::NotFound) };
        if methods.is_empty() {
            return Err(Miss::NotFound);
        }
        methods.sort_unstable();
        methods.dedup();
        Err(Miss::MethodNotAllowed(methods))
    }

    fn insert(&mut self, index: usize, route: &Route, are_apart: &dyn Fn(usize, usize) -> bool, conflicts: &mut Vec<Conflict>) {
        let mut node = match &route.host {
            HostRule::Exact(name) => self.exact.entry(name.clone()).or_default(),
            HostRule::Below(parent) => self.below.entry(parent.clone()).or_default(),
            HostRule::Any => &mut self.any,
        };
        let mut names = Vec::new();
        let mut ends_in_rest = false;
        for segment in route.path.segments() {
            match segment {
                Segment::Literal(text) => node = node.literals.entry(text.clone()).or_default(),
                Segment::Parameter(name) => {
                    names.push(name.clone());
                    node = node.parameter.get_or_insert_default();
                }
                Segment::Rest(name) => {
                    names.push(name.clone());
                    ends_in_rest = true;
                }
            }
        }
        let leaf = if ends_in_rest { &mut node.rest } else { &mut node.end };
        let arrival = Arrival { route: index, names };
        let methods = route.taken();
        if methods.is_empty() {
            match leaf.any.iter().find(|first| !are_apart(first.route, index)) {
                Some(first) => conflicts.push(Conflict { first: first.route, second: index, method: String::new() }),
                None => leaf.any.push(arrival),
            }
            return;
        }
        for method in methods {
            match leaf.named.iter().find(|(named, first)| named == method && !are_apart(first.route, index)) {
                Some((_, first)) => {
                    let conflict = Conflict { first: first.route, second: index, method: method.to_owned() };
                    // One for each pair says enough.
                    if !conflicts.iter().any(|known| (known.first, known.second) == (conflict.first, conflict.second)) {
                        conflicts.push(conflict);
                    }
                }
                None => leaf.named.push((method.to_owned(), arrival.clone())),
            }
        }
    }

    /// Goes through the trees in the order of rank, until the walk has what it looks for.
    fn walk<'t>(&'t self, host: &str, parts: &[Part<'_>], walk: &mut Walk<'t, '_>) {
        let mut is_shut = false;
        let mut enter = |node: &'t Node| {
            is_shut |= node.is_shut;
            node.walk(parts, 0, walk)
        };
        if self.exact.get(host).is_some_and(&mut enter) {
            return;
        }
        // The nearest parent is the longest wildcard. An address has no parent.
        let mut rest = if self.below.is_empty() || host.starts_with('[') { "" } else { host };
        while let Some((_, parent)) = rest.split_once('.') {
            if self.below.get(parent).is_some_and(&mut enter) {
                return;
            }
            rest = parent;
        }
        if !is_shut {
            self.any.walk(parts, 0, walk);
        }
    }
}

impl Node {
    /// Whether the walk is over.
    fn walk<'t>(&'t self, parts: &[Part<'_>], at: usize, walk: &mut Walk<'t, '_>) -> bool {
        let Some(part) = parts.get(at) else { return self.end.arrive(None, walk) };
        if self.literals.get(&*part.text).is_some_and(|node| node.walk(parts, at + 1, walk)) {
            return true;
        }
        if let Some(node) = self.parameter.as_ref().filter(|_| !part.text.is_empty()) {
            if let LooksFor::One { taken, .. } = &mut walk.looks_for {
                taken.push(at);
            }
            if node.walk(parts, at + 1, walk) {
                return true;
            }
            if let LooksFor::One { taken, .. } = &mut walk.looks_for {
                taken.pop();
            }
        }
        !self.rest.is_empty() && !parts[at..].iter().any(|part| part.has_separator) && self.rest.arrive(Some(at), walk)
    }
}

impl Leaf {
    fn is_empty(&self) -> bool {
        self.named.is_empty() && self.any.is_empty()
    }

    fn arrive<'t>(&'t self, rest: Option<usize>, walk: &mut Walk<'t, '_>) -> bool {
        let is_served = walk.is_served;
        match &mut walk.looks_for {
            LooksFor::One { method, found, .. } => {
                *found = self.get(method, is_served).map(|arrival| (arrival, rest));
                found.is_some()
            }
            LooksFor::Methods(methods) => {
                let named = self.named.iter().filter(|(_, arrival)| is_served(arrival.route));
                methods.extend(named.map(|(method, _)| method.clone()));
                false
            }
        }
    }
}

fn found<'t>(arrival: &'t Arrival, parts: Vec<Part<'_>>, taken: &[usize], rest: Option<usize>) -> Found<'t> {
    let mut values: Vec<String> = taken.iter().map(|&at| parts[at].text.clone().into_owned()).collect();
    if let Some(at) = rest {
        let texts: Vec<Cow<'_, str>> = parts.into_iter().skip(at).map(|part| part.text).collect();
        values.push(texts.join("/"));
    }
    Found { route: arrival.route, parameters: arrival.names.iter().map(String::as_str).zip(values).collect() }
}

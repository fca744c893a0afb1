//! Who can reach whose rights through whom: every right of another that a plugin brings about by calling others, whether it may do that itself or not.
//!
//! For people who judge a whole application, and for a gate that refuses one. Easily got wrong: a way is told for what is effective at its end, which is what
//! [`crate::chain`] leaves there; a right that is lost on the way is not told. And what is lent is decided on all ways, though only a shortest one to each
//! right is told.

mod search;

#[cfg(test)]
mod tests;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::Grants;

/// Ways that are told; where there are more, that is told.
pub const WAYS_MAX: usize = 10_000;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
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

/// What was found in an application.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// One shortest way from each plugin to each right of another that it reaches: plugin, capability and bounds. The lent ones first.
    pub ways: Vec<Way>,
    /// Whether there are no more rights that are reached than these ways lead to.
    pub is_all: bool,
    /// Whether all was looked at that could be lent: where no way is lent, nothing is.
    pub is_decided: bool,
}

/// How much is looked at. What is past it is said to be unknown, and never to be nothing.
#[derive(Debug, Clone, Copy)]
struct Bounded {
    /// Ways that are told.
    ways: usize,
    /// Steps from plugin to plugin that each search has for itself. There is one for each plugin and capability.
    steps_each: usize,
    /// Steps that all of them have together beyond that.
    steps: usize,
    /// Times that what two bounds have in common is worked out; for the same two it is once.
    intersections: usize,
}

/// Some seconds of work for some hundred plugins, and some ten thousand bounds in memory.
const BOUNDED: Bounded = Bounded { ways: WAYS_MAX, steps_each: 2_000, steps: 5_000_000, intersections: 50_000 };

/// Every right of another that a plugin of these reaches, and whether that is all.
///
/// Where plugins call each other in a circle, which no runtime loads, a way may lead through one of them twice; what could only be lent like that is told too.
pub fn ways(nodes: &[Node]) -> Found {
    search::within(nodes, &BOUNDED)
}

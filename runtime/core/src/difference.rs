//! What changes when other grants come into force: what an update shows, and whether somebody must agree to it.
//!
//! The order of rights is the one by which a grant narrows, so what passes here without consent is what could have been granted as less. One
//! thing to know: both sides are grants in force, in which `*` among hosts means https to any host. What a manifest asks becomes such by
//! [`Grants::carried`].

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::permission::write_bounds;
use crate::{Grants, policy::order};

/// The difference between two sets of grants, by capability and bound, in the order of their names.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Difference {
    /// One for a capability that came, went or stayed as it is; one for each bound that differs where it changed.
    pub lines: Vec<Line>,
}

/// One line of a difference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// Which capability.
    pub capability: String,
    /// Which of its bounds; none: the capability as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound: Option<String>,
    /// What becomes of it.
    #[serde(flatten)]
    pub change: Change,
}

/// What becomes of a capability or a bound. Where a bound has no value there is no such limit.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// The capability was not granted.
    Added {
        /// Its bounds.
        to: Map<String, Value>,
    },
    /// The capability is granted no more.
    Removed {
        /// Its bounds as they were.
        from: Map<String, Value>,
    },
    /// More, or something else.
    Widened {
        /// As it was.
        from: Option<Value>,
        /// As it becomes.
        to: Option<Value>,
    },
    /// Less.
    Narrowed {
        /// As it was.
        from: Option<Value>,
        /// As it becomes.
        to: Option<Value>,
    },
    /// The same rights, perhaps in other words.
    Same,
}

impl Difference {
    /// From what is in force to what would be.
    pub fn between(in_force: &Grants, then: &Grants) -> Self {
        let granted = |grants: &Grants| grants.iter().map(|grant| grant.capability).collect::<BTreeSet<_>>();
        let mut lines = Vec::new();
        for capability in &granted(in_force) | &granted(then) {
            let line = |bound: Option<String>, change| Line { capability: capability.clone(), bound, change };
            match (in_force.get(&capability), then.get(&capability)) {
                (None, Some(to)) => lines.push(line(None, Change::Added { to: to.clone() })),
                (Some(from), None) => lines.push(line(None, Change::Removed { from: from.clone() })),
                (Some(from), Some(to)) => {
                    let changes = changes(&capability, from, to);
                    if changes.is_empty() {
                        lines.push(line(None, Change::Same));
                    }
                    lines.extend(changes.into_iter().map(|(bound, change)| line(bound, change)));
                }
                (None, None) => {}
            }
        }
        Self { lines }
    }

    /// Whether somebody must agree: true if and only if anything was added or widened.
    pub fn needs_consent(&self) -> bool {
        self.lines.iter().any(|line| matches!(line.change, Change::Added { .. } | Change::Widened { .. }))
    }

    /// Whether the rights are the same.
    pub fn is_empty(&self) -> bool {
        self.lines.iter().all(|line| line.change == Change::Same)
    }
}

fn changes(capability: &str, from: &Map<String, Value>, to: &Map<String, Value>) -> Vec<(Option<String>, Change)> {
    if from == to {
        return Vec::new();
    }
    let (Ok(from), Ok(to)) = (order::with_defaults(capability, from), order::with_defaults(capability, to)) else {
        // What cannot be read cannot be called less.
        let whole = |bounds: &Map<String, Value>| Some(Value::Object(bounds.clone()));
        return vec![(None, Change::Widened { from: whole(from), to: whole(to) })];
    };
    let keys: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    keys.into_iter()
        .filter_map(|key| {
            let left_out = order::left_out(capability, key);
            let (from, to) = (from.get(key).or(left_out.as_ref()), to.get(key).or(left_out.as_ref()));
            let within = |outer, inner| order::is_within(capability, key, outer, inner);
            let (less, differs) = (within(from, to), !within(to, from));
            let (from, to) = (from.cloned(), to.cloned());
            let change = match (less, differs) {
                (true, false) => return None,
                (true, true) => Change::Narrowed { from, to },
                (false, _) => Change::Widened { from, to },
            };
            Some((Some(key.clone()), change))
        })
        .collect()
}

impl fmt::Display for Difference {
    /// A line for each change, ended by a line end; nothing where nothing changes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().filter(|line| line.change != Change::Same).try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |value: &Option<Value>| value.as_ref().map_or_else(|| "no limit".to_owned(), Value::to_string);
        let sign = match self.change {
            Change::Added { .. } => '+',
            Change::Removed { .. } => '-',
            Change::Widened { .. } | Change::Narrowed { .. } => '~',
            Change::Same => '=',
        };
        write!(f, "{sign} {}", self.capability)?;
        if let Some(bound) = &self.bound {
            write!(f, ".{bound}")?;
        }
        match &self.change {
            Change::Added { to: bounds } | Change::Removed { from: bounds } => write_bounds(f, bounds),
            Change::Widened { from, to } => write!(f, ": {} -> {} (more)", value(from), value(to)),
            Change::Narrowed { from, to } => write!(f, ": {} -> {} (less)", value(from), value(to)),
            Change::Same => Ok(()),
        }
    }
}

//! `plugwork verify`: who can reach whose rights through whom, and who has whom act, over a whole application.
//!
//! The ways are those of `plugwork_core::lent`, what is set off is of `plugwork_core::set_off`; here is what is told of them and what fails a gate. Easy to get wrong: a
//! gate is passed where it is known that nothing is lent, not where nothing was found.

mod parties;

use std::path::PathBuf;

use plugwork_core::guard::GuardNames;
use plugwork_core::lent::{self, Found, Node, Reached, Way};
use plugwork_core::set_off::{By, Party, SetOff, set_off};
use serde::Serialize;

use super::words;
use crate::consent::words::in_words;
use crate::exit::Failure;
use crate::host::Place;
use crate::print;

/// Lists every right of another that a plugin reaches by calls, with the grants that allow it, and whom it has act without a call.
///
/// Of a pipeline, or else of the plugins that were added. A plugin that is called does for its caller what both may do (shared); only one that was granted to be
/// a deputy lends what its caller may not do itself (lent). One that is told of an event, or asked as a guard, acts by its own rights (set off). Nothing is compiled or run.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  plugwork verify examples/pipelines/earthquakes.toml
  plugwork verify --deny-lent      for CI: fails where a right is lent
  plugwork verify --json

The JSON has:
  plugins     name, calls, guards
  ways        reached, plugins, capability, bounds, because: a shortest way to
              each right that a plugin reaches, the lent ones first
  is_decided  whether everything was looked at that could be lent
  set_off     by, plugins, because, may: which plugin has which other act
  is_all      whether there are no more ways and no more set off than these

`reached` is `lent` (the first plugin may not do this itself) or `shared` (it
may). `by` is `events` (the other is told of what the first one publishes) or
`guards` (the other is asked whether a call or an event may go on). What is set
off lends nothing: the other acts as itself, by all of its own rights (`may`).

Exit code 3 with --deny-lent where a right is lent, and where it is not known
whether one is.")]
pub(crate) struct Verify {
    /// A pipeline file. Default: the plugins that were added.
    pipeline: Option<PathBuf>,
    /// Fails with exit code 3 where a plugin can reach a right by calls that it was not granted, or where that is not known.
    #[arg(long)]
    deny_lent: bool,
    /// Prints JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// The JSON of `plugwork verify --json`.
#[derive(Serialize)]
struct Verified {
    plugins: Vec<Plugin>,
    ways: Vec<Way>,
    is_decided: bool,
    set_off: Vec<SetOff>,
    is_all: bool,
}

#[derive(Serialize)]
struct Plugin {
    name: String,
    calls: Vec<String>,
    /// Who has a say before calls of which export, by its manifest.
    guards: GuardNames,
}

impl Verify {
    pub(crate) fn run(self, place: &Place) -> Result<(), Failure> {
        let parties = match &self.pipeline {
            Some(pipeline) => parties::of_pipeline(pipeline)?,
            None => parties::of_installed(place)?,
        };
        let verified = Verified::of(&parties);
        if self.json {
            print::json(&verified);
        } else {
            page(&verified);
        }
        if self.deny_lent { verified.gate() } else { Ok(()) }
    }
}

impl Verified {
    fn of(parties: &[Party]) -> Self {
        let called = |party: &Party| party.calls.iter().map(|(at, _)| *at).collect();
        let node = |party: &Party| Node { name: party.name.clone(), grants: party.grants.clone(), calls: called(party) };
        let nodes: Vec<Node> = parties.iter().map(node).collect();
        let plugin = |(node, party): (&Node, &Party)| Plugin {
            name: node.name.clone(),
            calls: node.calls.iter().map(|at| nodes[*at].name.clone()).collect(),
            guards: party.guards.clone(),
        };
        let plugins = nodes.iter().zip(parties).map(plugin).collect();
        let Found { ways, is_all, is_decided } = lent::ways(&nodes);
        let (set_off, are_all) = set_off(parties);
        Self { plugins, ways, is_decided, set_off, is_all: is_all && are_all }
    }

    fn lent(&self) -> usize {
        self.ways.iter().filter(|way| way.reached == Reached::Lent).count()
    }

    /// Refuses where something is lent, and where that is not known.
    fn gate(&self) -> Result<(), Failure> {
        match (self.lent(), self.is_decided) {
            (0, true) => Ok(()),
            (0, false) => Err(Failure::refused(
                "it is not known whether a right is lent: these plugins call each other in more ways than are looked at\nhint: let each plugin call only whom it needs (its grant `call`), or take `deputy` out of the grants",
            )),
            (lent, _) => Err(Failure::refused(format_args!(
                "rights that a plugin was not granted itself are reached: {lent} in all, listed above as lent\nhint: take `deputy` out of the grants named above, or grant the right to who calls"
            ))),
        }
    }
}

fn page(verified: &Verified) {
    for Plugin { name, calls, guards } in &verified.plugins {
        let calls = if calls.is_empty() { "calls no other plugin".to_owned() } else { format!("calls {}", calls.join(", ")) };
        print::data(format_args!("{name}: {calls}"));
        words::guarded(guards).into_iter().for_each(|guarded| print::data(format_args!("  {guarded}")));
    }
    let nothing_lent = match verified.is_decided {
        true => "nothing is lent: no plugin reaches a right by calls that it was not granted itself",
        false => "nothing that was looked at is lent, and not everything was looked at",
    };
    for (reached, heading, nothing) in [
        (Reached::Lent, "lent: rights that a plugin was not granted itself", nothing_lent),
        (Reached::Shared, "shared: rights that caller and callee both have", "nothing is shared"),
    ] {
        let ways = verified.ways.iter().filter(|way| way.reached == reached);
        let lines = ways.map(|way| {
            let words = in_words(&way.capability, &way.bounds);
            (format!("{}: may {words}", way.plugins.join(" → ")), &way.because)
        });
        listed(heading, nothing, lines.collect());
    }
    let lines = verified.set_off.iter().map(|set_off| {
        let by = match set_off.by {
            By::Events => "by events",
            By::Guards => "by guards",
        };
        let may = if set_off.may.is_empty() { "which has no rights".to_owned() } else { format!("which has {}", set_off.may.join(", ")) };
        (format!("{} {by}, {may}", set_off.plugins.join(" ⇢ ")), &set_off.because)
    });
    listed("set off: plugins that another has act, each by its own rights", "nothing is set off by events or guards", lines.collect());
    if !verified.is_all {
        print::data(format_args!("… and there are more than these {}", verified.ways.len() + verified.set_off.len()));
    }
}

/// One part of the page: each line with the reasons below it, or that there is nothing.
fn listed(heading: &str, nothing: &str, lines: Vec<(String, &Vec<String>)>) {
    print::data("");
    print::data(if lines.is_empty() { nothing } else { heading });
    for (line, because) in lines {
        print::data(format_args!("  {line}"));
        print::data(format_args!("    {}", because.join("; ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verified(lent: usize, is_decided: bool) -> Verified {
        let way = Way {
            reached: Reached::Lent,
            plugins: Vec::new(),
            capability: String::new(),
            bounds: serde_json::Map::new(),
            because: Vec::new(),
        };
        Verified { plugins: Vec::new(), ways: vec![way; lent], is_decided, set_off: Vec::new(), is_all: false }
    }

    #[test]
    fn a_gate_is_passed_only_where_it_is_known_that_nothing_is_lent() {
        let refused = |lent, is_decided| verified(lent, is_decided).gate().map_err(|failure| failure.to_string());
        assert!(refused(0, false).unwrap_err().contains("it is not known whether a right is lent"));
        for is_decided in [false, true] {
            assert!(refused(1, is_decided).unwrap_err().contains("1 in all"));
        }
        assert!(refused(0, true).is_ok(), "that there are more shared ways than are told is nothing against it");
    }
}

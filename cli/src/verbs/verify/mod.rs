//! `plugwork verify`: who can reach whose rights through whom, over a whole application.
//!
//! The ways are those of `plugwork_core::lent`; here is who the plugins are, what they were granted and which of them are behind which imports. Easy to get wrong:
//! plugins that are fused into one have one grant, and nothing is between them, so they are one node.

use std::path::{Path, PathBuf};

use plugwork_component::linkage;
use plugwork_core::guard::GuardNames;
use plugwork_core::lent::{Found, Node, Reached, Way, ways};
use plugwork_core::policy::Decision;
use plugwork_core::policy::call::CallBounds;
use plugwork_core::record::Consent;
use plugwork_core::resolve::{Compatibility, Structural};
use plugwork_core::{Grants, InterfaceName, Issue, reach};
use serde::Serialize;

use super::component::{self, Component};
use super::words;
use crate::consent::words::in_words;
use crate::exit::Failure;
use crate::grants;
use crate::host::{self, Place};
use crate::installed::{self, now_ms};
use crate::packages::Packages;
use crate::pipeline::file::{self, Wiring};
use crate::pipeline::plan;
use crate::print;

/// Lists every way by which one plugin can reach another's rights, with the grants that allow each.
///
/// Of a pipeline, or else of the plugins that were added. A plugin that is called does for its caller what both may do (shared); only one that was granted to be
/// a deputy lends what its caller may not do itself (lent). Nothing is compiled or run.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  plugwork verify examples/pipelines/earthquakes.toml
  plugwork verify --deny-lent      for CI: fails where a right is lent
  plugwork verify --json

The JSON has: plugins (name, calls, guards), ways (reached, plugins, capability,
bounds, because), is_all (whether there are no more ways than these).
`reached` is `lent` or `shared`. Exit code 3 with --deny-lent where a right
is lent.")]
pub(crate) struct Verify {
    /// A pipeline file. Default: the plugins that were added.
    pipeline: Option<PathBuf>,
    /// Fails with exit code 3 where a plugin can reach a right that it was not granted.
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
    is_all: bool,
    is_decided: bool,
}

#[derive(Serialize)]
struct Plugin {
    name: String,
    calls: Vec<String>,
    /// Who has a say before calls of which export, by its manifest.
    guards: GuardNames,
}

/// A plugin, and who guards it.
type Guarded = (Node, GuardNames);

impl Verify {
    pub(crate) fn run(self, place: &Place) -> Result<(), Failure> {
        let guarded = match &self.pipeline {
            Some(pipeline) => of_pipeline(pipeline)?,
            None => of_installed(place)?,
        };
        let (nodes, guards): (Vec<Node>, Vec<GuardNames>) = guarded.into_iter().unzip();
        let Found { ways, is_all, is_decided } = ways(&nodes);
        let calls = |node: &Node| node.calls.iter().map(|at| nodes[*at].name.clone()).collect();
        let plugin = |(node, guards): (&Node, GuardNames)| Plugin { name: node.name.clone(), calls: calls(node), guards };
        let plugins = nodes.iter().zip(guards).map(plugin).collect();
        let verified = Verified { plugins, ways, is_all, is_decided };
        if self.json {
            print::json(&verified);
        } else {
            page(&verified);
        }
        if self.deny_lent { verified.gate() } else { Ok(()) }
    }
}

impl Verified {
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
        true => "nothing is lent: by calls no plugin reaches a right that it was not granted itself",
        false => "nothing that was looked at is lent, and not everything was looked at",
    };
    for (reached, heading, nothing) in [
        (Reached::Lent, "lent: rights that a plugin was not granted itself", nothing_lent),
        (Reached::Shared, "shared: rights that caller and callee both have", "nothing is shared"),
    ] {
        print::data("");
        let mut ways = verified.ways.iter().filter(|way| way.reached == reached).peekable();
        print::data(if ways.peek().is_some() { heading } else { nothing });
        for way in ways {
            print::data(format_args!("  {}: may {}", way.plugins.join(" → "), in_words(&way.capability, &way.bounds)));
            print::data(format_args!("    {}", way.because.join("; ")));
        }
    }
    if !verified.is_all {
        print::data(format_args!("… and there are more ways than these {}", verified.ways.len()));
    }
}

/// Each step and each plugin that a step calls through the host.
fn of_pipeline(path: &Path) -> Result<Vec<Guarded>, Failure> {
    let wrong = |issues: Vec<Issue>| Failure::wrong(format_args!("pipeline `{}`", path.display()), &issues);
    let base = path.parent().unwrap_or(Path::new("."));
    let granted = |component: &Component, written: &toml::Table| {
        grants::from_toml(written).and_then(|grants| grants.narrowing(component.manifest.as_ref())).map_err(wrong)
    };
    let guards = |component: &Component| component.manifest.as_ref().map(|manifest| manifest.guards.clone()).unwrap_or_default();
    let mut nodes: Vec<Guarded> = Vec::new();
    for step in plan::plan(file::read(path)?).map_err(wrong)? {
        let component = Component::open(&base.join(&step.raw.plugin))?;
        let mut node = Node { name: step.raw.name.clone(), grants: granted(&component, &step.raw.grants)?, calls: Vec::new() };
        for call in step.raw.calls.iter().filter(|call| call.wiring == Wiring::Brokered) {
            let component = Component::open(&base.join(&call.plugin))?;
            let package = component.manifest.as_ref().map_or_else(|| call.plugin.display().to_string(), |it| it.name.to_string());
            let callee =
                Node { name: format!("{}/{package}", step.raw.name), grants: granted(&component, &call.grants)?, calls: Vec::new() };
            node.calls.push(nodes.len());
            nodes.push((callee, guards(&component)));
        }
        nodes.push((node, guards(&component)));
    }
    Ok(nodes)
}

/// Each plugin that was added, wired as a runtime would.
fn of_installed(place: &Place) -> Result<Vec<Guarded>, Failure> {
    let io = host::io_runtime()?;
    let consents: Vec<Consent> = io.block_on(async {
        let store = host::store(place).await?;
        let latest = installed::latest(store.as_ref(), None).await?;
        let standing = latest.iter().filter_map(installed::Latest::consent).filter(|consent| !consent.expired(now_ms()));
        Ok::<_, Failure>(standing.cloned().collect())
    })?;
    let packages = Packages::of(&place.state()?);
    let mut plugins = Vec::new();
    for consent in consents {
        let path = packages.path(consent.subject.digest);
        let bytes = component::bytes(&path)?;
        let read = Component::read(&path, &bytes).and_then(|component| Ok((component, linkage(&bytes)?)));
        let (component, linkage) =
            read.map_err(|error| Failure::failed(format_args!("cannot read component `{}`: {error}", path.display())))?;
        plugins.push((consent, linkage, component.manifest.map(|manifest| manifest.guards).unwrap_or_default()));
    }
    let offered = host::offered();
    let nodes = plugins.iter().map(|(consent, linkage, guards)| {
        let imports = linkage.imports.iter().filter(|import| !reach::is_by_host(&import.name, &offered));
        let mut calls: Vec<usize> = imports
            .flat_map(|import| {
                let others = plugins.iter().enumerate().filter(|(_, (other, ..))| {
                    other.subject != consent.subject
                        && other.subject.tenant == consent.subject.tenant
                        && may_call(&consent.grants, &import.name, &other.subject.package)
                });
                others
                    .filter(|(_, (_, theirs, _))| theirs.exports.iter().any(|export| Structural.judge(import, export).is_ok()))
                    .map(|(at, _)| at)
            })
            .collect();
        calls.sort_unstable();
        calls.dedup();
        (Node { name: consent.subject.to_string(), grants: consent.grants.clone(), calls }, guards.clone())
    });
    Ok(nodes.collect())
}

fn may_call(grants: &Grants, import: &InterfaceName, provider: &plugwork_core::PackageName) -> bool {
    CallBounds::of(grants).is_some_and(|bounds| bounds.decide(import, provider) == Decision::Allow)
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
        Verified { plugins: Vec::new(), ways: vec![way; lent], is_all: false, is_decided }
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

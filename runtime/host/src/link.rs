//! A linker for one plugin, with only what was granted. What is not in it cannot be called: there is no check to forget.
//!
//! It follows `core::reach` to the letter: the same decisions that a person was shown.

use std::collections::HashSet;
use std::sync::Arc;

use plugwork_core::chain::OWN;
use plugwork_core::reach::{CALL, Kind, Reach};
use plugwork_core::{Denial, Grants, InterfaceName, Issue, Subject};
use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre, Linker};

use crate::capability::Configured;
use crate::error::{Error, ErrorKind, Result};
use crate::generation::ConfiguredByName;
use crate::interfaces;
use crate::runtime::Shared;
use crate::state::State;
use crate::wiring::{self, Wires};

/// What a plugin's linker is made of.
pub(crate) struct Parts<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) component: &'a Component,
    pub(crate) subject: &'a Subject,
    pub(crate) reach: &'a [Reach],
    pub(crate) configured: &'a [(String, Arc<dyn Configured>)],
    pub(crate) wires: &'a Wires,
    pub(crate) denial: &'a dyn Fn(&Reach) -> Denial,
}

impl Parts<'_> {
    pub(crate) fn link(&self) -> Result<InstancePre<State>> {
        let failed =
            |error: wasmtime::Error| Error::new(ErrorKind::Compile, format!("cannot link `{}`: {error:#}", self.subject)).of(self.subject);
        let mut linker = Linker::new(self.engine);
        let mut linked = HashSet::new();
        let of_plugins = |reach: &Reach| reach.capability.as_deref() == Some(CALL) && reach.kind == Kind::Granted;
        for reach in self.reach.iter().filter(|reach| !of_plugins(reach)) {
            if reach.kind != Kind::Types && linked.insert(definition(reach)) {
                self.define(reach, &mut linker).map_err(failed)?;
            }
        }
        if self.reach.iter().any(of_plugins) {
            let is_granted = |import: &InterfaceName| self.reach.iter().any(|reach| of_plugins(reach) && reach.interface == *import);
            wiring::link(self.engine, self.component, self.wires, &is_granted, &mut linker).map_err(failed)?;
        }
        linker.instantiate_pre(self.component).map_err(failed)
    }

    fn define(&self, reach: &Reach, linker: &mut Linker<State>) -> wasmtime::Result<()> {
        match reach.kind {
            Kind::Types | Kind::Refused => Ok(()),
            Kind::Denied => self.deny(reach, linker),
            Kind::Inert => self.define_inert(reach, linker),
            Kind::Granted => {
                if is_inert_without_grant(reach) {
                    self.define_inert(reach, linker)?;
                }
                let configured = self.configured.iter().find(|(name, _)| Some(name) == reach.capability.as_ref());
                configured.map_or(Ok(()), |(_, configured)| configured.link(&reach.interface, linker))
            }
        }
    }

    fn define_inert(&self, reach: &Reach, linker: &mut Linker<State>) -> wasmtime::Result<()> {
        match reach.interface.path() {
            "plugwork:host/log" => interfaces::log::link(linker),
            "plugwork:host/caller" => interfaces::caller::link(linker),
            "wasi:logging/logging" => interfaces::log::link_wasi(linker),
            "wasi:config/store" => interfaces::config::link(linker),
            _ if is_stub(reach) => self.deny(reach, linker),
            // What the table calls inert and this host has no code for stays undefined: the engine then names it.
            _ => interfaces::wasi::link(&reach.interface, linker).map(drop),
        }
    }

    fn deny(&self, reach: &Reach, linker: &mut Linker<State>) -> wasmtime::Result<()> {
        let import = reach.interface.to_string();
        interfaces::deny::link(self.engine, self.component, &import, &(self.denial)(reach), linker)
    }
}

/// Configures each granted capability that is the host's to offer; all complaints at once.
pub(crate) fn configure(runtime: &Shared, subject: &Subject, grants: &Grants) -> Result<ConfiguredByName, Vec<Issue>> {
    let mut configured = Vec::new();
    let mut issues = Vec::new();
    for grant in grants.iter().filter(|grant| !OWN.contains(&grant.capability.as_str())) {
        let name = grant.capability;
        let offered = runtime.capabilities.iter().find(|capability| capability.name() == name);
        let result = match offered {
            Some(capability) => capability.configure(subject, &grant.bounds),
            None => Err(Issue { what: "this host does not offer it".to_owned(), at: String::new(), expected: runtime.capability_names() }),
        };
        match result {
            Ok(made) => configured.push((name, made.into())),
            Err(mut issue) => {
                issue.at = format!("grants.{name}{}{}", if issue.at.is_empty() { "" } else { "." }, issue.at);
                issues.push(issue);
            }
        }
    }
    if issues.is_empty() { Ok(configured) } else { Err(issues) }
}

/// Which definition serves this import: two imports of one interface on one version track (0.2.0 and 0.2.6) share one. A stub is made from
/// the functions of one import, so it serves no other; and a pre-release is on no track.
fn definition(reach: &Reach) -> (&str, String) {
    let version = match reach.interface.version() {
        Some(version) if version.pre.is_empty() && !is_stub(reach) => format!("{}.{}", version.major, version.minor),
        Some(version) => version.to_string(),
        None => String::new(),
    };
    (reach.interface.path(), version)
}

fn is_stub(reach: &Reach) -> bool {
    reach.kind == Kind::Denied || (reach.kind == Kind::Inert && reach.interface.package() == "wasi:sockets")
}

/// Interfaces that the host defines itself, granted or not: the grant only fills the instance's context.
fn is_inert_without_grant(reach: &Reach) -> bool {
    let package = reach.interface.package();
    matches!(package, "wasi:cli" | "wasi:clocks" | "wasi:random" | "wasi:filesystem" | "wasi:config" | "wasi:logging")
}

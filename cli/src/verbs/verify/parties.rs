//! Who the plugins of an application are: what they were granted, which of them are behind which imports, and who is told or asked of what.
//!
//! Easy to get wrong: plugins that are fused into one have one grant, and nothing is between them, so they are one.

use std::path::Path;

use plugwork_component::{Linkage, Report, linkage};
use plugwork_core::guard::GUARD;
use plugwork_core::policy::Decision;
use plugwork_core::policy::call::CallBounds;
use plugwork_core::record::Consent;
use plugwork_core::resolve::{self, Interface};
use plugwork_core::set_off::{EVENT_HANDLER, Party};
use plugwork_core::{Grants, InterfaceName, Issue, PackageName, reach};

use crate::exit::Failure;
use crate::grants;
use crate::host::{self, Place};
use crate::installed::{self, now_ms};
use crate::packages::Packages;
use crate::pipeline::file::{self, Wiring};
use crate::pipeline::plan;
use crate::verbs::component::{self, Component};

/// Each step and each plugin that a step calls through the host. They are instances with names of their own, so nobody has them as guards but they themselves.
pub(super) fn of_pipeline(path: &Path) -> Result<Vec<Party>, Failure> {
    let wrong = |issues: Vec<Issue>| Failure::wrong(format_args!("pipeline `{}`", path.display()), &issues);
    let base = path.parent().unwrap_or(Path::new("."));
    let granted = |component: &Component, written: &toml::Table| {
        grants::from_toml(written).and_then(|grants| grants.narrowing(component.manifest.as_ref())).map_err(wrong)
    };
    let mut parties: Vec<Party> = Vec::new();
    for step in plan::plan(file::read(path)?).map_err(wrong)? {
        let component = Component::open(&base.join(&step.raw.plugin))?;
        let mut party = party(step.raw.name.clone(), "", granted(&component, &step.raw.grants)?, &component);
        for call in step.raw.calls.iter().filter(|call| call.wiring == Wiring::Brokered) {
            let callee = Component::open(&base.join(&call.plugin))?;
            let package = callee.manifest.as_ref().map_or_else(|| call.plugin.display().to_string(), |it| it.name.to_string());
            let wanted = |export: &&InterfaceName| imports(&component.report).any(|import| import.is_satisfied_by(export));
            party.calls.push((parties.len(), exports(&callee.report).filter(wanted).cloned().collect()));
            parties.push(self::party(format!("{}/{package}", step.raw.name), "", granted(&callee, &call.grants)?, &callee));
        }
        parties.push(party);
    }
    Ok(parties)
}

/// Each plugin that was added, wired as a runtime would.
pub(super) fn of_installed(place: &Place) -> Result<Vec<Party>, Failure> {
    let io = host::io_runtime()?;
    let consents: Vec<Consent> = io.block_on(async {
        let store = host::store(place).await?;
        let latest = installed::latest(store.as_ref(), None).await?;
        let standing = latest.iter().filter_map(installed::Latest::consent).filter(|consent| !consent.expired(now_ms()));
        Ok::<_, Failure>(standing.cloned().collect())
    })?;
    let packages = Packages::of(&place.state()?);
    let mut parties = Vec::new();
    let mut plugins: Vec<(Consent, Linkage)> = Vec::new();
    for consent in consents {
        let path = packages.path(consent.subject.digest);
        let bytes = component::bytes(&path)?;
        let read = Component::read(&path, &bytes).and_then(|component| Ok((component, linkage(&bytes)?)));
        let (component, linkage) =
            read.map_err(|error| Failure::failed(format_args!("cannot read component `{}`: {error}", path.display())))?;
        let subject = &consent.subject;
        let is_guard = subject.instance.is_empty() && exports(&component.report).any(|export| export.path() == GUARD);
        let party = party(subject.to_string(), &subject.tenant, consent.grants.clone(), &component);
        parties.push(Party { guard: is_guard.then(|| subject.package.clone()), ..party });
        plugins.push((consent, linkage));
    }
    for (party, (consent, linkage)) in parties.iter_mut().zip(&plugins) {
        party.calls = calls(consent, linkage, &plugins);
    }
    Ok(parties)
}

/// Which of these plugins can be behind the imports of one of them, and which of their exports.
fn calls(consent: &Consent, linkage: &Linkage, plugins: &[(Consent, Linkage)]) -> Vec<(usize, Vec<InterfaceName>)> {
    let offered = host::offered();
    let (grants, subject) = (&consent.grants, &consent.subject);
    let wired: Vec<_> = linkage.imports.iter().filter(|import| !reach::is_by_host(&import.name, &offered)).collect();
    let exported = |(other, theirs): &(Consent, Linkage)| -> Vec<InterfaceName> {
        if other.subject == *subject || other.subject.tenant != subject.tenant {
            return Vec::new();
        }
        let allowed: Vec<_> = wired.iter().filter(|import| may_call(grants, &import.name, &other.subject.package)).collect();
        // Whether its types fit as well is not asked: a host that was wired before one of them changed goes on calling what did not change.
        let track = |interface: &Interface| interface.name.version().map(resolve::track);
        let could_fit = |import: &Interface, export: &Interface| import.name.path() == export.name.path() && track(import) == track(export);
        let is_wanted = |export: &&Interface| allowed.iter().any(|import| could_fit(import, export));
        theirs.exports.iter().filter(is_wanted).map(|export| export.name.clone()).collect()
    };
    plugins.iter().map(exported).enumerate().filter(|(_, exported)| !exported.is_empty()).collect()
}

fn may_call(grants: &Grants, import: &InterfaceName, provider: &PackageName) -> bool {
    CallBounds::of(grants).is_some_and(|bounds| bounds.decide(import, provider) == Decision::Allow)
}

/// A plugin that calls nobody yet, and guards nobody but itself.
fn party(name: String, tenant: &str, grants: Grants, component: &Component) -> Party {
    Party {
        name,
        tenant: tenant.to_owned(),
        guard: None,
        handles_events: exports(&component.report).any(|export| export.path() == EVENT_HANDLER),
        grants,
        guards: component.manifest.as_ref().map(|manifest| manifest.guards.clone()).unwrap_or_default(),
        calls: Vec::new(),
    }
}

fn exports(report: &Report) -> impl Iterator<Item = &InterfaceName> {
    report.exports.iter().filter_map(|export| export.wit.as_ref())
}

fn imports(report: &Report) -> impl Iterator<Item = &InterfaceName> {
    report.imports.iter().filter_map(|import| import.wit.as_ref())
}

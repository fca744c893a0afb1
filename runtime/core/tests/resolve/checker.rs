//! The rules of `docs/dependencies.md` once more, slow and plain: whether an answer is one.
//!
//! What a reader may get wrong: this says whether a given answer obeys the rules, not whether there is a better one.

use std::collections::BTreeMap;

use plugwork_core::resolve::{
    Duplicates, Interface, Member, MemoryIndex, Options, PluginId, Provider, Release, Resolution, Security, Strategy,
};
use plugwork_core::{Dependency, Target};
use semver::Version;

pub(crate) struct Rules<'a> {
    pub(crate) index: &'a MemoryIndex,
    pub(crate) roots: &'a [Dependency],
    pub(crate) options: &'a Options<'a>,
}

pub(crate) fn track(version: &Version) -> (u64, u64, u64) {
    match (version.major, version.minor) {
        (0, 0) => (0, 0, version.patch),
        (0, minor) => (0, minor, 0),
        (major, _) => (major, 0, 0),
    }
}

impl<'a> Rules<'a> {
    pub(crate) fn release(&self, id: &PluginId) -> Option<&'a Release> {
        self.index.releases(&id.name).iter().find(|release| release.version == id.version)
    }

    pub(crate) fn is_left_out(&self, id: &PluginId, release: &Release) -> bool {
        let kept = self.options.kept.get(&id.name).is_some_and(|kept| kept.contains(&id.version));
        let yanked = release.yanked.is_some() && !kept;
        let by_security = match self.options.security {
            Security::Strict => yanked || !release.advisories.is_empty() || !release.approved,
            Security::Audit => yanked,
            Security::Permissive => false,
        };
        by_security || self.options.strategy == Strategy::Locked && !kept
    }

    pub(crate) fn is_taken(&self, dependency: &Dependency) -> bool {
        !dependency.optional || self.is_root(&dependency.target) || self.options.with.contains(&dependency.target)
    }

    pub(crate) fn is_root(&self, target: &Target) -> bool {
        self.roots.iter().any(|root| root.target == *target)
    }

    pub(crate) fn fits(&self, import: Option<&Interface>, export: &Interface) -> bool {
        import.is_none_or(|import| import.name.path() == export.name.path() && self.options.compatibility.judge(import, export).is_ok())
    }

    /// Whether whoever this is has an interface that satisfies the dependency and the import.
    pub(crate) fn has(&self, provider: &Provider, dependency: Option<&Dependency>, import: Option<&Interface>) -> bool {
        let exports = match provider {
            Provider::Host => &self.options.host,
            Provider::Plugin(id) => match self.release(id) {
                Some(release) => &release.exports,
                None => return false,
            },
        };
        exports.iter().any(|export| {
            let in_range = dependency.is_none_or(|dependency| match &dependency.target {
                Target::Interface(path) => {
                    path.path() == export.name.path() && export.name.version().is_none_or(|version| dependency.versions.matches(version))
                }
                Target::Plugin(_) => true,
            });
            in_range && self.fits(import, export)
        })
    }

    pub(crate) fn check(&self, answer: &Resolution) -> Result<(), String> {
        let is_there = |provider: &Provider| provider.plugin().is_none_or(|id| answer.members.iter().any(|member| member.id == *id));
        for root in self.roots {
            let link = answer.roots.iter().find(|link| link.dependency == *root).ok_or(format!("nothing for the root {root}"))?;
            self.satisfied(root, &link.provider, None)?;
            if !is_there(&link.provider) {
                return Err(format!("{} is no member", link.provider));
            }
        }
        for member in &answer.members {
            self.member(answer, member, &is_there).map_err(|why| format!("{}: {why}", member.id))?;
        }
        for (at, one) in answer.members.iter().enumerate() {
            for other in &answer.members[at + 1..] {
                let beside = self.options.duplicates == Duplicates::Isolate && track(&one.id.version) != track(&other.id.version);
                if one.id.name == other.id.name && !beside {
                    return Err(format!("{} beside {}", one.id, other.id));
                }
            }
        }
        let mut reached: Vec<&PluginId> = answer.roots.iter().filter_map(|link| link.provider.plugin()).collect();
        let mut at = 0;
        while at < reached.len() {
            let member = answer.members.iter().find(|member| member.id == *reached[at]).unwrap();
            let next: Vec<&PluginId> = member.needs().into_iter().filter(|id| !reached.contains(id)).collect();
            reached.extend(next);
            at += 1;
        }
        match answer.members.iter().find(|member| !reached.contains(&&member.id)) {
            Some(idle) => Err(format!("nobody needs {}", idle.id)),
            None => self.resources(answer),
        }
    }

    fn satisfied(&self, dependency: &Dependency, provider: &Provider, import: Option<&Interface>) -> Result<(), String> {
        let holds = match (&dependency.target, provider) {
            (Target::Plugin(name), Provider::Plugin(id)) => *name == id.name && dependency.versions.matches(&id.version),
            (Target::Plugin(_), Provider::Host) => false,
            (Target::Interface(_), provider) => self.has(provider, Some(dependency), import),
        };
        if holds { Ok(()) } else { Err(format!("{dependency} is not satisfied by {provider}")) }
    }

    fn member(&self, answer: &Resolution, member: &Member, is_there: &dyn Fn(&Provider) -> bool) -> Result<(), String> {
        let release = self.release(&member.id).ok_or("unknown")?;
        if release.digest != member.digest || self.is_left_out(&member.id, release) {
            return Err("another digest, or left out".to_owned());
        }
        for dependency in &release.dependencies {
            let links: Vec<_> = member.links.iter().filter(|link| link.dependency == *dependency).collect();
            if let Target::Plugin(name) = &dependency.target {
                if *name == member.id.name {
                    if !dependency.versions.matches(&member.id.version) {
                        return Err("depends on another self".to_owned());
                    }
                    continue;
                }
                let mut others = answer.members.iter().filter(|other| other.id.name == *name);
                if dependency.peer && dependency.optional {
                    if !others.all(|other| dependency.versions.matches(&other.id.version)) {
                        return Err(format!("the peer {dependency} is there and does not fit"));
                    }
                    continue;
                }
                if dependency.peer {
                    let of_root = answer.roots.iter().find(|link| link.dependency.target == dependency.target).ok_or("no such root")?;
                    if links.iter().any(|link| link.provider != of_root.provider) {
                        return Err(format!("{dependency} is not the application's"));
                    }
                }
            }
            if self.is_taken(dependency) && links.is_empty() {
                return Err(format!("nobody for {dependency}"));
            }
            for link in links {
                self.satisfied(dependency, &link.provider, None)?;
                if link.provider.plugin() == Some(&member.id) || !is_there(&link.provider) {
                    return Err(format!("{} cannot be linked", link.provider));
                }
            }
        }
        release.imports.iter().try_for_each(|import| self.import(member, release, import, is_there))
    }

    fn import(&self, member: &Member, release: &Release, import: &Interface, is_there: &dyn Fn(&Provider) -> bool) -> Result<(), String> {
        let provider = member.provider(&import.name);
        if provider.is_some_and(|provider| !is_there(provider) || provider.plugin().is_some_and(|id| id.name == member.id.name)) {
            return Err(format!("{} is given by nobody who is there", import.name));
        }
        let by_path = |dependency: &&Dependency| matches!(&dependency.target, Target::Interface(path) if path.path() == import.name.path());
        if let Some(dependency) = release.dependencies.iter().find(by_path) {
            return match (self.is_taken(dependency), provider) {
                (true, Some(provider)) => self.satisfied(dependency, provider, Some(import)),
                (false, None) => Ok(()),
                _ => Err(format!("{} by {provider:?}", import.name)),
            };
        }
        if self.has(&Provider::Host, None, Some(import)) {
            return if provider == Some(&Provider::Host) { Ok(()) } else { Err(format!("{} is the host's", import.name)) };
        }
        let plugin_of = |dependency: &Dependency| match &dependency.target {
            Target::Plugin(name) if *name != member.id.name => Some(name.clone()),
            _ => None,
        };
        match provider {
            Some(provider @ Provider::Plugin(id)) => {
                let linked = member.links.iter().any(|link| link.provider == *provider && plugin_of(&link.dependency).is_some());
                let is_peer = release
                    .dependencies
                    .iter()
                    .any(|dependency| dependency.peer && dependency.optional && plugin_of(dependency).as_ref() == Some(&id.name));
                if (linked || is_peer) && self.has(provider, None, Some(import)) {
                    Ok(())
                } else {
                    Err(format!("{provider} gives no {}", import.name))
                }
            }
            Some(Provider::Host) => Err(format!("the host has no {}", import.name)),
            None => {
                let could = |dependency: &Dependency, spared: bool| {
                    let is_spared = dependency.optional && (dependency.peer || !self.is_taken(dependency));
                    let Some(name) = plugin_of(dependency).filter(|_| is_spared == spared) else { return false };
                    self.index.releases(&name).iter().any(|other| {
                        dependency.versions.matches(&other.version) && other.exports.iter().any(|export| self.fits(Some(import), export))
                    })
                };
                let spared = release.dependencies.iter().any(|dependency| could(dependency, true));
                let needed = release.dependencies.iter().any(|dependency| could(dependency, false));
                if spared && !needed { Ok(()) } else { Err(format!("nobody for {}", import.name)) }
            }
        }
    }

    /// Resources come from where the interfaces that speak of them come from, or all who pass them on have one provider.
    fn resources(&self, answer: &Resolution) -> Result<(), String> {
        let mut shared: BTreeMap<(String, (u64, u64, u64)), Provider> = BTreeMap::new();
        for member in &answer.members {
            let release = self.release(&member.id).unwrap();
            let wanted = |import: &&Interface| {
                let provider = member.provider(&import.name);
                import.resources && self.is_want(release, import) && provider.is_some_and(|provider| !self.is_by_chance(release, provider))
            };
            for of in release.imports.iter().filter(wanted) {
                let own = member.provider(&of.name).unwrap();
                let passes_on = release.exports.iter().any(|export| export.uses.iter().any(|path| path == of.name.path()))
                    && !release.exports.iter().any(|export| export.name.path() == of.name.path());
                let mut is_shared = passes_on;
                let speaks = |import: &&Interface| import.name != of.name && import.uses.iter().any(|path| path == of.name.path());
                for import in release.imports.iter().filter(|import| self.is_want(release, import)).filter(speaks) {
                    let Some(provider) = member.provider(&import.name).filter(|provider| !self.is_by_chance(release, provider)) else {
                        continue;
                    };
                    let exports = match provider {
                        Provider::Host => &self.options.host,
                        Provider::Plugin(id) => &self.release(id).unwrap().exports,
                    };
                    match exports.iter().any(|export| export.name.path() == of.name.path()) {
                        true if provider != own => {
                            return Err(format!("{}: {} from {own}, {} from {provider}", member.id, of.name, import.name));
                        }
                        true => {}
                        false => is_shared = true,
                    }
                }
                if is_shared && let Some(version) = self.version_given(own, of) {
                    let key = (of.name.path().to_owned(), track(&version));
                    if shared.entry(key).or_insert_with(|| own.clone()) != own {
                        return Err(format!("{} is shared and comes from two", of.name));
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether somebody is looked for: neither the host's nor left.
    fn is_want(&self, release: &Release, import: &Interface) -> bool {
        let by_path = |dependency: &&Dependency| matches!(&dependency.target, Target::Interface(path) if path.path() == import.name.path());
        let named = release.dependencies.iter().find(by_path);
        named.map_or_else(|| !self.has(&Provider::Host, None, Some(import)), |dependency| self.is_taken(dependency))
    }

    /// Whether it came only by being there: who provides it is a peer that may be absent, and no dependency that was taken.
    fn is_by_chance(&self, release: &Release, provider: &Provider) -> bool {
        let of = |dependency: &&Dependency| matches!((&dependency.target, provider.plugin()), (Target::Plugin(name), Some(id)) if *name == id.name);
        let mut dependencies = release.dependencies.iter().filter(of).peekable();
        dependencies.peek().is_some() && dependencies.all(|dependency| dependency.peer && dependency.optional)
    }

    fn version_given(&self, provider: &Provider, import: &Interface) -> Option<Version> {
        let exports = match provider {
            Provider::Host => &self.options.host,
            Provider::Plugin(id) => &self.release(id)?.exports,
        };
        exports.iter().find(|export| self.fits(Some(import), export))?.name.version().cloned()
    }
}

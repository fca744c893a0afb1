//! Whether a lock still fits what is asked for and what there is.
//!
//! What a reader may get wrong: no finding means that the lock can be used as it is. A finding does not mean that nothing fits, only that it has to be
//! resolved anew.

use std::borrow::Cow;
use std::collections::BTreeSet;

use semver::Version;

use super::{Lock, Locked};
use crate::resolve::{Index, Interface, Options, PluginId, Provider, Release, ResolveError, Strategy, resolve};
use crate::{Dependency, Digest, InterfaceName, Issue, Target};

impl Lock {
    /// Everything for which this lock does not fit any more: other roots, versions that are gone, changed or left out, ranges that they are not in, other
    /// grants. Empty: it fits.
    ///
    /// `options` as they were when it was made; what they keep and their strategy do not matter. `grants` is what each plugin is granted now.
    pub fn misfits(
        &self,
        index: &dyn Index,
        roots: &[Dependency],
        options: &Options<'_>,
        grants: impl Fn(&PluginId) -> Option<Digest>,
    ) -> Vec<Issue> {
        let mut found = Vec::new();
        let issue = |at: String, what: String, expected: String| Issue { what, at, expected };
        for root in roots.iter().filter(|root| self.roots.get(&root.target) != Some(&root.versions)) {
            let was = self.roots.get(&root.target);
            let was = was.map_or_else(|| "it is not in the lock".to_owned(), |was| format!("the lock was made for `{was}`"));
            found.push(issue(format!("roots.{}", root.target), was, format!("`{}`", root.versions)));
        }
        for (target, _) in self.roots.iter().filter(|(target, _)| !roots.iter().any(|root| root.target == **target)) {
            found.push(issue(format!("roots.{target}"), "it is not asked for any more".to_owned(), String::new()));
        }
        for (id, locked) in &self.plugins {
            let at = format!("plugin.{id}");
            match release(index, id) {
                None => found.push(issue(at, "nobody has it any more".to_owned(), "another version".to_owned())),
                Some(release) if release.digest != locked.digest => {
                    let expected = format!("{}: a version never changes, so do not trust this one", locked.digest);
                    found.push(issue(at, format!("it is {} now", release.digest), expected));
                }
                Some(release) if release.interfaces() != locked.interfaces => {
                    found.push(issue(at, "what it imports or exports is told otherwise".to_owned(), "to be resolved anew".to_owned()));
                }
                Some(_) => {
                    let now = grants(id);
                    if locked.granted.is_some() && now != locked.granted {
                        found.push(issue(
                            at,
                            "it was granted something else when this was locked".to_owned(),
                            "to be locked anew".to_owned(),
                        ));
                    }
                }
            }
        }
        if found.is_empty() {
            self.resolved_otherwise(index, roots, options, &mut found);
        }
        found
    }

    /// What a resolution of these very versions says, and what nobody needs.
    fn resolved_otherwise(&self, index: &dyn Index, roots: &[Dependency], options: &Options<'_>, found: &mut Vec<Issue>) {
        let issue = |at: String, what: String| Issue { what, at, expected: String::new() };
        let locked = Options { strategy: Strategy::Locked, kept: self.kept(), wired: self.wired(), ..options.clone() };
        match resolve(index, roots, &locked) {
            Ok(resolution) => {
                let now = Self::of(&resolution, |_| None);
                for (id, locked) in &self.plugins {
                    let Some(now) = now.plugins.get(id) else { continue };
                    let told = |provider: Option<&Provider>| provider.map_or_else(|| "nobody".to_owned(), Provider::to_string);
                    let imports: BTreeSet<&InterfaceName> = now.imports.keys().chain(locked.imports.keys()).collect();
                    for import in imports {
                        let (is, was) = (now.imports.get(import), locked.imports.get(import));
                        if is != was {
                            let what = format!("`{import}` comes from {} now, and came from {}", told(is), told(was));
                            found.push(issue(format!("plugin.{id}"), what));
                        }
                    }
                }
            }
            Err(ResolveError::Conflict(conflict)) => found.extend(conflict.reasons.into_iter().map(|reason| issue(String::new(), reason))),
            Err(other) => found.push(issue(String::new(), other.to_string())),
        }
        for (id, locked) in &self.plugins {
            let not_so = locked.needs.iter().filter(|other| !locked.needs_really(index, id, other));
            found.extend(not_so.map(|other| issue(format!("plugin.{id}"), format!("it does not need `{other}`"))));
        }
        let idle = self.idle(index, roots);
        found.extend(idle.into_iter().map(|id| issue(format!("plugin.{id}"), "nobody needs it any more".to_owned())));
    }

    /// Plugins of the lock that none of its roots leads to.
    fn idle(&self, index: &dyn Index, roots: &[Dependency]) -> Vec<&PluginId> {
        let is_asked = |id: &PluginId| {
            roots.iter().any(|root| match &root.target {
                Target::Plugin(name) => *name == id.name && root.versions.matches(&id.version),
                Target::Interface(path) => exports(index, id, path, |_| true),
            })
        };
        let mut open: Vec<&PluginId> = self.plugins.keys().filter(|id| is_asked(id)).collect();
        let mut reached: BTreeSet<&PluginId> = open.iter().copied().collect();
        while let Some(id) = open.pop() {
            let Some(locked) = self.plugins.get(id) else { continue };
            let really = locked.needs.iter().filter(|next| locked.needs_really(index, id, next));
            open.extend(really.filter(|next| reached.insert(next)));
        }
        self.plugins.keys().filter(|id| !reached.contains(id)).collect()
    }
}

impl Locked {
    /// Whether it imports from another one, or one of its dependencies may come to that.
    fn needs_really(&self, index: &dyn Index, id: &PluginId, other: &PluginId) -> bool {
        self.imports.values().any(|provider| provider.plugin() == Some(other)) || may_need(index, id, other)
    }
}

fn may_need(index: &dyn Index, id: &PluginId, other: &PluginId) -> bool {
    let Some(release) = release(index, id) else { return false };
    release.dependencies.iter().any(|dependency| match &dependency.target {
        Target::Plugin(name) => *name == other.name && dependency.versions.matches(&other.version),
        Target::Interface(path) => exports(index, other, path, |version| dependency.versions.matches(version)),
    })
}

/// Whether it has an interface, in a version that is wanted.
fn exports(index: &dyn Index, id: &PluginId, path: &InterfaceName, is_wanted: impl Fn(&Version) -> bool) -> bool {
    let is_it = |export: &Interface| export.name.path() == path.path() && export.name.version().is_none_or(&is_wanted);
    release(index, id).is_some_and(|release| release.exports.iter().any(is_it))
}

fn release<'a>(index: &'a dyn Index, id: &PluginId) -> Option<Cow<'a, Release>> {
    let number = index.number(&id.name)?;
    let place = index.versions(number).binary_search_by(|listed| listed.version.cmp(&id.version)).ok()?;
    Some(index.release(number, place))
}

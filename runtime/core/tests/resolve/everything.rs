//! Small graphs with resources, where everything that could be an answer is tried: there is one exactly where the resolver finds one.
//!
//! What a reader may get wrong: this is slow on purpose. What is tried is built without looking at what fits; the checker alone says no.

use plugwork_core::resolve::{
    Duplicates, Link, Member, MemoryIndex, Options, PluginId, Provider, Resolution, ResolveError, Security, Strategy, resolve,
};
use plugwork_core::{Dependency, Target};

use crate::checker::Rules;
use crate::graphs::{Dice, Sort, dependency, index, random};

/// Every answer there could be is built up from the roots; the search ends when it goes on too long.
struct Search<'a> {
    rules: Rules<'a>,
    ids: Vec<PluginId>,
    left: u32,
}

enum Found {
    Yes,
    No,
    TooLong,
}

impl Search<'_> {
    /// Who could stand behind a dependency or an import, by what it says alone.
    fn providers(
        &self,
        dependency: Option<&Dependency>,
        import: Option<&plugwork_core::resolve::Interface>,
        own: Option<&PluginId>,
    ) -> Vec<Provider> {
        let all = std::iter::once(Provider::Host).chain(self.ids.iter().cloned().map(Provider::Plugin));
        let fits = |provider: &Provider| match dependency.map(|dependency| &dependency.target) {
            Some(Target::Plugin(name)) => provider
                .plugin()
                .is_some_and(|id| id.name == *name && dependency.is_some_and(|dependency| dependency.versions.matches(&id.version))),
            _ => self.rules.has(provider, dependency, import),
        };
        let is_usable =
            |provider: &Provider| provider.plugin().is_none_or(|id| !self.rules.is_left_out(id, self.rules.release(id).unwrap()));
        all.filter(|provider| {
            fits(provider) && is_usable(provider) && provider.plugin().is_none_or(|id| own.is_none_or(|own| own.name != id.name))
        })
        .collect()
    }

    /// Adds members until nobody is missing, in every way.
    fn grow(&mut self, answer: &mut Resolution) -> Found {
        if self.left == 0 {
            return Found::TooLong;
        }
        self.left -= 1;
        let wanted = answer.roots.iter().filter_map(|link| link.provider.plugin()).chain(answer.members.iter().flat_map(Member::needs));
        let missing = wanted.filter(|id| !answer.members.iter().any(|member| member.id == **id)).min().cloned();
        let Some(id) = missing else {
            answer.members.sort_by(|one, other| one.id.cmp(&other.id));
            return if self.rules.check(answer).is_ok() { Found::Yes } else { Found::No };
        };
        let clashes = |member: &Member| {
            member.id.name == id.name
                && (self.rules.options.duplicates == Duplicates::Dedupe
                    || crate::checker::track(&member.id.version) == crate::checker::track(&id.version))
        };
        if answer.members.iter().any(clashes) {
            return Found::No;
        }
        let release = self.rules.release(&id).unwrap();
        let mut slots: Vec<(Option<&Dependency>, Option<&plugwork_core::resolve::Interface>, Vec<Provider>)> = Vec::new();
        for dependency in &release.dependencies {
            let is_other = !matches!(&dependency.target, Target::Plugin(name) if *name == id.name);
            if self.rules.is_taken(dependency) && !(dependency.peer && dependency.optional) && is_other {
                slots.push((Some(dependency), None, self.providers(Some(dependency), None, Some(&id))));
            }
        }
        for import in &release.imports {
            // The checker knows who may; an import may also stay without.
            slots.push((None, Some(import), self.providers(None, Some(import), Some(&id))));
        }
        let member = Member { id, digest: release.digest, interfaces: release.interfaces(), links: Vec::new(), imports: Vec::new() };
        self.fill(answer, member, &slots)
    }

    fn fill(
        &mut self,
        answer: &mut Resolution,
        member: Member,
        slots: &[(Option<&Dependency>, Option<&plugwork_core::resolve::Interface>, Vec<Provider>)],
    ) -> Found {
        let Some(((dependency, import, providers), rest)) = slots.split_first() else {
            let before = answer.members.clone();
            answer.members.push(member);
            let found = self.grow(answer);
            answer.members = before;
            return found;
        };
        for provider in providers.iter().map(Some).chain(import.map(|_| None)) {
            let mut member = member.clone();
            match (dependency, import, provider) {
                (Some(dependency), _, Some(provider)) => {
                    member.links.push(Link { dependency: (*dependency).clone(), provider: provider.clone() })
                }
                (None, Some(import), Some(provider)) => {
                    let at = member.imports.partition_point(|(name, _)| *name < import.name);
                    member.imports.insert(at, (import.name.clone(), provider.clone()));
                }
                _ => {}
            }
            match self.fill(answer, member, rest) {
                Found::No => {}
                found => return found,
            }
        }
        Found::No
    }

    fn search(&mut self, roots: &[Dependency], answer: &mut Resolution) -> Found {
        let Some((root, rest)) = roots.split_first() else { return self.grow(answer) };
        for provider in self.providers(Some(root), None, None) {
            answer.roots.push(Link { dependency: root.clone(), provider });
            match self.search(rest, answer) {
                Found::No => {}
                found => return found,
            }
            answer.roots.pop();
        }
        Found::No
    }
}

#[test]
fn there_is_an_answer_exactly_where_trying_everything_finds_one() {
    let sort = Sort { names: 5, versions: 2, paths: 2, resources: true };
    let (mut yes, mut no, mut given_up, mut shared) = (0, 0, 0, 0);
    for seed in 0..1_200 {
        let mut dice = Dice::new(seed + 1_000_000);
        let (lines, roots) = random(&mut dice, &sort);
        let index: MemoryIndex = index(&lines);
        let roots: Vec<Dependency> = roots.iter().map(|root| dependency(root)).collect();
        let options = Options {
            strategy: *dice.pick(&[Strategy::Highest, Strategy::Lowest]),
            duplicates: *dice.pick(&[Duplicates::Dedupe, Duplicates::Isolate]),
            security: *dice.pick(&[Security::Audit, Security::Permissive]),
            ..Options::default()
        };
        let ids = index.iter().flat_map(|(name, releases)| {
            releases.iter().map(|release| PluginId { name: name.clone(), version: release.version.clone() }).collect::<Vec<_>>()
        });
        let ids = ids.collect();
        let rules = || Rules { index: &index, roots: &roots, options: &options };
        let mut search = Search { rules: rules(), ids, left: 6_000 };
        let mut answer = Resolution { roots: Vec::new(), members: Vec::new(), concerns: Vec::new(), held_back: Vec::new() };
        let found = search.search(&roots, &mut answer);
        let what = || format!("seed {seed}, {options:?}, roots {roots:?}\n{lines}");
        match (resolve(&index, &roots, &options), found) {
            (Ok(resolution), Found::Yes | Found::TooLong) => {
                rules().check(&resolution).unwrap_or_else(|why| panic!("{why}\n{}\n{resolution:#?}", what()));
                shared += usize::from(resolution.members.iter().any(|member| !member.imports.is_empty()));
                yes += 1;
            }
            (Err(ResolveError::Conflict(_)), Found::No) => no += 1,
            (Err(ResolveError::Conflict(_)), Found::TooLong) => given_up += 1,
            (Ok(resolution), Found::No) => panic!("resolved, and nothing is to be found: {}\n{resolution:#?}", what()),
            (Err(error), found) => panic!("{error}, and there is an answer ({}): {}\n{answer:#?}", matches!(found, Found::Yes), what()),
        }
    }
    assert!(yes > 150 && no > 150 && shared > 60 && given_up < 100, "{yes} yes, {no} no, {given_up} too long, {shared} with imports");
}

//! The same questions put to resolvo, a solver by clauses instead of by incompatibilities: it has to say yes and no where the resolver does.
//!
//! What a reader may get wrong: resources are not among them. How two versions side by side bind each other is in `everything.rs`, tried out in full.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;

use plugwork_core::resolve::{Duplicates, MemoryIndex, Options, PluginId, Provider, Release, ResolveError, Security, Strategy, resolve};
use plugwork_core::{Dependency, PackageName, Target};
use resolvo::utils::{Pool, VersionSet};
use resolvo::{
    Candidates, Condition, ConditionId, ConditionalRequirement, Dependencies, DependencyProvider, Interner, KnownDependencies, NameId,
    Problem, Requirement, SolvableId, Solver, SolverCache, StringId, UnsolvableOrCancelled, VersionSetId, VersionSetUnionId,
};

use crate::checker::{Rules, track};
use crate::graphs::{Dice, Sort, dependency, index, random};

/// Some candidates of a name.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Few(Vec<u32>);

impl VersionSet for Few {
    type V = u32;
}

struct Oracle {
    pool: Pool<Few>,
    candidates: HashMap<NameId, Vec<SolvableId>>,
    dependencies: HashMap<SolvableId, KnownDependencies>,
}

/// One of these has to be there.
type OneOf = Vec<(String, u32)>;

impl Oracle {
    fn few(&self, name: &str, values: Vec<u32>) -> VersionSetId {
        self.pool.intern_version_set(self.pool.intern_package_name(name), Few(values))
    }

    fn requirement(&self, one_of: &OneOf) -> ConditionalRequirement {
        let mut by_name: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        for (name, value) in one_of {
            by_name.entry(name).or_default().push(*value);
        }
        let mut sets: Vec<VersionSetId> = by_name.into_iter().map(|(name, values)| self.few(name, values)).collect();
        match sets.len() {
            0 => self.few("nobody", Vec::new()).into(),
            1 => sets[0].into(),
            _ => {
                let first = sets.remove(0);
                Requirement::Union(self.pool.intern_version_set_union(first, sets.into_iter())).into()
            }
        }
    }

    fn add(&mut self, name: &str, value: u32, known: KnownDependencies) {
        let name = self.pool.intern_package_name(name);
        let solvable = self.pool.intern_solvable(name, value);
        self.candidates.entry(name).or_default().push(solvable);
        self.dependencies.insert(solvable, known);
    }
}

impl Interner for Oracle {
    type NameId = NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, _: SolvableId) -> impl Display + '_ {
        ""
    }
    fn display_merged_solvables(&self, _: &[SolvableId]) -> impl Display + '_ {
        ""
    }
    fn display_name(&self, _: NameId) -> impl Display + '_ {
        ""
    }
    fn display_version_set(&self, _: VersionSetId) -> impl Display + '_ {
        ""
    }
    fn display_string(&self, _: StringId) -> impl Display + '_ {
        ""
    }
    fn version_set_name(&self, set: VersionSetId) -> NameId {
        self.pool.resolve_version_set_package_name(set)
    }
    fn solvable_name(&self, solvable: SolvableId) -> NameId {
        self.pool.resolve_solvable(solvable).name
    }
    fn version_sets_in_union(&self, union: VersionSetUnionId) -> impl Iterator<Item = VersionSetId> {
        self.pool.resolve_version_set_union(union)
    }
    fn resolve_condition(&self, condition: ConditionId) -> Condition {
        self.pool.resolve_condition(condition).clone()
    }
}

impl DependencyProvider for Oracle {
    async fn filter_candidates(&self, candidates: &[SolvableId], set: VersionSetId, inverse: bool) -> Vec<SolvableId> {
        let set = self.pool.resolve_version_set(set);
        let is_in = |solvable: &SolvableId| set.0.contains(&self.pool.resolve_solvable(*solvable).record) != inverse;
        candidates.iter().copied().filter(is_in).collect()
    }
    async fn get_candidates(&self, name: NameId) -> Option<Candidates> {
        let candidates = self.candidates.get(&name)?.clone();
        Some(Candidates { candidates, ..Candidates::default() })
    }
    async fn sort_candidates(&self, _: &SolverCache<Self>, solvables: &mut [SolvableId]) {
        solvables.sort_by_key(|solvable| std::cmp::Reverse(self.pool.resolve_solvable(*solvable).record));
    }
    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        Dependencies::Known(self.dependencies[&solvable].clone())
    }
}

/// The question in clauses.
struct Clauses<'a> {
    rules: Rules<'a>,
    oracle: Oracle,
}

impl Clauses<'_> {
    fn name(&self, name: &PackageName, release: &Release) -> String {
        match self.rules.options.duplicates {
            Duplicates::Dedupe => format!("{name}"),
            Duplicates::Isolate => format!("{name} {:?}", track(&release.version)),
        }
    }

    fn in_range(&self, name: &PackageName, dependency: &Dependency) -> Vec<u32> {
        let releases = self.rules.index.releases(name).iter().enumerate();
        releases.filter(|(_, release)| dependency.versions.matches(&release.version)).map(|(at, _)| at as u32).collect()
    }

    /// Adds names that stand for what one owner chose of a plugin, so that all its needs agree on it.
    fn edge(&mut self, owner: &str, name: &PackageName, fitting: &[u32]) -> OneOf {
        if self.rules.options.duplicates == Duplicates::Dedupe {
            return fitting.iter().map(|&at| (name.to_string(), at)).collect();
        }
        let choice = format!("{owner} chose {name}");
        let id = self.oracle.pool.intern_package_name(choice.as_str());
        if !self.oracle.candidates.contains_key(&id) {
            for at in 0..self.rules.index.releases(name).len() as u32 {
                let own = (self.name(name, &self.rules.index.releases(name)[at as usize]), at);
                let requirements = vec![self.oracle.requirement(&vec![own])];
                self.oracle.add(&choice, at, KnownDependencies { requirements, constrains: Vec::new() });
            }
        }
        fitting.iter().map(|&at| (choice.clone(), at)).collect()
    }

    /// What an owner needs; none where it can never be taken.
    fn needs(&mut self, owner: &str, own: Option<&PackageName>, release: &Release) -> Option<KnownDependencies> {
        let mut all: Vec<OneOf> = Vec::new();
        let mut constrains = Vec::new();
        let mut plugins: Vec<(PackageName, Vec<u32>, OneOf)> = Vec::new();
        let mut spared: Vec<(PackageName, Vec<u32>)> = Vec::new();
        for dependency in &release.dependencies {
            let Target::Plugin(name) = &dependency.target else { continue };
            let fitting = self.in_range(name, dependency);
            match (dependency.peer, dependency.optional) {
                (true, true) => {
                    let mut by_name: BTreeMap<String, Vec<u32>> = BTreeMap::new();
                    for (at, other) in self.rules.index.releases(name).iter().enumerate() {
                        let values = by_name.entry(self.name(name, other)).or_default();
                        values.extend(fitting.contains(&(at as u32)).then_some(at as u32));
                    }
                    constrains.extend(by_name.into_iter().map(|(name, values)| self.oracle.few(&name, values)));
                    spared.push((name.clone(), fitting));
                }
                (true, false) if !self.rules.is_root(&dependency.target) => return None,
                (false, true) if !self.rules.is_taken(dependency) => spared.push((name.clone(), fitting)),
                (peer, _) => {
                    let one_of = self.edge(if peer { "root" } else { owner }, name, &fitting);
                    all.push(one_of.clone());
                    plugins.push((name.clone(), fitting, one_of));
                }
            }
        }
        for import in &release.imports {
            let by_path =
                |dependency: &&Dependency| matches!(&dependency.target, Target::Interface(path) if path.path() == import.name.path());
            if let Some(dependency) = release.dependencies.iter().find(by_path) {
                if self.rules.is_taken(dependency) {
                    all.push(self.exporters(own, dependency, Some(import)));
                }
                continue;
            }
            let exports = |name: &PackageName, at: u32| {
                let exports = &self.rules.index.releases(name)[at as usize].exports;
                exports.iter().any(|export| self.rules.fits(Some(import), export))
            };
            let fit = |(name, fitting, one_of): &(PackageName, Vec<u32>, OneOf)| -> OneOf {
                let pairs = fitting.iter().zip(one_of);
                pairs.filter(|(at, _)| exports(name, **at)).map(|(_, named)| named.clone()).collect()
            };
            let one_of: OneOf = plugins.iter().flat_map(fit).collect();
            if !one_of.is_empty() {
                all.push(one_of);
            } else if !spared.iter().any(|(name, fitting)| fitting.iter().any(|&at| exports(name, at))) {
                return None;
            }
        }
        for dependency in &release.dependencies {
            let is_imported = |target: &Target| match target {
                Target::Interface(path) => release.imports.iter().any(|import| import.name.path() == path.path()),
                Target::Plugin(_) => true,
            };
            if self.rules.is_taken(dependency) && !is_imported(&dependency.target) {
                all.push(self.exporters(own, dependency, None));
            }
        }
        let requirements = all.iter().map(|one_of| self.oracle.requirement(one_of)).collect();
        Some(KnownDependencies { requirements, constrains })
    }

    fn exporters(&self, own: Option<&PackageName>, dependency: &Dependency, import: Option<&plugwork_core::resolve::Interface>) -> OneOf {
        let mut found = Vec::new();
        for (name, releases) in self.rules.index.iter().filter(|(name, _)| Some(*name) != own) {
            for (at, release) in releases.iter().enumerate() {
                let provider = Provider::Plugin(PluginId { name: name.clone(), version: release.version.clone() });
                if self.rules.has(&provider, Some(dependency), import) {
                    found.push((self.name(name, release), at as u32));
                }
            }
        }
        found
    }

    fn verdict(mut self) -> bool {
        let index = self.rules.index;
        for (name, releases) in index.iter() {
            for (at, release) in releases.iter().enumerate() {
                let id = PluginId { name: name.clone(), version: release.version.clone() };
                if !self.rules.is_left_out(&id, release)
                    && let Some(known) = self.needs(&id.to_string(), Some(name), release)
                {
                    let solver_name = self.name(name, release);
                    self.oracle.add(&solver_name, at as u32, known);
                }
            }
        }
        let mut asked = Release::new(semver::Version::new(0, 0, 0), plugwork_core::Digest::of(b""));
        asked.dependencies = self.rules.roots.to_vec();
        let needed = self.needs("root", None, &asked).unwrap().requirements;
        match Solver::new(self.oracle).solve(Problem::new().requirements(needed)) {
            Ok(_) => true,
            Err(UnsolvableOrCancelled::Unsolvable(_)) => false,
            Err(UnsolvableOrCancelled::Cancelled(_)) => unreachable!("nobody cancels"),
        }
    }
}

fn compare(seed: u64, sort: &Sort) -> (bool, usize) {
    let mut dice = Dice::new(seed);
    let (lines, roots) = random(&mut dice, sort);
    let index: MemoryIndex = index(&lines);
    let roots: Vec<Dependency> = roots.iter().map(|root| dependency(root)).collect();
    let mut options = Options {
        strategy: *dice.pick(&[Strategy::Highest, Strategy::Highest, Strategy::Lowest]),
        duplicates: *dice.pick(&[Duplicates::Dedupe, Duplicates::Isolate]),
        security: *dice.pick(&[Security::Strict, Security::Audit, Security::Permissive]),
        ..Options::default()
    };
    for (name, releases) in index.iter() {
        if dice.once_in(4) {
            options.kept.entry(name.clone()).or_default().insert(dice.pick(releases).version.clone());
        }
    }
    let rules = || Rules { index: &index, roots: &roots, options: &options };
    let pool = Pool::new();
    let oracle = Oracle { pool, candidates: HashMap::new(), dependencies: HashMap::new() };
    let satisfiable = Clauses { rules: rules(), oracle }.verdict();
    let what = || format!("seed {seed}, {options:?}, roots {roots:?}\n{lines}");
    let members = match resolve(&index, &roots, &options) {
        Ok(resolution) => {
            rules().check(&resolution).unwrap_or_else(|why| panic!("{why}\n{}\n{resolution:#?}", what()));
            assert!(satisfiable, "resolved, and resolvo says there is nothing: {}\n{resolution:#?}", what());
            resolution.members.len()
        }
        Err(ResolveError::Conflict(conflict)) => {
            assert!(!satisfiable, "refused, and resolvo has an answer: {}\n{conflict}", what());
            assert!(!conflict.reasons.is_empty() && !conflict.roots.is_empty(), "no reason: {}", what());
            0
        }
        Err(other) => panic!("{other}: {}", what()),
    };
    (satisfiable, members)
}

#[test]
fn a_solver_of_another_kind_says_the_same_of_ten_thousand_graphs() {
    let (mut yes, mut members) = (0, 0);
    let sorts = [
        Sort { names: 5, versions: 3, paths: 2, resources: false },
        Sort { names: 9, versions: 5, paths: 3, resources: false },
        Sort { names: 20, versions: 6, paths: 0, resources: false },
        Sort { names: 12, versions: 4, paths: 1, resources: false },
    ];
    let graphs = 10_000;
    for seed in 0..graphs {
        let (satisfiable, count) = compare(seed, &sorts[(seed % 4) as usize]);
        yes += usize::from(satisfiable);
        members += count;
    }
    assert!((graphs as usize / 5..graphs as usize * 9 / 10).contains(&yes), "{yes} of {graphs} have an answer, which is too one-sided");
    assert!(members > yes * 2, "answers of one plugin say little: {members} in {yes}");
}

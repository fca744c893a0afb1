//! Which versions of which plugins go together: from roots and an index to a set in which everything that is needed is there, fits and can be linked, or
//! to sentences that say why there is none and what would help.
//!
//! Pure: the index is in memory, time is counted in steps. What a reader may get wrong: plugins may depend on each other in a circle and still resolve;
//! whether they can be started is asked of [`crate::startup`].
//!
//! - `index`: what is known of plugins; `compact`: the same of very many, in little memory; `compatible`: whether an export fits an import;
//!   `considered`: one version as it is looked at
//! - `space`, `world`: the question as the solver sees it; `shelf`: what was looked at for it; `set`: its sets; `search`, `domain`: the answer, looked for without keeping a proof; `solver`: the proof that there is none,
//!   and what search and solver are told in which order; `prune`: what need not be tried
//! - `answer`: its answer; `explain`, `sentence`, `ways`: its refusal, in words, and what would help

mod answer;
mod compact;
mod compatible;
mod considered;
mod domain;
mod explain;
mod index;
mod prune;
mod search;
mod sentence;
mod set;
mod shelf;
mod solver;
mod space;
mod ways;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use semver::Version;

pub use answer::{Concern, HeldBack, Link, Member, PluginId, Provider, Resolution};
pub use compact::CompactIndex;
pub use compatible::{Compatibility, Structural, track};
pub use considered::{Aim, Considered, Wanted};
pub use index::{Advisory, Export, Index, Interface, Listed, MemoryIndex, Release};

use crate::dependency::DEPENDENCIES_MAX;
use crate::{Dependency, InterfaceName, Issue, PackageName, Target};

/// Steps of looking for an answer: decisions, going back from them, which costs more the more was decided, what plugins with many dependencies need, and
/// looking ahead for what can be in no answer. Ten thousand plugins that fit take about as many. Where none is found the proof has as many again.
pub const STEPS_MAX: u64 = 200_000;

/// Which of several versions that fit is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// The newest.
    #[default]
    Highest,
    /// The oldest: shows whether the lower ends of ranges are true.
    Lowest,
    /// What [`Options::kept`] says and nothing else.
    Locked,
}

/// What happens where two plugins need two versions of a third.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Duplicates {
    /// One version of a plugin, for everybody.
    #[default]
    Dedupe,
    /// One version on each track (`1.x`, `2.x`, `0.3.x`) side by side. Refused where they would exchange resources.
    Isolate,
}

/// What happens to versions that were taken back, have advisories, or nobody approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Security {
    /// All three are left out; one that was taken back stays where it is kept.
    #[default]
    Strict,
    /// Those taken back are left out unless kept. The others come last, and are told.
    Audit,
    /// Nothing is left out; all of it is told.
    Permissive,
}

/// How to resolve.
#[derive(Clone)]
pub struct Options<'a> {
    /// Which of several versions.
    pub strategy: Strategy,
    /// Whether two versions of one plugin may stand side by side.
    pub duplicates: Duplicates,
    /// Which versions are left out.
    pub security: Security,
    /// Optional dependencies that are taken wherever they occur, beside those that a root names.
    pub with: BTreeSet<Target>,
    /// Interfaces that the host itself has, beside those of WASI and `plugwork:host`.
    pub host: Vec<Interface>,
    /// Versions that are taken first where they fit, as a lock has them.
    pub kept: BTreeMap<PackageName, BTreeSet<Version>>,
    /// Who provides an import first where that fits, as a lock has it.
    pub wired: BTreeMap<PluginId, BTreeMap<InterfaceName, Provider>>,
    /// Whether an export fits an import.
    pub compatibility: &'a dyn Compatibility,
    /// Past it, [`ResolveError::GaveUp`].
    pub steps_max: u64,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            duplicates: Duplicates::default(),
            security: Security::default(),
            with: BTreeSet::new(),
            host: Vec::new(),
            kept: BTreeMap::new(),
            wired: BTreeMap::new(),
            compatibility: &Structural,
            steps_max: STEPS_MAX,
        }
    }
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("strategy", &self.strategy)
            .field("duplicates", &self.duplicates)
            .field("security", &self.security)
            .finish_non_exhaustive()
    }
}

/// Why there is no resolution.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResolveError {
    /// The roots are none: all that is wrong with them.
    Roots(Vec<Issue>),
    /// Nothing fits.
    Conflict(Conflict),
    /// It took more steps than it may.
    GaveUp {
        /// How many it was allowed.
        steps_max: u64,
    },
}

/// Why nothing fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The roots that cannot be had together, as they were asked for.
    pub roots: Vec<Dependency>,
    /// What together makes it impossible: from what was asked for to where it meets. At most [`Conflict::REASONS_MAX`].
    pub reasons: Vec<String>,
    /// What would help, each tried: with this one change there is a resolution. May be empty.
    pub ways_out: Vec<String>,
}

impl Conflict {
    /// Reasons that are told; of more, the first and the last.
    pub const REASONS_MAX: usize = 12;
}

impl ResolveError {
    /// Stable, for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Roots(_) => "E-RESOLVE-ROOTS",
            Self::Conflict(_) => "E-RESOLVE-CONFLICT",
            Self::GaveUp { .. } => "E-RESOLVE-STEPS",
        }
    }
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Roots(issues) => {
                f.write_str("what is asked for cannot be looked for:")?;
                issues.iter().try_for_each(|issue| write!(f, "\n  {issue}"))
            }
            Self::Conflict(conflict) => conflict.fmt(f),
            Self::GaveUp { steps_max } => {
                write!(f, "gave up after {steps_max} steps without an answer\nhint: ask for less at once, or for narrower ranges")
            }
        }
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot resolve ")?;
        for (index, root) in self.roots.iter().enumerate() {
            let last = index + 1 == self.roots.len();
            write!(
                f,
                "{}`{root}`",
                if index == 0 {
                    ""
                } else if last {
                    " and "
                } else {
                    ", "
                }
            )?;
        }
        f.write_str(":")?;
        self.reasons.iter().try_for_each(|reason| write!(f, "\n  {reason}"))?;
        self.ways_out.iter().try_for_each(|way| write!(f, "\nhint: {way}"))
    }
}

impl std::error::Error for ResolveError {}

/// Finds versions of plugins that go together, for everything that is asked for.
///
/// The answer depends on nothing but what is given: the same question has the same answer on every machine.
///
/// ```
/// use plugwork_core::resolve::{MemoryIndex, Options, Release, resolve};
/// use plugwork_core::Digest;
///
/// let mut index = MemoryIndex::default();
/// for version in ["1.0.0", "1.2.0", "2.0.0"] {
///     index.insert(&"acme:geo".parse().unwrap(), Release::new(version.parse().unwrap(), Digest::of(version.as_bytes()))).unwrap();
/// }
/// let resolution = resolve(&index, &["acme:geo@^1".parse().unwrap()], &Options::default()).unwrap();
/// assert_eq!(resolution.members[0].id.to_string(), "acme:geo@1.2.0");
/// ```
///
/// # Errors
/// When the roots are none, when nothing fits, or when it would take too long to know.
pub fn resolve(index: &dyn Index, roots: &[Dependency], options: &Options<'_>) -> Result<Resolution, ResolveError> {
    let issues = wrong(roots);
    if !issues.is_empty() {
        return Err(ResolveError::Roots(issues));
    }
    let shelf = shelf::Shelf::default();
    let solver = solver::Solver::new(space::Space::new(index, &shelf, roots, options), options.steps_max);
    let unsolved = match solver.solve() {
        Ok(selected) => return Ok(answer::of(&mut solver.space.borrow_mut(), &selected)),
        Err(unsolved) => unsolved,
    };
    let (mut conflict, hints) = match unsolved {
        solver::Unsolved::GaveUp => return Err(ResolveError::GaveUp { steps_max: options.steps_max }),
        solver::Unsolved::Conflict(leaves) => explain::conflict(&mut solver.space.borrow_mut(), leaves),
        solver::Unsolved::Untold => explain::untold(roots, options.steps_max),
    };
    conflict.ways_out = ways::out(index, roots, options, &hints);
    Err(ResolveError::Conflict(conflict))
}

fn wrong(roots: &[Dependency]) -> Vec<Issue> {
    let issue =
        |at: &Dependency, what: &str, expected: &str| Issue { what: what.to_owned(), at: at.to_string(), expected: expected.to_owned() };
    let mut issues = Vec::new();
    if roots.len() > DEPENDENCIES_MAX {
        let expected = format!("at most {DEPENDENCIES_MAX}");
        return vec![Issue { what: format!("{} roots", roots.len()), at: String::new(), expected }];
    }
    let mut seen = BTreeSet::new();
    for root in roots {
        if !seen.insert(&root.target) {
            issues.push(issue(root, "it is asked for twice", "one range for each"));
        }
        if root.optional || root.peer {
            issues.push(issue(root, "a root is neither optional nor a peer", "a plain one, or none"));
        }
    }
    issues
}

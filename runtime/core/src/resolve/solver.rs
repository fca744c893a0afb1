//! What the solver (PubGrub) is told about the parts, and in which order it decides them.
//!
//! What a reader may get wrong: order never changes whether there is an answer, only which one. So preferences may remember what was chosen before
//! without asking whether that still stands.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::fmt;

use pubgrub::{
    Dependencies, DependencyProvider, DerivationTree, External, PackageResolutionStatistics, PubGrubError, SelectedDependencies, VersionSet,
};
use rustc_hash::{FxHashMap, FxHashSet};
use semver::Version;

use super::explain::leaves;
use super::prune::{self, Swept};
use super::search::{self, Found};
use super::set::Set;
use super::space::{Exporter, Owner, Part, Space};
use super::world::{Refused, shared};
use super::{Security, Strategy};

/// One fact on which a refusal rests.
pub(super) type Leaf = External<Part, Set, Refused>;
/// What the solver says where there is no answer.
pub(super) type Proof = DerivationTree<Part, Set, Refused>;

/// One resolution under way.
pub(super) struct Solver<'a> {
    pub(super) space: RefCell<Space<'a>>,
    steps: Cell<u64>,
    steps_max: u64,
    /// The release last chosen for a plugin on a track.
    chosen: RefCell<FxHashMap<Part, u32>>,
    decided: RefCell<Decided>,
}

/// What was decided before.
struct Decided {
    parts: FxHashSet<Part>,
    /// How often something was decided again.
    again: usize,
    /// Whether the last decision was one of those.
    is_again: bool,
    /// Whether everything in reach was looked at, and what is hopeless swept out.
    is_swept: bool,
    /// Past so many, decided again or at all, it is time to sweep.
    again_max: usize,
    parts_max: usize,
}

impl Default for Decided {
    fn default() -> Self {
        Self { parts: FxHashSet::default(), again: 0, is_again: false, is_swept: false, again_max: AGAIN_MAX, parts_max: PARTS_MAX }
    }
}

/// Decisions that are made again before what is hopeless is swept out.
const AGAIN_MAX: usize = 64;
/// Parts that are decided before what is hopeless is swept out: where so much is needed, to find out late costs more than to look.
const PARTS_MAX: usize = 1_000;
/// Releases that a sweep may look at for each part that was decided, so that it costs about what the decisions did; and where many were decided.
const LOOKED_AT: usize = 4;
const LOOKED_AT_LARGE: usize = 32;
/// And at least so many.
const LOOKED_AT_MIN: usize = 100;
/// A sweep takes a step for so many releases.
const STEP_RELEASES: usize = 16;
/// Looking through so many candidates of a part, runs of a set of them, or limits that others set to it, takes a step.
pub(super) const STEP_LOOKS: usize = 64;
/// A step of the proof costs one more for so many decisions that were made again.
const STEP_AGAIN: usize = 16;
/// What a part needs takes a step for so many.
const STEP_NEEDS: usize = 8;
/// Going back costs the solver a look at everything that was decided: a step for so many parts.
const BACK_PARTS: usize = 64;

/// Why there was no answer.
pub(super) enum Unsolved {
    GaveUp,
    /// There is none, and why takes more steps than it may.
    Untold,
    Conflict(Vec<Leaf>),
}

/// Why the solver is stopped.
#[derive(Debug)]
pub(super) enum Stop {
    /// The steps are used up.
    OutOfSteps,
    /// What is hopeless was swept out.
    Swept,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for Stop {}

impl<'a> Solver<'a> {
    pub(super) fn new(space: Space<'a>, steps_max: u64) -> Self {
        let (chosen, decided) = Default::default();
        Self { space: RefCell::new(space), steps: Cell::new(0), steps_max, chosen, decided }
    }

    pub(super) fn steps(&self) -> u64 {
        self.steps.get()
    }

    /// Takes so many steps, if there are.
    pub(super) fn step(&self, count: usize) -> Result<(), Stop> {
        self.steps.set(self.steps.get() + count as u64);
        if self.steps.get() > self.steps_max { Err(Stop::OutOfSteps) } else { Ok(()) }
    }

    pub(super) fn solve(&self) -> Result<SelectedDependencies<Part, u32>, Unsolved> {
        match search::search(self) {
            Ok(Found::Answer(selected)) => Ok(selected),
            // Where so much was tried, what is known already is proof enough.
            Ok(Found::Nothing(hopeless)) if hopeless.len() > PARTS_MAX && hopeless.contains_key(&None) => {
                let mut space = self.space.borrow_mut();
                space.hopeless = hopeless;
                Err(Unsolved::Conflict(prune::reasons(&mut space, [None])))
            }
            Ok(Found::Nothing(_)) => self.solve_with_proof().map_err(|unsolved| match unsolved {
                Unsolved::GaveUp => Unsolved::Untold,
                told => told,
            }),
            Ok(Found::TooHard) | Err(_) => self.solve_with_proof(),
        }
    }

    /// The answer, where it is found without much ado.
    pub(super) fn answer(&self) -> Option<SelectedDependencies<Part, u32>> {
        match search::search(self) {
            Ok(Found::Answer(selected)) => Some(selected),
            Ok(Found::Nothing(_) | Found::TooHard) | Err(_) => None,
        }
    }

    /// As if nothing had been tried: the answer must not depend on that.
    pub(super) fn solve_with_proof(&self) -> Result<SelectedDependencies<Part, u32>, Unsolved> {
        self.steps.set(0);
        self.chosen.borrow_mut().clear();
        let answer = match self.attempt() {
            Err(Stop::Swept) => {
                let mut space = self.space.borrow_mut();
                if space.hopeless.contains_key(&None) {
                    return Err(Unsolved::Conflict(prune::reasons(&mut space, [None])));
                }
                drop(space);
                *self.decided.borrow_mut() = Decided { is_swept: true, ..Decided::default() };
                self.attempt()
            }
            answer => answer,
        };
        answer.map_err(|_| Unsolved::GaveUp)?.map_err(|tree| Unsolved::Conflict(leaves(tree)))
    }

    /// The answer or the proof that there is none, unless it was stopped.
    fn attempt(&self) -> Result<Result<SelectedDependencies<Part, u32>, Proof>, Stop> {
        match pubgrub::resolve(self, Part::Root, 0_u32) {
            Ok(selected) => Ok(Ok(selected)),
            Err(PubGrubError::NoSolution(tree)) => Ok(Err(tree)),
            Err(PubGrubError::ErrorInShouldCancel(stop)) => Err(stop),
            Err(PubGrubError::ErrorRetrievingDependencies { source, .. } | PubGrubError::ErrorChoosingVersion { source, .. }) => {
                Err(source)
            }
        }
    }

    /// Notes a decision, and what going back to it cost; and sweeps where it is time to.
    fn decide(&self, part: Part) -> Result<(), Stop> {
        let mut decided = self.decided.borrow_mut();
        let is_again = !decided.parts.insert(part);
        if is_again && !decided.is_again {
            self.steps.set(self.steps.get() + (decided.parts.len() / BACK_PARTS) as u64);
        }
        decided.is_again = is_again;
        decided.again += usize::from(is_again);
        let (count, is_large) = (decided.parts.len(), decided.parts.len() > decided.parts_max);
        if decided.is_swept || !is_large && decided.again <= decided.again_max {
            return Ok(());
        }
        let releases_max = if is_large { count * LOOKED_AT_LARGE } else { (count * LOOKED_AT).max(LOOKED_AT_MIN) };
        let swept = prune::sweep(&mut self.space.borrow_mut(), releases_max);
        self.steps.set(self.steps.get() + (releases_max / STEP_RELEASES) as u64);
        match swept {
            // Later, when what was decided has come to more.
            Swept::TooMuch => {
                (decided.again_max, decided.parts_max) = (decided.again * 4, decided.parts_max.max(count * 2));
                Ok(())
            }
            Swept::Through { found } => {
                decided.is_swept = true;
                if found { Err(Stop::Swept) } else { Ok(()) }
            }
        }
    }

    /// The candidate to try first.
    pub(super) fn choose(&self, part: Part, set: &Set) -> Result<Option<u32>, Stop> {
        let mut space = self.space.borrow_mut();
        self.step(set.count_within(space.length(part)) / STEP_LOOKS)?;
        Ok(match part {
            Part::Plugin { name, .. } => {
                let best = self.best_release(&space, name, set);
                if let Some(best) = best {
                    self.chosen.borrow_mut().insert(part, best);
                }
                best
            }
            Part::Choice { name, .. } => self.best_release(&space, name, set),
            Part::Need { of, at } => self.best_exporter(&mut space, of, at, set),
            Part::Root | Part::Present { .. } | Part::Share { .. } => {
                let length = space.length(part);
                set.within(length).next()
            }
        })
    }

    /// What it takes to have this candidate, or why it is none.
    pub(super) fn needs(&self, part: Part, place: u32) -> Result<Result<Vec<(Part, Set)>, Refused>, Stop> {
        let needs = match part {
            Part::Root => self.of_owner(None, part),
            Part::Plugin { name, .. } => self.of_owner(Some((name, place)), part),
            Part::Choice { name, .. } => Ok(vec![(self.space.borrow().part((name, place)), Set::singleton(place))]),
            Part::Need { of, at } => Ok(self.of_need(of, at, place)),
            Part::Present { .. } | Part::Share { .. } => Ok(Vec::new()),
        };
        let found = needs.as_deref().unwrap_or_default();
        let looks: usize = found.iter().map(|(part, set)| set.runs() + self.space.borrow_mut().length(*part)).sum();
        self.step(found.len() / STEP_NEEDS + looks / STEP_LOOKS)?;
        Ok(needs)
    }

    /// Everything that a release, or the roots, needs.
    fn of_owner(&self, owner: Owner, own: Part) -> Result<Vec<(Part, Set)>, Refused> {
        let mut space = self.space.borrow_mut();
        let world = space.world(owner);
        if let Some(refused) = &world.refused {
            return Err(refused.clone());
        }
        let mut needed: Vec<(Part, Set)> = Vec::with_capacity(world.edges.len() + world.wants.len() + 1);
        needed.extend(world.edges.iter().map(|edge| (edge.part, edge.set.clone())));
        let wants = world.wants.iter().enumerate();
        needed.extend(wants.map(|(at, want)| (Part::Need { of: owner, at: at as u32 }, want.set.clone())));
        for peer in &world.peers {
            let length = space.plugins[peer.name as usize].versions.len();
            let fitting = Set::of(std::iter::once(0).chain(peer.set.within(length).map(|place| place + 1)));
            let tracks = space.tracks(peer.name);
            needed.extend(tracks.into_iter().map(|track| (Part::Present { name: peer.name, track }, fitting.clone())));
        }
        if let (Some((name, place)), Part::Plugin { track, .. }) = (owner, own)
            && space.is_optional_peer(name)
        {
            needed.push((Part::Present { name, track }, Set::singleton(place + 1)));
        }
        Ok(needed)
    }

    /// What it takes that this exporter stands behind this want.
    fn of_need(&self, of: Owner, at: u32, candidate: u32) -> Vec<(Part, Set)> {
        let mut space = self.space.borrow_mut();
        let world = space.world(of);
        let want = &world.wants[at as usize];
        let exporters = space.paths[want.path as usize].1.clone();
        let exporter = exporters[candidate as usize / 2];
        let mut needed = Vec::new();
        if let Some((name, place)) = exporter.provider {
            let edge = world.edges.iter().find(|edge| want.dependency.is_none() && edge.name == name);
            needed.push((edge.map_or_else(|| space.part((name, place)), |edge| edge.part), Set::singleton(place)));
        }
        // A resource comes from whoever the interface that speaks of it came from; if that one has it from elsewhere, from the same elsewhere.
        for &other in &want.beside {
            let beside = &world.wants[other as usize];
            let theirs = space.paths[beside.path as usize].1.clone();
            let own = beside.set.within(theirs.len() * 2).filter(|place| theirs[*place as usize / 2].provider == exporter.provider);
            let own = Set::of(own);
            let has_it = theirs.iter().any(|other| other.provider == exporter.provider);
            let set = if has_it { own } else { shared(&beside.set, theirs.len()) };
            needed.push((Part::Need { of, at: other }, set));
        }
        if candidate % 2 == 1 {
            let track = exporter.export.name.version().map_or(0, |version| space.track(version));
            needed.push((Part::Share { path: want.path, track }, Set::singleton(candidate / 2)));
        }
        needed
    }

    /// The release to try first: one that is kept, then one that nothing speaks against where that is told, then by the strategy.
    fn best_release(&self, space: &Space<'_>, name: u32, set: &Set) -> Option<u32> {
        let plugin = &space.plugins[name as usize];
        let options = space.options;
        let usable = set.within(plugin.versions.len()).filter(|&place| space.is_usable((name, place)));
        let rank = |place: u32| {
            let clean = options.security != Security::Audit || plugin.versions[place as usize].is_clean;
            (plugin.is_kept(place), clean)
        };
        match options.strategy {
            Strategy::Lowest => usable.max_by_key(|&place| (rank(place), Reverse(place))),
            Strategy::Highest | Strategy::Locked => usable.max_by_key(|&place| (rank(place), place)),
        }
    }

    /// The exporter to try first: who it was before, the host, then plugins that are there already, then as a release is chosen. Sharing comes last.
    fn best_exporter(&self, space: &mut Space<'_>, of: Owner, at: u32, set: &Set) -> Option<u32> {
        let world = space.world(of);
        let want = &world.wants[at as usize];
        let exporters = space.paths[want.path as usize].1.clone();
        let before = of.filter(|_| !space.options.wired.is_empty()).map(|at| space.id(at));
        let before = before.and_then(|id| space.options.wired.get(&id)?.get(&want.import?.name));
        let before = before.map(|provider| {
            let is_it = |exporter: &Exporter<'_>| exporter.provider.map(|at| space.id(at)).as_ref() == provider.plugin();
            exporters.iter().map(is_it).collect::<Vec<bool>>()
        });
        let chosen = self.chosen.borrow();
        let lowest = space.options.strategy == Strategy::Lowest;
        let none = Version::new(0, 0, 0);
        let usable = set
            .within(exporters.len() * 2)
            .filter(|&candidate| exporters[candidate as usize / 2].provider.is_none_or(|at| space.is_usable(at)));
        usable.max_by(|&one, &other| {
            let rank = |candidate: u32| {
                let exporter = &exporters[candidate as usize / 2];
                let there = exporter.provider.map_or((true, true, true), |at| {
                    let plugin = &space.plugins[at.0 as usize];
                    let last = chosen.get(&space.part(at));
                    (plugin.is_kept(at.1), last == Some(&at.1), last.is_some())
                });
                let is_wired = before.as_ref().is_some_and(|before| before[candidate as usize / 2]);
                (is_wired, Reverse(candidate % 2), exporter.provider.is_none(), there)
            };
            let version = |candidate: u32| exporters[candidate as usize / 2].export.name.version().unwrap_or(&none);
            let by_strategy = |order: std::cmp::Ordering| if lowest { order.reverse() } else { order };
            let place = |candidate: u32| exporters[candidate as usize / 2].provider.map_or(0, |(_, place)| place);
            let same_plugin = |one: u32, other: u32| {
                exporters[one as usize / 2].provider.map(|(name, _)| name) == exporters[other as usize / 2].provider.map(|(name, _)| name)
            };
            rank(one)
                .cmp(&rank(other))
                .then_with(|| by_strategy(version(one).cmp(version(other))))
                .then_with(|| if same_plugin(one, other) { by_strategy(place(one).cmp(&place(other))) } else { other.cmp(&one) })
        })
    }
}

/// Which parts are decided first.
pub(super) fn rank(part: Part) -> u8 {
    match part {
        Part::Root => 5,
        Part::Plugin { .. } => 4,
        Part::Choice { .. } => 3,
        Part::Need { .. } => 2,
        Part::Share { .. } => 1,
        Part::Present { .. } => 0,
    }
}

impl DependencyProvider for Solver<'_> {
    type P = Part;
    type V = u32;
    type VS = Set;
    type Priority = (u8, u32, Reverse<usize>);
    type M = Refused;
    type Err = Stop;

    /// Plugins before those who only might be needed, so that a need is met by what is there; of each, the most contested and narrowest first.
    fn prioritize(&self, part: &Part, set: &Set, statistics: &PackageResolutionStatistics) -> Self::Priority {
        let length = self.space.borrow_mut().length(*part);
        (rank(*part), statistics.conflict_count(), Reverse(set.count_within(length)))
    }

    fn choose_version(&self, part: &Part, set: &Set) -> Result<Option<u32>, Stop> {
        self.decide(*part)?;
        self.choose(*part, set)
    }

    fn get_dependencies(&self, part: &Part, place: &u32) -> Result<Dependencies<Part, Set, Refused>, Stop> {
        Ok(match self.needs(*part, *place)? {
            Ok(needed) => Dependencies::Available(needed.into_iter().collect()),
            Err(refused) => Dependencies::Unavailable(refused),
        })
    }

    /// The more was decided again, the more the solver has noted and looks at in each step.
    fn should_cancel(&self) -> Result<(), Stop> {
        self.step(1 + self.decided.borrow().again / STEP_AGAIN)
    }
}

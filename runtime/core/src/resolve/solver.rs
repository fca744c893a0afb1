//! What the solver (PubGrub) is told about the parts, and in which order it decides them.
//!
//! What a reader may get wrong: order never changes whether there is an answer, only which one. So preferences may remember what was chosen before
//! without asking whether that still stands.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;

use pubgrub::{
    Dependencies, DependencyProvider, External, PackageResolutionStatistics, PubGrubError, SelectedDependencies, VersionSet,
};
use semver::Version;

use super::explain::leaves;
use super::set::Set;
use super::space::{Owner, Part, Space, against};
use super::world::{Refused, shared};
use super::{Security, Strategy};

/// One fact on which a refusal rests.
pub(super) type Leaf = External<Part, Set, Refused>;

/// One resolution under way.
pub(super) struct Solver<'a> {
    pub(super) space: RefCell<Space<'a>>,
    steps: Cell<u64>,
    steps_max: u64,
    /// The release last chosen for a plugin on a track.
    chosen: RefCell<HashMap<Part, u32>>,
}

/// Why there was no answer.
pub(super) enum Unsolved {
    GaveUp,
    Conflict(Vec<Leaf>),
}

/// The steps are used up.
#[derive(Debug)]
pub(super) struct OutOfSteps;

impl fmt::Display for OutOfSteps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("out of steps")
    }
}

impl std::error::Error for OutOfSteps {}

impl<'a> Solver<'a> {
    pub(super) fn new(space: Space<'a>, steps_max: u64) -> Self {
        Self { space: RefCell::new(space), steps: Cell::new(0), steps_max, chosen: RefCell::default() }
    }

    pub(super) fn steps(&self) -> u64 {
        self.steps.get()
    }

    pub(super) fn solve(&self) -> Result<SelectedDependencies<Part, u32>, Unsolved> {
        pubgrub::resolve(self, Part::Root, 0_u32).map_err(|error| match error {
            PubGrubError::NoSolution(tree) => Unsolved::Conflict(leaves(tree)),
            PubGrubError::ErrorRetrievingDependencies { .. }
            | PubGrubError::ErrorChoosingVersion { .. }
            | PubGrubError::ErrorInShouldCancel(OutOfSteps) => Unsolved::GaveUp,
        })
    }

    /// Everything that a release, or the roots, needs.
    fn of_owner(&self, owner: Owner, own: Part) -> Result<Vec<(Part, Set)>, Refused> {
        let mut space = self.space.borrow_mut();
        let world = space.world(owner);
        if let Some(refused) = &world.refused {
            return Err(refused.clone());
        }
        let mut needed: Vec<(Part, Set)> = world.edges.iter().map(|edge| (edge.part, edge.set.clone())).collect();
        let wants = world.wants.iter().enumerate();
        needed.extend(wants.map(|(at, want)| (Part::Need { of: owner, at: at as u32 }, want.set.clone())));
        for peer in &world.peers {
            let length = space.plugins[peer.name as usize].releases.len();
            let fitting = Set::of(std::iter::once(0).chain(peer.set.within(length).map(|place| place + 1)));
            let tracks = space.tracks(peer.name);
            needed.extend(tracks.into_iter().map(|track| (Part::Present { name: peer.name, track }, fitting.clone())));
        }
        if let (Some((name, place)), Part::Plugin { track, .. }) = (owner, own)
            && space.index.is_optional_peer(space.plugins[name as usize].name)
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
        let usable = set.within(plugin.releases.len()).filter(|&place| plugin.out[place as usize].is_none());
        let rank = |place: u32| {
            let release = &plugin.releases[place as usize];
            let clean = options.security != Security::Audit || against(release).next().is_none();
            (plugin.kept[place as usize], clean)
        };
        match options.strategy {
            Strategy::Lowest => usable.max_by_key(|&place| (rank(place), Reverse(place))),
            Strategy::Highest | Strategy::Locked => usable.max_by_key(|&place| (rank(place), place)),
        }
    }

    /// The exporter to try first: the host, then plugins that are there already, then as a release is chosen. Sharing comes last.
    fn best_exporter(&self, space: &mut Space<'_>, of: Owner, at: u32, set: &Set) -> Option<u32> {
        let world = space.world(of);
        let exporters = space.paths[world.wants[at as usize].path as usize].1.clone();
        let chosen = self.chosen.borrow();
        let lowest = space.options.strategy == Strategy::Lowest;
        let none = Version::new(0, 0, 0);
        let usable = set.within(exporters.len() * 2).filter(|&candidate| {
            let provider = exporters[candidate as usize / 2].provider;
            provider.is_none_or(|(name, place)| space.plugins[name as usize].out[place as usize].is_none())
        });
        usable.max_by(|&one, &other| {
            let rank = |candidate: u32| {
                let exporter = &exporters[candidate as usize / 2];
                let before = exporter.provider.map_or((true, true, true), |at| {
                    let plugin = &space.plugins[at.0 as usize];
                    let last = chosen.get(&space.part(at));
                    (plugin.kept[at.1 as usize], last == Some(&at.1), last.is_some())
                });
                (Reverse(candidate % 2), exporter.provider.is_none(), before)
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

impl DependencyProvider for Solver<'_> {
    type P = Part;
    type V = u32;
    type VS = Set;
    type Priority = (u8, u32, Reverse<usize>);
    type M = Refused;
    type Err = OutOfSteps;

    /// Plugins before those who only might be needed, so that a need is met by what is there; of each, the most contested and narrowest first.
    fn prioritize(&self, part: &Part, set: &Set, statistics: &PackageResolutionStatistics) -> Self::Priority {
        let rank = match part {
            Part::Root => 5,
            Part::Plugin { .. } => 4,
            Part::Choice { .. } => 3,
            Part::Need { .. } => 2,
            Part::Share { .. } => 1,
            Part::Present { .. } => 0,
        };
        let length = self.space.borrow_mut().length(*part);
        (rank, statistics.conflict_count(), Reverse(set.count_within(length)))
    }

    fn choose_version(&self, part: &Part, set: &Set) -> Result<Option<u32>, OutOfSteps> {
        let mut space = self.space.borrow_mut();
        let length = space.length(*part);
        Ok(match *part {
            Part::Plugin { name, .. } => {
                let best = self.best_release(&space, name, set);
                if let Some(best) = best {
                    self.chosen.borrow_mut().insert(*part, best);
                }
                best
            }
            Part::Choice { name, .. } => self.best_release(&space, name, set),
            Part::Need { of, at } => self.best_exporter(&mut space, of, at, set),
            Part::Root | Part::Present { .. } | Part::Share { .. } => set.within(length).next(),
        })
    }

    fn get_dependencies(&self, part: &Part, place: &u32) -> Result<Dependencies<Part, Set, Refused>, OutOfSteps> {
        let needed = match *part {
            Part::Root => self.of_owner(None, *part),
            Part::Plugin { name, .. } => self.of_owner(Some((name, *place)), *part),
            Part::Choice { name, .. } => Ok(vec![(self.space.borrow().part((name, *place)), Set::singleton(*place))]),
            Part::Need { of, at } => Ok(self.of_need(of, at, *place)),
            Part::Present { .. } | Part::Share { .. } => Ok(Vec::new()),
        };
        Ok(match needed {
            Ok(needed) => Dependencies::Available(needed.into_iter().collect()),
            Err(refused) => Dependencies::Unavailable(refused),
        })
    }

    fn should_cancel(&self) -> Result<(), OutOfSteps> {
        self.steps.set(self.steps.get() + 1);
        if self.steps.get() > self.steps_max { Err(OutOfSteps) } else { Ok(()) }
    }
}

//! From the solver's proof that nothing fits to a few reasons, in the order in which a person would look: what was asked for, what that needs, where it
//! meets.
//!
//! What a reader may get wrong: a proof can be ten thousand steps deep, so nothing here, not even letting go of it, goes down by calling itself.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use pubgrub::{DerivationTree, External, VersionSet};
use rustc_hash::{FxBuildHasher, FxHashMap};
use smallvec::SmallVec;

use super::prune;
use super::sentence;
use super::set::Set;
use super::solver::{Leaf, Proof};
use super::space::{Out, Part, Space};
use super::world::Refused;
use super::{Aim, Conflict, Wanted};
use crate::Dependency;
use crate::text::is_unseen;

/// What might help.
#[derive(Default)]
pub(super) struct Hints {
    /// The roots that take part.
    pub(super) roots: Vec<Dependency>,
    /// Whether versions that were left out take part.
    pub(super) left_out: bool,
    /// Whether versions of one plugin meet.
    pub(super) clash: bool,
    /// Peers that nobody brings.
    pub(super) peers: Vec<Dependency>,
}

/// One reason before it is words.
pub(super) enum Fact {
    /// Candidates of a part need one of those candidates of another.
    Needs { from: Part, set: Set, to: Part, wanted: Set },
    /// Releases that are no candidates at all.
    Refused { part: Part, set: Set, why: Refused },
    /// Candidates that are left out.
    Gone { part: Part, set: Set },
    /// Several need a part, and no candidate suits them all.
    Apart { part: Part },
}

/// Takes a proof apart into what it rests on. Each piece is let go of by its last owner, here.
pub(super) fn leaves(tree: Proof) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    let mut open = vec![Arc::new(tree)];
    while let Some(node) = open.pop() {
        match Arc::try_unwrap(node) {
            Ok(DerivationTree::External(leaf)) => leaves.push(leaf),
            Ok(DerivationTree::Derived(derived)) => {
                open.push(derived.cause2);
                open.push(derived.cause1);
            }
            // Somebody else still has it, and will come by.
            Err(_) => {}
        }
    }
    leaves
}

/// The reasons, and what might help.
pub(super) fn conflict<'a>(space: &mut Space<'a>, leaves: Vec<Leaf>) -> (Conflict, Hints) {
    let facts = facts(space, leaves);
    let mut hints = Hints::default();
    for fact in &facts {
        note(space, fact, &mut hints);
    }
    let conflict = Conflict { roots: hints.roots.clone(), reasons: told(space, &facts), ways_out: Vec::new() };
    (conflict, hints)
}

/// Where that there is no answer is certain, and why would take too long.
pub(super) fn untold(roots: &[Dependency], steps_max: u64) -> (Conflict, Hints) {
    let reasons = vec![format!("nothing that could be taken goes together; what excludes what takes more than {steps_max} steps to tell")];
    let hints = Hints { roots: roots.to_vec(), ..Hints::default() };
    (Conflict { roots: roots.to_vec(), reasons, ways_out: Vec::new() }, hints)
}

/// The leaves, joined where they say the same of several candidates, nearest to the roots first.
fn facts(space: &mut Space<'_>, mut leaves: Vec<Leaf>) -> Vec<Fact> {
    // What a sweep had taken out stands in the proof as if it had never been there.
    let mut hopeless = Vec::new();
    for leaf in &leaves {
        if let External::NoVersions(part, set) = leaf {
            hopeless.extend(prune::behind(space, *part, set).into_iter().map(Some).filter(|owner| space.hopeless.contains_key(owner)));
        }
    }
    leaves.extend(prune::reasons(space, hopeless));
    let mut needs: Vec<(Part, Set, Part, Set)> = Vec::new();
    let mut known: FxHashMap<(Part, Part, Set), usize> = FxHashMap::with_capacity_and_hasher(leaves.len(), FxBuildHasher);
    let mut refused: BTreeMap<Part, Vec<(Set, Refused)>> = BTreeMap::new();
    let mut gone: BTreeMap<Part, Set> = BTreeMap::new();
    for leaf in leaves {
        match leaf {
            External::NotRoot(..) => {}
            External::FromDependencyOf(from, set, to, wanted) => match known.get(&(from, to, wanted.clone())) {
                Some(&at) => needs[at].1 = needs[at].1.union(&set),
                None => {
                    known.insert((from, to, wanted.clone()), needs.len());
                    needs.push((from, set, to, wanted));
                }
            },
            External::NoVersions(part, set) => {
                let whole = gone.entry(part).or_insert_with(Set::empty);
                *whole = whole.union(&set);
            }
            External::Custom(part, set, why) => {
                let found = refused.entry(part).or_default();
                match found.iter_mut().find(|(_, other)| *other == why) {
                    Some((whole, _)) => *whole = whole.union(&set),
                    None => found.push((set, why)),
                }
            }
        }
    }
    let distances = distances(&needs);
    needs.sort_by_cached_key(|(from, _, to, _)| (distances.get(from).copied().unwrap_or(u32::MAX), *from, *to));
    let meeting = meeting(&needs);
    let mut facts: Vec<Fact> = needs.into_iter().map(|(from, set, to, wanted)| Fact::Needs { from, set, to, wanted }).collect();
    facts.extend(refused.into_iter().flat_map(|(part, found)| found.into_iter().map(move |(set, why)| Fact::Refused { part, set, why })));
    facts.extend(gone.into_iter().map(|(part, set)| Fact::Gone { part, set }));
    for (part, common) in meeting {
        if common.count_within(space.length(part)) == 0 {
            facts.push(Fact::Apart { part });
        }
    }
    facts
}

/// Parts that several need, and the candidates that suit them all.
fn meeting(needs: &[(Part, Set, Part, Set)]) -> Vec<(Part, Set)> {
    let mut by_part: Vec<(Part, Part, &Set)> = needs.iter().map(|(from, _, to, wanted)| (*to, *from, wanted)).collect();
    by_part.sort_by_key(|(to, from, _)| (*to, *from));
    let mut meeting = Vec::new();
    for of_part in by_part.chunk_by(|one, other| one.0 == other.0).filter(|of_part| of_part.len() > 1) {
        // Versions of one plugin never meet, so what they want of another is joined first.
        let several = of_part.chunk_by(|one, other| one.1 == other.1);
        let mut wanted = several.map(|of_one| of_one.iter().fold(Set::empty(), |whole, (.., set)| whole.union(set)));
        if let (Some(first), Some(second)) = (wanted.next(), wanted.next()) {
            let common = wanted.fold(first.intersection(&second), |common, set| common.intersection(&set));
            meeting.push((of_part[0].0, common));
        }
    }
    meeting
}

/// How far each part is from the roots.
fn distances(needs: &[(Part, Set, Part, Set)]) -> FxHashMap<Part, u32> {
    let mut next: FxHashMap<Part, SmallVec<[Part; 2]>> = FxHashMap::with_capacity_and_hasher(needs.len(), FxBuildHasher);
    for (from, _, to, _) in needs {
        next.entry(*from).or_default().push(*to);
    }
    let mut distances = FxHashMap::from_iter([(Part::Root, 0)]);
    let mut open = VecDeque::from([Part::Root]);
    while let Some(part) = open.pop_front() {
        let distance = distances[&part];
        for &other in next.get(&part).into_iter().flatten() {
            distances.entry(other).or_insert_with(|| {
                open.push_back(other);
                distance + 1
            });
        }
    }
    distances
}

/// What a fact says about what might help.
fn note(space: &mut Space<'_>, fact: &Fact, hints: &mut Hints) {
    match fact {
        Fact::Needs { from: Part::Root, to, .. } => {
            let world = space.world(None);
            let root = match *to {
                Part::Need { at, .. } => world.wants[at as usize].dependency,
                Part::Plugin { name, .. } | Part::Choice { name, .. } => {
                    world.edges.iter().find(|edge| edge.name == name).map(|edge| edge.dependency)
                }
                Part::Root | Part::Present { .. } | Part::Share { .. } => None,
            };
            hints.roots.extend(root.map(|root| root.dependency()).filter(|root| !hints.roots.contains(root)));
        }
        Fact::Needs { .. } => {}
        Fact::Refused { part: Part::Plugin { name, .. }, set, why: Refused::PeerMissing(peer) } => {
            let length = space.plugins[*name as usize].versions.len();
            let dependencies = set.within(length).flat_map(|place| space.release((*name, place)).dependencies);
            let is_it = |dependency: &Wanted<'_>| dependency.aim == Aim::Plugin(peer);
            hints.peers.extend(
                dependencies
                    .filter(is_it)
                    .max_by_key(|dependency| dependency.versions.to_string())
                    .map(|dependency| Wanted { optional: false, peer: false, ..dependency }.dependency()),
            );
        }
        Fact::Refused { .. } => {}
        Fact::Gone { part, set } => hints.left_out |= !sentence::gone(space, *part, set).is_empty(),
        Fact::Apart { part } => hints.clash |= matches!(part, Part::Plugin { .. }),
    }
}

/// The facts in words: all of them, or the first and the last.
fn told(space: &mut Space<'_>, facts: &[Fact]) -> Vec<String> {
    let last_max = Conflict::REASONS_MAX / 2 - 1;
    let mut first = Vec::new();
    let mut at = 0;
    while at < facts.len() && first.len() < Conflict::REASONS_MAX {
        first.extend(sentence::of(space, &facts[at]));
        at += 1;
    }
    let rest = facts[at..].iter().filter(|fact| sentence::is_told(fact)).count();
    if rest == 0 && first.len() <= Conflict::REASONS_MAX {
        return first;
    }
    let mut last = Vec::new();
    for fact in facts[at..].iter().rev() {
        if last.len() >= last_max {
            break;
        }
        last.extend(sentence::of(space, fact).into_iter().rev());
    }
    last.truncate(last_max);
    // Those in the middle: the rest of what was told from the front, and what was not told at all.
    let front = Conflict::REASONS_MAX - last_max - 1;
    let between = first.len() - front.min(first.len()) + rest.saturating_sub(last.len());
    first.truncate(front);
    if between > 0 {
        first.push(format!("… and {between} more like these …"));
    }
    first.extend(last.into_iter().rev());
    first
}

/// Why a version is left out.
pub(super) fn why_out(out: Out<'_>) -> String {
    match out {
        Out::Yanked("") => "it was taken back".to_owned(),
        Out::Yanked(why) => format!("it was taken back: {}", words(why)),
        Out::Advised(advisory) => format!("advisory `{}`: {}", words(&advisory.id), words(&advisory.title)),
        Out::Unapproved => "nobody has approved it".to_owned(),
        Out::NotKept => "it is not in the lock".to_owned(),
    }
}

/// What a stranger wrote, as one plain line.
fn words(text: &str) -> String {
    text.chars().take(200).map(|letter| if letter.is_control() || is_unseen(letter) { '\u{fffd}' } else { letter }).collect()
}

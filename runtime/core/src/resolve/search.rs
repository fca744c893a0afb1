//! The answer, looked for without keeping a proof: decided part by part, and where two of what is needed exclude each other, back to the last decision that
//! had a hand in it.
//!
//! Most questions need few steps back, and none needs the reasons of an answer. What a reader may get wrong: what is ruled out here stays ruled out as long
//! as the decisions do that rule it out, so the search neither misses an answer nor runs in circles. Where nothing is left that is certain, but
//! why is the solver's to say; and where it goes back too often the solver, which notes more, begins anew.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use pubgrub::{SelectedDependencies, VersionSet};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::domain::{Culprits, Decided, Domain, Limit, Priority, Why};
use super::set::Set;
use super::solver::{STEP_LOOKS, Solver, Stop};
use super::space::{Hopeless, Part, Space};

/// What a search came to.
pub(super) enum Found {
    Answer(SelectedDependencies<Part, u32>),
    /// There is no answer; and what is known without trying two things against each other.
    Nothing(Hopeless),
    /// It went back too often.
    TooHard,
}

/// Times that it goes back for what several decisions did together before the question is left to the solver.
const BACK_MAX: usize = 1_000;
/// Going back over so many decisions takes a step.
const STEP_DECISIONS: usize = 8;

/// A need that cannot be met, and whose decisions exclude it.
type Excluded<'n> = (&'n (Part, Set), Culprits);

#[derive(Default)]
struct Search {
    domains: Vec<Domain>,
    numbers: FxHashMap<Part, u32>,
    /// Decided parts in their order, each with the parts that are limited while it stands.
    decisions: Vec<(u32, SmallVec<[u32; 8]>)>,
    /// A part stands in it each time that its priority changed; only the last counts.
    open: BinaryHeap<(Priority, Reverse<u32>)>,
    hopeless: Hopeless,
}

pub(super) fn search(solver: &Solver<'_>) -> Result<Found, Stop> {
    let mut search = Search::default();
    let root = search.number(solver, Part::Root);
    search.domains[root as usize].needed_by = 1;
    search.put(root);
    let mut back = 0;
    while let Some(number) = search.next() {
        let mut failed = search.decide(solver, number)?;
        while let Some(number) = failed {
            let culprits = search.culprits(solver, number, None)?;
            let Some(&last) = culprits.iter().max_by_key(|culprit| search.decided(**culprit).at) else {
                return Ok(Found::Nothing(search.hopeless));
            };
            let Decided { place, at } = search.decided(last);
            // What fails by itself is never tried again.
            if culprits.len() == 1 {
                search.alone(solver, last, place, number)?;
            } else {
                back += 1;
            }
            if back > BACK_MAX {
                return Ok(Found::TooHard);
            }
            solver.step((search.decisions.len() - at as usize) / STEP_DECISIONS)?;
            solver.step(search.go_back(at) / STEP_LOOKS)?;
            search.rule_out(last, place, culprits.into_iter().filter(|culprit| *culprit != last).collect());
            failed = (search.domains[last as usize].count == 0).then_some(last);
        }
    }
    let decided = search.domains.into_iter().filter_map(|domain| Some((domain.part, domain.decided?.place)));
    Ok(Found::Answer(decided.collect()))
}

impl Search {
    /// Takes the first candidate of which nothing that it needs is excluded already. The part for which none is left, if there is one.
    fn decide(&mut self, solver: &Solver<'_>, number: u32) -> Result<Option<u32>, Stop> {
        let part = self.domains[number as usize].part;
        loop {
            solver.step(1)?;
            let Some(place) = solver.choose(part, &self.domains[number as usize].left)? else { return Ok(Some(number)) };
            let Ok(needs) = solver.needs(part, place)? else {
                self.rule_out(number, place, Culprits::new());
                continue;
            };
            if let Some(((other, set), culprits)) = self.against(solver, &needs)? {
                if culprits.is_empty() {
                    self.note_hopeless(solver, number, place, *other, set)?;
                }
                let other = self.number(solver, *other);
                self.contest(other);
                self.contest(number);
                self.rule_out(number, place, culprits);
                continue;
            }
            let at = self.decisions.len() as u32;
            self.decisions.push((number, SmallVec::new()));
            self.domains[number as usize].decided = Some(Decided { place, at });
            for (other, set) in needs {
                let other = self.number(solver, other);
                self.limit(other, Limit { set, why: Why::Need(number) });
                if self.domains[other as usize].count == 0 {
                    return Ok(Some(other));
                }
            }
            return Ok(None);
        }
    }

    /// The first of these needs that what was decided excludes, and which decisions do.
    fn against<'n>(&mut self, solver: &Solver<'_>, needs: &'n [(Part, Set)]) -> Result<Option<Excluded<'n>>, Stop> {
        let mut looks = 0;
        for need in needs {
            let (part, set) = need;
            let number = self.number(solver, *part);
            let domain = &self.domains[number as usize];
            looks += domain.left.runs() + set.runs();
            match domain.decided {
                Some(Decided { place, .. }) if set.contains(&place) => {}
                Some(_) => return Ok(Some((need, Culprits::from_slice(&[number])))),
                None if !domain.left.is_disjoint(set) => {}
                None => return Ok(Some((need, self.culprits(solver, number, Some(set))?))),
            }
        }
        solver.step(looks / STEP_LOOKS)?;
        Ok(None)
    }

    /// Of a decision that failed by itself: whether what it needs of this part can be had by nobody.
    fn alone(&mut self, solver: &Solver<'_>, number: u32, place: u32, failed: u32) -> Result<(), Stop> {
        let other = &self.domains[failed as usize];
        let need = other.limits.iter().find(|limit| matches!(limit.why, Why::Need(of) if of == number));
        match need.map(|need| (other.part, need.set.clone())) {
            Some((other, set)) => self.note_hopeless(solver, number, place, other, &set),
            None => Ok(()),
        }
    }

    /// Notes that a release can be in no answer where the need is met by nobody, and so are its like.
    fn note_hopeless(&mut self, solver: &Solver<'_>, number: u32, place: u32, other: Part, set: &Set) -> Result<(), Stop> {
        let of = match self.domains[number as usize].part {
            Part::Root => None,
            Part::Plugin { name, .. } => Some((name, place)),
            _ => return Ok(()),
        };
        let (Part::Plugin { name, .. } | Part::Choice { name, .. }) = other else { return Ok(()) };
        let mut space = solver.space.borrow_mut();
        let is_gone = |place: u32, space: &mut Space<'_>| {
            let at = (name, place);
            !space.is_usable(at) || self.hopeless.contains_key(&Some(at)) || space.world(Some(at)).refused.is_some()
        };
        let length = space.length(other);
        if set.within(length).all(|place| is_gone(place, &mut space)) {
            self.hopeless.insert(of, (other, set.clone()));
            if let (Some((own, _)), Part::Plugin { .. }) = (of, other) {
                let Domain { possible, length, .. } = &self.domains[number as usize];
                let alike = possible.within(*length).filter(|like| *like != place && space.are_alike(own, place, *like));
                for like in alike.collect::<SmallVec<[u32; 8]>>() {
                    self.hopeless.insert(Some((own, like)), (other, set.clone()));
                    self.never(number, like);
                }
            }
        }
        solver.step((set.count_within(length) + self.domains[number as usize].length) / STEP_LOOKS)
    }

    /// Decided parts that together leave no candidate of this part, or none of these.
    fn culprits(&self, solver: &Solver<'_>, number: u32, of: Option<&Set>) -> Result<Culprits, Stop> {
        let (culprits, looks) = self.domains[number as usize].culprits(of, |culprit| self.decided(culprit).at);
        solver.step(looks / STEP_LOOKS)?;
        Ok(culprits)
    }

    fn decided(&self, number: u32) -> Decided {
        self.domains[number as usize].decided.expect("who limits others is decided")
    }

    /// Takes a candidate away for as long as these stand; for good where there are none.
    fn rule_out(&mut self, number: u32, place: u32, culprits: Culprits) {
        match culprits.is_empty() {
            true => self.never(number, place),
            false => self.limit(number, Limit { set: Set::singleton(place).complement(), why: Why::Tried(culprits) }),
        }
    }

    /// Takes a candidate away for good.
    fn never(&mut self, number: u32, place: u32) {
        self.domains[number as usize].never(place);
        self.put(number);
    }

    fn limit(&mut self, number: u32, limit: Limit) {
        let until = match &limit.why {
            Why::Need(of) => Some(self.decided(*of).at),
            Why::Tried(culprits) => culprits.iter().map(|culprit| self.decided(*culprit).at).max(),
        };
        if let Some(at) = until {
            self.decisions[at as usize].1.push(number);
        }
        self.domains[number as usize].limit(limit);
        self.put(number);
    }

    /// As it was before this decision. How much was looked at for that.
    fn go_back(&mut self, at: u32) -> usize {
        let mut looked_at = 0;
        let mut touched: SmallVec<[u32; 32]> = SmallVec::new();
        for (number, limited) in self.decisions.drain(at as usize..) {
            self.domains[number as usize].decided = None;
            touched.push(number);
            touched.extend(limited);
        }
        touched.sort_unstable();
        touched.dedup();
        for number in touched {
            let mut limits = std::mem::take(&mut self.domains[number as usize].limits);
            looked_at += limits.iter().map(|limit| 1 + limit.set.runs()).sum::<usize>();
            limits.retain(|limit| self.stands(&limit.why));
            self.domains[number as usize].keep(limits);
            self.put(number);
        }
        looked_at
    }

    fn stands(&self, why: &Why) -> bool {
        let is_decided = |culprit: &u32| self.domains[*culprit as usize].decided.is_some();
        match why {
            Why::Need(of) => is_decided(of),
            Why::Tried(culprits) => culprits.iter().all(is_decided),
        }
    }

    fn contest(&mut self, number: u32) {
        self.domains[number as usize].contested += 1;
        self.put(number);
    }

    fn number(&mut self, solver: &Solver<'_>, part: Part) -> u32 {
        let new = self.domains.len() as u32;
        let number = *self.numbers.entry(part).or_insert(new);
        if number == new {
            let length = solver.space.borrow_mut().length(part);
            self.domains.push(Domain::new(part, length));
        }
        number
    }

    fn put(&mut self, number: u32) {
        let domain = &mut self.domains[number as usize];
        let priority = domain.priority();
        if domain.is_open() && domain.queued != Some(priority) {
            domain.queued = Some(priority);
            self.open.push((priority, Reverse(number)));
        }
    }

    /// The part to decide next.
    fn next(&mut self) -> Option<u32> {
        while let Some((priority, Reverse(number))) = self.open.pop() {
            let domain = &mut self.domains[number as usize];
            if domain.queued == Some(priority) {
                domain.queued = None;
            }
            if domain.is_open() && domain.priority() == priority {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::solver::Unsolved;
    use super::super::{Duplicates, Interface, MemoryIndex, Options, Release, Security, Strategy, shelf::Shelf};
    use super::*;
    use crate::{Dependency, Digest};

    /// Numbers that are the same in every run.
    fn below(dice: &mut u64, sides: u64) -> u64 {
        *dice ^= *dice << 13;
        *dice ^= *dice >> 7;
        *dice ^= *dice << 17;
        (dice.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides
    }

    /// Plugins of which some are in each other's way, and each that imports something depends on some of those who have it.
    fn index(dice: &mut u64, plugins: u64) -> MemoryIndex {
        let mut index = MemoryIndex::default();
        for number in 0..plugins {
            for version in ["1.0.0", "1.1.0", "1.2.0", "2.0.0", "2.1.0"] {
                let mut release = Release::new(version.parse().unwrap(), Digest::of(format!("{number} {version}").as_bytes()));
                let interface = |path: u64, version: &str| Interface {
                    resources: path == 1,
                    uses: if path == 2 { vec!["a:i/i1".to_owned()] } else { Vec::new() },
                    ..Interface::new(format!("a:i/i{path}@{version}").parse().unwrap())
                };
                for _ in 0..below(dice, 4) {
                    let other = below(dice, plugins);
                    let range = ["*", ">=1", "^1", "^2", "^1.1", "<2", "~1.2", "=1.1.0", "=2.0.0", "<1.1"][below(dice, 10) as usize];
                    let dependency: Dependency = format!("a:p{other}@{range}").parse().unwrap();
                    if !release.dependencies.iter().any(|known| known.target == dependency.target) && other != number {
                        let (optional, peer) = (below(dice, 6) == 0, below(dice, 9) == 0);
                        release.dependencies.push(Dependency { optional: optional || peer, peer, ..dependency });
                    }
                }
                for path in 0..3 {
                    if number % 3 == path {
                        release.exports.push(interface(path, ["1.0.0", "1.1.0"][below(dice, 2) as usize]));
                    } else if below(dice, 5) == 0 {
                        release.imports.push(interface(path, "1.0.0"));
                        release.dependencies.push(format!("a:i/i{path}@^1").parse().unwrap());
                    }
                }
                release.approved = below(dice, 12) > 0;
                index.insert(&format!("a:p{number}").parse().unwrap(), release).unwrap();
            }
        }
        index
    }

    #[test]
    fn finds_an_answer_exactly_where_the_solver_does() {
        let (mut dice, mut yes, mut no) = (7, 0, 0);
        for _ in 0..3_000 {
            let plugins = 3 + below(&mut dice, 12);
            let index = index(&mut dice, plugins);
            let roots: Vec<Dependency> = (0..1 + below(&mut dice, 3))
                .map(|root| format!("a:p{}@{}", root, ["*", "^1", "^2", "^2.1"][below(&mut dice, 4) as usize]))
                .map(|root| root.parse().unwrap())
                .collect();
            let options = Options {
                duplicates: [Duplicates::Dedupe, Duplicates::Isolate][below(&mut dice, 2) as usize],
                strategy: [Strategy::Highest, Strategy::Lowest][below(&mut dice, 2) as usize],
                security: [Security::Strict, Security::Audit, Security::Permissive][below(&mut dice, 3) as usize],
                ..Options::default()
            };
            let shelf = Shelf::default();
            let solver = Solver::new(Space::new(&index, &shelf, &roots, &options), options.steps_max);
            match (search(&solver), solver.solve_with_proof()) {
                (Ok(Found::Answer(_)), Ok(_)) => yes += 1,
                (Ok(Found::Nothing(_)), Err(Unsolved::Conflict(_))) => no += 1,
                _ => panic!("they do not agree on {roots:?} of {index:?}"),
            }
        }
        assert!(yes > 1_000 && no > 100, "{yes} {no}");
    }

    /// Each needs both of a pair that goes together in no version but the oldest, so that every one of the newer has to be gone back from.
    #[test]
    fn goes_back_to_who_had_a_hand_in_it_and_no_further() {
        let mut index = MemoryIndex::default();
        let mut insert = |name: &str, version: u64, needs: &[String]| {
            let mut release = Release::new(format!("{version}.0.0").parse().unwrap(), Digest::of(format!("{name} {version}").as_bytes()));
            release.dependencies = needs.iter().map(|need| need.parse().unwrap()).collect();
            index.insert(&name.parse().unwrap(), release).unwrap();
        };
        for pair in 0..30 {
            for version in 1..6 {
                let others = |side: &str| [format!("a:of{pair}@={}.0.0", if version == 1 || side == "x" { version } else { version - 1 })];
                insert(&format!("a:x{pair}"), version, &others("x"));
                insert(&format!("a:y{pair}"), version, &others("y"));
                insert(&format!("a:of{pair}"), version, &[]);
            }
        }
        let roots: Vec<Dependency> =
            (0..30).flat_map(|pair| [format!("a:x{pair}"), format!("a:y{pair}")]).map(|root| root.parse().unwrap()).collect();
        let (options, shelf) = (Options::default(), Shelf::default());
        let solver = Solver::new(Space::new(&index, &shelf, &roots, &options), options.steps_max);
        assert!(matches!(search(&solver), Ok(Found::Answer(_))));
        assert!(solver.steps() < 3_000, "{}", solver.steps());
    }
}

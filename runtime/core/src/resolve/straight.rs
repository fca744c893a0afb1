//! Questions in which every first choice stands: decided one after the other, without noting why.
//!
//! The solver keeps a proof of everything, and many questions never need one. What a reader may get wrong: this is no second solver. It decides in the very
//! order in which the solver would, and as soon as anything speaks against a decision it gives up and the solver begins anew, so that the answer is the same.
//! That rests on how PubGrub 0.4 orders parts: by priority, and of equal ones the first that anybody needed. A test below holds the two against each other.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use pubgrub::{Dependencies, DependencyProvider, SelectedDependencies, VersionSet};
use rustc_hash::FxHashMap;

use super::set::Set;
use super::solver::{PARTS_MAX, Solver, rank};
use super::space::Part;

/// The solver's own where there was no conflict: the rank of a part, and how few of its candidates are left.
type Priority = (u8, Reverse<usize>);

/// A part that is needed.
struct Needed {
    part: Part,
    /// Candidates that suit all who need it so far.
    set: Set,
    /// How many candidates there are at all.
    length: usize,
    /// How many of them are in the set.
    count: usize,
    /// The one that was taken.
    place: Option<u32>,
}

/// Parts that are needed, in the order in which somebody first did.
#[derive(Default)]
struct Question {
    needed: Vec<Needed>,
    numbers: FxHashMap<Part, u32>,
    /// By priority. A part stands in it once for each time that its set was made smaller; only the last counts.
    open: BinaryHeap<(Priority, Reverse<u32>)>,
}

/// The answer where every first choice stands, and `None` where one does not or there are so many that to look ahead is worth its price.
pub(super) fn answer(solver: &Solver<'_>) -> Option<SelectedDependencies<Part, u32>> {
    let mut question = Question::default();
    question.need(solver, Part::Root, Set::singleton(0));
    let mut decided = 0;
    loop {
        solver.should_cancel().ok()?;
        let Some(number) = question.next() else { break };
        let Needed { part, set, .. } = &question.needed[number as usize];
        let part = *part;
        decided += 1;
        if decided > PARTS_MAX {
            return None;
        }
        let place = solver.choose(part, set)?;
        let needed = match solver.get_dependencies(&part, &place).ok()? {
            Dependencies::Available(needed) => needed,
            Dependencies::Unavailable(_) if question.leave_out(number, place) => continue,
            Dependencies::Unavailable(_) => return None,
        };
        question.needed[number as usize].place = Some(place);
        for (other, set) in needed {
            if !question.need(solver, other, set) {
                return None;
            }
        }
    }
    Some(question.needed.into_iter().filter_map(|needed| Some((needed.part, needed.place?))).collect())
}

impl Question {
    /// Notes that a part is needed, and which of its candidates would do. `false` where none is left, or another was taken.
    fn need(&mut self, solver: &Solver<'_>, part: Part, set: Set) -> bool {
        let new = self.needed.len() as u32;
        let number = *self.numbers.entry(part).or_insert(new);
        if number == new {
            let length = solver.space.borrow_mut().length(part);
            let (count, is_left) = (set.count_within(length), !set.is_empty());
            self.needed.push(Needed { part, set, length, count, place: None });
            self.put(number);
            return is_left;
        }
        let needed = &mut self.needed[number as usize];
        if let Some(place) = needed.place {
            return set.contains(&place);
        }
        let both = needed.set.intersection(&set);
        both == needed.set || self.narrow(number, both)
    }

    /// Notes that a candidate is none. `false` where no other is left.
    fn leave_out(&mut self, number: u32, place: u32) -> bool {
        let left = self.needed[number as usize].set.intersection(&Set::singleton(place).complement());
        self.narrow(number, left)
    }

    fn narrow(&mut self, number: u32, left: Set) -> bool {
        let needed = &mut self.needed[number as usize];
        needed.count = left.count_within(needed.length);
        needed.set = left;
        self.put(number);
        !self.needed[number as usize].set.is_empty()
    }

    fn put(&mut self, number: u32) {
        let Needed { part, count, .. } = self.needed[number as usize];
        self.open.push(((rank(part), Reverse(count)), Reverse(number)));
    }

    /// The part to decide next.
    fn next(&mut self) -> Option<u32> {
        while let Some(((.., Reverse(count)), Reverse(number))) = self.open.pop() {
            let needed = &self.needed[number as usize];
            if needed.place.is_none() && needed.count == count {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::space::Space;
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

    /// Plugins that mostly fit: little is asked for narrowly, and each that imports something depends on some of those who have it.
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
                    let range = ["*", ">=1", "^1", "^2", "^1.1", "<2", "~1.2"][below(dice, 7) as usize];
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
    fn answers_what_the_solver_answers_in_as_many_steps() {
        let (mut dice, mut both, mut solver_alone, mut neither) = (7, 0, 0, 0);
        for _ in 0..3_000 {
            let plugins = 3 + below(&mut dice, 12);
            let index = index(&mut dice, plugins);
            let roots: Vec<Dependency> = (0..1 + below(&mut dice, 2))
                .map(|root| format!("a:p{}@{}", root, ["*", "^1", "^2"][below(&mut dice, 3) as usize]))
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
            let selected = answer(&solver);
            let steps = solver.steps();
            let proven = solver.solve_with_proof();
            let Some(selected) = selected else {
                *if proven.is_ok() { &mut solver_alone } else { &mut neither } += 1;
                continue;
            };
            assert_eq!(solver.steps(), steps);
            let Ok(proven) = proven else { panic!("the solver finds nothing") };
            let parts = |selected: &SelectedDependencies<Part, u32>| {
                let mut parts: Vec<(Part, u32)> = selected.iter().map(|(part, place)| (*part, *place)).collect();
                parts.sort_unstable();
                parts
            };
            assert_eq!(parts(&selected), parts(&proven));
            both += 1;
        }
        assert!(both > 1_000 && solver_alone > 500 && neither > 0, "{both} {solver_alone} {neither}");
    }
}

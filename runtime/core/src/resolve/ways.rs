//! What would help where nothing fits: one change at a time is tried, and only what leads to a resolution is told.
//!
//! What a reader may get wrong: trying costs as much as resolving. There are few tries, and together they have so many steps: in a large graph a way out
//! may be there and not be found.

use std::cell::Cell;

use semver::VersionReq;

use super::answer;
use super::explain::Hints;
use super::shelf::Shelf;
use super::solver::Solver;
use super::space::Space;
use super::{Duplicates, Index, Options, Provider, Resolution, Security, Strategy};
use crate::{Dependency, Target};

/// Roots of which each is tried otherwise.
const ROOTS_TRIED: usize = 3;
/// Ways that are told.
const WAYS_MAX: usize = 3;
/// Steps of all tries together.
const STEPS_TRIED: u64 = 800;

pub(super) fn out(index: &dyn Index, roots: &[Dependency], options: &Options<'_>, hints: &Hints) -> Vec<String> {
    let left = Cell::new(STEPS_TRIED.min(options.steps_max));
    let attempt = |roots: &[Dependency], options: &Options<'_>| {
        let shelf = Shelf::default();
        let solver = Solver::new(Space::new(index, &shelf, roots, options), left.get());
        let selected = solver.answer();
        left.set(left.get().saturating_sub(solver.steps()));
        Some(answer::of(&mut solver.space.borrow_mut(), &selected?))
    };
    let mut ways = Vec::new();
    if !hints.peers.is_empty() {
        let more: Vec<Dependency> = roots.iter().chain(&hints.peers).cloned().collect();
        if attempt(&more, options).is_some() {
            let peers: Vec<String> = hints.peers.iter().map(|peer| format!("`{peer}`")).collect();
            ways.push(format!("ask for {} as well", peers.join(" and ")));
        }
    }
    for root in hints.roots.iter().take(ROOTS_TRIED) {
        ways.extend(otherwise(roots, root, &|roots| attempt(roots, options)));
    }
    if hints.left_out && options.security != Security::Permissive && options.strategy != Strategy::Locked {
        let resolution = attempt(roots, &with(options, |options| options.security = Security::Permissive));
        let concern = resolution.as_ref().and_then(|resolution| resolution.concerns.first());
        ways.extend(
            concern.map(|concern| format!("with security `permissive` it would be `{}`, although {}", concern.plugin, concern.what)),
        );
    }
    if hints.clash && options.duplicates == Duplicates::Dedupe {
        let resolution = attempt(roots, &with(options, |options| options.duplicates = Duplicates::Isolate));
        ways.extend(resolution.as_ref().and_then(side_by_side));
    }
    if options.strategy == Strategy::Locked && attempt(roots, &with(options, |options| options.strategy = Strategy::Highest)).is_some() {
        ways.push("resolve anew instead of from the lock: with other versions it fits".to_owned());
    }
    ways.truncate(WAYS_MAX);
    ways
}

/// Another version of what a root asks for, or without it.
fn otherwise(roots: &[Dependency], root: &Dependency, attempt: &dyn Fn(&[Dependency]) -> Option<Resolution>) -> Option<String> {
    let any = Dependency::new(root.target.clone(), VersionReq::STAR);
    let is_any = any == *root;
    let otherwise: Vec<Dependency> = roots.iter().map(|other| if other == root { any.clone() } else { other.clone() }).collect();
    if let Target::Plugin(name) = &root.target
        && !is_any
        && let Some(resolution) = attempt(&otherwise)
    {
        let link = resolution.roots.iter().find(|link| link.dependency.target == root.target)?;
        let Provider::Plugin(id) = &link.provider else { return None };
        return Some(format!("ask for `{name}@^{}` instead of `{root}`", id.version));
    }
    let without: Vec<Dependency> = roots.iter().filter(|other| *other != root).cloned().collect();
    if without.is_empty() || attempt(&without).is_none() {
        return None;
    }
    Some(format!("without `{root}` the rest fits"))
}

fn side_by_side(resolution: &Resolution) -> Option<String> {
    let pair = resolution.members.windows(2).find(|pair| pair[0].id.name == pair[1].id.name)?;
    Some(format!("with duplicates `isolate`, `{}` and `{}` would stand side by side", pair[0].id, pair[1].id))
}

fn with<'a>(options: &Options<'a>, change: impl FnOnce(&mut Options<'a>)) -> Options<'a> {
    let mut changed = options.clone();
    change(&mut changed);
    changed
}

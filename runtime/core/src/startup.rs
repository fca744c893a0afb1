//! In which order plugins are started: each after those it cannot start without, as many at once as can be.
//!
//! Pure; who starts them is elsewhere. What a reader may get wrong: plugins that depend on each other in a circle resolve and cannot be started, because
//! each would have to be there before the other.

use std::collections::VecDeque;
use std::fmt;

use crate::resolve::{PluginId, Resolution};

/// Plugins in the order in which they are started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Of each batch, all can be started at once when the batches before it are ready. Each batch is sorted.
    pub batches: Vec<Vec<PluginId>>,
}

/// Plugins that wait for each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycle {
    /// The shortest one: each needs the next, and the last the first.
    pub plugins: Vec<PluginId>,
    /// How many plugins are in some circle.
    pub entangled: usize,
}

impl Cycle {
    /// Stable, for machines.
    pub const CODE: &'static str = "E-RESOLVE-CYCLE";
}

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        write!(f, "cannot start `{}`: it needs ", self.plugins[0])?;
        for plugin in self.plugins.iter().skip(1).take(SHOWN) {
            write!(f, "`{plugin}`, which needs ")?;
        }
        if self.plugins.len() > SHOWN + 1 {
            write!(f, "… {} more …, of which the last needs ", self.plugins.len() - SHOWN - 1)?;
        }
        match self.plugins.len() {
            1 => f.write_str("itself")?,
            _ => write!(f, "`{}` again", self.plugins[0])?,
        }
        if self.entangled > self.plugins.len() {
            write!(f, " ({} plugins are in such circles)", self.entangled)?;
        }
        f.write_str("\nhint: let one of them do without another, or move what both need into a third")
    }
}

impl std::error::Error for Cycle {}

impl Order {
    /// The order in which the members of a resolution are started.
    ///
    /// # Errors
    /// When some wait for each other; the shortest circle is named.
    pub fn of(resolution: &Resolution) -> Result<Self, Cycle> {
        let ids: Vec<&PluginId> = resolution.members.iter().map(|member| &member.id).collect();
        let place = |id: &PluginId| ids.binary_search(&id).ok();
        let needs: Vec<Vec<usize>> =
            resolution.members.iter().map(|member| member.needs().into_iter().filter_map(place).collect()).collect();
        let Levels { batches, circles, entangled, .. } = levels(needs);
        if let Some(shortest) = circles.into_iter().min_by_key(Vec::len) {
            return Err(Cycle { plugins: shortest.into_iter().map(|at| ids[at].clone()).collect(), entangled });
        }
        // Members are in the order of their names, and so is each batch.
        Ok(Self { batches: batches.into_iter().map(|batch| batch.into_iter().map(|at| ids[at].clone()).collect()).collect() })
    }
}

/// Things by when they can be started, for whoever knows them by their places in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Levels {
    /// Of each batch, all can be started at once when the batches before it are ready. Each batch is sorted. Those in one circle are in one batch.
    pub batches: Vec<Vec<usize>>,
    /// What each needs that is not in a circle with it.
    pub needs: Vec<Vec<usize>>,
    /// Of all that are entangled with each other, the shortest circle: each needs the next, and the last the first.
    pub circles: Vec<Vec<usize>>,
    /// How many are in some circle.
    pub entangled: usize,
}

/// Orders things by what each needs: places in the same list.
pub fn levels(mut needs: Vec<Vec<usize>>) -> Levels {
    let components = components(&needs);
    let is_circle = |component: &&Vec<usize>| component.len() > 1 || needs[component[0]].contains(&component[0]);
    let entangled: Vec<&Vec<usize>> = components.iter().filter(is_circle).collect();
    let circles = entangled.iter().map(|component| shortest(&needs, component)).collect();
    let entangled = entangled.iter().map(|component| component.len()).sum();
    // Tarjan's algorithm leaves each component after those it needs, so one pass is enough.
    let (mut level, mut batches): (Vec<usize>, Vec<Vec<usize>>) = (vec![0; needs.len()], Vec::new());
    let mut inside = vec![usize::MAX; needs.len()];
    for (number, component) in components.iter().enumerate() {
        component.iter().for_each(|&at| inside[at] = number);
        for &at in component {
            needs[at].retain(|&other| inside[other] != number);
        }
        let above = component.iter().flat_map(|&at| &needs[at]).map(|&other| level[other] + 1).max().unwrap_or(0);
        if batches.len() <= above {
            batches.resize_with(above + 1, Vec::new);
        }
        component.iter().for_each(|&at| level[at] = above);
        batches[above].extend(component);
    }
    batches.iter_mut().for_each(|batch| batch.sort_unstable());
    Levels { batches, needs, circles, entangled }
}

/// Sets of plugins that need each other, each after those that it needs: Tarjan's algorithm, with a stack of its own because chains are long.
fn components(needs: &[Vec<usize>]) -> Vec<Vec<usize>> {
    const NEW: usize = usize::MAX;
    let (mut number, mut low, mut waiting) = (vec![NEW; needs.len()], vec![0; needs.len()], vec![false; needs.len()]);
    let (mut found, mut pile, mut count) = (Vec::new(), Vec::new(), 0);
    for start in 0..needs.len() {
        if number[start] != NEW {
            continue;
        }
        let mut path = vec![(start, 0)];
        while let Some((at, next)) = path.pop() {
            if next == 0 {
                (number[at], low[at], waiting[at]) = (count, count, true);
                count += 1;
                pile.push(at);
            }
            if let Some(&other) = needs[at].get(next) {
                path.push((at, next + 1));
                if number[other] == NEW {
                    path.push((other, 0));
                } else if waiting[other] {
                    low[at] = low[at].min(number[other]);
                }
                continue;
            }
            if low[at] == number[at] {
                let from = pile.iter().rposition(|other| *other == at).unwrap_or(0);
                let component = pile.split_off(from);
                component.iter().for_each(|&other| waiting[other] = false);
                found.push(component);
            }
            if let Some(&(parent, _)) = path.last() {
                low[parent] = low[parent].min(low[at]);
            }
        }
    }
    found
}

/// Members of a circle from which the search for the shortest one starts; of a larger one the shortest through any of these is named.
const STARTS_MAX: usize = 256;

fn shortest(needs: &[Vec<usize>], component: &[usize]) -> Vec<usize> {
    let mut inside = vec![false; needs.len()];
    component.iter().for_each(|&at| inside[at] = true);
    let mut starts = component.to_vec();
    starts.sort_unstable();
    let mut best: Option<Vec<usize>> = None;
    for &start in starts.iter().take(STARTS_MAX) {
        let mut from = vec![None; needs.len()];
        let mut open = VecDeque::from([(start, 1)]);
        while let Some((at, length)) = open.pop_front() {
            if best.as_ref().is_some_and(|best| best.len() <= length) && at != start {
                break;
            }
            if needs[at].contains(&start) {
                let mut circle = vec![at];
                while let Some(before) = from[circle[circle.len() - 1]] {
                    circle.push(before);
                }
                circle.reverse();
                if best.as_ref().is_none_or(|best| circle.len() < best.len()) {
                    best = Some(circle);
                }
                break;
            }
            for &other in &needs[at] {
                if inside[other] && from[other].is_none() && other != start {
                    from[other] = Some(at);
                    open.push_back((other, length + 1));
                }
            }
        }
    }
    best.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_in_a_circle_start_together_and_the_rest_in_order() {
        // 0 needs 1, 1 and 2 need each other, 2 needs 3, 4 needs itself.
        let levels = levels(vec![vec![1], vec![2], vec![1, 3], vec![], vec![4]]);
        assert_eq!(levels.batches, [vec![3, 4], vec![1, 2], vec![0]]);
        assert_eq!(levels.needs, [vec![1], vec![], vec![3], vec![], vec![]]);
        assert_eq!((levels.circles, levels.entangled), (vec![vec![1, 2], vec![4]], 3));
    }
}

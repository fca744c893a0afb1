//! Who is wired to whom among the installations of a runtime, so that nobody is wired to himself through others.
//!
//! Entered before a provider is loaded: of two plugins that import from each other the second one to ask is told of the circle instead of waiting for the first.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Mutex;

use plugwork_core::record::ConsentKey;

/// Providers of each plugin.
#[derive(Default)]
pub(crate) struct Circles(Mutex<HashMap<ConsentKey, BTreeSet<ConsentKey>>>);

impl Circles {
    /// Notes that one plugin is wired to another; says whether that is new.
    ///
    /// # Errors
    /// The way back from that one, both ends included: then it is not noted.
    pub(crate) fn enter(&self, caller: &ConsentKey, provider: &ConsentKey) -> Result<bool, Vec<ConsentKey>> {
        let mut edges = self.0.lock().expect("no panic happens under this lock");
        if let Some(mut way) = way(&edges, provider, caller) {
            way.insert(0, caller.clone());
            return Err(way);
        }
        Ok(edges.entry(caller.clone()).or_default().insert(provider.clone()))
    }

    /// It is wired to these and to nobody else.
    pub(crate) fn settle(&self, caller: &ConsentKey, providers: BTreeSet<ConsentKey>) {
        let mut edges = self.0.lock().expect("no panic happens under this lock");
        if providers.is_empty() {
            edges.remove(caller)
        } else {
            edges.insert(caller.clone(), providers)
        };
    }

    /// It is not wired to these after all.
    pub(crate) fn leave(&self, caller: &ConsentKey, providers: &[ConsentKey]) {
        if let Some(kept) = self.0.lock().expect("no panic happens under this lock").get_mut(caller) {
            kept.retain(|provider| !providers.contains(provider));
        }
    }

    /// Forgets a plugin that is gone.
    pub(crate) fn forget(&self, caller: &ConsentKey) {
        self.0.lock().expect("no panic happens under this lock").remove(caller);
    }
}

/// The shortest way between two plugins, both included.
fn way(edges: &HashMap<ConsentKey, BTreeSet<ConsentKey>>, from: &ConsentKey, to: &ConsentKey) -> Option<Vec<ConsentKey>> {
    let mut before: BTreeMap<&ConsentKey, Option<&ConsentKey>> = BTreeMap::from([(from, None)]);
    let mut open = VecDeque::from([from]);
    while let Some(at) = open.pop_front() {
        if at == to {
            let mut way = vec![at.clone()];
            let mut step = before[at];
            while let Some(earlier) = step {
                way.push(earlier.clone());
                step = before[earlier];
            }
            way.reverse();
            return Some(way);
        }
        for next in edges.get(at).into_iter().flatten() {
            before.entry(next).or_insert_with(|| {
                open.push_back(next);
                Some(at)
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ConsentKey {
        ConsentKey { tenant: "default".to_owned(), instance: String::new(), package: format!("a:{name}").parse().unwrap() }
    }

    #[test]
    fn a_circle_is_told_with_all_who_are_in_it_and_nothing_of_it_is_kept() {
        let circles = Circles::default();
        circles.enter(&key("a"), &key("b")).unwrap();
        circles.enter(&key("b"), &key("c")).unwrap();
        circles.enter(&key("a"), &key("c")).unwrap();
        let names = |way: Vec<ConsentKey>| way.iter().map(|key| key.package.name().to_owned()).collect::<String>();
        assert_eq!(names(circles.enter(&key("c"), &key("a")).unwrap_err()), "cac");
        assert_eq!(names(circles.enter(&key("c"), &key("b")).unwrap_err()), "cbc");
        assert_eq!(names(circles.enter(&key("a"), &key("a")).unwrap_err()), "aa");
        circles.leave(&key("a"), &[key("b")]);
        assert_eq!(names(circles.enter(&key("c"), &key("a")).unwrap_err()), "cac");
        circles.settle(&key("a"), BTreeSet::from([key("b")]));
        assert!(circles.enter(&key("c"), &key("b")).is_err());
        circles.forget(&key("a"));
        assert!(circles.enter(&key("c"), &key("a")).unwrap() && !circles.enter(&key("c"), &key("a")).unwrap());
    }
}

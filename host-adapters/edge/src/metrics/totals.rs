//! What plugins used since the process began, by the names that applications have for them: through all their versions, so that no sum ever falls.
//!
//! Easily got wrong: an account counts from 0 where a plugin was loaded anew. And of two looks at one account the older must not come after the newer, so whoever
//! looks does it under the lock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use plugwork::Usage;

use super::SERIES_MAX;
use super::text::COUNTERS;
use crate::mount::{Mount, MountKey};
use crate::node::{Node, Used};

/// Tenant, application, and the application's name for a plugin.
pub(super) type Names = (String, String, String);

/// What was counted: by [`COUNTERS`], in their order, and calls into the host by family of interfaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Amounts {
    pub(super) counts: [u64; COUNTERS.len()],
    pub(super) host_calls: BTreeMap<&'static str, u64>,
}

/// The sums of one server.
#[derive(Debug, Default)]
pub(crate) struct Totals(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    last: BTreeMap<MountKey, Last>,
    sums: BTreeMap<Names, Amounts>,
}

/// What is known of one plugin from the look before.
#[derive(Debug)]
struct Last {
    names: Names,
    account: u64,
    amounts: Amounts,
}

impl Amounts {
    fn of(usage: &Usage) -> Self {
        Self { counts: COUNTERS.map(|(_, _, count)| count(usage)), host_calls: usage.host_calls_by_interface.clone() }
    }

    /// Adds what came after `before`, of one account.
    fn grow(&mut self, now: &Self, before: &Self) {
        for ((sum, now), before) in self.counts.iter_mut().zip(now.counts).zip(before.counts) {
            *sum += now.saturating_sub(before);
        }
        for (interface, now) in &now.host_calls {
            *self.host_calls.entry(interface).or_default() +=
                now.saturating_sub(before.host_calls.get(interface).copied().unwrap_or_default());
        }
    }
}

impl Totals {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at every plugin that is served. Gives that look, and the sums of all that ever were and are remembered.
    pub(super) fn look(&self, node: &Node) -> (Used, BTreeMap<Names, Amounts>) {
        let mut open = self.open();
        let used = node.used();
        for one in used.each() {
            open.enter(one.mount, one.usage);
        }
        let sums = open.sums.clone();
        (used, sums)
    }

    /// Looks at a plugin that ends now, and gives that look. `goes_on`: another one is served under its name.
    pub(crate) fn last_look(&self, node: &Node, mount: &Mount, goes_on: bool) -> Used {
        let mut open = self.open();
        let used = node.used();
        if let Some(usage) = used.of(mount) {
            open.enter(mount, usage);
        }
        if !goes_on {
            open.last.remove(&mount.known_as());
        }
        used
    }
}

impl Open {
    fn enter(&mut self, mount: &Mount, usage: &Usage) {
        let names = (mount.key.tenant.clone(), mount.key.application.clone(), mount.name.clone());
        self.add(mount.known_as(), Last { names, account: usage.account, amounts: Amounts::of(usage) });
    }

    fn add(&mut self, key: MountKey, now: Last) {
        let before = self.last.remove(&key).filter(|before| before.account == now.account);
        let before = before.map(|before| before.amounts).unwrap_or_default();
        self.sums.entry(now.names.clone()).or_default().grow(&now.amounts, &before);
        self.last.insert(key, now);
        // Those that are gone make room.
        if self.sums.len() > self.last.len() + SERIES_MAX {
            let last: BTreeSet<&Names> = self.last.values().map(|last| &last.names).collect();
            self.sums.retain(|names, _| last.contains(&names));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(account: u64, calls: u64, name: &str) -> Last {
        let mut amounts = Amounts { host_calls: [("kv", calls * 2)].into(), ..Amounts::default() };
        amounts.counts[0] = calls;
        Last { names: (String::new(), String::new(), name.to_owned()), account, amounts }
    }

    fn key(label: &str) -> MountKey {
        (String::new(), label.to_owned())
    }

    fn sum(open: &Open, name: &str) -> Option<(u64, u64)> {
        let sum = open.sums.get(&(String::new(), String::new(), name.to_owned()))?;
        Some((sum.counts[0], sum.host_calls["kv"]))
    }

    #[test]
    fn a_sum_goes_on_through_versions_and_accounts() {
        let mut open = Open::default();
        open.add(key("one"), look(1, 5, "p"));
        open.add(key("two"), look(2, 3, "p"));
        assert_eq!(sum(&open, "p"), Some((8, 16)));
        open.last.remove(&key("one"));
        open.add(key("two"), look(2, 4, "p"));
        assert_eq!(sum(&open, "p"), Some((9, 18)), "what has ended counts");
        open.add(key("two"), look(3, 1, "p"));
        assert_eq!(sum(&open, "p"), Some((10, 20)), "another account began with nothing");
    }

    #[test]
    fn names_that_are_gone_make_room_and_those_that_are_served_stay() {
        let mut open = Open::default();
        open.add(key("served"), look(1, 7, "served"));
        for number in 0..=SERIES_MAX {
            open.add(key("other"), look(2, 1, &number.to_string()));
            open.last.remove(&key("other"));
        }
        assert!(open.sums.len() <= SERIES_MAX + 2, "{}", open.sums.len());
        assert_eq!(sum(&open, "served"), Some((7, 14)));
    }
}

//! `plugwork.lock`: which versions an application has, down to the bytes, so that tomorrow's resolution is today's.
//!
//! Text is made for merging: tables and lines are sorted, each says one thing, nothing is counted or hashed over the whole. What a reader may get wrong:
//! a lock is no proof. It is checked against the index ([`Lock::misfits`]), and bytes against digests where they are fetched.

mod fits;
mod read;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use semver::{Version, VersionReq};

use crate::resolve::{PluginId, Provider, Resolution};
use crate::{Digest, Grants, InterfaceName, Issue, PackageName, Target};

/// Bytes of a lock.
pub const LOCK_BYTES_MAX: usize = 16 << 20;
/// Plugins in a lock.
pub const LOCK_PLUGINS_MAX: usize = 20_000;

/// What a lock says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// What was asked for.
    pub roots: BTreeMap<Target, VersionReq>,
    /// What it came to.
    pub plugins: BTreeMap<PluginId, Locked>,
}

/// One plugin of a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    /// The component.
    pub digest: Digest,
    /// What it imports and exports: [`crate::resolve::Release::interfaces`].
    pub interfaces: Digest,
    /// What it was granted when this was written: [`granted`]. None where it had not been decided.
    pub granted: Option<Digest>,
    /// The plugins that it cannot start without.
    pub needs: BTreeSet<PluginId>,
    /// Who provides its imports.
    pub imports: BTreeMap<InterfaceName, Provider>,
}

/// Everything that is wrong with the text of a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockError {
    /// At least one.
    pub issues: Vec<Issue>,
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`plugwork.lock` is not a lock:")?;
        self.issues.iter().try_for_each(|issue| write!(f, "\n  {issue}"))?;
        f.write_str("\nhint: after a merge, resolve anew with the lock of one side")
    }
}

impl std::error::Error for LockError {}

/// A digest of grants, the same for the same rights however they were written down.
pub fn granted(grants: &Grants) -> Digest {
    let lines = grants.iter().map(|grant| {
        let mut bounds: Vec<(&String, &serde_json::Value)> = grant.bounds.iter().collect();
        bounds.sort_by_key(|(name, _)| *name);
        let bounds: Vec<String> = bounds.into_iter().map(|(name, value)| format!("{name}={}", sorted(value))).collect();
        format!("{} {}\n", grant.capability, bounds.join(" "))
    });
    Digest::of(lines.collect::<String>().as_bytes())
}

/// A value with the keys of objects in order. As deep as the bounds of a grant, which their reader limits.
fn sorted(value: &serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(entries) => {
            let entries: BTreeMap<&String, serde_json::Value> = entries.iter().map(|(key, value)| (key, sorted(value))).collect();
            entries.into_iter().map(|(key, value)| (key.clone(), value)).collect()
        }
        serde_json::Value::Array(values) => values.iter().map(sorted).collect(),
        plain => plain.clone(),
    }
}

impl Lock {
    /// Locks a resolution; `grants` says what a plugin has been granted, if that is decided.
    pub fn of(resolution: &Resolution, grants: impl Fn(&PluginId) -> Option<Digest>) -> Self {
        let roots = resolution.roots.iter().map(|link| (link.dependency.target.clone(), link.dependency.versions.clone()));
        let plugins = resolution.members.iter().map(|member| {
            let locked = Locked {
                digest: member.digest,
                interfaces: member.interfaces,
                granted: grants(&member.id),
                needs: member.needs().into_iter().cloned().collect(),
                imports: member.imports.iter().cloned().collect(),
            };
            (member.id.clone(), locked)
        });
        Self { roots: roots.collect(), plugins: plugins.collect() }
    }

    /// Reads the text of a lock; every complaint about its meaning comes at once.
    ///
    /// # Errors
    /// When it is no TOML, or says what no lock says.
    pub fn parse(text: &str) -> Result<Self, LockError> {
        read::lock(text).map_err(|issues| LockError { issues })
    }

    /// The versions it has, as [`crate::resolve::Options::kept`].
    pub fn kept(&self) -> BTreeMap<PackageName, BTreeSet<Version>> {
        let mut kept: BTreeMap<PackageName, BTreeSet<Version>> = BTreeMap::new();
        for id in self.plugins.keys() {
            kept.entry(id.name.clone()).or_default().insert(id.version.clone());
        }
        kept
    }

    /// Who provides what, as [`crate::resolve::Options::wired`].
    pub fn wired(&self) -> BTreeMap<PluginId, BTreeMap<InterfaceName, Provider>> {
        self.plugins.iter().map(|(id, locked)| (id.clone(), locked.imports.clone())).collect()
    }
}

impl fmt::Display for Lock {
    /// The one spelling: what is parsed and written is the same text again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write::lock(self, f)
    }
}

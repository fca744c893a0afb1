//! Grants: permissions as allowed. A grant can narrow what was asked, never widen it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::permission::write_bounds;
use crate::{Issue, Manifest, policy};

/// One permission as allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Which capability.
    pub capability: String,
    /// The bounds in force.
    pub bounds: Map<String, Value>,
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.capability)?;
        write_bounds(f, &self.bounds)
    }
}

/// What one plugin was granted, by capability. Empty grants nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Grants(BTreeMap<String, Map<String, Value>>);

impl Grants {
    /// Nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds one, replacing an earlier one of the same capability.
    pub fn with(mut self, capability: &str, bounds: Map<String, Value>) -> Self {
        self.0.insert(capability.to_owned(), bounds);
        self
    }

    /// The bounds of one capability, if it was granted.
    pub fn get(&self, capability: &str) -> Option<&Map<String, Value>> {
        self.0.get(capability)
    }

    /// Every grant, in the order of capability names.
    pub fn iter(&self) -> impl Iterator<Item = Grant> + '_ {
        self.0.iter().map(|(capability, bounds)| Grant { capability: capability.clone(), bounds: bounds.clone() })
    }

    /// Whether nothing was granted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Everything that the manifest asks for, exactly as asked, but for what only a host can name: private networks, folders, values.
    pub fn all_asked(manifest: &Manifest) -> Self {
        let asked = |(name, asked): (&String, &crate::Permission)| (name.clone(), policy::askable(name, &asked.bounds));
        Self(manifest.permissions.iter().map(asked).collect())
    }

    /// What would be in force if everything that the manifest asks for were granted to a plugin that runs under these grants now: what is asked,
    /// with the host's own part and the limits on top carried over. The difference to it is what an update shows.
    pub fn carried(&self, manifest: &Manifest) -> Self {
        let carry = |(name, asked): (&String, &crate::Permission)| {
            let asked = policy::order::with_defaults(name, &asked.bounds).unwrap_or_else(|_| asked.bounds.clone());
            let mut bounds = policy::askable(name, &asked);
            for (key, value) in self.get(name).into_iter().flatten() {
                bounds.entry(key.clone()).or_insert_with(|| value.clone());
            }
            (name.clone(), bounds)
        };
        Self(manifest.permissions.iter().map(carry).collect())
    }

    /// What is in force when these are given to a plugin with this manifest: each narrows what was asked and takes over the bounds
    /// it does not mention. All complaints at once. A component without a manifest asks for nothing by name, so any grant stands.
    pub fn narrowing(&self, manifest: Option<&Manifest>) -> Result<Self, Vec<Issue>> {
        let mut effective = BTreeMap::new();
        let mut issues = Vec::new();
        for (capability, granted) in &self.0 {
            let asked = match manifest.map(|manifest| manifest.permissions.get(capability)) {
                Some(Some(permission)) => Some(&permission.bounds),
                Some(None) => {
                    issues.push(Issue {
                        what: "more granted than asked: the plugin does not ask for it".to_owned(),
                        at: format!("grants.{capability}"),
                        expected: "only what its manifest asks for".to_owned(),
                    });
                    continue;
                }
                None => None,
            };
            match policy::narrow(capability, asked, granted) {
                Ok(bounds) => {
                    effective.insert(capability.clone(), bounds);
                }
                Err(mut issue) => {
                    issue.at = format!("grants.{capability}{}{}", if issue.at.is_empty() { "" } else { "." }, issue.at);
                    issues.push(issue);
                }
            }
        }
        if issues.is_empty() { Ok(Self(effective)) } else { Err(issues) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn bounds(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn manifest() -> Manifest {
        Manifest::parse(
            "name='a:b'\nversion='1.0.0'\n[permissions.http]\nhosts=['*.example.com']\nmethods=['GET','POST']\n[permissions.filesystem]\naccess='read'",
        )
        .unwrap()
    }

    #[test]
    fn a_narrower_grant_keeps_the_bounds_it_does_not_mention() {
        let granted = Grants::none().with("http", bounds(json!({"hosts": ["api.example.com"]})));
        let effective = granted.narrowing(Some(&manifest())).unwrap();
        assert_eq!(effective.get("http").unwrap()["hosts"], json!(["api.example.com"]));
        assert_eq!(effective.get("http").unwrap()["methods"], json!(["GET", "POST"]));
    }

    #[test]
    fn refuses_more_than_was_asked_and_says_all_of_it() {
        let granted = Grants::none()
            .with("http", bounds(json!({"hosts": ["example.org"]})))
            .with("filesystem", bounds(json!({"access": "write", "root": "/tmp"})))
            .with("random", Map::new());
        let issues = granted.narrowing(Some(&manifest())).unwrap_err();
        let places: Vec<_> = issues.iter().map(|issue| issue.at.as_str()).collect();
        assert_eq!(places, ["grants.filesystem.access", "grants.http.hosts", "grants.random"]);
    }
}

//! What `cargo metadata` says: which package needs which. Read once, judged by the rules beside this file.
//!
//! Easily got wrong: only what a Linux build needs is asked for, so that a check downloads nothing that was not built anyway.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::house::House;
use crate::program::Program;

/// One package of a workspace or from a registry.
#[derive(Debug, Default)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    /// Where it was fetched from; none for our own.
    pub(super) source: Option<String>,
    /// The licence expression.
    pub(super) licence: Option<String>,
    pub(super) is_member: bool,
    /// What it needs.
    pub(super) needs: Vec<Need>,
}

/// An arrow between packages.
#[derive(Debug)]
pub(super) struct Need {
    /// Index into [`Graph::packages`].
    pub(super) package: usize,
    /// Only tests, examples and benchmarks need it.
    pub(super) is_dev: bool,
}

/// All packages of one workspace and what they need.
#[derive(Debug, Default)]
pub(super) struct Graph {
    pub(super) packages: Vec<Package>,
}

impl Graph {
    /// The packages that one needs, at any depth, itself included; dev-dependencies left out.
    pub(super) fn closure(&self, from: usize) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut waiting = vec![from];
        while let Some(index) = waiting.pop() {
            if reached.insert(index) {
                waiting.extend(self.packages[index].needs.iter().filter(|need| !need.is_dev).map(|need| need.package));
            }
        }
        reached
    }

    /// The indexes of all versions of a package.
    pub(super) fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.packages.iter().enumerate().filter(move |(_, package)| package.name == name).map(|(index, _)| index)
    }
}

/// Asks Cargo about the workspace in a folder.
pub(super) fn read(house: &House, folder: &str) -> Result<Graph> {
    let dir = house.root.join(folder);
    let platform = platform(house)?;
    let text = Program::cargo_in(&dir, &house.target).args(["metadata", "--format-version", "1", "--filter-platform", &platform]).read()?;
    parse(&text).with_context(|| format!("cannot read what `cargo metadata` says about `{}`", dir.display()))
}

/// The platform that is built for, as `rustc` calls it.
pub(super) fn platform(house: &House) -> Result<String> {
    let about = Program::new("rustc", &house.root).arg("-vV").read()?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("`rustc -vV` does not name the host")?.trim().to_owned())
}

fn parse(text: &str) -> Result<Graph> {
    let data: Value = serde_json::from_str(text)?;
    let word = |value: &Value| value.as_str().map(str::to_owned);
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let members: BTreeSet<String> = list(&data["workspace_members"]).iter().filter_map(word).collect();
    let mut packages = Vec::new();
    let mut indexes = BTreeMap::new();
    for package in list(&data["packages"]) {
        let id = word(&package["id"]).context("a package has no id")?;
        packages.push(Package {
            name: word(&package["name"]).context("a package has no name")?,
            version: word(&package["version"]).context("a package has no version")?,
            source: word(&package["source"]),
            licence: word(&package["license"]),
            is_member: members.contains(&id),
            needs: Vec::new(),
        });
        indexes.insert(id, packages.len() - 1);
    }
    for node in list(&data["resolve"]["nodes"]) {
        let index = |value: &Value| value.as_str().and_then(|id| indexes.get(id)).copied();
        let from = index(&node["id"]).context("a node names no package")?;
        for need in list(&node["deps"]) {
            let package = index(&need["pkg"]).context("a dependency names no package")?;
            let is_dev = list(&need["dep_kinds"]).iter().all(|kind| kind["kind"] == "dev");
            packages[from].needs.push(Need { package, is_dev });
        }
    }
    Ok(Graph { packages })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A made-up workspace: `a -> b, c` in each line; a name with a `?` is needed for tests only; a name with a version (`x@1`) is no member.
    pub(crate) fn drawn(lines: &[&str]) -> Graph {
        let mut graph = Graph::default();
        let index = |graph: &mut Graph, text: &str| {
            let (name, version) = text.split_once('@').unwrap_or((text, "0.1.0"));
            let known = graph.packages.iter().position(|package| package.name == name && package.version == version);
            known.unwrap_or_else(|| {
                let is_member = !text.contains('@');
                graph.packages.push(Package { name: name.to_owned(), version: version.to_owned(), is_member, ..Package::default() });
                graph.packages.len() - 1
            })
        };
        for line in lines {
            let (from, needs) = line.split_once("->").unwrap_or((line, ""));
            let from = index(&mut graph, from.trim());
            for need in needs.split(',').map(str::trim).filter(|need| !need.is_empty()) {
                let package = index(&mut graph, need.trim_end_matches('?'));
                graph.packages[from].needs.push(Need { package, is_dev: need.ends_with('?') });
            }
        }
        graph
    }

    #[test]
    fn reads_members_sources_and_kinds() {
        let text = r#"{
            "packages": [
                {"id": "a-id", "name": "a", "version": "0.1.0", "source": null, "license": "MIT"},
                {"id": "b-id", "name": "b", "version": "2.0.0", "source": "registry+x", "license": null}
            ],
            "workspace_members": ["a-id"],
            "resolve": {"nodes": [
                {"id": "a-id", "deps": [{"name": "b", "pkg": "b-id", "dep_kinds": [{"kind": "dev"}, {"kind": null}]}]},
                {"id": "b-id", "deps": []}
            ]}
        }"#;
        let graph = parse(text).unwrap();
        let (a, b) = (&graph.packages[0], &graph.packages[1]);
        assert!(a.is_member && !b.is_member);
        assert_eq!(b.source.as_deref(), Some("registry+x"));
        assert!(!a.needs[0].is_dev, "needed by more than tests");
    }

    #[test]
    fn a_closure_leaves_out_what_only_tests_need() {
        let graph = drawn(&["a -> b, t?", "b -> x@1", "t -> y@1"]);
        let names: Vec<&str> = graph.closure(0).into_iter().map(|index| graph.packages[index].name.as_str()).collect();
        assert_eq!(names, ["a", "b", "x"]);
    }
}

//! Licences, sources and banned packages, as `deny.toml` says, enforced with no tool but Cargo.
//!
//! `cargo deny check` reads the same file and looks deeper (advisories, platforms this machine does not build for). Easily got wrong: `AND`
//! binds tighter than `OR`, and `A/B`, as old packages write, means `A OR B`.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};

use super::Finding;
use super::graph::{Graph, Package};
use crate::house::House;

/// What `deny.toml` allows and forbids.
#[derive(Debug, Default)]
struct Policy {
    licences: Vec<String>,
    /// Licences that only one package may have: package, licence.
    exceptions: Vec<(String, String)>,
    banned: Vec<String>,
    /// Packages of which there may be one version.
    single: Vec<String>,
}

/// Checks every workspace's packages.
pub(super) fn check(house: &House, graphs: &[Graph]) -> Result<Vec<Finding>> {
    let path = house.root.join("deny.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let policy = policy(&text).context("cannot understand `deny.toml`")?;
    Ok(graphs.iter().flat_map(|graph| judge(graph, &policy)).collect())
}

fn policy(text: &str) -> Result<Policy> {
    let table: toml::Table = toml::from_str(text)?;
    let section = |name: &str| table.get(name).and_then(toml::Value::as_table).with_context(|| format!("`[{name}]` is missing"));
    let list = |table: &toml::Table, name: &str| table.get(name).and_then(toml::Value::as_array).cloned().unwrap_or_default();
    let word = |value: &toml::Value| value.as_str().map(str::to_owned);
    let (licences, bans, sources) = (section("licenses")?, section("bans")?, section("sources")?);
    for rule in ["unknown-registry", "unknown-git"] {
        anyhow::ensure!(sources.get(rule).and_then(toml::Value::as_str) == Some("deny"), "`sources.{rule}` must be \"deny\"");
    }
    let mut policy = Policy { licences: list(licences, "allow").iter().filter_map(word).collect(), ..Policy::default() };
    for exception in list(licences, "exceptions") {
        let package = exception.get("crate").and_then(word).context("an exception needs `crate`")?;
        let allowed = exception.get("allow").and_then(toml::Value::as_array).context("an exception needs `allow`")?;
        policy.exceptions.extend(allowed.iter().filter_map(word).map(|licence| (package.clone(), licence)));
    }
    for ban in list(bans, "deny") {
        let package = ban.get("crate").and_then(word).context("a ban needs `crate`")?;
        let single = ban.get("deny-multiple-versions").and_then(toml::Value::as_bool).unwrap_or(false);
        if single { policy.single.push(package) } else { policy.banned.push(package) }
    }
    Ok(policy)
}

fn judge(graph: &Graph, policy: &Policy) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut registries = BTreeSet::new();
    for package in &graph.packages {
        let name = format!("{} {}", package.name, package.version);
        if policy.banned.contains(&package.name) {
            findings.push(Finding::error(&name, "is banned by `deny.toml`", "see `cargo tree --invert` for who needs it, and cut that"));
        }
        if let Some(complaint) = licence(package, policy) {
            findings.push(Finding::error(&name, complaint, "do without it, or allow the licence in `deny.toml` and say why"));
        }
        match package.source.as_deref() {
            Some(source) if source.starts_with("registry+") || source.starts_with("sparse+") => drop(registries.insert(source)),
            Some(source) => {
                let kind = source.split('+').next().unwrap_or_default();
                findings.push(Finding::error(&name, format_args!("comes from a `{kind}` source"), "take a release from the registry"));
            }
            None => {}
        }
    }
    if registries.len() > 1 {
        findings.push(Finding::error("Cargo.lock", format_args!("uses {} registries", registries.len()), "keep to Cargo's own"));
    }
    for name in &policy.single {
        let versions: Vec<&str> = graph.named(name).map(|index| graph.packages[index].version.as_str()).collect();
        if versions.len() > 1 {
            let complaint = format!("is there in {} versions ({})", versions.len(), versions.join(", "));
            findings.push(Finding::error(name, complaint, "see `cargo tree --duplicates`, and agree on one"));
        }
    }
    findings
}

fn licence(package: &Package, policy: &Policy) -> Option<String> {
    let Some(expression) = &package.licence else { return Some("names no licence".to_owned()) };
    let allowed = |licence: &str| {
        policy.licences.iter().any(|known| known == licence)
            || policy.exceptions.iter().any(|(name, known)| *name == package.name && known == licence)
    };
    match satisfied(expression, &allowed) {
        Some(true) => None,
        Some(false) => Some(format!("has the licence `{expression}`, which `deny.toml` does not allow")),
        None => Some(format!("has the licence `{expression}`, which is no licence expression")),
    }
}

/// Whether an SPDX expression can be met by allowed licences; none when it is no expression.
fn satisfied(expression: &str, allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let answer = any(&mut rest, allowed)?;
    rest.is_empty().then_some(answer)
}

fn any(words: &mut &[&str], allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut answer = all(words, allowed)?;
    while let Some(("OR", rest)) = words.split_first().map(|(first, rest)| (*first, rest)) {
        *words = rest;
        answer |= all(words, allowed)?;
    }
    Some(answer)
}

fn all(words: &mut &[&str], allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut answer = one(words, allowed)?;
    while let Some(("AND", rest)) = words.split_first().map(|(first, rest)| (*first, rest)) {
        *words = rest;
        answer &= one(words, allowed)?;
    }
    Some(answer)
}

fn one(words: &mut &[&str], allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    match **words {
        ["(", ref rest @ ..] => {
            *words = rest;
            let answer = any(words, allowed)?;
            let (close, rest) = words.split_first()?;
            *words = rest;
            (*close == ")").then_some(answer)
        }
        ["OR" | "AND" | "WITH" | ")", ..] | [] => None,
        [licence, "WITH", exception, ref rest @ ..] => {
            *words = rest;
            Some(allowed(&format!("{licence} WITH {exception}")))
        }
        [licence, ref rest @ ..] => {
            *words = rest;
            Some(allowed(licence))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::graph::tests::drawn;

    const DENY: &str = r#"
        [licenses]
        allow = ["MIT", "Apache-2.0 WITH LLVM-exception"]
        exceptions = [{ crate = "odd", allow = ["Zlib"] }]
        [bans]
        deny = [{ crate = "openssl" }, { crate = "wasmtime", deny-multiple-versions = true }]
        [sources]
        unknown-registry = "deny"
        unknown-git = "deny"
    "#;

    fn complaints(graph: &Graph) -> Vec<String> {
        judge(graph, &policy(DENY).unwrap()).iter().map(|finding| format!("{} {}", finding.place, finding.complaint)).collect()
    }

    fn licensed(lines: &[&str]) -> Graph {
        let mut graph = drawn(lines);
        for package in &mut graph.packages {
            package.licence = Some("MIT".to_owned());
        }
        graph
    }

    #[test]
    fn expressions_are_read_as_spdx_means_them() {
        let allowed = |licence: &str| ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].contains(&licence);
        for (expression, answer) in [
            ("MIT", Some(true)),
            ("GPL-3.0", Some(false)),
            ("GPL-3.0 OR MIT", Some(true)),
            ("GPL-3.0/MIT", Some(true)),
            ("Apache-2.0 / MIT", Some(true)),
            ("MIT AND GPL-3.0", Some(false)),
            ("MIT AND GPL-3.0 OR ISC", Some(true)),
            ("MIT AND (GPL-3.0 OR ISC)", Some(true)),
            ("(MIT OR ISC) AND GPL-3.0", Some(false)),
            ("Apache-2.0 WITH LLVM-exception", Some(true)),
            ("Apache-2.0", Some(false)),
            ("", None),
            ("MIT OR", None),
            ("(MIT", None),
            ("MIT ISC", None),
        ] {
            assert_eq!(satisfied(expression, &allowed), answer, "{expression}");
        }
    }

    #[test]
    fn an_exception_is_for_its_package_alone() {
        let mut graph = licensed(&["odd@1.0.0", "other@1.0.0"]);
        for package in &mut graph.packages {
            package.licence = Some("Zlib".to_owned());
        }
        assert_eq!(complaints(&graph), ["other 1.0.0 has the licence `Zlib`, which `deny.toml` does not allow"]);
    }

    #[test]
    fn a_package_without_licence_is_found() {
        assert_eq!(complaints(&drawn(&["x@1.0.0"])), ["x 1.0.0 names no licence"]);
    }

    #[test]
    fn bans_and_doubles_are_found() {
        let graph = licensed(&["a -> openssl@0.10.0, wasmtime@48.0.8, wasmtime@48.0.9"]);
        assert_eq!(complaints(&graph), ["openssl 0.10.0 is banned by `deny.toml`", "wasmtime is there in 2 versions (48.0.8, 48.0.9)"]);
    }

    #[test]
    fn sources_are_one_registry() {
        let mut graph = licensed(&["a -> b@1.0.0, c@1.0.0, d@1.0.0"]);
        for (index, source) in [(1, "registry+one"), (2, "git+https://x"), (3, "registry+two")] {
            graph.packages[index].source = Some(source.to_owned());
        }
        assert_eq!(complaints(&graph), ["c 1.0.0 comes from a `git` source", "Cargo.lock uses 2 registries"]);
    }

    #[test]
    fn the_policy_must_deny_unknown_sources() {
        let error = policy(&DENY.replace("unknown-git = \"deny\"", "")).unwrap_err();
        assert!(error.to_string().contains("unknown-git"), "{error}");
    }
}

//! What one argument means, and how everything that was named becomes roots. Pure: files are read in `files`.
//!
//! Easy to get wrong: what is named several times, by arguments, steps or applications, is one root, in all of its ranges at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use plugwork_core::lock::granted;
use plugwork_core::resolve::{PluginId, Provider};
use plugwork_core::sources::Package;
use plugwork_core::{Dependency, Digest, Grants, InterfaceName, Issue, Target};
use semver::{Comparator, Op, VersionReq};

use super::said::Said;

/// What one argument means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Argument {
    /// A plugin or an interface, with a range.
    Dependency(Dependency),
    /// A file or a folder.
    Path(PathBuf),
}

/// Something that is asked for, and where that is said.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) what: What,
    pub(super) said: Said,
}

#[derive(Debug)]
pub(super) enum What {
    /// By its name.
    Dependency(Dependency),
    /// A component with a `plugin.toml`, and what it is granted where that is said.
    Package { package: Package, grants: Option<Grants> },
    /// A component without one; imports that no host has by itself.
    Nameless { place: String, imports: Vec<InterfaceName> },
}

/// What is asked for.
#[derive(Debug, Default)]
pub(crate) struct Roots {
    /// Each target once.
    asked: BTreeMap<Target, (VersionReq, Vec<Said>)>,
    /// What nobody can depend on, and depends on nothing.
    pub(crate) nameless: Vec<Nameless>,
    grants: BTreeMap<PluginId, BTreeSet<Digest>>,
}

/// A component without a `plugin.toml`: it has no name and no dependencies.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Nameless {
    /// The file.
    pub(crate) file: String,
    /// Where it is named.
    pub(crate) said: Vec<Said>,
}

impl Roots {
    /// As the resolver is asked.
    pub(crate) fn dependencies(&self) -> Vec<Dependency> {
        self.asked.iter().map(|(target, (versions, _))| Dependency::new(target.clone(), versions.clone())).collect()
    }

    /// Where a root is said: arguments, and places in files.
    pub(crate) fn said(&self, target: &Target) -> &[Said] {
        self.asked.get(target).map_or(&[], |(_, said)| said)
    }

    /// The one application or pipeline that names everything, if there is one.
    pub(crate) fn document(&self) -> Option<&str> {
        let mut said = self.asked.values().flat_map(|(_, said)| said).chain(self.nameless.iter().flat_map(|nameless| &nameless.said));
        let Some(Said::Part { of: first, .. }) = said.next() else { return None };
        said.all(|other| matches!(other, Said::Part { of, .. } if of == first)).then_some(first)
    }

    /// What applications and pipelines grant a plugin. One digest: of what it is granted, or of all the different ways.
    pub(super) fn granted(&self, id: &PluginId) -> Option<Digest> {
        let digests: Vec<&Digest> = self.grants.get(id)?.iter().collect();
        match digests[..] {
            [one] => Some(*one),
            _ => Some(Digest::of(digests.iter().map(|digest| format!("{digest}\n")).collect::<String>().as_bytes())),
        }
    }
}

/// Reads one argument. `namespace:name` is always a plugin; a file that is called so is `./namespace:name`.
pub(super) fn argument(text: &str) -> Result<Argument, Issue> {
    let name = text.split('@').next().unwrap_or_default();
    if name.contains(':') && !name.starts_with(['.', '/']) {
        return text.parse().map(Argument::Dependency);
    }
    Ok(Argument::Path(PathBuf::from(text)))
}

/// Everything that was named as roots, and all that is wrong with it.
pub(super) fn roots(named: Vec<Named>) -> (Roots, Vec<Issue>) {
    let (mut roots, mut issues) = (Roots::default(), Vec::new());
    let mut packages: BTreeMap<Target, Package> = BTreeMap::new();
    for Named { what, said } in named {
        match what {
            What::Dependency(Dependency { target, versions, .. }) => roots.ask(target, versions, said),
            What::Package { package, grants } => {
                let (target, id) =
                    (Target::Plugin(package.name.clone()), PluginId { name: package.name.clone(), version: package.version.clone() });
                let before = packages.entry(target.clone()).or_insert_with(|| package.clone());
                if before.digest != package.digest {
                    issues.push(apart(before, &package, &said));
                }
                roots.grants.entry(id).or_default().extend(grants.as_ref().map(granted));
                roots.ask(target, exactly(&package), said);
            }
            What::Nameless { place, imports } => {
                issues.extend(imports.iter().map(|import| Issue {
                    what: format!("`{place}` imports `{import}`, which no host has by itself, and depends on nobody who could"),
                    at: said.to_string(),
                    expected: format!("a component with a `plugin.toml` that says its dependencies, or `--host {import}`"),
                }));
                match roots.nameless.iter_mut().find(|nameless| nameless.file == place) {
                    Some(nameless) => nameless.said.push(said),
                    None => roots.nameless.push(Nameless { file: place, said: vec![said] }),
                }
            }
        }
    }
    roots.grants.retain(|_, digests| !digests.is_empty());
    (roots, issues)
}

impl Roots {
    fn ask(&mut self, target: Target, versions: VersionReq, said: Said) {
        let (all, places) = self.asked.entry(target).or_insert_with(|| (VersionReq::STAR, Vec::new()));
        for comparator in versions.comparators {
            if !all.comparators.contains(&comparator) {
                all.comparators.push(comparator);
            }
        }
        // In an order of their own: a lock is for the same roots however they were named.
        all.comparators.sort_by_key(ToString::to_string);
        if !places.contains(&said) {
            places.push(said);
        }
    }
}

/// Whether a range is of this version alone, so that it says nothing that the version does not.
pub(crate) fn is_exactly(versions: &VersionReq, provider: &Provider) -> bool {
    let is_it = |id: &PluginId| matches!(&versions.comparators[..], [only] if only.op == Op::Exact && versions.matches(&id.version));
    provider.plugin().is_some_and(is_it)
}

/// The version of a file and no other.
fn exactly(package: &Package) -> VersionReq {
    let version = &package.version;
    let (minor, patch) = (Some(version.minor), Some(version.patch));
    VersionReq { comparators: vec![Comparator { op: Op::Exact, major: version.major, minor, patch, pre: version.pre.clone() }] }
}

fn apart(before: &Package, package: &Package, said: &Said) -> Issue {
    let (one, other) = (&before.place, &package.place);
    let what = match before.version == package.version {
        true => format!("`{one}` and `{other}` are both `{}` {} and differ", package.name, package.version),
        false => format!("`{one}` is `{}` {}, and `{other}` is {}", package.name, before.version, package.version),
    };
    Issue { what, at: said.to_string(), expected: "one version of each plugin that is named".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dependency(text: &str) -> Named {
        Named { what: What::Dependency(text.parse().unwrap()), said: Said::Asked(text.to_owned()) }
    }

    fn package(version: &str, bytes: &str, grants: Option<Grants>) -> What {
        let (name, version) = ("acme:geo".parse().unwrap(), version.parse().unwrap());
        What::Package { package: Package { name, version, digest: Digest::of(bytes.as_bytes()), place: format!("{bytes}.wasm") }, grants }
    }

    fn asked(roots: &Roots) -> Vec<String> {
        roots.dependencies().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_name_is_never_a_file_and_a_path_never_a_name() {
        for (text, is_name) in
            [("acme:geo", true), ("acme:geo@^1", true), ("acme:geo/lookup@^1", true), ("./acme:geo", false), ("a.wasm", false)]
        {
            assert_eq!(matches!(argument(text), Ok(Argument::Dependency(_))), is_name, "{text}");
        }
        for wrong in ["acme:geo@^x", "Acme:geo", "acme:geo/lookup/more", "acme:@1"] {
            assert!(argument(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_named_several_times_is_one_root_in_all_its_ranges() {
        let file = |said: &str| Named { what: package("1.4.0", "a", None), said: Said::File(said.to_owned()) };
        let (other, _) = super::roots(vec![dependency("acme:geo@^1.2"), file("one")]);
        assert_eq!(asked(&other), ["acme:geo@=1.4.0, ^1.2"]);
        let (roots, issues) = roots(vec![file("one"), dependency("acme:geo@^1.2"), file("two"), dependency("acme:geo")]);
        assert_eq!((asked(&roots), issues), (vec!["acme:geo@=1.4.0, ^1.2".to_owned()], Vec::new()));
        let said: Vec<String> = roots.said(&"acme:geo".parse().unwrap()).iter().map(ToString::to_string).collect();
        assert_eq!(said, ["one", "acme:geo@^1.2", "two", "acme:geo"]);
    }

    #[test]
    fn two_files_that_are_one_plugin_and_differ_are_told() {
        for version in ["1.4.0", "2.0.0"] {
            let named = [("1.4.0", "a"), (version, "b")]
                .map(|(version, bytes)| Named { what: package(version, bytes, None), said: Said::File("x".to_owned()) });
            let (_, issues) = roots(named.into());
            assert_eq!(issues.len(), 1);
            assert!(
                issues[0].to_string().contains("`a.wasm`") && issues[0].to_string().contains("one version of each plugin"),
                "{}",
                issues[0]
            );
        }
    }

    #[test]
    fn what_is_granted_is_one_digest_whatever_the_order() {
        let grants = |capability: &str| Grants::none().with(capability, serde_json::Map::new());
        let of = |granted: &[Option<Grants>]| {
            let named =
                granted.iter().map(|grants| Named { what: package("1.0.0", "a", grants.clone()), said: Said::Asked(String::new()) });
            roots(named.collect()).0.granted(&PluginId { name: "acme:geo".parse().unwrap(), version: "1.0.0".parse().unwrap() })
        };
        assert_eq!(of(&[None]), None);
        assert_eq!(of(&[Some(grants("http")), Some(grants("http"))]), Some(granted(&grants("http"))));
        assert_eq!(of(&[Some(grants("http")), Some(grants("clock"))]), of(&[Some(grants("clock")), Some(grants("http"))]));
        assert_ne!(of(&[Some(grants("http")), Some(grants("clock"))]), of(&[Some(grants("http"))]));
    }

    #[test]
    fn a_component_without_a_name_depends_on_nothing_and_may_import_what_a_host_has() {
        let nameless = |imports: Vec<InterfaceName>| {
            roots(vec![Named { what: What::Nameless { place: "a.wasm".to_owned(), imports }, said: Said::File("a.wasm".to_owned()) }])
        };
        assert_eq!((asked(&nameless(Vec::new()).0).len(), nameless(Vec::new()).0.nameless.len()), (0, 1));
        let issues = nameless(vec!["acme:own/thing@1.0.0".parse().unwrap()]).1;
        assert!(issues[0].to_string().contains("`--host acme:own/thing@1.0.0`"), "{}", issues[0]);
    }
}

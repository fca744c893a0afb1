//! Makes the one WIT world that a plugin needs: no export it does not implement, no import it did not declare.
//!
//! JavaScript and Python must implement every export of their world, so a fixed set of worlds cannot serve plugins with any mix of
//! points. The rule for what comes by itself: the log is always imported; the lifecycle is exported unless the project brings its own
//! WIT and exports neither a point of `plugwork:points` nor the handover. Such a plugin belongs to an application that may not know the
//! lifecycle at all; if it does, the manifest lists `plugwork:plugin/lifecycle@…` like any other export.

use std::path::Path;

use plugwork_core::InterfaceName;
use plugwork_core::manifest::Build;
use wit_parser::{PackageId, UnresolvedPackageGroup, WorldId, WorldItem, WorldKey};

use crate::BuildError;
use crate::packages::Packages;

/// The synthesised package and the world in it.
const PACKAGE: &str = "plugwork:synthesised";
pub(crate) const WORLD: &str = "plugin";

const LOG: &str = "plugwork:host/log";
const LIFECYCLE: &str = "plugwork:plugin/lifecycle";
const HANDOVER: &str = "plugwork:plugin/handover";
const POINTS: &str = "plugwork:points";

/// A world that parsed and resolved.
pub(crate) struct World {
    /// What is exported, with versions, in the manifest's order, the lifecycle first.
    pub(crate) exports: Vec<InterfaceName>,
    text: String,
    packages: Packages,
    package: PackageId,
    world: WorldId,
}

impl World {
    /// Makes the world for what the manifest lists. Every unknown interface is reported, not only the first.
    pub(crate) fn synthesise(build: &Build, contract: &Path, own: Option<&Path>) -> Result<Self, BuildError> {
        let mut packages = Packages::read(contract, own)?;
        let (log, lifecycle) = (name(LOG), name(LIFECYCLE));
        let mut imports = vec![&log];
        imports.extend(build.imports.iter().filter(|import| import.path() != LOG));
        let mut exports = Vec::new();
        // A host that hands state over initialises the instance first, so the one needs the other.
        let ours = build.exports.iter().any(|export| export.package() == POINTS || export.path() == HANDOVER);
        let lists_lifecycle = build.exports.iter().any(|export| export.path() == LIFECYCLE);
        if (ours || own.is_none()) && !lists_lifecycle {
            exports.push(&lifecycle);
        }
        exports.extend(&build.exports);

        let mut unknown = Vec::new();
        let mut resolved = |side: &str, names: &[&InterfaceName]| -> Vec<InterfaceName> {
            let mut found: Vec<InterfaceName> = Vec::new();
            for asked in names {
                match packages.find(asked) {
                    Ok(name) if found.contains(&name) => {}
                    Ok(name) => found.push(name),
                    Err(why) => unknown.push(format!("\n  {side} {why}")),
                }
            }
            found
        };
        let (imports, exports) = (resolved("import", &imports), resolved("export", &exports));
        if !unknown.is_empty() {
            return Err(BuildError::world(format!("`plugin.toml` names what no WIT here has:{}", unknown.concat()))
                .hint("check the spelling and the version; an application's own packages lie in the folder that `build.wit` names"));
        }
        let text = text(&imports, &exports);
        let group =
            UnresolvedPackageGroup::parse("plugin.wit", &text).map_err(|(sources, error)| BuildError::world(error.render(&sources)))?;
        let resolve = &mut packages.resolve;
        let package = resolve.push_group(group).map_err(|error| BuildError::world(error.render(&resolve.source_map)))?;
        let world = *resolve.packages[package].worlds.get(WORLD).expect("the text just parsed has it");
        Ok(Self { exports, text, packages, package, world })
    }

    /// Writes the world and the packages it needs, as `wit_dir` of a step.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), BuildError> {
        self.packages.write(self.package, &self.text, folder)
    }

    /// Every interface that a component of this world may import: what the manifest lists, the log, and what their types lean on.
    pub(crate) fn imports(&self) -> Vec<InterfaceName> {
        let resolve = &self.packages.resolve;
        let imports = resolve.worlds[self.world].imports.iter();
        imports
            .filter(|(key, item)| matches!((key, item), (WorldKey::Interface(_), WorldItem::Interface { .. })))
            .filter_map(|(key, _)| resolve.name_world_key(key).parse().ok())
            .collect()
    }
}

fn text(imports: &[InterfaceName], exports: &[InterfaceName]) -> String {
    let mut text = format!("package {PACKAGE};\n\n/// Made by `plugwork build` from `plugin.toml`.\nworld {WORLD} {{\n");
    let lines = imports.iter().map(|name| ("import", name)).chain(exports.iter().map(|name| ("export", name)));
    for (side, name) in lines {
        // `%` so that an interface may be called like a keyword of WIT.
        let version = name.version().map_or(String::new(), |version| format!("@{version}"));
        text.push_str(&format!("    {side} {}/%{}{version};\n", name.package(), name.interface()));
    }
    text.push_str("}\n");
    text
}

fn name(text: &str) -> InterfaceName {
    text.parse().expect("a constant of this file")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The real contract: a test that brings its own would not notice when the two drift apart.
    const CONTRACT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit");

    fn build(exports: &[&str], imports: &[&str]) -> Build {
        let names = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
        Build {
            language: plugwork_core::manifest::Language::JavaScript,
            source: Some("plugin.js".to_owned()),
            exports: names(exports),
            imports: names(imports),
            wasi: false,
            wit: None,
        }
    }

    fn own_wit() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let wit = "package example:text@0.1.0;\ninterface text-filter {\n  use plugwork:plugin/refusal@0.1.0.{refusal};\n  \
                   apply: func(text: string) -> result<string, refusal>;\n}\ninterface %list { all: func(); }\n";
        fs::write(folder.path().join("text.wit"), wit).unwrap();
        folder
    }

    fn synthesise(build: &Build, own: Option<&Path>) -> Result<World, BuildError> {
        World::synthesise(build, Path::new(CONTRACT), own)
    }

    fn texts(names: &[InterfaceName]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_point_brings_the_lifecycle_and_the_log() {
        let world = synthesise(&build(&["plugwork:points/analyzer@0.1.0"], &[]), None).unwrap();
        assert_eq!(texts(&world.exports), ["plugwork:plugin/lifecycle@0.1.0", "plugwork:points/analyzer@0.1.0"]);
        assert!(texts(&world.imports()).contains(&"plugwork:host/log@0.1.0".to_owned()));
        assert!(!texts(&world.imports()).contains(&"plugwork:host/fetch@0.1.0".to_owned()));
    }

    #[test]
    fn own_wit_decides_alone_what_is_exported() {
        let own = own_wit();
        let world = synthesise(&build(&["example:text/text-filter@0.1.0"], &[]), Some(own.path())).unwrap();
        assert_eq!(texts(&world.exports), ["example:text/text-filter@0.1.0"]);
        let listed = build(&["example:text/text-filter@0.1.0", "plugwork:plugin/lifecycle@0.1.0"], &[]);
        assert_eq!(synthesise(&listed, Some(own.path())).unwrap().exports.len(), 2);
        let point = build(&["example:text/text-filter@0.1.0", "plugwork:points/exporter@0.1.0"], &[]);
        assert_eq!(synthesise(&point, Some(own.path())).unwrap().exports.len(), 3);
    }

    #[test]
    fn a_handover_brings_the_lifecycle_also_beside_own_wit() {
        let own = own_wit();
        let world = synthesise(&build(&["example:text/text-filter@0.1.0", "plugwork:plugin/handover@0.1.0"], &[]), Some(own.path())).unwrap();
        assert_eq!(
            texts(&world.exports),
            ["plugwork:plugin/lifecycle@0.1.0", "example:text/text-filter@0.1.0", "plugwork:plugin/handover@0.1.0"]
        );
    }

    #[test]
    fn an_interface_may_be_called_like_a_keyword() {
        let own = own_wit();
        assert!(synthesise(&build(&["example:text/list@0.1.0"], &[]), Some(own.path())).is_ok());
    }

    #[test]
    fn a_missing_version_is_the_only_one_there_is() {
        let world = synthesise(&build(&["plugwork:points/exporter"], &["plugwork:host/fetch"]), None).unwrap();
        assert_eq!(texts(&world.exports)[1], "plugwork:points/exporter@0.1.0");
    }

    #[test]
    fn every_unknown_interface_is_named_with_what_is_there() {
        let wrong = build(&["plugwork:points/analyser@0.1.0", "plugwork:points/exporter@9.0.0"], &["acme:kv/store@1.0.0"]);
        let error = synthesise(&wrong, None).err().unwrap();
        assert_eq!(error.kind(), crate::ErrorKind::World);
        let said = error.to_string();
        assert!(said.contains("`plugwork:points/analyser@0.1.0`: package `plugwork:points` has "), "{said}");
        assert!(said.contains("`analyzer`") && said.contains("`plugwork:points/exporter@0.1.0`"), "{said}");
        assert!(said.contains("there is no package `acme:kv`"), "{said}");
    }

    #[test]
    fn only_what_the_world_needs_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let world = synthesise(&build(&["plugwork:points/transformer@0.1.0"], &[]), None).unwrap();
        world.write(folder.path()).unwrap();
        let mut written = wit_parser::Resolve::new();
        let (package, _) = written.push_dir(folder.path()).unwrap();
        assert!(written.packages[package].worlds.contains_key(WORLD));
        let own = own_wit();
        synthesise(&build(&["example:text/list@0.1.0"], &[]), Some(own.path())).unwrap().write(&folder.path().join("own")).unwrap();
        let deps = |path: &str| folder.path().join(path).exists();
        assert!(deps("own/deps/example-text-0.1.0/text.wit") && deps("own/deps/plugwork-host-0.1.0"));
        assert!(!deps("own/deps/plugwork-points-0.1.0"));
    }

    #[test]
    fn the_contract_wins_over_a_stale_copy() {
        let own = own_wit();
        fs::create_dir(own.path().join("deps")).unwrap();
        fs::write(own.path().join("deps/host.wit"), "package plugwork:host@0.1.0;\ninterface log { old: func(); }\n").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let world = synthesise(&build(&["example:text/text-filter@0.1.0"], &[]), Some(own.path())).unwrap();
        world.write(folder.path()).unwrap();
        let log = fs::read_to_string(folder.path().join("deps/plugwork-host-0.1.0/log.wit")).unwrap();
        assert!(log.contains("last-words"));
    }

    #[test]
    fn broken_wit_is_shown_with_file_and_line() {
        let own = own_wit();
        fs::write(own.path().join("text.wit"), "package example:text@0.1.0;\ninterface x {\n  apply: fun();\n}\n").unwrap();
        let error = synthesise(&build(&["example:text/x@0.1.0"], &[]), Some(own.path())).err().unwrap().to_string();
        assert!(error.contains("text.wit:3"), "{error}");
    }
}

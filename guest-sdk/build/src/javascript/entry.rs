//! The two modules that the build writes around the author's: what the world exports, told to the SDK's `adapt`.
//!
//! Not here: running any tool. Easily got wrong: names. WIT says `text-filter` and `word-list`; JavaScript says `textFilter` for
//! interfaces and functions and `WordList` for resources, and the tool looks for exactly those.

use std::fmt::Write as _;
use std::path::Path;

use plugwork_core::InterfaceName;
use serde_json::{Map, Value, json};
use wit_parser::{Function, FunctionKind, InterfaceId, Resolve, Type, TypeDefKind, TypeOwner, WorldId, WorldItem};

use crate::BuildError;

const LIFECYCLE: &str = "plugwork:plugin/lifecycle";
const HANDOVER: &str = "plugwork:plugin/handover";
const REFUSAL: &str = "plugwork:plugin/refusal";
const LOG: &str = "plugwork:host/log@0.1.0";
/// The points that the SDK adapts itself; every other interface is described and passed through.
const SHIPPED: [&str; 8] =
    ["data-source", "transformer", "analyzer", "exporter", "visualization", "http-function", "event-handler", "guard"];

/// One export of the world.
#[derive(Debug)]
pub(super) struct Export {
    /// Its name in JavaScript.
    name: String,
    /// Its WIT name without version.
    interface: String,
    /// What the SDK needs to know about an interface that it has never heard of.
    description: Option<Value>,
}

/// The exports of the project's world, in its order.
pub(super) fn exports(resolve: &Resolve, world: WorldId, wanted: &[InterfaceName]) -> Result<Vec<Export>, BuildError> {
    let mut exports: Vec<Export> = Vec::new();
    for interface in wanted {
        let id = resolve.worlds[world]
            .exports
            .values()
            .find_map(|item| match item {
                WorldItem::Interface { id, .. } if resolve.id_of(*id).is_some_and(|name| name == interface.to_string()) => Some(*id),
                _ => None,
            })
            .ok_or_else(|| BuildError::world(format!("the synthesised world does not export `{interface}`")))?;
        let shipped = [LIFECYCLE, HANDOVER].contains(&interface.path())
            || (interface.package() == "plugwork:points" && SHIPPED.contains(&interface.interface()));
        let export = Export {
            name: lower_camel(interface.interface()),
            interface: interface.path().to_owned(),
            description: (!shipped).then(|| described(resolve, id)),
        };
        if let Some(twin) = exports.iter().find(|other| other.name == export.name) {
            return Err(BuildError::world(format!(
                "`{}` and `{}` would both be `{}` in JavaScript: export them from two plugins",
                twin.interface, export.interface, export.name
            )));
        }
        exports.push(export);
    }
    Ok(exports)
}

/// The namespaces of everything that the world imports: what the bundler must leave alone.
pub(super) fn import_namespaces(resolve: &Resolve, world: WorldId) -> Vec<String> {
    let mut namespaces: Vec<String> = resolve.worlds[world]
        .imports
        .values()
        .filter_map(|item| match item {
            WorldItem::Interface { id, .. } => {
                resolve.interfaces[*id].package.map(|package| resolve.packages[package].name.namespace.clone())
            }
            _ => None,
        })
        .collect();
    namespaces.sort();
    namespaces.dedup();
    namespaces
}

/// Runs before everything else, because a module's imports run before its own lines.
pub(super) fn setup_module(sdk_dir: &Path, dev: bool) -> String {
    let prelude = quoted(sdk_dir.join("src/prelude.js"));
    format!("import * as host from {LOG:?};\nimport {{ installPrelude }} from {prelude};\ninstallPrelude({{ host, clocks: {dev} }});\n")
}

pub(super) fn entry_module(sdk_dir: &Path, source: &Path, exports: &[Export]) -> String {
    let points: Vec<Value> = exports
        .iter()
        .filter(|export| export.interface != LIFECYCLE)
        .map(|export| json!({ "interface": export.interface, "name": export.name, "description": export.description }))
        .collect();
    let mut text = format!(
        "import \"./setup.js\";\nimport * as host from {LOG:?};\nimport {{ adapt }} from {};\nimport * as author from {};\n\
         const adapted = adapt(author, host, {});\n",
        quoted(sdk_dir.join("src/adapt.js")),
        quoted(source),
        Value::Array(points),
    );
    for export in exports {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "export const {0} = adapted.{0};", export.name);
    }
    text
}

/// Functions and resources with the kind of their errors, as the SDK's `foreign` expects them.
fn described(resolve: &Resolve, interface: InterfaceId) -> Value {
    let mut functions = Map::new();
    let mut resources: Map<String, Value> = Map::new();
    for (name, type_id) in &resolve.interfaces[interface].types {
        if matches!(resolve.types[*type_id].kind, TypeDefKind::Resource) {
            resources.insert(upper_camel(name), json!({ "methods": {}, "statics": {}, "creates": false }));
        }
    }
    for function in resolve.interfaces[interface].functions.values() {
        let (resource, group) = match function.kind {
            FunctionKind::Freestanding | FunctionKind::AsyncFreestanding => {
                functions.insert(lower_camel(function.item_name()), errors(resolve, function).into());
                continue;
            }
            FunctionKind::Method(resource) | FunctionKind::AsyncMethod(resource) => (resource, "methods"),
            FunctionKind::Static(resource) | FunctionKind::AsyncStatic(resource) => (resource, "statics"),
            FunctionKind::Constructor(resource) => (resource, "creates"),
        };
        let name = upper_camel(resolve.types[resource].name.as_deref().unwrap_or_default());
        let slot = &mut resources[&name][group];
        if group == "creates" {
            *slot = true.into();
        } else {
            slot[lower_camel(function.item_name())] = errors(resolve, function).into();
        }
    }
    json!({ "functions": functions, "resources": resources })
}

/// How a function can say no: with the `refusal`, with text, with a type of its own, or not at all.
fn errors(resolve: &Resolve, function: &Function) -> &'static str {
    let Some(Type::Id(id)) = function.result else { return "none" };
    let TypeDefKind::Result(result) = &resolve.types[origin(resolve, id)].kind else { return "none" };
    match result.err {
        None => "empty",
        Some(Type::String) => "text",
        Some(Type::Id(id)) if is_refusal(resolve, origin(resolve, id)) => "refusal",
        Some(_) => "other",
    }
}

/// Through `use` and type aliases to the definition.
fn origin(resolve: &Resolve, mut id: wit_parser::TypeId) -> wit_parser::TypeId {
    while let TypeDefKind::Type(Type::Id(next)) = resolve.types[id].kind {
        id = next;
    }
    id
}

fn is_refusal(resolve: &Resolve, id: wit_parser::TypeId) -> bool {
    let definition = &resolve.types[id];
    let TypeOwner::Interface(owner) = definition.owner else { return false };
    definition.name.as_deref() == Some("refusal") && resolve.id_of(owner).is_some_and(|name| name.split('@').next() == Some(REFUSAL))
}

/// `text-filter` as `textFilter`.
fn lower_camel(kebab: &str) -> String {
    let upper = upper_camel(kebab);
    let mut characters = upper.chars();
    characters.next().map_or(String::new(), |first| first.to_ascii_lowercase().to_string() + characters.as_str())
}

/// `word-list` as `WordList`.
fn upper_camel(kebab: &str) -> String {
    kebab
        .split('-')
        .map(|word| {
            let mut characters = word.chars();
            let first = characters.next().map(|first| first.to_ascii_uppercase());
            first.into_iter().chain(characters.map(|character| character.to_ascii_lowercase())).collect::<String>()
        })
        .collect()
}

/// A path as a JavaScript string.
fn quoted(path: impl AsRef<Path>) -> String {
    Value::from(path.as_ref().to_string_lossy()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        package example:text@0.1.0;
        interface text-filter {
            use plugwork:plugin/refusal@0.1.0.{refusal};
            variant mishap { lost }
            resource word-list {
                constructor(words: list<string>);
                has-word: func(word: string) -> bool;
                merge: static func(lists: list<word-list>) -> result<word-list, string>;
            }
            apply: func(input: string) -> result<string, refusal>;
            check-it: func() -> result<_, mishap>;
            is-fine: func() -> result;
            count: func() -> u32;
        }
        world plugin { import glossary; export text-filter; export plugwork:plugin/handover@0.1.0; }
        interface glossary { lookup: func(term: string) -> option<string>; }
    "#;

    fn resolved() -> (Resolve, WorldId) {
        let mut resolve = Resolve::default();
        let plugin = "package plugwork:plugin@0.1.0; interface refusal { variant refusal { no(string) } }
            interface handover { snapshot: func() -> list<u8>; }";
        resolve.push_str("plugin.wit", plugin).unwrap();
        let package = resolve.push_str("text.wit", TEXT).unwrap();
        let world = resolve.select_world(&[package], Some("plugin")).unwrap();
        (resolve, world)
    }

    #[test]
    fn describes_an_interface_it_has_never_heard_of() {
        let (resolve, world) = resolved();
        let exports = exports(&resolve, world, &["example:text/text-filter@0.1.0".parse().unwrap()]).unwrap();
        assert_eq!(exports[0].name, "textFilter");
        let expected = json!({
            "functions": { "apply": "refusal", "checkIt": "other", "isFine": "empty", "count": "none" },
            "resources": { "WordList": { "methods": { "hasWord": "none" }, "statics": { "merge": "text" }, "creates": true } },
        });
        assert_eq!(exports[0].description, Some(expected));
    }

    #[test]
    fn every_point_of_the_contract_is_the_sdks_own_to_adapt() {
        let points = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit/points")).unwrap();
        let names = points.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned());
        let mut points: Vec<String> = names.filter(|name| name != "worlds").collect();
        points.sort();
        let mut shipped = SHIPPED;
        shipped.sort_unstable();
        assert_eq!(shipped.as_slice(), points);
    }

    #[test]
    fn the_handover_is_the_sdks_own_to_adapt() {
        let (resolve, world) = resolved();
        let exports = exports(&resolve, world, &["plugwork:plugin/handover@0.1.0".parse().unwrap()]).unwrap();
        assert_eq!((exports[0].name.as_str(), &exports[0].description), ("handover", &None));
        let text = entry_module(Path::new("/sdk"), Path::new("/a.js"), &exports);
        assert!(text.contains(r#""interface":"plugwork:plugin/handover""#), "{text}");
    }

    #[test]
    fn names_an_export_that_the_world_does_not_have() {
        let (resolve, world) = resolved();
        let error = exports(&resolve, world, &["example:text/other@0.1.0".parse().unwrap()]).unwrap_err();
        assert!(error.to_string().contains("`example:text/other@0.1.0`"), "{error}");
    }

    #[test]
    fn leaves_alone_what_the_world_imports() {
        let (resolve, world) = resolved();
        assert_eq!(import_namespaces(&resolve, world), ["example", "plugwork"]);
    }

    #[test]
    fn the_entry_module_exports_every_interface_by_its_name() {
        let (resolve, world) = resolved();
        let exports = exports(&resolve, world, &["example:text/text-filter@0.1.0".parse().unwrap()]).unwrap();
        let text = entry_module(Path::new("/sdk"), Path::new("/my \"plugin\"/a.js"), &exports);
        assert!(
            text.contains(r#"from "/my \"plugin\"/a.js";"#) && text.ends_with("export const textFilter = adapted.textFilter;\n"),
            "{text}"
        );
    }
}

//! Writes Rust: the call of `wit_bindgen::generate!` and a module for each interface.
//!
//! The text is parsed into tokens at the end; names come from WIT, whose identifiers are plain ASCII.

use anyhow::{Context, Result, bail};
use heck::ToSnakeCase;
use proc_macro::{TokenStream, TokenTree};

use crate::world::{Interface, World};

/// Interfaces that the SDK has bound already, and where.
const BOUND: [(&str, &str); 3] = [
    ("plugwork:plugin/refusal", "::plugwork_guest::refusal"),
    ("plugwork:table/types", "::plugwork_guest::bindings::types"),
    ("plugwork:host/fetch", "::plugwork_guest::bindings::fetch"),
];

/// What stands between the parentheses.
pub(crate) struct Arguments {
    pub(crate) folder: String,
    pub(crate) world: Option<String>,
}

pub(crate) fn arguments(input: TokenStream) -> Result<Arguments> {
    let mut texts = Vec::new();
    for token in input {
        match token {
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                let plain = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
                texts.push(plain.context("write the arguments as plain strings")?.to_owned());
            }
            TokenTree::Punct(comma) if comma.as_char() == ',' => {}
            other => bail!("`{other}` is not a string; write `bindings!(\"wit\")` or `bindings!(\"wit\", \"world\")`"),
        }
    }
    let mut texts = texts.into_iter();
    let folder = texts.next().context("name the folder with the WIT: `bindings!(\"wit\")`")?;
    let arguments = Arguments { folder, world: texts.next() };
    if texts.next().is_some() {
        bail!("more than a folder and a world");
    }
    Ok(arguments)
}

pub(crate) fn write(world: &World) -> Result<TokenStream> {
    let mut wit = format!("package plugwork:bindings; world {} {{", world.name);
    for interface in &world.imports {
        wit += &format!(" import {};", interface.full_name());
    }
    for interface in &world.exports {
        wit += &format!(" export {};", interface.full_name());
    }
    wit += " }";
    let folders = world.folders.iter().map(|folder| format!("{folder:?}, ")).collect::<String>();
    let with = world
        .imports
        .iter()
        .filter_map(|interface| Some(format!("{:?}: {}, ", interface.full_name(), bound(interface)?)))
        .collect::<String>();

    let mut code = format!(
        "#[doc(hidden)] #[allow(warnings, reason = \"generated\")] mod __plugwork_bindings {{
            ::plugwork_guest::wit_bindgen::generate!({{
                inline: {wit:?}, path: [{folders}], with: {{ {with} }}, generate_all,
                runtime_path: \"::plugwork_guest::wit_bindgen::rt\",
            }});
        }}\n"
    );
    for file in &world.files {
        // Cargo knows only of files that the compiler opened itself.
        code += &format!("const _: &[u8] = ::core::include_bytes!({file:?});\n");
    }
    for interface in &world.exports {
        let (path, module) = (path(interface), interface.name.to_snake_case());
        code += &format!(
            "/// The exported interface `{}`.
            pub mod {module} {{
                pub use super::__plugwork_bindings::exports::{path}::*;
                #[cfg(target_arch = \"wasm32\")] #[doc(hidden)]
                pub(crate) use super::__plugwork_bindings::exports::{path}::{} as __export;
                #[cfg(not(target_arch = \"wasm32\"))] #[doc(hidden)]
                pub(crate) use ::plugwork_guest::__export_nothing as __export;
            }}\n",
            interface.full_name(),
            export_macro(interface),
        );
    }
    for interface in world.imports.iter().filter(|interface| bound(interface).is_none()) {
        if world.exports.iter().any(|export| export.name == interface.name) {
            continue;
        }
        let (path, module) = (path(interface), interface.name.to_snake_case());
        code += &format!(
            "/// The imported interface `{}`.
            pub mod {module} {{ pub use super::__plugwork_bindings::{path}::*; }}\n",
            interface.full_name(),
        );
    }
    code.parse().map_err(|error| anyhow::anyhow!("wrote code that is none: {error}"))
}

pub(crate) fn compile_error(message: &str) -> TokenStream {
    format!("::core::compile_error!({message:?});").parse().expect("a string literal in a macro call is valid Rust")
}

fn bound(interface: &Interface) -> Option<&'static str> {
    let name = interface.full_name();
    let plain = name.split('@').next().unwrap_or_default();
    BOUND.iter().find(|(bound, _)| *bound == plain).map(|(_, path)| *path)
}

/// Where the generator puts an interface: one module for each part of its name.
fn path(interface: &Interface) -> String {
    [&interface.namespace, &interface.package, &interface.name].map(|part| part.to_snake_case()).join("::")
}

/// What the generator calls the macro that exports one interface.
fn export_macro(interface: &Interface) -> String {
    let name: String =
        interface.full_name().chars().map(|character| if character.is_ascii_alphanumeric() { character } else { '_' }).collect();
    format!("__export_{name}_cabi")
}

//! The imports and exports of a validated component, taken from the validator's types.
//!
//! No WIT is decoded: names, functions and resources are all that permissions and points need, and the decoder may
//! panic on hostile bytes. What may surprise: [`Interface::types_only`] is `false` for an interface that names a
//! resource but has no function, because a host must define the resource to link it.

use plugwork_core::InterfaceName;
use serde::Serialize;
use wasmparser::component_types::{ComponentAnyTypeId, ComponentEntityType, ComponentItem};
use wasmparser::types::Types;

/// One import or export of the component itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Interface {
    /// As the component spells it: `wasi:io/poll@0.2.6`, or a plain name such as `run`.
    pub name: String,
    /// The name taken apart; `None` for a plain name and for what is no WIT interface.
    pub wit: Option<InterfaceName>,
    /// What stands behind the name.
    pub kind: InterfaceKind,
    /// Whether it is an instance that holds nothing but value types: nothing has to be linked for it.
    pub types_only: bool,
    /// Functions of the instance as WIT spells them (`[method]cursor.next`), in its order; empty for other kinds.
    pub functions: Vec<String>,
    /// Resources of the instance, in its order, also those it takes from another interface.
    pub resources: Vec<String>,
}

/// What stands behind the name of an import or export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InterfaceKind {
    /// A WIT interface.
    Instance,
    /// A function of the world itself.
    Func,
    /// A type of the world itself.
    Type,
    /// A core module.
    Module,
    /// A component.
    Component,
    /// A value.
    Value,
}

/// Imports or exports in the order of the component.
pub(crate) fn interfaces<'a>(names: impl IntoIterator<Item = &'a str>, types: &Types, side: Side) -> Vec<Interface> {
    let types_of = types.as_ref();
    let item = |name| match side {
        Side::Import => types_of.component_item_for_import(name),
        Side::Export => types_of.component_item_for_export(name),
    };
    names.into_iter().filter_map(|name| Some(interface(name, item(name)?, types))).collect()
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    Import,
    Export,
}

fn interface(name: &str, item: &ComponentItem, types: &Types) -> Interface {
    let mut interface = Interface {
        name: name.to_owned(),
        // Only what has the form `namespace:package/interface` is an interface; `url=…` and plain names are not.
        wit: name.contains('/').then(|| name.parse().ok()).flatten(),
        kind: kind(item.ty),
        types_only: false,
        functions: Vec::new(),
        resources: Vec::new(),
    };
    let ComponentEntityType::Instance(id) = item.ty else { return interface };
    interface.types_only = true;
    for (name, item) in &types[id].exports {
        match item.ty {
            ComponentEntityType::Func(_) => interface.functions.push(name.clone()),
            ComponentEntityType::Type { created: ComponentAnyTypeId::Resource(_), .. } => {
                interface.resources.push(name.clone());
            }
            ComponentEntityType::Type { .. } => continue,
            _ => {}
        }
        interface.types_only = false;
    }
    interface
}

fn kind(entity: ComponentEntityType) -> InterfaceKind {
    match entity {
        ComponentEntityType::Instance(_) => InterfaceKind::Instance,
        ComponentEntityType::Func(_) => InterfaceKind::Func,
        ComponentEntityType::Type { .. } => InterfaceKind::Type,
        ComponentEntityType::Module(_) => InterfaceKind::Module,
        ComponentEntityType::Component(_) => InterfaceKind::Component,
        ComponentEntityType::Value(_) => InterfaceKind::Value,
    }
}

//! What a caller's linker has behind an import that another plugin satisfies: each function as a call of the callee's instance, each resource as a handle of the
//! host's.
//!
//! Easily got wrong: the types are those of the caller's import. That the callee's fit was seen to when the wires were planned, and the engine sees to it again where a
//! function is bound.

use std::sync::Arc;

use plugwork_core::InterfaceName;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, ComponentNamedList, Lift, Linker, LinkerInstance, Lower, ResourceType, Type, Val};
use wasmtime::{Engine, StoreContextMut, format_err};

use super::handles::{KINDS_MAX, Owner};
use super::{Wires, callee, signature, values};
use crate::state::State;

/// One function of a callee.
pub(super) struct Called {
    /// Whose it is.
    pub(super) slot: usize,
    /// Its number among all that the caller is wired to: where an instance of the callee keeps it.
    pub(super) number: usize,
    /// The interface, as the provider names it.
    pub(super) export: String,
    pub(super) name: String,
}

/// A function of a callee, for all closures that call it.
pub(super) type Line = Arc<Called>;

/// Defines everything that other plugins are behind.
pub(crate) fn link(
    engine: &Engine,
    component: &Component,
    wires: &Wires,
    is_granted: &dyn Fn(&InterfaceName) -> bool,
    linker: &mut Linker<State>,
) -> wasmtime::Result<()> {
    let component_type = component.component_type();
    let mut number = 0;
    // Resources of the interfaces before, and whose they are: what one takes from another is the same resource.
    let mut resources: Vec<(ResourceType, usize)> = Vec::new();
    for (import, item) in component_type.imports(engine) {
        let ComponentItem::ComponentInstance(instance) = item.ty else { continue };
        let wire = wires.wires.iter().find(|wire| wire.import.to_string() == import && is_granted(&wire.import));
        let Some(wire) = wire else {
            // Those of hosts: they stay where they are.
            resources.extend(instance.exports(engine).filter_map(|(_, item)| match item.ty {
                ComponentItem::Resource(resource) => Some((resource, usize::MAX)),
                _ => None,
            }));
            continue;
        };
        let mut target = linker.instance(import)?;
        for (name, item) in instance.exports(engine) {
            match item.ty {
                ComponentItem::Resource(resource) if !resources.iter().any(|(known, _)| *known == resource) => {
                    let kind = u32::try_from(resources.len()).ok().filter(|kind| *kind < KINDS_MAX);
                    let kind = kind.ok_or_else(|| format_err!("it imports more than {KINDS_MAX} types of resources"))?;
                    resources.push((resource, wire.slot));
                    target
                        .resource_async(name, ResourceType::host_dynamic(kind), |store, rep| Box::new(callee::drop_handle(store, rep)))?;
                }
                ComponentItem::ComponentFunc(ty) => {
                    stays_between_two(&ty, wire.slot, &resources).map_err(|error| error.context(format!("`{import}#{name}`")))?;
                    let called = Called { slot: wire.slot, number, export: wire.export.to_string(), name: name.to_owned() };
                    number += 1;
                    function(&mut target, name, &ty, &Arc::new(called))?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// An error where a function takes or gives a resource that is neither side's: of the host, or of a third plugin.
fn stays_between_two(ty: &ComponentFunc, slot: usize, resources: &[(ResourceType, usize)]) -> wasmtime::Result<()> {
    let types = ty.params().map(|(_, ty)| ty).chain(ty.results());
    let mut found = Vec::new();
    of_all(types, &mut found)?;
    match found.iter().all(|found| resources.iter().any(|(known, whose)| known == found && *whose == slot)) {
        true => Ok(()),
        false => Err(format_err!(
            "it takes or gives a resource that belongs to the host or to a third plugin, and a handle of one plugin is never handed to another"
        )),
    }
}

fn of_all(types: impl Iterator<Item = Type>, found: &mut Vec<ResourceType>) -> wasmtime::Result<()> {
    for ty in types {
        of_resources(&ty, found)?;
    }
    Ok(())
}

/// The resources in a type; an error where it has a stream, a future, or something that nobody here knows: those belong to one store.
fn of_resources(ty: &Type, found: &mut Vec<ResourceType>) -> wasmtime::Result<()> {
    match ty {
        Type::Own(resource) | Type::Borrow(resource) => {
            found.push(*resource);
            Ok(())
        }
        Type::List(list) => of_resources(&list.ty(), found),
        Type::Option(option) => of_resources(&option.ty(), found),
        Type::Result(result) => of_all(result.ok().into_iter().chain(result.err()), found),
        Type::Tuple(tuple) => of_all(tuple.types(), found),
        Type::Record(record) => of_all(record.fields().map(|field| field.ty), found),
        Type::Variant(variant) => of_all(variant.cases().filter_map(|case| case.ty), found),
        Type::Bool | Type::S8 | Type::U8 | Type::S16 | Type::U16 | Type::S32 | Type::U32 | Type::S64 | Type::U64 => Ok(()),
        Type::Float32 | Type::Float64 | Type::Char | Type::String | Type::Enum(_) | Type::Flags(_) => Ok(()),
        _ => Err(format_err!("it takes or gives a stream, a future or something else that belongs to one plugin's store")),
    }
}

fn function(target: &mut LinkerInstance<'_, State>, name: &str, ty: &ComponentFunc, line: &Line) -> wasmtime::Result<()> {
    if ty.async_() {
        return Err(format_err!("`{name}` is asynchronous, and plugins call each other one call after another"));
    }
    if signature::define(target, name, ty, line)? {
        return Ok(());
    }
    let line = line.clone();
    target.func_new_async(name, move |store, ty, params, results| {
        let line = line.clone();
        Box::new(by_values(store, line, ty, params, results))
    })
}

/// Defines a function by its types.
pub(super) fn by_types<P, R>(target: &mut LinkerInstance<'_, State>, name: &str, line: Line) -> wasmtime::Result<()>
where
    P: ComponentNamedList + Lift + Lower + Send + Sync + 'static,
    R: ComponentNamedList + Lift + Lower + Send + Sync + 'static,
{
    target.func_wrap_async(name, move |store: StoreContextMut<'_, State>, params: P| {
        let line = line.clone();
        Box::new(async move { callee::call_typed::<P, R>(store, &line, params).await })
    })
}

async fn by_values(
    mut store: StoreContextMut<'_, State>,
    line: Line,
    ty: ComponentFunc,
    params: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    let result_type = ty.results().next();
    let (mut callee, owner) = match callee::take(&mut store, &line).await {
        Ok(taken) => taken,
        Err(failed) => return failed.told(result_type.as_ref(), results),
    };
    let mut given = Vec::with_capacity(params.len());
    for value in params {
        match values::inward(&mut store, value, owner) {
            Ok(value) => given.push(value),
            Err(error) => {
                callee::put_back(&mut store, owner, callee);
                return Err(error);
            }
        }
    }
    let answer = callee.call_values(callee::caller(&store), &line, &given, results).await;
    match callee::done(&mut store, owner, callee, answer) {
        Ok(()) => answered(&mut store, result_type.as_ref(), results, owner),
        Err(failed) => failed.told(result_type.as_ref(), results),
    }
}

fn answered(store: &mut StoreContextMut<'_, State>, ty: Option<&Type>, results: &mut [Val], owner: Owner) -> wasmtime::Result<()> {
    if let (Some(ty), Some(result)) = (ty, results.first_mut()) {
        let value = std::mem::replace(result, Val::Bool(false));
        *result = values::outward(store, value, ty, owner)?;
    }
    Ok(())
}

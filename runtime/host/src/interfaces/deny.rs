//! Stubs that answer an interface's own denial: there is nothing behind them. The answer is made from the function's type, so this works
//! for interfaces nobody here has ever seen.
//!
//! Where a result can carry a denial (plugwork's refusal, an error code, text) it does; where it cannot, the call traps with the
//! denial's text. It never answers as if the thing had been done.

use std::sync::Arc;

use plugwork_core::Denial;
use wasmtime::component::types::{self, ComponentFunc, ComponentItem};
use wasmtime::component::{Component, Linker, LinkerInstance, Resource, ResourceAny, ResourceType, Type, Val};
use wasmtime::{AsContextMut, Engine, StoreContextMut, format_err};

use crate::state::State;
use crate::usage::HostInterface;

/// What stands behind a handle that a stub hands out or defines: nothing.
pub(crate) struct Nothing;

/// Cases that mean "not permitted" in the interfaces we know, most telling first.
const DENIED_CASES: [&str; 6] = ["denied", "access-denied", "HTTP-request-denied", "access", "not-permitted", "other"];

/// Defines every function and resource of one imported instance as a stub.
pub(crate) fn link(
    engine: &Engine,
    component: &Component,
    import: &str,
    denial: &Denial,
    linker: &mut Linker<State>,
) -> wasmtime::Result<()> {
    let component_type = component.component_type();
    let Some((_, item)) = component_type.imports(engine).find(|(name, _)| *name == import) else { return Ok(()) };
    match item.ty {
        ComponentItem::ComponentInstance(instance) => {
            let earlier = defined_earlier(engine, component, import);
            let mut target = linker.instance(import)?;
            for (name, item) in instance.exports(engine) {
                define(&mut target, name, &item.ty, import, &earlier, denial)?;
            }
            Ok(())
        }
        // An import outside any interface is refused when the offer is accepted: it cannot come here.
        _ => Ok(()),
    }
}

fn define(
    target: &mut LinkerInstance<'_, State>,
    name: &str,
    item: &ComponentItem,
    import: &str,
    earlier: &[ResourceType],
    denial: &Denial,
) -> wasmtime::Result<()> {
    match item {
        ComponentItem::ComponentFunc(function) => {
            let stub = Arc::new(Stub { label: format!("{import}#{name}"), denial: denial.clone() });
            if function.async_() {
                return target.func_new_concurrent(name, move |accessor, ty, params, results| {
                    let stub = stub.clone();
                    // Handles of others that were passed in stay until the instance ends: nothing here may run their destructors.
                    Box::pin(async move { accessor.with(|mut access| stub.answer(&mut access.as_context_mut(), &ty, params, results)) })
                });
            }
            target.func_new_async(name, move |mut store, ty, params, results| {
                let stub = stub.clone();
                Box::new(async move {
                    stub.answer(&mut store, &ty, params, results)?;
                    let mut handles = Vec::new();
                    params.iter().for_each(|value| find_handles(value, &mut handles));
                    for handle in handles {
                        give_up(&mut store, handle).await?;
                    }
                    Ok(())
                })
            })
        }
        ComponentItem::Resource(resource) if !earlier.contains(resource) => {
            target.resource(name, ResourceType::host::<Nothing>(), |_, _| Ok(()))
        }
        _ => Ok(()),
    }
}

/// One function that is denied.
struct Stub {
    label: String,
    denial: Denial,
}

impl Stub {
    fn answer(
        &self,
        store: &mut StoreContextMut<'_, State>,
        ty: &ComponentFunc,
        params: &[Val],
        results: &mut [Val],
    ) -> wasmtime::Result<()> {
        store.data_mut().counted_as(HostInterface::Denied).account().denied(&self.denial);
        let refused = || format_err!("`{}` is denied: {}", self.label, self.denial.rule);
        if results.is_empty() {
            return Err(refused());
        }
        for (slot, ty) in results.iter_mut().zip(ty.results()) {
            *slot = answer(store, &ty, params, &self.denial).ok_or_else(refused)?;
        }
        Ok(())
    }
}

/// Every handle in a value.
fn find_handles(value: &Val, found: &mut Vec<ResourceAny>) {
    match value {
        Val::Resource(handle) => found.push(*handle),
        Val::List(values) | Val::Tuple(values) => values.iter().for_each(|value| find_handles(value, found)),
        Val::Record(fields) => fields.iter().for_each(|(_, value)| find_handles(value, found)),
        Val::Variant(_, Some(value)) | Val::Option(Some(value)) | Val::Result(Ok(Some(value)) | Err(Some(value))) => {
            find_handles(value, found);
        }
        _ => {}
    }
}

/// Lets go of a handle that was passed in. A borrowed one that is kept ends the guest with a trap; an owned one would stay in the table.
async fn give_up(store: &mut StoreContextMut<'_, State>, handle: ResourceAny) -> wasmtime::Result<()> {
    // Behind our own handles is nothing to destroy; others need a stack for their destructor.
    if handle.ty() == ResourceType::host::<Nothing>() {
        return handle.try_into_resource::<Nothing>(store).map(drop);
    }
    handle.resource_drop_async(store).await
}

/// The resources of the imports before this one. `use io.streams.{…}` makes an alias of a resource that an earlier import defines: defining
/// it again would be a different type.
fn defined_earlier(engine: &Engine, component: &Component, import: &str) -> Vec<ResourceType> {
    let mut resources = Vec::new();
    for (_, item) in component.component_type().imports(engine).take_while(|(name, _)| *name != import) {
        if let ComponentItem::ComponentInstance(instance) = item.ty {
            resources.extend(instance.exports(engine).filter_map(|(_, item)| match item.ty {
                ComponentItem::Resource(resource) => Some(resource),
                _ => None,
            }));
        }
    }
    resources
}

fn answer(store: &mut StoreContextMut<'_, State>, ty: &Type, params: &[Val], denial: &Denial) -> Option<Val> {
    match ty {
        Type::Result(result) => Some(Val::Result(Err(match result.err() {
            Some(error) => Some(Box::new(error_value(&error, denial)?)),
            None => None,
        }))),
        // `send-all` answers one result for each request.
        Type::List(list) => match (params.first(), list.ty()) {
            (Some(Val::List(asked)), element @ Type::Result(_)) => {
                asked.iter().map(|_| answer(store, &element, params, denial)).collect::<Option<Vec<_>>>().map(Val::List)
            }
            _ => None,
        },
        // `instance-network` and its like: a handle with nothing behind it, so that the next call can be denied.
        Type::Own(_) => {
            let handle = Resource::<Nothing>::new_own(0);
            ResourceAny::try_from_resource(handle, store).ok().map(Val::Resource)
        }
        _ => None,
    }
}

fn error_value(ty: &Type, denial: &Denial) -> Option<Val> {
    match ty {
        Type::String => Some(Val::String(denial.to_string())),
        Type::Enum(cases) => {
            DENIED_CASES.iter().find(|case| cases.names().any(|name| name == **case)).map(|case| Val::Enum((*case).to_owned()))
        }
        Type::Variant(variant) => DENIED_CASES.iter().find_map(|case| {
            let found = variant.cases().find(|found| found.name == *case)?;
            let payload = match found.ty {
                None => None,
                Some(ty) => Some(Box::new(payload_value(&ty, denial)?)),
            };
            Some(Val::Variant((*case).to_owned(), payload))
        }),
        _ => None,
    }
}

fn payload_value(ty: &Type, denial: &Denial) -> Option<Val> {
    match ty {
        Type::String => Some(Val::String(denial.to_string())),
        Type::Option(_) => Some(Val::Option(None)),
        Type::Record(record) => record
            .fields()
            .map(|types::Field { name, ty }| {
                let text = match name {
                    "code" => &denial.code,
                    "permission" => &denial.permission,
                    "rule" => &denial.rule,
                    "hint" => &denial.hint,
                    _ => return None,
                };
                matches!(ty, Type::String).then(|| (name.to_owned(), Val::String(text.clone())))
            })
            .collect::<Option<Vec<_>>>()
            .map(Val::Record),
        _ => None,
    }
}

//! Values between two stores, for functions that are called by values: plain ones are copied as they are, handles become those of the other side.

use wasmtime::StoreContextMut;
use wasmtime::component::{ResourceAny, Type, Val};
use wasmtime::format_err;

use super::handles::{self, Owner};
use crate::state::State;

/// A caller's value for a callee.
pub(super) fn inward(store: &mut StoreContextMut<'_, State>, value: &Val, owner: Owner) -> wasmtime::Result<Val> {
    if !has_handles(value) {
        return Ok(value.clone());
    }
    map(value, &mut |handle| handles::inward(store, handle, owner))
}

/// A callee's value for its caller, who expects it to be of this type.
pub(super) fn outward(store: &mut StoreContextMut<'_, State>, value: Val, ty: &Type, owner: Owner) -> wasmtime::Result<Val> {
    if !has_handles(&value) {
        return Ok(value);
    }
    match (value, ty) {
        (Val::Resource(resource), Type::Own(expected)) => handles::outward(store, resource, *expected, owner).map(Val::Resource),
        (Val::Option(Some(value)), Type::Option(ty)) => Ok(Val::Option(Some(boxed(store, *value, &ty.ty(), owner)?))),
        (Val::Result(Ok(Some(value))), Type::Result(ty)) => match ty.ok() {
            Some(ty) => Ok(Val::Result(Ok(Some(boxed(store, *value, &ty, owner)?)))),
            None => Err(misshapen()),
        },
        (Val::Result(Err(Some(value))), Type::Result(ty)) => match ty.err() {
            Some(ty) => Ok(Val::Result(Err(Some(boxed(store, *value, &ty, owner)?)))),
            None => Err(misshapen()),
        },
        (Val::List(values), Type::List(ty)) => {
            let ty = ty.ty();
            values.into_iter().map(|value| outward(store, value, &ty, owner)).collect::<wasmtime::Result<_>>().map(Val::List)
        }
        (Val::Tuple(values), Type::Tuple(ty)) => {
            let of_each = values.into_iter().zip(ty.types());
            of_each.map(|(value, ty)| outward(store, value, &ty, owner)).collect::<wasmtime::Result<_>>().map(Val::Tuple)
        }
        (Val::Record(fields), Type::Record(ty)) => {
            let of_each = fields.into_iter().zip(ty.fields());
            let fields = of_each.map(|((name, value), field)| Ok((name, outward(store, value, &field.ty, owner)?)));
            fields.collect::<wasmtime::Result<_>>().map(Val::Record)
        }
        (Val::Variant(name, Some(value)), Type::Variant(ty)) => {
            let case = ty.cases().find(|case| case.name == name).and_then(|case| case.ty).ok_or_else(misshapen)?;
            Ok(Val::Variant(name, Some(boxed(store, *value, &case, owner)?)))
        }
        _ => Err(misshapen()),
    }
}

fn boxed(store: &mut StoreContextMut<'_, State>, value: Val, ty: &Type, owner: Owner) -> wasmtime::Result<Box<Val>> {
    outward(store, value, ty, owner).map(Box::new)
}

fn misshapen() -> wasmtime::Error {
    format_err!("a handle was answered where the caller expects none")
}

fn has_handles(value: &Val) -> bool {
    match value {
        Val::Resource(_) => true,
        Val::List(values) | Val::Tuple(values) => values.iter().any(has_handles),
        Val::Record(fields) => fields.iter().any(|(_, value)| has_handles(value)),
        Val::Variant(_, Some(value)) | Val::Option(Some(value)) | Val::Result(Ok(Some(value)) | Err(Some(value))) => has_handles(value),
        _ => false,
    }
}

fn map(value: &Val, change: &mut dyn FnMut(ResourceAny) -> wasmtime::Result<ResourceAny>) -> wasmtime::Result<Val> {
    let mut one = |value: &Val| map(value, change).map(Box::new);
    Ok(match value {
        Val::Variant(name, Some(value)) => Val::Variant(name.clone(), Some(one(value)?)),
        Val::Option(Some(value)) => Val::Option(Some(one(value)?)),
        Val::Result(Ok(Some(value))) => Val::Result(Ok(Some(one(value)?))),
        Val::Result(Err(Some(value))) => Val::Result(Err(Some(one(value)?))),
        Val::Resource(handle) => Val::Resource(change(*handle)?),
        Val::List(values) => Val::List(values.iter().map(|value| map(value, change)).collect::<wasmtime::Result<_>>()?),
        Val::Tuple(values) => Val::Tuple(values.iter().map(|value| map(value, change)).collect::<wasmtime::Result<_>>()?),
        Val::Record(fields) => {
            let fields = fields.iter().map(|(name, value)| Ok((name.clone(), map(value, change)?)));
            Val::Record(fields.collect::<wasmtime::Result<_>>()?)
        }
        plain => plain.clone(),
    })
}

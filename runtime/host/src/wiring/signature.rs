//! Which functions are called by types: those whose signature is common enough to be compiled into the host. A byte list then crosses at the speed of memory,
//! where as a value each of its bytes would be one.

use wasmtime::component::types::ComponentFunc;
use wasmtime::component::{LinkerInstance, Type};

use super::broker::{Line, by_types};
use crate::state::State;

/// A signature as text, such as `u32,string->bytes`; none where it has other types than those.
fn text(ty: &ComponentFunc) -> Option<String> {
    if ty.async_() {
        return None;
    }
    let params = ty.params().map(|(_, ty)| word(&ty)).collect::<Option<Vec<_>>>()?;
    let results = ty.results().map(|ty| word(&ty)).collect::<Option<Vec<_>>>()?;
    Some(format!("{}->{}", params.join(","), results.join(",")))
}

fn word(ty: &Type) -> Option<&'static str> {
    Some(match ty {
        Type::Bool => "bool",
        Type::S32 => "s32",
        Type::U32 => "u32",
        Type::S64 => "s64",
        Type::U64 => "u64",
        Type::Float64 => "f64",
        Type::String => "string",
        Type::List(list) => match list.ty() {
            Type::U8 => "bytes",
            Type::Float64 => "f64s",
            Type::String => "strings",
            _ => return None,
        },
        _ => return None,
    })
}

macro_rules! define {
    ($signature:expr, $target:expr, $name:expr, $line:expr; $($text:literal = ($($param:ty),*) -> ($($result:ty),*);)*) => {
        match $signature {
            $($text => by_types::<($($param,)*), ($($result,)*)>($target, $name, $line).map(|()| true),)*
            _ => Ok(false),
        }
    };
}

/// Defines a function by its types; says whether it could.
pub(super) fn define(target: &mut LinkerInstance<'_, State>, name: &str, ty: &ComponentFunc, line: &Line) -> wasmtime::Result<bool> {
    let Some(signature) = text(ty) else { return Ok(false) };
    define! { signature.as_str(), target, name, line.clone();
        "->" = () -> ();
        "->bool" = () -> (bool);
        "->u32" = () -> (u32);
        "->u64" = () -> (u64);
        "->f64" = () -> (f64);
        "->string" = () -> (String);
        "->bytes" = () -> (Vec<u8>);
        "u32->" = (u32) -> ();
        "u32->bool" = (u32) -> (bool);
        "u32->u32" = (u32) -> (u32);
        "u32->string" = (u32) -> (String);
        "u32->bytes" = (u32) -> (Vec<u8>);
        "u32,u32->u32" = (u32, u32) -> (u32);
        "u64->u64" = (u64) -> (u64);
        "u64,u64->u64" = (u64, u64) -> (u64);
        "s32->s32" = (i32) -> (i32);
        "s32,s32->s32" = (i32, i32) -> (i32);
        "s64->s64" = (i64) -> (i64);
        "s64,s64->s64" = (i64, i64) -> (i64);
        "f64->f64" = (f64) -> (f64);
        "f64,f64->f64" = (f64, f64) -> (f64);
        "f64,f64,f64,f64->f64" = (f64, f64, f64, f64) -> (f64);
        "string->" = (String) -> ();
        "string->bool" = (String) -> (bool);
        "string->u32" = (String) -> (u32);
        "string->string" = (String) -> (String);
        "string->bytes" = (String) -> (Vec<u8>);
        "string,string->string" = (String, String) -> (String);
        "bytes->" = (Vec<u8>) -> ();
        "bytes->bool" = (Vec<u8>) -> (bool);
        "bytes->u32" = (Vec<u8>) -> (u32);
        "bytes->string" = (Vec<u8>) -> (String);
        "bytes->bytes" = (Vec<u8>) -> (Vec<u8>);
        "bytes,bytes->bytes" = (Vec<u8>, Vec<u8>) -> (Vec<u8>);
        "string,bytes->bytes" = (String, Vec<u8>) -> (Vec<u8>);
        "f64s->f64" = (Vec<f64>) -> (f64);
        "f64s->f64s" = (Vec<f64>) -> (Vec<f64>);
        "f64s,f64s->f64s" = (Vec<f64>, Vec<f64>) -> (Vec<f64>);
        "f64,f64,f64s,f64s->f64s" = (f64, f64, Vec<f64>, Vec<f64>) -> (Vec<f64>);
        "string->strings" = (String) -> (Vec<String>);
        "strings->strings" = (Vec<String>) -> (Vec<String>);
    }
}

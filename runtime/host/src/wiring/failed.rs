//! What a caller is told of a call to another plugin that came to nothing.
//!
//! Where the function's own result can say that something is not there, it says that, and the caller goes on. Where it cannot, the caller's call ends with a fault
//! that names the callee. Easily got wrong: a callee that was stopped because its *caller's* time was over did nothing wrong.

use plugwork_core::Fault;
use wasmtime::component::{Type, Val};

use crate::call::Stopped;
use crate::error::{Error, ErrorKind};

/// The fault of a caller whose callee did not answer.
pub(super) fn fault(plugin: &str, error: &Error) -> Fault {
    let code = match (error.fault(), error.kind()) {
        (Some(fault), _) => fault.code(),
        (None, ErrorKind::Unavailable) => "unavailable",
        (None, ErrorKind::Refused) => "refused",
        (None, _) => "error",
    };
    Fault::Callee { plugin: plugin.to_owned(), code: code.to_owned(), message: error.to_string() }
}

/// As an error of the engine, which ends the caller's call.
pub(super) fn stopped(fault: Fault) -> wasmtime::Error {
    Stopped(fault).into()
}

/// An answer of this type that says that nobody is there; none where the type has no room for it.
pub(super) fn unavailable(ty: &Type, message: &str) -> Option<Val> {
    let Type::Result(result) = ty else { return None };
    let error = match result.err()? {
        Type::String => Val::String(message.to_owned()),
        Type::Variant(variant) => {
            let case = variant.cases().find(|case| case.name == "unavailable")?;
            let payload = match case.ty {
                None => None,
                Some(Type::String) => Some(Box::new(Val::String(message.to_owned()))),
                Some(_) => return None,
            };
            Val::Variant("unavailable".to_owned(), payload)
        }
        Type::Enum(cases) => Val::Enum(cases.names().find(|name| *name == "unavailable")?.to_owned()),
        _ => return None,
    };
    Some(Val::Result(Err(Some(Box::new(error)))))
}

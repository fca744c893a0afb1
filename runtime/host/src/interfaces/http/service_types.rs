//! `wasi:http/types` 0.3 over `wasmtime-wasi-http`, with what its resources hold paid for by the plugin's account: as `types` does it for 0.2.
//!
//! Easy to get wrong: here too the engine's crate keeps a text of any length, once for each handle, so long ones are refused before it sees them. A path
//! and a scheme it refuses itself when they are long, but later than a guest may keep many of them.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::WasiHttp;
use wasmtime_wasi_http::p3::Request;
use wasmtime_wasi_http::p3::bindings::http::types::{self, HostRequest as _, Method, Scheme};

use super::types::{METHOD_BYTES_MAX, is_long};
use crate::interfaces::shadow::shadowing;
use crate::state::State;

/// Where the engine's crate defines it; later versions of 0.3 find it there.
const INSTANCE: &str = "wasi:http/types@0.3.0";

/// Defines it, and then once more the functions that set a text.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    types::add_to_linker::<State, WasiHttp>(linker, State::http_paid)?;
    shadowing(linker, link_setters)
}

type Set = wasmtime::Result<(Result<(), ()>,)>;

fn link_setters(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut instance = linker.instance(INSTANCE)?;
    instance.func_wrap(
        "[method]request.set-method",
        |mut store: StoreContextMut<'_, State>, (request, method): (Resource<Request>, Method)| -> Set {
            let mut view = store.data_mut().http_paid();
            match &method {
                Method::Other(name) if name.len() > METHOD_BYTES_MAX => Ok((Err(()),)),
                _ => Ok((view.set_method(request, method)?,)),
            }
        },
    )?;
    instance.func_wrap(
        "[method]request.set-path-with-query",
        |mut store: StoreContextMut<'_, State>, (request, path): (Resource<Request>, Option<String>)| -> Set {
            let mut view = store.data_mut().http_paid();
            if is_long(path.as_ref()) { Ok((Err(()),)) } else { Ok((view.set_path_with_query(request, path)?,)) }
        },
    )?;
    instance.func_wrap(
        "[method]request.set-scheme",
        |mut store: StoreContextMut<'_, State>, (request, scheme): (Resource<Request>, Option<Scheme>)| -> Set {
            let mut view = store.data_mut().http_paid();
            match &scheme {
                Some(Scheme::Other(name)) if is_long(Some(name)) => Ok((Err(()),)),
                _ => Ok((view.set_scheme(request, scheme)?,)),
            }
        },
    )?;
    instance.func_wrap(
        "[method]request.set-authority",
        |mut store: StoreContextMut<'_, State>, (request, authority): (Resource<Request>, Option<String>)| -> Set {
            let mut view = store.data_mut().http_paid();
            if is_long(authority.as_ref()) { Ok((Err(()),)) } else { Ok((view.set_authority(request, authority)?,)) }
        },
    )
}

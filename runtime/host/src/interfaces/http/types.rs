//! `wasi:http/types` over `wasmtime-wasi-http`, with what its resources hold paid for by the plugin's account.
//!
//! Easy to get wrong: the engine's crate keeps a method or a path of any length, once for each handle, and a handle costs a guest nothing. So
//! long ones are refused here, and before each call the account is charged for the most that the handles alive could hold, and one more.

use plugwork_core::policy::URL_BYTES_MAX;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceTable};
use wasmtime_wasi_http::p2::bindings::LinkOptions;
use wasmtime_wasi_http::p2::bindings::http::types::{self, HostOutgoingRequest as _, Method, OutgoingRequest, Scheme};
use wasmtime_wasi_http::p2::body::HostFutureTrailers;
use wasmtime_wasi_http::p2::types::{HostIncomingRequest, HostIncomingResponse, HostOutgoingResponse};
use wasmtime_wasi_http::{FieldMap, WasiHttp, p3};

use super::incoming::link_bodies;
use crate::interfaces::shadow::shadowing;
use crate::state::State;

/// Bytes of a method; the longest that is registered has 17.
pub(super) const METHOD_BYTES_MAX: usize = 32;
/// Bytes that all fields of one message may have in memory.
pub(crate) const FIELDS_BYTES_MAX: usize = 64 << 10;
/// Bytes of a request's body that cross at once. Two such pieces may wait for the network.
pub(super) const BODY_CHUNK_BYTES: usize = 64 << 10;
/// What a message under construction may hold: its fields, its texts, two pieces of its body.
const MESSAGE_BYTES: usize = FIELDS_BYTES_MAX + 4 * URL_BYTES_MAX + 2 * BODY_CHUNK_BYTES;
/// Where the engine's crate defines it; older versions find it there.
pub(super) const INSTANCE: &str = "wasi:http/types@0.2.12";

/// Defines it, and then once more the functions that set a text and those of a response's body.
pub(crate) fn link_types(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    types::add_to_linker::<State, WasiHttp>(linker, &(&LinkOptions::default()).into(), State::http_paid)?;
    shadowing(linker, |linker| link_setters(linker).and_then(|()| link_bodies(linker)))
}

type Set = wasmtime::Result<(Result<(), ()>,)>;

fn link_setters(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    type Request = Resource<OutgoingRequest>;
    let mut instance = linker.instance(INSTANCE)?;
    instance.func_wrap(
        "[method]outgoing-request.set-method",
        |mut store: StoreContextMut<'_, State>, (request, method): (Request, Method)| -> Set {
            let mut view = store.data_mut().http_paid();
            match &method {
                Method::Other(name) if name.len() > METHOD_BYTES_MAX => Ok((Err(()),)),
                _ => Ok((view.set_method(request, method)?,)),
            }
        },
    )?;
    instance.func_wrap(
        "[method]outgoing-request.set-path-with-query",
        |mut store: StoreContextMut<'_, State>, (request, path): (Request, Option<String>)| -> Set {
            let mut view = store.data_mut().http_paid();
            if is_long(path.as_ref()) { Ok((Err(()),)) } else { Ok((view.set_path_with_query(request, path)?,)) }
        },
    )?;
    instance.func_wrap(
        "[method]outgoing-request.set-scheme",
        |mut store: StoreContextMut<'_, State>, (request, scheme): (Request, Option<Scheme>)| -> Set {
            let mut view = store.data_mut().http_paid();
            match &scheme {
                Some(Scheme::Other(name)) if is_long(Some(name)) => Ok((Err(()),)),
                _ => Ok((view.set_scheme(request, scheme)?,)),
            }
        },
    )?;
    instance.func_wrap(
        "[method]outgoing-request.set-authority",
        |mut store: StoreContextMut<'_, State>, (request, authority): (Request, Option<String>)| -> Set {
            let mut view = store.data_mut().http_paid();
            if is_long(authority.as_ref()) { Ok((Err(()),)) } else { Ok((view.set_authority(request, authority)?,)) }
        },
    )
}

pub(super) fn is_long(text: Option<&String>) -> bool {
    text.is_some_and(|text| text.len() > URL_BYTES_MAX)
}

/// The most that the messages in this table may hold after one more was made.
pub(crate) fn held_bytes(table: &mut ResourceTable) -> u64 {
    let held: usize = table
        .iter_mut()
        .map(|entry| {
            if entry.is::<OutgoingRequest>()
                || entry.is::<HostOutgoingResponse>()
                || entry.is::<p3::Request>()
                || entry.is::<p3::Response>()
            {
                MESSAGE_BYTES
            } else if entry.is::<FieldMap>()
                || entry.is::<HostIncomingRequest>()
                || entry.is::<HostIncomingResponse>()
                || entry.is::<HostFutureTrailers>()
            {
                FIELDS_BYTES_MAX
            } else {
                0
            }
        })
        .sum();
    (held + MESSAGE_BYTES) as u64
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use plugwork_core::{Fault, Limits};
    use wasmtime::component::{Component, TypedFunc};
    use wasmtime::{Engine, Store};

    use super::*;
    use crate::account::Account;
    use crate::log::Log;
    use crate::state::Prepared;

    /// `run(length)`: a request, kept, whose path gets this many bytes. 0: it was taken.
    const GUEST: &str = r#"
        (component
            (import "wasi:http/types@0.2.0" (instance $types
                (export "fields" (type $fields (sub resource)))
                (export "outgoing-request" (type $request (sub resource)))
                (export "[constructor]fields" (func (result (own $fields))))
                (export "[constructor]outgoing-request" (func (param "headers" (own $fields)) (result (own $request))))
                (export "[method]outgoing-request.set-path-with-query"
                    (func (param "self" (borrow $request)) (param "path-with-query" (option string)) (result (result))))))
            (core module $memory (memory (export "memory") 1))
            (core instance $memory (instantiate $memory))
            (core func $fields (canon lower (func $types "[constructor]fields")))
            (core func $request (canon lower (func $types "[constructor]outgoing-request")))
            (core func $path (canon lower (func $types "[method]outgoing-request.set-path-with-query") (memory $memory "memory")))
            (core module $main
                (import "host" "fields" (func $fields (result i32)))
                (import "host" "request" (func $request (param i32) (result i32)))
                (import "host" "path" (func $path (param i32 i32 i32 i32) (result i32)))
                (import "memory" "memory" (memory 1))
                (func (export "run") (param i32) (result i32)
                    (memory.fill (i32.const 0) (i32.const 47) (i32.const 65536))
                    (call $path (call $request (call $fields)) (i32.const 1) (i32.const 0) (local.get 0))))
            (core instance $main (instantiate $main
                (with "memory" (instance $memory))
                (with "host" (instance
                    (export "fields" (func $fields)) (export "request" (func $request)) (export "path" (func $path))))))
            (func (export "run") (param "length" u32) (result u32) (canon lift (core func $main "run"))))
    "#;

    async fn guest(account: Arc<Account>) -> (Store<State>, TypedFunc<(u32,), (u32,)>) {
        let engine = Engine::default();
        let subject = Arc::new(account.subject().clone());
        let log =
            Arc::new(Log::new(subject.clone(), Arc::new(|_: &plugwork_core::Subject, _: crate::log::Level, _: &str| ()), account.clone()));
        let state = State::new(subject, log, account.limits(), account, None, Prepared::default());
        let mut store = Store::new(&engine, state);
        let mut linker = Linker::new(&engine);
        link_types(&mut linker).unwrap();
        let instance =
            linker.instantiate_async(&mut store, &Component::new(&engine, wat::parse_str(GUEST).unwrap()).unwrap()).await.unwrap();
        let run = instance.get_typed_func(&mut store, "run").unwrap();
        (store, run)
    }

    #[tokio::test]
    async fn a_path_may_be_as_long_as_a_url_and_no_longer() {
        let (mut store, run) = guest(Account::of_test(Limits::interactive())).await;
        let longest = u32::try_from(URL_BYTES_MAX).unwrap();
        for (length, refused) in [(1, 0), (longest, 0), (longest + 1, 1), (65_536, 1)] {
            assert_eq!(run.call_async(&mut store, (length,)).await.unwrap(), (refused,), "{length}");
        }
    }

    #[tokio::test]
    async fn requests_that_are_kept_are_charged_until_the_account_is_full() {
        let account = Account::of_test(Limits { plugin_memory_bytes: 4 << 20, ..Limits::interactive() });
        let (mut store, run) = guest(account.clone()).await;
        let mut kept = 0;
        while run.call_async(&mut store, (8,)).await.is_ok() {
            kept += 1;
            assert!(kept * MESSAGE_BYTES <= 4 << 20, "{kept} requests are more than the account has room for");
        }
        assert!(kept >= 8, "{kept}");
        assert!(matches!(store.data().ledger.memory_fault(), Some(Fault::PluginMemory { limit_bytes, .. }) if limit_bytes == 4 << 20));
        assert!(account.snapshot().memory_bytes > 3 << 20);
        drop(store);
        assert_eq!(account.snapshot().memory_bytes, 0);
    }
}

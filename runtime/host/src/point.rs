//! Points: how typed Rust meets a WIT interface that plugins export.
//!
//! plugwork's own points (crate `plugwork-points`) and an application's are written with exactly this. A `Point` only binds; a
//! [`Call`] also says what "calling it" means, which is what a [`crate::Dispatch`] needs.

use std::future::Future;

use plugwork_core::Refusal;
use wasmtime::StoreContextMut;
use wasmtime::component::{Instance, InstancePre};

use crate::interfaces::http::Incoming;
use crate::state::State;

/// An interface that plugins export, bound by `wasmtime::component::bindgen!`.
///
/// The macro [`crate::point!`] writes the implementation for a module that `bindgen!` generated.
pub trait Point: Send + Sync + 'static {
    /// `namespace:package/interface@version`, as bound.
    const INTERFACE: &'static str;

    /// Where the exports are in a component; found once per plugin.
    type Indices: Send + Sync + 'static;

    /// The typed exports of one instance.
    type Guest: Send + Sync + 'static;

    /// Finds the exports. An error says which one is missing or has another type.
    fn indices(pre: &InstancePre<State>) -> wasmtime::Result<Self::Indices>;

    /// Binds them in an instance.
    fn load(indices: &Self::Indices, store: StoreContextMut<'_, State>, instance: &Instance) -> wasmtime::Result<Self::Guest>;
}

/// A point with one main function: input in, output or refusal out.
pub trait Call: Point {
    /// What goes in. Copied where a call hops from a thread that does I/O to a guest thread.
    type Input: Clone + Send + Sync + 'static;
    /// What comes out.
    type Output: Send + 'static;

    /// The request within the input, and what such a call gives, where several calls may be in one instance at the same time. Only `wasi:http/handler`
    /// of this library has one; such an instance needs the grant `calls-at-once`.
    fn visit(_input: &Self::Input) -> Option<(Incoming, Self::Output)> {
        None
    }

    /// Makes the call. An implementation is written as an `async fn`.
    fn call<'a>(
        guest: &'a Self::Guest,
        store: StoreContextMut<'a, State>,
        input: &'a Self::Input,
    ) -> impl Future<Output = wasmtime::Result<Result<Self::Output, Refusal>>> + Send + 'a;
}

/// Declares a [`Point`] over an interface module that `bindgen!` generated under `exports`.
///
/// ```text
/// plugwork::point!(pub TextFilter = "example:text/text-filter@0.1.0" in bindings::exports::example::text::text_filter);
/// ```
#[macro_export]
macro_rules! point {
    ($(#[$doc:meta])* $visibility:vis $name:ident = $interface:literal in $($module:ident)::+) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        $visibility struct $name;

        impl $crate::Point for $name {
            const INTERFACE: &'static str = $interface;
            type Indices = $($module)::+::GuestIndices;
            type Guest = $($module)::+::Guest;

            fn indices(pre: &$crate::wasmtime::component::InstancePre<$crate::State>) -> $crate::wasmtime::Result<Self::Indices> {
                Self::Indices::new(pre)
            }

            fn load(
                indices: &Self::Indices,
                store: $crate::wasmtime::StoreContextMut<'_, $crate::State>,
                instance: &$crate::wasmtime::component::Instance,
            ) -> $crate::wasmtime::Result<Self::Guest> {
                indices.load(store, instance)
            }
        }
    };
}

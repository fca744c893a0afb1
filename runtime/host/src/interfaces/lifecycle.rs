//! The lifecycle that plugins export: found once per plugin, called by the session.

use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

pub(crate) use super::bindings::exports::plugwork::plugin::lifecycle::{Guest, GuestIndices};
use crate::state::State;

pub(crate) fn find(pre: &InstancePre<State>) -> wasmtime::Result<GuestIndices> {
    GuestIndices::new(pre)
}

pub(crate) fn load(indices: &GuestIndices, store: &mut Store<State>, instance: &Instance) -> wasmtime::Result<Guest> {
    indices.load(store, instance)
}

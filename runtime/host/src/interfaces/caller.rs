//! `plugwork:host/caller`: which plugins led to the running call, as the host knows them.

use wasmtime::component::{HasSelf, Linker};

use super::bindings::plugwork::host::caller::{self, Plugin};
use crate::state::State;
use crate::usage::HostInterface;

pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    caller::add_to_linker::<State, HasSelf<State>>(linker, |state| state.counted_as(HostInterface::Plugin))
}

impl caller::Host for State {
    fn callers(&mut self) -> wasmtime::Result<Vec<Plugin>> {
        let callers = self.chained.iter().flat_map(|chained| chained.callers.iter());
        let told = callers.map(|caller| Plugin {
            name: caller.subject.package.to_string(),
            version: caller.version.clone(),
            digest: caller.subject.digest.to_string(),
            instance: caller.subject.instance.clone(),
        });
        Ok(told.collect())
    }
}

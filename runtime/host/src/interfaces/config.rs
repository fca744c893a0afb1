//! `wasi:config/store`: the values that a `config` grant names. Without a grant it is linked and empty.

use wasmtime::component::{HasSelf, Linker};

use super::bindings::wasi::config::store;
use crate::state::State;
use crate::usage::HostInterface;

pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    store::add_to_linker::<State, HasSelf<State>>(linker, |state| state.counted_as(HostInterface::Config))
}

impl store::Host for State {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, store::Error>> {
        Ok(Ok(self.config.as_ref().and_then(|config| config.get(&key)).map(str::to_owned)))
    }

    fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, store::Error>> {
        let config = self.config.as_deref();
        let values = config
            .into_iter()
            .flat_map(|config| config.values.keys().filter_map(|key| config.get(key).map(|value| (key.clone(), value.to_owned()))));
        Ok(Ok(values.collect()))
    }
}

//! `plugwork:host/log` and `wasi:logging`: the plugin's own log.

use plugwork_core::limits::LAST_WORDS_BYTES_MAX;
use wasmtime::component::{HasSelf, Linker};

use super::bindings::plugwork::host::log as own;
use super::bindings::wasi::logging::logging as wasi;
use crate::log::{Level, cut};
use crate::state::State;
use crate::usage::HostInterface;

pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    own::add_to_linker::<State, HasSelf<State>>(linker, |state| state.counted_as(HostInterface::Log))
}

pub(crate) fn link_wasi(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasi::add_to_linker::<State, HasSelf<State>>(linker, |state| state.counted_as(HostInterface::Log))
}

impl own::Host for State {
    fn write(&mut self, level: own::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            own::Level::Trace => Level::Trace,
            own::Level::Debug => Level::Debug,
            own::Level::Info => Level::Info,
            own::Level::Warn => Level::Warn,
            own::Level::Error => Level::Error,
        };
        self.log.write(level, &message);
        Ok(())
    }

    fn last_words(&mut self, message: String, stack: String) -> wasmtime::Result<()> {
        self.last_words = Some((cut(&message, LAST_WORDS_BYTES_MAX).to_owned(), cut(&stack, LAST_WORDS_BYTES_MAX).to_owned()));
        Ok(())
    }
}

impl wasi::Host for State {
    fn log(&mut self, level: wasi::Level, context: String, message: String) -> wasmtime::Result<()> {
        let level = match level {
            wasi::Level::Trace => Level::Trace,
            wasi::Level::Debug => Level::Debug,
            wasi::Level::Info => Level::Info,
            wasi::Level::Warn => Level::Warn,
            wasi::Level::Error | wasi::Level::Critical => Level::Error,
        };
        if context.is_empty() {
            self.log.write(level, &message);
        } else {
            self.log.write(level, &format!("{context}: {message}"));
        }
        Ok(())
    }
}

//! One component that memory does not have: loaded from disk, or compiled and kept there. Blocks; runs on a thread that may.
//!
//! What a reader may get wrong: with children nothing is compiled in this process, also not where the folder cannot keep it. That is an
//! error, since a cache that an attacker can spoil must not move the compile bomb into the host.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use plugwork_core::CompileLimits;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::disk::{Disk, Entry, Rejection};
use super::{Counters, load, refusal};
use crate::compile::{Children, Made, Place, in_process};
use crate::engine::{Variant, compatibility};
use crate::error::{Error, ErrorKind, Result};
use crate::source::Source;

pub(super) struct Wanted {
    pub(super) disk: Option<Arc<Disk>>,
    pub(super) counters: Arc<Counters>,
    pub(super) engine: Engine,
    pub(super) variant: Variant,
    pub(super) source: Source,
}

impl Wanted {
    /// From disk, or compiled here.
    pub(super) fn in_process(&self) -> Result<Component> {
        let compile = || {
            self.counters.compiled.fetch_add(1, Ordering::Relaxed);
            in_process::compile(&self.engine, &self.source)
        };
        let Some(disk) = &self.disk else { return compile() };
        match self.load(disk) {
            Ok(Some(component)) => return Ok(component),
            Ok(None) => {}
            // Nothing may be kept there either.
            Err(_) if !disk.is_ours() => return compile(),
            Err(_) => {}
        }
        self.counters.compiled.fetch_add(1, Ordering::Relaxed);
        let code = in_process::precompile(&self.engine, &self.source)?;
        match disk.write(&self.code(), &code).and_then(|()| load::component(disk, &self.code(), &self.engine)) {
            Ok(Some(component)) => Ok(component),
            // Nothing can be kept here: compile once more, for memory only.
            Ok(None) | Err(_) => in_process::compile(&self.engine, &self.source),
        }
    }

    /// What the disk knows: the component, or why there will be none; `None` where it has to be compiled.
    pub(super) fn kept(&self, limits: &CompileLimits) -> Result<Option<Component>> {
        let disk = self.disk()?;
        match self.load(disk) {
            Ok(Some(component)) => return Ok(Some(component)),
            Ok(None) => {}
            Err(rejection) if !disk.is_ours() => return Err(self.cannot_keep(&rejection)),
            Err(_) => {}
        }
        match refusal::standing(disk, &self.refusal(), limits) {
            Ok(None) => Ok(None),
            Ok(Some(failure)) => {
                self.counters.refused.fetch_add(1, Ordering::Relaxed);
                Err(Error::compile(self.source.digest(), failure))
            }
            Err(_) => {
                self.counters.rejected.fetch_add(1, Ordering::Relaxed);
                Ok(None)
            }
        }
    }

    /// Compiled in a child and kept; or not, which is kept too.
    pub(super) fn in_a_child(&self, children: &Children, place: &Place) -> Result<Component> {
        let disk = self.disk()?;
        self.counters.compiled.fetch_add(1, Ordering::Relaxed);
        match children.compile(&self.source, self.variant, compatibility(&self.engine), place)? {
            Made::Failed(failure) => {
                refusal::remember(disk, &self.refusal(), &failure);
                Err(Error::compile(self.source.digest(), failure))
            }
            Made::Code(mut code) => {
                disk.remove(&self.refusal());
                let kept = disk.write_from(&self.code(), &mut code);
                match kept.and_then(|()| load::component(disk, &self.code(), &self.engine)) {
                    Ok(Some(component)) => Ok(component),
                    Ok(None) => Err(self.cannot_keep(&"it is gone again")),
                    Err(rejection) => Err(self.cannot_keep(&rejection)),
                }
            }
        }
    }

    fn load(&self, disk: &Disk) -> Result<Option<Component>, Rejection> {
        let loaded = load::component(disk, &self.code(), &self.engine);
        match &loaded {
            Ok(Some(_)) => _ = self.counters.disk_hits.fetch_add(1, Ordering::Relaxed),
            Ok(None) => {}
            Err(_) => _ = self.counters.rejected.fetch_add(1, Ordering::Relaxed),
        }
        loaded
    }

    fn disk(&self) -> Result<&Disk> {
        // Opening the runtime saw to it.
        self.disk.as_deref().ok_or_else(|| Error::new(ErrorKind::Engine, "children compile only for a host with a state folder"))
    }

    fn cannot_keep(&self, why: &dyn std::fmt::Display) -> Error {
        Error::new(ErrorKind::Io, format!("cannot keep the machine code of {}, and only what is kept is run: {why}", self.source.digest()))
    }

    fn code(&self) -> Entry {
        Entry::code(self.source.digest(), self.variant, compatibility(&self.engine))
    }

    fn refusal(&self) -> Entry {
        Entry::refusal(self.source.digest(), self.variant, compatibility(&self.engine))
    }
}

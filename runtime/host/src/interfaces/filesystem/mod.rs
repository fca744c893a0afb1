//! `wasi:filesystem` 0.2 over `wasmtime-wasi`, with a quota: what the engine's crate resolves and opens over directory handles is left to it;
//! here is counted what a plugin adds, and refused what is neither file nor folder.
//!
//! Without a grant there is no folder, and every call goes straight through. Easily got wrong: each change is looked at, made and booked
//! while the folder's turn is held, so that two instances cannot both take the last byte.

mod folder;
mod host;
mod stream;

use std::collections::HashMap;
use std::sync::Arc;

use plugwork_core::Denial;
use plugwork_core::policy::Access;
use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemCtxView};
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::{self, DescriptorStat, DescriptorType, ErrorCode, HostDescriptor, PathFlags};

pub use self::folder::{FILE_HANDLES_MAX, Folder};
use self::folder::{Full, Handle, Identity};
use crate::log::{Level, Log};
use crate::state::State;
use crate::usage::HostInterface;

/// What one instance has of its folder.
#[derive(Default)]
pub(crate) struct Opened {
    pub(crate) folder: Option<Arc<Folder>>,
    handles: HashMap<u32, Arc<Handle>>,
}

impl Opened {
    pub(crate) fn new(folder: Option<Arc<Folder>>) -> Self {
        Self { folder, handles: HashMap::new() }
    }
}

/// An instance's view of its files: what the host functions work on.
pub(crate) struct Files<'a> {
    pub(crate) inner: WasiFilesystemCtxView<'a>,
    pub(crate) opened: &'a mut Opened,
    pub(crate) log: &'a Arc<Log>,
}

struct HasFiles;

impl HasData for HasFiles {
    type Data<'a> = Files<'a>;
}

pub(crate) fn link_types(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    types::add_to_linker::<State, HasFiles>(linker, |state| state.counted_as(HostInterface::Filesystem).files())
}

pub(crate) fn link_preopens(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    use wasmtime_wasi::p2::bindings::filesystem::preopens;
    preopens::add_to_linker::<State, HasFiles>(linker, |state| state.counted_as(HostInterface::Filesystem).files())
}

/// What a path leads to, before something changes there.
struct Found {
    stat: DescriptorStat,
    identity: Identity,
}

impl Found {
    fn is_file(&self) -> bool {
        self.stat.type_ == DescriptorType::RegularFile
    }
}

impl Files<'_> {
    /// The folder, where changes are counted.
    fn folder(&self) -> Option<Arc<Folder>> {
        self.opened.folder.clone()
    }

    fn handle(&self, descriptor: &Resource<Descriptor>) -> Option<Arc<Handle>> {
        self.opened.handles.get(&descriptor.rep()).cloned()
    }

    /// Looks without deciding: what cannot be looked at is left to the change itself to refuse.
    async fn find(&mut self, folder: &Resource<Descriptor>, flags: PathFlags, path: &str) -> Option<Found> {
        let stat = self.inner.stat_at(again(folder), flags, path.to_owned()).await.ok()?;
        let hash = self.inner.metadata_hash_at(again(folder), flags, path.to_owned()).await.ok()?;
        Some(Found { stat, identity: (hash.lower, hash.upper) })
    }

    fn deny<T>(&self, code: ErrorCode, denial: &Denial) -> FsResult<T> {
        // WASI has no room for a reason: without this record nobody would learn which rule decided.
        self.log.write(Level::Warn, &denial.to_string());
        Err(code.into())
    }

    /// Asks policy about a path, where there is a folder.
    fn judge(&self, path: &str, access: Access) -> FsResult<()> {
        match self.opened.folder.as_ref().map(|folder| folder.judge(path, access)) {
            Some(Err(denial)) => self.deny(ErrorCode::NotPermitted, &denial),
            _ => Ok(()),
        }
    }

    /// Books growth; where it does not fit, looks once more at what is really there.
    async fn grow(&mut self, folder: &Arc<Folder>, bytes: u64, files: u64) -> FsResult<()> {
        self.book(folder, move |folder| folder.grow(bytes, files)).await
    }

    async fn book(&mut self, folder: &Arc<Folder>, attempt: impl Fn(&Folder) -> Result<(), Full>) -> FsResult<()> {
        if attempt(folder).is_ok() {
            return Ok(());
        }
        let walked = folder.clone();
        wasmtime_wasi::runtime::spawn_blocking(move || walked.look_again()).await;
        match attempt(folder) {
            Ok(()) => Ok(()),
            Err(full) => self.deny(ErrorCode::Quota, &folder.denial(full)),
        }
    }
}

/// The same handle, for another call. Handles are numbers; the table checks them at each use.
fn again(descriptor: &Resource<Descriptor>) -> Resource<Descriptor> {
    Resource::new_borrow(descriptor.rep())
}

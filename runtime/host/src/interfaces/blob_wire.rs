//! `wasi:blobstore` over the instance's [`GrantedContainers`]: handles, streams, and errors as text.
//!
//! No decision here. Easy to get wrong: an outgoing value may get its body before or after `write-data` names it; it is kept when it has both a
//! name and a finished body, and nothing is kept of one that is dropped before.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use plugwork_core::limits::{BLOB_CHUNK_BYTES_MAX, BLOB_NAMES_MAX, BLOB_WHOLE_BYTES_MAX};
use plugwork_core::policy::KEY_BYTES_MAX;
use plugwork_core::{Denial, InterfaceName};
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime::format_err;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, InputStream, OutputStream, Pollable, StreamError, StreamResult};

use super::bindings::wasi::blobstore::types::{ContainerMetadata, ObjectId, ObjectMetadata};
use super::bindings::wasi::blobstore::{blobstore, container, types};
use super::blob::{GrantedContainers, Object, Open, Staged};
use super::storage::{StorageError, invalid};
use crate::log::Level;
use crate::state::State;
use crate::usage::HostInterface;

/// Behind a `container` handle.
pub struct ContainerHandle(String);

/// Behind a `stream-object-names` handle.
pub struct ObjectNames {
    container: String,
    after: Option<String>,
    ended: bool,
}

/// Behind an `incoming-value` handle: a part of an object.
pub struct Incoming {
    object: Open<Box<dyn Object>>,
    offset: u64,
    end: u64,
}

/// Behind an `outgoing-value` handle.
#[derive(Default)]
pub struct Outgoing {
    body: Option<Body>,
    target: Option<(String, String)>,
    kept: bool,
}

/// What is written, shared with the stream that writes it.
type Body = Arc<Mutex<Writing>>;

struct Writing {
    staged: Option<Open<Box<dyn Staged>>>,
    failed: Option<StorageError>,
    stream_open: bool,
    containers: GrantedContainers,
}

/// Defines one of the interfaces of `wasi:blobstore`. An unknown one defines nothing, and the engine names it.
pub fn link_blobstore(interface: &InterfaceName, linker: &mut Linker<State>) -> wasmtime::Result<()> {
    match interface.interface() {
        "types" => types::add_to_linker::<State, HasSelf<State>>(linker, |state| state.counted_as(HostInterface::Blob)),
        "container" => container::add_to_linker::<State, HasSelf<State>>(linker, |state| state.counted_as(HostInterface::Blob)),
        "blobstore" => blobstore::add_to_linker::<State, HasSelf<State>>(linker, |state| state.counted_as(HostInterface::Blob)),
        _ => Ok(()),
    }
}

type Answer<T> = wasmtime::Result<Result<T, String>>;

fn absent(container: &str) -> StorageError {
    StorageError::Absent(format!("container `{}`", container.escape_debug()))
}

impl State {
    fn containers(&self) -> Result<GrantedContainers, StorageError> {
        self.get::<GrantedContainers>().cloned().ok_or_else(|| {
            StorageError::Denied(Denial {
                code: "E-CAP-NOT-GRANTED".to_owned(),
                permission: "wasi:blobstore".to_owned(),
                rule: "no container was granted".to_owned(),
                hint: "grants.blob = { containers = [\"…\"] }".to_owned(),
            })
        })
    }

    /// What the guest is told: the standard's error is a text.
    fn told<T>(&self, answer: Result<T, StorageError>) -> Result<T, String> {
        answer.map_err(|error| {
            if let StorageError::Denied(denial) = &error
                && !denial.code.starts_with("E-LIMIT-")
            {
                // Those of limits the account has counted itself.
                self.account().denied(denial);
            }
            error.to_string()
        })
    }

    /// As `told`, after what may have changed how much is kept.
    async fn told_changed(
        &mut self,
        containers: Result<GrantedContainers, StorageError>,
        done: Result<(), StorageError>,
    ) -> Result<(), String> {
        if let Ok(containers) = containers
            && let Ok(kept) = containers.kept().await
        {
            self.account().storage("blob", kept.bytes, kept.entries);
        }
        self.told(done)
    }

    /// A new handle, or the error.
    fn handle<T: Send + 'static>(&mut self, answer: Result<T, StorageError>) -> Answer<Resource<T>> {
        match self.told(answer) {
            Ok(value) => Ok(Ok(self.table.push(value)?)),
            Err(told) => Ok(Err(told)),
        }
    }

    fn container_name(&self, handle: &Resource<ContainerHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(handle)?.0.clone())
    }
}

impl blobstore::Host for State {
    async fn create_container(&mut self, name: String) -> Answer<Resource<ContainerHandle>> {
        let containers = self.containers();
        let created = async { containers?.create(&name).await }.await;
        self.handle(created.map(|()| ContainerHandle(name)))
    }

    async fn get_container(&mut self, name: String) -> Answer<Resource<ContainerHandle>> {
        let containers = self.containers();
        let found = async { containers?.created_s(&name).await?.ok_or_else(|| absent(&name)) }.await;
        self.handle(found.map(|_| ContainerHandle(name)))
    }

    async fn delete_container(&mut self, name: String) -> Answer<()> {
        let containers = self.containers();
        let done = async { containers.clone()?.remove(&name).await }.await;
        Ok(self.told_changed(containers, done).await)
    }

    async fn container_exists(&mut self, name: String) -> Answer<bool> {
        let containers = self.containers();
        let exists = async { Ok(containers?.created_s(&name).await?.is_some()) }.await;
        Ok(self.told(exists))
    }

    async fn copy_object(&mut self, from: ObjectId, to: ObjectId) -> Answer<()> {
        let containers = self.containers();
        let done = async { containers.clone()?.copy((&from.container, &from.object), (&to.container, &to.object)).await }.await;
        Ok(self.told_changed(containers, done).await)
    }

    async fn move_object(&mut self, from: ObjectId, to: ObjectId) -> Answer<()> {
        let containers = self.containers();
        let (source, target) = ((from.container.as_str(), from.object.as_str()), (to.container.as_str(), to.object.as_str()));
        let done = async {
            let containers = containers.clone()?;
            // Before the copy: one that cannot be taken away from its old place is no move.
            containers.may_write(source.0, source.1)?;
            if source == target {
                return containers.object(source.0, source.1).await.map(drop);
            }
            containers.copy(source, target).await?;
            containers.delete(source.0, std::slice::from_ref(&from.object)).await
        };
        let done = done.await;
        Ok(self.told_changed(containers, done).await)
    }
}

impl container::Host for State {}

impl container::HostContainer for State {
    async fn name(&mut self, this: Resource<ContainerHandle>) -> Answer<String> {
        Ok(Ok(self.container_name(&this)?))
    }

    async fn info(&mut self, this: Resource<ContainerHandle>) -> Answer<ContainerMetadata> {
        let (containers, name) = (self.containers(), self.container_name(&this)?);
        let created = async { containers?.created_s(&name).await?.ok_or_else(|| absent(&name)) }.await;
        Ok(self.told(created.map(|created_at| ContainerMetadata { name, created_at })))
    }

    async fn get_data(&mut self, this: Resource<ContainerHandle>, name: String, start: u64, end: u64) -> Answer<Resource<Incoming>> {
        let (containers, container) = (self.containers(), self.container_name(&this)?);
        let found = async {
            if start > end {
                let what = format!("{start} is behind the end, {end}");
                return Err(invalid("start", what, "both inclusive, the end not before the start".to_owned()));
            }
            let object = containers?.object(&container, &name).await?;
            let size = object.what.size_bytes();
            Ok(Incoming { object, offset: start.min(size), end: end.saturating_add(1).min(size) })
        };
        let found = found.await;
        self.handle(found)
    }

    async fn write_data(&mut self, this: Resource<ContainerHandle>, name: String, data: Resource<Outgoing>) -> Answer<()> {
        let (containers, container) = (self.containers(), self.container_name(&this)?);
        let may = async {
            let containers = containers.clone()?;
            containers.may_write(&container, &name)?;
            containers.created_s(&container).await?.map(drop).ok_or_else(|| absent(&container))
        };
        let may = may.await;
        if may.is_err() {
            return Ok(self.told(may));
        }
        let outgoing = self.table.get_mut(&data)?;
        if outgoing.kept || outgoing.target.is_some() {
            return Ok(Err("the value was written already: make a new one".to_owned()));
        }
        outgoing.target = Some((container, name));
        let finished = outgoing.body.as_ref().is_some_and(|body| !lock(body).stream_open);
        if !finished {
            return Ok(Ok(()));
        }
        // The body is whole: older texts of the interface have no `finish`.
        outgoing.kept = true;
        let (body, target) = (outgoing.body.take(), outgoing.target.take());
        let done = async { keep(&containers.clone()?, body, target).await }.await;
        Ok(self.told_changed(containers, done).await)
    }

    async fn list_objects(&mut self, this: Resource<ContainerHandle>) -> Answer<Resource<ObjectNames>> {
        let (containers, container) = (self.containers(), self.container_name(&this)?);
        let found = async { containers?.created_s(&container).await?.ok_or_else(|| absent(&container)) }.await;
        self.handle(found.map(|_| ObjectNames { container, after: None, ended: false }))
    }

    async fn delete_object(&mut self, this: Resource<ContainerHandle>, name: String) -> Answer<()> {
        self.delete_objects(this, vec![name]).await
    }

    async fn delete_objects(&mut self, this: Resource<ContainerHandle>, names: Vec<String>) -> Answer<()> {
        let (containers, container) = (self.containers(), self.container_name(&this)?);
        let done = async { containers.clone()?.delete(&container, &names).await }.await;
        Ok(self.told_changed(containers, done).await)
    }

    async fn has_object(&mut self, this: Resource<ContainerHandle>, name: String) -> Answer<bool> {
        let (containers, container) = (self.containers(), self.container_name(&this)?);
        let has = async { containers?.has(&container, &name).await }.await;
        Ok(self.told(has))
    }

    async fn object_info(&mut self, this: Resource<ContainerHandle>, name: String) -> Answer<ObjectMetadata> {
        let (containers, container) = (self.containers(), self.container_name(&this)?);
        let found = async { containers?.object(&container, &name).await }.await;
        Ok(self.told(found.map(|object| ObjectMetadata {
            name,
            container,
            created_at: object.what.created_s(),
            size: object.what.size_bytes(),
        })))
    }

    async fn clear(&mut self, this: Resource<ContainerHandle>) -> Answer<()> {
        let (containers, container) = (self.containers(), self.container_name(&this)?);
        let done = async { containers.clone()?.clear(&container).await }.await;
        Ok(self.told_changed(containers, done).await)
    }

    async fn drop(&mut self, this: Resource<ContainerHandle>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl container::HostStreamObjectNames for State {
    async fn read_stream_object_names(&mut self, this: Resource<ObjectNames>, len: u64) -> Answer<(Vec<String>, bool)> {
        let containers = self.containers();
        let limit = usize::try_from(len).unwrap_or(usize::MAX).min(BLOB_NAMES_MAX);
        // Names and where each is, for one more than are given.
        let memory = self.account().hold(((limit + 1) * (KEY_BYTES_MAX + 64)) as u64).map_err(StorageError::Denied);
        let names = self.table.get_mut(&this)?;
        if names.ended || len == 0 {
            return Ok(Ok((Vec::new(), names.ended)));
        }
        let read = async {
            let _memory = memory?;
            let (listed, more) = containers?.list(&names.container, names.after.as_deref(), limit).await?;
            names.ended = !more;
            names.after = listed.last().map(|last| last.place.clone());
            Ok((listed.into_iter().map(|listed| listed.name).collect(), names.ended))
        };
        let read = read.await;
        Ok(self.told(read))
    }

    async fn skip_stream_object_names(&mut self, this: Resource<ObjectNames>, num: u64) -> Answer<(u64, bool)> {
        // One page at most: the guest sees how many were skipped and asks again.
        let read = self.read_stream_object_names(this, num).await?;
        Ok(read.map(|(names, ended)| (names.len() as u64, ended)))
    }

    async fn drop(&mut self, this: Resource<ObjectNames>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl types::Host for State {}

impl types::HostOutgoingValue for State {
    async fn new_outgoing_value(&mut self) -> wasmtime::Result<Resource<Outgoing>> {
        Ok(self.table.push(Outgoing::default())?)
    }

    async fn outgoing_value_write_body(&mut self, this: Resource<Outgoing>) -> wasmtime::Result<Result<Resource<DynOutputStream>, ()>> {
        let outgoing = self.table.get(&this)?;
        if outgoing.body.is_some() || outgoing.kept {
            return Ok(Err(()));
        }
        let containers = self.containers();
        let begun = async {
            let containers = containers?;
            Ok((containers.stage().await?, containers))
        };
        let begun = begun.await;
        let (staged, containers) = match self.told(begun) {
            Ok(begun) => begun,
            Err(told) => {
                // The standard's error has no room for a reason here.
                self.log.write(Level::Warn, &told);
                return Ok(Err(()));
            }
        };
        let body = Arc::new(Mutex::new(Writing { staged: Some(staged), failed: None, stream_open: true, containers }));
        self.table.get_mut(&this)?.body = Some(body.clone());
        let stream: DynOutputStream = Box::new(BodyStream(body));
        Ok(Ok(self.table.push_child(stream, &this)?))
    }

    async fn finish(&mut self, this: Resource<Outgoing>) -> Answer<()> {
        // Traps while the stream lives, as the interface says.
        let outgoing = self.table.delete(this)?;
        if outgoing.kept {
            return Ok(Ok(()));
        }
        let containers = self.containers();
        let done = async { keep(&containers.clone()?, outgoing.body, outgoing.target).await }.await;
        Ok(self.told_changed(containers, done).await)
    }

    async fn drop(&mut self, this: Resource<Outgoing>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

fn lock(body: &Body) -> std::sync::MutexGuard<'_, Writing> {
    body.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn keep(containers: &GrantedContainers, body: Option<Body>, target: Option<(String, String)>) -> Result<(), StorageError> {
    let state = |what: &str| invalid("value", what.to_owned(), "`write-data` before `finish`, once".to_owned());
    let Some((container, name)) = target else { return Err(state("it has no name")) };
    let staged = match body {
        None => containers.stage().await?,
        Some(body) => {
            let mut writing = lock(&body);
            if let Some(error) = writing.failed.take() {
                return Err(error);
            }
            writing.staged.take().ok_or_else(|| state("it was written already"))?
        }
    };
    containers.keep(staged, &container, &name).await
}

impl Incoming {
    fn read_whole(&self) -> Result<Vec<u8>, StorageError> {
        let mut whole = Vec::with_capacity(usize::try_from(self.end - self.offset).unwrap_or_default());
        let mut offset = self.offset;
        while offset < self.end {
            let wanted = usize::try_from(self.end - offset).unwrap_or(usize::MAX).min(BLOB_CHUNK_BYTES_MAX);
            let chunk = self.object.what.read_at(offset, wanted)?;
            if chunk.is_empty() {
                return Err(StorageError::Unavailable("the object is shorter than it was".to_owned()));
            }
            offset += chunk.len() as u64;
            whole.extend_from_slice(&chunk);
        }
        Ok(whole)
    }
}

impl types::HostIncomingValue for State {
    async fn incoming_value_consume_sync(&mut self, this: Resource<Incoming>) -> Answer<Vec<u8>> {
        let incoming = self.table.delete(this)?;
        let bytes = incoming.end.saturating_sub(incoming.offset);
        if bytes > BLOB_WHOLE_BYTES_MAX {
            let expected = format!("at most {BLOB_WHOLE_BYTES_MAX} bytes; take parts with `get-data`, or the stream of `consume-async`");
            return Ok(self.told(Err(invalid("value", format!("{bytes} bytes"), expected))));
        }
        let memory = self.account().hold(bytes).map_err(StorageError::Denied);
        Ok(self.told(memory.and_then(|_memory| incoming.read_whole())))
    }

    async fn incoming_value_consume_async(&mut self, this: Resource<Incoming>) -> Answer<Resource<DynInputStream>> {
        let incoming = self.table.delete(this)?;
        let stream: DynInputStream = Box::new(incoming);
        Ok(Ok(self.table.push(stream)?))
    }

    async fn size(&mut self, this: Resource<Incoming>) -> wasmtime::Result<u64> {
        let incoming = self.table.get(&this)?;
        Ok(incoming.end.saturating_sub(incoming.offset))
    }

    async fn drop(&mut self, this: Resource<Incoming>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Incoming {
    async fn ready(&mut self) {}
}

impl InputStream for Incoming {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if self.offset >= self.end {
            return Err(StreamError::Closed);
        }
        let wanted = usize::try_from(self.end - self.offset).unwrap_or(usize::MAX).min(size).min(BLOB_CHUNK_BYTES_MAX);
        let chunk =
            self.object.what.read_at(self.offset, wanted).map_err(|error| StreamError::LastOperationFailed(format_err!("{error}")))?;
        if chunk.is_empty() && wanted > 0 {
            return Err(StreamError::Closed);
        }
        self.offset += chunk.len() as u64;
        Ok(chunk)
    }
}

/// Writes a body. What it wrote counts when the value is kept.
struct BodyStream(Body);

#[wasmtime_wasi::async_trait]
impl Pollable for BodyStream {
    async fn ready(&mut self) {}
}

impl OutputStream for BodyStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut writing = lock(&self.0);
        let writing = &mut *writing;
        let Some(staged) = &mut writing.staged else { return Err(StreamError::Closed) };
        match staged.what.write(&bytes) {
            Ok(()) => Ok(()),
            Err(error) => {
                // Remembered, so that a guest which does not look at its stream's errors cannot finish half a value.
                let error = writing.containers.word(error);
                let told = format_err!("{error}");
                writing.failed = Some(error);
                writing.staged = None;
                Err(StreamError::LastOperationFailed(told))
            }
        }
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        if lock(&self.0).staged.is_some() { Ok(BLOB_CHUNK_BYTES_MAX) } else { Err(StreamError::Closed) }
    }
}

impl Drop for BodyStream {
    fn drop(&mut self) {
        lock(&self.0).stream_open = false;
    }
}

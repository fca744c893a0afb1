//! `wasi:blobstore` over the instance's [`GrantedContainers`]: handles, streams, and errors as text.
//!
//! No decision here. Easy to get wrong: an outgoing value may get its body before or after `write-data` names it; it is kept when it has both a
//! name and a finished body, and nothing is kept of one that is dropped before.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use plugwork_core::InterfaceName;
use plugwork_core::limits::{BLOB_CHUNK_BYTES_MAX, BLOB_NAMES_MAX, BLOB_WHOLE_BYTES_MAX};
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime::format_err;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, InputStream, OutputStream, Pollable, StreamError, StreamResult};

use super::bindings::wasi::blobstore::types::{ContainerMetadata, ObjectId, ObjectMetadata};
use super::bindings::wasi::blobstore::{blobstore, container, types};
use super::blob::{GrantedContainers, Object, Open, Staged};
use super::storage::{StorageError, invalid};
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

fn text(error: StorageError) -> String {
    error.to_string()
}

fn absent(container: &str) -> String {
    text(StorageError::Absent(format!("container `{container}`")))
}

impl State {
    fn containers(&self) -> Result<GrantedContainers, String> {
        self.get::<GrantedContainers>().cloned().ok_or_else(|| "denied `wasi:blobstore` (E-CAP-NOT-GRANTED): no container was granted".to_owned())
    }

    fn container_name(&self, handle: &Resource<ContainerHandle>) -> wasmtime::Result<String> {
        Ok(self.table.get(handle)?.0.clone())
    }
}

impl blobstore::Host for State {
    async fn create_container(&mut self, name: String) -> Answer<Resource<ContainerHandle>> {
        let created = match self.containers() {
            Ok(containers) => containers.create(&name).await.map_err(text),
            Err(denied) => Err(denied),
        };
        match created {
            Ok(()) => Ok(Ok(self.table.push(ContainerHandle(name))?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn get_container(&mut self, name: String) -> Answer<Resource<ContainerHandle>> {
        match self.container_exists(name.clone()).await? {
            Ok(true) => Ok(Ok(self.table.push(ContainerHandle(name))?)),
            Ok(false) => Ok(Err(absent(&name))),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn delete_container(&mut self, name: String) -> Answer<()> {
        Ok(match self.containers() {
            Ok(containers) => containers.remove(&name).await.map_err(text),
            Err(denied) => Err(denied),
        })
    }

    async fn container_exists(&mut self, name: String) -> Answer<bool> {
        Ok(match self.containers() {
            Ok(containers) => containers.created_s(&name).await.map(|created| created.is_some()).map_err(text),
            Err(denied) => Err(denied),
        })
    }

    async fn copy_object(&mut self, from: ObjectId, to: ObjectId) -> Answer<()> {
        Ok(match self.containers() {
            Ok(containers) => containers.copy((&from.container, &from.object), (&to.container, &to.object)).await.map_err(text),
            Err(denied) => Err(denied),
        })
    }

    async fn move_object(&mut self, from: ObjectId, to: ObjectId) -> Answer<()> {
        let containers = match self.containers() {
            Ok(containers) => containers,
            Err(denied) => return Ok(Err(denied)),
        };
        let (source, target) = ((from.container.as_str(), from.object.as_str()), (to.container.as_str(), to.object.as_str()));
        let moved = async {
            containers.may_write(source.0, source.1)?;
            if source == target {
                return containers.object(source.0, source.1).await.map(drop);
            }
            containers.copy(source, target).await?;
            containers.delete(source.0, std::slice::from_ref(&from.object)).await
        };
        Ok(moved.await.map_err(text))
    }
}

impl container::Host for State {}

impl container::HostContainer for State {
    async fn name(&mut self, this: Resource<ContainerHandle>) -> Answer<String> {
        Ok(Ok(self.container_name(&this)?))
    }

    async fn info(&mut self, this: Resource<ContainerHandle>) -> Answer<ContainerMetadata> {
        let name = self.container_name(&this)?;
        Ok(match self.containers() {
            Ok(containers) => match containers.created_s(&name).await {
                Ok(Some(created_at)) => Ok(ContainerMetadata { name, created_at }),
                Ok(None) => Err(absent(&name)),
                Err(error) => Err(text(error)),
            },
            Err(denied) => Err(denied),
        })
    }

    async fn get_data(&mut self, this: Resource<ContainerHandle>, name: String, start: u64, end: u64) -> Answer<Resource<Incoming>> {
        let container = self.container_name(&this)?;
        let containers = match self.containers() {
            Ok(containers) => containers,
            Err(denied) => return Ok(Err(denied)),
        };
        if start > end {
            let error = invalid("start", format!("{start} is behind the end, {end}"), "both inclusive, the end not before the start".to_owned());
            return Ok(Err(text(error)));
        }
        match containers.object(&container, &name).await {
            Ok(object) => {
                let size = object.what.size_bytes();
                let incoming = Incoming { object, offset: start.min(size), end: end.saturating_add(1).min(size) };
                Ok(Ok(self.table.push(incoming)?))
            }
            Err(error) => Ok(Err(text(error))),
        }
    }

    async fn write_data(&mut self, this: Resource<ContainerHandle>, name: String, data: Resource<Outgoing>) -> Answer<()> {
        let container = self.container_name(&this)?;
        let containers = match self.containers() {
            Ok(containers) => containers,
            Err(denied) => return Ok(Err(denied)),
        };
        if let Err(error) = containers.may_write(&container, &name) {
            return Ok(Err(text(error)));
        }
        match containers.created_s(&container).await {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(Err(absent(&container))),
            Err(error) => return Ok(Err(text(error))),
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
        Ok(keep(&containers, body, target).await)
    }

    async fn list_objects(&mut self, this: Resource<ContainerHandle>) -> Answer<Resource<ObjectNames>> {
        let container = self.container_name(&this)?;
        let exists = match self.containers() {
            Ok(containers) => containers.created_s(&container).await.map_err(text),
            Err(denied) => Err(denied),
        };
        match exists {
            Ok(Some(_)) => Ok(Ok(self.table.push(ObjectNames { container, after: None, ended: false })?)),
            Ok(None) => Ok(Err(absent(&container))),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn delete_object(&mut self, this: Resource<ContainerHandle>, name: String) -> Answer<()> {
        self.delete_objects(this, vec![name]).await
    }

    async fn delete_objects(&mut self, this: Resource<ContainerHandle>, names: Vec<String>) -> Answer<()> {
        let container = self.container_name(&this)?;
        Ok(match self.containers() {
            Ok(containers) => containers.delete(&container, &names).await.map_err(text),
            Err(denied) => Err(denied),
        })
    }

    async fn has_object(&mut self, this: Resource<ContainerHandle>, name: String) -> Answer<bool> {
        let container = self.container_name(&this)?;
        Ok(match self.containers() {
            Ok(containers) => containers.has(&container, &name).await.map_err(text),
            Err(denied) => Err(denied),
        })
    }

    async fn object_info(&mut self, this: Resource<ContainerHandle>, name: String) -> Answer<ObjectMetadata> {
        let container = self.container_name(&this)?;
        Ok(match self.containers() {
            Ok(containers) => match containers.object(&container, &name).await {
                Ok(object) => {
                    Ok(ObjectMetadata { name, container, created_at: object.what.created_s(), size: object.what.size_bytes() })
                }
                Err(error) => Err(text(error)),
            },
            Err(denied) => Err(denied),
        })
    }

    async fn clear(&mut self, this: Resource<ContainerHandle>) -> Answer<()> {
        let container = self.container_name(&this)?;
        Ok(match self.containers() {
            Ok(containers) => containers.clear(&container).await.map_err(text),
            Err(denied) => Err(denied),
        })
    }

    async fn drop(&mut self, this: Resource<ContainerHandle>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl container::HostStreamObjectNames for State {
    async fn read_stream_object_names(&mut self, this: Resource<ObjectNames>, len: u64) -> Answer<(Vec<String>, bool)> {
        let containers = match self.containers() {
            Ok(containers) => containers,
            Err(denied) => return Ok(Err(denied)),
        };
        let names = self.table.get_mut(&this)?;
        if names.ended || len == 0 {
            return Ok(Ok((Vec::new(), names.ended)));
        }
        let limit = usize::try_from(len).unwrap_or(usize::MAX).min(BLOB_NAMES_MAX);
        match containers.list(&names.container, names.after.as_deref(), limit).await {
            Ok((listed, more)) => {
                names.ended = !more;
                names.after = listed.last().map(|last| last.place.clone());
                Ok(Ok((listed.into_iter().map(|listed| listed.name).collect(), names.ended)))
            }
            Err(error) => Ok(Err(text(error))),
        }
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
        let Ok(containers) = self.containers() else { return Ok(Err(())) };
        let staged = match containers.stage().await {
            Ok(staged) => staged,
            Err(error) => {
                // The standard's error has no room for a reason.
                self.log.write(crate::log::Level::Warn, &error.to_string());
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
        Ok(match self.containers() {
            Ok(containers) => keep(&containers, outgoing.body, outgoing.target).await,
            Err(denied) => Err(denied),
        })
    }

    async fn drop(&mut self, this: Resource<Outgoing>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

fn lock(body: &Body) -> std::sync::MutexGuard<'_, Writing> {
    body.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn keep(containers: &GrantedContainers, body: Option<Body>, target: Option<(String, String)>) -> Result<(), String> {
    let Some((container, name)) = target else {
        return Err("the value has no name: `write-data` comes before `finish`".to_owned());
    };
    let staged = match body {
        None => containers.stage().await.map_err(text)?,
        Some(body) => {
            let mut writing = lock(&body);
            if let Some(error) = writing.failed.take() {
                return Err(text(error));
            }
            writing.staged.take().ok_or_else(|| "the value was written already".to_owned())?
        }
    };
    containers.keep(staged, &container, &name).await.map_err(text)
}

impl types::HostIncomingValue for State {
    async fn incoming_value_consume_sync(&mut self, this: Resource<Incoming>) -> Answer<Vec<u8>> {
        let incoming = self.table.delete(this)?;
        let bytes = incoming.end.saturating_sub(incoming.offset);
        if bytes > BLOB_WHOLE_BYTES_MAX {
            let expected = format!("at most {BLOB_WHOLE_BYTES_MAX} bytes; take parts with `get-data`, or the stream of `consume-async`");
            return Ok(Err(text(invalid("value", format!("{bytes} bytes"), expected))));
        }
        let mut whole = Vec::with_capacity(usize::try_from(bytes).unwrap_or_default());
        let mut offset = incoming.offset;
        while offset < incoming.end {
            let wanted = usize::try_from(incoming.end - offset).unwrap_or(usize::MAX).min(BLOB_CHUNK_BYTES_MAX);
            match incoming.object.what.read_at(offset, wanted) {
                Ok(chunk) if chunk.is_empty() => return Ok(Err("the object is shorter than it was".to_owned())),
                Ok(chunk) => {
                    offset += chunk.len() as u64;
                    whole.extend_from_slice(&chunk);
                }
                Err(error) => return Ok(Err(text(error))),
            }
        }
        Ok(Ok(whole))
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

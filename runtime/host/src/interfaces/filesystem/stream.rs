//! Streams over files of a granted folder: what is written is booked first, and the file stays open in the books as long as they live.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use plugwork_core::Denial;
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

use super::folder::Handle;
use crate::log::{Level, Log};

/// The error inside a failed stream; the guest learns it as `quota`.
#[derive(Debug)]
pub(super) struct QuotaReached(pub(super) Denial);

impl fmt::Display for QuotaReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for QuotaReached {}

/// Keeps its file open in the books.
pub(super) struct Reading {
    pub(super) inner: Box<dyn InputStream>,
    pub(super) _handle: Arc<Handle>,
}

#[wasmtime_wasi::async_trait]
impl Pollable for Reading {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

#[wasmtime_wasi::async_trait]
impl InputStream for Reading {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.inner.read(size)
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.inner.blocking_read(size).await
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}

/// Books each write.
pub(super) struct Writing {
    pub(super) inner: Box<dyn OutputStream>,
    pub(super) handle: Arc<Handle>,
    /// Where the next byte goes; none: to the end.
    pub(super) position: Option<u64>,
    pub(super) log: Arc<Log>,
}

impl Writing {
    fn book(&mut self, length: usize) -> StreamResult<()> {
        let Some(identity) = self.handle.file else { return Ok(()) };
        let length = length as u64;
        let end = self.position.map(|position| position.saturating_add(length));
        if let Err(full) = self.handle.folder.extend(identity, end, length) {
            let denial = self.handle.folder.denial(full);
            self.log.write(Level::Warn, &denial.to_string());
            return Err(StreamError::LastOperationFailed(QuotaReached(denial).into()));
        }
        self.position = end;
        Ok(())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Writing {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Writing {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.book(bytes.len())?;
        self.inner.write(bytes)
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.book(bytes.len())?;
        self.inner.blocking_write_and_flush(bytes).await
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.inner.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.inner.check_write()
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}

//! `plugwork:points/exporter`: a table in, the bytes of a file out.

use plugwork::wasmtime::component::ResourceAny;
use plugwork::{Error, Plugin, Result, Session, Spend, Subject};

use crate::batch::Batch;
use crate::bindings::exports::plugwork::points::exporter;

plugwork::point! {
    /// The point.
    pub Exporter = "plugwork:points/exporter@0.1.0" in exporter
}

/// One file being written: `push` any number of times, then `finish` once.
pub struct Writer {
    session: Session<Exporter>,
    writer: ResourceAny,
}

impl Exporter {
    /// Begins. `options` is JSON text of an object.
    pub async fn start(plugin: &Plugin, options: &str) -> Result<Writer> {
        let mut session = plugin.session::<Self>().await?;
        let options = options.to_owned();
        let answer = session.call(|guest, store| Box::pin(async move { guest.call_start(store, &options).await })).await?;
        match answer {
            Ok(writer) => Ok(Writer { session, writer }),
            Err(refusal) => Err(Error::from_refusal(refusal.into()).of(plugin.subject())),
        }
    }
}

impl Writer {
    /// The bytes to append for these rows; may be empty.
    pub async fn push(&mut self, input: &Batch) -> Result<Vec<u8>> {
        let writer = self.writer;
        let call = self
            .session
            .call_with(input.wire(), |guest, store, input| Box::pin(async move { guest.writer().call_push(store, writer, input).await }));
        match call.await? {
            Ok(bytes) => Ok(bytes),
            Err(refusal) => Err(Error::from_refusal(refusal.into()).of(self.session.subject())),
        }
    }

    /// The bytes that end the file.
    pub async fn finish(&mut self) -> Result<Vec<u8>> {
        let writer = self.writer;
        let call = self.session.call(|guest, store| Box::pin(async move { guest.writer().call_finish(store, writer).await }));
        match call.await? {
            Ok(bytes) => Ok(bytes),
            Err(refusal) => Err(Error::from_refusal(refusal.into()).of(self.session.subject())),
        }
    }

    /// Ends the session on purpose; says what its instance used.
    pub async fn end(self) -> Spend {
        self.session.end().await
    }

    /// What the instance has used so far.
    pub fn spend(&self) -> Spend {
        self.session.spend()
    }

    /// Whose plugin it is.
    pub fn subject(&self) -> &Subject {
        self.session.subject()
    }
}

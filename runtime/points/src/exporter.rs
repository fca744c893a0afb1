//! `plugwork:points/exporter`: a table in, the bytes of a file out.

use plugwork::{Plugin, Result};

use crate::batch::Batch;
use crate::bindings::exports::plugwork::points::exporter;
use crate::held::{Held, handle};

plugwork::point! {
    /// The point.
    pub Exporter = "plugwork:points/exporter@0.1.0" in exporter
}

/// One file being written: `push` any number of times, then `finish` once.
pub struct Writer {
    held: Held<Exporter>,
}

handle!(Writer);

impl Exporter {
    /// Begins. `options` is JSON text of an object that fits the plugin's descriptor.
    pub async fn start(plugin: &Plugin, options: &str) -> Result<Writer> {
        let held =
            Held::<Self>::start(plugin, options, |guest, store, options| Box::pin(async move { guest.call_start(store, options).await }));
        Ok(Writer { held: held.await? })
    }
}

impl Writer {
    /// The bytes to append for these rows; may be empty.
    pub async fn push(&mut self, input: &Batch) -> Result<Vec<u8>> {
        let push = self.held.call(input.wire(), |guest, store, writer, input| {
            Box::pin(async move { guest.writer().call_push(store, writer, input).await })
        });
        push.await
    }

    /// The bytes that end the file.
    pub async fn finish(&mut self) -> Result<Vec<u8>> {
        let finish =
            self.held.call(&(), |guest, store, writer, ()| Box::pin(async move { guest.writer().call_finish(store, writer).await }));
        finish.await
    }
}

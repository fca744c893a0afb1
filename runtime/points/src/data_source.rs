//! `plugwork:points/data-source`: a cursor over batches.

use plugwork::{Plugin, Result};

use crate::batch::{Batch, Columns};
use crate::bindings::exports::plugwork::points::data_source;
use crate::held::{Held, handle};

plugwork::point! {
    /// The point.
    pub DataSource = "plugwork:points/data-source@0.1.0" in data_source
}

/// A reading under way.
pub struct Cursor {
    held: Held<DataSource>,
    columns: Columns,
}

handle!(Cursor);

impl DataSource {
    /// Begins. `options` is JSON text of an object that fits the plugin's descriptor.
    pub async fn open(plugin: &Plugin, options: &str) -> Result<Cursor> {
        let held =
            Held::<Self>::start(plugin, options, |guest, store, options| Box::pin(async move { guest.call_open(store, options).await }));
        Ok(Cursor { held: held.await?, columns: Columns::default() })
    }
}

impl Cursor {
    /// The next batch; `None` at the end and ever after.
    pub async fn next(&mut self) -> Result<Option<Batch>> {
        let next = self.held.call(&(), |guest, store, cursor, ()| Box::pin(async move { guest.cursor().call_next(store, cursor).await }));
        next.await?.map(|batch| self.columns.admit(batch, self.held.session.subject())).transpose()
    }
}

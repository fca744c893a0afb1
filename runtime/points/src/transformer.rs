//! `plugwork:points/transformer`: batch in, batch out.

use plugwork::{Plugin, Result};

use crate::batch::{Batch, Columns};
use crate::bindings::exports::plugwork::points::transformer;
use crate::held::{Held, handle};

plugwork::point! {
    /// The point.
    pub Transformer = "plugwork:points/transformer@0.1.0" in transformer
}

/// One link of a chain, for one table.
pub struct Transformation {
    held: Held<Transformer>,
    columns: Columns,
}

handle!(Transformation);

impl Transformer {
    /// Begins. `options` is JSON text of an object that fits the plugin's descriptor.
    pub async fn start(plugin: &Plugin, options: &str) -> Result<Transformation> {
        let held =
            Held::<Self>::start(plugin, options, |guest, store, options| Box::pin(async move { guest.call_start(store, options).await }));
        Ok(Transformation { held: held.await?, columns: Columns::default() })
    }
}

impl Transformation {
    /// Turns a batch into another.
    pub async fn apply(&mut self, input: &Batch) -> Result<Batch> {
        let apply = self.held.call(input.wire(), |guest, store, transformation, input| {
            Box::pin(async move { guest.transformation().call_apply(store, transformation, input).await })
        });
        self.columns.admit(apply.await?, self.held.session.subject())
    }
}

//! `plugwork:points/visualization`: tables in, charts out.

use plugwork::{Plugin, Result};

use crate::batch::Batch;
use crate::bindings::exports::plugwork::points::visualization;
use crate::held::{Held, handle};

plugwork::point! {
    /// The point.
    pub Visualization = "plugwork:points/visualization@0.1.0" in visualization
}

/// A drawing under way: `push` any number of times, then `finish` once.
pub struct Drawing {
    held: Held<Visualization>,
}

handle!(Drawing);

/// One chart, as the plugin made it: nothing in it is checked but its being text.
pub type Chart = visualization::Chart;

/// The media type of a Vega-Lite 6 specification with its data inline.
pub const VEGA_LITE: &str = "application/vnd.vegalite.v6+json";

impl Visualization {
    /// Begins. `options` is JSON text of an object that fits the plugin's descriptor.
    pub async fn start(plugin: &Plugin, options: &str) -> Result<Drawing> {
        let held =
            Held::<Self>::start(plugin, options, |guest, store, options| Box::pin(async move { guest.call_start(store, options).await }));
        Ok(Drawing { held: held.await? })
    }
}

impl Drawing {
    /// Takes in rows of the named table.
    pub async fn push(&mut self, table: &str, input: &Batch) -> Result<()> {
        let table = table.to_owned();
        let push = self.held.call(input.wire(), move |guest, store, drawing, input| {
            Box::pin(async move { guest.drawing().call_push(store, drawing, &table, input).await })
        });
        push.await
    }

    /// The charts.
    pub async fn finish(&mut self) -> Result<Vec<Chart>> {
        let finish =
            self.held.call(&(), |guest, store, drawing, ()| Box::pin(async move { guest.drawing().call_finish(store, drawing).await }));
        finish.await
    }
}

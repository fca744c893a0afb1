//! `plugwork:points/visualization`: tables in, charts out.

use plugwork::wasmtime::component::ResourceAny;
use plugwork::{Error, Plugin, Result, Session, Spend, Subject};

use crate::batch::Batch;
use crate::bindings::exports::plugwork::points::visualization;

plugwork::point! {
    /// The point.
    pub Visualization = "plugwork:points/visualization@0.1.0" in visualization
}

/// A drawing under way: `push` any number of times, then `finish` once.
pub struct Drawing {
    session: Session<Visualization>,
    drawing: ResourceAny,
}

/// One chart, as the plugin made it: nothing in it is checked but its being text.
pub type Chart = visualization::Chart;

/// The media type of a Vega-Lite 6 specification with its data inline.
pub const VEGA_LITE: &str = "application/vnd.vegalite.v6+json";

impl Visualization {
    /// Begins. `options` is JSON text of an object.
    pub async fn start(plugin: &Plugin, options: &str) -> Result<Drawing> {
        let mut session = plugin.session::<Self>().await?;
        let options = options.to_owned();
        let answer = session.call(|guest, store| Box::pin(async move { guest.call_start(store, &options).await })).await?;
        match answer {
            Ok(drawing) => Ok(Drawing { session, drawing }),
            Err(refusal) => Err(Error::from_refusal(refusal.into()).of(plugin.subject())),
        }
    }
}

impl Drawing {
    /// Takes in rows of the named table.
    pub async fn push(&mut self, table: &str, input: &Batch) -> Result<()> {
        let drawing = self.drawing;
        let with = (table.to_owned(), input.wire());
        let call = self.session.call_with(&with, |guest, store, (table, input)| {
            Box::pin(async move { guest.drawing().call_push(store, drawing, table, input).await })
        });
        match call.await? {
            Ok(()) => Ok(()),
            Err(refusal) => Err(Error::from_refusal(refusal.into()).of(self.session.subject())),
        }
    }

    /// The charts.
    pub async fn finish(&mut self) -> Result<Vec<Chart>> {
        let drawing = self.drawing;
        let call = self.session.call(|guest, store| Box::pin(async move { guest.drawing().call_finish(store, drawing).await }));
        match call.await? {
            Ok(charts) => Ok(charts),
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

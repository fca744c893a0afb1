//! `plugwork:points/data-source`: a cursor over batches.

use plugwork::wasmtime::component::ResourceAny;
use plugwork::{Error, Plugin, Result, Session, Spend, Subject};

use crate::batch::Batch;
use crate::bindings::exports::plugwork::points::data_source;

plugwork::point! {
    /// The point.
    pub DataSource = "plugwork:points/data-source@0.1.0" in data_source
}

/// A reading under way.
pub struct Cursor {
    session: Session<DataSource>,
    cursor: ResourceAny,
}

impl DataSource {
    /// Begins to read. `options` is JSON text of an object.
    pub async fn open(plugin: &Plugin, options: &str) -> Result<Cursor> {
        let mut session = plugin.session::<Self>().await?;
        let options = options.to_owned();
        let answer = session.call(|guest, store| Box::pin(async move { guest.call_open(store, &options).await })).await?;
        match answer {
            Ok(cursor) => Ok(Cursor { session, cursor }),
            Err(refusal) => Err(Error::from_refusal(refusal.into()).of(plugin.subject())),
        }
    }
}

impl Cursor {
    /// The next batch; `None` at the end and ever after.
    pub async fn next(&mut self) -> Result<Option<Batch>> {
        let cursor = self.cursor;
        let call = self.session.call(|guest, store| Box::pin(async move { guest.cursor().call_next(store, cursor).await }));
        match call.await? {
            Ok(Some(batch)) => Batch::from_guest(batch, self.session.subject()).map(Some),
            Ok(None) => Ok(None),
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

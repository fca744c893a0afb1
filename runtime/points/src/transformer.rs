//! `plugwork:points/transformer`: batch in, batch out.

use plugwork::wasmtime::component::ResourceAny;
use plugwork::{Error, Plugin, Result, Session, Spend, Subject};

use crate::batch::Batch;
use crate::bindings::exports::plugwork::points::transformer;

plugwork::point! {
    /// The point.
    pub Transformer = "plugwork:points/transformer@0.1.0" in transformer
}

/// One link of a chain, for one table.
pub struct Transformation {
    session: Session<Transformer>,
    transformation: ResourceAny,
}

impl Transformer {
    /// Begins. `options` is JSON text of an object.
    pub async fn start(plugin: &Plugin, options: &str) -> Result<Transformation> {
        let mut session = plugin.session::<Self>().await?;
        let options = options.to_owned();
        let answer = session.call(|guest, store| Box::pin(async move { guest.call_start(store, &options).await })).await?;
        match answer {
            Ok(transformation) => Ok(Transformation { session, transformation }),
            Err(refusal) => Err(Error::from_refusal(refusal.into()).of(plugin.subject())),
        }
    }
}

impl Transformation {
    /// Turns a batch into another.
    pub async fn apply(&mut self, input: &Batch) -> Result<Batch> {
        let transformation = self.transformation;
        let call = self.session.call_with(input.wire(), |guest, store, input| {
            Box::pin(async move { guest.transformation().call_apply(store, transformation, input).await })
        });
        match call.await? {
            Ok(batch) => Batch::from_guest(batch, self.session.subject()),
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

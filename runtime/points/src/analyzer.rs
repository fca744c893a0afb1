//! `plugwork:points/analyzer`: a table in, tables out.

use plugwork::wasmtime::component::ResourceAny;
use plugwork::{Error, Plugin, Refusal, Result, Session, Spend, Subject};
use plugwork_core::Problem;
use plugwork_core::name::is_label;

use crate::batch::Batch;
use crate::bindings::exports::plugwork::points::analyzer;

plugwork::point! {
    /// The point.
    pub Analyzer = "plugwork:points/analyzer@0.1.0" in analyzer
}

/// An analysis under way: `push` any number of times, then `next` until it is empty.
pub struct Analysis {
    session: Session<Analyzer>,
    analysis: ResourceAny,
}

/// Part of a result.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Which table it belongs to: a label.
    pub table: String,
    /// Some of its rows.
    pub batch: Batch,
}

impl Analyzer {
    /// Begins. `options` is JSON text of an object.
    pub async fn start(plugin: &Plugin, options: &str) -> Result<Analysis> {
        let mut session = plugin.session::<Self>().await?;
        let options = options.to_owned();
        let answer = session.call(|guest, store| Box::pin(async move { guest.call_start(store, &options).await })).await?;
        match answer {
            Ok(analysis) => Ok(Analysis { session, analysis }),
            Err(refusal) => Err(Error::from_refusal(refusal.into()).of(plugin.subject())),
        }
    }
}

impl Analysis {
    /// Takes some rows in.
    pub async fn push(&mut self, input: &Batch) -> Result<()> {
        let analysis = self.analysis;
        let call = self.session.call_with(input.wire(), |guest, store, input| {
            Box::pin(async move { guest.analysis().call_push(store, analysis, input).await })
        });
        match call.await? {
            Ok(()) => Ok(()),
            Err(refusal) => Err(Error::from_refusal(refusal.into()).of(self.session.subject())),
        }
    }

    /// The first call ends the input; then part after part of the result; `None` at the end and ever after.
    pub async fn next(&mut self) -> Result<Option<Finding>> {
        let analysis = self.analysis;
        let call = self.session.call(|guest, store| Box::pin(async move { guest.analysis().call_next(store, analysis).await }));
        match call.await? {
            Ok(Some(finding)) => {
                let batch = Batch::from_guest(finding.batch, self.session.subject())?;
                match is_label(&finding.table) {
                    true => Ok(Some(Finding { table: finding.table, batch })),
                    false => {
                        let message =
                            format!("it named a table `{}`: expected lower case words joined by `-`", finding.table.escape_debug());
                        Err(Error::from_refusal(Refusal::Other(Problem { message, stack: String::new() })).of(self.session.subject()))
                    }
                }
            }
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

//! What became of a request, for the server that asked: told beside every response for which a plugin was called, or in its
//! extensions. Nothing of it is sent.

use std::sync::{Arc, OnceLock};

use plugwork::Outcome;

use crate::answer::Illegal;

/// What a plugin did for one request. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Served(Arc<Facts>);

#[derive(Debug, Default)]
struct Facts {
    outcome: OnceLock<Outcome>,
    illegal: OnceLock<Illegal>,
}

impl Served {
    /// Which version answered, how long it took, what it used, and why it gave no answer. None while a plugin that streams is still running, and
    /// for ever where its call was cancelled.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.0.outcome.get()
    }

    /// Why its answer was not passed on.
    pub fn illegal(&self) -> Option<&Illegal> {
        self.0.illegal.get()
    }

    /// The call has ended. It ends once.
    pub(crate) fn ended(&self, outcome: Outcome) {
        drop(self.0.outcome.set(outcome));
    }

    /// Its answer is not passed on, for the first reason found.
    pub(crate) fn refused(&self, illegal: Illegal) {
        drop(self.0.illegal.set(illegal));
    }
}

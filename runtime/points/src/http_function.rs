//! `plugwork:points/http-function`: one request in, one response out.
//!
//! The records only: who fills them in, and what of an answer may go on a wire, is the affair of whoever speaks HTTP (`plugwork-http`). Easily
//! got wrong: an [`Answer`] is what a stranger said, with nothing checked but its type.

use std::sync::Arc;

use plugwork::wasmtime::{self, StoreContextMut};
use plugwork::{Call, Cause, Point, Refusal, State};

use crate::bindings::exports::plugwork::points::http_function;

plugwork::point! {
    /// The point.
    pub HttpFunction = "plugwork:points/http-function@0.1.0" in http_function
}

/// What a client sent.
pub type Request = http_function::Request;

/// What the host says about a request.
pub type Context = http_function::Context;

/// Who sent a request, as the host has verified it.
pub type Principal = http_function::Principal;

/// What a plugin answered, unchecked.
pub type Answer = http_function::Response;

/// One request as a plugin is given it.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// What the client said.
    pub request: Request,
    /// What the host says.
    pub context: Context,
    /// What the log, and what the plugin asks of others, is told of it.
    pub cause: Option<Arc<Cause>>,
}

impl Call for HttpFunction {
    type Input = Exchange;
    type Output = Answer;

    async fn call(
        guest: &<Self as Point>::Guest,
        mut store: StoreContextMut<'_, State>,
        exchange: &Exchange,
    ) -> wasmtime::Result<Result<Answer, Refusal>> {
        if let Some(cause) = &exchange.cause {
            store.data_mut().caused_by(cause.clone());
        }
        Ok(guest.call_handle(store, &exchange.request, &exchange.context).await?.map_err(Refusal::from))
    }
}

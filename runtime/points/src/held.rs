//! What all handles of the shipped points are: a session, and the resource that its plugin handed out.

use plugwork::interfaces::bindings::plugwork::plugin::refusal::Refusal as WireRefusal;
use plugwork::wasmtime::component::ResourceAny;
use plugwork::wasmtime::{self, StoreContextMut};
use plugwork::{Error, Plugin, Point, Refusal, Result, Running, Session, State};

/// What a point's function answers, seen from the engine.
pub(crate) type Answer<'a, R> = Running<'a, wasmtime::Result<Result<R, WireRefusal>>>;

/// A resource and the session it lives in.
pub(crate) struct Held<P: Point> {
    pub(crate) session: Session<P>,
    resource: ResourceAny,
}

impl<P: Point> Held<P> {
    /// Starts a session and the resource in it. `options` is JSON text of an object.
    pub(crate) async fn start(
        plugin: &Plugin,
        options: &str,
        start: impl for<'a> FnOnce(&'a P::Guest, StoreContextMut<'a, State>, &'a String) -> Answer<'a, ResourceAny> + Send + 'static,
    ) -> Result<Self> {
        let mut session = plugin.session::<P>().await?;
        let answer = session.call_with(&options.to_owned(), start).await?;
        let resource = answer.map_err(|refusal| Error::from_refusal(refusal.into()).of(plugin.subject()))?;
        Ok(Self { session, resource })
    }

    /// Calls a method of the resource.
    pub(crate) async fn call<W: Clone + Send + Sync + 'static, R: Send + 'static>(
        &mut self,
        with: &W,
        call: impl for<'a> FnOnce(&'a P::Guest, StoreContextMut<'a, State>, ResourceAny, &'a W) -> Answer<'a, R> + Send + 'static,
    ) -> Result<R> {
        let resource = self.resource;
        let answer = self.session.call_with(with, move |guest, store, with| call(guest, store, resource, with)).await?;
        answer.map_err(|refusal| {
            let mut refusal = Refusal::from(refusal);
            if let (Refusal::Other(problem), Some(fault)) = (&mut refusal, self.session.refused_growth()) {
                problem.message = format!("{} (it {fault})", problem.message);
            }
            Error::from_refusal(refusal).of(self.session.subject())
        })
    }
}

/// What every public handle can do beside its own methods.
macro_rules! handle {
    ($handle:ident) => {
        impl $handle {
            /// Ends the session on purpose, with the plugin's `shutdown`; says what its instance used.
            pub async fn end(self) -> plugwork::Spend {
                self.held.session.end().await
            }

            /// What the instance has used so far.
            pub fn spend(&self) -> plugwork::Spend {
                self.held.session.spend()
            }

            /// Whose plugin it is.
            pub fn subject(&self) -> &plugwork::Subject {
                self.held.session.subject()
            }
        }
    };
}
pub(crate) use handle;

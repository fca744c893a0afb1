//! `plugwork:host/events`: publishing and subscribing, with what the instance was granted.
//!
//! What happens to an event is in `crate::events`. Easily got wrong: only a queue that blocks, and an event that is kept first,
//! make this wait; the guest's deadline goes on meanwhile.

use plugwork_core::{Denial, Refusal};
use wasmtime::component::{HasSelf, Linker};

use super::bindings::plugwork::host::events;
use super::bindings::plugwork::plugin::refusal::Refusal as WireRefusal;
use crate::events::Emitter;
use crate::state::State;
use crate::usage::HostInterface;

/// Defines `plugwork:host/events` over what the instance was granted.
pub(crate) fn link_events(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    events::add_to_linker::<State, HasSelf<State>>(linker, |state| state.counted_as(HostInterface::Events))
}

impl events::Host for State {
    async fn emit(&mut self, topic: String, payload: Vec<u8>) -> wasmtime::Result<Result<(), WireRefusal>> {
        let decided = self.emitter().and_then(|emitter| {
            let decided = emitter.decide(self.account(), self.answering_events, &topic, &payload);
            decided.map(|(shared, chain)| (shared, chain, emitter.granted.clone()))
        });
        let (shared, chain, granted) = match decided {
            Ok(decided) => decided,
            Err(refusal) => return Ok(Err(self.counted(refusal))),
        };
        Ok(granted.publish(&shared, chain, &topic, payload).await.map_err(WireRefusal::from))
    }

    async fn replay(&mut self, after: u64) -> wasmtime::Result<Result<u64, WireRefusal>> {
        let granted = match self.receiver() {
            Ok(emitter) => emitter.granted.clone(),
            Err(refusal) => return Ok(Err(self.counted(refusal))),
        };
        Ok(granted.replay(after).await.map_err(WireRefusal::from))
    }

    async fn subscribe(&mut self, pattern: String) -> wasmtime::Result<Result<u32, WireRefusal>> {
        let subscribed = self.subscribe_to(&pattern, false);
        Ok(subscribed.map_err(|refusal| self.counted(refusal)))
    }

    async fn once(&mut self, pattern: String) -> wasmtime::Result<Result<u32, WireRefusal>> {
        let subscribed = self.subscribe_to(&pattern, true);
        Ok(subscribed.map_err(|refusal| self.counted(refusal)))
    }

    async fn unsubscribe(&mut self, subscription: u32) -> wasmtime::Result<Result<(), WireRefusal>> {
        let ended = self.receiver().and_then(|emitter| emitter.granted.unsubscribe(subscription));
        Ok(ended.map_err(|refusal| self.counted(refusal)))
    }
}

impl State {
    fn emitter(&self) -> Result<&Emitter, Refusal> {
        self.get::<Emitter>().ok_or_else(|| {
            Refusal::Denied(Denial {
                code: "E-CAP-NOT-GRANTED".to_owned(),
                permission: "plugwork:host/events".to_owned(),
                rule: "no topic was granted".to_owned(),
                hint: "grants.events = { out = [\"…\"] }".to_owned(),
            })
        })
    }

    /// The same, for what changes what its plugin receives.
    fn receiver(&self) -> Result<&Emitter, Refusal> {
        let emitter = self.emitter()?;
        match self.is_for_one_with_less() {
            true => Err(Refusal::Denied(emitter.granted.not_for_its_caller())),
            false => Ok(emitter),
        }
    }

    fn is_for_one_with_less(&self) -> bool {
        self.chained.as_ref().is_some_and(|chained| chained.receives_less())
    }

    fn subscribe_to(&self, pattern: &str, once: bool) -> Result<u32, Refusal> {
        // What is there already changes nothing: a plugin may subscribe as each of its instances begins.
        let there = match self.is_for_one_with_less() {
            true => self.emitter()?.granted.subscription(pattern, once),
            false => None,
        };
        there.map_or_else(|| self.receiver()?.granted.subscribe(pattern, once), Ok)
    }

    /// The refusal for the guest; a denial is counted.
    fn counted(&self, refusal: Refusal) -> WireRefusal {
        if let Refusal::Denied(denial) = &refusal {
            self.account().denied(denial);
        }
        refusal.into()
    }
}

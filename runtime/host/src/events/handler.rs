//! The point `event-handler` with its main call: several events of one queue, handed over in order.
//!
//! Easily got wrong: what the guest publishes while it handles them answers them, and so does what it publishes as it says goodbye. So the instance knows their chain
//! for as long as the call lasts, and again at its end.

use std::sync::Arc;

use plugwork_core::Refusal;
use plugwork_core::events::Event;
use wasmtime::StoreContextMut;

use super::bindings::exports::plugwork::points::event_handler;
use super::grant::Emitter;
use crate::point::{Call, Point};
use crate::state::State;

crate::point! {
    /// The point `plugwork:points/event-handler`. The runtime's own bus calls it; an application may call it too, as any other point.
    pub EventHandler = "plugwork:points/event-handler@0.1.0" in event_handler
}

impl Call for EventHandler {
    /// At least one; the chain of the first is that of everything that is published in answer.
    type Input = Vec<Arc<Event>>;
    type Output = ();

    async fn call(
        guest: &<Self as Point>::Guest,
        mut store: StoreContextMut<'_, State>,
        events: &Vec<Arc<Event>>,
    ) -> wasmtime::Result<Result<(), Refusal>> {
        // Of the bus, which says so; an application may hand over what it likes. Another version may have come since these were taken from their queue.
        let is_of_bus = store.data().answering_events.is_some();
        let granted = store.data().get::<Emitter>().map(|emitter| emitter.granted.clone());
        let may_have = |event: &Event| !is_of_bus || granted.as_ref().is_some_and(|granted| granted.may_receive(&event.topic));
        let handed: Vec<_> = events.iter().filter(|event| may_have(event)).map(|event| wire(event)).collect();
        if handed.is_empty() {
            return Ok(Ok(()));
        }
        let chain = events.first().map(|event| event.chain);
        (store.data_mut().answering_events, store.data_mut().answered_events) = (chain, chain);
        let answer = guest.call_handle(&mut store, &handed).await?;
        // After a fault the instance is gone, and with it what it answers.
        store.data_mut().answering_events = None;
        Ok(answer.map_err(Refusal::from))
    }
}

fn wire(event: &Event) -> event_handler::Event<'_> {
    event_handler::Event {
        topic: &event.topic,
        payload: &event.payload,
        source: &event.source,
        chain: i64::try_from(event.chain.id).unwrap_or(i64::MAX),
        hops: event.chain.hops,
        sequence: event.sequence,
    }
}

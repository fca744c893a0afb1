//! The point `event-handler`: what other plugins and the application publish.
//!
//! Which topics, `[permissions.events] in = [..]` says; nothing has to be subscribed to. One thing to know: where [`EventHandler::handle`] refuses or
//! panics, all events of that call count as not handled. Those of durable topics come again, and no other does: see [`Event::sequence`].

use std::marker::PhantomData;

use crate::bindings::event_handler::exports::plugwork::points::event_handler::Guest;
use crate::refusal::{Refusal, Result};

pub use crate::bindings::event_handler::exports::plugwork::points::event_handler::Event;

/// Something that handles events.
///
/// ```no_run
/// use plugwork_guest::events::{self, Event, EventHandler};
/// use plugwork_guest::prelude::*;
///
/// struct Invoices;
///
/// impl EventHandler for Invoices {
///     fn handle(events: Vec<Event>) -> Result<()> {
///         for order in events {
///             events::emit("invoices/created", format!("invoice of {}", order.text()?).as_bytes())?;
///         }
///         Ok(())
///     }
/// }
///
/// plugwork_guest::plugin! {
///     descriptor: r#"{"points":{}}"#,
///     event_handler: Invoices,
/// }
/// # fn main() {}
/// ```
pub trait EventHandler: 'static {
    /// Handles 1 to 64 events, in the order in which they were queued. An instance may be asked again; what is to last longer than a call stands in a
    /// `static`. What is published meanwhile ([`crate::events::emit`]) answers these.
    fn handle(events: Vec<Event>) -> Result<()>;
}

/// Exports an event handler.
pub struct EventHandlerExport<T>(PhantomData<T>);

impl<T: EventHandler> Guest for EventHandlerExport<T> {
    fn handle(events: Vec<Event>) -> Result<(), Refusal> {
        T::handle(events)
    }
}

impl Event {
    /// The payload as text; `invalid` where it is not UTF-8.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.payload)
            .map_err(|error| Refusal::invalid("not UTF-8", format!("byte {} of the payload", error.valid_up_to()), "text"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_that_is_no_text_is_refused_with_its_place() {
        let event = |payload: &[u8]| Event {
            topic: "a".to_owned(),
            payload: payload.to_vec(),
            source: "test:a".to_owned(),
            chain: 1,
            hops: 1,
            sequence: None,
        };
        assert_eq!(event(b"text").text().unwrap(), "text");
        assert!(event(b"te\xff").text().unwrap_err().to_string().contains("byte 2"));
    }
}

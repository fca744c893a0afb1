//! How much of each tenant is on its way to the outbox. Whoever publishes may give up waiting, and the event goes on; so an outbox that hangs would be given
//! more and more.
//!
//! Easily got wrong: the bound is each tenant's own, and one event always finds room.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use plugwork_core::events::outbox::OutboxError;
use plugwork_core::limits::{OUTBOX_WAITING_BYTES_MAX, OUTBOX_WAITING_EVENTS_MAX};

/// See the module.
#[derive(Default)]
pub(super) struct Waiting(Mutex<HashMap<Box<str>, Load>>);

#[derive(Default, Clone, Copy)]
struct Load {
    events: usize,
    bytes: usize,
}

/// An event that is on its way; it has arrived, or is lost, when this is dropped.
pub(in crate::events) struct Admitted {
    waiting: Arc<Waiting>,
    tenant: Box<str>,
    bytes: usize,
}

impl Waiting {
    pub(super) fn admit(self: &Arc<Self>, tenant: &str, bytes: usize) -> Result<Admitted, OutboxError> {
        let mut loads = self.loads();
        let load = loads.get(tenant).copied().unwrap_or_default();
        if load.events >= OUTBOX_WAITING_EVENTS_MAX || (load.events > 0 && load.bytes + bytes > OUTBOX_WAITING_BYTES_MAX) {
            return Err(OutboxError::Full { waiting: load.events });
        }
        loads.insert(tenant.into(), Load { events: load.events + 1, bytes: load.bytes + bytes });
        drop(loads);
        Ok(Admitted { waiting: self.clone(), tenant: tenant.into(), bytes })
    }

    fn loads(&self) -> MutexGuard<'_, HashMap<Box<str>, Load>> {
        self.0.lock().expect("no panic happens under this lock")
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut loads = self.waiting.loads();
        if let Some(load) = loads.get_mut(&self.tenant) {
            (load.events, load.bytes) = (load.events - 1, load.bytes - self.bytes);
            if load.events == 0 {
                loads.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_events_of_a_tenant_wait_and_no_more_and_what_has_arrived_makes_room() {
        let waiting = Arc::<Waiting>::default();
        let mut admitted: Vec<_> = (0..OUTBOX_WAITING_EVENTS_MAX).map(|_| waiting.admit("t", 1).unwrap()).collect();
        assert_eq!(waiting.admit("t", 1).err(), Some(OutboxError::Full { waiting: OUTBOX_WAITING_EVENTS_MAX }));
        assert!(waiting.admit("other", 1).is_ok(), "one tenant takes nothing from another");
        admitted.pop();
        assert!(waiting.admit("t", 1).is_ok());
        admitted.clear();
        assert!(waiting.loads().is_empty());
    }

    #[test]
    fn so_many_bytes_wait_and_no_more_but_one_event_finds_room_whatever_it_has() {
        let waiting = Arc::<Waiting>::default();
        let first = waiting.admit("t", OUTBOX_WAITING_BYTES_MAX - 1).unwrap();
        let _second = waiting.admit("t", 1).unwrap();
        assert_eq!(waiting.admit("t", 1).err(), Some(OutboxError::Full { waiting: 2 }));
        drop(first);
        assert!(waiting.admit("t", 1).is_ok());
        assert!(waiting.admit("large", OUTBOX_WAITING_BYTES_MAX + 1).is_ok());
    }
}

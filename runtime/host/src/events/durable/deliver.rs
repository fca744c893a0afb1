//! Handing durable events to a plugin, one step at a time: read, call, be done with it or try again.
//!
//! One task for each plugin makes the steps, so no two are made at once. Easily got wrong: nothing counts as handled before the outbox knows it, and an
//! attempt counts only where the plugin itself refused or failed.

use std::sync::{Arc, Weak};

use plugwork_core::events::Event;
use plugwork_core::events::outbox::{Change, Failing, Most, OutboxError, Parked};
use plugwork_core::limits::{EVENT_PARKED_REASON_BYTES_MAX, OUTBOX_READ_BYTES_MAX};
use plugwork_core::text::one_line;

use super::lane::Lane;
use crate::error::{Error, ErrorKind};
use crate::events::serve::call;
use crate::events::subscriber::Subscriber;
use crate::log::Level;
use crate::runtime::Shared;

/// Where nothing of the plugin ran and nobody said when to ask again, it is waited as long as after so many failures.
const NOT_NOW: u32 = 5;
/// How far a cursor may lag behind what its plugin passed over, while nothing is there for it.
const LAG_MAX: u64 = 256;

impl Lane {
    /// One step. After it there may be more to do: see [`Lane::due`].
    pub(in crate::events) async fn deliver(&self, runtime: &Weak<Shared>, subscriber: &Subscriber) {
        match self.step(runtime, subscriber).await {
            Ok(()) => self.is_well(),
            Err(error) => {
                let troubles = self.is_troubled();
                self.waits(self.durable.attempts.wait_ms(troubles));
                if let Some(shared) = runtime.upgrade().filter(|_| !self.is_over()) {
                    shared.complain(Level::Error, &format!("durable events for `{}` wait: {error} ({})", self.key, error.code()));
                }
            }
        }
    }

    async fn step(&self, runtime: &Weak<Shared>, subscriber: &Subscriber) -> Result<(), OutboxError> {
        self.begun().await?;
        let owed = self.state().owed;
        if let Some(up_to) = owed {
            self.is_done(up_to).await?;
        }
        self.go_back().await?;
        let events = self.state().take(subscriber.at_once());
        if events.is_empty() {
            return self.read(runtime, subscriber).await;
        }
        // Until the outbox knows how it ended.
        let _in_hand = self.in_hand();
        match call(runtime, subscriber, &events).await {
            None => self.handled(&events).await,
            // It goes: whoever comes after it is handed them again.
            Some(_) if self.is_over() => Ok(()),
            Some(error) => self.failed(runtime, subscriber, events, &error).await,
        }
    }

    async fn change(&self, change: Change) -> Result<(), OutboxError> {
        let moved = self.durable.outbox.change(&self.key, change).await?;
        self.state().moved(moved);
        Ok(())
    }

    async fn is_done(&self, up_to: u64) -> Result<(), OutboxError> {
        self.state().owed = Some(up_to);
        self.change(Change::Done(up_to)).await?;
        self.state().owed = None;
        Ok(())
    }

    async fn go_back(&self) -> Result<(), OutboxError> {
        let Some(after) = self.state().rewind else { return Ok(()) };
        self.change(Change::Rewind(after)).await?;
        let mut state = self.state();
        state.again_until = state.position;
        state.position = after;
        state.window.clear();
        state.rewind = None;
        Ok(())
    }

    /// Reads on from where it is.
    async fn read(&self, runtime: &Weak<Shared>, subscriber: &Subscriber) -> Result<(), OutboxError> {
        let (position, newest, extents) = {
            let state = self.state();
            let extents = state.cursor.as_ref().map(|cursor| cursor.extents.clone());
            (state.position, state.newest, extents.unwrap_or_default())
        };
        let most = Most { events: subscriber.at_once(), bytes: OUTBOX_READ_BYTES_MAX };
        if extents.is_empty() {
            self.is_at_end(newest);
            return Ok(());
        }
        let page = self.durable.outbox.read(&self.key.tenant, position, &extents, most).await?;
        let Some(shared) = runtime.upgrade() else { return Ok(()) };
        if page.gone > position {
            self.change(Change::Done(position)).await?;
            self.change(Change::Gone(page.gone)).await?;
            self.tell_missed(&shared, subscriber, page.gone - position, page.gone);
        }
        let is_all = page.events.is_empty() && page.scanned == position.max(page.gone);
        // Asked before the lock is taken: who changes wishes holds the bus's and takes this one.
        let wanted = page.events.into_iter().filter(|event| shared.bus.wants_now(&self.key, &event.topic));
        let wanted: Vec<_> = wanted.map(Arc::new).collect();
        let lags = {
            let mut state = self.state();
            state.window.extend(wanted);
            state.position = page.scanned;
            let after = state.cursor.as_ref().map_or(page.scanned, |cursor| cursor.after);
            state.window.is_empty() && page.scanned >= after + LAG_MAX
        };
        if lags {
            self.is_done(page.scanned).await?;
        }
        if is_all {
            self.is_at_end(newest);
        }
        Ok(())
    }

    async fn handled(&self, events: &[Arc<Event>]) -> Result<(), OutboxError> {
        let up_to = {
            let mut state = self.state();
            state.handled += events.len() as u64;
            // What was passed over behind them is done with as well. One that is over has let go of its window, which says nothing.
            if state.window.is_empty() && !state.is_over { state.position } else { last(events) }
        };
        self.is_done(up_to).await
    }

    async fn failed(
        &self,
        runtime: &Weak<Shared>,
        subscriber: &Subscriber,
        events: Vec<Arc<Event>>,
        error: &Error,
    ) -> Result<(), OutboxError> {
        let attempts = self.durable.attempts;
        if !matches!(error.kind(), ErrorKind::Refusal | ErrorKind::Fault) {
            // Nothing of it ran.
            self.state().put_back(events);
            self.waits(error.retry_after_ms().unwrap_or_else(|| attempts.wait_ms(NOT_NOW)));
            return Ok(());
        }
        if events.len() > 1 {
            // One by one, so that whatever is wrong with one of them harms no other.
            self.waits(attempts.wait_ms(1));
            let mut state = self.state();
            state.retried += 1;
            state.alone_until = last(&events);
            state.put_back(events);
            return Ok(());
        }
        let sequence = last(&events);
        let failed = self.state().cursor.as_ref().map_or(0, |cursor| cursor.attempts(sequence)) + 1;
        let changed = if failed < attempts.max {
            let changed = self.change(Change::Failed(Failing { sequence, attempts: failed })).await;
            self.waits(attempts.wait_ms(failed));
            changed
        } else {
            let (topic, at_ms) = (events[0].topic.to_string(), self.durable.clock.now_ms());
            let parked =
                Parked { sequence, topic, at_ms, attempts: failed, reason: one_line(&error.to_string(), EVENT_PARKED_REASON_BYTES_MAX) };
            let changed = self.change(Change::Park(parked.clone())).await;
            if changed.is_ok() {
                self.tell_parked(runtime, subscriber, &parked);
                return Ok(());
            }
            changed
        };
        let mut state = self.state();
        state.retried += 1;
        state.put_back(events);
        changed
    }
}

fn last(events: &[Arc<Event>]) -> u64 {
    events.last().and_then(|event| event.sequence).unwrap_or_default()
}

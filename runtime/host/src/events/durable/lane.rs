//! Where one plugin stands among the durable events of its tenant: what it may have, what it has read and not yet handled, and what has to be done next.
//!
//! Only state, under a lock that is held for moments; `deliver` carries out. Easily got wrong: the truth is the cursor in the outbox. What is here is
//! ahead of it by what is in hand, and is read again after a crash.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use plugwork_core::events::Event;
use plugwork_core::events::outbox::{Cursor, Extent, Failing, OutboxError};
use plugwork_core::policy::topic::TopicPattern;
use plugwork_core::record::ConsentKey;
use serde::Serialize;
use tokio::time::Instant;

use super::Durable;
use crate::events::subscriber::Unsettled;

/// How a plugin is doing with durable events, as of now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DurableStatus {
    /// It is done with everything up to this sequence.
    pub after: u64,
    /// Whether something may be behind that.
    pub is_behind: bool,
    /// How many it handled since it subscribed.
    pub handled: u64,
    /// How many calls failed since then and are made again.
    pub retried: u64,
    /// Which event it is handed again and again, and how often that failed.
    pub failing: Option<Failing>,
    /// How many were parked, since its cursor began.
    pub parked: u64,
    /// How many of its tenant's were gone before it came to them, since its cursor began.
    pub missed: u64,
}

/// When there is something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::events) enum Due {
    Now,
    At(Instant),
    Never,
}

/// See the module.
pub(in crate::events) struct Lane {
    pub(super) durable: Arc<Durable>,
    pub(super) key: ConsentKey,
    unsettled: Arc<Unsettled>,
    /// Whoever publishes may have to begin it too. Held for what the outbox takes, never over a guest.
    beginning: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    /// What it was granted, each time with the newest sequence of then, until the outbox knows.
    granted: VecDeque<(Vec<TopicPattern>, u64)>,
    /// As the outbox has it; none before it began.
    pub(super) cursor: Option<Cursor>,
    /// Everything up to here was read.
    pub(super) position: u64,
    /// Was read and waits for its call.
    pub(super) window: VecDeque<Arc<Event>>,
    /// Events up to here are handed over one by one: a call with several of them failed.
    pub(super) alone_until: u64,
    /// What it is done with and the outbox does not know yet.
    pub(super) owed: Option<u64>,
    /// Where it is to go back to.
    pub(super) rewind: Option<u64>,
    /// It is told again of everything up to here.
    pub(super) again_until: u64,
    not_before: Option<Instant>,
    /// How often in a row the outbox failed.
    troubles: u32,
    /// The newest that it was told there is.
    pub(super) newest: u64,
    is_behind: bool,
    pub(super) is_over: bool,
    pub(super) handled: u64,
    pub(super) retried: u64,
}

impl Lane {
    pub(in crate::events) fn new(durable: Arc<Durable>, key: ConsentKey, unsettled: Arc<Unsettled>) -> Self {
        Self { durable, key, unsettled, beginning: tokio::sync::Mutex::default(), state: Mutex::default() }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic happens under this lock")
    }

    /// It may have this from here on.
    pub(in crate::events) fn grant(&self, granted: &[TopicPattern]) {
        let end = self.durable.end(&self.key.tenant);
        let concerned = granted.iter().filter(|pattern| self.durable.concerns(pattern)).cloned().collect();
        // One behind the other: what was granted earlier begins earlier, and what is granted now does not.
        self.state().granted.push_back((concerned, end));
        self.tell(end);
    }

    /// There is something up to this sequence. False where it is over.
    pub(in crate::events) fn tell(&self, newest: u64) -> bool {
        let mut state = self.state();
        if state.is_over {
            return false;
        }
        state.newest = state.newest.max(newest);
        if !state.is_behind {
            state.is_behind = true;
            self.unsettled.add(1);
        }
        true
    }

    /// It wants something else from here on: what it passed over so far stays passed over. Where it is behind, what it has not come to is looked at anew.
    pub(in crate::events) fn wants_else(&self) {
        let end = self.durable.end(&self.key.tenant);
        // What is kept and not told yet may be wanted already.
        let all_is_told = self.durable.all_is_told();
        let mut state = self.state();
        if all_is_told && state.cursor.is_some() && !state.is_behind {
            state.position = state.position.max(end);
        }
    }

    /// Nothing is behind where it is, unless somebody told it of something newer since.
    pub(super) fn is_at_end(&self, newest: u64) {
        let mut state = self.state();
        if state.newest != newest || !state.granted.is_empty() || state.rewind.is_some() {
            return;
        }
        state.again_until = 0;
        if std::mem::take(&mut state.is_behind) {
            drop(state);
            self.unsettled.done(1);
        }
    }

    pub(in crate::events) fn due(&self) -> Due {
        let state = self.state();
        match state.not_before {
            _ if state.is_over || !state.is_behind => Due::Never,
            Some(at) if at > Instant::now() => Due::At(at),
            _ => Due::Now,
        }
    }

    pub(super) fn waits(&self, ms: u64) {
        self.state().not_before = Some(Instant::now() + Duration::from_millis(ms.max(1)));
    }

    /// The outbox failed: says how often in a row.
    pub(super) fn is_troubled(&self) -> u32 {
        let mut state = self.state();
        state.troubles = state.troubles.saturating_add(1);
        state.troubles
    }

    pub(super) fn is_well(&self) {
        self.state().troubles = 0;
    }

    /// Nothing is handed over any more.
    pub(in crate::events) fn end(&self) {
        let mut state = self.state();
        state.is_over = true;
        state.window.clear();
        if std::mem::take(&mut state.is_behind) {
            drop(state);
            self.unsettled.done(1);
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.state().is_over
    }

    /// Resolves when the outbox knows what it was granted: from then on a crash loses nothing that is kept for it.
    pub(in crate::events) async fn begun(&self) -> Result<(), OutboxError> {
        if self.state().granted.is_empty() {
            return Ok(());
        }
        let _one = self.beginning.lock().await;
        loop {
            let Some((granted, end)) = self.state().granted.front().cloned() else { return Ok(()) };
            let cursor = self.durable.begin(&self.key, granted, end, || self.is_over()).await?;
            let mut state = self.state();
            state.begin(cursor);
            // Whoever grants puts it behind the others.
            state.granted.pop_front();
        }
    }

    /// Asks to be told again of what follows a sequence; says from where on that is. An error where it is told again already, or is no subscriber.
    pub(in crate::events) fn replay(&self, after: u64) -> Result<u64, &'static str> {
        let mut state = self.state();
        let Some(cursor) = state.cursor.as_ref().filter(|_| !state.is_over && state.granted.is_empty()) else {
            return Err("it is not told of durable events yet");
        };
        if state.rewind.is_some() || cursor.after < state.again_until {
            return Err("it is being told again already");
        }
        let after = cursor.no_earlier(after);
        // Also what is in hand: that may have been read before somebody asked.
        if after < state.position.max(cursor.after) {
            state.rewind = Some(after);
            drop(state);
            self.tell(0);
        }
        Ok(after)
    }

    /// Something is in its plugin's hands until this is dropped.
    pub(super) fn in_hand(&self) -> InHand<'_> {
        self.unsettled.add(1);
        self.durable.in_hand.fetch_add(1, Ordering::SeqCst);
        InHand(self)
    }

    pub(in crate::events) fn status(&self) -> DurableStatus {
        let state = self.state();
        let cursor = state.cursor.as_ref();
        DurableStatus {
            after: cursor.map_or(0, |cursor| cursor.after),
            is_behind: state.is_behind,
            handled: state.handled,
            retried: state.retried,
            failing: cursor.and_then(|cursor| cursor.failing),
            parked: cursor.map_or(0, |cursor| cursor.parked_count),
            missed: cursor.map_or(0, |cursor| cursor.missed),
        }
    }
}

impl State {
    /// What it may have is this. Where it is stays: a change that was asked for earlier may be answered later.
    fn begin(&mut self, begun: Option<Cursor>) {
        self.cursor = match (self.cursor.take(), begun) {
            (Some(mine), Some(begun)) => Some(Cursor { extents: begun.extents, consent: begun.consent, ..mine }),
            (None, Some(begun)) => {
                self.position = begun.after;
                Some(begun)
            }
            (_, None) => None,
        };
        // What was read by what it might have before.
        let extents = self.cursor.as_ref().map_or(&[][..], |cursor| &cursor.extents);
        self.window.retain(|event| Extent::any(extents, event.sequence.unwrap_or_default(), &event.topic));
    }

    /// Where it is is this. What it may have stays, for the same reason.
    pub(super) fn moved(&mut self, moved: Option<Cursor>) {
        self.cursor = match (self.cursor.take(), moved) {
            (Some(mine), Some(moved)) => Some(Cursor { extents: mine.extents, consent: mine.consent, ..moved }),
            // Forgotten meanwhile.
            _ => None,
        };
    }

    /// Those that are handed over next, together.
    pub(super) fn take(&mut self, at_once: usize) -> Vec<Arc<Event>> {
        let Some(first) = self.window.front() else { return Vec::new() };
        let hops = first.chain.hops;
        let at_once = if first.sequence.unwrap_or_default() <= self.alone_until { 1 } else { at_once };
        // Equally far along: what is published in answer is counted from there.
        let together = self.window.iter().take(at_once).take_while(|event| event.chain.hops == hops).count();
        self.window.drain(..together).collect()
    }

    /// They were not handled, and are the next again.
    pub(super) fn put_back(&mut self, events: Vec<Arc<Event>>) {
        if self.is_over {
            return;
        }
        // What it may have can have changed while they were in hand.
        let extents = self.cursor.as_ref().map_or(&[][..], |cursor| &cursor.extents);
        let still = |event: &Arc<Event>| Extent::any(extents, event.sequence.unwrap_or_default(), &event.topic);
        let still: Vec<_> = events.into_iter().filter(still).collect();
        still.into_iter().rev().for_each(|event| self.window.push_front(event));
    }
}

/// See [`Lane::in_hand`].
pub(super) struct InHand<'a>(&'a Lane);

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        self.0.durable.in_hand.fetch_sub(1, Ordering::SeqCst);
        self.0.unsettled.done(1);
    }
}

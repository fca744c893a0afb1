//! The application's way to read durable events from a sequence on, and to go on with those to come.
//!
//! Easily got wrong: nobody keeps where it is. The application does, by the sequence of the last event that it is done with.

use std::collections::VecDeque;
use std::sync::Arc;

use plugwork_core::Issue;
use plugwork_core::events::Event;
use plugwork_core::events::outbox::{Extent, Most, OutboxError};
use plugwork_core::limits::OUTBOX_READ_BYTES_MAX;
use plugwork_core::policy::topic::TopicPattern;

use super::Durable;
use crate::error::{Error, ErrorKind, Result};

/// Events in memory.
const WINDOW_EVENTS: usize = 64;

/// A subscription of the application's own to durable events, from a sequence on. It holds nobody up, and nothing is dropped for it: it reads the outbox.
pub struct DurableSubscription {
    durable: Arc<Durable>,
    tenant: Arc<str>,
    wanted: [Extent; 1],
    position: u64,
    window: VecDeque<Arc<Event>>,
}

/// What a [`DurableSubscription`] is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// An event, with its sequence.
    Event(Arc<Event>),
    /// The outbox let go of events before they were read.
    Missed {
        /// How many, of its tenant and on whatever topics.
        events: u64,
        /// It goes on behind this sequence.
        after: u64,
    },
}

impl DurableSubscription {
    pub(in crate::events) async fn open(durable: &Arc<Durable>, tenant: &Arc<str>, pattern: TopicPattern, after: u64) -> Result<Self> {
        let wrong =
            |what: String, at: &str, expected: String| Error::from_issue("cannot subscribe:", Issue { what, at: at.to_owned(), expected });
        if !durable.concerns(&pattern) {
            return Err(wrong(format!("`{pattern}`"), "pattern", "one that matches a durable topic".to_owned()));
        }
        let last = durable.span(tenant).await.map_err(unkept)?.last;
        if after > last {
            return Err(wrong(after.to_string(), "after", format!("at most {last}, the newest there is")));
        }
        let wanted = [Extent { pattern, since: 0 }];
        Ok(Self { durable: durable.clone(), tenant: tenant.clone(), wanted, position: after, window: VecDeque::new() })
    }

    /// The next event, or what was missed; waits for one that is yet to come. None once the runtime was closed. Dropping the future loses none. After an
    /// error of kind `Io` it may be asked again.
    pub async fn next(&mut self) -> Result<Option<Told>> {
        let durable = self.durable.clone();
        loop {
            if let Some(event) = self.window.pop_front() {
                return Ok(Some(Told::Event(event)));
            }
            let mut news = std::pin::pin!(durable.news.notified());
            // Listening first, looking second.
            news.as_mut().enable();
            if durable.is_closed() {
                return Ok(None);
            }
            let before = self.position;
            if let Some(missed) = self.read().await? {
                return Ok(Some(missed));
            }
            if self.position == before {
                news.await;
            }
        }
    }

    async fn read(&mut self) -> Result<Option<Told>> {
        let most = Most { events: WINDOW_EVENTS, bytes: OUTBOX_READ_BYTES_MAX };
        let page = self.durable.outbox.read(&self.tenant, self.position, &self.wanted, most).await.map_err(unkept)?;
        let missed = page.gone.saturating_sub(self.position);
        self.position = page.scanned;
        self.window.extend(page.events.into_iter().map(Arc::new));
        Ok((missed > 0).then_some(Told::Missed { events: missed, after: page.gone }))
    }
}

/// For the application.
pub(in crate::events) fn unkept(error: OutboxError) -> Error {
    let kind = if matches!(error, OutboxError::Full { .. }) { ErrorKind::Unavailable } else { ErrorKind::Io };
    Error::new(kind, format!("the outbox cannot be used: {error} ({})", error.code()))
}

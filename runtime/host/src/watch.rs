//! The one background task of a runtime that keeps records: it writes what was noted, and hears of consent that another process took back.
//!
//! It ends with its runtime. Easily got wrong: it looks four times a second, so that a revocation is heard well within the second that is
//! promised, also where the records are busy.

use std::sync::{Arc, Weak};
use std::time::Duration;

use plugwork_core::record::{ConsentKey, Event, Records, RecordsError};
use tokio::time::MissedTickBehavior;

use crate::audit::Audit;
use crate::log::Level;
use crate::runtime::{Runtime, Shared};

const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Time for the rest of a burst to be noted, so that it is written together.
const GATHER: Duration = Duration::from_millis(20);
const RECORDS_AT_ONCE: u32 = 256;

/// Starts it. `seen` is the last record that is taken as known.
pub(crate) fn start(runtime: Weak<Shared>, audit: Arc<Audit>, seen: u64) {
    tokio::spawn(async move {
        let mut seen = seen;
        let mut interval = tokio::time::interval(LOOK_EVERY);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let looking = tokio::select! {
                _ = interval.tick() => true,
                () = audit.noted() => false,
            };
            let Some(shared) = runtime.upgrade() else {
                let _ = audit.write(true).await;
                return;
            };
            if !looking {
                drop(shared);
                tokio::time::sleep(GATHER).await;
                // What cannot be written stays noted, and is tried again at the next look.
                let _ = audit.write(false).await;
                continue;
            }
            Runtime::from(shared.clone()).end_expired();
            let looked = look(&shared, audit.records.as_ref(), &mut seen).await;
            if let Err(error) = looked.and(audit.write(false).await) {
                shared.complain(Level::Error, &format!("the records cannot be read or written: {error}"));
            }
        }
    });
}

/// Obeys every record since the last look.
async fn look(shared: &Arc<Shared>, records: &dyn Records, seen: &mut u64) -> Result<(), RecordsError> {
    loop {
        let news = records.read(*seen, RECORDS_AT_ONCE).await?;
        for record in &news {
            match record.event() {
                Ok(Event::Revoked { subject, .. }) => shared.revoke(&ConsentKey::from(&subject), record.sequence),
                Ok(Event::Removed { subject, .. }) => {
                    shared.removed(&ConsentKey::from(&subject), record.sequence);
                    shared.obey(ConsentKey::from(&subject), record.sequence);
                }
                Ok(Event::Enabled { subject, .. } | Event::Disabled { subject, .. }) => {
                    shared.obey(ConsentKey::from(&subject), record.sequence);
                }
                // Consent that is given changes nothing for what runs already; and a record of a later version nobody here could obey.
                _ => {}
            }
            *seen = record.sequence;
        }
        if news.len() < RECORDS_AT_ONCE as usize {
            return Ok(());
        }
    }
}

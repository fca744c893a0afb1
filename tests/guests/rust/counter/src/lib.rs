//! Counts in memory, says in the log what its lifecycle is called for, and hands the count over when it is replaced.
//!
//! Its configuration makes it fail: see `fail.rs`. One thing to know: `counter-next` is this same source as version 1.1.0; what differs
//! is only the version, so that a test can say which one answered.

plugwork_guest::bindings!("../../wit/counter");

mod fail;

use std::sync::atomic::{AtomicU32, Ordering};

use plugwork_guest::{Handover, Lifecycle, Options, Refusal, Result, log};

const VERSION: &str = env!("CARGO_PKG_VERSION");

static COUNT: AtomicU32 = AtomicU32::new(0);

/// The guest.
pub struct Counter;

impl counts::Guest for Counter {
    fn next() -> u32 {
        fail::at_next();
        COUNT.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn version() -> String {
        VERSION.to_owned()
    }
}

impl Lifecycle for Counter {
    fn init(config: &Options) -> Result<()> {
        log::info("init");
        fail::configure(config)?;
        fail::at("init")
    }

    fn shutdown() -> Result<()> {
        log::info("shutdown");
        fail::at("shutdown")
    }

    fn health() -> Result<String> {
        log::info("health");
        fail::at("health")?;
        Ok(format!("counted to {}", COUNT.load(Ordering::Relaxed)))
    }

    fn migrate(from_version: &str) -> Result<()> {
        log::info(&format!("migrate from {from_version}"));
        fail::at("migrate")
    }
}

impl Handover for Counter {
    fn snapshot() -> Result<Vec<u8>> {
        let count = COUNT.load(Ordering::Relaxed);
        log::info(&format!("snapshot {count}"));
        fail::at("snapshot")?;
        Ok(count.to_string().into_bytes())
    }

    fn restore(state: Vec<u8>, from_version: &str) -> Result<()> {
        fail::at("restore")?;
        let count = std::str::from_utf8(&state).ok().and_then(|text| text.parse().ok());
        let count = count.ok_or_else(|| Refusal::invalid("the state is no count", "", "what `snapshot` answered"))?;
        log::info(&format!("restore {count} from {from_version}"));
        COUNT.store(count, Ordering::Relaxed);
        Ok(())
    }
}

plugwork_guest::export!(Counter: counts; lifecycle: Counter, handover: Counter);

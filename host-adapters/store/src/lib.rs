//! What a node keeps on its own disk: its records of consent, the deployments and tokens of an edge server, the values of its plugins, and the
//! durable events between them, in SQLite.
//!
//! Nothing here decides what is granted; nothing here runs a plugin. What a reader may get wrong: several processes may open one
//! folder at once (the command line beside a running host), so nothing read may be kept as the truth.
//!
//! ```
//! # async fn show(event: plugwork_core::record::Event) -> Result<(), Box<dyn std::error::Error>> {
//! use plugwork_core::record::Records;
//! let store = plugwork_store::Store::open("./state".as_ref()).await?;
//! let records = store.append(1_790_000_000_000, vec![event]).await?; // durable from here on
//! println!("record {}, {} in all", records[0].sequence, store.verify().await?.records);
//! # Ok(()) }
//! ```

#![forbid(unsafe_code)]

mod applications;
mod backup;
mod database;
mod error;
mod folder;
mod head;
mod outbox;
mod queue;
mod records;
mod store;
mod usage;
mod values;

pub use backup::{Backup, BackupSummary, BackupWriter};
pub use error::{Result, StoreError, StoreErrorKind};
pub use outbox::SqliteOutbox;
pub use store::Store;
pub use values::{KEY_BYTES_MAX, KeyPage, LIST_KEYS_MAX, Namespace, Quota, QuotaExceeded, Swapped, Usage, VALUE_BYTES_MAX, Values};

/// The oldest SQLite that may open a database: earlier ones can corrupt it when two connections write and checkpoint.
pub const SQLITE_FLOOR: (u32, u32, u32) = (3, 51, 3);

/// How long anything here waits for a lock that another process holds, in milliseconds.
pub const LOCK_WAIT_MS: u64 = 5_000;

/// The floor as SQLite writes versions.
fn floor_text() -> String {
    format!("{}.{}.{}", SQLITE_FLOOR.0, SQLITE_FLOOR.1, SQLITE_FLOOR.2)
}

//! What `plugwork-store` promises, by its public interface: the contract of records, what tampering and crashes do, and the values.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backups;
mod contract;
mod crash;
mod deployments;
mod deployments_killed;
mod disk;
mod lifecycles;
mod outbox;
mod outbox_killed;
mod places;
mod sample;
mod tamper;
mod tokens;
mod usage;
mod values;

//! The concurrent building blocks of `gate`, `shelf`, `flight` and `breaker`, and nothing else.
//!
//! Those four are model-checked: `tests/model` compiles the same files with loom's blocks in this place. May be misread: the rest of the host
//! uses `std` directly. What is not model-checked gains nothing from coming through here.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
pub(crate) use std::sync::{Arc, Mutex};

/// Runs a test of those files: once here, in every order of its threads in `tests/model`.
#[cfg(test)]
pub(crate) fn check(test: impl Fn() + Send + Sync + 'static) {
    test();
}

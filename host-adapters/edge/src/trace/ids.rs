//! Numbers of traces and spans: a count, scattered by a hash whose key the process drew at its start. Unique here, very likely everywhere; they open
//! nothing, so it is enough that they cannot be told in advance from outside.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// 64 bits; never 0.
pub(super) fn span() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static KEY: OnceLock<RandomState> = OnceLock::new();
    loop {
        let number = KEY.get_or_init(RandomState::new).hash_one(COUNT.fetch_add(1, Ordering::Relaxed));
        if number != 0 {
            return number;
        }
    }
}

/// 128 bits; never 0.
pub(super) fn trace() -> u128 {
    u128::from(span()) << 64 | u128::from(span())
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_two_numbers_are_one() {
        let numbers: std::collections::HashSet<u128> = (0..10_000).map(|_| super::trace()).collect();
        assert_eq!(numbers.len(), 10_000);
    }
}

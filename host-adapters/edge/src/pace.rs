//! How long a client keeps the server waiting, less what it earns by taking bytes. Pure but for the clock.
//!
//! Easily got wrong: that something moves now and then says nothing. Who takes a byte in half a minute holds what is sent to it as well as who takes none.

use std::time::{Duration, Instant};

/// The account of one client. It begins with nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    stall: Duration,
    bytes_per_second_min: u64,
    waits_since: Option<Instant>,
    debt: Duration,
}

impl Pace {
    /// A client may be behind by so long, and each so many bytes are worth a second.
    pub(crate) fn new(stall_ms: u64, bytes_per_second_min: u64) -> Self {
        Self { stall: Duration::from_millis(stall_ms), bytes_per_second_min, waits_since: None, debt: Duration::ZERO }
    }

    /// From now on, unless it was so already, the server waits for the client.
    pub(crate) fn waits(&mut self, now: Instant) {
        self.waits_since.get_or_insert(now);
    }

    /// The client took so many bytes, and is not waited for any more.
    pub(crate) fn took(&mut self, bytes: usize, now: Instant) {
        if let Some(since) = self.waits_since.take() {
            self.debt += now.saturating_duration_since(since);
        }
        let earned = (bytes as u64).saturating_mul(1_000_000) / self.bytes_per_second_min.max(1);
        self.debt = self.debt.saturating_sub(Duration::from_micros(earned));
    }

    /// Whether nothing is owed, so that taking more makes no difference.
    pub(crate) fn is_even(&self) -> bool {
        self.waits_since.is_none() && self.debt.is_zero()
    }

    /// When it will be too far behind; none while it is not waited for.
    pub(crate) fn ends(&self) -> Option<Instant> {
        self.waits_since.map(|since| since + self.stall.saturating_sub(self.debt))
    }

    /// Whether it is too far behind.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.ends().is_some_and(|ends| now >= ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_nothing_and_who_takes_next_to_nothing_is_too_far_behind() {
        let (began, second) = (Instant::now(), Duration::from_secs(1));
        let mut pace = Pace::new(30_000, 1_000);
        assert!(!pace.is_over(began + 1_000 * second), "nobody waits for it");
        pace.waits(began);
        assert!(!pace.is_over(began + 29 * second) && pace.is_over(began + 30 * second));
        pace.took(1, began + 29 * second);
        pace.waits(began + 29 * second);
        assert!(!pace.is_over(began + 29 * second) && pace.is_over(began + 31 * second), "one byte gains a thousandth of a second");
    }

    #[test]
    fn who_is_slow_and_fast_enough_goes_on_for_ever() {
        let (began, second) = (Instant::now(), Duration::from_secs(1));
        let mut pace = Pace::new(30_000, 1_000);
        for turn in 0..1_000 {
            let now = began + turn * 20 * second;
            pace.waits(now);
            assert!(!pace.is_over(now + 19 * second));
            pace.took(20_000, now + 20 * second);
        }
        assert!(pace.is_even());
    }
}

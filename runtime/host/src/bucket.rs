//! A token bucket: so much a second, saved up to a capacity, spent without a lock.
//!
//! It may go into debt, because what was spent is often known only afterwards; whoever is in debt waits. Easily got wrong: nobody refills it
//! in the background, so ask after [`Bucket::refill`] and not before.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const SECOND_NS: u128 = 1_000_000_000;

/// So much a second, and how much may be saved up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) per_second: u64,
    pub(crate) capacity: u64,
}

impl Rate {
    /// A bucket that holds what comes in one second.
    pub(crate) fn of(per_second: u64) -> Self {
        Self { per_second, capacity: per_second }
    }

    pub(crate) fn holding_seconds(per_second: u64, seconds: u64) -> Self {
        Self { per_second, capacity: per_second.saturating_mul(seconds) }
    }
}

pub(crate) struct Bucket {
    balance: AtomicI64,
    refilled_ns: AtomicU64,
}

impl Bucket {
    pub(crate) fn full(rate: Option<Rate>) -> Self {
        let capacity = rate.map_or(i64::MAX, |rate| signed(rate.capacity));
        Self { balance: AtomicI64::new(capacity), refilled_ns: AtomicU64::new(now_ns()) }
    }

    /// What was saved up under a larger limit, or under none, is not kept.
    pub(crate) fn cap(&self, rate: Option<Rate>) {
        if let Some(rate) = rate {
            self.balance.fetch_min(signed(rate.capacity), Ordering::Relaxed);
        }
    }

    /// One relaxed load: cheap enough for every call.
    #[inline]
    pub(crate) fn is_in_debt(&self) -> bool {
        self.balance.load(Ordering::Relaxed) <= 0
    }

    pub(crate) fn spend(&self, amount: u64) {
        // Saturating by hand: a guest that could wrap its debt around would be rich.
        let amount = signed(amount);
        let _ = self.balance.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |balance| Some(balance.saturating_sub(amount)));
    }

    /// Adds what has come in since the last time.
    pub(crate) fn refill(&self, rate: Rate) {
        self.refill_at(rate, now_ns());
    }

    fn refill_at(&self, rate: Rate, now_ns: u64) {
        let last = self.refilled_ns.load(Ordering::Relaxed);
        let elapsed = now_ns.saturating_sub(last);
        let earned = u128::from(elapsed) * u128::from(rate.per_second) / SECOND_NS;
        // Less than one token: leave the time where it is, or many small steps would earn nothing.
        if earned == 0 || self.refilled_ns.compare_exchange(last, now_ns, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return;
        }
        let earned = i64::try_from(earned).unwrap_or(i64::MAX);
        let capacity = signed(rate.capacity);
        let _ =
            self.balance.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |balance| Some(balance.saturating_add(earned).min(capacity)));
    }

    /// How long until it is out of debt; zero when it is not in debt.
    pub(crate) fn wait(&self, rate: Rate) -> Duration {
        self.refill(rate);
        let balance = self.balance.load(Ordering::Relaxed);
        if balance > 0 {
            return Duration::ZERO;
        }
        let missing = u128::from(balance.unsigned_abs()) + 1;
        let nanoseconds = missing * SECOND_NS / u128::from(rate.per_second.max(1));
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }

    /// Spends, unless that would lead into debt.
    pub(crate) fn try_spend(&self, amount: u64, rate: Rate) -> bool {
        self.refill(rate);
        let amount = signed(amount);
        self.balance.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |balance| (balance >= amount).then(|| balance - amount)).is_ok()
    }
}

fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

/// Nanoseconds since the first time anybody asked.
pub(crate) fn now_ns() -> u64 {
    static BEGINNING: OnceLock<Instant> = OnceLock::new();
    u64::try_from(BEGINNING.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Rate = Rate { per_second: 10, capacity: 20 };

    fn at(bucket: &Bucket) -> u64 {
        bucket.refilled_ns.load(Ordering::Relaxed)
    }

    #[test]
    fn what_is_not_there_is_not_spent() {
        let bucket = Bucket::full(Some(TEN));
        assert!(!bucket.try_spend(21, TEN));
        assert!(bucket.try_spend(20, TEN) && !bucket.try_spend(1, TEN));
    }

    #[test]
    fn a_debt_is_worked_off_at_the_rate_and_nothing_is_saved_past_the_capacity() {
        let bucket = Bucket::full(Some(TEN));
        bucket.spend(30);
        assert!(bucket.is_in_debt());
        let start = at(&bucket);
        bucket.refill_at(TEN, start + 1_000_000_000);
        assert_eq!(bucket.balance.load(Ordering::Relaxed), 0);
        bucket.refill_at(TEN, start + 100_000_000_000);
        assert_eq!(bucket.balance.load(Ordering::Relaxed), 20);
    }

    #[test]
    fn many_small_steps_earn_as_much_as_one_long_one() {
        let bucket = Bucket::full(Some(TEN));
        bucket.spend(20);
        let start = at(&bucket);
        for step in 1..=1_000 {
            bucket.refill_at(TEN, start + step * 1_000_000);
        }
        assert_eq!(bucket.balance.load(Ordering::Relaxed), 10);
    }

    #[test]
    fn a_debt_cannot_wrap_around() {
        let bucket = Bucket::full(None);
        bucket.spend(u64::MAX);
        bucket.spend(u64::MAX);
        bucket.spend(u64::MAX);
        assert!(bucket.is_in_debt());
    }
}

//! Clocks without a grant: whole milliseconds, and not to be interpolated.
//!
//! Rounding alone would not do: whoever counts loops from one step of the clock to the next knows the time far better than the step. So
//! each step comes at a moment within its millisecond that only the host knows. All instances see the same moments; averaging over many
//! gains nothing.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use wasmtime_wasi::clocks::{HostMonotonicClock, HostWallClock};

const STEP_NS: u64 = 1_000_000;

/// Milliseconds, each beginning at a moment that depends on `secret`.
fn coarse_ms(now_ns: u64, secret: &RandomState) -> u64 {
    let (step, within) = (now_ns / STEP_NS, now_ns % STEP_NS);
    if within >= secret.hash_one(step) % STEP_NS { step + 1 } else { step }
}

fn secret() -> &'static RandomState {
    static SECRET: OnceLock<RandomState> = OnceLock::new();
    SECRET.get_or_init(RandomState::new)
}

/// Milliseconds since this process first asked: instances begin within the same steps.
fn uptime_ms() -> u64 {
    static BEGINNING: OnceLock<Instant> = OnceLock::new();
    let elapsed = BEGINNING.get_or_init(Instant::now).elapsed();
    coarse_ms(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX), secret())
}

pub(crate) struct CoarseWall;

impl HostWallClock for CoarseWall {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(STEP_NS)
    }

    fn now(&self) -> Duration {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Duration::from_millis(coarse_ms(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX), secret()))
    }
}

pub(crate) struct CoarseMonotonic {
    start_ms: u64,
}

impl CoarseMonotonic {
    pub(crate) fn start() -> Self {
        Self { start_ms: uptime_ms() }
    }
}

impl HostMonotonicClock for CoarseMonotonic {
    fn resolution(&self) -> u64 {
        STEP_NS
    }

    fn now(&self) -> u64 {
        uptime_ms().saturating_sub(self.start_ms).saturating_mul(STEP_NS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_runs_backwards_and_is_never_off_by_more_than_a_step() {
        let secret = RandomState::new();
        let mut last = 0;
        for now_ns in (0..50 * STEP_NS).step_by(9_973) {
            let ms = coarse_ms(now_ns, &secret);
            assert!(ms >= last && ms.abs_diff(now_ns / STEP_NS) <= 1, "{now_ns}: {last} {ms}");
            last = ms;
        }
    }

    #[test]
    fn steps_come_at_moments_that_cannot_be_foretold() {
        let secret = RandomState::new();
        let moment = |step: u64| (0..100).find(|part| coarse_ms(step * STEP_NS + part * STEP_NS / 100, &secret) > step).unwrap_or(100);
        let mut histogram = [0; 10];
        for step in 0..2_000 {
            histogram[usize::try_from(moment(step) / 10).unwrap().min(9)] += 1;
        }
        // Two hundred in each tenth of a millisecond, give or take: an even spread leaves nothing to interpolate.
        assert!(histogram.iter().all(|count| (120..300).contains(count)), "{histogram:?}");
        assert!(
            (0..100).any(|step| coarse_ms(step * STEP_NS + 500_000, &secret) != coarse_ms(step * STEP_NS + 500_000, &RandomState::new()))
        );
    }
}

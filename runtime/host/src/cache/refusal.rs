//! Components that could not be compiled, remembered: a compile bomb that is offered again is answered at once.
//!
//! A refusal is an entry like any other, under the same MAC. How long it lasts is the failure's own matter
//! ([`CompileFailure::lasting`]), and one that names a limit no longer counts when that limit was raised.

use std::time::{SystemTime, UNIX_EPOCH};

use plugwork_core::compile_limits::Lasting;
use plugwork_core::{CompileFailure, CompileLimits};
use serde::{Deserialize, Serialize};

use super::disk::{Disk, Entry, Rejection};

#[derive(Serialize, Deserialize)]
struct Refusal {
    failure: CompileFailure,
    /// Seconds since 1970.
    at: u64,
}

/// Why the component is not worth another try, if it is not.
pub(super) fn standing(disk: &Disk, entry: &Entry, limits: &CompileLimits) -> Result<Option<CompileFailure>, Rejection> {
    let Some(bytes) = disk.read(entry)? else { return Ok(None) };
    // The MAC says that these are our own bytes; a change of format changes the version in the header.
    let Ok(refusal) = serde_json::from_slice::<Refusal>(&bytes) else { return Ok(None) };
    let stands = refusal.stands(limits, now());
    Ok(stands.then_some(refusal.failure))
}

/// Remembers it, if it is of the lasting kind.
pub(super) fn remember(disk: &Disk, entry: &Entry, failure: &CompileFailure) {
    if failure.lasting() == Lasting::Seconds(0) {
        return;
    }
    if let Ok(bytes) = serde_json::to_vec(&Refusal { failure: failure.clone(), at: now() }) {
        // A cache that cannot be written costs time, never an answer.
        let _ = disk.write(entry, &bytes);
    }
}

impl Refusal {
    fn stands(&self, limits: &CompileLimits, now: u64) -> bool {
        let lasts = match self.failure.lasting() {
            Lasting::Always => true,
            // A clock that was set back makes it stand no longer, not for ever.
            Lasting::Seconds(seconds) => now.checked_sub(self.at).is_some_and(|age| age < seconds),
        };
        lasts && self.failure.stands_under(limits)
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_from_the_component_stands_for_ever_and_what_may_be_chance_ten_minutes() {
        let limits = CompileLimits::default();
        let stands = |failure, age: u64| Refusal { failure, at: 1_000_000 }.stands(&limits, 1_000_000 + age);
        assert!(stands(CompileFailure::Cpu { limit_ms: limits.cpu_ms }, 1 << 40));
        assert!(stands(CompileFailure::Crashed { signal: 11 }, 599));
        assert!(!stands(CompileFailure::Crashed { signal: 11 }, 600));
        assert!(!stands(CompileFailure::Wall { limit_ms: limits.wall_ms }, 600));
    }

    #[test]
    fn a_clock_set_back_does_not_make_a_passing_refusal_stand() {
        let refusal = Refusal { failure: CompileFailure::Crashed { signal: 9 }, at: 2_000_000 };
        assert!(!refusal.stands(&CompileLimits::default(), 1_000_000));
    }
}

//! The breaker of one plugin: after so many faults within a while it keeps calls away, lets one through to try, and closes again when that one
//! succeeds. Time is an argument, in milliseconds of any clock that does not run backwards.
//!
//! What a reader may get wrong: only faults count. A refusal is an answer, so it is a success here. And a call that began before the
//! breaker opened says nothing when it ends: neither its success nor its fault moves an open breaker.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::Issue;

/// How long a caller is told to wait, at most, while another call is the probe.
const PROBE_WAIT_MS: u64 = 1_000;

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// Faults within [`Settings::window_ms`] that open it, 1 to 1,000; 5.
    pub faults: u32,
    /// How long a fault counts. Milliseconds, 1 to 86,400,000; 60,000.
    pub window_ms: u64,
    /// How long it stays open before one call may try. Milliseconds, 1 to 86,400,000; 60,000.
    pub open_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { faults: 5, window_ms: 60_000, open_ms: 60_000 }
    }
}

impl Settings {
    /// Whether each lies in its range.
    ///
    /// # Errors
    /// Names the first that does not.
    pub fn check(&self) -> Result<(), Issue> {
        let ranges = [
            ("faults", u64::from(self.faults), 1, 1_000, "faults"),
            ("window-ms", self.window_ms, 1, 86_400_000, "milliseconds"),
            ("open-ms", self.open_ms, 1, 86_400_000, "milliseconds"),
        ];
        match ranges.into_iter().find(|(_, value, least, most, _)| !(least..=most).contains(&value)) {
            None => Ok(()),
            Some((at, value, least, most, unit)) => {
                Err(Issue { what: value.to_string(), at: at.to_owned(), expected: format!("{least} to {most} {unit}") })
            }
        }
    }
}

/// Whether a call may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admit {
    /// Go on.
    Yes,
    /// Go on, as the one call that tries. Its end has to be told with `probe` set, or the place stays taken.
    Probe,
    /// Do not.
    No {
        /// When it is worth asking again, in milliseconds from now; at least 1.
        retry_after_ms: u64,
    },
}

/// What a breaker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "breaker", rename_all = "kebab-case")]
pub enum BreakerState {
    /// Every call goes through.
    Closed,
    /// No call goes through.
    Open {
        /// Until when, by the clock it is told; from then on the next call is the probe.
        until_ms: u64,
    },
    /// One call may try, or is trying.
    HalfOpen,
}

/// The breaker itself: a few words of memory, nothing on the heap until the first fault.
#[derive(Debug, Clone)]
pub struct Breaker {
    settings: Settings,
    position: Position,
}

#[derive(Debug, Clone)]
enum Position {
    /// When the faults that still count happened, the oldest first; fewer than would open it.
    Closed { faults: VecDeque<u64> },
    Open { until_ms: u64 },
    HalfOpen { probing: bool },
}

impl Breaker {
    /// Closed, and with no fault in it. The settings are taken as they are: [`Settings::check`] comes before.
    pub fn new(settings: Settings) -> Self {
        Self { settings, position: Position::Closed { faults: VecDeque::new() } }
    }

    /// Asks for a call. Moves an open breaker whose time is over to half open.
    pub fn admit(&mut self, now_ms: u64) -> Admit {
        match &mut self.position {
            Position::Closed { .. } => Admit::Yes,
            Position::Open { until_ms } if now_ms < *until_ms => Admit::No { retry_after_ms: *until_ms - now_ms },
            Position::HalfOpen { probing: true } => Admit::No { retry_after_ms: self.settings.open_ms.clamp(1, PROBE_WAIT_MS) },
            Position::Open { .. } | Position::HalfOpen { probing: false } => {
                self.position = Position::HalfOpen { probing: true };
                Admit::Probe
            }
        }
    }

    /// A call ended with an answer, a refusal included. `probe`: it was the one that was let through to try.
    pub fn succeeded(&mut self, now_ms: u64, probe: bool) {
        match &mut self.position {
            Position::HalfOpen { .. } if probe => self.position = Position::Closed { faults: VecDeque::new() },
            // A success forgives nothing: one fault in ten calls is still too many. It only lets time be looked at.
            Position::Closed { faults } => forget(faults, now_ms, self.settings.window_ms),
            Position::Open { .. } | Position::HalfOpen { .. } => {}
        }
    }

    /// A call ended with a fault. True where this one opened the breaker.
    pub fn failed(&mut self, now_ms: u64, probe: bool) -> bool {
        let opens = match &mut self.position {
            Position::HalfOpen { .. } => probe,
            Position::Closed { faults } => {
                forget(faults, now_ms, self.settings.window_ms);
                faults.push_back(now_ms);
                faults.len() >= self.settings.faults as usize
            }
            Position::Open { .. } => false,
        };
        if opens {
            self.position = Position::Open { until_ms: now_ms.saturating_add(self.settings.open_ms) };
        }
        opens
    }

    /// A call ended and says nothing about the plugin: its caller gave up, the host stopped. A probe frees its place for the next one.
    pub fn abandoned(&mut self, probe: bool) {
        if let Position::HalfOpen { probing } = &mut self.position
            && probe
        {
            *probing = false;
        }
    }

    /// What it is doing. An open breaker whose time is over says so until the next call asks.
    pub fn state(&self) -> BreakerState {
        match self.position {
            Position::Closed { .. } => BreakerState::Closed,
            Position::Open { until_ms } => BreakerState::Open { until_ms },
            Position::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Whether it is closed and no fault counts, as far as it was told the time: a host may then not ask it at all.
    pub fn is_quiet(&self) -> bool {
        matches!(&self.position, Position::Closed { faults } if faults.is_empty())
    }
}

/// Drops what is older than the window. A fault from a clock that was ahead stays: it is not older.
fn forget(faults: &mut VecDeque<u64>, now_ms: u64, window_ms: u64) {
    while faults.front().is_some_and(|at_ms| now_ms.saturating_sub(*at_ms) >= window_ms) {
        faults.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> Breaker {
        Breaker::new(Settings { faults: 3, window_ms: 100, open_ms: 50 })
    }

    /// Open since `now_ms`.
    fn opened(now_ms: u64) -> Breaker {
        let mut breaker = breaker();
        let opened: Vec<bool> = (0..3).map(|_| breaker.failed(now_ms, false)).collect();
        assert_eq!(opened, [false, false, true]);
        breaker
    }

    #[test]
    fn both_ends_of_each_range_are_allowed_and_one_past_them_is_not() {
        let least = Settings { faults: 1, window_ms: 1, open_ms: 1 };
        let most = Settings { faults: 1_000, window_ms: 86_400_000, open_ms: 86_400_000 };
        assert_eq!((least.check(), most.check(), Settings::default().check()), (Ok(()), Ok(()), Ok(())));
        for (wrong, at) in [
            (Settings { faults: 0, ..least }, "faults"),
            (Settings { window_ms: 0, ..least }, "window-ms"),
            (Settings { open_ms: 0, ..least }, "open-ms"),
            (Settings { faults: 1_001, ..most }, "faults"),
            (Settings { window_ms: 86_400_001, ..most }, "window-ms"),
            (Settings { open_ms: 86_400_001, ..most }, "open-ms"),
        ] {
            assert_eq!(wrong.check().unwrap_err().at, at);
        }
    }

    #[test]
    fn settings_are_read_with_their_defaults_and_no_unknown_word() {
        let read = serde_json::from_str::<Settings>;
        assert_eq!(read(r#"{"faults":7}"#).unwrap(), Settings { faults: 7, ..Settings::default() });
        assert!(read(r#"{"fault":7}"#).is_err());
        assert_eq!(Settings::default(), Settings { faults: 5, window_ms: 60_000, open_ms: 60_000 });
    }

    #[test]
    fn one_fault_less_than_the_limit_keeps_it_closed_and_the_limit_opens_it() {
        let mut breaker = breaker();
        assert!(!breaker.failed(0, false) && !breaker.failed(0, false));
        assert_eq!((breaker.state(), breaker.admit(0)), (BreakerState::Closed, Admit::Yes));
        assert!(breaker.failed(0, false));
        assert_eq!((breaker.state(), breaker.admit(0)), (BreakerState::Open { until_ms: 50 }, Admit::No { retry_after_ms: 50 }));
    }

    #[test]
    fn a_fault_counts_up_to_its_window_and_not_at_it() {
        let mut within = breaker();
        within.failed(0, false);
        within.failed(50, false);
        assert!(within.failed(99, false));
        let mut past = breaker();
        past.failed(0, false);
        past.failed(50, false);
        assert!(!past.failed(100, false));
    }

    #[test]
    fn an_open_breaker_waits_its_time_and_then_lets_exactly_one_try() {
        let mut breaker = opened(0);
        assert_eq!(breaker.admit(49), Admit::No { retry_after_ms: 1 });
        assert_eq!(breaker.state(), BreakerState::Open { until_ms: 50 });
        assert_eq!(breaker.admit(50), Admit::Probe);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert_eq!(breaker.admit(50), Admit::No { retry_after_ms: 50 });
        assert_eq!(breaker.admit(5_000), Admit::No { retry_after_ms: 50 });
    }

    #[test]
    fn a_probe_that_succeeds_closes_it_and_forgets_the_faults() {
        let mut breaker = opened(0);
        assert_eq!(breaker.admit(50), Admit::Probe);
        breaker.succeeded(60, true);
        assert!(breaker.is_quiet());
        assert_eq!(breaker.admit(60), Admit::Yes);
        assert!(!breaker.failed(61, false) && !breaker.failed(61, false), "the faults from before are forgotten");
    }

    #[test]
    fn a_probe_that_fails_opens_it_anew() {
        let mut breaker = opened(0);
        assert_eq!(breaker.admit(50), Admit::Probe);
        assert!(breaker.failed(60, true));
        assert_eq!(breaker.state(), BreakerState::Open { until_ms: 110 });
    }

    #[test]
    fn a_probe_that_is_abandoned_frees_its_place_and_decides_nothing() {
        let mut breaker = opened(0);
        assert_eq!(breaker.admit(50), Admit::Probe);
        breaker.abandoned(false);
        assert!(matches!(breaker.admit(51), Admit::No { .. }), "another call's end frees nothing");
        breaker.abandoned(true);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert_eq!(breaker.admit(51), Admit::Probe);
    }

    #[test]
    fn late_results_of_calls_from_before_move_nothing() {
        let mut breaker = opened(0);
        breaker.succeeded(10, false);
        assert!(!breaker.failed(10, false), "nor is it open for longer");
        assert_eq!(breaker.state(), BreakerState::Open { until_ms: 50 });
        assert_eq!(breaker.admit(50), Admit::Probe);
        breaker.succeeded(51, false);
        assert!(!breaker.failed(51, false));
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert!(matches!(breaker.admit(52), Admit::No { .. }), "the probe still has its place");
    }

    #[test]
    fn it_is_quiet_again_when_a_success_finds_the_faults_out_of_the_window() {
        let mut breaker = breaker();
        assert!(breaker.is_quiet());
        breaker.failed(0, false);
        breaker.succeeded(99, false);
        assert!(!breaker.is_quiet());
        breaker.succeeded(100, false);
        assert!(breaker.is_quiet());
        assert!(!opened(0).is_quiet());
    }

    #[test]
    fn a_clock_that_stands_at_its_end_or_steps_back_breaks_nothing() {
        let mut breaker = opened(u64::MAX);
        assert_eq!(breaker.state(), BreakerState::Open { until_ms: u64::MAX });
        assert_eq!(breaker.admit(u64::MAX), Admit::Probe);
        assert_eq!(opened(100).admit(0), Admit::No { retry_after_ms: 150 });
    }
}

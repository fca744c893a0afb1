//! The breaker against a slow model: one that keeps everything that ever happened to it and decides anew from all of it at every question.

use std::sync::atomic::{AtomicUsize, Ordering};

use bolero::TypeGenerator;
use plugwork_core::breaker::{Admit, Breaker, BreakerState, Settings};

use crate::PATIENCE;

#[derive(Debug, Clone, TypeGenerator)]
enum Step {
    /// Time goes on.
    Pass(u8),
    /// A call asks to begin; if it may, it goes on for a while.
    Begin,
    /// One of the calls under way ends, whichever: late ones too.
    End(u8, Outcome),
}

#[derive(Debug, Clone, Copy, TypeGenerator)]
enum Outcome {
    Answered,
    Faulted,
    Abandoned,
}

/// What happened, in order, with its time.
#[derive(Debug, Clone, Copy)]
enum Happened {
    Asked(u64),
    Ended(u64, Outcome, bool),
}

/// What the whole history amounts to: since when it is open (none: closed), whether a probe is out, and what the last asker was told.
fn replay(settings: Settings, history: &[Happened]) -> (BreakerState, bool, Option<Admit>) {
    let (mut state, mut probing, mut told) = (BreakerState::Closed, false, None);
    let mut closed_since = 0;
    for (index, happened) in history.iter().enumerate() {
        match (*happened, state) {
            (Happened::Asked(_), BreakerState::Closed) => told = Some(Admit::Yes),
            (Happened::Asked(now), BreakerState::Open { until_ms }) if now < until_ms => {
                told = Some(Admit::No { retry_after_ms: until_ms - now });
            }
            (Happened::Asked(_), BreakerState::HalfOpen) if probing => {
                told = Some(Admit::No { retry_after_ms: settings.open_ms.min(1_000) });
            }
            (Happened::Asked(_), _) => (state, probing, told) = (BreakerState::HalfOpen, true, Some(Admit::Probe)),
            (Happened::Ended(now, Outcome::Faulted, _), BreakerState::Closed) => {
                // Every fault since it closed, however long ago, looked at again.
                let recent = history[closed_since..=index]
                    .iter()
                    .filter(|happened| matches!(happened, Happened::Ended(at, Outcome::Faulted, _) if now - at < settings.window_ms));
                if recent.count() >= settings.faults as usize {
                    state = BreakerState::Open { until_ms: now + settings.open_ms };
                }
            }
            (Happened::Ended(now, outcome, true), BreakerState::HalfOpen) => match outcome {
                Outcome::Answered => (state, closed_since) = (BreakerState::Closed, index + 1),
                Outcome::Faulted => state = BreakerState::Open { until_ms: now + settings.open_ms },
                Outcome::Abandoned => probing = false,
            },
            (Happened::Ended(..), _) => {}
        }
        if state != BreakerState::HalfOpen {
            probing = false;
        }
    }
    (state, probing, told)
}

#[test]
fn it_decides_as_one_that_looks_at_its_whole_history() {
    let (opened, closed_again) = (AtomicUsize::new(0), AtomicUsize::new(0));
    bolero::check!().with_iterations(2_000).with_test_time(PATIENCE).with_type::<(Vec<Step>, [u8; 3])>().for_each(|(steps, drawn)| {
        let [faults, window, open] = drawn.map(u64::from);
        let settings = Settings { faults: (faults % 4) as u32 + 1, window_ms: window + 1, open_ms: open % 64 + 1 };
        let (mut breaker, mut history, mut under_way, mut now_ms) = (Breaker::new(settings), Vec::new(), Vec::new(), 0);
        for step in steps {
            let before = breaker.state();
            match step {
                Step::Pass(ms) => now_ms += u64::from(*ms) / 4,
                Step::Begin => {
                    history.push(Happened::Asked(now_ms));
                    let admitted = breaker.admit(now_ms);
                    assert_eq!(Some(admitted), replay(settings, &history).2, "{history:?}");
                    if !matches!(admitted, Admit::No { .. }) {
                        under_way.push(admitted == Admit::Probe);
                    }
                }
                Step::End(which, outcome) if !under_way.is_empty() => {
                    let probe = under_way.remove(usize::from(*which) % under_way.len());
                    history.push(Happened::Ended(now_ms, *outcome, probe));
                    match outcome {
                        Outcome::Answered => breaker.succeeded(now_ms, probe),
                        Outcome::Abandoned => breaker.abandoned(probe),
                        Outcome::Faulted => {
                            let opens = breaker.failed(now_ms, probe);
                            assert_eq!(opens, matches!(breaker.state(), BreakerState::Open { .. }) && before != breaker.state());
                        }
                    }
                }
                Step::End(..) => {}
            }
            let (state, probing, _) = replay(settings, &history);
            assert_eq!(breaker.state(), state, "{history:?}");
            assert!(under_way.iter().filter(|probe| **probe).count() <= 1, "one probe at a time: {history:?}");
            assert_eq!(probing, under_way.contains(&true), "a probe has its place for as long as it is under way: {history:?}");
            assert!(!breaker.is_quiet() || state == BreakerState::Closed);
            match (before, state) {
                (BreakerState::Closed, BreakerState::Open { .. }) => opened.fetch_add(1, Ordering::Relaxed),
                (BreakerState::HalfOpen, BreakerState::Closed) => closed_again.fetch_add(1, Ordering::Relaxed),
                _ => 0,
            };
        }
    });
    let (opened, closed_again) = (opened.into_inner(), closed_again.into_inner());
    assert!(opened > 50 && closed_again > 10, "{opened} opened, {closed_again} closed again");
}

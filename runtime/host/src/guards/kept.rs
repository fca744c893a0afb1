//! Answers of guards that need not be asked for again.
//!
//! Easily got wrong: an answer is of the very generation of the guard that gave it, and to the very question. Another version of either is asked anew. It has to be
//! plain already: what a guest wrote would be kept in full.

use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::sync::Cache;
use plugwork_core::guard::{Decision, Question, Verdict};

/// Answers that are kept at once; of more those go that are used least.
const KEPT_MAX: u64 = 16_384;
/// Bytes of a principal beyond which its answers are not kept.
const PRINCIPAL_BYTES_MAX: usize = 1_024;

/// Who gave an answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum By {
    Native(usize),
    /// By the number of its generation: a plugin that is loaded, configured or installed again has another one.
    Plugin(u64),
}

/// Whose answer to what.
type Key = (By, Arc<Question>);

pub(super) struct Kept(Cache<Key, (Verdict, Instant)>);

impl Kept {
    pub(super) fn new(keep_ms_max: u64) -> Self {
        let cache = Cache::builder().max_capacity(KEPT_MAX).time_to_live(Duration::from_millis(keep_ms_max.max(1)));
        Self(cache.build())
    }

    /// The answer, if it was given and its time is not over.
    pub(super) fn get(&self, by: &By, question: &Arc<Question>) -> Option<Verdict> {
        let (verdict, until) = self.0.get(&(*by, question.clone()))?;
        (Instant::now() < until).then_some(verdict)
    }

    /// Keeps an answer for as long as it says, counted from when it was asked for.
    pub(super) fn put(&self, by: By, question: &Arc<Question>, decision: &Decision, asked_at: Instant, keep_ms_max: u64) {
        let keep_ms = decision.keep_ms.min(keep_ms_max);
        let is_short = question.principal.as_ref().is_none_or(|principal| principal.len() <= PRINCIPAL_BYTES_MAX);
        if keep_ms > 0 && is_short {
            self.0.insert((by, question.clone()), (decision.verdict.clone(), asked_at + Duration::from_millis(keep_ms)));
        }
    }
}

//! The point `guard`: whether calls may be made.
//!
//! Whom it is asked about, the host's application or the manifest of the plugin that is called says. One thing to know: where [`Guard::check`] refuses or panics,
//! the call is not made.

use std::marker::PhantomData;

use crate::bindings::guard::exports::plugwork::points::guard::Guest;
use crate::refusal::{Refusal, Result};

pub use crate::bindings::guard::exports::plugwork::points::guard::{Decision, Party, Question, Verdict};

/// Something that is asked before calls of other plugins.
///
/// ```no_run
/// use plugwork_guest::guard::{Decision, Guard, Question};
/// use plugwork_guest::prelude::*;
///
/// struct Office;
///
/// impl Guard for Office {
///     fn check(question: Question) -> Result<Decision> {
///         Ok(match question.principal.as_deref() {
///             Some("ada") => Decision::allow().kept(10_000),
///             _ => Decision::deny("only ada may"),
///         })
///     }
/// }
///
/// plugwork_guest::plugin! {
///     descriptor: r#"{"points":{}}"#,
///     guard: Office,
/// }
/// # fn main() {}
/// ```
pub trait Guard: 'static {
    /// Decides. An instance may be asked again; what is to last longer than a call stands in a `static`.
    fn check(question: Question) -> Result<Decision>;
}

/// Exports a guard.
pub struct GuardExport<T>(PhantomData<T>);

impl<T: Guard> Guest for GuardExport<T> {
    fn check(question: Question) -> Result<Decision, Refusal> {
        T::check(question)
    }
}

impl Decision {
    /// Allows this once.
    pub fn allow() -> Self {
        Self { verdict: Verdict::Allow, keep_ms: 0 }
    }

    /// Denies this once, and says why in one line, of which at most 256 bytes are passed on.
    pub fn deny(reason: impl Into<String>) -> Self {
        Self { verdict: Verdict::Deny(reason.into()), keep_ms: 0 }
    }

    /// The same for so many milliseconds: meanwhile the very same question is not asked again. The host keeps no answer longer than it likes.
    pub fn kept(mut self, ms: u32) -> Self {
        self.keep_ms = ms;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_not_kept_unless_it_says_so() {
        assert_eq!(Decision::allow(), Decision { verdict: Verdict::Allow, keep_ms: 0 });
        let denied = Decision::deny("no").kept(5);
        assert_eq!(denied, Decision { verdict: Verdict::Deny("no".to_owned()), keep_ms: 5 });
    }
}

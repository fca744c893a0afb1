//! Guards: being asked before calls of other plugins, and deciding.

pub use crate::points::{Decision, Guard, Party, Question, Verdict};

//! What `plugwork dev` is made of, beside the verb: what a change in a folder means, watching it, and how what happened is told.
//!
//! Nothing here builds or runs a plugin. Easy to get wrong: a change only means that a build is worth trying; whether anything is different is
//! known by the digest of what was built.

pub(crate) mod change;
pub(crate) mod swap;
pub(crate) mod told;
pub(crate) mod watch;

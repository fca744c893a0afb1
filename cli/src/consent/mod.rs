//! Consent as a person gives it: what a plugin asks for in plain words, and the answer to it. Nothing is decided by policy here, and nothing is
//! kept: the answer becomes [`Grants`](plugwork_core::Grants) that the runtime checks and records.
//!
//! Easy to get wrong: everything that a manifest says is shown on one line each, cut and without control characters. A reason that could
//! begin a new line could also write a false one.

pub(crate) mod ask;
pub(crate) mod given;
pub(crate) mod offering;
pub(crate) mod text;
pub(crate) mod words;

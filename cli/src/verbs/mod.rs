//! One file per verb.

pub(crate) mod build;
pub(crate) mod cache;
pub(crate) mod call;
pub(crate) mod check;
pub(crate) mod inspect;
pub(crate) mod run;

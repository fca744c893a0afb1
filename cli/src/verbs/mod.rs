//! One file per verb; `component` and `words` are what several of them share. A verb reads its arguments, asks the libraries, and hands
//! what there is to say to `print`. No rule of plugwork lives here.

pub(crate) mod build;
pub(crate) mod cache;
pub(crate) mod call;
pub(crate) mod check;
mod component;
mod findings;
pub(crate) mod inspect;
pub(crate) mod run;
pub(crate) mod words;

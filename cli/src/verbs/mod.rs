//! One file per verb; `building`, `component`, `target` and `words` are what several of them share. A verb reads its arguments, asks the libraries, and hands
//! what there is to say to `print`. No rule of plugwork lives here.

pub(crate) mod add;
pub(crate) mod audit;
pub(crate) mod build;
mod building;
pub(crate) mod cache;
pub(crate) mod call;
pub(crate) mod check;
mod component;
pub(crate) mod components;
pub(crate) mod deploy;
pub(crate) mod dev;
pub(crate) mod disable;
pub(crate) mod enable;
pub(crate) mod explain;
mod fetch;
mod findings;
pub(crate) mod grants;
pub(crate) mod inspect;
pub(crate) mod logs;
pub(crate) mod ps;
pub(crate) mod remove;
pub(crate) mod revoke;
pub(crate) mod rollback;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod state;
pub(crate) mod status;
pub(crate) mod tail;
mod target;
pub(crate) mod token;
pub(crate) mod top;
pub(crate) mod update;
pub(crate) mod usage;
pub(crate) mod words;

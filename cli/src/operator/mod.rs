//! The command as an operator of a server that runs: how it is reached, and what it answers. The JSON is that of `plugwork_edge::admin::words`; no rule of
//! serving lives here.

pub(crate) mod client;
pub(crate) mod reach;

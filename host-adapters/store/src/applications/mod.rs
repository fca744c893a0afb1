//! What the edge server keeps beside the chain, in `records.db`: deployments with the pointer of each application, and the tokens of operators.
//!
//! The rules are `plugwork_core::deployment` and `plugwork_core::authorize`. What a reader may get wrong: these rows are no records of the chain. A stamp
//! shows that this node wrote a row as it stands; that later rows were taken away, nothing here shows.

mod change;
mod deployments;
mod row;
mod tokens;
mod write;

pub(crate) use change::{Answer, Change};
pub(crate) use row::Rows;
pub(crate) use write::Writer;

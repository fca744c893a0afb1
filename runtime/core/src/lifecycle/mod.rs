//! The life of one instance of a plugin: its states, the moves between them, and who may cause each. One table decides everything.
//!
//! Pure: who carries a move out, and what is recorded of it, is the host's business (`docs/lifecycle.md`). What a reader may get wrong: a new
//! version is no other state. `update` keeps an active plugin active, and its generations stand side by side below this table.

mod state;
mod table;

pub use state::{Actor, Move, Stage, State};
pub use table::{Row, TABLE, next, rows_from};

#[cfg(test)]
mod tests;

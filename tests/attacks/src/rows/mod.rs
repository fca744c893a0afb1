//! The catalogue, row by row, in the order of its groups.

mod answered;
mod compiling;
mod fetching;
mod file_guests;
mod files;
mod handles;
mod host_calls;
mod http;
mod memory;
mod processor;
mod secrets;
mod stores;
mod structure;
mod values;
mod waiting;

pub use self::compiling::{CHILD, compile_for_ever};
pub use self::secrets::CANARY;
use crate::row::Row;

/// Every row.
pub fn all() -> Vec<Row> {
    let groups: [fn() -> Vec<Row>; 11] = [
        processor::rows,
        memory::rows,
        values::rows,
        handles::rows,
        waiting::rows,
        host_calls::rows,
        files::rows,
        http::rows,
        structure::rows,
        compiling::rows,
        secrets::rows,
    ];
    groups.into_iter().flat_map(|group| group()).collect()
}

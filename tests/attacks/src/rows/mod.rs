//! The catalogue, row by row, in the order of its groups.

mod handles;
mod memory;
mod processor;
mod values;

use crate::row::Row;

/// Every row.
pub fn all() -> Vec<Row> {
    let groups: [fn() -> Vec<Row>; 4] = [processor::rows, memory::rows, values::rows, handles::rows];
    groups.into_iter().flat_map(|group| group()).collect()
}

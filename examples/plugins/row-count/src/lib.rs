//! The twelve-line plugin of the README in Rust: counts rows, and answers one table `counts` with one column `rows`.
//!
//! Lives here: all of it. May be misread: the lines between the marks are the README's, letter by letter (a test compares them), and
//! rustfmt would make twenty of them, so it leaves this file alone.
#![cfg_attr(rustfmt, rustfmt_skip)]

// README: begin
use plugwork_guest::prelude::*;
struct RowCount(usize);
impl Analyzer for RowCount {
    fn start(_: &Options) -> Result<Self> { Ok(Self(0)) }
    fn push(&mut self, batch: &Batch) -> Result<()> { self.0 += batch.rows(); Ok(()) }
    fn finish(&mut self) -> Result<Vec<Table>> {
        let mut table = TableBuilder::new([Field::i64("rows")]);
        table.push(row![self.0])?;
        Ok(vec![table.into_table("counts")])
    }
}
plugwork_guest::plugin! { descriptor: include_str!("../descriptor.json"), analyzer: RowCount }
// README: end

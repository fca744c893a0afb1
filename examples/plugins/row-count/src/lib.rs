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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_all_batches_are_counted() {
        let mut count = RowCount::start(&Options::new("{}")).unwrap();
        for rows in [2, 0, 3] {
            count.push(&Batch::new(rows, [Column::i64s("n", vec![1; rows])]).unwrap()).unwrap();
        }
        let tables = count.finish().unwrap();
        let found = &tables[0].batches[0];
        assert_eq!((tables[0].name.as_str(), found.column("rows").unwrap().i64s().unwrap().get(0)), ("counts", Some(5)));
    }
}

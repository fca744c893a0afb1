//! The plugin: options and batches in, tables `statistics` and `times` out.
//!
//! Lives here: [`GroupStats`], which the component exports, and the cutting of results into batches. Not here: any
//! arithmetic. May be misread: `values` left out means every column of numbers; dates must be named.

use plugwork_guest::prelude::*;
use plugwork_guest::{BATCH_BYTES_MAX, BATCH_ROWS_MAX};

use crate::buffers::Buffers;
use crate::issue::Issue;
use crate::result;
use crate::statistics::{Plan, Statistics};

/// Groups that can be asked for.
const GROUPS_MAX: usize = 65_536;

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Settings {
    by: Vec<String>,
    values: Option<Vec<String>>,
    quantiles: Vec<f64>,
    groups_max: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        let Plan { by, values, quantiles, groups_max } = Plan::default();
        Settings { by, values, quantiles, groups_max }
    }
}

/// The analyzer.
#[derive(Debug)]
pub struct GroupStats {
    statistics: Statistics,
}

impl Analyzer for GroupStats {
    fn start(options: &Options) -> Result<Self> {
        let Settings { by, values, quantiles, groups_max } = options.parse()?;
        if !(1..=GROUPS_MAX).contains(&groups_max) {
            return Err(Refusal::invalid("no number of groups", "/groups-max", format!("1 to {GROUPS_MAX}")));
        }
        Ok(Self { statistics: Statistics::new(Plan { by, values, quantiles, groups_max })? })
    }

    fn push(&mut self, batch: &Batch) -> Result<()> {
        let mut buffers: Vec<Buffers<'_>> = batch.columns().map(Buffers::empty).collect();
        self.statistics.look(&buffers.iter().map(Buffers::column).collect::<Vec<_>>())?;
        for (index, column) in batch.columns().enumerate().filter(|(index, _)| self.statistics.reads(*index)) {
            buffers[index] = Buffers::of(column)?;
        }
        let columns: Vec<_> = buffers.iter().map(Buffers::column).collect();
        Ok(self.statistics.push(batch.rows(), &columns)?)
    }

    fn finish(&mut self) -> Result<Vec<Table>> {
        self.statistics.tables()?.into_iter().map(packed).collect()
    }
}

impl From<Issue> for Refusal {
    fn from(issue: Issue) -> Refusal {
        Refusal::invalid(issue.what, issue.at, issue.expected)
    }
}

/// Cuts a table into batches within the limits of the contract.
fn packed(table: result::Table) -> Result<Table> {
    let mut batches = Vec::new();
    let mut start = 0;
    while start < table.rows || batches.is_empty() {
        let (mut end, mut bytes) = (start, 0);
        while end < table.rows && end - start < BATCH_ROWS_MAX {
            // 17: the widest cell, and a bit of validity and four bytes of offset for every column.
            bytes += table.columns.iter().map(|column| 17 + column.cells[end].as_ref().map_or(0, Vec::len)).sum::<usize>();
            if bytes > BATCH_BYTES_MAX && end > start {
                break;
            }
            end += 1;
        }
        let columns = table.columns.iter().map(|column| {
            let (validity, offsets, values) = column.buffers(start..end);
            Column::from_buffers(&column.name, &column.format, validity, offsets, values)
        });
        batches.push(Batch::new(end - start, columns)?);
        start = end;
    }
    Ok(Table { name: table.name, batches })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flights() -> Batch {
        let carriers = Column::texts("carrier", ["AA", "WN", "AA", "WN"].map(Some));
        let delays = Column::i32s("delay", [Some(5), Some(-3), None, Some(1)]);
        Batch::new(4, [carriers, delays, Column::f64s("distance", [405.0, 370.0, 389.0, 337.0])]).unwrap()
    }

    fn run(options: &str, batches: &[Batch]) -> Result<Vec<Table>> {
        let mut analyzer = GroupStats::start(&Options::new(options))?;
        batches.iter().try_for_each(|batch| analyzer.push(batch))?;
        analyzer.finish()
    }

    #[test]
    fn batches_of_the_contract_go_in_and_come_out() {
        let tables = run(r#"{"by":["carrier"],"quantiles":[0.5]}"#, &[flights(), flights()]).unwrap();
        let found = &tables[0].batches[0];
        let texts =
            |name: &str| found.column(name).unwrap().texts().unwrap().iter().map(|text| text.unwrap().to_owned()).collect::<Vec<_>>();
        let floats = |name: &str| found.column(name).unwrap().f64s().unwrap().slice().to_vec();
        assert_eq!((tables.len(), &*tables[0].name), (1, "statistics"));
        assert_eq!(texts("carrier"), ["AA", "AA", "WN", "WN"]);
        assert_eq!(texts("column"), ["delay", "distance", "delay", "distance"]);
        assert_eq!(floats("rows"), [4.0; 4]);
        assert_eq!(floats("nulls"), [2.0, 0.0, 0.0, 0.0]);
        assert_eq!(floats("mean"), [5.0, 397.0, -1.0, 353.5]);
        assert_eq!(floats("q50"), [5.0, 389.0, -3.0, 337.0]);
    }

    #[test]
    fn results_are_cut_at_the_limits_of_a_batch() {
        let keys: Vec<i64> = (0..8_000).collect();
        let batch =
            Batch::new(8_000, [Column::i64s("key", keys.clone()), Column::i64s("a", keys.clone()), Column::i64s("b", keys)]).unwrap();
        let tables = run(r#"{"by":["key"],"groups-max":8000}"#, &[batch]).unwrap();
        assert!(tables[0].batches.len() > 1);
        assert_eq!(tables[0].batches.iter().map(Batch::rows).sum::<usize>(), 16_000);
    }

    #[test]
    fn every_readable_format_is_read() {
        let bools = Column::bools("flag", [Some(true), None]);
        let times = Column::timestamps_ms("time", [1_000, 3_000]);
        let days = Column::from_buffers("day", "tdD", None, None, [1i32, 3].map(i32::to_le_bytes).concat());
        let singles = Column::from_buffers("single", "f", None, None, [1.5f32, 2.5].map(f32::to_le_bytes).concat());
        let batch = Batch::new(2, [bools, times, days, singles]).unwrap();
        let tables = run(r#"{"by":["flag"],"values":["time","day","single"]}"#, &[batch]).unwrap();
        assert_eq!(tables.iter().map(|table| &*table.name).collect::<Vec<_>>(), ["statistics", "times", "times-2"]);
        assert_eq!(tables[0].batches[0].column("flag").unwrap().bools().unwrap().iter().collect::<Vec<_>>(), [Some(true), None]);
        assert_eq!(tables[0].batches[0].column("mean").unwrap().f64s().unwrap().slice(), [1.5, 2.5]);
        assert_eq!(tables[1].batches[0].column("mean").unwrap().timestamps_ms().unwrap().slice(), [1_000, 3_000]);
        assert_eq!(tables[2].batches[0].column("maximum").unwrap().i64s().unwrap().slice(), [1, 3]);
    }

    #[test]
    fn a_column_that_is_not_used_may_hold_anything() {
        let binary = || Column::from_buffers("blob", "z", None, Some([0i32, 1].map(i32::to_le_bytes).concat()), vec![7]);
        let batch = || Batch::new(1, [binary(), Column::f64s("x", [1.0])]).unwrap();
        assert!(run("{}", &[batch(), batch()]).is_ok());
        assert!(run(r#"{"by":["blob"]}"#, &[batch()]).is_err());
    }

    #[test]
    fn an_option_that_does_not_fit_is_named() {
        let refusal = |options: &str| run(options, &[flights()]).unwrap_err().to_string();
        assert_eq!(
            refusal(r#"{"by":["airline"]}"#),
            "/by/0: the table has no column `airline`; expected one of `carrier`, `delay`, `distance`"
        );
        assert!(refusal(r#"{"groups-max":0}"#).starts_with("/groups-max"));
        assert!(refusal(r#"{"groups-max":1,"by":["carrier"]}"#).starts_with("/groups-max: there are more than 1 groups"));
        assert!(refusal(r#"{"quantiles":[2]}"#).starts_with("/quantiles/0"));
        assert!(refusal(r#"{"value":[]}"#).contains("unknown field `value`"));
    }
}

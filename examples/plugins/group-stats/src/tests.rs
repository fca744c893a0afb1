//! The whole analysis on small tables, whose answers can be checked by eye.

use super::*;

fn column<'a>(name: &'a str, format: &'a str, values: &'a [u8]) -> Column<'a> {
    Column { name, format, validity: None, offsets: None, values }
}

fn bytes<const WIDTH: usize>(values: impl IntoIterator<Item = [u8; WIDTH]>) -> Vec<u8> {
    values.into_iter().flatten().collect()
}

fn floats(table: &Table, name: &str) -> Vec<Option<f64>> {
    let column = table.columns.iter().find(|column| column.name == name).unwrap();
    column.cells.iter().map(|cell| cell.as_ref().map(|bytes| f64::from_le_bytes(bytes[..].try_into().unwrap()))).collect()
}

fn integers(table: &Table, name: &str) -> Vec<Option<i64>> {
    let column = table.columns.iter().find(|column| column.name == name).unwrap();
    column.cells.iter().map(|cell| cell.as_ref().map(|bytes| i64::from_le_bytes(bytes[..].try_into().unwrap()))).collect()
}

#[test]
fn describes_every_group_and_column() {
    let carrier = bytes([1i32, 2, 1, 1].map(i32::to_le_bytes));
    let delay = bytes([5.0f64, -1.0, 7.0, f64::NAN].map(f64::to_le_bytes));
    let distance = bytes([10i64, 20, 30, 40].map(i64::to_le_bytes));
    let table = [
        column("carrier", "i", &carrier),
        column("delay", "g", &delay),
        Column { validity: Some(&[0b0110]), ..column("distance", "l", &distance) },
    ];
    let mut statistics = Statistics::new(Plan { by: vec!["carrier".into()], ..Plan::default() }).unwrap();
    statistics.push(4, &table).unwrap();
    let tables = statistics.tables().unwrap();
    assert_eq!(tables.len(), 1);
    let found = &tables[0];
    assert_eq!((found.name.as_str(), found.rows), ("statistics", 4));
    assert_eq!(integers(found, "rows"), [Some(3), Some(3), Some(1), Some(1)]);
    assert_eq!(integers(found, "count"), [Some(2), Some(1), Some(1), Some(1)]);
    assert_eq!(integers(found, "nulls"), [Some(1), Some(2), Some(0), Some(0)]);
    assert_eq!(floats(found, "mean"), [Some(6.0), Some(30.0), Some(-1.0), Some(20.0)]);
    assert_eq!(floats(found, "minimum"), [Some(5.0), Some(30.0), Some(-1.0), Some(20.0)]);
    assert_eq!(floats(found, "maximum"), [Some(7.0), Some(30.0), Some(-1.0), Some(20.0)]);
    assert_eq!(floats(found, "q50"), [Some(5.0), Some(30.0), Some(-1.0), Some(20.0)]);
    assert_eq!(floats(found, "q99"), [Some(7.0), Some(30.0), Some(-1.0), Some(20.0)]);
}

#[test]
fn many_batches_equal_one() {
    let values = |range: std::ops::Range<i32>| bytes(range.map(|n| f64::from(n * 7_919 % 10_007).to_le_bytes()));
    let keys = |range: std::ops::Range<i32>| bytes(range.map(|n| ((n % 13) as u8).to_le_bytes()));
    let plan = Plan { by: vec!["k".into()], ..Plan::default() };
    let mut one = Statistics::new(plan.clone()).unwrap();
    one.push(8_000, &[column("k", "C", &keys(0..8_000)), column("x", "g", &values(0..8_000))]).unwrap();
    let mut many = Statistics::new(plan).unwrap();
    for start in (0..8_000).step_by(100) {
        many.push(100, &[column("k", "C", &keys(start..start + 100)), column("x", "g", &values(start..start + 100))]).unwrap();
    }
    assert_eq!(many.tables(), one.tables());
}

#[test]
fn a_mean_survives_cancellation() {
    let values = bytes([1e16f64, 3.0, -1e16, 1.0].map(f64::to_le_bytes));
    let mut statistics = Statistics::new(Plan::default()).unwrap();
    statistics.push(4, &[column("x", "g", &values)]).unwrap();
    assert_eq!(floats(&statistics.tables().unwrap()[0], "mean"), [Some(1.0)]);
}

#[test]
fn a_mean_that_overflows_is_null_not_wrong() {
    let values = bytes([f64::MAX, f64::MAX].map(f64::to_le_bytes));
    let mut statistics = Statistics::new(Plan::default()).unwrap();
    statistics.push(2, &[column("x", "g", &values)]).unwrap();
    assert_eq!(floats(&statistics.tables().unwrap()[0], "mean"), [None]);
}

#[test]
fn timestamps_are_described_in_their_own_unit() {
    let start = 1_517_968_154_000_i64;
    let times = bytes((0..1_001).map(|second| (start + second * 1_000).to_le_bytes()));
    let plan = Plan { values: Some(vec!["time".into()]), ..Plan::default() };
    let mut statistics = Statistics::new(plan).unwrap();
    statistics.push(1_001, &[column("time", "tsm:UTC", &times)]).unwrap();
    let tables = statistics.tables().unwrap();
    let found = &tables[1];
    assert_eq!((tables[0].rows, found.name.as_str()), (0, "times"));
    assert_eq!(found.columns.last().unwrap().format, "tsm:UTC");
    assert_eq!(integers(found, "minimum"), [Some(start)]);
    assert_eq!(integers(found, "maximum"), [Some(start + 1_000_000)]);
    assert_eq!(integers(found, "mean"), [Some(start + 500_000)]);
    let median = integers(found, "q50")[0].unwrap();
    assert!((median - start - 500_000).abs() as f64 <= 500_000.0 * sketch::RELATIVE_ERROR, "{median}");
}

#[test]
fn a_table_without_rows_has_no_groups() {
    let mut statistics = Statistics::new(Plan { by: vec!["k".into()], ..Plan::default() }).unwrap();
    statistics.push(0, &[column("k", "i", &[]), column("x", "g", &[])]).unwrap();
    let tables = statistics.tables().unwrap();
    assert_eq!(tables[0].rows, 0);
    assert_eq!(
        tables[0].columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(),
        ["k", "column", "rows", "count", "nulls", "mean", "minimum", "maximum", "q50", "q90", "q99"]
    );
}

#[test]
fn names_the_option_that_does_not_fit_the_table() {
    let refused = |plan: Plan| {
        let mut statistics = Statistics::new(plan).unwrap();
        statistics
            .push(0, &[Column { offsets: Some(&[0; 4]), ..column("name", "u", &[]) }, column("mean", "g", &[])])
            .and_then(|()| statistics.tables().map(drop))
            .unwrap_err()
    };
    assert_eq!(
        refused(Plan { by: vec!["nam".into()], ..Plan::default() }).to_string(),
        "the table has no column `nam` at `/by/0`: expected one of `name`, `mean`"
    );
    assert_eq!(refused(Plan { values: Some(vec!["name".into()]), ..Plan::default() }).at, "/values/0");
    assert_eq!(refused(Plan { by: vec!["mean".into()], ..Plan::default() }).what, "`mean` is also a column of the result");
}

#[test]
fn refuses_a_quantile_that_is_no_fraction() {
    assert_eq!(Statistics::new(Plan { quantiles: vec![0.5, 1.5], ..Plan::default() }).unwrap_err().at, "/quantiles/1");
    assert!(Statistics::new(Plan { quantiles: vec![0.0, 1.0], ..Plan::default() }).is_ok());
}

#[test]
fn refuses_a_batch_with_other_columns() {
    let mut statistics = Statistics::new(Plan::default()).unwrap();
    statistics.push(0, &[column("x", "g", &[])]).unwrap();
    assert!(statistics.push(0, &[column("x", "f", &[])]).is_err());
}

#[test]
fn packs_cells_into_arrow_buffers() {
    let column = OwnedColumn { name: "k".into(), format: "u".into(), cells: vec![Some(b"ab".to_vec()), None, Some(b"c".to_vec())] };
    let offsets = bytes([0i32, 2, 2, 3].map(i32::to_le_bytes));
    assert_eq!(column.buffers(0..3), (Some(vec![0b101]), Some(offsets), b"abc".to_vec()));
    assert_eq!(column.buffers(2..3), (None, Some(bytes([0i32, 1].map(i32::to_le_bytes))), b"c".to_vec()));
    let flags = OwnedColumn { name: "f".into(), format: "b".into(), cells: vec![Some(vec![1]), Some(vec![0]), None] };
    assert_eq!(flags.buffers(0..3), (Some(vec![0b011]), None, vec![0b001]));
}

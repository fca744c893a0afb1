//! What becomes of whole files.

use std::io::Cursor;

use plugwork_guest::Cell;
use serde_json::json;

use super::*;

fn read_all(mut reader: CsvReader) -> Result<Vec<Batch>> {
    std::iter::from_fn(|| reader.next().transpose()).collect()
}

fn read_with(text: &str, mut options: serde_json::Value) -> Result<Vec<Batch>> {
    options["path"] = json!("unused");
    let settings: Settings = Options::from(options).parse()?;
    read_all(CsvReader::read(Cursor::new(text.to_owned()), settings)?)
}

fn read(text: &str) -> Result<Batch> {
    Ok(read_with(text, json!({}))?.remove(0))
}

/// `name:format` of each column.
fn formats(batch: &Batch) -> Vec<String> {
    batch.columns().map(|column| format!("{}:{}", column.name(), column.format_text())).collect()
}

fn cells(batch: &Batch, column: &str) -> Vec<String> {
    let cells = batch.column(column).unwrap().cells().unwrap();
    (0..batch.rows()).map(|row| if cells.get(row) == Cell::Null { "-".into() } else { cells.get(row).to_string() }).collect()
}

#[test]
fn types_are_found_and_kept() {
    let batch = read("n,x,flag,day,at,name\n1,1,true,2018-02-07,2018-02-07T01:00Z,a\n,2.5,,,,\"\"\n").unwrap();
    assert_eq!(formats(&batch), ["n:l", "x:g", "flag:b", "day:tdD", "at:tsm:UTC", "name:u"]);
    assert_eq!(cells(&batch, "n"), ["1", "-"]);
    assert_eq!(cells(&batch, "at"), ["2018-02-07T01:00:00.000Z", "-"]);
    assert_eq!(cells(&batch, "name"), ["a", ""]);
}

#[test]
fn a_value_of_another_type_after_the_sample_is_refused_with_row_and_column() {
    let refusal = read_with("n,m\n1,1\n2,2\nx,3\n", json!({"sample-rows": 2})).unwrap_err().to_string();
    assert_eq!(
        refusal,
        "row 3 (line 4), column `n`: `x` is of another type; expected an integer such as -12; the option `types` can say \
         otherwise"
    );
    let batches = read_with("n,m\n1,1\n2,2\nx,3\n", json!({"sample-rows": 2, "types": {"n": "text"}})).unwrap();
    assert_eq!(cells(&batches[0], "n"), ["1", "2", "x"]);
}

#[test]
fn a_row_with_too_few_or_too_many_values_is_refused() {
    let refusal = |text| read(text).unwrap_err().to_string();
    assert_eq!(refusal("a,b\n1,2\n\n3\n"), "row 2 (line 4): 1 values; expected 2, one for each column");
    assert!(refusal("a,b\n1,2,3\n").starts_with("row 1 (line 2): 3 values"));
}

#[test]
fn a_file_with_a_header_only_is_one_batch_of_0_rows() {
    let batch = read("a,b\n").unwrap();
    assert_eq!((batch.rows(), formats(&batch)), (0, vec!["a:u".to_owned(), "b:u".to_owned()]));
}

#[test]
fn an_empty_file_is_refused_unless_it_has_no_header() {
    assert!(read("").unwrap_err().to_string().starts_with("line 1: the file is empty"));
    assert_eq!(read_with("", json!({"header": false})).unwrap()[0].rows(), 0);
}

#[test]
fn without_a_header_columns_are_counted() {
    let batches = read_with("1;a\n2;b", json!({"header": false, "delimiter": ";"})).unwrap();
    assert_eq!(formats(&batches[0]), ["column-1:l", "column-2:u"]);
    assert_eq!(batches[0].rows(), 2);
}

#[test]
fn other_texts_may_mean_null_but_not_in_quotes() {
    let batches = read_with("a,b\nNA,\"NA\"\n1,x\n", json!({"nulls": ["", "NA"]})).unwrap();
    assert_eq!(cells(&batches[0], "a"), ["-", "1"]);
    assert_eq!(cells(&batches[0], "b"), ["NA", "x"]);
}

#[test]
fn wrong_options_are_named() {
    let refusal = |options| read_with("a\n1\n", options).unwrap_err().to_string();
    assert!(refusal(json!({"delimiter": "\""})).starts_with("/delimiter: not a delimiter"));
    assert!(refusal(json!({"sample-rows": 0})).starts_with("/sample-rows: "));
    assert!(refusal(json!({"types": {"b": "int"}})).starts_with("/types/b: no such column"));
    assert!(refusal(json!({"types": {"a": "number"}})).starts_with("/types/a: unknown variant"));
}

#[test]
fn names_that_are_missing_or_double_are_refused() {
    assert!(read("a,,b\n").unwrap_err().to_string().starts_with("line 1, column 2: not a name"));
    assert!(read("a,a\n").unwrap_err().to_string().starts_with("line 1, column 2: a second column `a`"));
}

#[test]
fn text_that_is_not_utf_8_is_refused_with_its_place() {
    let settings: Settings = Options::new(r#"{"path":"unused"}"#).parse().unwrap();
    let refusal = CsvReader::read(Cursor::new(b"a\n\xff\n".to_vec()), settings).err().unwrap().to_string();
    assert_eq!(refusal, "line 2, column `a`: not UTF-8; expected the file as UTF-8");
}

#[test]
fn the_real_airports_have_5366_routes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/node_modules/vega-datasets/data/flights-airport.csv");
    let reader = CsvReader::open(&json!({ "path": path }).into()).expect("run `npm ci` in `examples/data`");
    let batches = read_all(reader).unwrap();
    assert_eq!(batches.iter().map(Batch::rows).sum::<usize>(), 5_366);
    assert_eq!(formats(&batches[0]), ["origin:u", "destination:u", "count:l"]);
}

#[test]
fn what_the_exporter_writes_is_read_back() {
    use plugwork_guest::Column;
    let columns = || {
        [
            Column::texts("t", [Some("a\"b,\r\nc"), Some(""), None]),
            Column::f64s("x", [Some(1.0), Some(-2.5e300), None]),
            Column::bools("b", [Some(true), None, Some(false)]),
            Column::timestamps_ms("at", [Some(1_517_966_773_840), None, Some(-1)]),
        ]
    };
    let batch = Batch::new(3, columns()).unwrap();
    let mut writer = crate::CsvWriter::start(&Options::new("{}")).unwrap();
    let text = String::from_utf8(writer.push(&batch).unwrap()).unwrap();
    assert_eq!(read(&text).unwrap(), batch);
}

//! What becomes of whole files.

use std::io::Cursor;

use serde_json::json;

use super::*;

fn read_with(text: &str, mut options: serde_json::Value) -> Result<Vec<Batch>> {
    options["path"] = json!("unused");
    let settings: Settings = Options::from(options).parse()?;
    let mut rows = JsonRows::read(Cursor::new(text.to_owned()), &settings)?;
    std::iter::from_fn(|| rows.next().transpose()).collect()
}

fn read(text: &str) -> Result<Batch> {
    Ok(read_with(text, json!({}))?.remove(0))
}

fn refusal(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

/// `name:format` of each column.
fn formats(batch: &Batch) -> Vec<String> {
    batch.columns().map(|column| format!("{}:{}", column.name(), column.format_text())).collect()
}

#[test]
fn types_are_those_of_json() {
    let batch = read(r#"[{"n":1,"x":1,"f":true,"t":"a\n"},{"x":2.5,"n":null,"u":null}]"#).unwrap();
    assert_eq!(formats(&batch), ["n:l", "x:g", "f:b", "t:u", "u:u"]);
    assert_eq!(batch.column("x").unwrap().f64s().unwrap().slice(), [1.0, 2.5]);
    assert_eq!(batch.column("n").unwrap().i64s().unwrap().get(1), None);
    assert_eq!(batch.column("t").unwrap().texts().unwrap().get(0), Some("a\n"));
}

#[test]
fn json_lines_are_read_as_an_array_is() {
    let array = read(r#"[{"a":1},{"a":2}]"#).unwrap();
    assert_eq!(read("{\"a\":1}\n{\"a\":2}\n").unwrap(), array);
}

#[test]
fn a_file_without_rows_is_one_batch_of_0_rows() {
    assert_eq!(read("[]").unwrap().rows(), 0);
    let batches = read_with("", json!({"types": {"a": "int"}})).unwrap();
    assert_eq!((batches[0].rows(), formats(&batches[0])), (0, vec!["a:l".to_owned()]));
}

#[test]
fn a_row_that_is_not_flat_is_refused_with_row_and_member() {
    assert_eq!(refusal(r#"[{"a":1},{"a":[1]}]"#), "row 2, `/a`, byte 14: invalid type: sequence; expected null, a bool, a number or text");
    assert!(refusal("[1]").contains("expected an object, one row"));
}

#[test]
fn a_value_of_another_type_is_refused_with_row_and_column() {
    assert_eq!(
        refusal(r#"[{"a":1},{"a":"x"}]"#),
        "row 2, column `a`: text in a column of integers; expected one type; the option `types` can say which"
    );
    let late = read_with(r#"[{"a":1},{"a":2.5}]"#, json!({"sample-rows": 1})).unwrap_err().to_string();
    assert_eq!(late, "row 2, column `a`: 2.5 is of another type; expected integers; the option `types` can say otherwise");
    assert!(read_with(r#"[{"a":1},{"a":2.5}]"#, json!({"sample-rows": 1, "types": {"a": "float"}})).is_ok());
}

#[test]
fn a_member_that_the_sample_did_not_have_is_refused() {
    let late = read_with(r#"[{"a":1},{"b":2}]"#, json!({"sample-rows": 1})).unwrap_err().to_string();
    assert!(late.starts_with("row 2, column `b`: no earlier row has it"), "{late}");
    assert!(read_with(r#"[{"a":1},{"b":2}]"#, json!({"sample-rows": 1, "types": {"b": "int"}})).is_ok());
}

#[test]
fn a_member_that_stands_twice_is_refused() {
    assert!(refusal(r#"[{"a":1,"a":2}]"#).starts_with("row 1, column `a`: stands twice"));
}

#[test]
fn dates_and_times_are_read_where_types_say_so() {
    let types = json!({"types": {"day": "date", "at": "timestamp"}});
    let text = r#"[{"day":"1970-01-02","at":"1970-01-01T00:00:01Z"},{"at":5}]"#;
    let batch = read_with(text, types.clone()).unwrap().remove(0);
    assert_eq!(formats(&batch), ["day:tdD", "at:tsm:UTC"]);
    assert_eq!(batch.column("at").unwrap().timestamps_ms().unwrap().slice(), [1_000, 5]);
    assert!(read_with(r#"[{"day":"1970-02-30"}]"#, types).unwrap_err().to_string().contains("expected dates"));
}

#[test]
fn a_broken_or_truncated_file_is_refused() {
    let text = r#"[{"a":1},{"a":2}]"#;
    for end in 1..text.len() {
        assert!(read(&text[..end]).is_err(), "{}", &text[..end]);
    }
    assert!(refusal(r#"[{"a":1},{"a":+}]"#).contains("byte 14"));
}

#[test]
fn the_real_flights_have_200000_rows_in_small_batches() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/node_modules/vega-datasets/data/flights-200k.json");
    let mut rows = JsonRows::open(&json!({ "path": path }).into()).expect("run `npm ci` in `examples/data`");
    let (mut count, mut miles) = (0, 0.0);
    while let Some(batch) = rows.next().unwrap() {
        assert_eq!(formats(&batch), ["delay:l", "distance:l", "time:g"]);
        assert!(batch.rows() <= 8_192 && batch.bytes() <= 1 << 20);
        count += batch.rows();
        miles += batch.column("distance").unwrap().f64s().unwrap().slice().iter().sum::<f64>();
    }
    assert_eq!((count, miles), (200_000, 145_847_125.0));
}

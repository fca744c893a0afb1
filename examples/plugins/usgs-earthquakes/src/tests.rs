//! The real week, and feeds that are broken on purpose.

use std::io::Cursor;

use super::*;

const WEEK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/node_modules/vega-datasets/data/earthquakes.json");

const FEATURE: &str = r#"{"type":"Feature","id":"us1","properties":{"time":0,"mag":4.5,"place":"a \"b\""},
"geometry":{"type":"Point","coordinates":[-118.5,34.5,26.5]}}"#;

fn read(feed: &str) -> Result<Vec<Batch>> {
    let mut source = Earthquakes::read(Cursor::new(feed.to_owned()));
    std::iter::from_fn(|| source.next().transpose()).collect()
}

fn collection(features: &str) -> String {
    format!("{{\"type\":\"FeatureCollection\",\"features\":[{features}]}}")
}

fn refusal(feed: &str) -> String {
    read(feed).unwrap_err().to_string()
}

#[test]
fn the_real_week_has_1707_events() {
    let mut source = Earthquakes::open(&serde_json::json!({ "path": WEEK }).into()).expect("run `npm ci` in `examples/data`");
    let batch = source.next().unwrap().unwrap();
    assert!(source.next().unwrap().is_none());
    assert_eq!(batch.rows(), 1_707);
    assert_eq!(batch.column("id").unwrap().texts().unwrap().get(0), Some("ci37868143"));
    assert_eq!(batch.column("time").unwrap().timestamps_ms().unwrap().get(0), Some(1_517_966_773_840));
    assert_eq!(batch.column("depth-km").unwrap().f64s().unwrap().get(0), Some(26.49));
    assert_eq!(batch.column("felt").unwrap().validity().nulls(), 1_580);
    let networks = batch.column("network").unwrap().texts().unwrap();
    assert_eq!(networks.iter().filter(|network| *network == Some("ci")).count(), 386);
}

#[test]
fn a_week_without_events_is_one_batch_of_0_rows() {
    let batches = read(&collection("")).unwrap();
    assert_eq!(batches.iter().map(Batch::rows).collect::<Vec<_>>(), [0]);
    assert_eq!(batches[0].columns().len(), feed::fields().len());
}

#[test]
fn what_an_event_does_not_have_is_null() {
    let batch = read(&collection(FEATURE)).unwrap().remove(0);
    assert_eq!(batch.column("place").unwrap().texts().unwrap().get(0), Some("a \"b\""));
    assert_eq!(batch.column("network").unwrap().texts().unwrap().get(0), None);
    assert_eq!(batch.column("tsunami").unwrap().bools().unwrap().get(0), None);
}

#[test]
fn many_events_are_cut_into_batches() {
    let batches = read(&collection(&vec![FEATURE; 10_000].join(","))).unwrap();
    assert!(batches.iter().all(|batch| batch.rows() <= 8_192 && batch.bytes() <= 1 << 20));
    assert_eq!(batches.iter().map(Batch::rows).sum::<usize>(), 10_000);
}

#[test]
fn a_wrong_value_is_told_with_feature_and_column() {
    let broken = collection(&format!("{FEATURE},{}", FEATURE.replace("4.5", "\"big\"")));
    let refusal = refusal(&broken);
    assert!(refusal.starts_with("feature 2, `/properties/mag`, byte "), "{refusal}");
    assert!(refusal.ends_with("invalid type: string \"big\"; expected f64"), "{refusal}");
}

#[test]
fn a_truncated_feed_is_refused_wherever_it_was_cut() {
    let feed = collection(FEATURE);
    for end in 0..feed.len() {
        assert!(read(&feed[..end]).is_err(), "{}", &feed[..end]);
    }
}

#[test]
fn a_feed_without_features_is_refused() {
    assert!(refusal("{\"type\":\"FeatureCollection\"}").starts_with("no member `features`"));
    assert!(refusal("<html></html>").contains("not JSON"));
}

#[test]
fn exactly_one_source_is_given() {
    let open = |options: &str| Earthquakes::open(&Options::new(options)).err().map(|refusal| refusal.to_string());
    assert_eq!(open("{}").as_deref(), Some("no source; expected the option `path` or `url`"));
    assert!(open(r#"{"path":"a","url":"b"}"#).is_some_and(|refusal| refusal.starts_with("/url: two sources")));
}

#[test]
fn a_missing_file_is_named() {
    let refusal = Earthquakes::open(&Options::new(r#"{"path":"no/such.json"}"#)).err().unwrap().to_string();
    assert_eq!(refusal, "/path, `no/such.json`: file not found; expected a path below the granted folder");
}

#[test]
fn a_cut_feed_names_the_feature_and_the_byte() {
    let feed = collection(&format!("{FEATURE},{FEATURE}"));
    let refusal = refusal(&feed[..feed.len() - 20]);
    assert_eq!(refusal, format!("feature 2, byte {}: the input ends too early; expected the end of a value", feed.len() - 20));
}

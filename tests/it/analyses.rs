//! What the example plugins calculate, on the real week of earthquakes and on real flights: against the numbers of the literature's methods
//! and against slow, obvious calculations written here.

use std::collections::BTreeMap;

use plugwork_points::{VEGA_LITE, Visualization};
use serde_json::{Value, json};

use crate::tables::{Table, analyse, data, plugin, quakes, read, reader, transform};

#[tokio::test]
async fn every_earthquake_is_in_some_hour() {
    let found = analyse(&plugin("hourly-rate").await, json!({}), quakes().await).await;
    let hours = Table::of(&found["hours"]);
    assert_eq!(hours.numbers("events").iter().sum::<f64>(), 1_707.0);
    let starts = hours.numbers("hour");
    assert!(starts.windows(2).all(|pair| pair[1] - pair[0] == 3_600_000.0), "one row for each hour, without gaps");
    let out: Vec<_> = hours.column("outlier").into_iter().filter(|outlier| **outlier == json!(true)).collect();
    assert_eq!(Table::of(&found["outliers"]).rows.len(), out.len());
}

#[tokio::test]
async fn main_shocks_are_660() {
    let found = analyse(&plugin("declustering").await, json!({}), quakes().await).await;
    let shocks = Table::of(&found["main-shocks"]);
    assert_eq!(shocks.rows.len(), 660);
    assert_eq!(shocks.numbers("cluster").iter().sum::<f64>(), 1_707.0, "every event belongs to one cluster");
    assert_eq!(Table::of(&found["summary"]).rows[0][..2], [json!(1_707), json!(660)]);
}

#[tokio::test]
async fn b_values_are_those_of_the_estimators() {
    let options = json!({ "step": { "ci": 0.01, "us": 0.1 }, "completeness": { "ci": 0.9, "us": 4.5 } });
    let found = analyse(&plugin("magnitude-frequency").await, options, quakes().await).await;
    let estimates = Table::of(&found["estimates"]);
    let rows = estimates.by("group");
    for (network, b, uncertainty, used) in [("ci", "0.82", "0.06", 168.0), ("us", "0.80", "0.07", 84.0)] {
        let row = rows[network];
        let number = |column: &str| estimates.numbers(column)[row];
        assert_eq!(format!("{:.2}", number("b")), b, "{network}");
        assert_eq!(format!("{:.2}", number("b-uncertainty")), uncertainty, "{network}");
        assert_eq!(number("used"), used, "{network}");
    }
}

#[tokio::test]
async fn classes_are_those_of_the_edges() {
    let edges = [33.0, 70.0, 300.0];
    let labels = ["crust", "shallow", "intermediate", "deep"];
    let options = json!({ "column": "depth-km", "into": "depth-class", "edges": edges, "labels": labels });
    let binned = Table::of(&transform(&plugin("bin").await, options, quakes().await).await);
    let before = Table::of(quakes().await);
    assert_eq!(binned.columns[..before.columns.len()], before.columns);
    assert_eq!(binned.columns.last().unwrap(), &("depth-class".to_owned(), "u".to_owned()));
    let mut seen = BTreeMap::<&str, usize>::new();
    for (depth, class) in binned.numbers("depth-km").into_iter().zip(binned.column("depth-class")) {
        let expected = (!depth.is_nan()).then(|| labels[edges.iter().filter(|edge| depth >= **edge).count()]);
        assert_eq!(class.as_str(), expected, "{depth} km");
        *seen.entry(expected.unwrap_or("none")).or_default() += 1;
    }
    assert!(labels.iter().all(|label| seen[label] > 0), "{seen:?}");
}

/// Count, mean, smallest and largest of one column in one group.
type Summary = (usize, f64, f64, f64);

/// The slow, obvious way.
fn brute_force(table: &Table, by: &str, column: &str) -> BTreeMap<String, Summary> {
    let mut groups = BTreeMap::<String, Vec<f64>>::new();
    for (key, value) in table.column(by).into_iter().zip(table.numbers(column)) {
        groups.entry(key.as_str().unwrap().to_owned()).or_default().push(value);
    }
    let summary = |values: Vec<f64>| {
        let (least, most) =
            (values.iter().copied().fold(f64::INFINITY, f64::min), values.iter().copied().fold(f64::NEG_INFINITY, f64::max));
        (values.len(), values.iter().sum::<f64>() / values.len() as f64, least, most)
    };
    groups.into_iter().map(|(key, values)| (key, summary(values))).collect()
}

fn summaries(statistics: &Table, by: &str, column: &str) -> BTreeMap<String, Summary> {
    let [counts, means, minima, maxima] = ["count", "mean", "minimum", "maximum"].map(|name| statistics.numbers(name));
    let rows = statistics.column(by).into_iter().zip(statistics.column("column")).enumerate();
    rows.filter(|(_, (_, of))| of.as_str() == Some(column))
        .map(|(row, (key, _))| (key.as_str().unwrap().to_owned(), (counts[row] as usize, means[row], minima[row], maxima[row])))
        .collect()
}

fn assert_same(found: &BTreeMap<String, Summary>, expected: &BTreeMap<String, Summary>, what: &str) {
    assert!(found.keys().eq(expected.keys()), "{what}");
    for (key, (count, mean, least, most)) in found {
        let expected = &expected[key];
        assert_eq!((count, least, most), (&expected.0, &expected.2, &expected.3), "{what} {key}");
        // Summed in another order.
        assert!((mean - expected.1).abs() <= 1e-9 * expected.1.abs().max(1.0), "{what} {key}: {mean} and {}", expected.1);
    }
}

#[tokio::test]
async fn group_statistics_are_the_same_in_three_languages_and_by_brute_force() {
    let flights = read(&reader("json-rows", data()).await, json!({ "path": "flights-2k.json" })).await;
    let table = Table::of(&flights);
    assert_eq!(table.rows.len(), 2_000);
    let options = json!({ "by": ["origin"], "values": ["delay", "distance"] });
    for name in ["group-stats", "group-stats-js", "group-stats-py"] {
        let statistics = Table::of(&analyse(&plugin(name).await, options.clone(), &flights).await["statistics"]);
        for column in ["delay", "distance"] {
            assert_same(&summaries(&statistics, "origin", column), &brute_force(&table, "origin", column), &format!("{name} {column}"));
        }
    }
}

#[tokio::test]
async fn quantiles_of_small_groups_are_values_of_the_group_and_rise() {
    let flights = read(&reader("json-rows", data()).await, json!({ "path": "flights-2k.json" })).await;
    let table = Table::of(&flights);
    let options = json!({ "by": ["origin"], "values": ["delay"], "quantiles": [0, 0.25, 0.5, 0.75, 1] });
    let statistics = Table::of(&analyse(&plugin("group-stats").await, options, &flights).await["statistics"]);
    let columns = ["q0", "q25", "q50", "q75", "q100"].map(|name| statistics.numbers(name));
    let (minima, maxima, counts) = (statistics.numbers("minimum"), statistics.numbers("maximum"), statistics.numbers("count"));
    let delays = table.numbers("delay");
    for (row, origin) in statistics.column("origin").into_iter().enumerate() {
        let quantiles = columns.each_ref().map(|column| column[row]);
        assert!(quantiles.is_sorted(), "{origin}: {quantiles:?}");
        assert_eq!((quantiles[0], quantiles[4]), (minima[row], maxima[row]), "{origin}");
        let own: Vec<f64> =
            table.column("origin").into_iter().zip(&delays).filter(|(of, _)| *of == origin).map(|(_, delay)| *delay).collect();
        let [below, above] =
            [own.iter().filter(|delay| **delay < quantiles[2]).count(), own.iter().filter(|delay| **delay > quantiles[2]).count()];
        assert!(below.max(above) * 2 <= own.len(), "{origin}: {} is no median of {} values", quantiles[2], counts[row]);
    }
}

#[tokio::test]
async fn charts_are_vega_lite_with_their_data_inline() {
    let frequency = json!({ "step": { "ci": 0.01, "us": 0.1 }, "completeness": { "ci": 0.9, "us": 4.5 } });
    let frequency = analyse(&plugin("magnitude-frequency").await, frequency, quakes().await).await;
    let rate = analyse(&plugin("hourly-rate").await, json!({}), quakes().await).await;
    let options = json!({ "charts": [
        { "kind": "map", "title": "Where", "table": "quakes" },
        { "kind": "magnitude-frequency", "table": "frequencies", "estimates": "estimates", "groups": ["ci", "us"] },
        { "kind": "rates", "table": "hours" },
    ] });
    let mut drawing = Visualization::start(&plugin("vega-charts").await, &options.to_string()).await.unwrap();
    let tables = [
        ("quakes", quakes().await),
        ("estimates", &frequency["estimates"]),
        ("frequencies", &frequency["frequencies"]),
        ("hours", &rate["hours"]),
    ];
    for (name, batches) in tables {
        for batch in batches {
            drawing.push(name, batch).await.unwrap();
        }
    }
    let charts = drawing.finish().await.unwrap();
    assert_eq!(
        charts.iter().map(|chart| chart.name.as_str()).collect::<Vec<_>>(),
        ["map", "magnitude-frequency-ci", "magnitude-frequency-us", "rates"]
    );
    for chart in charts {
        assert_eq!(chart.media_type, VEGA_LITE, "{}", chart.name);
        assert!(!chart.title.is_empty() && !chart.description.is_empty(), "{}", chart.name);
        let spec: Value = serde_json::from_str(&chart.body).unwrap();
        assert_eq!(spec["$schema"], "https://vega.github.io/schema/vega-lite/v6.json", "{}", chart.name);
        assert!(keys(&spec).iter().all(|key| !["url", "loader", "href"].contains(key)), "{}: {:?}", chart.name, keys(&spec));
        assert!(keys(&spec).contains(&"values"), "{}", chart.name);
    }
}

/// Every key, however deep.
fn keys(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(object) => object.iter().flat_map(|(key, value)| std::iter::once(key.as_str()).chain(keys(value))).collect(),
        Value::Array(array) => array.iter().flat_map(keys).collect(),
        _ => Vec::new(),
    }
}

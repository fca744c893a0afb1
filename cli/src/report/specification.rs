//! Which chart bodies may go into the page at all.
//!
//! Decides only; drawing happens in the browser (`assets/report/frame.js`), in a sandboxed frame whose loader refuses again. This
//! is the first of the walls, and the one that can say why before anyone opens the page. Easy to get wrong: inline rows
//! (`values`, `datasets`) are data, so their keys mean nothing and are not looked at.

use super::data::{Chart, limits};
use serde_json::{Map, Value};

/// The media type that is drawn.
pub(super) const VEGA_LITE: &str = "application/vnd.vegalite.v6+json";

/// Numbers that a specification may generate from a few bytes of text.
const GENERATED_ROWS_MAX: f64 = 100_000.0;

/// The specification as a value, or why it is not drawn, in words.
pub(super) fn accept(chart: &Chart) -> Result<Value, String> {
    if chart.body.len() > limits::CHART_BODY_BYTES {
        return Err(format!("its body is {} bytes, more than the {} a chart may have", chart.body.len(), limits::CHART_BODY_BYTES));
    }
    let value: Value = serde_json::from_str(&chart.body).map_err(|error| format!("its body is not JSON: {error}"))?;
    let Value::Object(specification) = &value else {
        return Err("its body is not a JSON object".to_owned());
    };
    dialect(specification)?;
    walk(&value)?;
    Ok(value)
}

/// Vega-Lite 6, never Vega: Vega's signals and event streams reach further than a chart needs.
fn dialect(specification: &Map<String, Value>) -> Result<(), String> {
    if let Some(schema) = specification.get("$schema") {
        let named = schema.as_str().unwrap_or_default();
        if !named.contains("/vega-lite/v6") {
            return Err("its `$schema` does not name Vega-Lite 6".to_owned());
        }
    }
    if let Some(key) = ["marks", "signals", "scales", "axes"].iter().find(|key| specification.contains_key(**key)) {
        return Err(format!("it is not Vega-Lite: it has `{key}`, as Vega has"));
    }
    const VIEWS: [&str; 8] = ["mark", "layer", "concat", "hconcat", "vconcat", "repeat", "facet", "spec"];
    if !VIEWS.iter().any(|key| specification.contains_key(*key)) {
        return Err("it is not Vega-Lite: it has no `mark`, `layer` or other view".to_owned());
    }
    Ok(())
}

/// Looks at every object but inline rows. The parser's depth limit of 128 bounds the recursion.
fn walk(value: &Value) -> Result<(), String> {
    match value {
        Value::Array(items) => items.iter().try_for_each(walk),
        Value::Object(entries) => entries.iter().try_for_each(|(key, inner)| match key.as_str() {
            "values" | "datasets" => Ok(()),
            "data" => data(inner).and_then(|()| walk(inner)),
            "mark" if is_image(inner) => Err("it has `image` marks; a report loads nothing, so there is nothing to show".to_owned()),
            _ => walk(inner),
        }),
        _ => Ok(()),
    }
}

fn is_image(mark: &Value) -> bool {
    mark.as_str().or_else(|| mark.get("type")?.as_str()) == Some("image")
}

/// One `data` object: its rows are inline or generated, and few enough.
fn data(value: &Value) -> Result<(), String> {
    let Some(data) = value.as_object() else {
        return Ok(());
    };
    if let Some(url) = data.get("url") {
        return Err(format!("it asks for data from {url}; a report loads nothing, so rows must be inline"));
    }
    let Some(sequence) = data.get("sequence").and_then(Value::as_object) else {
        return Ok(());
    };
    let number = |key: &str, otherwise: f64| sequence.get(key).map_or(Some(otherwise), Value::as_f64);
    match (number("start", 0.0), number("stop", 0.0), number("step", 1.0)) {
        (Some(start), Some(stop), Some(step)) if ((stop - start) / step).abs() <= GENERATED_ROWS_MAX => Ok(()),
        _ => Err(format!("its `sequence` would make more than {GENERATED_ROWS_MAX} rows")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(body: &str) -> Result<Value, String> {
        accept(&Chart { media_type: VEGA_LITE.to_owned(), body: body.to_owned(), ..Chart::default() })
    }

    #[test]
    fn accepts_inline_rows_whatever_their_columns_are_called() {
        assert!(verdict(r#"{"mark":"point","data":{"values":[{"data":{"url":"https://example.org"}}]}}"#).is_ok());
    }

    #[test]
    fn refuses_data_from_an_address_however_deep() {
        let refused = verdict(r#"{"layer":[{"mark":"bar","transform":[{"lookup":"a","from":{"data":{"url":"x.json"}}}]}]}"#);
        assert!(refused.unwrap_err().contains("loads nothing"));
    }

    #[test]
    fn refuses_images() {
        assert!(verdict(r#"{"mark":"image"}"#).is_err());
        assert!(verdict(r#"{"hconcat":[{"mark":{"type":"image"}}]}"#).is_err());
    }

    #[test]
    fn refuses_vega_itself() {
        assert!(verdict(r#"{"marks":[],"signals":[]}"#).unwrap_err().contains("`marks`"));
        assert!(verdict(r#"{"$schema":"https://vega.github.io/schema/vega/v6.json","mark":"bar"}"#).is_err());
    }

    #[test]
    fn refuses_a_body_one_byte_over_the_limit_and_not_at_it() {
        let chart = r#"{"mark":"bar","x":""}"#;
        let padded = |bytes: usize| chart.replace(r#""""#, &format!("\"{}\"", "a".repeat(bytes - chart.len())));
        assert!(verdict(&padded(limits::CHART_BODY_BYTES)).is_ok());
        assert!(verdict(&padded(limits::CHART_BODY_BYTES + 1)).is_err());
    }

    #[test]
    fn refuses_a_sequence_one_row_over_the_limit_and_not_at_it() {
        let sequence = |stop: u32| format!(r#"{{"mark":"bar","data":{{"sequence":{{"start":0,"stop":{stop}}}}}}}"#);
        assert!(verdict(&sequence(100_000)).is_ok());
        assert!(verdict(&sequence(100_001)).is_err());
        assert!(verdict(r#"{"mark":"bar","data":{"sequence":{"start":0,"stop":1,"step":0}}}"#).is_err());
    }

    #[test]
    fn refuses_what_is_not_a_json_object_and_does_not_overflow_on_depth() {
        assert!(verdict("[]").is_err());
        assert!(verdict("{").is_err());
        assert!(verdict(&"[".repeat(1_000_000)).is_err());
    }
}

//! A plugin's JSON Schema, made fit to run in the host: it is a stranger's program, and checking options with it costs what it asks.
//!
//! References could multiply (forty short definitions are a million million visits) and patterns compile to megabytes, so neither is allowed here, and
//! the rest is bounded. What a reader may get wrong: a schema that is refused is the plugin's failure, not the options'.

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

/// Objects and arrays in a schema, and how deep they lie within each other.
const PARTS_MAX: usize = 2_048;
const DEPTH_MAX: usize = 24;
/// Patterns in a schema, and bytes that one of them may compile to.
const PATTERNS_MAX: usize = 64;
const PATTERN_BYTES_MAX: usize = 1 << 16;
/// Violations that are told.
pub(crate) const ISSUES_MAX: usize = 64;

/// A validator for it, or why there is none.
pub(crate) fn validator(schema: &Value) -> Result<Validator, String> {
    let mut left = Left { parts: PARTS_MAX, patterns: PATTERNS_MAX };
    left.look(schema, 0)?;
    let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX);
    jsonschema::options().with_pattern_options(patterns).build(schema).map_err(|error| error.to_string())
}

struct Left {
    parts: usize,
    patterns: usize,
}

impl Left {
    fn look(&mut self, schema: &Value, depth: usize) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err(format!("it is nested deeper than {DEPTH_MAX}"));
        }
        let inner: Vec<&Value> = match schema {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match name.as_str() {
                        "$ref" | "$dynamicRef" | "$recursiveRef" if value.is_string() => {
                            return Err(format!("it uses `{name}`, which is not allowed here"));
                        }
                        "pattern" if value.is_string() => self.patterns(1)?,
                        "patternProperties" => self.patterns(value.as_object().map_or(0, serde_json::Map::len))?,
                        _ => {}
                    }
                }
                fields.values().collect()
            }
            Value::Array(items) => items.iter().collect(),
            _ => return Ok(()),
        };
        self.parts = self.parts.checked_sub(1).ok_or_else(|| format!("it has more than {PARTS_MAX} parts"))?;
        inner.into_iter().try_for_each(|value| self.look(value, depth + 1))
    }

    fn patterns(&mut self, count: usize) -> Result<(), String> {
        self.patterns = self.patterns.checked_sub(count).ok_or_else(|| format!("it has more than {PATTERNS_MAX} patterns"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn references_are_refused_whatever_they_point_at() {
        for reference in ["http://127.0.0.1:9/schema.json", "file:///etc/passwd", "#/$defs/a"] {
            let schema = json!({ "$defs": { "a": {} }, "properties": { "a": { "$ref": reference } } });
            assert!(validator(&schema).unwrap_err().contains("`$ref`"), "{reference}");
        }
        assert!(validator(&json!({ "properties": { "$ref": { "type": "string" } } })).is_ok(), "an option may have that name");
    }

    #[test]
    fn a_schema_is_bounded_in_parts_depth_and_patterns() {
        let deep = (0..40).fold(json!({}), |inner, _| json!({ "not": inner }));
        let wide = json!({ "allOf": vec![json!({}); 3_000] });
        let greedy = json!({ "properties": { "a": { "pattern": r"(?:\w{500}){100}" } } });
        let many: serde_json::Map<_, _> = (0..65).map(|at| (format!("p{at}"), json!({ "pattern": "x" }))).collect();
        for bad in [deep, wide, greedy, json!({ "properties": many })] {
            assert!(validator(&bad).is_err(), "{bad:.60}");
        }
    }
}

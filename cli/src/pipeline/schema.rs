//! A plugin's JSON Schema, made fit to run in the host: it is a stranger's program, and checking options with it costs what it asks.
//!
//! Local references are counted with what they lead to (forty short definitions can be a million million visits), others are refused, and what patterns
//! compile to is bounded. What a reader may get wrong: a schema that is refused is the plugin's failure, not the options'.

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

/// Objects and arrays in a schema, counted again at each reference to them, and how deep they lie within each other.
const PARTS_MAX: usize = 2_048;
const DEPTH_MAX: usize = 24;
/// Patterns in a schema, and bytes that one of them may compile to.
const PATTERNS_MAX: usize = 64;
const PATTERN_BYTES_MAX: usize = 1 << 16;
/// Violations that are told.
pub(crate) const ISSUES_MAX: usize = 64;

/// A validator for it, or why there is none.
pub(crate) fn validator(schema: &Value) -> Result<Validator, String> {
    Left { root: schema, parts: PARTS_MAX, patterns: PATTERNS_MAX }.look(schema, 0)?;
    let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX);
    jsonschema::options().with_pattern_options(patterns).build(schema).map_err(|error| error.to_string())
}

struct Left<'a> {
    root: &'a Value,
    parts: usize,
    patterns: usize,
}

impl<'a> Left<'a> {
    fn look(&mut self, schema: &'a Value, depth: usize) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err(format!("it is nested deeper than {DEPTH_MAX}"));
        }
        let inner: Vec<&'a Value> = match schema {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match name.as_str() {
                        "$ref" => {
                            if let Some(target) = value.as_str() {
                                let local = target.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
                                let Some(target) = local else { return Err(format!("it refers to `{target}`, which is not within it")) };
                                self.look(target, depth + 1)?;
                            }
                        }
                        "$dynamicRef" | "$recursiveRef" | "$id" | "$anchor" if value.is_string() && (depth > 0 || name != "$id") => {
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
    fn only_references_within_the_schema_are_followed_and_all_of_them_are_counted() {
        for reference in ["http://127.0.0.1:9/schema.json", "file:///etc/passwd", "other", "#/$defs/b"] {
            let schema = json!({ "$defs": { "a": {} }, "properties": { "a": { "$ref": reference } } });
            assert!(validator(&schema).unwrap_err().contains("not within it"), "{reference}");
        }
        assert!(validator(&json!({ "$defs": { "a": {} }, "properties": { "a": { "$ref": "#/$defs/a" } } })).is_ok());
        assert!(validator(&json!({ "$ref": "#" })).is_err(), "it never ends");
        let twice = |at: usize| json!({ "allOf": [{ "$ref": format!("#/$defs/a{at}") }, { "$ref": format!("#/$defs/a{at}") }] });
        let mut definitions: serde_json::Map<_, _> = (0..20).map(|at| (format!("a{at}"), twice(at + 1))).collect();
        definitions.insert("a20".to_owned(), json!({}));
        assert!(validator(&json!({ "$defs": definitions, "$ref": "#/$defs/a0" })).is_err());
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

//! A permission: a capability with its bounds, as asked in a manifest.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::text::is_unseen;

/// What a plugin asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Permission {
    /// Which capability, such as `http`.
    pub capability: String,
    /// Its bounds; their shape is the capability's own (see [`crate::policy`] for the shipped ones).
    pub bounds: Map<String, Value>,
    /// Whether the plugin runs without it. An optional one that is not granted answers `denied`.
    pub optional: bool,
    /// Why, in the author's words. Shown, never believed.
    pub reason: String,
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.capability)?;
        write_bounds(f, &self.bounds)
    }
}

/// Writes bounds as `{ hosts = ["a"], … }`: what a person would put behind `grants.http =`.
pub(crate) fn write_bounds(f: &mut fmt::Formatter<'_>, bounds: &Map<String, Value>) -> fmt::Result {
    if bounds.is_empty() {
        return Ok(());
    }
    f.write_str(" { ")?;
    for (index, (key, value)) in bounds.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        let bare = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        let key = if bare { key.clone() } else { Value::from(key.as_str()).to_string() };
        write!(f, "{} = {}", Visible(&key), Visible(&value.to_string()))?;
    }
    f.write_str(" }")
}

/// JSON text with what cannot be seen, or turns the rest of a line around, written as JSON escapes: a plugin's own words stand in a question
/// that a person answers.
struct Visible<'a>(&'a str);

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            if letter.is_control() || is_unseen(letter) {
                letter.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(f, "\\u{unit:04x}"))?;
            } else {
                write!(f, "{letter}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(bounds: Value) -> String {
        let bounds = bounds.as_object().unwrap().clone();
        Permission { capability: "own".to_owned(), bounds, optional: false, reason: String::new() }.to_string()
    }

    #[test]
    fn bounds_are_shown_as_they_stand_in_a_grant() {
        assert_eq!(shown(json!({})), "own");
        assert_eq!(shown(json!({"hosts": ["a.example"], "call-bytes": 5})), "own { hosts = [\"a.example\"], call-bytes = 5 }");
        assert_eq!(shown(json!({"": 1, "a b": 2, "a_b": 3})), "own { \"\" = 1, \"a b\" = 2, a_b = 3 }");
    }

    #[test]
    fn nothing_that_is_shown_hides_or_turns_the_rest() {
        let hidden = "\u{202e}x\u{200b}\u{ad}\u{61c}\u{180e}\u{2028}\u{2060}\u{feff}\u{9b}\u{1b}\n\u{e0041}\u{e0fff}\u{7f}";
        let shown = shown(json!({ hidden: hidden }));
        assert!(shown.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{shown}");
        let value = shown.split(" = ").nth(1).unwrap().trim_end_matches(" }");
        assert_eq!(serde_json::from_str::<String>(value).unwrap(), hidden);
        assert!(super::Visible("caf\u{e9} \u{1f600}").to_string() == "caf\u{e9} \u{1f600}");
    }
}

//! The options of a call: one JSON object, read into a type of the plugin's own.
//!
//! Hosts check options against the descriptor's schema first; parsing again is still needed, because a schema cannot
//! say everything and a host may be somebody else's. Give the type `#[serde(deny_unknown_fields)]`: a misspelt option
//! that is ignored is worse than a refusal.

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use crate::refusal::{Refusal, Result};

/// The JSON text of the options, at most 64 KiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    text: String,
}

impl Options {
    /// Takes the text as it came; it is parsed by [`Options::parse`].
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// The text as it came.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Reads the options into `T`.
    ///
    /// A wrong one is refused as `invalid` with its JSON pointer:
    /// ```
    /// use plugwork_guest::{Options, Refusal};
    /// #[derive(serde::Deserialize)]
    /// #[serde(rename_all = "kebab-case", deny_unknown_fields)]
    /// struct Window { window_hours: u32 }
    ///
    /// let options = Options::new(r#"{"window-hours": "six"}"#);
    /// let Err(refusal) = options.parse::<Window>() else { panic!() };
    /// assert_eq!(refusal.to_string(), "/window-hours: invalid type: string \"six\"; expected u32");
    /// ```
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        // An empty text means what `{}` means: a caller that has no options may not think of JSON at all.
        let text = if self.text.trim().is_empty() { "{}" } else { &self.text };
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
            let pointer = pointer(error.path());
            refuse(&error.into_inner(), &pointer)
        })?;
        deserializer.end().map_err(|error| refuse(&error, ""))?;
        Ok(value)
    }
}

impl From<serde_json::Value> for Options {
    fn from(value: serde_json::Value) -> Self {
        Self::new(value.to_string())
    }
}

/// Serde says "…, expected …" in one sentence; a refusal keeps the halves apart.
fn refuse(error: &serde_json::Error, pointer: &str) -> Refusal {
    let message = error.to_string();
    // The position in the text helps only where the text itself is broken: options are usually made by a program.
    let message = if error.is_data() { message.split(" at line ").next().unwrap_or(&message) } else { &message };
    let (what, expected) = message.split_once(", expected ").unwrap_or((message, ""));
    Refusal::invalid(what, pointer, expected)
}

/// RFC 6901. A path that ends in an unknown place (serde cannot tell) ends before it.
fn pointer(path: &serde_path_to_error::Path) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => text.push_str(&format!("/{index}")),
            Segment::Map { key } => text.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
            Segment::Enum { variant } => text.push_str(&format!("/{variant}")),
            Segment::Unknown => break,
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[serde(default)]
        quantiles: Vec<f64>,
    }

    fn refusal(text: &str) -> String {
        Options::new(text).parse::<Sample>().unwrap_err().to_string()
    }

    #[test]
    fn no_text_is_an_empty_object() {
        assert!(Options::new("").parse::<Sample>().unwrap().quantiles.is_empty());
    }

    #[test]
    fn the_place_of_a_wrong_option_is_named() {
        assert_eq!(refusal(r#"{"quantiles":[0.5,"x"]}"#), "/quantiles/1: invalid type: string \"x\"; expected f64");
    }

    #[test]
    fn an_unknown_option_is_refused() {
        assert!(refusal(r#"{"quantile":[0.5]}"#).contains("unknown field `quantile`"));
    }

    #[test]
    fn text_that_is_not_json_is_refused_with_its_position() {
        assert!(refusal(r#"{"quantiles":[0.5"#).contains("column"));
        assert!(refusal("{} {}").contains("trailing characters"));
    }
}

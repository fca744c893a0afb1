//! One element, and how it is parsed.
//!
//! Parse errors are told in places of the whole document, not of the element.

use plugwork_guest::{Refusal, Result};
use serde::Deserialize;
use serde_path_to_error::Segment;

use crate::stream::place;

/// The bytes of one element and where they stood.
#[derive(Clone, Copy, Debug)]
pub struct Element<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) number: u64,
    pub(crate) position: u64,
    pub(crate) noun: &'static str,
}

impl<'a> Element<'a> {
    /// The bytes, from bracket to bracket.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Which element this is, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// What it is called in refusals: `feature 12`.
    pub fn place(&self) -> String {
        format!("{} {}", self.noun, self.number)
    }

    /// Parses it.
    ///
    /// # Errors
    /// `invalid` with the element's number, the path inside it (`/properties/mag`) and the byte of the document.
    pub fn parse<T: Deserialize<'a>>(&self) -> Result<T> {
        let mut deserializer = serde_json::Deserializer::from_slice(self.bytes);
        let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
            let path = error.path().iter().map(segment).collect::<String>();
            self.refuse(&error.into_inner(), &path)
        })?;
        deserializer.end().map_err(|error| self.refuse(&error, ""))?;
        Ok(value)
    }

    fn refuse(&self, error: &serde_json::Error, path: &str) -> Refusal {
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or(&message);
        let (what, expected) = message.split_once(", expected ").unwrap_or((message, ""));
        let at = if path.is_empty() { String::new() } else { format!("`{path}`, ") };
        let at = at + &place(self.position + self.offset(error));
        Refusal::invalid(what, at, expected).at(self.place())
    }

    /// Serde tells line and column, from 1; the column is that of the last byte it read.
    fn offset(&self, error: &serde_json::Error) -> u64 {
        let before: usize = self.bytes.split_inclusive(|&byte| byte == b'\n').take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
        (before + error.column().saturating_sub(1)) as u64
    }
}

fn segment(segment: &Segment) -> String {
    match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } => format!("/{key}"),
        Segment::Enum { variant } => format!("/{variant}"),
        Segment::Unknown => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Sample {
        #[allow(dead_code, reason = "only parsed")]
        mag: Option<f64>,
    }

    fn refusal(text: &str) -> String {
        let element = Element { bytes: text.as_bytes(), number: 1, position: 100, noun: "row" };
        element.parse::<Sample>().unwrap_err().to_string()
    }

    #[test]
    fn a_wrong_type_is_told_with_path_and_byte() {
        assert_eq!(refusal(r#"{"mag":"x"}"#), "row 1, `/mag`, byte 109: invalid type: string \"x\"; expected f64");
    }

    #[test]
    fn lines_inside_the_element_are_counted() {
        assert_eq!(refusal("{\n\"mag\":\n!}"), "row 1, `/mag`, byte 109: expected value");
    }
}

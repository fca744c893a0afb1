//! A text filter that turns plain text into capital letters: the smallest plugin for an application's own WIT.
//!
//! Lives here: all of it. May be misread: it is built against the application's world, which plugwork has never seen; the SDK
//! adds the log and the lifecycle.

plugwork_guest::bindings!("../../wit");

use plugwork_guest::log;
use text_filter::{Guest, Refusal, Text};

/// The filter.
#[derive(Debug)]
pub struct Shout;

impl Guest for Shout {
    fn apply(input: Text) -> Result<Text, Refusal> {
        if input.media_type != "text/plain" {
            log::debug(&format!("`{}` is not plain text and stays as it is", input.media_type));
            return Ok(input);
        }
        log::debug(&format!("shouting {} bytes", input.body.len()));
        Ok(Text { body: input.body.to_uppercase(), ..input })
    }
}

plugwork_guest::export!(Shout: text_filter);

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(body: &str, media_type: &str) -> String {
        Shout::apply(Text { body: body.to_owned(), media_type: media_type.to_owned() }).unwrap().body
    }

    #[test]
    fn plain_text_is_shouted() {
        assert_eq!(apply("straße, ώ, 3 km", "text/plain"), "STRASSE, Ώ, 3 KM");
    }

    #[test]
    fn other_media_types_stay_as_they_are() {
        assert_eq!(apply("<p>hello</p>", "text/html"), "<p>hello</p>");
    }
}

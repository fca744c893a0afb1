//! Topics, and patterns of topics: words joined by `/`.
//!
//! `*` stands for exactly one word, `**` at the end for one or more. A `*` inside a word is no pattern and is refused: whoever reads
//! `orders/new*` cannot tell whether it crosses a `/`. Easily got wrong: topics below `plugwork` are the host's own, and no star in the first place
//! stands for them: whoever is to hear of lifecycles names them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Bytes of a topic.
pub const TOPIC_BYTES_MAX: usize = 256;
/// Words of a topic.
pub const TOPIC_WORDS_MAX: usize = 16;

/// `orders/created`, `orders/*` (one word), `orders/**` (one word or more), `**` (any).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TopicPattern {
    words: Vec<String>,
    rest: bool,
}

/// Whether the text is a topic: 1 to 16 words of `a` to `z`, `0` to `9`, `-`, `_` and `.`, at most 256 bytes.
pub fn is_topic(text: &str) -> bool {
    text.len() <= TOPIC_BYTES_MAX && text.split('/').count() <= TOPIC_WORDS_MAX && text.split('/').all(is_word)
}

/// Whether a topic is one of the host's own, on which nobody else publishes: its first word is `plugwork`, or begins with `plugwork.`.
pub fn is_reserved(topic: &str) -> bool {
    is_reserved_word(topic.split('/').next().unwrap_or_default())
}

fn is_reserved_word(word: &str) -> bool {
    word.strip_prefix("plugwork").is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn is_word(word: &str) -> bool {
    // Words of dots alone read like steps of a path.
    word.bytes().any(|byte| byte != b'.') && word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'))
}

impl TopicPattern {
    /// Whether it names topics of the host's own ([`is_reserved`]); stars in the first place do not.
    pub fn is_reserved(&self) -> bool {
        self.words.first().is_some_and(|word| is_reserved_word(word))
    }

    /// Whether a topic fits. What is not a topic fits nothing.
    pub fn matches(&self, topic: &str) -> bool {
        if !is_topic(topic) || (is_reserved(topic) && !self.is_reserved()) {
            return false;
        }
        let mut words = topic.split('/');
        let fits = self.words.iter().all(|pattern| words.next().is_some_and(|word| pattern == "*" || pattern == word));
        fits && words.next().is_some() == self.rest
    }

    /// Whether everything that `narrower` matches, `self` matches.
    pub fn covers(&self, narrower: &Self) -> bool {
        let (mine, other) = (self.words.len(), narrower.words.len());
        let length_fits = match (self.rest, narrower.rest) {
            (false, false) => mine == other,
            (false, true) => false,
            (true, false) => mine < other,
            (true, true) => mine <= other,
        };
        (self.is_reserved() || !narrower.is_reserved())
            && length_fits
            && self.words.iter().zip(&narrower.words).all(|(mine, other)| mine == "*" || mine == other)
    }

    /// Whether there is a topic that both match. Also true of two long patterns that only something longer than a topic may be would fit.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (mine, theirs) = (self.words.len(), other.words.len());
        let length_fits = match (self.rest, other.rest) {
            (false, false) => mine == theirs,
            (true, false) => mine < theirs,
            (false, true) => theirs < mine,
            (true, true) => true,
        };
        let fits = |(mine, theirs): (&String, &String)| mine == "*" || theirs == "*" || mine == theirs;
        length_fits && self.is_reserved() == other.is_reserved() && self.words.iter().zip(&other.words).all(fits)
    }
}

impl TryFrom<String> for TopicPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let (head, rest) = match text.strip_suffix("/**") {
            _ if text == "**" => (None, true),
            Some(head) => (Some(head), true),
            None => (Some(text.as_str()), false),
        };
        let words: Vec<String> = head.iter().flat_map(|head| head.split('/')).map(str::to_owned).collect();
        let fits = text.len() <= TOPIC_BYTES_MAX
            && words.len() + usize::from(rest) <= TOPIC_WORDS_MAX
            && words.iter().all(|word| word == "*" || is_word(word));
        if fits {
            return Ok(Self { words, rest });
        }
        Err(format!(
            "`{}` is not a topic pattern: expected words joined by `/`, with `*` for one word or `/**` at the end for all below",
            text.chars().take(TOPIC_BYTES_MAX).collect::<String>().escape_debug()
        ))
    }
}

impl fmt::Display for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words.join("/"))?;
        match (self.rest, self.words.is_empty()) {
            (true, true) => f.write_str("**"),
            (true, false) => f.write_str("/**"),
            (false, _) => Ok(()),
        }
    }
}

impl From<TopicPattern> for String {
    fn from(pattern: TopicPattern) -> Self {
        pattern.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_patterns_overlap_where_a_topic_fits_both() {
        let pattern = |text: &str| TopicPattern::try_from(text.to_owned()).unwrap();
        for (one, other, overlap) in [
            ("a/b", "a/b", true),
            ("a/b", "a/c", false),
            ("a/*", "*/b", true),
            ("a/*", "a", false),
            ("a/**", "a", false),
            ("a/**", "a/b/c", true),
            ("a/**", "*/b/**", true),
            ("a/**", "b/**", false),
            ("**", "a/b", true),
            ("**", "**", true),
            ("**", "plugwork/x", false),
            ("plugwork/*", "plugwork/x", true),
        ] {
            assert_eq!(
                (pattern(one).overlaps(&pattern(other)), pattern(other).overlaps(&pattern(one))),
                (overlap, overlap),
                "{one} {other}"
            );
        }
    }
}

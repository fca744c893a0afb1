//! Finds the end of one JSON value in bytes that arrive piece by piece.
//!
//! Knows brackets and strings and nothing else; a number such as `1-2` passes here and fails in the parser.

/// Where the scanner stands inside a value.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scan {
    depth: u32,
    in_string: bool,
    escaped: bool,
    /// Outside brackets and strings: a number, `true`, `false` or `null`.
    in_word: bool,
}

impl Scan {
    /// How many of these bytes belong to the value, where it ends within them; `None` where it goes on.
    ///
    /// A bare word has no end of its own: it ends before the byte that cannot belong to it.
    pub(crate) fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        for (index, &byte) in bytes.iter().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => {
                        self.in_string = false;
                        if self.depth == 0 {
                            return Some(index + 1);
                        }
                    }
                    _ => {}
                }
                continue;
            }
            if self.in_word && matches!(byte, b',' | b']' | b'}' | b':' | b'"' | b'[' | b'{' | b' ' | b'\t' | b'\n' | b'\r') {
                return Some(index);
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    // A bracket that closes nothing ends the value, and the parser complains about it.
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(index + 1);
                    }
                }
                _ => self.in_word = self.depth == 0,
            }
        }
        None
    }

    /// Whether the end of the input ends the value too.
    pub(crate) fn may_end_here(&self) -> bool {
        self.in_word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(text: &str) -> Option<usize> {
        let whole = Scan::default().find_end(text.as_bytes());
        // The same, byte by byte.
        let mut scan = Scan::default();
        let piecewise = (0..text.len()).find_map(|at| scan.find_end(&text.as_bytes()[at..=at]).map(|end| at + end));
        assert_eq!(whole, piecewise, "{text}");
        whole
    }

    #[test]
    fn brackets_in_strings_do_not_count() {
        assert_eq!(end(r#"{"a}":"\"}"},1"#), Some(12));
    }

    #[test]
    fn a_word_ends_before_what_follows() {
        assert_eq!(end("12.5e3,"), Some(6));
        assert_eq!(end("null]"), Some(4));
        assert_eq!(end("12"), None);
    }

    #[test]
    fn a_string_ends_after_its_quote() {
        assert_eq!(end(r#""a\\" "#), Some(5));
        assert_eq!(end(r#""a\""#), None);
    }

    #[test]
    fn nested_brackets_are_followed() {
        assert_eq!(end("[[1,[2]],{}] "), Some(12));
        assert_eq!(end("[[1]"), None);
    }
}

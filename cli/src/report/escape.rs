//! The only way text gets into the page: [`Html`].
//!
//! No layout here. Easy to get wrong: [`Html::markup`] takes `&'static str`, which is what keeps a run's own text out of it; a
//! value goes through `text`, `attribute`, `link` or `json`, each of which escapes for its place.

use serde_json::Value;

/// A growing piece of HTML into which nothing can be put unescaped but text that was compiled in.
#[derive(Debug, Default)]
pub(super) struct Html {
    page: String,
}

impl Html {
    /// Markup written by us.
    pub(super) fn markup(&mut self, markup: &'static str) -> &mut Self {
        self.page.push_str(markup);
        self
    }

    /// Any text, between tags.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        for character in text.chars() {
            self.character(character);
        }
        self
    }

    /// Any text, cut after `characters_max` characters with a mark that says so.
    pub(super) fn text_cut(&mut self, text: &str, characters_max: usize) -> &mut Self {
        let mut characters = text.chars();
        for character in characters.by_ref().take(characters_max) {
            self.character(character);
        }
        if characters.next().is_some() {
            self.page.push('…');
        }
        self
    }

    /// ` name="value"`, for attributes that neither run nor load anything.
    pub(super) fn attribute(&mut self, name: &'static str, value: &str) -> &mut Self {
        self.page.push(' ');
        self.page.push_str(name);
        self.page.push_str("=\"");
        self.text(value).markup("\"")
    }

    /// ` href="./…"` to a file beside the page. Everything but letters, digits and `-._~/` is percent encoded, so that no value
    /// can have a scheme; the leading `./` keeps it from naming another host.
    pub(super) fn link(&mut self, file: &str) -> &mut Self {
        self.markup(" href=\"./");
        for byte in file.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
                self.page.push(char::from(byte));
            } else {
                self.page.push_str(&format!("%{byte:02X}"));
            }
        }
        self.markup("\"")
    }

    /// JSON for a data block (`<script type="application/json">`). The escapes are JSON's own, and the characters can only
    /// stand inside strings, so a reader of the JSON sees no difference and a reader of the HTML sees no end of the block.
    pub(super) fn json(&mut self, value: &Value) -> &mut Self {
        let mut units = [0_u16; 2];
        for character in value.to_string().chars() {
            if matches!(character, '<' | '>' | '&') || misleads(character) {
                for unit in character.encode_utf16(&mut units) {
                    self.page.push_str(&format!("\\u{unit:04x}"));
                }
            } else {
                self.page.push(character);
            }
        }
        self
    }

    /// The finished piece.
    pub(super) fn finish(self) -> String {
        self.page
    }

    fn character(&mut self, character: char) {
        match character {
            '&' => self.page.push_str("&amp;"),
            '<' => self.page.push_str("&lt;"),
            '>' => self.page.push_str("&gt;"),
            '"' => self.page.push_str("&quot;"),
            '\'' => self.page.push_str("&#39;"),
            '\n' | '\t' => self.page.push(character),
            hidden if misleads(hidden) => self.page.push_str(&format!("\\u{{{:x}}}", u32::from(hidden))),
            other => self.page.push(other),
        }
    }
}

/// Characters that change how their neighbours are read without being seen: controls, bidirectional marks, line and paragraph
/// separators, zero-width and tag characters. They are shown as escapes. The zero-width joiner stays: emoji and several
/// scripts need it.
fn misleads(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{00ad}' | '\u{061c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(input: &str) -> String {
        let mut html = Html::default();
        html.text(input);
        html.finish()
    }

    #[test]
    fn text_cannot_open_a_tag_or_leave_an_attribute() {
        assert_eq!(text("<b a=\"'&'\">"), "&lt;b a=&quot;&#39;&amp;&#39;&quot;&gt;");
    }

    #[test]
    fn shows_control_and_bidirectional_characters_as_escapes() {
        assert_eq!(text("a\u{202e}b\0c\u{7}\u{2028}"), "a\\u{202e}b\\u{0}c\\u{7}\\u{2028}");
    }

    #[test]
    fn keeps_line_ends_and_the_letters_of_every_script() {
        assert_eq!(text("Ñuñoa\n東京\tकाठमाडौं"), "Ñuñoa\n東京\tकाठमाडौं");
    }

    #[test]
    fn cuts_one_past_the_limit_and_not_at_it() {
        let mut html = Html::default();
        html.text_cut("abc", 3).markup("|").text_cut("abcd", 3);
        assert_eq!(html.finish(), "abc|abc…");
    }

    #[test]
    fn json_cannot_end_its_block_and_reads_back_the_same() {
        let value = serde_json::json!({ "</script><!--": "<script>\u{2028}&amp;\u{2029}\u{202e}\u{e0041}" });
        let mut html = Html::default();
        html.json(&value);
        let block = html.finish();
        assert!(!block.contains(['<', '>', '&', '\u{2028}', '\u{2029}']), "{block}");
        assert_eq!(serde_json::from_str::<Value>(&block).unwrap(), value);
    }

    #[test]
    fn link_has_neither_scheme_nor_host() {
        let mut html = Html::default();
        html.link("javascript:alert(1)").link("//host/x").link("a b\".csv");
        assert_eq!(html.finish(), " href=\"./javascript%3Aalert%281%29\" href=\".///host/x\" href=\"./a%20b%22.csv\"");
    }
}

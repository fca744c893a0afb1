//! What is found in whole documents, and what is said about broken ones.

use super::*;

/// Hands out one byte at a time, so that every place is once the end of a read.
struct Drip<'a>(&'a [u8]);

impl Read for Drip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
        buffer[0] = *first;
        self.0 = rest;
        Ok(1)
    }
}

fn read(text: &str, layout: Layout) -> Result<Vec<String>> {
    let collect = |mut elements: Elements<&mut dyn Read>| {
        let mut found = Vec::new();
        while let Some(element) = elements.next()? {
            found.push(String::from_utf8_lossy(element.bytes()).into_owned());
        }
        assert!(elements.next()?.is_none(), "the end is the end for ever");
        Ok(found)
    };
    let whole = collect(Elements::new(&mut text.as_bytes(), layout, "row"));
    let dripped = collect(Elements::new(&mut Drip(text.as_bytes()), layout, "row"));
    assert_eq!(whole, dripped, "{text}");
    whole
}

fn refusal(text: &str, layout: Layout) -> String {
    read(text, layout).unwrap_err().to_string()
}

const FEATURES: Layout = Layout::Member("features");

#[test]
fn elements_of_an_array_are_found() {
    assert_eq!(read(" [ {\"a\":[1]} , 2,\"x\" ] \n", Layout::Rows).unwrap(), ["{\"a\":[1]}", "2", "\"x\""]);
    assert!(read("[]", Layout::Rows).unwrap().is_empty());
}

#[test]
fn json_lines_are_found_with_and_without_a_last_line_feed() {
    assert_eq!(read("{\"a\":1}\n{\"a\":2}\n", Layout::Rows).unwrap().len(), 2);
    assert_eq!(read("{\"a\":1}\r\n\r\n{\"a\":2}", Layout::Rows).unwrap().len(), 2);
}

#[test]
fn an_empty_document_has_no_rows() {
    assert!(read(" \n", Layout::Rows).unwrap().is_empty());
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    assert_eq!(read("\u{feff}[1]", Layout::Rows).unwrap(), ["1"]);
}

#[test]
fn the_array_of_a_member_is_found_wherever_it_is() {
    let text = r#"{"type":"x","m":{"features":[0]},"features":[{"a":1},{"a":2}],"bbox":[1,2]}"#;
    assert_eq!(read(text, FEATURES).unwrap(), [r#"{"a":1}"#, r#"{"a":2}"#]);
}

#[test]
fn a_document_that_was_cut_anywhere_is_refused() {
    let text = r#"{"type":"x","features":[{"a":1},{"a":2}],"bbox":[1,2]}"#;
    for end in 0..text.len() {
        assert!(read(&text[..end], FEATURES).is_err(), "{}", &text[..end]);
    }
    let text = r#"[{"a":1},{"a":2}]"#;
    for end in 1..text.len() {
        assert!(read(&text[..end], Layout::Rows).is_err(), "{}", &text[..end]);
    }
}

#[test]
fn a_cut_document_says_where_it_ends() {
    assert_eq!(refusal(r#"{"features":[{"a":"#, FEATURES), "row 1, byte 18: the input ends too early; expected the end of a value");
}

#[test]
fn commas_are_neither_forgotten_nor_left_over() {
    assert_eq!(refusal("[1 2]", Layout::Rows), "row 2, byte 3: `2` is not JSON here; expected `,` or `]`");
    assert_eq!(refusal("[1,]", Layout::Rows), "row 2, byte 3: `]` is not JSON here; expected an element after the comma");
    assert_eq!(refusal("[,1]", Layout::Rows), "row 1, byte 1: `,` is not JSON here; expected an element or `]`");
}

#[test]
fn what_follows_the_document_is_refused() {
    assert_eq!(refusal("[1] x", Layout::Rows), "byte 4: `x` is not JSON here; expected the end of the document");
}

#[test]
fn another_document_is_refused() {
    assert!(refusal("<html>", FEATURES).starts_with("byte 0: `<` is not JSON here"));
    assert!(refusal("{\"a\":1}", FEATURES).starts_with("no member `features`"));
    assert!(refusal("{\"features\":{}}", FEATURES).contains("expected `[`"));
}

#[test]
fn an_element_has_at_most_1_mib() {
    let text = |length: usize| format!("[\"{}\"]", "x".repeat(length - 2));
    assert_eq!(read(&text(1 << 20), Layout::Rows).unwrap().len(), 1);
    assert!(refusal(&text((1 << 20) + 1), Layout::Rows).contains("more than 1048576 bytes"));
}

#[test]
fn memory_does_not_grow_with_the_document() {
    let text = format!("[{}1]", "{\"a\":1},".repeat(200_000));
    let mut elements = Elements::new(text.as_bytes(), Layout::Rows, "row");
    let mut count = 0;
    while elements.next().unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 200_001);
}

//! The one module that writes to the terminal. Data: stdout. Narration, warnings, errors: stderr. Everything that a plugin or a file said is escaped.

use std::borrow::Cow;
use std::io::{IsTerminal, Write};

use plugwork::log::escape;
use plugwork_core::text::is_unseen;

use crate::exit::Failure;

/// One line of data.
pub(crate) fn data(line: impl std::fmt::Display) {
    written(writeln!(std::io::stdout(), "{}", escape(&line.to_string())));
}

/// A value as indented JSON.
pub(crate) fn json(value: &impl serde::Serialize) {
    let text = serde_json::to_string_pretty(value).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"));
    written(writeln!(std::io::stdout(), "{}", escape_json(&text)));
}

/// A value as JSON on one line: for lists without an end.
pub(crate) fn json_line(value: &impl serde::Serialize) {
    let text = serde_json::to_string(value).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"));
    written(writeln!(std::io::stdout(), "{}", escape_json(&text)));
}

/// Whether there is nothing but what every terminal shows as it is, in lines. In pieces: each is looked at whole, which is done for many bytes at once.
fn is_plain(bytes: &[u8]) -> bool {
    let is_seen = |byte: &u8| (b' '..=b'~').contains(byte) | (*byte == b'\n');
    bytes.chunks(256).all(|piece| piece.iter().fold(true, |all, byte| all & is_seen(byte)))
}

/// JSON that a terminal may show as it is, and that reads back the same: JSON itself escapes the first 32 characters only.
fn escape_json(json: &str) -> Cow<'_, str> {
    // Nearly always: then nothing is copied.
    if is_plain(json.as_bytes()) {
        return Cow::Borrowed(json);
    }
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        // A raw end of a line is the layout's: within a string it is escaped already.
        if is_unseen(character) || (character.is_control() && character != '\n') {
            character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
        } else {
            text.push(character);
        }
    }
    Cow::Owned(text)
}

/// Data that did not arrive is no success. A reader that has seen enough (`| head`) is no error of ours.
fn written(result: std::io::Result<()>) {
    if let Err(error) = result.and_then(|()| std::io::stdout().flush())
        && error.kind() != std::io::ErrorKind::BrokenPipe
    {
        narrate(format_args!("error: cannot write to standard output: {error}"));
        std::process::exit(1);
    }
}

/// One line of narration.
pub(crate) fn narrate(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{}", escape(&line.to_string()));
}

/// A value as JSON on one line of standard error: a server's log. What cannot be written is lost.
pub(crate) fn log(value: &impl serde::Serialize) {
    if let Ok(text) = serde_json::to_string(value) {
        log_lines(format!("{text}\n").as_bytes());
    }
}

/// Whole lines that are JSON already, at once.
pub(crate) fn log_lines(lines: &[u8]) {
    let _ = match is_plain(lines) {
        true => std::io::stderr().write_all(lines),
        false => std::io::stderr().write_all(escape_json(&String::from_utf8_lossy(lines)).as_bytes()),
    };
}

/// A line that replaces the last one, on a terminal only.
pub(crate) fn progress(line: impl std::fmt::Display) {
    if stderr_is_terminal() {
        let _ = write!(std::io::stderr(), "\r\u{1b}[2K{}", escape(&line.to_string()));
        let _ = std::io::stderr().flush();
    }
}

/// Ends a line of [`progress`].
pub(crate) fn end_progress() {
    if stderr_is_terminal() {
        let _ = write!(std::io::stderr(), "\r\u{1b}[2K");
    }
}

pub(crate) fn stderr_is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// Why the command failed.
pub(crate) fn failure(failure: &Failure) {
    narrate(format_args!("error: {failure}"));
}

/// Rows under headings, columns as wide as they need; text to the left.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) {
    let headings = headings.iter().map(|heading| (*heading).to_owned()).collect();
    self::rows(&[&[headings], rows].concat());
}

/// Rows, columns as wide as they need; text to the left.
pub(crate) fn rows(rows: &[Vec<String>]) {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| escape(cell)).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in &rows {
        let padded: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        written(writeln!(std::io::stdout(), "{}", padded.join("  ").trim_end()));
    }
}

/// Asks on stderr and reads from stdin: the data on stdout stays data.
pub(crate) struct Asking;

impl crate::consent::ask::Terminal for Asking {
    fn ask(&mut self, question: &str) -> std::io::Result<Option<String>> {
        use std::io::{BufRead, Read};
        // A terminal gives lines of at most 4 KiB; nothing else comes here.
        const LINE_BYTES_MAX: u64 = 8 << 10;
        write!(std::io::stderr(), "{}", escape(question))?;
        std::io::stderr().flush()?;
        let mut line = String::new();
        let read = std::io::stdin().lock().take(LINE_BYTES_MAX).read_line(&mut line)?;
        Ok((read > 0).then_some(line))
    }
}

/// Whether there is somebody to ask: both who reads the question and who answers it.
pub(crate) fn can_ask() -> bool {
    std::io::stdin().is_terminal() && stderr_is_terminal()
}

pub(crate) fn stdout_is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Empties the terminal for a page that is drawn anew.
pub(crate) fn clear() {
    if stdout_is_terminal() {
        written(write!(std::io::stdout(), "\u{1b}[H\u{1b}[2J"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_shows_no_raw_character_that_deceives_and_reads_back_the_same() {
        let hostile = "a\n\u{9b}31m\u{7f}\u{202e}\u{e0041}\u{2028}\u{feff}é🎉";
        let value = serde_json::json!({ "reason": hostile, hostile: [hostile] });
        for json in [serde_json::to_string(&value).unwrap(), serde_json::to_string_pretty(&value).unwrap()] {
            let escaped = escape_json(&json);
            assert!(escaped.chars().all(|character| character == '\n' || !(character.is_control() || is_unseen(character))), "{escaped}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap(), value);
        }
    }
}

//! Where plugins speak: `plugwork:host/log`, `wasi:logging`, stdout and stderr all end in one limited log per instance.
//!
//! A sink gets whole records with their subject. Text is as the guest wrote it: whoever shows it must [`escape`] it.

use std::fmt;
use std::sync::{Arc, Mutex};

use plugwork_core::Subject;
use plugwork_core::limits::{LOG_BYTES_MAX, LOG_RECORD_BYTES_MAX, LOG_RECORDS_MAX};
use serde::Serialize;

/// Severity, rising.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Every step.
    Trace,
    /// For the author.
    Debug,
    /// For whoever runs it; standard output ends here.
    Info,
    /// Something unexpected; standard error ends here.
    Warn,
    /// Something failed.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        })
    }
}

/// Takes log records. Called from guest threads: it must not block for long.
pub trait Sink: Send + Sync + 'static {
    /// One record; `message` is at most 8 KiB and may hold any characters.
    fn record(&self, subject: &Subject, level: Level, message: &str);
}

impl<F: Fn(&Subject, Level, &str) + Send + Sync + 'static> Sink for F {
    fn record(&self, subject: &Subject, level: Level, message: &str) {
        self(subject, level, message);
    }
}

/// Shows text from a guest on a terminal or in a file: control characters, escapes and bidirectional overrides become visible.
/// Newline and tab stay.
pub fn escape(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => shown.push(character),
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}' => {
                shown.extend(character.escape_unicode());
            }
            _ if character.is_control() => shown.extend(character.escape_default()),
            _ => shown.push(character),
        }
    }
    shown
}

/// One instance's log.
pub(crate) struct Log {
    subject: Arc<Subject>,
    sink: Option<Arc<dyn Sink>>,
    spent: Mutex<Spent>,
}

#[derive(Default)]
struct Spent {
    records: u64,
    bytes: u64,
    dropped: u64,
}

impl Log {
    pub(crate) fn new(subject: Arc<Subject>, sink: Option<Arc<dyn Sink>>) -> Self {
        Self { subject, sink, spent: Mutex::default() }
    }

    pub(crate) fn write(&self, level: Level, message: &str) {
        let message = cut(message, LOG_RECORD_BYTES_MAX);
        {
            let mut spent = self.spent.lock().expect("no panic happens under this lock");
            spent.records += 1;
            if spent.records > LOG_RECORDS_MAX || spent.bytes + message.len() as u64 > LOG_BYTES_MAX {
                spent.dropped += 1;
                return;
            }
            spent.bytes += message.len() as u64;
        }
        if let Some(sink) = &self.sink {
            sink.record(&self.subject, level, message);
        }
    }

    pub(crate) fn records(&self) -> u64 {
        self.spent.lock().expect("no panic happens under this lock").records
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let dropped = self.spent.get_mut().map_or(0, |spent| spent.dropped);
        if let (Some(sink), true) = (&self.sink, dropped > 0) {
            sink.record(
                &self.subject,
                Level::Warn,
                &format!("{dropped} log records were dropped: past {LOG_RECORDS_MAX} records or {LOG_BYTES_MAX} bytes"),
            );
        }
    }
}

/// The longest beginning of a text that fits, between characters.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_could_fool_a_terminal_or_a_reader() {
        assert_eq!(escape("a\x1b[2Jb\rc\u{202e}d\u{0}\n\te"), "a\\u{1b}[2Jb\\rc\\u{202e}d\\u{0}\n\te");
    }

    #[test]
    fn cuts_between_characters() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
    }
}

//! Where plugins speak: `plugwork:host/log`, `wasi:logging`, stdout and stderr all end in one limited log per instance, within the rate of
//! its plugin's account.
//!
//! A sink gets whole records with their subject. Text is as the guest wrote it: whoever shows it must [`escape`] it, or write it with
//! [`JsonLines`].

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use plugwork_core::Subject;
use plugwork_core::limits::{LOG_BYTES_MAX, LOG_RECORD_BYTES_MAX, LOG_RECORDS_MAX};
use plugwork_core::text::is_unseen;
use serde::Serialize;

use crate::account::Account;
use crate::cause::Cause;

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

/// Takes log records. Called where guests run, which may be a thread for I/O: it must not block.
pub trait Sink: Send + Sync + 'static {
    /// One record; `message` is at most 8 KiB, with a note of what was cut behind it, and may hold any characters.
    fn record(&self, subject: &Subject, level: Level, message: &str);

    /// The same, with what the running call is made for, where whoever calls has said so. Unless it is implemented the record is taken without.
    fn record_for(&self, subject: &Subject, cause: Option<&Cause>, level: Level, message: &str) {
        let _ = cause;
        self.record(subject, level, message);
    }
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
            _ if is_unseen(character) => shown.extend(character.escape_unicode()),
            _ if character.is_control() => shown.extend(character.escape_default()),
            _ => shown.push(character),
        }
    }
    shown
}

/// As [`escape`], in one line: newline and tab become visible too.
pub fn escape_line(text: &str) -> String {
    escape(text).replace('\n', "\\n").replace('\t', "\\t")
}

/// A sink that writes one JSON object a line: `tenant`, `plugin`, `instance`, `digest`, `level`, `message`, and where a call has a [`Cause`] also
/// `request_id` and `trace_id`.
///
/// Whatever a message holds, it is one line of printable text; a reader of JSON gets back what the guest wrote. What cannot be written is lost.
pub struct JsonLines<W>(Mutex<W>);

impl<W: Write + Send + 'static> JsonLines<W> {
    /// Writes to `out`, a record at a time.
    pub fn new(out: W) -> Self {
        Self(Mutex::new(out))
    }
}

#[derive(Serialize)]
struct Line<'a> {
    tenant: &'a str,
    plugin: String,
    instance: &'a str,
    digest: String,
    level: Level,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
}

impl<W: Write + Send + 'static> Sink for JsonLines<W> {
    fn record(&self, subject: &Subject, level: Level, message: &str) {
        self.record_for(subject, None, level, message);
    }

    fn record_for(&self, subject: &Subject, cause: Option<&Cause>, level: Level, message: &str) {
        let line = Line {
            tenant: &subject.tenant,
            plugin: subject.package.to_string(),
            instance: &subject.instance,
            digest: subject.digest.to_string(),
            level,
            message,
            request_id: cause.map(|cause| cause.request_id.as_str()),
            trace_id: cause.and_then(|cause| Some(cause.trace.as_ref()?.trace_id_text())),
        };
        let Ok(json) = serde_json::to_string(&line) else { return };
        let mut text = String::with_capacity(json.len() + 1);
        for character in json.chars() {
            // JSON escapes the first 32 itself; these would be raw.
            if is_unseen(character) || character.is_control() {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let _ = write!(text, "\\u{unit:04x}");
                }
            } else {
                text.push(character);
            }
        }
        text.push('\n');
        let mut out = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = out.write_all(text.as_bytes());
    }
}

/// One instance's log.
pub(crate) struct Log {
    subject: Arc<Subject>,
    sink: Arc<dyn Sink>,
    account: Arc<Account>,
    /// Counted under the lock of `spent`, and read at every call without it.
    records: AtomicU64,
    spent: Mutex<Spent>,
    /// What the running call is made for.
    cause: Mutex<Option<Arc<Cause>>>,
}

#[derive(Default)]
struct Spent {
    bytes: u64,
    dropped: u64,
}

impl Log {
    pub(crate) fn new(subject: Arc<Subject>, sink: Arc<dyn Sink>, account: Arc<Account>) -> Self {
        Self { subject, sink, account, records: AtomicU64::new(0), spent: Mutex::default(), cause: Mutex::default() }
    }

    /// What the running call is made for; none between two calls.
    pub(crate) fn cause(&self) -> Option<Arc<Cause>> {
        self.cause.lock().expect("no panic happens under this lock").clone()
    }

    pub(crate) fn set_cause(&self, cause: Option<Arc<Cause>>) {
        *self.cause.lock().expect("no panic happens under this lock") = cause;
    }

    pub(crate) fn write(&self, level: Level, message: &str) {
        let kept = cut(message, LOG_RECORD_BYTES_MAX);
        {
            let mut spent = self.spent.lock().expect("no panic happens under this lock");
            let records = self.records.fetch_add(1, Ordering::Relaxed) + 1;
            let within = records <= LOG_RECORDS_MAX && spent.bytes + kept.len() as u64 <= LOG_BYTES_MAX;
            // The rate is asked last: a record that the instance may not write anyway takes nothing from its neighbours.
            if !within || !self.account.may_log(kept.len() as u64) {
                spent.dropped += 1;
                return;
            }
            spent.bytes += kept.len() as u64;
        }
        let message = match message.len() - kept.len() {
            0 => Cow::Borrowed(kept),
            cut => Cow::Owned(format!("{kept} [{cut} bytes more were cut]")),
        };
        record(&self.sink, &self.subject, self.cause().as_deref(), level, &message);
    }

    pub(crate) fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let dropped = self.spent.get_mut().map_or(0, |spent| spent.dropped);
        // Within the rate too: who floods the log from a thousand instances must not flood it with a thousand of these.
        if dropped > 0 && self.account.has_room_in_log(256) {
            record(
                &self.sink,
                &self.subject,
                self.cause.get_mut().ok().and_then(|cause| cause.as_deref()),
                Level::Warn,
                &format!(
                    "{dropped} log records were dropped: past {LOG_RECORDS_MAX} records or {LOG_BYTES_MAX} bytes of an instance, or past {} records \
                     or {} bytes a second of its plugin",
                    self.account.limits().log_records_per_second,
                    self.account.limits().log_bytes_per_second,
                ),
            );
        }
    }
}

/// Hands over a record. A sink that panics loses it and harms nobody: this is called under locks and while stores are dropped.
fn record(sink: &Arc<dyn Sink>, subject: &Subject, cause: Option<&Cause>, level: Level, message: &str) {
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| sink.record_for(subject, cause, level, message)));
}

/// The longest beginning of a text that fits, between characters.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_could_fool_a_terminal_or_a_reader() {
        assert_eq!(escape("a\x1b[2Jb\rc\u{202e}d\u{0}\n\te"), "a\\u{1b}[2Jb\\rc\\u{202e}d\\u{0}\n\te");
    }

    #[test]
    fn every_character_that_shows_nothing_is_shown() {
        for character in
            ['\u{7f}', '\u{85}', '\u{9b}', '\u{61c}', '\u{200f}', '\u{2028}', '\u{2029}', '\u{2066}', '\u{feff}', '\u{e0041}', '\u{e0100}']
        {
            let shown = escape(&format!("a{character}b"));
            assert!(shown.starts_with("a\\u{") && !shown.contains(character), "{shown}");
        }
        assert_eq!(escape("naïve – 日本 🎉"), "naïve – 日本 🎉");
        assert_eq!(escape_line("a\nb\tc\rd"), "a\\nb\\tc\\rd");
    }

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_record_is_one_line_of_json_whatever_it_holds() {
        let package = "test:plugin".parse().unwrap();
        let digest = plugwork_core::Digest::of(b"x");
        let subject = Subject { tenant: "default".to_owned(), instance: "\u{202e}\"}".to_owned(), package, digest };
        let out = Shared::default();
        let sink = JsonLines::new(out.clone());
        let hostile = "a\n{\"level\":\"error\"}\r\u{1b}]0;x\u{7}\u{9b}31m\u{202e}\u{e0041}\u{2028}\0%s {} 🎉";
        for _ in 0..2 {
            sink.record(&subject, Level::Info, hostile);
        }
        let written = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        assert_eq!(written.lines().count(), 2);
        assert!(written.chars().all(|character| character == '\n' || !(character.is_control() || is_unseen(character))), "{written}");
        for line in written.lines() {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!((&record["message"], &record["level"]), (&hostile.into(), &"info".into()));
        }
    }

    #[test]
    fn cuts_between_characters() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
    }
}

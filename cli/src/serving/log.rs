//! What a server writes while it serves: one JSON object a line on standard error, of each request and of what plugins say.
//!
//! Easy to get wrong: whoever reads standard error slowly must not hold up requests. Lines wait for a thread that writes them, in a queue of so many lines and so
//! many bytes; those that find it full are counted and lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use plugwork::Cause;
use plugwork::log::{Level, Sink};
use plugwork_core::Subject;
use plugwork_edge::{Access, AccessLog};
use serde_json::{Value, json};

use crate::print;

/// Lines that wait to be written.
const LINES_MAX: usize = 4_096;
/// Their bytes together.
const BYTES_MAX: usize = 4 << 20;

/// The queue. Clones are one.
#[derive(Clone)]
pub(crate) struct Log {
    lines: SyncSender<String>,
    /// Of the lines that wait.
    bytes: Arc<AtomicUsize>,
    lost: Arc<AtomicU64>,
    requests: bool,
}

impl Log {
    /// Starts the thread; it ends with the process. `requests`: whether each request is told.
    pub(crate) fn start(requests: bool) -> std::io::Result<Self> {
        let (lines, written) = sync_channel(LINES_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let (told, bytes) = (lost.clone(), Arc::new(AtomicUsize::new(0)));
        let waiting = bytes.clone();
        std::thread::Builder::new().name("log".to_owned()).spawn(move || write(&written, &waiting, &told))?;
        Ok(Self { lines, bytes, lost, requests })
    }

    fn put(&self, line: &Value) {
        let line = line.to_string();
        let length = line.len();
        // One at a time may go past it by its own length, which is bounded where the line is made.
        let has_room = self.bytes.fetch_add(length, Ordering::Relaxed) < BYTES_MAX;
        if !has_room || self.lines.try_send(line).is_err() {
            self.bytes.fetch_sub(length, Ordering::Relaxed);
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write(lines: &Receiver<String>, bytes: &AtomicUsize, lost: &AtomicU64) {
    while let Ok(line) = lines.recv() {
        bytes.fetch_sub(line.len(), Ordering::Relaxed);
        print::log_line(&line);
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            print::log(&json!({ "kind": "log", "level": "warn", "message": format!("{lost} lines were lost: nobody read fast enough") }));
        }
    }
}

impl AccessLog for Log {
    fn answered(&self, access: &Access) {
        if !self.requests {
            return;
        }
        if let Ok(Value::Object(fields)) = serde_json::to_value(access) {
            let kind = [("kind".to_owned(), Value::from("request"))];
            self.put(&Value::Object(kind.into_iter().chain(fields).collect()));
        }
    }
}

impl Sink for Log {
    fn record(&self, subject: &Subject, level: Level, message: &str) {
        self.record_for(subject, None, level, message);
    }

    fn record_for(&self, subject: &Subject, cause: Option<&Cause>, level: Level, message: &str) {
        let (tenant, instance) = (&subject.tenant, &subject.instance);
        let mut line = json!({
            "kind": "log", "level": level, "tenant": tenant, "plugin": subject.package, "instance": instance, "message": message,
        });
        if let (Some(cause), Some(fields)) = (cause, line.as_object_mut()) {
            fields.insert("request-id".to_owned(), cause.request_id.as_str().into());
            fields.extend(cause.trace.as_ref().map(|trace| ("trace-id".to_owned(), trace.trace_id_text().into())));
        }
        self.put(&line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_nobody_writes_take_no_more_memory_than_there_is_for_them() {
        let (lines, written) = sync_channel(LINES_MAX);
        let log = Log { lines, bytes: Arc::default(), lost: Arc::default(), requests: true };
        let line = Value::from("x".repeat(64 << 10));
        for _ in 0..1_000 {
            log.put(&line);
        }
        let waiting: Vec<String> = written.try_iter().collect();
        assert_eq!(waiting.len(), BYTES_MAX.div_ceil((64 << 10) + 2));
        assert_eq!(log.lost.load(Ordering::Relaxed), 1_000 - waiting.len() as u64);
    }
}

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
use serde::Serialize;
use serde_json::json;

use crate::print;

/// Lines that wait to be written.
const LINES_MAX: usize = 4_096;
/// Their bytes together.
const BYTES_MAX: usize = 4 << 20;
/// Lines that wait are written together, up to so many bytes: a system call for each would be a good part of what a small request costs.
const WRITE_BYTES: usize = 32 << 10;

/// A line about a request.
#[derive(Serialize)]
struct Request<'a> {
    kind: &'static str,
    #[serde(flatten)]
    access: &'a Access,
}

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

    fn put(&self, line: String) {
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
    let mut together = String::new();
    while let Ok(first) = lines.recv() {
        let mut next = Some(first);
        while let Some(line) = next {
            bytes.fetch_sub(line.len(), Ordering::Relaxed);
            print::push_log_line(&mut together, &line);
            next = if together.len() < WRITE_BYTES { lines.try_recv().ok() } else { None };
        }
        print::log_lines(&together);
        together.clear();
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
        if let Ok(line) = serde_json::to_string(&Request { kind: "request", access }) {
            self.put(line);
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
        self.put(line.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_nobody_writes_take_no_more_memory_than_there_is_for_them() {
        let (lines, written) = sync_channel(LINES_MAX);
        let log = Log { lines, bytes: Arc::default(), lost: Arc::default(), requests: true };
        let line = "x".repeat(64 << 10);
        for _ in 0..1_000 {
            log.put(line.clone());
        }
        let waiting: Vec<String> = written.try_iter().collect();
        assert_eq!(waiting.len(), BYTES_MAX / (64 << 10));
        assert_eq!(log.lost.load(Ordering::Relaxed), 1_000 - waiting.len() as u64);
    }
}

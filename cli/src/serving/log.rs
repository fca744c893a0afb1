//! What a server writes while it serves: one JSON object a line on standard error, of each request and of what plugins say.
//!
//! Easy to get wrong: whoever reads standard error slowly must not hold up requests. Lines wait for a thread that writes them, and take so many bytes
//! and no more; those that find no room are counted and lost. That thread is woken by the first line and takes with it what came a moment later: woken for each, it
//! would cost a small request a fifth of its time.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use plugwork::Cause;
use plugwork::log::{Level, Sink};
use plugwork_core::Subject;
use plugwork_edge::{Access, AccessLog};
use serde::Serialize;
use serde_json::json;

use crate::print;

/// Bytes of the lines that wait to be written.
const BYTES_MAX: usize = 4 << 20;
/// How long the first line waits for others.
const GATHERING: Duration = Duration::from_millis(10);
/// Bytes that a line about a request hardly ever needs more of.
const LINE_BYTES: usize = 512;
/// What is written at once.
const WRITE_BYTES: usize = 64 << 10;

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
    queue: Arc<Queue>,
    requests: bool,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    came: Condvar,
    /// Held by who writes.
    writing: Mutex<()>,
}

#[derive(Default)]
struct Waiting {
    /// Each with its end of line.
    lines: Vec<u8>,
    lost: u64,
}

impl Log {
    /// Starts the thread; it ends with the process. `requests`: whether each request is told.
    pub(crate) fn start(requests: bool) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let written = queue.clone();
        std::thread::Builder::new().name("log".to_owned()).spawn(move || written.write_all_there_ever_is())?;
        Ok(Self { queue, requests })
    }

    /// Writes what waits when that is dropped, however whoever holds it ends.
    pub(crate) fn flushed_at_the_end(&self) -> Flush {
        Flush(self.queue.clone())
    }
}

/// See [`Log::flushed_at_the_end`].
pub(crate) struct Flush(Arc<Queue>);

impl Drop for Flush {
    fn drop(&mut self) {
        self.0.write();
    }
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, line: &[u8]) {
        let mut waiting = self.waiting();
        // One may go past it by its own length, which is bounded where the line is made.
        if waiting.lines.len() >= BYTES_MAX {
            waiting.lost += 1;
            return;
        }
        let is_first = waiting.lines.is_empty();
        waiting.lines.extend_from_slice(line);
        waiting.lines.push(b'\n');
        drop(waiting);
        if is_first {
            self.came.notify_one();
        }
    }

    fn write_all_there_ever_is(&self) {
        loop {
            let waiting = self.came.wait_while(self.waiting(), |waiting| waiting.lines.is_empty());
            drop(waiting);
            std::thread::sleep(GATHERING);
            self.write();
        }
    }

    fn write(&self) {
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let Waiting { lines, lost } = std::mem::take(&mut *self.waiting());
        let mut rest = &*lines;
        while !rest.is_empty() {
            // Whole lines: a slice ends with one, or is one that is longer.
            let is_end = |byte: &u8| *byte == b'\n';
            let end = rest.iter().take(WRITE_BYTES).rposition(is_end);
            let end = end.or_else(|| rest.iter().position(is_end)).map_or(rest.len(), |end| end + 1);
            let (now, later) = rest.split_at(end);
            print::log_lines(now);
            rest = later;
        }
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
        let mut line = Vec::with_capacity(LINE_BYTES);
        if serde_json::to_writer(&mut line, &Request { kind: "request", access }).is_ok() {
            self.queue.put(&line);
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
        self.queue.put(line.to_string().as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_nobody_writes_take_no_more_memory_than_there_is_for_them() {
        let queue = Queue::default();
        let line = vec![b'x'; (64 << 10) - 1];
        for _ in 0..1_000 {
            queue.put(&line);
        }
        let waiting = queue.waiting();
        assert_eq!((waiting.lines.len(), waiting.lost), (BYTES_MAX, 1_000 - (BYTES_MAX as u64 >> 16)));
    }
}

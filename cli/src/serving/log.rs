//! What a server writes while it serves: one JSON object a line on standard error, of each request and of what plugins say.
//!
//! Easy to get wrong: whoever reads standard error slowly must not hold up requests. Lines wait in a bounded queue for a thread that writes them, and
//! those that find it full are counted and lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use plugwork::Cause;
use plugwork::log::{Level, Sink};
use plugwork_core::Subject;
use plugwork_edge::{Access, AccessLog};
use serde_json::{Value, json};

use crate::print;

/// Lines that wait to be written.
const LINES_MAX: usize = 4_096;

/// The queue. Clones are one.
#[derive(Clone)]
pub(crate) struct Log {
    lines: SyncSender<Value>,
    lost: Arc<AtomicU64>,
    requests: bool,
}

impl Log {
    /// Starts the thread; it ends with the process. `requests`: whether each request is told.
    pub(crate) fn start(requests: bool) -> std::io::Result<Self> {
        let (lines, written) = sync_channel(LINES_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let told = lost.clone();
        std::thread::Builder::new().name("log".to_owned()).spawn(move || write(&written, &told))?;
        Ok(Self { lines, lost, requests })
    }

    fn put(&self, line: Value) {
        if self.lines.try_send(line).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write(lines: &Receiver<Value>, lost: &AtomicU64) {
    while let Ok(line) = lines.recv() {
        print::log(&line);
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
            self.put(Value::Object(kind.into_iter().chain(fields).collect()));
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
        self.put(line);
    }
}

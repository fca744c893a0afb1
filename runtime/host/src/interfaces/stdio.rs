//! Standard output and error of a guest, which end in its log: one record a line.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use plugwork_core::limits::LOG_RECORD_BYTES_MAX;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::log::{Level, Log};

/// A stream of text into a log. All clones share one unfinished line.
#[derive(Clone)]
pub(crate) struct LogStream {
    log: Arc<Log>,
    level: Level,
    line: Arc<Mutex<Vec<u8>>>,
}

impl LogStream {
    pub(crate) fn new(log: Arc<Log>, level: Level) -> Self {
        Self { log, level, line: Arc::default() }
    }

    fn push(&self, bytes: &[u8]) {
        let mut line = self.line.lock().expect("no panic happens under this lock");
        for mut part in bytes.split_inclusive(|byte| *byte == b'\n') {
            while !part.is_empty() {
                let (now, later) = part.split_at(part.len().min(LOG_RECORD_BYTES_MAX - line.len()));
                line.extend_from_slice(now);
                part = later;
                if line.ends_with(b"\n") {
                    self.finish(&mut line);
                } else if line.len() == LOG_RECORD_BYTES_MAX {
                    // A line without end becomes several records; a character that it would be cut in begins the next one.
                    let whole = line.len() - incomplete_bytes(&line);
                    let next = line.split_off(whole);
                    self.finish(&mut line);
                    *line = next;
                }
            }
        }
    }

    fn finish(&self, line: &mut Vec<u8>) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end_matches(['\n', '\r']);
        if !text.is_empty() {
            self.log.write(self.level, text);
        }
        line.clear();
    }
}

/// How many bytes at the end begin a character that is not whole.
fn incomplete_bytes(line: &[u8]) -> usize {
    let last = &line[line.len().saturating_sub(4)..];
    (1..=last.len().min(3))
        .find(|tail| {
            std::str::from_utf8(&last[last.len() - tail..]).is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
        })
        .unwrap_or(0)
}

impl Drop for LogStream {
    fn drop(&mut self) {
        // The last one standing writes what was left without a newline.
        if Arc::strong_count(&self.line) == 1 {
            let mut line = std::mem::take(&mut *self.line.lock().expect("no panic happens under this lock"));
            self.finish(&mut line);
        }
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for LogStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

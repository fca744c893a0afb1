//! Bytes from a reader, with as much look-ahead as one value needs.
//!
//! Knows JSON's white space and where values end; which values to look at is decided in `layout`.

use std::io::Read;

use plugwork_guest::{Refusal, Result};

use crate::scan::Scan;

/// The most bytes one value may have: 1 MiB, as much as a batch may carry.
pub(crate) const VALUE_BYTES_MAX: usize = 1 << 20;

/// Bytes asked from the reader at once.
const READ_BYTES: usize = 64 << 10;

pub(crate) struct Stream<R> {
    reader: R,
    /// Where reads arrive: cleared once and not for every read, of which a slow source makes many.
    chunk: Box<[u8]>,
    buffer: Vec<u8>,
    /// The next byte that was not looked at.
    start: usize,
    /// Of `buffer[0]` in the stream.
    offset: u64,
    ended: bool,
}

impl<R: Read> Stream<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, chunk: vec![0; READ_BYTES].into(), buffer: Vec::new(), start: 0, offset: 0, ended: false }
    }

    /// Bytes before the next one.
    pub(crate) fn position(&self) -> u64 {
        self.offset + self.start as u64
    }

    /// The next byte that is no white space, not taken yet; none at the end.
    pub(crate) fn peek(&mut self) -> Result<Option<u8>> {
        loop {
            while let Some(&byte) = self.buffer.get(self.start) {
                if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                    return Ok(Some(byte));
                }
                self.start += 1;
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Takes the byte that `peek` showed.
    pub(crate) fn take(&mut self) {
        self.start += 1;
    }

    /// Takes a byte order mark, where there is one.
    pub(crate) fn skip_byte_order_mark(&mut self) -> Result<()> {
        while self.buffer.len() < 3 && self.fill()? {}
        if self.buffer.starts_with(b"\xef\xbb\xbf") {
            self.start = 3;
        }
        Ok(())
    }

    /// Takes one value, which begins at the byte that `peek` showed, and answers its bytes and position.
    pub(crate) fn value(&mut self) -> Result<(&[u8], u64)> {
        let mut scan = Scan::default();
        let mut length = 0;
        loop {
            let unseen = &self.buffer[self.start + length..];
            if let Some(end) = scan.find_end(unseen) {
                length += end;
                break;
            }
            length += unseen.len();
            if length > VALUE_BYTES_MAX {
                break;
            }
            if !self.fill()? {
                if scan.may_end_here() {
                    break;
                }
                return Err(self.refuse_end("the end of a value"));
            }
        }
        if length > VALUE_BYTES_MAX {
            let what = format!("a value of more than {VALUE_BYTES_MAX} bytes");
            return Err(Refusal::invalid(what, place(self.position()), "rows that fit into a batch"));
        }
        let (start, position) = (self.start, self.position());
        self.start += length;
        Ok((&self.buffer[start..self.start], position))
    }

    /// The input ends too early.
    pub(crate) fn refuse_end(&self, expected: &str) -> Refusal {
        let bytes = self.offset + self.buffer.len() as u64;
        Refusal::invalid("the input ends too early", place(bytes), expected)
    }

    /// Reads more; false at the end.
    fn fill(&mut self) -> Result<bool> {
        if self.ended {
            return Ok(false);
        }
        // What was looked at goes first, so that the buffer grows only for a value that is longer than it.
        self.buffer.drain(..self.start);
        self.offset += self.start as u64;
        self.start = 0;
        let read = loop {
            match self.reader.read(&mut self.chunk) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.buffer.extend_from_slice(&self.chunk[..read]);
        self.ended = read == 0;
        Ok(!self.ended)
    }
}

/// Positions count from 0, as editors' "go to byte" and `head -c` do.
pub(crate) fn place(position: u64) -> String {
    format!("byte {position}")
}

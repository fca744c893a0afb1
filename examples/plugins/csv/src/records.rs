//! Records of RFC 4180, one by one from a stream.
//!
//! Strict where leniency would change data: a quote inside an unquoted value, text after a closing quote and a file that
//! ends inside quotes are refused. Lenient where it does not: a record may end with LF, CRLF or CR, the last one with
//! nothing, a byte order mark and empty lines are passed over.

use std::io::Read;

use plugwork_guest::prelude::*;

/// The most bytes of values one record may have: 1 MiB, as much as a batch may carry.
const RECORD_BYTES_MAX: usize = 1 << 20;

/// The most values of one record: as many as a batch may have columns.
pub(crate) const VALUES_MAX: usize = 256;

/// One record. Kept and filled again, so that reading allocates nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    bytes: Vec<u8>,
    /// Where each value ends, and whether it stood in quotes.
    ends: Vec<(usize, bool)>,
    /// The line that the record begins on, from 1.
    pub(crate) line: u64,
}

impl Record {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of a value and whether they stood in quotes.
    pub(crate) fn value(&self, index: usize) -> Option<(&[u8], bool)> {
        let (end, quoted) = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before].0);
        Some((&self.bytes[start..end], quoted))
    }
}

pub(crate) struct Records<R> {
    reader: R,
    delimiter: u8,
    chunk: Box<[u8]>,
    start: usize,
    end: usize,
    line: u64,
    /// Whether the last line ended with CR, so that a LF belongs to it.
    after_cr: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    ValueStart,
    Unquoted,
    Quoted,
    /// After a quote inside quotes: the end of the value, or the first half of a quote that is meant.
    QuoteInQuotes,
}

impl<R: Read> Records<R> {
    pub(crate) fn new(reader: R, delimiter: u8) -> Result<Self> {
        let chunk = vec![0; 64 << 10].into();
        let mut records = Self { reader, delimiter, chunk, start: 0, end: 0, line: 1, after_cr: false };
        records.skip_byte_order_mark()?;
        Ok(records)
    }

    /// Reads the next record that is not an empty line; false at the end.
    pub(crate) fn read(&mut self, record: &mut Record) -> Result<bool> {
        loop {
            record.bytes.clear();
            record.ends.clear();
            if !self.read_line(record)? {
                return Ok(false);
            }
            let empty = record.ends == [(0, false)];
            if !empty {
                return Ok(true);
            }
        }
    }

    fn read_line(&mut self, record: &mut Record) -> Result<bool> {
        let mut state = State::ValueStart;
        let mut began = false;
        record.line = self.line;
        while let Some(byte) = self.byte()? {
            if std::mem::take(&mut self.after_cr) && byte == b'\n' && !began {
                continue;
            }
            began = true;
            check_length(record)?;
            match (state, byte) {
                (State::Quoted, b'"') => state = State::QuoteInQuotes,
                (State::Quoted, byte) => {
                    self.line += u64::from(byte == b'\n');
                    record.bytes.push(byte);
                }
                (State::QuoteInQuotes, b'"') => {
                    record.bytes.push(b'"');
                    state = State::Quoted;
                }
                (State::ValueStart, b'"') => state = State::Quoted,
                (_, b'\r' | b'\n') => {
                    self.after_cr = byte == b'\r';
                    self.line += 1;
                    end_value(record, state)?;
                    return Ok(true);
                }
                (_, byte) if byte == self.delimiter => {
                    end_value(record, state)?;
                    state = State::ValueStart;
                }
                (State::Unquoted, b'"') => {
                    return Err(Refusal::invalid("a quote inside a value", line(self.line), "the value in quotes, the quote twice"));
                }
                (State::QuoteInQuotes, byte) => {
                    let what = format!("`{}` after a closing quote", byte.escape_ascii());
                    return Err(Refusal::invalid(what, line(self.line), "a delimiter or the end of the line"));
                }
                (State::ValueStart | State::Unquoted, byte) => {
                    record.bytes.push(byte);
                    state = State::Unquoted;
                }
            }
        }
        check_length(record)?;
        if state == State::Quoted {
            let what = "the input ends inside quotes";
            return Err(Refusal::invalid(what, line(record.line), "a closing quote; was the file cut?"));
        }
        if began {
            end_value(record, state)?;
        }
        Ok(began)
    }

    #[inline]
    fn byte(&mut self) -> Result<Option<u8>> {
        if self.start == self.end && !self.fill()? {
            return Ok(None);
        }
        let byte = self.chunk[self.start];
        self.start += 1;
        Ok(Some(byte))
    }

    fn fill(&mut self) -> Result<bool> {
        self.start = 0;
        self.end = 0;
        self.read_more()
    }

    fn read_more(&mut self) -> Result<bool> {
        loop {
            match self.reader.read(&mut self.chunk[self.end..]) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                read => {
                    let read = read?;
                    self.end += read;
                    return Ok(read > 0);
                }
            }
        }
    }

    fn skip_byte_order_mark(&mut self) -> Result<()> {
        while self.end < 3 && self.read_more()? {}
        if self.chunk[..self.end].starts_with(b"\xef\xbb\xbf") {
            self.start = 3;
        }
        Ok(())
    }
}

/// Checked before each byte and at the end, so that one byte too many is seen before a second is kept.
#[inline]
fn check_length(record: &Record) -> Result<()> {
    if record.bytes.len() > RECORD_BYTES_MAX {
        let what = format!("a record of more than {RECORD_BYTES_MAX} bytes");
        return Err(Refusal::invalid(what, line(record.line), "records that fit into a batch; is a quote missing?"));
    }
    Ok(())
}

fn end_value(record: &mut Record, state: State) -> Result<()> {
    if record.ends.len() == VALUES_MAX {
        return Err(Refusal::invalid(format!("more than {VALUES_MAX} values"), line(record.line), "at most 256 columns"));
    }
    record.ends.push((record.bytes.len(), state == State::QuoteInQuotes));
    Ok(())
}

pub(crate) fn line(line: u64) -> String {
    format!("line {line}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of all records; one in quotes is shown with them.
    fn read_from(reader: impl Read) -> Result<Vec<Vec<String>>> {
        let mut records = Records::new(reader, b',')?;
        let (mut record, mut found) = (Record::default(), Vec::new());
        while records.read(&mut record)? {
            let show = |(bytes, quoted): (&[u8], bool)| {
                let text = String::from_utf8_lossy(bytes);
                if quoted { format!("<{text}>") } else { text.into_owned() }
            };
            found.push((0..record.len()).filter_map(|index| record.value(index)).map(show).collect());
        }
        Ok(found)
    }

    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
            buffer[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    fn read(text: &str) -> Result<Vec<Vec<String>>> {
        let whole = read_from(text.as_bytes());
        assert_eq!(whole, read_from(Drip(text.as_bytes())), "{text:?}");
        whole
    }

    fn refusal(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn the_examples_of_rfc_4180_are_read() {
        assert_eq!(read("aaa,bbb,ccc\r\nzzz,yyy,xxx\r\n").unwrap(), [["aaa", "bbb", "ccc"], ["zzz", "yyy", "xxx"]]);
        assert_eq!(read("aaa,bbb,ccc\r\nzzz,yyy,xxx").unwrap(), [["aaa", "bbb", "ccc"], ["zzz", "yyy", "xxx"]]);
        assert_eq!(read("\"aaa\",\"b\r\nbb\",\"ccc\"\r\nzzz").unwrap(), [vec!["<aaa>", "<b\r\nbb>", "<ccc>"], vec!["zzz"]]);
        assert_eq!(read("\"aaa\",\"b\"\"bb\",\"ccc\"").unwrap(), [["<aaa>", "<b\"bb>", "<ccc>"]]);
    }

    #[test]
    fn every_line_ending_ends_a_record() {
        assert_eq!(read("a\nb\r\nc\rd").unwrap(), [["a"], ["b"], ["c"], ["d"]]);
    }

    #[test]
    fn empty_values_and_empty_quotes_are_apart() {
        assert_eq!(read(",\"\",\n").unwrap(), [["", "<>", ""]]);
    }

    #[test]
    fn empty_lines_and_a_byte_order_mark_are_passed_over() {
        assert_eq!(read("\u{feff}\n\na\r\n\r\n\"\"\n").unwrap(), [["a"], ["<>"]]);
        assert!(read("").unwrap().is_empty());
        assert!(read("\u{feff}").unwrap().is_empty());
    }

    #[test]
    fn broken_quotes_are_refused_with_their_line() {
        assert_eq!(refusal("a\nb\"c\n"), "line 2: a quote inside a value; expected the value in quotes, the quote twice");
        assert!(refusal("\"a\nb\"c").starts_with("line 2: `c` after a closing quote"));
        assert!(refusal("a\n\"b\nc").starts_with("line 2: the input ends inside quotes"));
    }

    #[test]
    fn a_record_has_at_most_1_mib_and_256_values() {
        assert!(read_from(format!("{}\n", "x".repeat(1 << 20)).as_bytes()).is_ok());
        assert!(read_from("x".repeat((1 << 20) + 1).as_bytes()).is_err());
        assert!(read(&",".repeat(255)).is_ok());
        assert!(read(&",".repeat(256)).is_err());
    }
}

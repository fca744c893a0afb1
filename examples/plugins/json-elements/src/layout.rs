//! Where in the document the elements are, and the walk from one to the next.
//!
//! The document is read to its end: a file that was cut after the last element is refused, not taken for whole.

use std::io::Read;

use plugwork_guest::{Refusal, Result};

use crate::element::Element;
use crate::stream::{Stream, place};

/// Where the elements are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// The document is an array, or it is values one after another (JSON lines); its first byte decides.
    Rows,
    /// The document is an object, and this member of it is the array. Other members are skipped.
    Member(&'static str),
}

/// Reads elements one by one.
pub struct Elements<R> {
    stream: Stream<R>,
    layout: Layout,
    state: State,
    /// Elements read so far.
    count: u64,
    /// What an element is called in refusals.
    noun: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    /// Inside the array; whether an element came before.
    Array {
        first: bool,
    },
    Lines,
    End,
}

impl<R: Read> Elements<R> {
    /// Begins to read; nothing is read yet. A refusal calls an element by `noun` and its number: `feature 12`.
    pub fn new(reader: R, layout: Layout, noun: &'static str) -> Self {
        Self { stream: Stream::new(reader), layout, state: State::Start, count: 0, noun }
    }

    /// The next element, none at the end of the document.
    ///
    /// # Errors
    /// `invalid` with the byte where the document is not what the layout says, ends too early, or has an element of more
    /// than 1 MiB; whatever the reader's error becomes.
    #[expect(clippy::should_implement_trait, reason = "an element borrows from the reader, which `Iterator` cannot say")]
    pub fn next(&mut self) -> Result<Option<Element<'_>>> {
        if self.state == State::Start {
            self.stream.skip_byte_order_mark()?;
            self.state = match self.layout {
                Layout::Rows => self.find_rows()?,
                Layout::Member(name) => self.find_member(name)?,
            };
        }
        match self.state {
            State::Start | State::End => return Ok(None),
            State::Lines => {
                if self.stream.peek()?.is_none() {
                    self.state = State::End;
                    return Ok(None);
                }
            }
            State::Array { first } => {
                let number = self.count + 1;
                if !self.find_element(first).map_err(|refusal| refusal.at(format_args!("{} {number}", self.noun)))? {
                    self.state = State::End;
                    self.finish()?;
                    return Ok(None);
                }
                self.state = State::Array { first: false };
            }
        }
        self.count += 1;
        let (number, noun) = (self.count, self.noun);
        let (bytes, position) = self.stream.value().map_err(|refusal| refusal.at(format_args!("{noun} {number}")))?;
        Ok(Some(Element { bytes, number, position, noun }))
    }

    fn find_rows(&mut self) -> Result<State> {
        Ok(match self.stream.peek()? {
            Some(b'[') => {
                self.stream.take();
                State::Array { first: true }
            }
            Some(b'{') => State::Lines,
            Some(_) => return Err(self.refuse("an array or objects")),
            None => State::End,
        })
    }

    fn find_member(&mut self, name: &str) -> Result<State> {
        self.expect(b'{')?;
        let mut first = true;
        while self.find_key(first)? {
            first = false;
            if self.key()? == name {
                self.expect(b'[')?;
                return Ok(State::Array { first: true });
            }
            self.skip_value()?;
        }
        Err(Refusal::invalid(format!("no member `{name}`"), "", "an object with an array of that name"))
    }

    /// Whether another element follows; takes the comma before it, or the bracket that ends the array.
    fn find_element(&mut self, first: bool) -> Result<bool> {
        match self.stream.peek()? {
            Some(b']') => {
                self.stream.take();
                return Ok(false);
            }
            Some(b',') if !first => {
                self.stream.take();
                if self.stream.peek()? == Some(b']') {
                    return Err(self.refuse("an element after the comma"));
                }
            }
            Some(byte) if first && byte != b',' => {}
            Some(_) => return Err(self.refuse(if first { "an element or `]`" } else { "`,` or `]`" })),
            None => return Err(self.stream.refuse_end("`]` after the last element")),
        }
        match self.stream.peek()? {
            Some(_) => Ok(true),
            None => Err(self.stream.refuse_end("an element")),
        }
    }

    /// Reads what stands after the array.
    fn finish(&mut self) -> Result<()> {
        if let Layout::Member(_) = self.layout {
            while self.find_key(false)? {
                self.key()?;
                self.skip_value()?;
            }
        }
        match self.stream.peek()? {
            None => Ok(()),
            Some(_) => Err(self.refuse("the end of the document")),
        }
    }

    /// Whether another key follows; takes the comma before it, or the bracket that ends the object.
    fn find_key(&mut self, first: bool) -> Result<bool> {
        match self.stream.peek()? {
            Some(b'}') => {
                self.stream.take();
                Ok(false)
            }
            Some(b',') if !first => {
                self.stream.take();
                Ok(true)
            }
            Some(b'"') if first => Ok(true),
            Some(_) => Err(self.refuse(if first { "a key or `}`" } else { "`,` or `}`" })),
            None => Err(self.stream.refuse_end("`}` after the last member")),
        }
    }

    fn key(&mut self) -> Result<String> {
        if self.stream.peek()? != Some(b'"') {
            return Err(self.refuse("a key"));
        }
        let (bytes, position) = self.stream.value()?;
        let key = serde_json::from_slice(bytes).map_err(|error| Refusal::invalid(error.to_string(), place(position), "a key"))?;
        self.expect(b':')?;
        Ok(key)
    }

    fn skip_value(&mut self) -> Result<()> {
        if self.stream.peek()?.is_none() {
            return Err(self.stream.refuse_end("a value"));
        }
        let (bytes, position) = self.stream.value()?;
        // Read and dropped: a skipped value that is not JSON is a broken file all the same.
        serde_json::from_slice::<serde::de::IgnoredAny>(bytes)
            .map_err(|error| Refusal::invalid(error.to_string(), place(position), "a value"))?;
        Ok(())
    }

    fn expect(&mut self, expected: u8) -> Result<()> {
        let expected_words = format!("`{}`", char::from(expected));
        match self.stream.peek()? {
            Some(byte) if byte == expected => {
                self.stream.take();
                Ok(())
            }
            Some(_) => Err(self.refuse(&expected_words)),
            None => Err(self.stream.refuse_end(&expected_words)),
        }
    }

    /// The next byte is another than expected.
    fn refuse(&mut self, expected: &str) -> Refusal {
        let found = match self.stream.peek() {
            Ok(Some(byte)) if byte.is_ascii_graphic() => format!("`{}`", char::from(byte)),
            Ok(Some(byte)) => format!("the byte 0x{byte:02x}"),
            Ok(None) => "the end".into(),
            Err(refusal) => return refusal,
        };
        Refusal::invalid(format!("{found} is not JSON here"), place(self.stream.position()), expected)
    }
}

#[cfg(test)]
mod tests;

//! The point `exporter`: a table in, the bytes of a file out.
//!
//! The bytes go to the host, which owns the file, so an exporter needs no permission.

use std::marker::PhantomData;

use super::Session;
use crate::batch::Batch;
use crate::bindings::exporter::exports::plugwork::points::exporter::{Guest, GuestWriter, Writer};
use crate::bindings::types;
use crate::options::Options;
use crate::refusal::{Refusal, Result};

/// The most bytes one call may answer: 8 MiB.
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// A file format to write.
pub trait Exporter: Sized + 'static {
    /// Begins a file.
    fn start(options: &Options) -> Result<Self>;

    /// The bytes to append for these rows; may be empty; at most 8 MiB. The first batch may have 0 rows.
    fn push(&mut self, batch: &Batch) -> Result<Vec<u8>>;

    /// The bytes that end the file; at most 8 MiB. Called once.
    fn finish(&mut self) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }
}

/// Exports an exporter.
pub struct ExporterExport<T>(PhantomData<T>);

/// One file being written.
pub struct WriterExport<T>(Session<T>);

impl<T: Exporter> Guest for ExporterExport<T> {
    type Writer = WriterExport<T>;

    fn start(options: String) -> Result<Writer, Refusal> {
        let exporter = T::start(&Options::new(options))?;
        Ok(Writer::new(WriterExport(Session::new("writer", exporter))))
    }
}

impl<T: Exporter> GuestWriter for WriterExport<T> {
    fn push(&self, input: types::Batch) -> Result<Vec<u8>, Refusal> {
        self.0.call(|exporter| within_limit(exporter.push(&Batch::from_raw(input)?)?))
    }

    fn finish(&self) -> Result<Vec<u8>, Refusal> {
        self.0.end(|mut exporter| within_limit(exporter.finish()?))
    }
}

fn within_limit(bytes: Vec<u8>) -> Result<Vec<u8>> {
    if bytes.len() > ANSWER_BYTES_MAX {
        let what = format!("{} bytes for one batch", bytes.len());
        return Err(Refusal::invalid(what, "", format!("at most {ANSWER_BYTES_MAX}: smaller batches")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Repeat;

    impl Exporter for Repeat {
        fn start(_: &Options) -> Result<Self> {
            Ok(Self)
        }

        fn push(&mut self, batch: &Batch) -> Result<Vec<u8>> {
            Ok(vec![b'x'; ANSWER_BYTES_MAX + batch.rows()])
        }
    }

    fn writer() -> WriterExport<Repeat> {
        WriterExport(Session::new("writer", Repeat))
    }

    #[test]
    fn an_answer_has_at_most_8_mib() {
        let writer = writer();
        assert!(writer.push(types::Batch { rows: 0, columns: Vec::new() }).is_ok());
        assert!(writer.push(types::Batch { rows: 1, columns: Vec::new() }).is_err());
    }

    #[test]
    fn a_file_ends_once() {
        let writer = writer();
        assert!(writer.finish().is_ok());
        assert!(writer.finish().is_err());
        assert!(writer.push(types::Batch { rows: 0, columns: Vec::new() }).is_err());
    }
}

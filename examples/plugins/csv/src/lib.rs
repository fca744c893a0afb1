//! The plugin `plugwork:csv`: comma-separated values (RFC 4180) as a source and as an exporter.
//!
//! Reading is strict: what is not as the RFC says, and a value that is not of its column's type, is refused with row and
//! column. One thing to know: an empty value is a null and `""` an empty text, in both directions.

mod delimiter;
mod kind;
mod reader;
mod records;
mod writer;

pub use reader::CsvReader;
pub use writer::CsvWriter;

plugwork_guest::plugin! {
    descriptor: include_str!("../descriptor.json"),
    data_source: CsvReader,
    exporter: CsvWriter,
}

//! A row as a record: every column as it stands, or an error that names the record. Whether it is genuine is decided elsewhere.

use std::str::FromStr;

use plugwork_core::record::{Broken, ConsentKey, Record, Why};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::error::Result;

/// The record of a row with the columns of the table `record`.
pub(super) fn record(row: &SqliteRow) -> Result<Record> {
    let sequence: i64 = row.try_get("sequence").map_err(|error| unreadable(0, "sequence", &error))?;
    let sequence = u64::try_from(sequence).map_err(|error| unreadable(0, "sequence", &error))?;
    let at_ms: i64 = row.try_get("at_ms").map_err(|error| unreadable(sequence, "at_ms", &error))?;
    Ok(Record {
        sequence,
        at_ms: u64::try_from(at_ms).map_err(|error| unreadable(sequence, "at_ms", &error))?,
        body: row.try_get("body").map_err(|error| unreadable(sequence, "body", &error))?,
        previous: parse(row, sequence, "previous")?,
        digest: parse(row, sequence, "digest")?,
        signature: parse(row, sequence, "signature")?,
    })
}

/// The key of a row that also has the key columns of an index.
pub(super) fn key(row: &SqliteRow) -> Result<ConsentKey> {
    let sequence: i64 = row.try_get("sequence").map_err(|error| unreadable(0, "sequence", &error))?;
    let sequence = u64::try_from(sequence).map_err(|error| unreadable(0, "sequence", &error))?;
    let text = |column| row.try_get::<String, _>(column).map_err(|error| unreadable(sequence, column, &error));
    Ok(ConsentKey { tenant: text("tenant")?, instance: text("instance")?, package: parse(row, sequence, "package")? })
}

fn parse<T: FromStr<Err: std::fmt::Display>>(row: &SqliteRow, sequence: u64, column: &'static str) -> Result<T, Broken> {
    let text: String = row.try_get(column).map_err(|error| unreadable(sequence, column, &error))?;
    text.parse().map_err(|error| unreadable(sequence, column, &error))
}

fn unreadable(sequence: u64, column: &str, error: &dyn std::fmt::Display) -> Broken {
    Broken { sequence, why: Why::Unreadable(format!("column `{column}`: {error}")) }
}

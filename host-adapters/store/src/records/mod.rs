//! The records in `records.db`: the contract of [`Records`] on SQLite. Rules of the chain are in `plugwork_core::record`.
//!
//! Reading goes through a few reading connections, appending through one thread (`writer.rs`). What a reader may get wrong: a record that
//! is read for its consent is checked by itself (digest, signature, whose it is), its place in the chain only by `verify`.

mod row;
mod verify;
mod writer;

use plugwork_core::record::{Broken, ConsentKey, Event, Head, Pending, PublicKey, Record, Records, RecordsError, Verified, Why};
use sqlx::sqlite::SqliteRow;

use crate::Store;
use crate::database::Schema;
use crate::error::Result;
pub(crate) use writer::Writer;

/// `PWRK`, and the steps of the schema.
pub(crate) const SCHEMA: Schema =
    Schema { name: "records.db", application_id: 0x5057_524b, steps: &[include_str!("../schema/records-1.sql")] };

impl Store {
    fn records(&self, rows: Vec<SqliteRow>) -> Result<Vec<Record>> {
        rows.iter().map(row::record).collect()
    }

    async fn read_records(&self, after: u64, limit: u32) -> Result<Vec<Record>> {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let rows = sqlx::query("SELECT * FROM record WHERE sequence > ? ORDER BY sequence LIMIT ?")
            .bind(after)
            .bind(limit)
            .fetch_all(&self.readers)
            .await
            .map_err(|error| self.database.error(&error))?;
        self.records(rows)
    }

    async fn last(&self) -> Result<Option<Head>> {
        let row = sqlx::query("SELECT * FROM record ORDER BY sequence DESC LIMIT 1")
            .fetch_optional(&self.readers)
            .await
            .map_err(|error| self.database.error(&error))?;
        Ok(row.as_ref().map(row::record).transpose()?.map(|record| record.head()))
    }

    async fn consent_of(&self, key: &ConsentKey) -> Result<Option<Record>> {
        let row = sqlx::query(
            "SELECT record.*, tenant, instance, package FROM consent JOIN record USING (sequence) \
             WHERE tenant = ? AND instance = ? AND package = ?",
        )
        .bind(&key.tenant)
        .bind(&key.instance)
        .bind(key.package.as_str())
        .fetch_optional(&self.readers)
        .await
        .map_err(|error| self.database.error(&error))?;
        row.map(|row| self.own(&row)).transpose()
    }

    async fn all_consents(&self) -> Result<Vec<Record>> {
        let rows = sqlx::query(
            "SELECT record.*, tenant, instance, package FROM consent JOIN record USING (sequence) ORDER BY tenant, instance, package",
        )
        .fetch_all(&self.readers)
        .await
        .map_err(|error| self.database.error(&error))?;
        rows.iter().map(|row| self.own(row)).collect()
    }

    /// The record, if it is genuine and changes the consent of the key under which the index has it.
    fn own(&self, row: &SqliteRow) -> Result<Record> {
        let record = row::record(row)?;
        record.genuine(&self.public_key)?;
        let key = row::key(row)?;
        if record.event()?.changes_consent().as_ref() != Some(&key) {
            return Err(Broken { sequence: record.sequence, why: Why::Consents { of: key.to_string() } }.into());
        }
        Ok(record)
    }
}

impl Records for Store {
    fn append(&self, at_ms: u64, events: Vec<Event>) -> Pending<'_, Vec<Record>> {
        Box::pin(async move { self.writer.append(at_ms, events).await.map_err(RecordsError::from) })
    }

    fn read(&self, after: u64, limit: u32) -> Pending<'_, Vec<Record>> {
        Box::pin(async move { self.read_records(after, limit).await.map_err(RecordsError::from) })
    }

    fn head(&self) -> Pending<'_, Option<Head>> {
        Box::pin(async move { self.last().await.map_err(RecordsError::from) })
    }

    fn consent(&self, key: &ConsentKey) -> Pending<'_, Option<Record>> {
        let key = key.clone();
        Box::pin(async move { self.consent_of(&key).await.map_err(RecordsError::from) })
    }

    fn consents(&self) -> Pending<'_, Vec<Record>> {
        Box::pin(async move { self.all_consents().await.map_err(RecordsError::from) })
    }

    fn verify(&self) -> Pending<'_, Verified> {
        Box::pin(async move { verify::verify(self).await.map_err(RecordsError::from) })
    }

    fn public_key(&self) -> PublicKey {
        self.public_key
    }
}

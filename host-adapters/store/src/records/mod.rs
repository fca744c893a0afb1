//! The records in `records.db`: the contract of [`Records`] on SQLite. Rules of the chain are in `plugwork_core::record`.
//!
//! Reading goes through a few reading connections, appending through one thread (`writer.rs`). What a reader may get wrong: a record that
//! an index gives is checked by itself (`index.rs`), its place in the chain only by `verify`.

mod index;
mod row;
mod stamp;
mod verify;
mod writer;

use plugwork_core::record::{ConsentKey, Event, Head, Pending, PublicKey, Record, Records, RecordsError, Verified};
use sqlx::sqlite::SqliteRow;

use crate::Store;
use crate::database::Schema;
use crate::error::Result;
use index::Index;
pub(crate) use stamp::Stamps;
pub(crate) use writer::Writer;

/// `PWRK`, and the steps of the schema.
pub(crate) const SCHEMA: Schema = Schema {
    name: "records.db",
    application_id: 0x5057_524b,
    steps: &[
        include_str!("../schema/records-1.sql"),
        include_str!("../schema/records-2.sql"),
        include_str!("../schema/records-3.sql"),
        include_str!("../schema/records-4.sql"),
        include_str!("../schema/records-5.sql"),
    ],
};

/// How SQLite goes about a query on this schema: a line for each step.
#[cfg(test)]
pub(crate) async fn plan_of(query: &str) -> Vec<String> {
    use sqlx::{Connection as _, Row as _};
    let mut connection = sqlx::SqliteConnection::connect("sqlite::memory:").await.unwrap();
    for step in SCHEMA.steps {
        sqlx::raw_sql(*step).execute(&mut connection).await.unwrap();
    }
    let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {query}"))).fetch_all(&mut connection).await.unwrap();
    plan.iter().map(|row| row.get("detail")).collect()
}

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
}

impl Records for Store {
    fn append(&self, at_ms: u64, events: Vec<Event>) -> Pending<'_, Vec<Record>> {
        let appended = self.writer.append(None, at_ms, events);
        Box::pin(async move { appended.await.map(Option::unwrap_or_default).map_err(RecordsError::from) })
    }

    fn append_after(&self, end: u64, at_ms: u64, events: Vec<Event>) -> Pending<'_, Option<Vec<Record>>> {
        Box::pin(async move { self.writer.append(Some(end), at_ms, events).await.map_err(RecordsError::from) })
    }

    fn read(&self, after: u64, limit: u32) -> Pending<'_, Vec<Record>> {
        Box::pin(async move { self.read_records(after, limit).await.map_err(RecordsError::from) })
    }

    fn head(&self) -> Pending<'_, Option<Head>> {
        Box::pin(async move { self.last().await.map_err(RecordsError::from) })
    }

    fn consent(&self, key: &ConsentKey) -> Pending<'_, Option<Record>> {
        let key = key.clone();
        Box::pin(async move { self.latest(Index::Consents, &key).await.map_err(RecordsError::from) })
    }

    fn consents(&self) -> Pending<'_, Vec<Record>> {
        Box::pin(async move { self.all_latest(Index::Consents).await.map_err(RecordsError::from) })
    }

    fn lifecycle(&self, key: &ConsentKey) -> Pending<'_, Option<Record>> {
        let key = key.clone();
        Box::pin(async move { self.latest(Index::Lifecycles, &key).await.map_err(RecordsError::from) })
    }

    fn lifecycles(&self) -> Pending<'_, Vec<Record>> {
        Box::pin(async move { self.all_latest(Index::Lifecycles).await.map_err(RecordsError::from) })
    }

    fn verify(&self) -> Pending<'_, Verified> {
        Box::pin(async move { verify::verify(self).await.map_err(RecordsError::from) })
    }

    fn public_key(&self) -> PublicKey {
        self.public_key
    }
}

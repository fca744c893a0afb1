//! The two indexes of the chain: of each key the latest record that decides about its consent, and about whether it is to run.
//!
//! They answer for speed and prove nothing: what they give is checked by itself, and only `verify` compares them with the chain.

use plugwork_core::record::{Broken, ConsentKey, Event, Record, Why};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::row;
use crate::error::Result;
use crate::Store;

/// One of the indexes: a table with a key and the place of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Index {
    /// Who has which consent.
    Consents,
    /// What is enabled.
    Lifecycles,
}

/// What is checked of a record that an index gives, besides whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// Its digest and its signature.
    Genuine,
    /// Its digest. Signatures of a hundred thousand take seconds.
    Digest,
}

impl Index {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::Consents, Self::Lifecycles];

    const fn table(self) -> &'static str {
        match self {
            Self::Consents => "consent",
            Self::Lifecycles => "lifecycle",
        }
    }

    /// The key under which an event stands in this index.
    pub(super) fn key(self, event: &Event) -> Option<ConsentKey> {
        match self {
            Self::Consents => event.changes_consent(),
            Self::Lifecycles => event.changes_lifecycle(),
        }
    }

    /// What is wrong with a record that stands in it for this key.
    pub(super) fn broken(self, sequence: u64, of: &ConsentKey) -> Broken {
        let of = of.to_string();
        Broken { sequence, why: if self == Self::Consents { Why::Consents { of } } else { Why::Lifecycles { of } } }
    }

    /// All of it: keys and places.
    pub(super) async fn rows(self, connection: &mut SqliteConnection) -> Result<Vec<SqliteRow>, sqlx::Error> {
        let sql = format!("SELECT tenant, instance, package, sequence FROM {}", self.table());
        sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(connection).await
    }

    /// Puts the event into it, where it belongs there.
    pub(super) async fn follow(self, connection: &mut SqliteConnection, event: &Event, sequence: i64) -> Result<(), sqlx::Error> {
        let Some(key) = self.key(event) else { return Ok(()) };
        let sql = format!("INSERT OR REPLACE INTO {} (tenant, instance, package, sequence) VALUES (?, ?, ?, ?)", self.table());
        let insert = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(key.tenant).bind(key.instance).bind(key.package.to_string()).bind(sequence);
        insert.execute(connection).await.map(drop)
    }
}

impl Store {
    /// The record of one key, checked completely.
    pub(super) async fn latest(&self, index: Index, key: &ConsentKey) -> Result<Option<Record>> {
        let sql = format!(
            "SELECT record.*, tenant, instance, package FROM {} JOIN record USING (sequence) WHERE tenant = ? AND instance = ? AND package = ?",
            index.table()
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(&key.tenant).bind(&key.instance).bind(key.package.as_str());
        let row = query.fetch_optional(&self.readers).await.map_err(|error| self.database.error(&error))?;
        row.map(|row| own(self, index, Check::Genuine, &row)).transpose()
    }

    /// The records of all keys, in the order of keys.
    pub(super) async fn all_latest(&self, index: Index, check: Check) -> Result<Vec<Record>> {
        let sql = format!(
            "SELECT record.*, tenant, instance, package FROM {} JOIN record USING (sequence) ORDER BY tenant, instance, package",
            index.table()
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&self.readers).await.map_err(|error| self.database.error(&error))?;
        rows.iter().map(|row| own(self, index, check, row)).collect()
    }
}

/// The record, if it is what its digest says and belongs under the key under which the index has it.
fn own(store: &Store, index: Index, check: Check, row: &SqliteRow) -> Result<Record> {
    let record = row::record(row)?;
    match check {
        Check::Genuine => record.genuine(&store.public_key)?,
        Check::Digest => record.intact()?,
    }
    let key = row::key(row)?;
    if index.key(&record.event()?).as_ref() != Some(&key) {
        return Err(index.broken(record.sequence, &key).into());
    }
    Ok(record)
}

//! The two indexes of the chain: of each key the latest record that decides about its consent, and about whether it is to run.
//!
//! They answer for speed and prove nothing: what they give is checked by itself, and only `verify` compares them with the chain.

use plugwork_core::record::{Broken, ConsentKey, Event, PublicKey, Record, Why};
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::row;
use super::stamp::Stamps;
use crate::Store;
use crate::error::Result;
use crate::store::blocking;

/// One of the indexes: a table with a key and the place of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Index {
    /// Who has which consent.
    Consents,
    /// What is enabled.
    Lifecycles,
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
    pub(super) async fn follow(
        self,
        connection: &mut SqliteConnection,
        event: &Event,
        record: &Record,
        stamps: &Stamps,
    ) -> Result<(), sqlx::Error> {
        let Some(key) = self.key(event) else { return Ok(()) };
        let sql = format!("INSERT OR REPLACE INTO {} (tenant, instance, package, sequence, stamp) VALUES (?, ?, ?, ?, ?)", self.table());
        let insert = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(key.tenant)
            .bind(key.instance)
            .bind(key.package.to_string())
            .bind(record.sequence as i64);
        insert.bind(stamps.make(record).to_vec()).execute(connection).await.map(drop)
    }
}

impl Store {
    /// The record of one key.
    pub(super) async fn latest(&self, index: Index, key: &ConsentKey) -> Result<Option<Record>> {
        let sql = format!(
            "SELECT record.*, tenant, instance, package, stamp FROM {} JOIN record USING (sequence) WHERE tenant = ? AND instance = ? AND package = ?",
            index.table()
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(&key.tenant).bind(&key.instance).bind(key.package.as_str());
        let row = query.fetch_optional(&self.readers).await.map_err(|error| self.database.error(&error))?;
        row.map(|row| own(&self.stamps, &self.public_key, index, &row)).transpose()
    }

    /// The records of all keys, in the order of keys.
    pub(super) async fn all_latest(&self, index: Index) -> Result<Vec<Record>> {
        let sql = format!(
            "SELECT record.*, tenant, instance, package, stamp FROM {} JOIN record USING (sequence) ORDER BY tenant, instance, package",
            index.table()
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&self.readers).await.map_err(|error| self.database.error(&error))?;
        let (stamps, key) = (self.stamps.clone(), self.public_key);
        // A hundred thousand take a moment, which other tasks must not wait for.
        blocking(move || rows.iter().map(|row| own(&stamps, &key, index, row)).collect()).await
    }
}

/// The record, if it is genuine and belongs under the key under which the index has it.
fn own(stamps: &Stamps, key: &PublicKey, index: Index, row: &SqliteRow) -> Result<Record> {
    let record = row::record(row)?;
    // A stamp that cannot even be read as bytes is as good as none.
    stamps.check(&record, row.try_get("stamp").ok(), key)?;
    let whose = row::key(row)?;
    if index.key(&record.event()?).as_ref() != Some(&whose) {
        return Err(index.broken(record.sequence, &whose).into());
    }
    Ok(record)
}

//! The values that plugins keep, in `values.db`: named stores, each inside its plugin's own namespace, counted against a quota.
//!
//! Who may use which store, and what a denial says, is the keyvalue capability's business. What a reader may get wrong: a quota holds for
//! all stores of a plugin together, while [`Values::usage`] tells of one.

mod change;
mod write;

use std::fmt;

use plugwork_core::PackageName;
use sqlx::Row as _;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use crate::database::{Database, Schema};
use crate::error::{Result, StoreError, StoreErrorKind};
use write::{Change, Outcome, Writer};

/// `PWVL`, and the steps of the schema.
pub(crate) const SCHEMA: Schema =
    Schema { name: "values.db", application_id: 0x5057_564c, steps: &[include_str!("../schema/values-1.sql")] };

/// Bytes of a key.
pub const KEY_BYTES_MAX: usize = 1 << 10;
/// Bytes of a value.
pub const VALUE_BYTES_MAX: usize = 1 << 20;
/// Keys of one page of [`Values::list`].
pub const LIST_KEYS_MAX: u32 = 1_000;

/// One named store of one plugin. No key of one is ever seen in another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Namespace {
    /// On whose behalf.
    pub tenant: String,
    /// Which of several instances.
    pub instance: String,
    /// The package.
    pub package: PackageName,
    /// The store's name.
    pub store: String,
}

/// What is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of keys and values.
    pub bytes: u64,
    /// How many keys.
    pub keys: u64,
}

/// How much all stores of a plugin may keep together. What shrinks is always allowed, also where the quota was lowered below the usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Bytes of keys and values.
    pub bytes: u64,
    /// How many keys.
    pub keys: u64,
}

/// The change would have exceeded the quota, and was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaExceeded {
    /// The quota.
    pub quota: Quota,
    /// What all stores of the plugin would have kept.
    pub asked: Usage,
}

impl fmt::Display for QuotaExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { quota, asked } = self;
        write!(f, "the stores would have {} bytes and {} keys, allowed are {} and {}", asked.bytes, asked.keys, quota.bytes, quota.keys)
    }
}

/// How a compare-and-set ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swapped {
    /// The value was as expected and is now the new one.
    Yes,
    /// The value is another one, or none; nothing was changed.
    No(Option<Vec<u8>>),
}

/// Some keys of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPage {
    /// In the order of their bytes.
    pub keys: Vec<String>,
    /// What to pass to [`Values::list`] for the next page; none at the end.
    pub cursor: Option<String>,
}

/// The values of all plugins of a node. A change is durable when its method returns; changes asked at once share a commit.
pub struct Values {
    database: Database,
    readers: SqlitePool,
    writer: Writer,
}

impl Values {
    pub(crate) fn start(database: Database) -> Result<Self> {
        let (readers, writer) = (database.readers(), Writer::start(database.clone())?);
        Ok(Self { database, readers, writer })
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
    }

    /// The value of a key.
    pub async fn get(&self, namespace: &Namespace, key: &str) -> Result<Option<Vec<u8>>> {
        check_key(key)?;
        self.value(&mut *self.readers.acquire().await.map_err(|error| self.database.error(&error))?, namespace, key).await
    }

    /// The values of several keys, in their order, as they all were at one moment.
    pub async fn get_many(&self, namespace: &Namespace, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>> {
        keys.iter().try_for_each(|key| check_key(key))?;
        let mut snapshot = self.readers.begin().await.map_err(|error| self.database.error(&error))?;
        let mut values = Vec::with_capacity(keys.len());
        for key in keys {
            values.push(self.value(&mut snapshot, namespace, key).await?);
        }
        Ok(values)
    }

    /// Whether there is a value for the key.
    pub async fn exists(&self, namespace: &Namespace, key: &str) -> Result<bool> {
        check_key(key)?;
        let row = sqlx::query(
            "SELECT 1 FROM entry JOIN namespace ON id = namespace \
             WHERE tenant = ? AND instance = ? AND package = ? AND store = ? AND key = ?",
        );
        Ok(self.row(row, namespace, Some(key)).await?.is_some())
    }

    /// The keys after `cursor` (none: from the first), at most `limit` and at most [`LIST_KEYS_MAX`]. Keys that come or go between two
    /// pages may or may not be seen; a key that stays is seen exactly once.
    pub async fn list(&self, namespace: &Namespace, cursor: Option<&str>, limit: u32) -> Result<KeyPage> {
        let limit = limit.clamp(1, LIST_KEYS_MAX);
        let mut keys: Vec<String> = sqlx::query_scalar(
            "SELECT key FROM entry JOIN namespace ON id = namespace \
             WHERE tenant = ? AND instance = ? AND package = ? AND store = ? AND (? IS NULL OR key > ?) ORDER BY key LIMIT ?",
        )
        .bind(&namespace.tenant)
        .bind(&namespace.instance)
        .bind(namespace.package.as_str())
        .bind(&namespace.store)
        .bind(cursor)
        .bind(cursor)
        // One more tells whether there is another page.
        .bind(limit + 1)
        .fetch_all(&self.readers)
        .await
        .map_err(|error| self.database.error(&error))?;
        let more = keys.len() > limit as usize;
        keys.truncate(limit as usize);
        let cursor = if more { keys.last().cloned() } else { None };
        Ok(KeyPage { keys, cursor })
    }

    /// What one store keeps.
    pub async fn usage(&self, namespace: &Namespace) -> Result<Usage> {
        let row = sqlx::query("SELECT bytes, keys FROM namespace WHERE tenant = ? AND instance = ? AND package = ? AND store = ?");
        let row = self.row(row, namespace, None).await?;
        row.map_or(Ok(Usage::default()), |row| usage(&row)).map_err(|error| self.database.error(&error))
    }

    /// What all stores of the namespace's plugin keep: what a quota is compared with.
    pub async fn usage_of_plugin(&self, namespace: &Namespace) -> Result<Usage> {
        let mut connection = self.readers.acquire().await.map_err(|error| self.database.error(&error))?;
        change::usage_of_plugin(&mut connection, namespace).await.map_err(|error| self.database.error(&error))
    }

    /// Sets a value.
    ///
    /// # Errors
    /// [`StoreErrorKind::Quota`] when it would exceed the quota, [`StoreErrorKind::TooLong`]; nothing is changed then.
    pub async fn set(&self, namespace: &Namespace, key: &str, value: Vec<u8>, quota: Quota) -> Result<()> {
        self.set_many(namespace, vec![(key.to_owned(), value)], quota).await
    }

    /// Sets several values, all or none.
    ///
    /// # Errors
    /// As [`Values::set`].
    pub async fn set_many(&self, namespace: &Namespace, entries: Vec<(String, Vec<u8>)>, quota: Quota) -> Result<()> {
        entries.iter().try_for_each(|(key, value)| check_key(key).and_then(|()| check_value(value)))?;
        self.writer.write(namespace, Change::Set { entries, quota }).await.map(drop)
    }

    /// Removes a key; whether it was there.
    pub async fn delete(&self, namespace: &Namespace, key: &str) -> Result<bool> {
        Ok(self.delete_many(namespace, vec![key.to_owned()]).await? > 0)
    }

    /// Removes several keys, all or none of those that are there; how many were.
    pub async fn delete_many(&self, namespace: &Namespace, keys: Vec<String>) -> Result<u64> {
        keys.iter().try_for_each(|key| check_key(key))?;
        match self.writer.write(namespace, Change::Delete { keys }).await? {
            Outcome::Count(count) => Ok(count),
            _ => unreachable!("deleting counts"),
        }
    }

    /// Adds to the decimal number that the value is (0 where there is none) and gives the sum.
    ///
    /// # Errors
    /// [`StoreErrorKind::NotANumber`], or as [`Values::set`]; nothing is changed then.
    pub async fn increment(&self, namespace: &Namespace, key: &str, delta: i64, quota: Quota) -> Result<i64> {
        check_key(key)?;
        match self.writer.write(namespace, Change::Increment { key: key.to_owned(), delta, quota }).await? {
            Outcome::Number(number) => Ok(number),
            _ => unreachable!("incrementing gives a number"),
        }
    }

    /// Sets a value if the present one is `expected` (none: if there is none). By value: a value that changed and changed back counts as
    /// unchanged.
    ///
    /// # Errors
    /// As [`Values::set`].
    pub async fn compare_and_set(
        &self,
        namespace: &Namespace,
        key: &str,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
        quota: Quota,
    ) -> Result<Swapped> {
        check_key(key)?;
        check_value(&value)?;
        match self.writer.write(namespace, Change::Swap { key: key.to_owned(), expected, value, quota }).await? {
            Outcome::Swapped(swapped) => Ok(swapped),
            _ => unreachable!("swapping tells how it ended"),
        }
    }

    /// Removes everything that the namespace's plugin keeps, in all its stores; how many keys those were.
    pub async fn forget(&self, namespace: &Namespace) -> Result<u64> {
        match self.writer.write(namespace, Change::Forget).await? {
            Outcome::Count(count) => Ok(count),
            _ => unreachable!("forgetting counts"),
        }
    }

    async fn value(&self, connection: &mut sqlx::SqliteConnection, namespace: &Namespace, key: &str) -> Result<Option<Vec<u8>>> {
        let value = sqlx::query_scalar(
            "SELECT value FROM entry JOIN namespace ON id = namespace \
             WHERE tenant = ? AND instance = ? AND package = ? AND store = ? AND key = ?",
        );
        let value = value
            .bind(&namespace.tenant)
            .bind(&namespace.instance)
            .bind(namespace.package.as_str())
            .bind(&namespace.store)
            .bind(key)
            .fetch_optional(connection)
            .await;
        value.map_err(|error| self.database.error(&error))
    }

    async fn row<'q>(
        &self,
        query: sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>,
        namespace: &'q Namespace,
        key: Option<&'q str>,
    ) -> Result<Option<SqliteRow>> {
        let query = query.bind(&namespace.tenant).bind(&namespace.instance).bind(namespace.package.as_str()).bind(&namespace.store);
        let query = match key {
            Some(key) => query.bind(key),
            None => query,
        };
        query.fetch_optional(&self.readers).await.map_err(|error| self.database.error(&error))
    }
}

/// The counts of a row that has them.
fn usage(row: &SqliteRow) -> Result<Usage, sqlx::Error> {
    Ok(Usage { bytes: row.try_get::<i64, _>("bytes")?.max(0) as u64, keys: row.try_get::<i64, _>("keys")?.max(0) as u64 })
}

fn check_key(key: &str) -> Result<()> {
    too_long("key", key.len(), KEY_BYTES_MAX)
}

fn check_value(value: &[u8]) -> Result<()> {
    too_long("value", value.len(), VALUE_BYTES_MAX)
}

fn too_long(what: &'static str, bytes: usize, bytes_max: usize) -> Result<()> {
    if bytes > bytes_max { Err(StoreError::new(StoreErrorKind::TooLong { what, bytes, bytes_max })) } else { Ok(()) }
}

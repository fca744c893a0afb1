//! One SQLite database file: how it is opened, which SQLite may open it, and how its schema grows.
//!
//! Schema versions are `user_version`, counted from 1; each step is a text in `schema/`, run in one transaction, and never edited after
//! a release. What a reader may get wrong: `application_id` says that the file is ours, not that its content is right.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Sqlite, Transaction};

use crate::error::{Result, StoreError, StoreErrorKind};
use crate::folder::{Folder, Identity};
use crate::{LOCK_WAIT_MS, SQLITE_FLOOR};

/// What one database file should be.
pub(crate) struct Schema {
    /// Its file.
    pub(crate) name: &'static str,
    /// Marks it as ours.
    pub(crate) application_id: i64,
    /// The steps from nothing to today.
    pub(crate) steps: &'static [&'static str],
}

/// An opened database file. Connections are made from it; it holds none itself.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    pub(crate) path: PathBuf,
    identity: Identity,
}

impl Database {
    /// Opens the file, made where it is missing and brought to today's schema. The caller holds the folder's lock, so that two
    /// processes do not make it at once.
    pub(crate) async fn open(folder: &Folder, schema: &Schema) -> Result<Self> {
        let (path, identity, bytes) = folder.file(schema.name)?;
        let database = Self { path, identity };
        let mut connection = database.connect().await?;
        let outcome = database.prepare(&mut connection, schema, bytes == 0).await;
        let closed = connection.close().await;
        outcome?;
        closed.map_err(|error| database.error(&error))?;
        Ok(database)
    }

    /// A connection that may write. Always WAL and FULL: what was committed survives a power cut.
    pub(crate) async fn connect(&self) -> Result<SqliteConnection> {
        self.check_identity()?;
        self.options().connect().await.map_err(|error| self.error(&error))
    }

    /// Begins to write on a connection that is opened where it is not: the lock is taken at once. Who gets an error on it lets go of the connection.
    pub(crate) async fn begin<'c>(&self, connection: &'c mut Option<SqliteConnection>) -> Result<Transaction<'c, Sqlite>> {
        self.check_identity()?;
        let connection = match connection {
            Some(connection) => connection,
            none => none.insert(self.connect().await?),
        };
        connection.begin_with("BEGIN IMMEDIATE").await.map_err(|error| self.error(&error))
    }

    /// Connections that only read, made when first needed.
    pub(crate) fn readers(&self) -> SqlitePool {
        SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(Duration::from_millis(LOCK_WAIT_MS))
            // Each connection is a thread of its own.
            .idle_timeout(Duration::from_secs(60))
            .connect_lazy_with(self.options().pragma("query_only", "ON"))
    }

    /// Whether the path still leads to the file that was opened.
    pub(crate) fn check_identity(&self) -> Result<()> {
        self.identity.check(&self.path)
    }

    pub(crate) fn error(&self, error: &sqlx::Error) -> StoreError {
        StoreError::sql(&self.path, LOCK_WAIT_MS, error)
    }

    fn options(&self) -> SqliteConnectOptions {
        SqliteConnectOptions::new()
            .filename(&self.path)
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_millis(LOCK_WAIT_MS))
            // Text in the schema or in a row must never choose a function with effects.
            .pragma("trusted_schema", "OFF")
            .pragma("cell_size_check", "ON")
            // A log that once grew is cut again after a checkpoint.
            .pragma("journal_size_limit", "16777216")
            // Otherwise what a statement needs to be undone goes to a file in `/tmp`, which a container may not have, and which is no place for values.
            .pragma("temp_store", "MEMORY")
            .disable_statement_logging()
    }

    async fn prepare(&self, connection: &mut SqliteConnection, schema: &Schema, fresh: bool) -> Result<()> {
        let sql = |error: sqlx::Error| self.error(&error);
        let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut *connection).await.map_err(sql)?;
        check_sqlite(&version)?;
        let known = schema.steps.len() as i64;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(sql)?;
        let id: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *transaction).await.map_err(sql)?;
        let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *transaction).await.map_err(sql)?;
        let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut *transaction).await.map_err(sql)?;
        // A crash while it was made leaves an empty database: neither fresh nor ours, and nothing is lost by making it again.
        if !(fresh || tables == 0 && found == 0 && id == 0 || id == schema.application_id) {
            return Err(StoreError::new(StoreErrorKind::Foreign { path: self.path.clone() }));
        }
        if found > known || found < 0 {
            return Err(StoreError::new(StoreErrorKind::NewerSchema { path: self.path.clone(), found, known }));
        }
        if found < known {
            for step in &schema.steps[found as usize..] {
                sqlx::raw_sql(*step).execute(&mut *transaction).await.map_err(sql)?;
            }
            // Pragmas take no parameters; both are numbers of our own.
            let marks = format!("PRAGMA application_id = {}; PRAGMA user_version = {known}", schema.application_id);
            sqlx::raw_sql(sqlx::AssertSqlSafe(marks)).execute(&mut *transaction).await.map_err(sql)?;
        }
        transaction.commit().await.map_err(sql)
    }
}

/// Whether this SQLite is at least the floor. 3.7.0 to 3.51.2 can corrupt a WAL database that two connections use.
pub(crate) fn check_sqlite(version: &str) -> Result<()> {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    let found = (|| Some((parts.next()??, parts.next()??, parts.next()??)))();
    match found {
        Some(found) if found >= SQLITE_FLOOR => Ok(()),
        _ => Err(StoreError::new(StoreErrorKind::OldSqlite { found: version.to_owned() })),
    }
}

/// The path as SQLite's text form needs it; only UTF-8 paths can be opened.
pub(crate) fn utf8(path: &Path) -> Result<()> {
    match path.to_str() {
        Some(_) => Ok(()),
        None => Err(StoreError::new(StoreErrorKind::Io { path: path.to_owned(), what: "the path is not UTF-8".to_owned() })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::SCHEMA;

    #[tokio::test]
    async fn nothing_is_kept_outside_of_the_folder() {
        const MEMORY: i64 = 2;
        let place = tempfile::tempdir().unwrap();
        let database = Database::open(&Folder::open(place.path()).unwrap(), &SCHEMA).await.unwrap();
        let mut writer = database.connect().await.unwrap();
        assert_eq!(sqlx::query_scalar::<_, i64>("PRAGMA temp_store").fetch_one(&mut writer).await.unwrap(), MEMORY);
        assert_eq!(sqlx::query_scalar::<_, i64>("PRAGMA temp_store").fetch_one(&database.readers()).await.unwrap(), MEMORY);
    }

    #[test]
    fn the_floor_of_sqlite_is_enforced() {
        for good in ["3.51.3", "3.52.0", "3.100.0", "4.0.0"] {
            assert!(check_sqlite(good).is_ok(), "{good}");
        }
        for bad in ["3.51.2", "3.46.0", "3.9.9", "2.99.99", "3.51", "", "new"] {
            assert!(matches!(check_sqlite(bad).unwrap_err().kind(), StoreErrorKind::OldSqlite { .. }), "{bad}");
        }
    }
}

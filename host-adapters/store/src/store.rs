//! Opening and closing a node's folder: `records.db`, `records.key`, `records.head`, `values.db`, `store.lock`; and `events.db`, once
//! somebody asks for it.
//!
//! A broken chain can be opened, so that it can be looked at and `verify` can name the bad record; nothing can be appended to it.

use std::path::Path;

use plugwork_core::record::PublicKey;
use sqlx::Connection as _;
use sqlx::sqlite::SqlitePool;

use crate::LOCK_WAIT_MS;
use crate::applications;
use crate::database::{Database, Schema, utf8};
use crate::error::{Result, StoreError, StoreErrorKind};
use crate::folder::Folder;
use crate::head;
use crate::outbox;
use crate::records::{SCHEMA, Stamps, Writer};
use crate::values::{self, Values};

/// A node's records, deployments, tokens and values. Cheap to share in an `Arc`; every method may be called from many tasks at once.
pub struct Store {
    pub(crate) folder: Folder,
    pub(crate) database: Database,
    pub(crate) readers: SqlitePool,
    pub(crate) writer: Writer,
    pub(crate) public_key: PublicKey,
    pub(crate) stamps: Stamps,
    pub(crate) applications: applications::Writer,
    values: Values,
}

impl Store {
    /// Opens the folder, made where it is missing (mode 0700), with a new key on first use.
    ///
    /// # Errors
    /// When the folder or a file in it is not ours alone, the key is missing although records, deployments or tokens exist, a database is damaged, foreign or
    /// of a later schema, or another process holds the folder's lock for longer than [`crate::LOCK_WAIT_MS`].
    pub async fn open(folder: &Path) -> Result<Self> {
        utf8(folder)?;
        let path = folder.to_owned();
        let (folder, lock) = blocking(move || {
            let folder = Folder::open(&path)?;
            let lock = folder.lock()?;
            Ok((folder, lock))
        })
        .await?;
        let database = Database::open(&folder, &SCHEMA).await?;
        let values = Database::open(&folder, &values::SCHEMA).await?;
        let readers = database.readers();
        let records: Option<i64> = sqlx::query_scalar("SELECT sequence FROM record LIMIT 1")
            .fetch_optional(&readers)
            .await
            .map_err(|error| database.error(&error))?;
        // All that only this key can tell from what somebody else wrote.
        let signed: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM record) OR EXISTS (SELECT 1 FROM deployment) OR EXISTS (SELECT 1 FROM movement) OR EXISTS (SELECT 1 FROM token)",
        )
        .fetch_one(&readers)
        .await
        .map_err(|error| database.error(&error))?;
        let (key, stamps) = folder.key(signed)?;
        // Without records and without a head this is a new chain. With records, a head that is missing stays missing: `verify` and
        // `append` say so.
        if records.is_none() && !folder.path(head::NAME).exists() {
            head::begin(&folder, &key)?;
        }
        folder.sync()?;
        drop(lock);
        let public_key = key.public();
        let writer = Writer::start(folder.clone(), database.clone(), key, stamps.clone())?;
        let applications = applications::Writer::start(database.clone(), stamps.clone())?;
        let values = Values::start(values)?;
        Ok(Self { folder, database, readers, writer, public_key, stamps, applications, values })
    }

    /// The values of plugins.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// Writes a copy of everything that it keeps into a folder, made where it is missing: what [`Store::open`] opens again. Others may write meanwhile; each
    /// database is copied as it is at one moment.
    ///
    /// # Errors
    /// The folder is not ours alone, a file is there already, or there is no room.
    pub async fn copy_into(&self, target: &Path) -> Result<()> {
        utf8(target)?;
        let (own, path) = (self.folder.clone(), target.to_owned());
        let target = blocking(move || {
            let target = Folder::open(&path)?;
            // The head before the chain: it may lag behind, and never runs ahead.
            for name in [head::NAME, "records.key"] {
                if let Some(bytes) = own.read(name, head::BYTES_MAX)? {
                    target.replace(name, &bytes)?;
                }
            }
            Ok(target)
        })
        .await?;
        for (database, schema) in self.databases().await? {
            let (path, _, bytes) = target.file(schema.name)?;
            if bytes > 0 {
                return Err(StoreError::new(StoreErrorKind::Exists { path }));
            }
            let sql = |error: sqlx::Error| StoreError::sql(&path, LOCK_WAIT_MS, &error);
            let mut connection = database.connect().await?;
            let copied = sqlx::query("VACUUM INTO ?").bind(path.to_str()).execute(&mut connection).await;
            connection.close().await.map_err(|error| database.error(&error))?;
            copied.map_err(sql)?;
        }
        blocking(move || target.sync()).await
    }

    /// All that there are: whether there is one of events is for hosts that keep some.
    async fn databases(&self) -> Result<Vec<(Database, &'static Schema)>> {
        let mut all = vec![(self.database.clone(), &SCHEMA), (self.values.database().clone(), &values::SCHEMA)];
        if self.has_events() {
            all.push((self.events_database().await?, &outbox::SCHEMA));
        }
        Ok(all)
    }

    /// Reads all databases whole, as SQLite checks them: pages, rows and indexes. [`Records::verify`](plugwork_core::record::Records::verify) checks what the
    /// records say.
    ///
    /// # Errors
    /// The first that is damaged.
    pub async fn check(&self) -> Result<()> {
        for (database, _) in self.databases().await? {
            let mut connection = database.connect().await?;
            let said = sqlx::query_scalar::<_, String>("PRAGMA integrity_check(20)").fetch_all(&mut connection).await;
            connection.close().await.map_err(|error| database.error(&error))?;
            let said = said.map_err(|error| database.error(&error))?;
            if said != ["ok"] {
                let what = said.join("; ");
                return Err(StoreError::new(StoreErrorKind::Damaged { path: database.path.clone(), what }));
            }
        }
        Ok(())
    }

    /// Ends the writers after what they were given, and closes the databases. Later calls get [`StoreErrorKind::Closed`]. Dropping
    /// does the same in the background.
    pub async fn close(&self) {
        self.writer.close().await;
        self.applications.close().await;
        self.values.close().await;
        self.readers.close().await;
    }
}

/// Runs what blocks outside the threads that drive tasks.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        // Cancelled by a runtime that shuts down; a panic is passed on as one.
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(StoreError::new(StoreErrorKind::Closed)),
        },
    }
}

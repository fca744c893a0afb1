//! Events of durable topics, in `events.db`: the contract of [`Outbox`] on SQLite.
//!
//! Reading is here, `write` appends and moves cursors, `rows` is what both do with one row. What a reader may get wrong: a page is read in one
//! snapshot, so that what is said to be gone fits what is given; and each tenant has its own sequence.

mod rows;
mod write;

use std::sync::Arc;

use plugwork_core::events::Event;
use plugwork_core::events::outbox::{Change, Cursor, Extent, Most, Outbox, OutboxError, Page, Pending, Retention, Span};
use plugwork_core::limits::OUTBOX_SCAN_MAX;
use plugwork_core::record::ConsentKey;
use sqlx::Row as _;
use sqlx::sqlite::SqlitePool;

use crate::database::{Database, Schema};
use crate::error::{Result, StoreError, StoreErrorKind};
use crate::store::{Store, blocking};
use rows::{number, span};
use write::{Answer, Request, Writer};

/// `PWEV`, and the steps of the schema.
pub(crate) const SCHEMA: Schema =
    Schema { name: "events.db", application_id: 0x5057_4556, steps: &[include_str!("../schema/events-1.sql")] };

/// The durable events of a node. Every method may be called from many tasks at once; what is asked at once shares a commit.
pub struct SqliteOutbox {
    database: Database,
    readers: SqlitePool,
    writer: Writer,
}

impl Store {
    /// The durable events that are kept beside the records, in `events.db`, made where it is missing: what `Builder::outbox` takes. For one host at a time.
    ///
    /// # Errors
    /// As [`Store::open`], of that file; [`StoreErrorKind::Retention`] where it would keep nothing.
    pub async fn outbox(&self, retention: Retention) -> Result<Arc<SqliteOutbox>> {
        retention.check().map_err(|issue| StoreError::new(StoreErrorKind::Retention(issue)))?;
        let database = self.events_database().await?;
        let (readers, writer) = (database.readers(), Writer::start(database.clone(), retention)?);
        Ok(Arc::new(SqliteOutbox { database, readers, writer }))
    }

    /// Where durable events are kept, made where it is missing.
    pub(crate) async fn events_database(&self) -> Result<Database> {
        let folder = self.folder.clone();
        let lock = blocking(move || folder.lock()).await?;
        let database = Database::open(&self.folder, &SCHEMA).await?;
        self.folder.sync()?;
        drop(lock);
        Ok(database)
    }

    /// Whether there are any.
    pub(crate) fn has_events(&self) -> bool {
        self.folder.path(SCHEMA.name).exists()
    }
}

impl SqliteOutbox {
    /// Ends the writer after what it was given, and closes the database. Later calls get [`OutboxError::Closed`]. Dropping does the same in the background.
    pub async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
    }

    async fn read_page(&self, tenant: &str, after: u64, wanted: &[Extent], most: Most) -> Result<Page, sqlx::Error> {
        let mut snapshot = self.readers.begin().await?;
        let row = sqlx::query("SELECT id, first FROM tenant WHERE name = ?").bind(tenant).fetch_optional(&mut *snapshot).await?;
        let Some(row) = row else { return Ok(Page { scanned: after, ..Page::default() }) };
        let (id, gone) = (row.try_get::<i64, _>("id")?, number(&row, "first")?.saturating_sub(1));
        let mut page = Page { events: Vec::new(), scanned: after.max(gone), gone };
        let looked = sqlx::query("SELECT sequence, topic, bytes FROM event WHERE tenant = ? AND sequence > ? ORDER BY sequence LIMIT ?");
        let looked = looked.bind(id).bind(i64::try_from(page.scanned).unwrap_or(i64::MAX)).bind(OUTBOX_SCAN_MAX as i64);
        let mut bytes = 0;
        for row in looked.fetch_all(&mut *snapshot).await? {
            let sequence = number(&row, "sequence")?;
            if Extent::any(wanted, sequence, row.try_get("topic")?) {
                bytes += number(&row, "bytes")?;
                if !page.events.is_empty() && (page.events.len() >= most.events || bytes > most.bytes as u64) {
                    break;
                }
                let event = sqlx::query("SELECT * FROM event WHERE tenant = ? AND sequence = ?").bind(id).bind(sequence as i64);
                page.events.push(rows::event(&event.fetch_one(&mut *snapshot).await?)?);
            }
            page.scanned = sequence;
        }
        Ok(page)
    }

    async fn read_spans(&self) -> Result<Vec<(String, Span)>, sqlx::Error> {
        let rows = sqlx::query("SELECT name, first, last, bytes FROM tenant ORDER BY name").fetch_all(&self.readers).await?;
        rows.iter().map(|row| Ok((row.try_get("name")?, span(row)?))).collect()
    }

    /// What a request that was carried out gave.
    async fn ask(&self, request: Request) -> Result<Answer, OutboxError> {
        self.writer.write(request).await.map_err(OutboxError::from)
    }

    fn read_or<T>(&self, read: Result<T, sqlx::Error>) -> Result<T, OutboxError> {
        read.map_err(|error| self.database.error(&error).into())
    }
}

impl Outbox for SqliteOutbox {
    fn append<'a>(&'a self, tenant: &'a str, at_ms: u64, event: Event) -> Pending<'a, Event> {
        Box::pin(async move {
            match self.ask(Request::Append { tenant: tenant.to_owned(), at_ms, event }).await? {
                Answer::Kept(event) => Ok(event),
                _ => unreachable!("appending gives the event"),
            }
        })
    }

    fn read<'a>(&'a self, tenant: &'a str, after: u64, wanted: &'a [Extent], most: Most) -> Pending<'a, Page> {
        Box::pin(async move { self.read_or(self.read_page(tenant, after, wanted, most).await) })
    }

    fn span<'a>(&'a self, tenant: &'a str) -> Pending<'a, Span> {
        Box::pin(async move {
            let row = sqlx::query("SELECT first, last, bytes FROM tenant WHERE name = ?").bind(tenant);
            let row = row.fetch_optional(&self.readers).await;
            self.read_or(row.and_then(|row| row.map_or(Ok(Span::EMPTY), |row| span(&row))))
        })
    }

    fn spans(&self) -> Pending<'_, Vec<(String, Span)>> {
        Box::pin(async move { self.read_or(self.read_spans().await) })
    }

    fn cursor<'a>(&'a self, key: &'a ConsentKey) -> Pending<'a, Option<Cursor>> {
        Box::pin(async move {
            let read = async { rows::cursor(&mut *self.readers.acquire().await?, key).await };
            self.read_or(read.await)
        })
    }

    fn change<'a>(&'a self, key: &'a ConsentKey, change: Change) -> Pending<'a, Option<Cursor>> {
        Box::pin(async move {
            match self.ask(Request::Change { key: key.clone(), change }).await? {
                Answer::Cursor(cursor) => Ok(cursor),
                _ => unreachable!("a change gives the cursor"),
            }
        })
    }

    fn prune(&self, at_ms: u64) -> Pending<'_, u64> {
        Box::pin(async move {
            match self.ask(Request::Prune { at_ms }).await? {
                Answer::Count(count) => Ok(count),
                _ => unreachable!("pruning counts"),
            }
        })
    }
}

impl From<StoreError> for OutboxError {
    fn from(error: StoreError) -> Self {
        match error.kind() {
            StoreErrorKind::Busy { waited_ms, .. } => Self::Busy { waited_ms: *waited_ms },
            StoreErrorKind::Closed => Self::Closed,
            kind => Self::Storage { what: kind.to_string(), hint: error.hint() },
        }
    }
}

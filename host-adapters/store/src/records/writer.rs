//! Appending: one thread, one connection, one commit for everything that waits. The chain's end is read inside the transaction,
//! because another process may have appended since.
//!
//! What a reader may get wrong: after an error at commit nobody knows what reached the disk, so the connection is dropped and the end is
//! read anew; nothing was acknowledged.

use plugwork_core::record::{Broken, Event, Head, Key, Record, RecordsError, Why, seal};
use sqlx::sqlite::SqliteConnection;
use tokio::sync::oneshot;

use super::index::Index;
use super::row;
use super::stamp::Stamps;
use crate::database::Database;
use crate::error::Result;
use crate::folder::Folder;
use crate::head;
use crate::queue::Queue;

/// Hands events to the appending thread.
pub(crate) struct Writer(Queue<Request>);

struct Request {
    /// Where the chain has to end still.
    after: Option<u64>,
    at_ms: u64,
    events: Vec<Event>,
    reply: Reply,
}

/// None where the chain had gone on.
type Reply = oneshot::Sender<Result<Option<Vec<Record>>>>;

impl Writer {
    /// Starts the thread. The key that signs lives there and nowhere else.
    pub(crate) fn start(folder: Folder, database: Database, key: Key, stamps: Stamps) -> Result<Self> {
        let mut appender = Appender { folder, database, key, stamps, connection: None, written: None };
        Queue::start("plugwork-records", async move |batch| appender.write(batch).await).map(Self)
    }

    pub(crate) async fn append(&self, after: Option<u64>, at_ms: u64, events: Vec<Event>) -> Result<Option<Vec<Record>>> {
        self.0.ask(|reply| Request { after, at_ms, events, reply }).await
    }

    pub(crate) async fn close(&self) {
        self.0.close().await;
    }
}

struct Appender {
    folder: Folder,
    database: Database,
    key: Key,
    stamps: Stamps,
    connection: Option<SqliteConnection>,
    /// The head that this process wrote last: an end equal to it needs no further check.
    written: Option<Head>,
}

/// What one request became, to be told when it is durable.
type Sealed = (Reply, Vec<Record>);

impl Appender {
    async fn write(&mut self, mut waiting: Vec<Request>) {
        let mut sealed = Vec::with_capacity(waiting.len());
        match self.commit(&mut waiting, &mut sealed).await {
            Ok(()) => {
                if let Some(head) = sealed.iter().rev().find_map(|(_, records)| records.last()).map(Record::head) {
                    // The records are durable without it. A head that lags behind is allowed, and the next append moves it.
                    let advanced = head::advance(&self.folder, head, &self.key);
                    self.written = advanced.is_ok().then_some(head);
                }
                for (reply, records) in sealed {
                    // Nobody waits any more: appended all the same.
                    let _ = reply.send(Ok(Some(records)));
                }
            }
            Err(error) => {
                self.connection = None;
                self.written = None;
                let replies = sealed.into_iter().map(|(reply, _)| reply).chain(waiting.into_iter().map(|request| request.reply));
                for reply in replies {
                    let _ = reply.send(Err(error.clone()));
                }
            }
        }
    }

    /// Moves each request from `waiting` to `sealed`, or answers it with what is wrong with it alone; commits the sealed ones.
    async fn commit(&mut self, waiting: &mut Vec<Request>, sealed: &mut Vec<Sealed>) -> Result<()> {
        let sql = |error: sqlx::Error| self.database.error(&error);
        let mut transaction = self.database.begin(&mut self.connection).await?;
        let last = last(&mut transaction, &self.database).await?;
        let mut end = last.as_ref().map(Record::head);
        if end.is_none() || end != self.written {
            let kept = head::read(&self.folder, &self.key.public())?;
            check_end(&mut transaction, &self.database, last.as_ref(), kept, &self.key).await?;
        }
        for request in waiting.drain(..) {
            // Also what was sealed before it in this very transaction.
            if request.after.is_some_and(|after| after != end.map_or(0, |end| end.sequence)) {
                let _ = request.reply.send(Ok(None));
                continue;
            }
            match seal_all(end, &request, &self.key) {
                Ok(records) => {
                    end = records.last().map(Record::head).or(end);
                    sealed.push((request.reply, records));
                    let (_, records) = sealed.last().expect("it was just pushed");
                    for (event, record) in request.events.iter().zip(records) {
                        insert(&mut transaction, event, record, &self.stamps).await.map_err(sql)?;
                    }
                }
                Err(error) => {
                    let _ = request.reply.send(Err(error.into()));
                }
            }
        }
        transaction.commit().await.map_err(sql)
    }
}

fn seal_all(mut end: Option<Head>, request: &Request, key: &Key) -> Result<Vec<Record>, RecordsError> {
    if i64::try_from(request.at_ms).is_err() {
        let what = format!("{} is no time: it does not fit 63 bits of milliseconds", request.at_ms);
        return Err(RecordsError::Storage { what, hint: String::new() });
    }
    let mut records = Vec::with_capacity(request.events.len());
    for event in &request.events {
        let record = seal(end.as_ref(), request.at_ms, event, key)?;
        end = Some(record.head());
        records.push(record);
    }
    Ok(records)
}

async fn last(connection: &mut SqliteConnection, database: &Database) -> Result<Option<Record>> {
    let row = sqlx::query("SELECT * FROM record ORDER BY sequence DESC LIMIT 1").fetch_optional(connection).await;
    row.map_err(|error| database.error(&error))?.as_ref().map(row::record).transpose()
}

/// Whether the chain still has the record that the kept head names, and ends in one of ours. Otherwise appending would cover up that it
/// was cut or replaced.
async fn check_end(connection: &mut SqliteConnection, database: &Database, last: Option<&Record>, kept: Head, key: &Key) -> Result<()> {
    let after = last.map_or(0, |record| record.sequence);
    if kept.sequence > after {
        return Err(Broken { sequence: kept.sequence, why: Why::Missing { after } }.into());
    }
    if let Some(last) = last {
        last.genuine(&key.public())?;
    }
    if kept.sequence > 0 {
        let row = sqlx::query("SELECT * FROM record WHERE sequence = ?").bind(kept.sequence as i64).fetch_optional(connection).await;
        let record = row.map_err(|error| database.error(&error))?.as_ref().map(row::record).transpose()?;
        if record.is_none_or(|record| record.digest != kept.digest) {
            return Err(Broken { sequence: kept.sequence, why: Why::Head }.into());
        }
    }
    Ok(())
}

async fn insert(connection: &mut SqliteConnection, event: &Event, record: &Record, stamps: &Stamps) -> Result<(), sqlx::Error> {
    let sequence = record.sequence as i64;
    sqlx::query("INSERT INTO record (sequence, at_ms, body, previous, digest, signature) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(sequence)
        .bind(record.at_ms as i64)
        .bind(&record.body)
        .bind(record.previous.to_string())
        .bind(record.digest.to_string())
        .bind(record.signature.to_string())
        .execute(&mut *connection)
        .await?;
    for index in Index::ALL {
        index.follow(connection, event, record, stamps).await?;
    }
    Ok(())
}

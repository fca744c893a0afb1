//! Appending events and moving cursors: one thread, one commit for all that waits.
//!
//! What a reader may get wrong: what cannot be carried out because of a row that cannot be read is taken out of the batch, and the others are done again
//! without it. Any other error is one of SQLite and the answer to the whole batch; nobody knows then what reached the disk, and what was kept all the
//! same is delivered.

use std::collections::BTreeMap;

use plugwork_core::events::Event;
use plugwork_core::events::outbox::{Change, Cursor, Retention};
use plugwork_core::record::ConsentKey;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::oneshot;

use super::rows;
use crate::database::Database;
use crate::error::{Result, StoreError};
use crate::queue::Queue;

/// What is asked.
pub(super) enum Request {
    Append { tenant: String, at_ms: u64, event: Event },
    Change { key: ConsentKey, change: Change },
    Prune { at_ms: u64 },
}

/// What came of it.
pub(super) enum Answer {
    Kept(Event),
    Cursor(Option<Cursor>),
    Count(u64),
}

type Reply = oneshot::Sender<Result<Answer>>;

/// Hands requests to the writing thread.
pub(super) struct Writer(Queue<(Request, Reply)>);

impl Writer {
    pub(super) fn start(database: Database, retention: Retention) -> Result<Self> {
        let mut connection = None;
        Queue::start("plugwork-events", async move |batch: Vec<(Request, Reply)>| {
            let (requests, replies): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
            let answers = match commit(&database, &mut connection, &retention, &requests).await {
                Ok(answers) => answers,
                Err(error) => {
                    connection = None;
                    replies.iter().map(|_| Err(error.clone())).collect()
                }
            };
            for (reply, answer) in replies.into_iter().zip(answers) {
                // Nobody waits any more: done all the same.
                let _ = reply.send(answer);
            }
        })
        .map(Self)
    }

    pub(super) async fn write(&self, request: Request) -> Result<Answer> {
        self.0.ask(|reply| (request, reply)).await
    }

    pub(super) async fn close(&self) {
        self.0.close().await;
    }
}

/// The answers to all of them, in order.
async fn commit(
    database: &Database,
    connection: &mut Option<SqliteConnection>,
    retention: &Retention,
    requests: &[Request],
) -> Result<Vec<Result<Answer>>> {
    let sql = |error: sqlx::Error| database.error(&error);
    let mut refused: BTreeMap<usize, StoreError> = BTreeMap::new();
    'again: loop {
        let mut transaction = database.begin(connection).await?;
        let mut answers = Vec::with_capacity(requests.len());
        for (at, request) in requests.iter().enumerate() {
            if let Some(error) = refused.get(&at) {
                answers.push(Err(error.clone()));
                continue;
            }
            match carry_out(&mut transaction, retention, request).await {
                Ok(answer) => answers.push(Ok(answer)),
                Err(error) if is_of_a_row(&error) => {
                    // Some of it may have been written.
                    transaction.rollback().await.map_err(sql)?;
                    refused.insert(at, sql(error));
                    continue 'again;
                }
                Err(error) => return Err(sql(error)),
            }
        }
        transaction.commit().await.map_err(sql)?;
        return Ok(answers);
    }
}

/// Whether it is one row that is wrong: the trouble of who asked for it.
fn is_of_a_row(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } | sqlx::Error::RowNotFound)
}

async fn carry_out(connection: &mut SqliteConnection, retention: &Retention, request: &Request) -> Result<Answer, sqlx::Error> {
    match request {
        Request::Append { tenant, at_ms, event } => {
            rows::append(connection, retention, tenant, *at_ms, event.clone()).await.map(Answer::Kept)
        }
        // What it was is of no interest: one that cannot be read can still be forgotten.
        Request::Change { key, change: Change::Forget } => {
            rows::put_cursor(connection, key, None).await?;
            Ok(Answer::Cursor(None))
        }
        Request::Change { key, change } => {
            let cursor = change.clone().apply(rows::cursor(connection, key).await?);
            rows::put_cursor(connection, key, cursor.as_ref()).await?;
            Ok(Answer::Cursor(cursor))
        }
        Request::Prune { at_ms } => rows::prune_all(connection, retention, *at_ms).await.map(Answer::Count),
    }
}

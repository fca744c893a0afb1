//! Appending events and moving cursors: one thread, one commit for all that waits.
//!
//! What a reader may get wrong: nothing is refused here, so an error is one of SQLite and the answer to the whole batch; nobody knows then what reached
//! the disk, and what was kept all the same is delivered.

use plugwork_core::events::Event;
use plugwork_core::events::outbox::{Change, Cursor, Retention};
use plugwork_core::record::ConsentKey;
use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::oneshot;

use super::rows;
use crate::database::Database;
use crate::error::Result;
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
            let answers = match commit(&database, &mut connection, &retention, requests).await {
                Ok(answers) => answers.into_iter().map(Ok).collect(),
                Err(error) => {
                    connection = None;
                    replies.iter().map(|_| Err(error.clone())).collect::<Vec<_>>()
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

async fn commit(
    database: &Database,
    connection: &mut Option<SqliteConnection>,
    retention: &Retention,
    requests: Vec<Request>,
) -> Result<Vec<Answer>> {
    database.check_identity()?;
    let connection = match connection {
        Some(connection) => connection,
        none => none.insert(database.connect().await?),
    };
    let sql = |error: sqlx::Error| database.error(&error);
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(sql)?;
    let mut answers = Vec::with_capacity(requests.len());
    for request in requests {
        answers.push(carry_out(&mut transaction, retention, request).await.map_err(sql)?);
    }
    transaction.commit().await.map_err(sql)?;
    Ok(answers)
}

async fn carry_out(connection: &mut SqliteConnection, retention: &Retention, request: Request) -> Result<Answer, sqlx::Error> {
    match request {
        Request::Append { tenant, at_ms, event } => rows::append(connection, retention, &tenant, at_ms, event).await.map(Answer::Kept),
        Request::Change { key, change } => {
            let cursor = change.apply(rows::cursor(connection, &key).await?);
            rows::put_cursor(connection, &key, cursor.as_ref()).await?;
            Ok(Answer::Cursor(cursor))
        }
        Request::Prune { at_ms } => rows::prune_all(connection, retention, at_ms).await.map(Answer::Count),
    }
}

//! Writing values: one thread, one commit for all changes that wait, each change in a savepoint of its own.
//!
//! What a reader may get wrong: a change that is refused (quota, not a number) harms no other, but an error of SQLite ends the whole
//! batch, because SQLite may have rolled the transaction back by itself.

use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::oneshot;

use super::change::apply;
use super::{Namespace, Quota, Swapped};
use crate::database::Database;
use crate::error::{Result, StoreError};
use crate::queue::Queue;

/// What is asked.
pub(super) enum Change {
    Set { entries: Vec<(String, Vec<u8>)>, quota: Quota },
    Delete { keys: Vec<String> },
    Increment { key: String, delta: i64, quota: Quota },
    Swap { key: String, expected: Option<Vec<u8>>, value: Vec<u8>, quota: Quota },
    Forget,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Outcome {
    Done,
    Count(u64),
    Number(i64),
    Swapped(Swapped),
}

/// Why it was not done: this change alone, or the database.
pub(super) enum Failure {
    Refused(StoreError),
    Sql(sqlx::Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

/// Hands changes to the writing thread.
pub(super) struct Writer(Queue<Request>);

struct Request {
    namespace: Namespace,
    change: Change,
    reply: oneshot::Sender<Result<Outcome>>,
}

impl Writer {
    pub(super) fn start(database: Database) -> Result<Self> {
        let mut connection = None;
        Queue::start("plugwork-values", async move |batch: Vec<Request>| {
            let mut done = Vec::with_capacity(batch.len());
            let mut waiting = batch.into_iter();
            let committed = commit(&database, &mut connection, &mut waiting, &mut done).await;
            if let Err(error) = &committed {
                connection = None;
                for request in waiting {
                    let _ = request.reply.send(Err(error.clone()));
                }
            }
            for (reply, outcome) in done {
                // Nobody waits any more: done all the same.
                let _ = reply.send(committed.clone().and(outcome));
            }
        })
        .map(Self)
    }

    pub(super) async fn write(&self, namespace: &Namespace, change: Change) -> Result<Outcome> {
        self.0.ask(|reply| Request { namespace: namespace.clone(), change, reply }).await
    }

    pub(super) async fn close(&self) {
        self.0.close().await;
    }
}

type Done = (oneshot::Sender<Result<Outcome>>, Result<Outcome>);

async fn commit(
    database: &Database,
    connection: &mut Option<SqliteConnection>,
    waiting: &mut std::vec::IntoIter<Request>,
    done: &mut Vec<Done>,
) -> Result<()> {
    let sql = |error: sqlx::Error| database.error(&error);
    let mut transaction = database.begin(connection).await?;
    for Request { namespace, change, reply } in waiting {
        let mut savepoint = transaction.begin().await.map_err(sql)?;
        match apply(&mut savepoint, &namespace, change).await {
            Ok(outcome) => {
                savepoint.commit().await.map_err(sql)?;
                done.push((reply, Ok(outcome)));
            }
            Err(Failure::Refused(error)) => {
                savepoint.rollback().await.map_err(sql)?;
                done.push((reply, Err(error)));
            }
            Err(Failure::Sql(error)) => {
                let error = sql(error);
                done.push((reply, Err(error.clone())));
                return Err(error);
            }
        }
    }
    transaction.commit().await.map_err(sql)
}

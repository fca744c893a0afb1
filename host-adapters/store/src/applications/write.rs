//! Writing: one thread, one commit for all changes that wait, each change in a savepoint of its own. Nothing is answered before the commit.
//!
//! What a reader may get wrong: a change that is refused harms no other. An error at commit is the answer to all of them, and the connection is dropped,
//! because nobody knows what reached the disk.

use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::oneshot;

use super::change::{Answer, Change};
use super::row::Rows;
use crate::database::Database;
use crate::error::Result;
use crate::queue::Queue;
use crate::records::Stamps;

/// Hands changes to the writing thread, and reads rows.
pub(crate) struct Writer {
    queue: Queue<Request>,
    pub(super) rows: Rows,
}

struct Request {
    change: Change,
    reply: oneshot::Sender<Result<Answer>>,
}

type Done = (oneshot::Sender<Result<Answer>>, Answer);

impl Writer {
    pub(crate) fn start(database: Database, stamps: Stamps) -> Result<Self> {
        let rows = Rows { database, stamps };
        let (mut connection, kept) = (None, rows.clone());
        let queue = Queue::start("plugwork-applications", async move |batch: Vec<Request>| {
            let mut done = Vec::with_capacity(batch.len());
            let mut waiting = batch.into_iter();
            let committed = commit(&kept, &mut connection, &mut waiting, &mut done).await;
            if let Err(error) = &committed {
                connection = None;
                for request in waiting {
                    let _ = request.reply.send(Err(error.clone()));
                }
            }
            for (reply, answer) in done {
                // Nobody waits any more: done all the same.
                let _ = reply.send(committed.clone().map(|()| answer));
            }
        })?;
        Ok(Self { queue, rows })
    }

    pub(crate) async fn write(&self, change: Change) -> Result<Answer> {
        self.queue.ask(|reply| Request { change, reply }).await
    }

    pub(crate) async fn close(&self) {
        self.queue.close().await;
    }
}

async fn commit(
    rows: &Rows,
    connection: &mut Option<SqliteConnection>,
    waiting: &mut std::vec::IntoIter<Request>,
    done: &mut Vec<Done>,
) -> Result<()> {
    let sql = |error: sqlx::Error| rows.database.error(&error);
    let mut transaction = rows.database.begin(connection).await?;
    for Request { change, reply } in waiting {
        match one(rows, &mut transaction, change).await {
            Ok(answer) => done.push((reply, answer)),
            Err(error) => {
                let _ = reply.send(Err(error.clone()));
                return Err(error);
            }
        }
    }
    transaction.commit().await.map_err(sql)
}

/// One change in its savepoint. An error is one of SQLite, after which nothing of the batch can be kept.
async fn one(rows: &Rows, transaction: &mut SqliteConnection, change: Change) -> Result<Answer> {
    let sql = |error: sqlx::Error| rows.database.error(&error);
    let mut savepoint = transaction.begin().await.map_err(sql)?;
    let answer = change.apply(rows, &mut savepoint).await;
    let ended = if answer.is_done() { savepoint.commit().await } else { savepoint.rollback().await };
    // After some errors (a full disk) the transaction is gone, and this fails because of the one before, which says more.
    match ended {
        Ok(()) => Ok(answer),
        Err(error) => Err(answer.failure().unwrap_or_else(|| sql(error))),
    }
}
